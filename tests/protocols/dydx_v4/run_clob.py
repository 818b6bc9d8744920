"""What each table about liquidations and deleveraging asserts, asked of the law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from defiliq.protocols.dydx_v4.backed import share_out
from defiliq.protocols.dydx_v4.deleveraging import (
    Offset,
    deleverage,
    deleverage_price,
    deleveraged_quote_quantums,
    fund_can_pay,
    offset_position,
)
from defiliq.protocols.dydx_v4.limits import (
    Tally,
    check_fill,
    liquidatable_delta,
    max_insurance_left,
    max_notional_left,
    position_bounds,
)
from defiliq.protocols.dydx_v4.liquidation import (
    LiquidationOrder,
    bankruptcy_quote_quantums,
    fill_quote_quantums,
    fillable_price,
    in_order,
    insurance_fund_delta,
    liquidation_order,
    place_to_liquidate,
    size_at,
    to_subticks,
)
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.refused import ChainRefused
from defiliq.protocols.dydx_v4.rules import account_risk, health
from defiliq.protocols.dydx_v4.settle import USDC, Subaccount, places_of, settled, to_account, unjudged
from defiliq.protocols.dydx_v4.updates import PositionChange, Update, matched, transition, updated
from defiliq.types import Account, Shortfall
from defiliq.units import PPM, mul_div_up
from tests.protocols.dydx_v4.states import perpetual
from tests.protocols.dydx_v4.vectors import (
    CLOB_PAIR_BTC,
    Case,
    book_of,
    constants,
    market_of,
    subaccount,
)

BTC_CLOB: Case = {**CLOB_PAIR_BTC, "Metadata": {"PerpetualClobMetadata": {"PerpetualId": 0}}}
ETH_CLOB: Case = {**CLOB_PAIR_BTC, "Metadata": {"PerpetualClobMetadata": {"PerpetualId": 1}}}


def stage(case: Case, clobs: tuple[Case, ...] = ()) -> tuple[DydxMarket, Subaccount, Account]:
    """The market and the one subaccount of a keeper test."""
    market = market_of(case.get("perpetuals", ()), clobs, case.get("liquidationConfig"))
    raw = subaccount(assets=case.get("assetPositions", ()), positions=case.get("perpetualPositions", ()))
    assert unjudged(raw, market) == ""
    return market, raw, to_account(raw, market)


def is_liquidatable(case: Case) -> None:
    market, _, account = stage(case)
    assert health(account, market).liquidatable is case["expectedIsLiquidatable"]
    assert account_risk(account, market).is_liquidatable is case["expectedIsLiquidatable"]


def bankruptcy_price(case: Case) -> None:
    market, raw, account = stage(case)
    place, delta = places_of(market)[case["perpetualId"]], case["deltaQuantums"]
    if "expectedError" in case:
        with pytest.raises(ChainRefused, match=case["expectedError"]):
            bankruptcy_quote_quantums(account, market, place, delta)
        return
    quote = bankruptcy_quote_quantums(account, market, place, delta)
    assert quote == case["expectedBankruptcyPriceQuoteQuantums"]
    # the Go test goes on to ask whether the subaccount may change by that much
    update = Update(settled(raw, market), ((USDC, quote),), (PositionChange(case["perpetualId"], delta),))
    assert transition(update, updated(update, market), market) == "success"


def fillable(case: Case) -> None:
    market, _, account = stage(case)
    place = places_of(market)[case["perpetualId"]]
    if "expectedError" in case:
        with pytest.raises(ChainRefused, match=case["expectedError"]):
            fillable_price(account, market, place, case["deltaQuantums"])
        return
    assert fillable_price(account, market, place, case["deltaQuantums"]) == case["expectedFillablePrice"]


def insurance_fund(case: Case) -> None:
    market, _, account = stage(case, (BTC_CLOB,))  # TestGetLiquidationInsuranceFundDelta: ClobPair_Btc
    place, sold = places_of(market)[case["perpetualId"]], case["fillAmount"]

    def found() -> int:
        return insurance_fund_delta(
            account, market, place, is_buy=case["isBuy"], quantums=sold, subticks=case["subticks"]
        )

    if "expectedError" in case:
        with pytest.raises(ChainRefused, match=case["expectedError"]):
            found()
    else:
        assert found() == case["expectedLiquidationInsuranceFundDeltaBig"]


def subticks(case: Case) -> None:
    book = perpetual(1, **book_of(case["clobPair"]))
    found = to_subticks(case["fillablePrice"], book, is_long=case["isLiquidatingLong"])
    assert found == case["expectedSubticks"]


def position_to_liquidate(case: Case) -> None:
    market, _, account = stage(case, tuple(case["clobPairs"]))
    place = place_to_liquidate(account, market, 0, Tally())  # every case has one position: any offset is it
    wanted = case["expectedClobPair"]["Metadata"]["PerpetualClobMetadata"]["PerpetualId"]
    assert market.reserves[place].id == wanted
    delta = liquidatable_delta(market, place, size_at(account, place), Tally())
    assert delta == case["expectedQuantums"]


def maybe_order(case: Case) -> None:
    """The chain's test places what it gets, and its expected matches say of what size that is."""
    market = market_of(case["perpetuals"], case["clobs"], default_open_interest=True)
    wanted = case["liquidatableSubaccount"]
    (raw,) = (subaccount(entry) for entry in case["subaccounts"] if entry["Id"] == wanted)
    tally = Tally()
    for step in case.get("setupState", {"$setup": ()})["$setup"]:
        assert step["SubaccountId"] == wanted
        tally = tally.placed(step["placed"])
    account = to_account(raw, market)
    if "expectedErr" in case:
        with pytest.raises(ChainRefused, match=case["expectedErr"]):
            liquidation_order(account, market, 0, tally)
        return
    order = liquidation_order(account, market, 0, tally)
    held = raw.positions[0].quantums
    assert (order.place, order.delta) == (1, -held)
    for call in case["expectedMatchedOrders"]:
        (match,) = call["args"]
        assert (order.is_buy, order.quantums) == (match["IsBuy"], match["TotalSize"])


