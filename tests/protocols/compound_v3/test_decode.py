"""What a Comet answers, right and wrong, from a node that takes no overrides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.chain.calldata import packed
from defiliq.chain.words import Words
from defiliq.errors import (
    BlockChanged,
    DecodeError,
    DefiliqError,
    MissingPrice,
    NotAMarket,
    UnsupportedReserve,
)
from defiliq.pricing.graph import Fixed
from defiliq.protocols.compound_v3 import CometMarket, abi, discovery, read, read_market
from defiliq.protocols.compound_v3.columns import decode_basics
from defiliq.protocols.compound_v3.packed import unpack
from defiliq.types import Leg
from tests.builders import BLOCK, NOW, address
from tests.protocols.compound_v3.fake import (
    BASE,
    BASE_FEED,
    COMET,
    DEBTOR,
    EXTENSION,
    HOLDER,
    LISTING,
    REFUSAL,
    STRANGER,
    SUPPLIER,
    WBTC,
    WBTC_FEED,
    WETH,
    WETH_FEED,
    FakeComet,
    info,
    text,
    words,
)

EVERYBODY = (DEBTOR, HOLDER, SUPPLIER, STRANGER)


def market_of(node: FakeComet) -> CometMarket:
    return read_market(node, LISTING, BLOCK)


def one_line(error: DefiliqError) -> bool:
    return "\n" not in str(error) and 20 < len(str(error)) < 400


def test_a_whole_market() -> None:
    market = market_of(FakeComet())
    base, weth, wbtc = market.reserves
    assert [reserve.symbol for reserve in market.reserves] == ["USDC", "WETH", "WBTC"]
    assert [reserve.decimals for reserve in market.reserves] == [6, 18, 8]
    assert [reserve.offset for reserve in market.reserves] == [None, 0, 1]
    assert [market.price_of(k) for k in range(3)] == [10**8, 2500 * 10**8, 60_000 * 10**8]
    assert (base.held, weth.held, weth.supplied, wbtc.supplied) == (10**12, 10**12, 10**11, 10**11)
    assert (weth.borrow_factor_wad, weth.liquidate_factor_wad) == (8 * 10**17, 85 * 10**16)
    assert weth.liquidation_factor_wad == 9 * 10**17
    assert (market.base_symbol, market.base_unit, market.version) == ("USD", 10**8, "24-asset")
    assert (market.supply_index, market.borrow_index, market.accrued_at) == (10**15, 10**15, NOW - 60)
    assert (market.total_supply, market.total_borrow) == (10**13, 8 * 10**12)
    assert market.borrow_index_now > market.borrow_index
    assert market.target_health_factor_wad is None
    assert [name.name for _, name in market.graph.inputs] == ["USDC/USD", "WETH/USD", "WBTC/USD"]


def test_an_extension_that_does_not_say_how_many_assets_there_can_be() -> None:
    node = FakeComet()
    node.say(COMET, REFUSAL, abi.MAX_ASSETS)
    market = market_of(node)
    assert (market.version, len(market.reserves)) == ("", 3)


def test_accounts_and_what_backs_nothing() -> None:
    node, owners = FakeComet(), packed(list(EVERYBODY))
    book = read(node, LISTING, owners, BLOCK)
    assert [book.account(k).legs for k in range(4)] == [
        (Leg(0, 0, 5_000 * 10**6, False), Leg(1, 3 * 10**18, 0, True), Leg(2, 10**7, 0, True)),
        (Leg(2, 10**8, 0, True),),
        (),
        (),
    ]
    assert book.failed == {}
    everything = read(node, LISTING, owners, BLOCK, uncounted=True)
    assert everything.account(2).legs == (Leg(0, 77, 0, False),)
    assert everything.account(0) == book.account(0)


def test_nobody_is_asked_about() -> None:
    book = read(FakeComet(), LISTING, packed([]), BLOCK)
    assert (len(book), book.legs) == (0, 0)


@pytest.mark.parametrize("paused", [abi.IS_ABSORB_PAUSED, abi.IS_BUY_PAUSED])
def test_pauses(paused: str) -> None:
    node = FakeComet()
    node.say(COMET, words(1), paused)
    market = market_of(node)
    assert (market.absorb_paused, market.buy_paused) == (
        paused == abi.IS_ABSORB_PAUSED,
        paused == abi.IS_BUY_PAUSED,
    )


@pytest.mark.parametrize(
    ("to", "signature", "arguments"),
    [
        (COMET, abi.TARGET_HEALTH_FACTOR, ()),
        (COMET, abi.TARGET_HEALTH_FACTOR_OF, (COMET,)),
        (EXTENSION, abi.TARGET_HEALTH_FACTOR_OF, (COMET,)),
    ],
)
def test_a_comet_that_liquidates_in_parts_is_recognised(
    to: str, signature: str, arguments: tuple[str, ...]
) -> None:
    node = FakeComet()
    node.say(to, words(105 * 10**16), signature, *arguments)
    assert market_of(node).target_health_factor_wad == 105 * 10**16


@pytest.mark.parametrize(
    ("symbol", "constant", "about", "expected"),
    [
        ("USDC", None, "USDC / USD", "USD"),
        ("WBTC", None, "WBTC / ETH", "ETH"),
        ("weETH", None, "weETH / ETH exchange rate", "ETH"),
        ("ETHx", 10**8, "Constant price feed", "ETHx"),
        ("wstETH", 10**8, "", "wstETH"),
        ("USDe", 10**8, "Constant price feed", "USD"),
        ("DAI", 10**8, "Constant price feed", "USD"),
        ("ETHx", 2 * 10**8, "two", "USD"),
        ("WRON", None, "", "USD"),
        ("WRON", None, "RON / \x1b[31m", "USD"),
        ("WRON", None, "RON / " + "X" * 40, "USD"),
    ],
)
def test_what_prices_are_told_in(symbol: str, constant: int | None, about: str, expected: str) -> None:
    node = FakeComet()
    price = 10**8 if constant is None else constant
    node.say(BASE, text(symbol), abi.SYMBOL)
    node.say_price(BASE_FEED, price, about)
    if constant is not None:
        node.say(BASE_FEED, words(constant), abi.CONSTANT_PRICE)
    market = market_of(node)
    assert market.base_symbol == expected
    is_fixed = isinstance(market.graph.quantities[market.graph.feeds[0]], Fixed)
    assert is_fixed is (constant is not None)


def test_assets_with_one_price_feed_share_it() -> None:
    node = FakeComet()
    node.say(COMET, info(1, WBTC, WETH_FEED, 10**8), abi.GET_ASSET_INFO, 1)
    market = market_of(node)
    assert [(feed.name, feed.source) for feed in market.feeds] == [
        ("USDC", BASE_FEED),
        ("WETH+WBTC", WETH_FEED),
    ]
    assert [reserve.feed for reserve in market.reserves] == [0, 1, 1]


@pytest.mark.parametrize("price", [0, -1])
def test_a_collateral_without_a_price_fails_debtors_who_hold_it(price: int) -> None:
    """The holder without debt is judged by nothing, and stays, without that leg."""
    node = FakeComet()
    node.say_price(WBTC_FEED, price, "BTC / USD")
    book = read(node, LISTING, packed(list(EVERYBODY)), BLOCK)
    assert [reserve.symbol for reserve in book.market.reserves] == ["USDC", "WETH"]
    reason = f"the Comet has no price for WBTC ({WBTC}): getPrice reverts with BadPrice()"
    assert book.failed == {DEBTOR: reason}
    assert [book.owner(k) for k in range(len(book))] == [HOLDER, SUPPLIER, STRANGER]
    assert book.legs == 0
    missing: list[MissingPrice] = []
    assert len(read_market(node, LISTING, BLOCK, missing.append).reserves) == 2
    assert [error.symbol for error in missing] == ["WBTC"]
    with pytest.raises(MissingPrice, match="BadPrice"):
        read_market(node, LISTING, BLOCK)


def test_legs_keep_their_places_where_one_before_is_lost() -> None:
    node = FakeComet()
    node.say_price(WETH_FEED, 0, "ETH / USD")
    book = read(node, LISTING, packed(list(EVERYBODY)), BLOCK)
    assert [(reserve.symbol, reserve.offset) for reserve in book.market.reserves] == [
        ("USDC", None),
        ("WBTC", 1),
    ]
    assert set(book.failed) == {DEBTOR}
    assert book.account(0).legs == (Leg(1, 10**8, 0, True),)


def test_no_base_price_no_market() -> None:
    node = FakeComet()
    node.say_price(BASE_FEED, 0, "USDC / USD")
    ignored: list[MissingPrice] = []
    for ask in (
        lambda: read_market(node, LISTING, BLOCK, ignored.append),
        lambda: read(node, LISTING, packed([DEBTOR]), BLOCK),
    ):
        with pytest.raises(MissingPrice, match=r"USDC .* BadPrice\(\)") as caught:
            ask()
        assert one_line(caught.value)
    assert ignored == []


@pytest.mark.parametrize("feed", [BASE_FEED, WBTC_FEED])
def test_a_feed_with_other_decimals_is_refused_by_name(feed: str) -> None:
    node = FakeComet()
    node.say_price(feed, 10**18, "X / USD", decimals=18)
    with pytest.raises(UnsupportedReserve, match=f"{feed} has 18 decimals, where a Comet takes 8") as caught:
        market_of(node)
    assert one_line(caught.value)
    node.say(feed, REFUSAL, abi.DECIMALS)
    with pytest.raises(UnsupportedReserve, match="says no decimals"):
        market_of(node)


WRONG_ANSWERS = [
    (abi.NUM_ASSETS, (), words(3), DecodeError, r"asset 2: no answer, though numAssets\(\) says 3"),
    (abi.NUM_ASSETS, (), words(25), DecodeError, "25 assets, not at most 24"),
    (abi.NUM_ASSETS, (), words(2**256 - 1), DecodeError, "not at most 24"),
    (abi.GET_ASSET_INFO, (1,), info(0, WBTC, WBTC_FEED), DecodeError, "offset 0, not 1"),
    (abi.GET_ASSET_INFO, (1,), info(1, WETH, WBTC_FEED), DecodeError, "same asset twice"),
    (abi.GET_ASSET_INFO, (1,), info(1, BASE, WBTC_FEED), DecodeError, "same asset twice"),
    (abi.GET_ASSET_INFO, (1,), info(1, WBTC, WBTC_FEED, 3), DecodeError, "scale 3"),
    (abi.GET_ASSET_INFO, (1,), info(1, WBTC, WBTC_FEED, 0), DecodeError, "scale 0"),
    (abi.GET_ASSET_INFO, (1,), info(1, WBTC, WBTC_FEED, 10**8, 0, 10**18 + 1, 0), DecodeError, "factors"),
    (abi.GET_ASSET_INFO, (1,), words(1, 2**200, WBTC_FEED, 1, 0, 0, 0, 0), DecodeError, "no address"),
    (abi.GET_ASSET_INFO, (1,), words(1, WBTC, WBTC_FEED), DecodeError, "no answer"),
    (abi.BASE_SCALE, (), words(10**19 * 10), DecodeError, "scale"),
    (abi.BASE_FEED, (), words(2**200), DecodeError, "no address"),
    (abi.STORE_FRONT_PRICE_FACTOR, (), words(10**18 + 1), DecodeError, "storeFrontPriceFactor"),
    (abi.RATES[5], (), words(2**64), DecodeError, "borrowPerSecondInterestRateSlopeLow"),
    (abi.RATES[0], (), REFUSAL, NotAMarket, "supplyKink"),
    (abi.TOTALS_BASIC, (), words(0, 1, 0, 0, 0, 0, 1, 0), DecodeError, "indices 0 and 1"),
    (abi.TOTALS_BASIC, (), words(1, 2**64, 0, 0, 0, 0, 1, 0), DecodeError, "indices"),
    (abi.TOTALS_BASIC, (), words(1, 1, 0, 0, 2**104, 0, 1, 0), DecodeError, "totals"),
    (abi.TOTALS_BASIC, (), words(1, 1, 0, 0, 0, 0, NOW + 1, 0), DecodeError, "last accrued"),
    (abi.TOTALS_BASIC, (), words(1, 1, 0, 0, 0, 0, 0, 0), DecodeError, "last accrued"),
    (abi.TOTALS_BASIC, (), words(1, 1), NotAMarket, "totalsBasic"),
    (abi.TOTALS_COLLATERAL, (WETH,), REFUSAL, DecodeError, "totalsCollateral"),
    (abi.TOTALS_COLLATERAL, (WETH,), words(2**128, 0), DecodeError, "above 2"),
    (abi.GET_PRICE, (WETH_FEED,), words(2**128), MissingPrice, "above 2"),
    (abi.GET_PRICE, (WETH_FEED,), words(0), MissingPrice, "getPrice answers 0"),
    (abi.GET_PRICE, (WETH_FEED,), REFUSAL, MissingPrice, "getPrice reverts"),
    (abi.GET_PRICE, (WETH_FEED,), b"\0" * 31, DecodeError, "31 bytes"),
    (abi.BASE, (), REFUSAL, NotAMarket, r"refuses baseToken\(\)"),
    (abi.BASE, (), words(2**255), NotAMarket, "no address"),
    (abi.BASE, (), words(BASE, 1), NotAMarket, "no address"),
]


@pytest.mark.parametrize(("signature", "arguments", "answer", "error", "said"), WRONG_ANSWERS)
def test_answers_of_no_comet(
    signature: str, arguments: tuple[str | int, ...], answer: bytes, error: type[DefiliqError], said: str
) -> None:
    node = FakeComet()
    node.say(COMET, answer, signature, *arguments)
    with pytest.raises(error, match=said) as caught:
        market_of(node)
    assert one_line(caught.value)


def test_a_token_that_does_not_say_what_the_comet_holds() -> None:
    node = FakeComet()
    node.say(WETH, REFUSAL, abi.BALANCE_OF, COMET)
    with pytest.raises(DecodeError, match=r"balanceOf\(address\) of WETH"):
        market_of(node)


def test_no_comet_at_all() -> None:
    elsewhere = replace(LISTING, addresses={"comet": address(0xDEAD)})
    for ask in (discovery, read_market):
        with pytest.raises(NotAMarket, match="there may be no contract"):
            ask(FakeComet(), elsewhere, BLOCK)
        with pytest.raises(NotAMarket, match="names no comet"):
            ask(FakeComet(), replace(LISTING, addresses={}), BLOCK)


@pytest.mark.parametrize(
    ("signature", "answer", "said"),
    [
        (abi.USER_BASIC, REFUSAL, "the Comet refuses to answer for it"),
        (abi.USER_BASIC, words(2**103, 0, 0, 0, 0), "its userBasic is none that a Comet can hold"),
        (abi.USER_BASIC, words(-(2**103) - 1, 0, 0, 0, 0), "its userBasic is none that a Comet can hold"),
        (abi.USER_BASIC, words(-1, 0, 0, 2**16, 0), "its userBasic is none that a Comet can hold"),
        (abi.USER_BASIC, words(-1, 0, 0, 0, 2**8), "its userBasic is none that a Comet can hold"),
        (abi.USER_COLLATERAL, REFUSAL, "the Comet refuses to tell its collateral"),
        (abi.USER_COLLATERAL, words(2**128, 0), "a balance exceeds 128 bits"),
    ],
)
def test_accounts_that_cannot_be_read_are_failed_by_name(signature: str, answer: bytes, said: str) -> None:
    node = FakeComet()
    assets = (WBTC,) if signature == abi.USER_COLLATERAL else ()
    node.say(COMET, answer, signature, DEBTOR, *assets)
    book = read(node, LISTING, packed(list(EVERYBODY)), BLOCK)
    assert book.failed == {DEBTOR: said}
    assert [book.owner(k) for k in range(len(book))] == [HOLDER, SUPPLIER, STRANGER]
    assert [len(book.account(k).legs) for k in range(3)] == [1, 0, 0]


def test_bits_beyond_the_assets_mean_nothing() -> None:
    """The contract's own loop ends at numAssets."""
    node = FakeComet()
    node.say(COMET, words(-1, 0, 0, 0b1111_1111_1111_1110, 255), abi.USER_BASIC, DEBTOR)
    book = read(node, LISTING, packed([DEBTOR]), BLOCK)
    assert book.account(0).legs == (Leg(0, 0, 1, False), Leg(2, 10**7, 0, True))


