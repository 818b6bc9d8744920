"""What the client library asserts of accounts in its own payloads, against the law and the solver.

The client computes with doubles and no quantums. So the accounts are held a billion times over, at prices of
twelve digits: what the chain's roundings move is then far below the 1e-9 to which all is compared.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from defiliq.engine.solve import find_levels
from defiliq.pricing.driver import Move, driver_of_feeds
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.risk import initial_margin_ppm, quote_quantums
from defiliq.protocols.dydx_v4.rules import account_risk, rule
from defiliq.protocols.dydx_v4.settle import Position, Subaccount, to_account
from defiliq.types import Account
from defiliq.units import PPM
from tests.protocols.dydx_v4.states import chain, perpetual

FOLDER = Path(__file__).parents[3] / "fixtures" / "vectors" / "dydx_abacus"
TOLERANCE = Fraction(1, 10**9)
TIMES = 10**9
PRICE_DIGITS, SIZE_DIGITS = 12, 18
CLIENT_IMF = Fraction(2, 100)
"""The margin at which the client's buying power of an account assumes its next trade."""


@cache
def payload(name: str) -> dict[str, Any]:
    with gzip.open(FOLDER / f"{name}.json.gz", "rt") as text:
        found: dict[str, Any] = json.load(text)
    return found


class Held(NamedTuple):
    """One subaccount of the client as the law sees it."""

    market: DydxMarket
    account: Account

    def shifted(self, usdc: Fraction) -> Held:
        """The same after a transfer."""
        first, *others = self.account.legs
        quantums = first.collateral - first.debt + _whole(usdc * 10**6 * TIMES)
        return Held(
            self.market,
            replace(
                self.account,
                legs=(replace(first, collateral=max(0, quantums), debt=max(0, -quantums)), *others),
            ),
        )

    def equity(self) -> Fraction:
        """Net collateral in dollars."""
        return _usd(account_risk(self.account, self.market).net_collateral)

    def figures(self, symbol: str | None = None) -> dict[str, Fraction]:
        """What the client shows of the account, or of its position in a market."""
        risk, law = account_risk(self.account, self.market), rule(self.account, self.market)
        free = risk.net_collateral - risk.initial_margin
        gross = net = 0
        shares = []
        for leg in self.account.legs[1:]:
            listed = self.market.reserves[leg.reserve]
            if symbol in (None, listed.symbol):
                price = self.market.price_of(leg.reserve)
                value = quote_quantums(leg.collateral - leg.debt, price, listed)
                open_notional = quote_quantums(listed.open_interest, price, listed)
                gross, net = gross + abs(value), net + value
                shares.append(Fraction(initial_margin_ppm(listed, open_notional), PPM))
        imf = CLIENT_IMF if symbol is None else shares[0]
        equity = risk.net_collateral
        signed = gross if symbol is None else net
        found = {
            "quoteBalance": _usd(law.usdc),
            "equity": _usd(equity),
            "freeCollateral": _usd(free),
            "notionalTotal": _usd(gross),
            "valueTotal": _usd(net),
            "initialRiskTotal": _usd(risk.initial_margin),
            "leverage": Fraction(signed, equity),
            "marginUsage": Fraction(risk.initial_margin, equity),
            "buyingPower": _usd(free) / imf,
            "adjustedImf": imf,
        }
        if symbol is None:
            found["valueTotal"] = _usd(gross)  # the client adds sizes up here
        return found

    def liquidation_price(self, symbol: str) -> Fraction:
        """Where the solver finds the account breaks, of that market alone, in dollars."""
        (feed,) = (held.feed for held in self.market.reserves if held.symbol == symbol)
        driver = driver_of_feeds(symbol, self.market.prices[feed], 10**PRICE_DIGITS, [Move(feed)])
        (level,) = find_levels(rule(self.account, self.market), 0, self.market.prices, driver)
        assert level.price is not None
        return Fraction(level.price, driver.unit)


def _usd(quantums: int) -> Fraction:
    return Fraction(quantums, 10**6 * TIMES)


def _whole(value: Fraction) -> int:
    assert value.denominator == 1, value
    return value.numerator