def limits_left(case: Case) -> None:
    # TestGetMaxLiquidatableNotionalAndInsuranceLost asks about perpetual 0, and 0 is what was liquidated
    # before where a case leaves it out
    config = market_of(config=case["liquidationConfig"]).liquidations
    tally = Tally().placed(case.get("previouslyLiquidatedPerpetualId", 0))
    tally = tally.filled(case["previousNotionalLiquidated"], case["previousInsuranceFundLost"])
    for ask, name in (
        (max_notional_left, "MaxNotionalLiquidatable"),
        (max_insurance_left, "MaxInsuranceLost"),
    ):
        if f"expected{name}Err" in case:
            with pytest.raises(ChainRefused, match=case[f"expected{name}Err"]):
                ask(tally, config, 0)
        else:
            assert ask(tally, config, 0) == case[f"expected{name}"]


def notional_bounds(case: Case) -> None:
    # TestGetMaxAndMinPositionNotionalLiquidatable creates one perpetual
    listed = [constants()["BtcUsd_100PercentMarginRequirement"]]
    market = market_of(listed, (BTC_CLOB,), case["liquidationConfig"])
    raw = subaccount(positions=[case["positionToLiquidate"]])
    if "expectedErr" in case:
        assert f"({case['expectedErr']})" in unjudged(raw, market)
        return
    found = position_bounds(market, 1, raw.positions[0].quantums)
    assert found == (case["expectedMinPosNotionalLiquidatable"], case["expectedMaxPosNotionalLiquidatable"])


def tallies(case: Case) -> None:
    found: dict[tuple[str, int], Tally] = {}
    for step in case.get("setupState", {"$setup": ()})["$setup"]:
        named = step["SubaccountId"]["Owner"], step["SubaccountId"]["Number"]
        tally = found.get(named, Tally())
        found[named] = tally.placed(step["placed"]) if "placed" in step else tally.filled(*step["filled"])
    expected = case["expectedSubaccountLiquidationInfo"]
    asked = case["subaccountId"]["Owner"], case["subaccountId"]["Number"]
    assert found.get(asked, Tally()) == Tally(
        tuple(expected.get("PerpetualsLiquidated", ())),
        expected.get("NotionalLiquidated", 0),
        expected.get("QuantumsInsuranceLost", 0),
    )


def sorted_orders(case: Case) -> None:
    market = market_of(
        [
            constants()[name]
            for name in ("BtcUsd_100PercentMarginRequirement", "EthUsd_100PercentMarginRequirement")
        ],
        (BTC_CLOB, ETH_CLOB),
    )
    hashes: dict[str, bytes] = {}
    # where only the hash decides, the case says which is smaller by what it expects
    for rank, entry in enumerate(case["expected"]):
        hashes.setdefault(order_of(entry, market).account.owner, bytes([rank]))
    orders = [order_of(entry, market) for entry in case["orders"]]
    found = in_order(orders, market, lambda order: hashes[order.account.owner])
    assert found == [order_of(entry, market) for entry in case["expected"]]