def test_a_block_that_was_replaced() -> None:
    node = FakeComet(replaced=True)
    with pytest.raises(BlockChanged):
        read_market(node, LISTING, BLOCK)
    with pytest.raises(BlockChanged):
        read(node, LISTING, packed([DEBTOR]), BLOCK)


@given(
    st.lists(
        st.tuples(
            st.integers(-(2**103), 2**103 - 1),
            st.integers(0, 2**64 - 1),
            st.integers(0, 2**64 - 1),
            st.integers(0, 2**16 - 1),
            st.integers(0, 2**8 - 1),
        ),
        max_size=5,
    )
)
def test_packed_words_are_those_of_the_view(accounts: list[tuple[int, int, int, int, int]]) -> None:
    stored = b"".join(
        (p % 2**104 | index << 104 | accrued << 168 | bits << 232 | reserved << 248).to_bytes(32, "big")
        for p, index, accrued, bits, reserved in accounts
    )
    viewed = b"".join(words(*account) for account in accounts)
    found = unpack(np.frombuffer(stored, np.uint8).reshape(-1, 32))
    assert found.words.tobytes() == viewed
    answers = Words(np.ones(len(accounts), np.bool_), np.frombuffer(viewed, np.uint8).reshape(-1, 5, 32))
    basics = decode_basics(np.zeros((len(accounts), 20), np.uint8), answers)
    assert basics.readable.all()
    for k, (principal, _, _, bits, reserved) in enumerate(accounts):
        assert basics.principal[k] == abs(principal)
        assert bool(basics.is_debt[k]) is (principal < 0)
        assert sum(1 << bit for bit in np.flatnonzero(basics.bits[k]).tolist()) == bits | reserved << 16
