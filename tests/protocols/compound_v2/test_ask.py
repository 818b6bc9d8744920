"""What the Comptroller answers, under the names of a health."""

from __future__ import annotations

import pytest

from defiliq.errors import CallReverted
from defiliq.protocols.compound_v2.ask import Answer, decode_answer
from tests.builders import address

COMPTROLLER = address(0xC0)


def test_liquidity_and_shortfall() -> None:
    safe = decode_answer(COMPTROLLER, (0, 7, 0))
    assert isinstance(safe, Answer)
    assert safe.said == {"available_borrows_base": 7, "margin": 7, "liquidatable": False}
    short = decode_answer(COMPTROLLER, (0, 0, 7))
    assert isinstance(short, Answer)
    assert short.said == {"available_borrows_base": 0, "margin": -7, "liquidatable": True}
    edge = decode_answer(COMPTROLLER, (0, 0, 0))
    assert isinstance(edge, Answer)
    assert not edge.said["liquidatable"]


def test_a_debt_in_a_deprecated_market_needs_no_shortfall() -> None:
    for debts, is_liquidatable in ((((0,), (0,)), False), (((0,), (1,)), True)):
        answer = decode_answer(COMPTROLLER, (0, 7, 0), debts)
        assert isinstance(answer, Answer)
        assert answer.said["liquidatable"] is is_liquidatable
        assert answer.said["margin"] == 7


@pytest.mark.parametrize(
    ("words", "debts", "seen"),
    [
        (None, (), "reverts"),
        ((13, 0, 0), (), "13 .PRICE_ERROR"),
        ((11, 0, 0), (), "11 .MATH_ERROR"),
        ((15, 0, 0), (), "15 .SNAPSHOT_ERROR"),
        ((99, 0, 0), (), "99 .unknown"),
        ((0, 1, 0), (None,), "refuses"),
    ],
)
def test_errors_have_names(
    words: tuple[int, ...] | None, debts: tuple[tuple[int, ...] | None, ...], seen: str
) -> None:
    answer = decode_answer(COMPTROLLER, words, debts)
    assert isinstance(answer, CallReverted)
    assert COMPTROLLER in str(answer)
    assert any(part in str(answer) for part in (seen, seen.replace(".", "(")))