def order_of(entry: Case, market: DydxMarket) -> LiquidationOrder:
    """A liquidation order as the JSON spells it."""
    spelled = entry["LiquidationOrder"]
    perpetual_id = spelled["clobPair"]["Metadata"]["PerpetualClobMetadata"]["PerpetualId"]
    named = spelled["subaccountId"]
    account = Account(f"{named['Owner']}/{named['Number']}", 0, ())
    place = places_of(market)[perpetual_id]
    return LiquidationOrder(account, place, spelled["isBuy"], spelled["quantums"], spelled["subticks"])


def placed_liquidation(case: Case) -> None:
    """Resting orders of the case fill the liquidation one after another, all of them at its price or better.

    What the Go test asserts is the open interest that is left.
    """
    market = market_of(case["perpetuals"], case["clobs"], default_open_interest=True)
    raws = {key(entry["Id"]): subaccount(entry) for entry in case["subaccounts"]}
    order = case["order"]["LiquidationOrder"]
    taker, left = key(order["subaccountId"]), order["quantums"]
    fee_ppm = max(0, case["feeParams"]["Tiers"][0]["MakerFeePpm"])  # rebates end at 0 for liquidations
    for resting in case.get("existingOrders", ()):
        maker, size = key(resting["OrderId"]["SubaccountId"]), min(left, resting["Quantums"])
        assert resting["Side"] == "Order_SIDE_BUY"
        assert resting["Subticks"] >= order["subticks"]
        account = to_account(raws[taker], market)
        delta = insurance_fund_delta(
            account, market, 1, is_buy=False, quantums=size, subticks=resting["Subticks"]
        )
        check_fill(market, 1, size, delta, Tally())
        assert fund_can_pay(10**12, delta)  # the balance that the test's bank answers
        quote = fill_quote_quantums(market.reserves[1], size, resting["Subticks"])
        fee = mul_div_up(quote, fee_ppm, PPM)
        other = raws.get(maker, subaccount({"Id": {"Owner": maker[0], "Number": maker[1]}}))
        updates = (
            Update(settled(raws[taker], market), ((USDC, quote - delta),), (PositionChange(0, -size),)),
            Update(settled(other, market), ((USDC, -quote - fee),), (PositionChange(0, size),)),
        )
        with suppress(ChainRefused):  # the book drops the order of a maker who cannot bear the fill
            (raws[taker], raws[maker]), market = matched(updates, market)
            left -= size
    assert market.reserves[1].open_interest == case["expectedOpenInterests"]["0"]


def key(named: Mapping[str, object]) -> tuple[str, int]:
    """A subaccount id."""
    owner, number = named["Owner"], named["Number"]
    assert isinstance(owner, str)
    assert isinstance(number, int)
    return owner, number


def can_deleverage(case: Case) -> None:
    listed = [constants()["BtcUsd_20PercentInitial_10PercentMaintenance"]]
    prices = case.get("marketIdToOraclePriceOverride")
    market = market_of(listed, case["clobPairs"], case["liquidationConfig"], prices)
    risk = account_risk(to_account(subaccount(case["subaccount"]), market), market)
    expected = {(True, False): "bankruptcy", (False, True): "oracle", (False, False): None}[
        case["expectedShouldDeleverageAtBankruptcyPrice"], case["expectedShouldDeleverageAtOraclePrice"]
    ]
    assert deleverage_price(risk, market, 1) == expected


def valid_fund_delta(case: Case) -> None:
    found = fund_can_pay(case["insuranceFundBalance"], case["insuranceFundDelta"])
    assert found is case["expectedIsValidInsuranceFundDelta"]


TWENTY_TEN = ("BtcUsd_20PercentInitial_10PercentMaintenance", "EthUsd_20PercentInitial_10PercentMaintenance")
HUNDRED = ("BtcUsd_100PercentMarginRequirement", "EthUsd_100PercentMarginRequirement")


def of_names(names: tuple[str, ...], prices: Mapping[str, int] | None = None) -> DydxMarket:
    """The two perpetuals that a test creates, at its open interest."""
    listed = [constants()[name] for name in names]
    return market_of(listed, (BTC_CLOB, ETH_CLOB), prices=prices, default_open_interest=True)


