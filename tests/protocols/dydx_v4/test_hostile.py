"""Chains that say what they should not: refused in one line, or counted by name; never passed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from v4_proto.dydxprotocol.assets.asset_pb2 import Asset
from v4_proto.dydxprotocol.subaccounts.asset_position_pb2 import AssetPosition

from defiliq.errors import DecodeError, DefiliqError, MissingPrice, NotAMarket
from defiliq.protocols.dydx_v4 import read_market
from tests.chain.cosmos_standin import PagedList, StandIn
from tests.dydx.population import Population
from tests.dydx.standin import HEIGHT, SUBACCOUNT_ALL, dydx_standin
from tests.dydx.wire import encode_gob_int
from tests.protocols.dydx_v4.stage import (
    BTC,
    ETH,
    LISTING,
    chain_of,
    holding_only,
    keys_of,
    name_of,
    opened,
    read_from,
    refused,
    subaccount,
)

LONG = subaccount(1, (BTC, 10**8), usdc=-(10**9))
SHORT = subaccount(2, (BTC, -(10**8)), usdc=10**11)
IDLE = subaccount(3, usdc=7)


def three(change: Callable[[Population], None] = lambda _: None) -> StandIn:
    """A chain of a long, a short and an idle subaccount, with something changed."""
    held = holding_only(LONG, SHORT, IDLE)
    change(held)
    return dydx_standin(held)


def drop(messages: list[Any], number: int) -> None:
    """The list without the message of one id."""
    messages[:] = [each for each in messages if each.id != number]


def set_price(held: Population, price: int, exponent: int = -5) -> None:
    held.market_prices[0].price, held.market_prices[0].exponent = price, exponent


def set_tier(held: Population, **changes: int) -> None:
    for name, value in changes.items():
        setattr(held.liquidity_tiers[0], name, value)


UNJUDGED = {
    "price of 0": (lambda held: set_price(held, 0), "a price or a margin: 0"),
    "no price": (lambda held: drop(held.market_prices, 0), "the oracle has no market 0"),
    "no params": (lambda held: drop(held.market_params, 0), "the oracle has no market 0"),
    "price in tens of dollars": (lambda held: set_price(held, 5, 1), "a price in steps of 10^1 dollars"),
    "price of 41 digits": (lambda held: set_price(held, 5, -41), "in steps of 10^-41 dollars"),
    "no tier": (lambda held: drop(held.liquidity_tiers, 0), "no liquidity tier 0"),
    "margin over 1": (lambda held: set_tier(held, initial_margin_ppm=1_000_001), "ErrInitialMarginPpm"),
    "fraction over 1": (
        lambda held: set_tier(held, maintenance_fraction_ppm=1_000_001),
        "ErrMaintenanceFractionPpm",
    ),
    "caps crossed": (lambda held: set_tier(held, open_interest_lower_cap=1), "LowerCapLargerThanUpperCap"),
    "resolution": (lambda held: setattr(held.perpetuals[0].params, "atomic_resolution", -41), "10^-41"),
    "negative open interest": (
        lambda held: setattr(held.perpetuals[0], "open_interest", encode_gob_int(-1)),
        "a negative open interest",
    ),
    "malformed funding": (
        lambda held: setattr(held.perpetuals[0], "funding_index", b"\x07\x01"),
        "its first byte is 0x07",
    ),
    "subticks beyond all range": (
        lambda held: setattr(held.clob_pairs[0], "quantum_conversion_exponent", -(10**9)),
        "an exponent beyond all range",
    ),
    "a book without steps": (
        lambda held: setattr(held.clob_pairs[0], "step_base_quantums", 0),
        "a book without steps",
    ),
}


@pytest.mark.parametrize("odd", UNJUDGED)
def test_a_perpetual_that_cannot_be_judged(odd: str) -> None:
    """Whoever has a position in it is named with the reason; all others are read."""
    change, why = UNJUDGED[odd]
    model = three(change)
    book = read_from(model)
    assert set(book.failed) == {name_of(LONG), name_of(SHORT)}
    assert all("its position in BTC-USD" in said and why in said for said in book.failed.values())
    assert [book.owner(i) for i in range(len(book))] == [name_of(IDLE)]
    symbols = [reserve.symbol for reserve in book.market.reserves]
    assert "BTC-USD" not in symbols
    assert len(symbols) >= 34, "ETH-USD is in the same tier"
    with opened(model) as node:
        assert "BTC-USD" in refused(MissingPrice, lambda: read_market(node, LISTING, node.block(HEIGHT)))
        told: list[MissingPrice] = []
        market = read_market(node, LISTING, node.block(HEIGHT), told.append)
    assert market == replace(book.market, insurance_funds=None)
    assert {error.symbol for error in told} | set(symbols) >= {"BTC-USD", "ETH-USD"}
    assert len(told) + len(symbols) == 36


@pytest.mark.parametrize(
    ("change", "kind", "why"),
    [
        (lambda held: held.assets.clear(), NotAMarket, "no such asset"),
        (lambda held: held.perpetuals.clear(), DecodeError, "a chain without any"),
        (
            lambda held: setattr(held.assets[0], "atomic_resolution", -8),
            NotAMarket,
            "one of 8 decimals",
        ),
        (
            lambda held: setattr(held.liquidations_config, "max_liquidation_fee_ppm", 0),
            DecodeError,
            "no liquidations config that the chain would take",
        ),
        (
            lambda held: held.liquidations_config.ClearField("fillable_price_config"),
            DecodeError,
            "no liquidations config that the chain would take",
        ),
    ],
)
def test_a_chain_that_is_none(
    change: Callable[[Population], None], kind: type[DefiliqError], why: str
) -> None:
    assert why in refused(kind, lambda: read_from(three(change)))


@pytest.mark.parametrize("most", [9_999, 10_000])
def test_a_node_that_lists_more_than_a_chain_has(most: int) -> None:
    def lengthen(held: Population) -> None:
        held.assets += [Asset(id=k, denom=f"a{k}", atomic_resolution=-6) for k in range(1, most)]

    model = three(lengthen)
    if most > 9_999:
        assert "AllAssets: more than 9999 asset" in refused(DecodeError, lambda: read_from(model))
    else:
        assert len(read_from(model)) == 3


@pytest.mark.parametrize(
    "name", ["perpetuals", "liquidity_tiers", "market_params", "market_prices", "assets"]
)
def test_an_id_that_comes_twice(name: str) -> None:
    def double(held: Population) -> None:
        messages = getattr(held, name)
        messages.append(messages[0])

    model = three(double)
    assert "an id that comes twice" in refused(DecodeError, lambda: read_from(model))


def test_an_order_book_that_comes_twice_under_another_id_is_the_first() -> None:
    def double(held: Population) -> None:
        pair = type(held.clob_pairs[0])()
        pair.CopyFrom(held.clob_pairs[0])
        pair.id, pair.step_base_quantums = 999, 3
        held.clob_pairs.append(pair)

    plain = three(lambda held: None)
    assert read_from(three(double)).market == read_from(plain).market


ODD: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown perpetual": (
        lambda: subaccount(9, (77, 5)),
        "a position in unknown perpetual 77 (ErrPerpetualDoesNotExist)",
    ),
    "another asset": (lambda: with_asset(5, 10), "it holds asset 5"),
    "another asset owed": (lambda: with_asset(5, -10), "it owes asset 5"),
    "two balances": (lambda: with_asset(0, 10), "two balances of one asset"),
    "two positions": (lambda: subaccount(9, (ETH, 5), (ETH, 5)), "two positions in one perpetual"),
    "a gob of no version": (lambda: with_quantums(b"\x05\x01"), "its first byte is 0x05"),
    "a gob without end": (lambda: with_quantums(b"\x02" + b"\xff" * 65), "it has 65 bytes"),
    "2**200": (lambda: subaccount(9, (ETH, 1), usdc=2**200), "beyond all range"),
    "-2**200": (lambda: subaccount(9, (ETH, -(2**200))), "beyond all range"),
    "an index of 2**200": (lambda: subaccount(9, (ETH, 1), index=2**200), "beyond all range"),
    "a quote balance of 2**200": (lambda: subaccount(9, (ETH, 1), quote=-(2**200)), "beyond all range"),
    "what funding makes too much of": (
        lambda: subaccount(9, (ETH, 2**90), index=2**90),
        "funding makes a number of it that is beyond all range",
    ),
}


def with_asset(asset: int, quantums: int) -> Any:
    message = subaccount(9, usdc=3)
    message.asset_positions.append(AssetPosition(asset_id=asset, quantums=encode_gob_int(quantums)))
    return message


def with_quantums(raw: bytes) -> Any:
    message = subaccount(9, (ETH, 1))
    message.perpetual_positions[0].quantums = raw
    return message


@pytest.mark.parametrize("odd", ODD)
def test_a_subaccount_that_cannot_be_judged(odd: str) -> None:
    """It alone is named with the reason, over both queries; the rest is read."""
    make, why = ODD[odd]
    message = make()
    held = holding_only(LONG, SHORT, IDLE)
    held.subaccounts.append(message)
    model = dydx_standin(held)
    book = read_from(model)
    assert why in book.failed[name_of(message)]
    assert {book.owner(i) for i in range(len(book))} == {name_of(each) for each in (LONG, SHORT, IDLE)}
    assert not any(name_of(each) in book.failed for each in (LONG, SHORT, IDLE))
    some = read_from(model, owners=keys_of([name_of(message), name_of(LONG)]))
    assert why in some.failed[name_of(message)]
    assert [some.owner(0)] == [name_of(LONG)]


def test_the_largest_numbers_that_a_book_holds() -> None:
    most = 2**96 - 1
    book = read_from(chain_of(subaccount(1, (ETH, most), usdc=-most), subaccount(2, (ETH, -most), usdc=most)))
    assert dict(book.failed) == {}
    assert sorted(leg.collateral for each in book.accounts() for leg in each.legs) == [0, 0, most, most]


@pytest.mark.parametrize("who", ["", "dydx1", "DYDX1QQQ", "dydx1\x1b[31m", "../../etc/passwd", "a" * 65])
def test_an_owner_that_is_none(who: str) -> None:
    """It would be shown to people and written into files."""
    message = subaccount(9, usdc=3)
    message.id.owner = who if who != "dydx1" else ""
    said = refused(DecodeError, lambda: read_from(chain_of(LONG, SHORT, message)))
    assert "\x1b" not in said
    assert "one whose owner is no address" in said


def raw_pages(*messages: Any) -> PagedList:
    """A store in which messages come as often as they are named."""
    return PagedList([(b"\x0a%04d" % k, each.SerializeToString()) for k, each in enumerate(messages)])


@pytest.mark.parametrize(
    "pair", [(IDLE, IDLE), (with_asset(5, 1), with_asset(5, 1)), (subaccount(9, usdc=1), with_asset(5, 1))]
)
def test_a_subaccount_that_comes_twice(pair: tuple[Any, Any]) -> None:
    """On one page and 1,500 later; as one that is read and as one that is not."""
    between = [subaccount(k, usdc=1) for k in range(100, 1_600)]
    for order in ((*pair, *between), (pair[0], *between, pair[1]), (pair[1], *between, pair[0])):
        model = chain_of()
        model.handlers = {**model.handlers, SUBACCOUNT_ALL: raw_pages(*order)}
        assert "comes twice" in refused(DecodeError, partial(read_from, model))
