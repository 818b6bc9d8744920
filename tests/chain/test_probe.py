"""Many calls of contracts that may not know them."""

from __future__ import annotations

from defiliq.chain.probe import number_call, probe
from tests.builders import BLOCK
from tests.oracle.contracts import A, B, C, Chain, P


def test_answers_come_in_order_whatever_the_calls_look_like() -> None:
    chain = Chain()
    chain.put(A, price=7)
    chain.put(B, **{"rate(10)": -1, "price": 2**255})
    calls = [
        number_call(B, "rate(uint256)", 10),
        number_call(A, "price()"),
        number_call(C, "price()"),
        number_call(B, "rate(uint256)", 11),
        number_call(B, "price()"),
    ]
    for is_known in (True, False):
        assert probe(chain, calls, BLOCK, is_known=is_known) == [(2**256 - 1,), (7,), None, None, (2**255,)]


def test_an_answer_with_too_few_words_is_none() -> None:
    chain = Chain()
    chain.put(A, latestRoundData=(1, 2, 3, 4, 5))
    chain.put(B, latestRoundData=(1, 2, 3, 4))
    chain.put(C, latestRoundData=(1, 2, 3, 4, 5, 6))
    calls = [number_call(at, "latestRoundData()") for at in (A, B, C, P)]
    assert probe(chain, calls, BLOCK, words=5) == [(1, 2, 3, 4, 5), None, (1, 2, 3, 4, 5), None]


def test_what_contracts_are_not_meant_to_know_is_asked_once() -> None:
    chain = Chain()
    chain.put(A, price=7)
    calls = [number_call(at, "price()") for at in (A, B, C) * 100]
    known = Chain(chain.contracts)
    probe(known, calls, BLOCK)
    assert probe(chain, calls, BLOCK, is_known=False)[:3] == [(7,), None, None]
    assert chain.asked < known.asked


def test_no_calls_no_answers() -> None:
    assert probe(Chain(), [], BLOCK) == []