def deleveraging(case: Case) -> None:
    market = of_names(TWENTY_TEN)
    liquidated, delta = subaccount(case["liquidatedSubaccount"]), case["deltaQuantums"]
    quote = 0  # as TestProcessDeleveraging where it expects an error
    if "expectedErr" not in case:
        quote = deleveraged_quote_quantums(liquidated, market, 0, delta, "bankruptcy")
    _ends_as_expected(case, market, quote)


def deleveraging_at_oracle(case: Case) -> None:
    market = of_names(TWENTY_TEN)
    liquidated = subaccount(case["liquidatedSubaccount"])
    quote = deleveraged_quote_quantums(liquidated, market, 0, case["deltaQuantums"], "oracle")
    _ends_as_expected(case, market, quote)


def deleveraging_rounding(case: Case) -> None:
    market = of_names(
        TWENTY_TEN, {"0": 4_999_999_937}
    )  # the price that TestProcessDeleveraging_Rounding sets
    liquidated, delta = subaccount(case["liquidatedSubaccount"]), case["deltaQuantums"]
    quote = deleveraged_quote_quantums(liquidated, market, 0, delta, "bankruptcy")
    done = deleverage(liquidated, subaccount(case["offsettingSubaccount"]), market, 0, delta, quote)
    assert done.liquidated.usdc - liquidated.usdc == quote
    assert done.liquidated.positions[0].quantums == liquidated.positions[0].quantums + delta


def _ends_as_expected(case: Case, market: DydxMarket, quote: int) -> None:
    liquidated, other = subaccount(case["liquidatedSubaccount"]), subaccount(case["offsettingSubaccount"])
    delta = case["deltaQuantums"]
    if "expectedErr" in case:
        with pytest.raises(ChainRefused, match=case["expectedErr"]):
            deleverage(liquidated, other, market, 0, delta, quote)
        return
    done = deleverage(liquidated, other, market, 0, delta, quote)
    assert done.liquidated == subaccount(case["expectedLiquidatedSubaccount"])
    assert done.offsetting == subaccount(case["expectedOffsettingSubaccount"])


def offsetting(case: Case) -> None:
    market = of_names(HUNDRED)
    raws = [subaccount(entry) for entry in case["subaccounts"]]
    named = key(case["liquidatedSubaccountId"])
    (liquidated,) = (raw for raw in raws if (raw.owner, raw.number) == named)
    others = [raw for raw in raws if raw is not liquidated]  # the draw of every case begins with the first
    perpetual_id, delta = case["perpetualId"], case["deltaQuantums"]
    found = offset_position(liquidated, others, market, perpetual_id, delta, "bankruptcy")
    fills = tuple(
        (
            f"{fill['OffsettingSubaccountId']['Owner']}/{fill['OffsettingSubaccountId']['Number']}",
            fill["FillAmount"],
        )
        for fill in case["expectedFills"]
    )
    assert (found.fills, found.remaining) == (fills, case["expectedQuantumsRemaining"])
    after = {raw.name: raw for raw in found.subaccounts}
    for entry in case["expectedSubaccounts"] or ():
        expected = subaccount(entry)
        assert after[expected.name] == expected
    if "expectedOpenInterest" in case:
        place = places_of(market)[perpetual_id]
        assert found.market.reserves[place].open_interest == case["expectedOpenInterest"]
    if liquidated.position(perpetual_id) is not None:
        _shared_out_alike(liquidated, others, market, perpetual_id, delta, found)


def _shared_out_alike(
    liquidated: Subaccount,
    others: Sequence[Subaccount],
    market: DydxMarket,
    perpetual_id: int,
    delta: int,
    found: Offset,
) -> None:
    """As cascades have it: of judged accounts, who took a part of it and what all of them are then."""
    judged = [to_account(raw, market) for raw in (liquidated, *others)]
    lacking = Shortfall(places_of(market)[perpetual_id], delta)
    shared = share_out(judged[0], iter(judged[1:]), market, lacking)
    assert shared.closed == abs(delta) - abs(found.remaining)
    assert shared.market == found.market
    took = {name for name, _ in found.fills}
    assert {others[k].name for k in shared.others} == took
    left = {raw.name: to_account(raw, market) for raw in found.subaccounts}
    for account in (shared.account, *shared.others.values()):
        assert _unsettled(account) == _unsettled(left[account.owner])


def _unsettled(account: Account) -> Account:
    """The account without the indices of its positions: those of whom nobody touches are not written anew."""
    return replace(account, legs=tuple(replace(leg, funding_index=None) for leg in account.legs))