def held(subaccount: Mapping[str, Any], markets: Mapping[str, Any]) -> Held:
    """A subaccount and its markets as the indexer's messages spell them."""
    open_positions = {
        name: position
        for name, position in (subaccount.get("openPerpetualPositions") or {}).items()
        if position["status"] == "OPEN"
    }
    listed, prices, positions = [], [], []
    for place, (name, position) in enumerate(open_positions.items(), start=1):
        entry = markets[name]
        initial = Fraction(entry["initialMarginFraction"])
        part = Fraction(entry["maintenanceMarginFraction"]) / initial
        listed.append(
            replace(
                perpetual(place, atomic_resolution=-SIZE_DIGITS),
                symbol=name,
                exponent=-PRICE_DIGITS,
                initial_margin_ppm=_whole(initial * PPM),
                maintenance_fraction_ppm=_whole(part * PPM),
            )
        )
        prices.append(_whole(Fraction(entry["oraclePrice"]) * 10**PRICE_DIGITS))
        size = abs(Fraction(position["size"])) * (1 if position["side"] == "LONG" else -1)
        positions.append(Position(place - 1, _whole(size * 10**SIZE_DIGITS * TIMES), 0))
    assets = (subaccount.get("assetPositions") or {}).values()
    balances = (Fraction(asset["size"]) * (1 if asset["side"] == "LONG" else -1) for asset in assets)
    usdc = sum(balances, Fraction(0))
    market = chain(listed, prices)
    raw = Subaccount("client", 0, ((0, _whole(usdc * 10**6 * TIMES)),), tuple(positions))
    return Held(market, to_account(raw, market))


def close(found: Fraction, expected: float) -> bool:
    return abs(found - Fraction(expected)) <= TOLERANCE * abs(Fraction(expected))


@pytest.mark.parametrize("k", [0, 1], ids=["long ETH", "short ETH"])
def test_the_calculation_tests(k: int) -> None:
    tests = payload("v4_calculation_tests")
    case = tests["cases"][k]
    account = case["account"]
    found = account["subaccounts"][0] if "subaccounts" in account else account["contents"]["subaccount"]
    there = held(found, tests["markets"]["contents"]["markets"])
    expected = dict(case["expected"])
    of_position = expected.pop("ETH-USD")
    price = of_position.pop("liquidationPrice")
    # of an account the client's test of the short names the value of its position, of the long its notional
    expected["valueTotal"] = abs(expected["valueTotal"])
    figures = there.figures()
    assert {name for name, value in expected.items() if not close(figures[name], value)} == set()
    figures = there.figures("ETH-USD")
    assert {name for name, value in of_position.items() if not close(figures[name], value)} == set()
    level = there.liquidation_price("ETH-USD")
    print(f"{case['name']}: {float(level)!r} where the client has {price!r}")
    assert close(level, price)


def test_at_the_chains_own_exponents_a_level_is_as_near_as_quantums_allow() -> None:
    """One ETH in quantums of 1e-9 and prices of 1e-6: a price integer is worth one quote quantum."""
    for usdc, size, exact in (
        (-900 * 10**6, 10**9, Fraction(90000, 97)),
        (1100 * 10**6, -(10**9), Fraction(110000, 103)),
    ):
        listed = replace(perpetual(1, atomic_resolution=-9), exponent=-6)
        market = chain([listed], [1000 * 10**6])
        raw = Subaccount("client", 0, ((0, usdc),), (Position(0, size, 0),))
        law = rule(to_account(raw, market), market)
        driver = driver_of_feeds("ETH/USD", market.prices[1], 10**6, [Move(1)])
        (level,) = find_levels(law, 0, market.prices, driver)
        assert level.price is not None
        assert abs(level.price - exact * 10**6) < 3


PARENT, SINGLE = "parentSubaccounts", "accounts"


class Run(NamedTuple):
    """What a test function of the client is about."""

    group: str
    payload: str
    markets: str
    children: tuple[str, ...] = ()
    """The children of a parent whose figures `positionCalculated` and `positionCalculated1` are."""
    current_only: bool = False
    """Whether what comes after is of trades, which only the client knows."""


_RECEIVED = Run(SINGLE, "v4accountsReceivedWithPositions", "subscribed")
_SUBSCRIBED = Run(SINGLE, "v4_subscribed", "subscribed")
_PENDING = Run(PARENT, "real_subscribed_with_pending", "subscribed_2", ("256",))
_UNPOPULATED = Run(PARENT, "real_subscribed_with_unpopulated_child", "subscribed_2", ("256",))
_SEVERAL = Run(PARENT, "real_subscribe_with_multiple_pending", "subscribed_2", ("384", "256"))
_ISOLATED = Run(PARENT, "real_subscribe_with_isolated_position", "subscribed_2", current_only=True)
_TRANSFER_MARGIN = "testMarginAmountForSubaccountTransferWithExistingPosition"
RUNS: dict[tuple[str, str], Run] = {
    ("V4AccountTests.kt", "testSubaccountsReceived"): _RECEIVED,
    ("V4AccountOrdersSortingTest.kt", "testSubaccountsReceived"): _RECEIVED,
    ("V4AccountTests.kt", "testSubaccountSubscribed"): _SUBSCRIBED,
    ("V4AccountTests.kt", "testSubaccountFillsChannelData"): _SUBSCRIBED,
    ("TransferInputTests.kt", "testDepositTransferInput"): _RECEIVED,
    ("TransferInputTests.kt", "testSlowWithdrawalTransferInput"): _RECEIVED,
    ("TransferInputTests.kt", "testTransferOutTransferInput"): _RECEIVED,
    ("V4ParentSubaccountTests.kt", "testParentSubaccountSubscribed"): Run(
        PARENT, "real_subscribed", "subscribed_2", ("128",)
    ),
    ("V4ParentSubaccountTests.kt", "testParentSubaccountSubscribedWithPendingPositions"): _PENDING,
    ("IsolatedMarginModeTests.kt", "testParentSubaccountSubscribedWithPendingPositions"): _PENDING,
    ("V4ParentSubaccountTests.kt", "testParentSubaccountSubscribedWithMultiplePendingPositions"): _SEVERAL,
    ("V4ParentSubaccountTests.kt", "testParentSubaccountSubscribedWithUnpopulatedChild"): _UNPOPULATED,
    ("IsolatedMarginModeTests.kt", "testParentSubaccountSubscribedWithUnpopulatedChild"): _UNPOPULATED,
    ("V4TradeInputTests.kt", "testUpdates"): Run(SINGLE, "v4_subaccounts_update_1", "v4_subscribed_r1"),
    ("IsolatedMarginModeTests.kt", _TRANSFER_MARGIN): _ISOLATED,
    ("IsolatedMarginModeTests.kt", f"{_TRANSFER_MARGIN}AndOpenOrders"): _ISOLATED,
}
CHANGED = "needs the client's merging of later messages into its state"
TRADE = "needs the client's trade or margin input, which fills an order on its own copy of the book"
"""Why assertions are left out, but for those that are about no number."""


