"""Whole books against the real contracts: liquidity and shortfall to the integer, now and later."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from defiliq.book import Book
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.judge import liquidatable
from defiliq.pipeline.reading import read
from defiliq.protocols.compound_v2 import CompoundMarket, read_market, take
from defiliq.types import Liquidation
from tests.lab.compound_v2 import AccountLiquidity
from tests.lab.compound_v2.plan import SHAPES
from tests.lab.liquidation import LIQUIDATOR
from tests.protocols.compound_v2.conftest import Scene
from tests.protocols.compound_v2.stage import World, ask_comptroller, in_blocks, said_of, tick
from tests.takings import cover, sole

pytestmark = pytest.mark.lab
LATER = [None, 0, 1, 1_000, 100_000]
"""Blocks after the one that was read; None: as stored."""


def everybody(scene: Scene, *, uncounted: bool = False) -> Book[CompoundMarket]:
    """The population, those who never borrowed included."""
    return read(scene.node, scene.listing, "latest", owners=scene.owners(), uncounted=uncounted)


def moved_to(market: CompoundMarket, blocks: int | None) -> CompoundMarket:
    return market.as_stored() if blocks is None else in_blocks(market, blocks)


def differences(
    scene: Scene, book: Book[CompoundMarket], market: CompoundMarket, moved: dict[str, int]
) -> list[tuple[str, AccountLiquidity, AccountLiquidity]]:
    """(owner, ours, the Comptroller's) of accounts that differ in the world of `market`."""
    number = None if market.stored else tick(market)
    owners = [book.owner(row) for row in range(len(book))]
    said = ask_comptroller(scene.lab, [World(owner, moved, number) for owner in owners])
    ours = [said_of(account, market) for account in book.accounts()]
    return [each for each in zip(owners, ours, said, strict=True) if each[1] != each[2]]


def test_all_who_ever_borrowed_are_found_and_nobody_fails(scene: Scene) -> None:
    book: Book[CompoundMarket] = read(scene.node, scene.listing, "latest")
    assert sorted(book.owner(row) for row in range(len(book))) == sorted(scene.lab.borrowers)
    assert not book.failed
    assert differences(scene, book, book.market, {}) == []


@pytest.mark.parametrize("blocks", LATER)
def test_every_account_at_every_tick(scene: Scene, blocks: int | None) -> None:
    book = everybody(scene)
    assert not book.failed
    assert len(book) == len(scene.lab.owners) >= 300
    assert differences(scene, book, moved_to(book.market, blocks), {}) == []


@pytest.mark.parametrize("blocks", [None, 1_000])
def test_supplies_that_were_never_entered_change_nothing(scene: Scene, blocks: int | None) -> None:
    plain, whole = everybody(scene), everybody(scene, uncounted=True)
    assert whole.legs > plain.legs
    assert differences(scene, whole, moved_to(whole.market, blocks), {}) == []


def test_every_shape_is_among_them(scene: Scene) -> None:
    """The comparison says little about shapes that nobody has."""
    book = everybody(scene, uncounted=True)
    assert {user.shape for user in scene.lab.users} == set(SHAPES)
    legs = [leg for account in book.accounts() for leg in account.legs]
    kinds = Counter((bool(leg.collateral), bool(leg.debt), leg.counted) for leg in legs)
    assert kinds[True, False, False] >= 30, "supplied and not entered"
    assert kinds[True, False, True] >= 300
    assert kinds[False, True, True] >= 200
    assert kinds[True, True, True] >= 10, "supplied and owed in one market"
    assert sum(len([leg for leg in account.legs if leg.debt]) >= 2 for account in book.accounts()) >= 40
    verdicts = [[said_of(a, moved_to(book.market, n)).shortfall > 0 for a in book.accounts()] for n in LATER]
    assert [sum(each) for each in verdicts] == sorted(sum(each) for each in verdicts)
    assert len({sum(each) for each in verdicts}) >= 3, "interest decides some accounts"


@pytest.mark.parametrize("blocks", LATER)
def test_rates_and_indices_are_the_contracts(scene: Scene, blocks: int | None) -> None:
    """What seized cTokens are worth hangs on them; liquidity would not tell every digit."""
    lab, market = scene.lab, moved_to(everybody(scene).market, blocks)
    contracts = list(lab.market.markets.values())
    asked = [(each, name) for each in contracts for name in ("exchangeRateStored", "borrowIndex")]
    accruals = [] if blocks is None else [(each, "accrueInterest") for each in contracts]
    calls = [*accruals, *asked]
    packed = [(each.address, False, bytes.fromhex(each.data(name)[2:])) for each, name in calls]
    number = None if blocks is None else tick(market)
    answers = lab.chain.call(lab.chain.multicall, "aggregate3", packed, number=number)[len(accruals) :]
    said = [int.from_bytes(word) for _, word in answers]
    assert said == [
        value
        for reserve in market.reserves
        for value in (reserve.exchange_rate_now_wad, reserve.borrow_index_now_wad)
    ]


def test_every_account_at_drawn_prices_and_ticks(scene: Scene) -> None:
    draw = random.Random(11)
    book = everybody(scene)
    for _ in range(6):
        blocks = draw.choice((None, 0, draw.randrange(1, 3 * 10**6)))
        market = moved_to(book.market, blocks)
        moved: dict[str, int] = {}
        inputs: dict[int, int] = {}
        sources = {position: quantity.source for position, quantity in market.graph.inputs}
        names = {address: name for name, address in scene.lab.drivers.items()}
        for driver in drivers(market):
            at = draw.choice((1, 7, driver.spot * draw.randrange(500, 2_000) // 1_000))
            inputs |= driver.moved_inputs(at)
            moved |= {names[sources[position]]: value for position, value in driver.moved_inputs(at).items()}
        assert set(moved) == set(scene.lab.drivers)
        assert differences(scene, book, market.at_inputs(inputs), moved) == []


def test_every_account_after_real_blocks_and_a_real_move(scene: Scene) -> None:
    """Not pretended: aggregators are written and blocks are mined, then all is read anew."""
    lab = scene.lab
    with lab.rewinding():
        lab.set_driver("ETH/USD", lab.answer("ETH/USD") * 93 // 100)
        lab.set_driver("USDC/USD", lab.answer("USDC/USD") * 101 // 100)
        lab.chain.mine_many(43)
        book = everybody(scene)
        assert differences(scene, book, book.market, {}) == []
        assert differences(scene, book, book.market.as_stored(), {}) == []
        verdicts = liquidatable(book).tolist()
        said = ask_comptroller(
            lab, [World(book.owner(row), {}, lab.chain.height()) for row in range(len(book))]
        )
        assert verdicts == [each.shortfall > 0 for each in said]
        assert len(set(verdicts)) == 2


def test_every_account_after_real_liquidations(scene: Scene) -> None:
    """Totals, snapshots and balances as liquidations leave them."""
    lab, book = scene.lab, everybody(scene)
    contracts = {lab.markets[symbol]: lab.market.markets[symbol] for symbol in lab.tokens}
    with lab.rewinding():
        liquidated = 0
        for account in book.accounts():
            found = take(account, book.market)
            if not isinstance(found, Liquidation) or liquidated == 8:
                continue
            owed, held = (book.market.reserves[k] for k in (found.repay_reserve, sole(found).reserve))
            if (debt := contracts.get(owed.c_token)) is not None:
                arguments = (account.owner, cover(found), held.c_token)
                before = lab.chain.call(debt, "borrowBalanceStored", account.owner)
                lab.chain.send(debt, "liquidateBorrow", *arguments, sender=LIQUIDATOR)
                liquidated += lab.chain.call(debt, "borrowBalanceStored", account.owner) < before
        assert liquidated >= 8
        after = everybody(scene)
        for blocks in LATER:
            assert differences(scene, after, moved_to(after.market, blocks), {}) == []
        assert read_market(scene.node, scene.listing, scene.latest()) == after.market
