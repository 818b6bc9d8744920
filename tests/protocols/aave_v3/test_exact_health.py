"""Whole books against the real contracts: six numbers of every account, now, later, and after changes."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from defiliq.book import Book
from defiliq.pipeline.judge import liquidatable
from defiliq.pipeline.reading import read
from defiliq.protocols.aave_v3 import AaveMarket, health, read_market, take
from defiliq.types import Liquidation
from tests.lab.build import VERSIONS
from tests.lab.liquidation import LIQUIDATOR
from tests.protocols.aave_v3.conftest import Scene
from tests.protocols.aave_v3.contract_says import WAD, World, answers_of, ask_pool, data_of
from tests.takings import sole

pytestmark = pytest.mark.lab
DAY = 86_400


def everybody(scene: Scene, *, uncounted: bool = False) -> Book[AaveMarket]:
    """The population, those who never borrowed included."""
    return read(scene.node, scene.listing, "latest", owners=scene.owners(), uncounted=uncounted)


def differences(
    scene: Scene, book: Book[AaveMarket], market: AaveMarket, prices: dict[str, int]
) -> list[tuple[str, str, object, object]]:
    """Accounts whose six numbers differ from the contract's in the world of `market`."""
    overrides = answers_of(scene.lab, prices)
    owners = [book.owner(i) for i in range(len(book))]
    answers = ask_pool(scene.lab, [World(owner, overrides, market.timestamp) for owner in owners])
    shapes = {user.owner: user.shape for user in scene.lab.users}
    return [
        (shapes[owner], owner, ours, said)
        for owner, account, said in zip(owners, book.accounts(), answers, strict=True)
        if (ours := data_of(health(account, market))) != said
    ]


def test_all_who_ever_borrowed_are_found_and_nobody_fails(scene: Scene) -> None:
    book: Book[AaveMarket] = read(scene.node, scene.listing, "latest")
    owners = [book.owner(i) for i in range(len(book))]
    assert sorted(owners) == sorted(scene.lab.borrowers)
    assert not book.failed
    assert differences(scene, book, book.market, {}) == []


@pytest.mark.parametrize("later_s", [0, 1, 12, DAY, 400 * DAY])
def test_every_account_at_every_time(scene: Scene, later_s: int) -> None:
    book = everybody(scene)
    assert not book.failed
    assert len(book) == len(scene.lab.users)
    market = book.market.at_time(book.market.block.timestamp + later_s)
    assert differences(scene, book, market, {}) == []


def test_every_shape_is_among_them(scene: Scene) -> None:
    """The comparison says little about shapes that nobody has."""
    book = everybody(scene)
    seen = Counter(user.shape for user in scene.lab.users if book.find(user.owner) is not None)
    assert set(seen) == set(VERSIONS[scene.lab.version].shapes)
    factors = [health(account, book.market).factor_wad for account in book.accounts()]
    assert WAD in factors, "one account stands at exactly 1"
    assert any(factor < WAD for factor in factors)
    assert any(WAD < factor < WAD + WAD // 100 for factor in factors)


def test_supplies_that_back_nothing_change_nothing(scene: Scene) -> None:
    plain, whole = everybody(scene), everybody(scene, uncounted=True)
    assert whole.legs > plain.legs
    assert differences(scene, whole, whole.market, {}) == []
    later = whole.market.at_time(whole.market.block.timestamp + DAY)
    assert differences(scene, whole, later, {}) == []


def test_every_account_at_drawn_prices_and_times(scene: Scene) -> None:
    draw = random.Random(11)
    book = everybody(scene)
    for _ in range(6):
        prices = [
            draw.choice((1, 7, price * draw.randrange(500, 2000) // 1000)) for price in book.market.prices
        ]
        later = book.market.at_time(book.market.block.timestamp + draw.randrange(0, 40 * DAY))
        market = later.at_prices(dict(enumerate(prices)))
        sources = [feed.source for feed in book.market.feeds]
        assert differences(scene, book, market, dict(zip(sources, prices, strict=True))) == []


def test_every_account_after_a_real_block_and_a_real_move(scene: Scene) -> None:
    """Not pretended: feeds are written and a block is mined, then all is read anew."""
    lab = scene.lab
    with lab.rewinding():
        lab.set_price("WETH", lab.price("WETH") * 93 // 100)
        lab.set_price("USDC", lab.price("USDC") * 101 // 100)
        lab.chain.wait(5 * DAY + 7)
        book = everybody(scene)
        said = lab.all_account_data()
        ours = [data_of(health(account, book.market)) for account in book.accounts()]
        assert ours == said
        verdicts = liquidatable(book).tolist()
        assert verdicts == [each.factor_wad < WAD for each in said]
        assert len(set(verdicts)) == 2


def test_every_account_after_real_liquidations(scene: Scene) -> None:
    """Indices, flags and scaled balances as liquidations leave them."""
    lab, book = scene.lab, everybody(scene)
    symbol_of = [reserve.symbol for reserve in book.market.reserves]
    with lab.rewinding():
        liquidated = 0
        for account in book.accounts():
            found = take(account, book.market)
            if isinstance(found, Liquidation) and liquidated < 8:
                pair = [lab.tokens[symbol_of[k]] for k in (sole(found).reserve, found.repay_reserve)]
                arguments = (*pair, account.owner, found.debt_to_cover, False)
                lab.chain.send(lab.market.pool, "liquidationCall", *arguments, sender=LIQUIDATOR)
                liquidated += 1
        assert liquidated >= 4
        after = everybody(scene)
        assert differences(scene, after, after.market, {}) == []
        later = after.market.at_time(after.market.block.timestamp + DAY)
        assert differences(scene, after, later, {}) == []
        assert read_market(scene.node, scene.listing, scene.latest()) == after.market