def test_every_asserted_number_that_messages_alone_settle() -> None:
    """Of the index's 215 lines: which are run, and why others are not."""
    told: Counter[str] = Counter()
    transfer = Fraction(0)
    for line in payload("assertion_index")["assertions"]:
        file, figure = line["file"].split("/")[-1], line.get("expression", "").split(".")[-1]
        if "expected" not in line:
            told["is about no number"] += 1
        elif file == "V4CalculationTests.kt":
            told["run above"] += 1
        elif not _is_run(about := RUNS.get((file, line["function"])), line["expression"]):
            told[_left_out(line["function"])] += 1
        else:
            assert about is not None
            is_after = "PostOrder" in line["expression"]
            if is_after and figure == "equity":  # what was transferred, told by the first figure after it
                transfer = _cents(line["expected"] - _equity_before(about))
            found = _figure(about, line["expression"], figure, transfer if is_after else Fraction(0))
            assert close(found, line["expected"]), (line, float(found))
            told["run"] += 1
    print(dict(told))
    assert told == {"run": 147, "run above": 28, CHANGED: 11, TRADE: 26, "is about no number": 3}


def _is_run(about: Run | None, expression: str) -> bool:
    if about is None:
        return False
    return not about.current_only or expression.startswith(("calculated?", "calculatedCurrent?"))


def _left_out(function: str) -> str:
    return CHANGED if function.endswith(("Changed", "ChannelData")) else TRADE


def _cents(difference: float) -> Fraction:
    return Fraction(round(difference * 100), 100)


def _equity_before(about: Run) -> float:
    return float(_figure(about, "calculated.equity", "equity", Fraction(0)))


def _markets(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = payload("markets_payload_mocks")["markets"][name]["contents"]["markets"]
    return found


def _figure(about: Run, expression: str, figure: str, shift: Fraction) -> Fraction:
    """One number: of a subaccount, of the main child of a parent, or of the child that a position lives in.

    A parent's equity is that of all its children.
    """
    entry, listed = payload("account_payload_mocks")[about.group][about.payload], _markets(about.markets)
    if about.group == SINGLE:
        if expression.startswith("calculated2"):  # testUpdates goes on with the next message
            entry = payload("account_payload_mocks")[about.group][about.payload.replace("_1", "_2")]
        return held(_single(entry), listed).shifted(shift).figures()[figure]
    children = entry["contents"]["subaccount"]["childSubaccounts"]
    parts = {str(child["subaccountNumber"]): held(child, listed) for child in children}
    if expression.startswith("positionCalculated"):
        child = parts[about.children[expression.startswith("positionCalculated1")]]
        symbol = child.market.reserves[1].symbol if len(child.market.reserves) > 1 else None
        return child.figures(symbol)[figure]
    if figure == "equity":
        return sum((child.equity() for child in parts.values()), Fraction(0))
    return parts["0"].figures()[figure]


def _single(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first subaccount of an answer, that of a subscription, or all that an update says of one."""
    contents = entry.get("contents", {})
    if "perpetualPositions" in contents:
        return {
            "openPerpetualPositions": {entry["market"]: entry for entry in contents["perpetualPositions"]},
            "assetPositions": {asset["symbol"]: asset for asset in contents["assetPositions"]},
        }
    found: Mapping[str, Any] = entry["subaccounts"][0] if "subaccounts" in entry else contents["subaccount"]
    return found
