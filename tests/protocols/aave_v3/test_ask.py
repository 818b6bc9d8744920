"""The pool's own word in pretended worlds: other prices, other times."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from defiliq.chain.abi import encode_call
from defiliq.chain.node import Call, Node, Override, answered
from defiliq.chain.pretend import ROUND_AGE_S, aggregator_code, constant_code
from defiliq.errors import BadResponse, CallReverted, UnsupportedReserve
from defiliq.oracle.drivers import find_driver
from defiliq.pricing.graph import Input
from defiliq.protocols.aave_v3 import AaveMarket, Answer, ask_many, health
from defiliq.protocols.aave_v3.ask import pins
from defiliq.types import Block, Feed, Question, checksum
from tests.protocols.aave_v3.conftest import Scene

pytestmark = pytest.mark.lab
FIELDS = tuple(Answer.__dataclass_fields__)


def same(answer: object, ours: object) -> bool:
    return isinstance(answer, Answer) and all(getattr(answer, name) == getattr(ours, name) for name in FIELDS)


def ask(node: Node, market: AaveMarket, owners: NDArray[np.uint8], spot: AaveMarket) -> list[object]:
    return list(ask_many(node, [Question(market, checksum(owner.tobytes())) for owner in owners], spot))


def test_as_the_chain_has_it(scene: Scene) -> None:
    book = scene.book()
    answers = ask(scene.node, book.market, book.owners, book.market)
    assert answers == [Answer(*said) for said in scene.lab.all_account_data()]
    assert any(isinstance(answer, Answer) and answer.liquidatable for answer in answers)


def test_at_other_prices_and_times_the_law_agrees(scene: Scene) -> None:
    """WETH's feed is read by wstETH's: here only WETH moves, so wstETH must be held."""
    book = scene.book()
    draw = random.Random(4)
    for _ in range(3):
        prices = tuple(price * draw.randint(700, 1300) // 1000 for price in book.market.prices)
        moved = replace(book.market, prices=prices).at_time(book.market.timestamp + draw.randint(0, 10**7))
        for i, answer in enumerate(ask(scene.node, moved, book.owners, book.market)):
            assert same(answer, health(book.account(i), moved)), book.owner(i)
    weth = next(r.feed for r in book.market.reserves if r.symbol == "WETH")
    moved = book.market.at_prices({weth: book.market.prices[weth] * 9 // 10})
    for i, answer in enumerate(ask(scene.node, moved, book.owners, book.market)):
        assert same(answer, health(book.account(i), moved)), book.owner(i)


def test_later_at_the_same_prices(scene: Scene) -> None:
    book = scene.book()
    later = book.market.at_time(book.market.timestamp + 12)
    for i, answer in enumerate(ask(scene.node, later, book.owners, book.market)):
        assert same(answer, health(book.account(i), later))


def test_many_worlds_keep_their_order(scene: Scene) -> None:
    book = scene.book()
    draw = random.Random(5)
    asked: list[Question] = []
    expected = []
    for _ in range(60):
        i = draw.randrange(len(book))
        prices = tuple(price * draw.choice([900, 1000]) // 1000 for price in book.market.prices)
        moved = replace(book.market, prices=prices)
        asked.append(Question(moved, book.owner(i)))
        expected.append(health(book.account(i), moved))
    answers = ask_many(scene.node, asked, book.market)
    assert all(same(answer, ours) for answer, ours in zip(answers, expected, strict=True))


def test_a_driver_is_moved_at_its_own_aggregator(scene: Scene) -> None:
    """Only ETH/USD answers otherwise; the adapter of the staked token makes its price of that itself."""
    book = scene.book()
    ether = find_driver(book.market, "ETH/USD")
    at = ether.spot * 9 // 10
    (position,) = (position for position, _ in ether.inputs)
    moved = book.market.at_inputs(ether.moved_inputs(at))
    assert len([k for k in range(len(moved.prices)) if moved.prices[k] != book.market.prices[k]]) > 1
    source = book.market.graph.quantities[position]
    assert isinstance(source, Input)
    asked = [Question(moved, book.owner(i), {source.source: (at, 8)}) for i in range(len(book))]
    for i, answer in enumerate(ask_many(scene.node, asked, book.market)):
        assert same(answer, health(book.account(i), moved)), book.owner(i)


def test_a_pretended_aggregator_answers_like_one(scene: Scene) -> None:
    nowhere = "0x" + "de" * 20
    pretended = {nowhere: Override(code=aggregator_code(123456789, 8))}
    calls = [
        Call(nowhere, encode_call(f"{name}()")) for name in ("latestAnswer", "latestRoundData", "decimals")
    ]
    at = scene.node.block("latest")
    answer, whole_round, decimals = answered(scene.node.call(calls, at, overrides=pretended))
    assert int.from_bytes(answer, "big") == 123456789
    words = [int.from_bytes(whole_round[k : k + 32], "big") for k in range(0, len(whole_round), 32)]
    written = at.timestamp - ROUND_AGE_S
    assert words == [1, 123456789, written, written, 1]
    assert int.from_bytes(decimals, "big") == 8


def test_nobody_asked(scene: Scene) -> None:
    book = scene.book()
    assert ask(scene.node, book.market, book.owners[:0], book.market) == []


def test_what_cannot_be_pinned_is_refused(scene: Scene) -> None:
    market = scene.book().market
    assert pins(market, market) is None
    orphan = replace(market, feeds=(Feed("lost", "0x" + "0" * 40), *market.feeds[1:]))
    moved = orphan.at_prices({0: 1})
    with pytest.raises(UnsupportedReserve, match="no source"):
        pins(moved, orphan)
    twins = replace(market, feeds=(market.feeds[0], replace(market.feeds[0], name="twin"), *market.feeds[2:]))
    with pytest.raises(UnsupportedReserve, match="two prices"):
        pins(twins.at_prices({0: 5, 1: 6}), twins)


def test_constant_code_runs_without_push0() -> None:
    assert constant_code(7).hex() == "7f" + "0" * 63 + "7" + "60005260206000f3"


def test_a_node_that_ignores_overrides_is_noticed(scene: Scene) -> None:
    class Deaf:
        label = "deaf"
        chain_id = scene.node.chain_id

        def call(
            self,
            calls: list[Call],
            at: Block,
            *,
            overrides: dict[str, Override] | None = None,
            timestamp: int | None = None,
            number: int | None = None,
        ) -> list[bytes | CallReverted]:
            return scene.node.call(calls, at)

    book = scene.book()
    moved = book.market.at_prices({0: 1})
    with pytest.raises(BadResponse, match="ignores"):
        ask(Deaf(), moved, book.owners, book.market)  # type: ignore[arg-type]
