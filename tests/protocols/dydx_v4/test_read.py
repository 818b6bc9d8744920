"""What is read of a stand-in chain on real parameters: every field, every account, one height, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from defiliq.book import Book
from defiliq.chain.cosmos_spool import PageStore
from defiliq.errors import NodeError
from defiliq.protocols.dydx_v4 import DydxMarket, Perpetual, ask_many, health, read_market
from defiliq.protocols.dydx_v4.read import about_all, decode_subaccount
from defiliq.protocols.dydx_v4.settle import places_of, to_account
from defiliq.types import Account, Question
from tests.chain.cosmos_standin import Fault, StandIn
from tests.dydx.parameters import facts
from tests.dydx.population import Population, population
from tests.dydx.standin import CHAIN_ID, HEIGHT, SUBACCOUNT, SUBACCOUNT_ALL, dydx_standin
from tests.protocols.dydx_v4.stage import (
    LISTING,
    WAYS,
    assert_same_book,
    chain_of,
    decoded,
    keys_of,
    name_of,
    opened,
    read_from,
    subaccount,
)

COUNT = 2_500
"""More than two pages."""


@cache
def held() -> Population:
    return population(COUNT, seed=5)


@cache
def model() -> StandIn:
    return dydx_standin(held())


@cache
def book() -> Book[DydxMarket]:
    return read_from(model())


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def asked() -> Iterator[list[tuple[str, int, bytes]]]:
    """What is asked of the shared chain in the course of a test."""
    model().asked.clear()
    yield model().asked
    model().asked.clear()


def test_both_ways_give_the_same_book() -> None:
    assert_same_book(read_from(model(), "comet"), book())
    assert len(book()) == len(held().subaccounts) > 2_000
    assert book().failed == {}
    assert book().market.graph.warnings == ()


def test_usdc_comes_first() -> None:
    usdc = book().market.reserves[0]
    (asset,) = facts()["assets"]
    assert usdc == Perpetual(
        id=0,
        asset=asset["denom"],
        symbol="USDC",
        decimals=6,
        feed=0,
        atomic_resolution=-6,
        exponent=-6,
    )
    assert (book().market.prices[0], book().market.feeds[0].unit) == (10**6, 10**6)


def test_every_field_of_every_perpetual() -> None:
    market = book().market
    params = {each["id"]: each for each in facts()["perpetuals"]}
    prices = {each["id"]: each for each in facts()["market_prices"]}
    pairs = {each["id"]: each["pair"] for each in facts()["market_params"]}
    tiers = {each["id"]: each for each in facts()["liquidity_tiers"]}
    books = {each["perpetual_id"]: each for each in facts()["clob_pairs"]}
    messages = {each.params.id: each for each in held().perpetuals}
    assert [reserve.id for reserve in market.reserves[1:]] == sorted(params)
    for reserve in market.reserves[1:]:
        own = params[reserve.id]
        price, tier, clob = prices[own["market_id"]], tiers[own["liquidity_tier"]], books[reserve.id]
        assert reserve == Perpetual(
            id=own["id"],
            asset=f"perpetual/{own['id']}",
            symbol=own["ticker"],
            decimals=-own["atomic_resolution"],
            feed=reserve.feed,
            atomic_resolution=own["atomic_resolution"],
            exponent=price["exponent"],
            funding_index=decoded(messages[reserve.id].funding_index),
            open_interest=decoded(messages[reserve.id].open_interest),
            initial_margin_ppm=tier["initial_margin_ppm"],
            maintenance_fraction_ppm=tier["maintenance_fraction_ppm"],
            open_interest_lower_cap=tier["open_interest_lower_cap"],
            open_interest_upper_cap=tier["open_interest_upper_cap"],
            is_isolated=own["market_type"] == 2,
            clob_status="active",
            step_base_quantums=clob["step_base_quantums"],
            subticks_per_tick=clob["subticks_per_tick"],
            quantum_conversion_exponent=clob["quantum_conversion_exponent"],
        )
        feed = market.feeds[reserve.feed]
        assert (feed.name, feed.source) == (own["ticker"], f"market/{own['market_id']}")
        assert (market.prices[reserve.feed], feed.unit) == (price["price"], 10 ** -price["exponent"])
        quantity = dict(market.graph.inputs)[market.graph.feeds[reserve.feed]]
        assert quantity.name == pairs[own["market_id"]].replace("-", "/")
        assert (quantity.value, quantity.decimals) == (price["price"], -price["exponent"])
    assert sum(reserve.is_isolated for reserve in market.reserves) == 2
    assert max(reserve.atomic_resolution for reserve in market.reserves) == 1, "PEPE: a quantum of ten"


def test_the_rest_of_the_market() -> None:
    market, config = book().market, facts()["liquidations_config"]
    block = model().blocks[HEIGHT]
    assert (market.protocol, market.name, market.version) == ("dydx-v4", LISTING.name, "v4")
    assert (market.base_unit, market.base_symbol, market.timestamp) == (10**6, "USD", block.timestamp)
    assert (market.block.chain_id, market.block.number) == (CHAIN_ID, HEIGHT)
    assert (market.block.hash, market.block.timestamp) == (f"0x{block.hash.hex()}", block.timestamp)
    seen = market.liquidations
    assert seen.max_liquidation_fee_ppm == config["max_liquidation_fee_ppm"]
    limits, caps = config["position_block_limits"], config["subaccount_block_limits"]
    assert seen.min_position_notional_liquidated == limits["min_position_notional_liquidated"]
    assert seen.max_position_portion_liquidated_ppm == limits["max_position_portion_liquidated_ppm"]
    assert seen.max_notional_liquidated == caps["max_notional_liquidated"]
    assert seen.max_quantums_insurance_lost == caps["max_quantums_insurance_lost"]
    fillable = config["fillable_price_config"]
    assert seen.bankruptcy_adjustment_ppm == fillable["bankruptcy_adjustment_ppm"]
    spread = fillable["spread_to_maintenance_margin_ratio_ppm"]
    assert seen.spread_to_maintenance_margin_ratio_ppm == spread


def test_the_market_alone_is_the_books(way: str) -> None:
    with opened(model(), way) as node:
        alone = read_market(node, LISTING, node.block(HEIGHT))
    assert alone == replace(book().market, insurance_funds=None)


def with_index(account: Account) -> Account:
    """Columns have a funding index for every leg: that of USDC, which has none, is 0."""
    legs = [replace(leg, funding_index=0) if leg.reserve == 0 else leg for leg in account.legs]
    return replace(account, legs=tuple(legs))


def test_every_account_is_what_settling_its_message_gives() -> None:
    messages = {name_of(each): each for each in held().subaccounts}
    market, kinds = book().market, set()
    places = places_of(market)
    for account in book().accounts():
        message = messages.pop(account.owner)
        assert account == with_index(to_account(decode_subaccount(message), market))
        due, usdc = 0, sum(decoded(each.quantums) for each in message.asset_positions)
        expected = {}
        for position in message.perpetual_positions:
            place, size = places[position.perpetual_id], decoded(position.quantums)
            then = decoded(position.funding_index)
            due += (then - market.reserves[place].funding_index) * size
            usdc += decoded(position.quote_balance)
            expected[place] = (max(0, size), max(0, -size), then)
            kinds.add((size > 0, size.bit_length() > 64, position.quote_balance != b"\x02"))
        usdc += due // 10**6
        legs = {leg.reserve: (leg.collateral, leg.debt, leg.funding_index) for leg in account.legs}
        assert legs.pop(0)[:2] == (max(0, usdc), max(0, -usdc))
        assert legs == expected
    assert messages == {}
    assert {is_long for is_long, _, _ in kinds} == {is_large for _, is_large, _ in kinds} == {True, False}


def test_accounts_come_in_the_order_of_the_store() -> None:
    names = [book().owner(i) for i in range(len(book()))]
    keys = {name_of(each): each.id.SerializeToString() for each in held().subaccounts}
    assert names == sorted(keys, key=keys.__getitem__)


def test_named_owners_are_the_same_accounts(way: str) -> None:
    rows = [*range(0, len(book()), 97), 1, 2]
    names = [book().owner(i) for i in rows]
    some = read_from(model(), way, owners=keys_of(names))
    assert list(some.accounts()) == [book().account(i) for i in rows]
    assert some.market == replace(book().market, insurance_funds=None), "funds are behind a whole book"
    assert some.failed == {}


def test_everyone_is_asked_at_one_height(way: str, asked: list[tuple[str, int, bytes]]) -> None:
    """The chain is a block further on all the while."""
    older = read_from(model(), way, at=HEIGHT - 1)
    read_from(model(), way, at=HEIGHT - 1, owners=keys_of([book().owner(0)]))
    assert older.market.block.number == HEIGHT - 1 < model().newest
    assert {height for _, height, _ in asked} == {HEIGHT - 1}
    methods = [method for method, _, _ in asked]
    assert len(set(methods)) == 10
    assert methods.count(SUBACCOUNT_ALL) == 3
    assert methods.count(SUBACCOUNT) == 1


def test_progress_counts_all_and_its_guess_grows_towards_it(way: str) -> None:
    told: list[tuple[int, int]] = []
    read_from(model(), way, on_progress=lambda done, total: told.append((done, total)))
    everyone = len(held().subaccounts)
    assert [done for done, _ in told] == [1_000, 2_000, everyone]
    assert told[-1] == (everyone, everyone)
    for done, total in told:
        assert done <= total
        assert abs(total - everyone) * 10 < everyone, "a tenth off at most: addresses are spread evenly"


def test_the_guess_of_all_where_the_key_tells_little() -> None:
    assert about_all(7, b"") == 7
    assert about_all(7, b"\x0a\x2bdydx1") == 7
    assert about_all(7, b"\x0a\x2bdydx1000000") == 7
    assert about_all(7, b"no such key") == 7
    letters = "023456789acdefghjklmnpqrstuvwxyz"
    guesses = [about_all(1_000, f"\n+dydx1{a}{b}zz".encode()) for a in letters for b in letters]
    assert guesses == sorted(guesses, reverse=True), "the further on a page ends, the fewer there are"
    assert guesses[-1] >= 1_000
    assert about_all(1_000, b"\n+dydx1j") == 2_000, "half of all letters lie before j"


def test_a_chain_without_subaccounts(way: str) -> None:
    told: list[tuple[int, int]] = []
    empty = read_from(chain_of(), way, on_progress=lambda done, total: told.append((done, total)))
    assert (len(empty), empty.legs, dict(empty.failed)) == (0, 0, {})
    assert told == [(0, 0)]
    assert len(empty.market.reserves) == 36


def test_whom_the_chain_does_not_keep(way: str) -> None:
    kept, other = subaccount(1, usdc=5), subaccount(2, usdc=5)
    names = [name_of(kept), f"{kept.id.owner}/128", name_of(other), "dydx1nobody/0"]
    some = read_from(chain_of(kept), way, owners=keys_of(names))
    assert [some.owner(i) for i in range(len(some))] == names[:1]
    assert set(some.failed) == set(names[1:])
    assert all("the chain keeps no such subaccount" in why for why in some.failed.values())
    assert "Isolated positions" in some.failed[names[1]]
    assert "Isolated positions" not in some.failed[names[3]]


def test_the_node_itself_says_the_same_of_each(way: str) -> None:
    market = book().market
    chosen = [book().account(i) for i in range(0, len(book()), 131)]
    with opened(model(), way) as node:
        answers = ask_many(node, [Question(market, each.owner) for each in chosen], market)
    verdicts = set()
    for account, answer in zip(chosen, answers, strict=True):
        judged = health(account, market)
        assert {name: getattr(judged, name) for name in answer.said} == answer.said  # type: ignore[union-attr]
        verdicts.add(judged.liquidatable)
    assert verdicts == {True, False}


def test_columns_hold_what_accounts_do() -> None:
    again = Book.build(book().market, list(book().accounts()))
    assert_same_book(again, book())
    assert np.all(np.diff(book().first_leg) >= 1), "every account has a leg of USDC, be it of nothing"


def test_a_read_that_was_interrupted_goes_on(way: str, tmp_path: Path) -> None:
    """The pages that came are kept, and the book is the same as if nothing had happened."""
    chain = dydx_standin(held())
    chain.faults = [Fault("not allowed", "SubaccountAll", after=2, times=-1)]
    store = PageStore(tmp_path)
    with pytest.raises(NodeError):
        read_from(chain, way, store=store)
    chain.faults.clear()
    chain.asked.clear()
    told: list[tuple[int, int]] = []
    again = read_from(chain, way, store=store, on_progress=lambda done, of: told.append((done, of)))
    assert_same_book(again, book())
    assert [method for method, _, _ in chain.asked].count(SUBACCOUNT_ALL) == 1
    assert [done for done, _ in told] == [1_000, 2_000, len(held().subaccounts)]
    assert list(tmp_path.iterdir()) == []


def test_pages_that_cannot_be_kept_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    whole = read_from(model(), store=PageStore(tmp_path / "file" / "pages"))
    (warning,) = whole.market.graph.warnings
    assert warning.startswith("SubaccountAll: pages cannot be kept")
    assert list(whole.accounts()) == list(book().accounts())
