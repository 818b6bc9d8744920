"""What Solo answers, right and wrong, from a node that takes no overrides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from defiliq.chain.calldata import keccak
from defiliq.chain.words import Words
from defiliq.errors import (
    BlockChanged,
    DecodeError,
    DefiliqError,
    MissingPrice,
    NotAMarket,
    UnsupportedFork,
    UnsupportedReserve,
)
from defiliq.protocols.dydx_solo import LIQUID, VAPOR, SoloMarket, abi, discovery, health, read, read_market
from defiliq.protocols.dydx_solo.columns import decode_accounts
from defiliq.types import Leg
from defiliq.units import WAD
from tests.builders import BLOCK, NOW
from tests.protocols.dydx_solo.fake import (
    DAI,
    DAI_ORACLE,
    HOLDER,
    LISTING,
    LONG,
    ORACLES,
    PRICES,
    RATE,
    REFUSAL,
    SHORT,
    SOLO,
    STRANGER,
    USDC,
    USDC_ORACLE,
    WETH,
    WETH_ORACLE,
    FakeSolo,
    market_words,
    par_words,
    text,
    words,
)

EVERYBODY = (LONG, SHORT, HOLDER, STRANGER)


def keys(accounts: Sequence[str] = EVERYBODY) -> NDArray[np.uint8]:
    raw = b"".join(SoloMarket.account_key(account) for account in accounts)
    return np.frombuffer(raw, dtype=np.uint8).reshape(len(accounts), 52)


def market_of(node: FakeSolo) -> SoloMarket:
    return read_market(node, LISTING, BLOCK)


def one_line(error: DefiliqError) -> bool:
    return "\n" not in str(error) and 20 < len(str(error)) < 400


def test_a_whole_market() -> None:
    market = market_of(FakeSolo())
    assert [reserve.symbol for reserve in market.reserves] == ["WETH", "USDC", "DAI"]
    assert [reserve.id for reserve in market.reserves] == [0, 1, 2]
    assert [reserve.asset for reserve in market.reserves] == [WETH, USDC, DAI]
    assert [reserve.decimals for reserve in market.reserves] == [18, 6, 18]
    assert tuple(reserve.oracle for reserve in market.reserves) == ORACLES
    assert market.prices == PRICES
    assert [feed.unit for feed in market.feeds] == [10**18, 10**30, 10**18]
    assert (market.base_symbol, market.base_unit, market.version) == ("USD", 10**36, "v1")
    assert (market.margin_ratio_wad, market.liquidation_spread_wad) == (15 * WAD // 100, 5 * WAD // 100)
    assert (market.earnings_rate_wad, market.min_borrowed_value_base) == (95 * WAD // 100, 5 * 10**34)
    weth = market.reserves[0]
    assert (weth.total_borrow_par, weth.total_supply_par) == (10**24, 2 * 10**24)
    assert (weth.borrow_index_wad, weth.supply_index_wad, weth.accrued_at) == (WAD, WAD, NOW - 60)
    assert (weth.borrow_rate_wad, weth.borrow_index_now_wad) == (RATE, WAD + 60 * RATE)
    assert not weth.is_closing
    assert [name.name for _, name in market.graph.inputs] == ["WETH/USD", "USDC/USD", "DAI/USD"]
    assert market.graph.prices(NOW) == PRICES


def test_premiums_and_a_closing_market() -> None:
    node = FakeSolo()
    changes = {"margin_premium": 7, "spread_premium": 9, "is_closing": 1}
    node.say(SOLO, market_words(DAI, DAI_ORACLE, **changes), abi.MARKET, 2)
    dai = market_of(node).reserves[2]
    assert (dai.margin_premium_wad, dai.spread_premium_wad, dai.is_closing) == (7, 9, True)


def test_accounts() -> None:
    book = read(FakeSolo(), LISTING, keys(), BLOCK)
    assert [book.owner(k) for k in range(4)] == list(EVERYBODY)
    assert [book.account(k).legs for k in range(4)] == [
        (Leg(0, 10**18, 0, True), Leg(1, 0, 120 * 10**6, True)),
        (Leg(0, 0, 10**18, True), Leg(1, 500 * 10**6, 0, True), Leg(2, 3, 0, True)),
        (Leg(2, 5, 0, True),),
        (),
    ]
    assert book.failed == {}
    assert book.debtors.tolist() == [True, True, False, False]
    assert read(FakeSolo(), LISTING, keys(), BLOCK, uncounted=True).legs == book.legs


def test_one_owner_has_several_accounts() -> None:
    book = read(FakeSolo(), LISTING, keys(), BLOCK)
    assert (book.find(LONG), book.find(SHORT), book.find(STRANGER)) == (0, 1, 3)
    assert book.find(LONG.partition("/")[0]) == 0
    assert book.find(LONG.replace("/0", "/1")) is None


def test_statuses() -> None:
    node = FakeSolo()
    node.say_account(words(LIQUID), abi.ACCOUNT_STATUS, LONG)
    node.say_account(words(VAPOR), abi.ACCOUNT_STATUS, HOLDER)
    book = read(node, LISTING, keys(), BLOCK)
    assert book.modes.tolist() == [LIQUID, 0, VAPOR, 0]
    assert [health(account, book.market).liquidatable for account in book.accounts()] == [
        True,
        False,
        False,
        False,
    ]


def test_nobody_is_asked_about() -> None:
    book = read(FakeSolo(), LISTING, keys(()), BLOCK)
    assert (len(book), book.legs) == (0, 0)


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    read(FakeSolo(), LISTING, keys(), BLOCK, lambda done, total: told.append((done, total)))
    assert (12, 12) in told
    assert told[-1] == (4, 4)


@pytest.mark.parametrize(
    ("answer", "seen"),
    [(REFUSAL, "reverts"), (words(0), "answers 0"), (words(2**128), "above 2**128")],
)
def test_a_market_without_a_price(answer: bytes, seen: str) -> None:
    """It is left out; debtors who have a par there are failed by name, and nobody else is."""
    node = FakeSolo()
    node.say(SOLO, answer, abi.MARKET_PRICE, 2)
    with pytest.raises(MissingPrice, match="DAI") as caught:
        market_of(node)
    assert seen in str(caught.value)
    assert one_line(caught.value)
    told: list[MissingPrice] = []
    market = read_market(node, LISTING, BLOCK, told.append)
    assert [reserve.symbol for reserve in market.reserves] == ["WETH", "USDC"]
    assert [error.symbol for error in told] == ["DAI"]
    book = read(node, LISTING, keys(), BLOCK)
    assert list(book.failed) == [SHORT]
    assert "no price for DAI" in book.failed[SHORT]
    assert [book.owner(k) for k in range(3)] == [LONG, HOLDER, STRANGER]
    assert book.account(1).legs == ()


def test_a_market_in_the_middle_without_a_price() -> None:
    """Those behind it keep their numbers, and their pars."""
    node = FakeSolo()
    node.say(SOLO, words(0), abi.MARKET_PRICE, 1)
    book = read(node, LISTING, keys(), BLOCK)
    assert [reserve.id for reserve in book.market.reserves] == [0, 2]
    assert [book.market.price_of(k) for k in range(2)] == [PRICES[0], PRICES[2]]
    assert list(book.failed) == [LONG, SHORT]
    assert book.account(0).legs == (Leg(1, 5, 0, True),)


def test_no_market_has_a_price() -> None:
    node = FakeSolo()
    for k in range(3):
        node.say(SOLO, REFUSAL, abi.MARKET_PRICE, k)
    book = read(node, LISTING, keys(), BLOCK)
    assert (len(book), book.legs, list(book.failed)) == (2, 0, [LONG, SHORT])


def test_a_contract_without_markets() -> None:
    node = FakeSolo()
    node.say(SOLO, words(0), abi.NUM_MARKETS)
    book = read(node, LISTING, keys(), BLOCK)
    assert (len(book), book.legs, book.failed) == (4, 0, {})


@pytest.mark.parametrize("signature", [abi.ACCOUNT_PAR, abi.ACCOUNT_STATUS])
def test_accounts_that_are_not_answered_are_failed_by_name(signature: str) -> None:
    node = FakeSolo()
    node.say_account(REFUSAL, signature, LONG, *([1] if signature == abi.ACCOUNT_PAR else []))
    book = read(node, LISTING, keys(), BLOCK)
    assert book.failed == {LONG: "Solo refuses to answer for it"}
    assert [book.owner(k) for k in range(3)] == [SHORT, HOLDER, STRANGER]
    assert book.account(0).legs[0] == Leg(0, 0, 10**18, True)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (words(2, 1), "a par that Solo cannot hold"),
        (words(2**255, 1), "a par that Solo cannot hold"),
        (words(0, 2**128), "a par that Solo cannot hold"),
    ],
)
def test_pars_that_solo_cannot_hold(answer: bytes, why: str) -> None:
    node = FakeSolo()
    node.say_account(answer, abi.ACCOUNT_PAR, HOLDER, 0)
    assert read(node, LISTING, keys(), BLOCK).failed == {HOLDER: why}


@pytest.mark.parametrize("status", [3, 256, 2**255])
def test_statuses_that_there_are_not(status: int) -> None:
    node = FakeSolo()
    node.say_account(words(status), abi.ACCOUNT_STATUS, HOLDER)
    assert read(node, LISTING, keys(), BLOCK).failed == {HOLDER: "a status that there is not"}


def test_a_par_of_zero_is_none_of_either_sign_and_the_largest_fits() -> None:
    node = FakeSolo()
    node.say_account(words(1, 0), abi.ACCOUNT_PAR, STRANGER, 0)
    node.say_account(par_words(-(2**128 - 1)), abi.ACCOUNT_PAR, STRANGER, 1)
    book = read(node, LISTING, keys(), BLOCK)
    assert book.account(3).legs == (Leg(1, 0, 2**128 - 1, True),)


@pytest.mark.parametrize(
    "listing", [replace(LISTING, addresses={}), replace(LISTING, addresses={"comet": SOLO})]
)
def test_a_listing_without_an_address(listing: object) -> None:
    with pytest.raises(NotAMarket, match="names no solo_margin"):
        read_market(FakeSolo(), listing, BLOCK)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "seen"),
    [(REFUSAL, "refuses getNumMarkets()"), (b"", "may be no contract"), (words(257), "no number of markets"),
     (words(3, 3), "no number of markets")],
)  # fmt: skip
def test_what_is_no_solo(answer: bytes, seen: str) -> None:
    node = FakeSolo()
    node.say(SOLO, answer, abi.NUM_MARKETS)
    for ask in (market_of, lambda n: discovery(n, LISTING, BLOCK)):
        with pytest.raises(NotAMarket) as caught:
            ask(node)
        assert seen in str(caught.value)
        assert one_line(caught.value)


@pytest.mark.parametrize(
    ("error", "answer", "signature", "arguments", "seen"),
    [
        (NotAMarket, REFUSAL, abi.RISK_PARAMS, (), "does not answer getRiskParams()"),
        (NotAMarket, words(1, 2, 3), abi.RISK_PARAMS, (), "does not answer getRiskParams()"),
        (DecodeError, words(0, 0, WAD + 1, 0), abi.RISK_PARAMS, (), "earnings rate"),
        (DecodeError, REFUSAL, abi.MARKET, (1,), "no answer, though getNumMarkets() says 3"),
        (DecodeError, market_words(WETH, USDC_ORACLE), abi.MARKET, (1,), "the same token twice"),
        (DecodeError, market_words(f"0x{'f' * 64}", USDC_ORACLE), abi.MARKET, (1,), "no address"),
        (DecodeError, market_words(USDC, f"0x{'f' * 64}"), abi.MARKET, (1,), "no address"),
        (DecodeError, market_words(USDC, USDC_ORACLE, is_closing=2), abi.MARKET, (1,), "isClosing is 2"),
        (DecodeError, market_words(USDC, USDC_ORACLE, borrow=2**128), abi.MARKET, (1,), "totals"),
        (DecodeError, market_words(USDC, USDC_ORACLE, supply=2**128), abi.MARKET, (1,), "totals"),
        (DecodeError, market_words(USDC, USDC_ORACLE, borrow_index=0), abi.MARKET, (1,), "indices of 0"),
        (DecodeError, market_words(USDC, USDC_ORACLE, supply_index=2**96), abi.MARKET, (1,), "indices of"),
        (DecodeError, market_words(USDC, USDC_ORACLE, updated=0), abi.MARKET, (1,), "last updated at 0"),
        (DecodeError, market_words(USDC, USDC_ORACLE, updated=NOW + 1), abi.MARKET, (1,), "own timestamp"),
        (DecodeError, REFUSAL, abi.INTEREST_RATE, (1,), "no answer"),
        (DecodeError, REFUSAL, abi.CURRENT_INDEX, (1,), "no answer"),
        (UnsupportedFork, words(WAD + 60 * RATE, WAD + 60 * RATE, NOW), abi.CURRENT_INDEX, (1,), "interest"),
        (UnsupportedFork, words(WAD, WAD, NOW - 60), abi.CURRENT_INDEX, (1,), "its indices of USDC"),
        (DecodeError, words(PRICES[1], 0), abi.MARKET_PRICE, (1,), "64 bytes"),
    ],
)  # fmt: skip
def test_answers_that_no_solo_gives(
    error: type[DefiliqError], answer: bytes, signature: str, arguments: tuple[int, ...], seen: str
) -> None:
    node = FakeSolo()
    node.say(SOLO, answer, signature, *arguments)
    with pytest.raises(error) as caught:
        market_of(node)
    assert seen in str(caught.value)
    assert one_line(caught.value)


@pytest.mark.parametrize(
    ("answer", "seen"), [(REFUSAL, "says no decimals"), (words(37), "37 decimals leave")]
)
def test_tokens_whose_prices_have_no_unit(answer: bytes, seen: str) -> None:
    node = FakeSolo()
    node.say(USDC, answer, abi.DECIMALS)
    with pytest.raises(UnsupportedReserve, match=seen):
        market_of(node)


def test_a_token_without_a_symbol_and_two_with_the_same() -> None:
    node = FakeSolo()
    node.say(WETH, REFUSAL, abi.SYMBOL)
    node.say(USDC, text("DAI"), abi.SYMBOL)
    symbols = [reserve.symbol for reserve in market_of(node).reserves]
    assert symbols[0].startswith(WETH[:6])
    assert [symbol.endswith(token) for symbol, token in zip(symbols[1:], (USDC, DAI), strict=True)] == [
        True,
        True,
    ]


def test_a_block_that_was_replaced() -> None:
    node = FakeSolo(replaced=True)
    for ask in (market_of, lambda n: read(n, LISTING, keys(), BLOCK)):
        with pytest.raises(BlockChanged):
            ask(node)


def test_which_logs_are_searched() -> None:
    wanted, _ = discovery(FakeSolo(), LISTING, BLOCK)
    assert wanted.addresses == (SOLO,)
    assert len(set(wanted.topics)) == 7
    for name in (
        "LogWithdraw",
        "LogTransfer",
        "LogBuy",
        "LogSell",
        "LogTrade",
        "LogLiquidate",
        "LogVaporize",
    ):
        (event,) = (event for event in abi.EVENTS if event.startswith(f"{name}("))
        assert keccak(event) in wanted.topics


def test_markets_share_no_feed_even_where_they_share_an_oracle() -> None:
    """An oracle is told the token: its prices move apart."""
    node = FakeSolo()
    node.say(SOLO, market_words(DAI, WETH_ORACLE), abi.MARKET, 2)
    market = market_of(node)
    assert [reserve.feed for reserve in market.reserves] == [0, 1, 2]
    assert market.feeds[0].source == market.feeds[2].source


@given(st.binary(min_size=64, max_size=64), st.binary(min_size=32, max_size=32), st.booleans())
def test_any_words_are_a_par_or_a_reason(par: bytes, status: bytes, ok: bool) -> None:
    pars = Words(np.array([ok]), np.frombuffer(par, np.uint8).reshape(1, 2, 32))
    statuses = Words(np.array([True]), np.frombuffer(status, np.uint8).reshape(1, 1, 32))
    found = decode_accounts(keys([LONG]), range(1), pars, statuses)
    sign, size = int.from_bytes(par[:32], "big"), int.from_bytes(par[32:], "big")
    is_plain = ok and sign < 2 and size < 2**128 and int.from_bytes(status, "big") <= VAPOR
    assert found.readable.tolist() == [is_plain]
    if is_plain:
        assert found.par[0] == size
        assert (found.is_positive.item(), found.is_negative.item()) == (
            bool(size and sign),
            bool(size and not sign),
        )
