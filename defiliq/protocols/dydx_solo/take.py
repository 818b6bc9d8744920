"""What a liquidation takes in Solo Margin: one Liquidate action of an operation, to the wei.

A liquidator, the solid account, names a market in which the account owes, one in which it has a supply, and
an amount: there is no close factor. The account hands over the value of what is repaid plus the spread, which
both markets' spread premiums widen; where its supply is less than that, all of it, and the repayment shrinks
to what it is worth. An operation must not leave the account less debt than minBorrowedValue, unless none.

Where an account has no supply left, only vaporize applies: it repays the debt from tokens of the contract
that nobody owns, and where those do not suffice, a liquidator who gets others of them for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from defiliq.protocols.dydx_solo.accrual import owed_wei, supplied_wei
from defiliq.protocols.dydx_solo.market import SoloMarket
from defiliq.protocols.dydx_solo.rules import rule
from defiliq.types import Account, Liquidation, Refusal, Seizure, Taking, Untold
from defiliq.units import WAD, mul_div_down, mul_div_up

Pars = Mapping[int, int]
"""Par of an account by position in the market's reserves; negative where it owes."""


class CallAmounts(NamedTuple):
    """What one Liquidate action moves, in token base units, and the pars that it leaves."""

    held: int
    """What the liquidator gets: the size of LogLiquidate's `solidHeldUpdate`."""
    owed: int
    """What the liquidator repays."""
    after: Pars


def to_wei(market: SoloMarket, reserve: int, par: int) -> int:
    """A signed par in tokens, debts rounded up (Interest.parToWei)."""
    indices = market.reserves[reserve]
    if par >= 0:
        return supplied_wei(par, indices.supply_index_now_wad)
    return -owed_wei(-par, indices.borrow_index_now_wad)


def to_par(market: SoloMarket, reserve: int, wei: int) -> int:
    """Signed tokens as a par, debts rounded up (Interest.weiToPar)."""
    indices = market.reserves[reserve]
    if wei >= 0:
        return mul_div_down(wei, WAD, indices.supply_index_now_wad)
    return -mul_div_up(-wei, WAD, indices.borrow_index_now_wad)


def spread_wad(market: SoloMarket, held: int, owed: int) -> int:
    """What a liquidator earns on a pair of markets (Storage.getLiquidationSpreadForPair)."""
    spread = market.liquidation_spread_wad
    for reserve in (held, owed):
        spread = mul_div_down(spread, WAD + market.reserves[reserve].spread_premium_wad, WAD)
    return spread


def owed_price(market: SoloMarket, held: int, owed: int) -> int:
    """The owed token's price with the spread on it (OperationImpl._getLiquidationPrices)."""
    price = market.price_of(owed)
    return price + mul_div_down(price, spread_wad(market, held, owed), WAD)


def liquidate(market: SoloMarket, pars: Pars, held: int, owed: int, amount: int) -> CallAmounts:
    """A Liquidate action that asks to repay `amount` token base units, 1 or more (OperationImpl._liquidate).

    `amount` is a difference in wei, sent as such; more than is owed repays all that is.
    """
    held_before, owed_before = to_wei(market, held, pars[held]), to_wei(market, owed, pars[owed])
    owed_par, repaid = to_par(market, owed, owed_before + amount), amount
    if owed_par > 0:
        owed_par, repaid = 0, -owed_before
    if owed_par == pars[owed]:
        repaid = 0
    held_price, dear_price = market.price_of(held), owed_price(market, held, owed)
    seized = mul_div_down(repaid, dear_price, held_price)
    if seized > held_before:
        seized = held_before
        repaid = mul_div_up(seized, held_price, dear_price)
        owed_par = to_par(market, owed, owed_before + repaid) if repaid else pars[owed]
        held_par = 0
    else:
        held_par = to_par(market, held, held_before - seized) if seized else pars[held]
    return CallAmounts(seized, repaid, {**pars, held: held_par, owed: owed_par})


def leaves_too_little(market: SoloMarket, pars: Pars) -> bool:
    """Whether an operation that ends so is refused: "Borrow value too low" in Storage.isCollateralized."""
    borrow_value = 0
    for reserve, par in pars.items():
        if par < 0:
            value = -to_wei(market, reserve, par) * market.price_of(reserve)
            borrow_value += mul_div_down(value, WAD + market.reserves[reserve].margin_premium_wad, WAD)
    return 0 < borrow_value < market.min_borrowed_value_base


def largest_amount(market: SoloMarket, pars: Pars, held: int, owed: int) -> int:
    """The most that one action may ask to repay; 0 where every amount leaves too little debt.

    All that is owed, unless what is left then is refused: the more is repaid the less is left, so halving
    finds the largest amount that leaves enough.
    """

    def is_refused(amount: int) -> bool:
        return leaves_too_little(market, liquidate(market, pars, held, owed, amount).after)

    everything = -to_wei(market, owed, pars[owed])
    if not is_refused(everything):
        return everything
    allowed, refused = 0, everything
    while refused - allowed > 1:
        middle = (allowed + refused) // 2
        allowed, refused = (allowed, middle) if is_refused(middle) else (middle, refused)
    return allowed


def take(account: Account, market: SoloMarket) -> Taking:
    """The liquidation that pays best at the market's prices and timestamp, or why there is none.

    "Pays best" compares the largest action of each pair of markets: the most received less repaid in base
    currency, then the larger seizure, then reserve order. What is handed over is cut to a whole token base
    unit, so where that is worth much a smaller repayment can pay a little better. `operate` accrues before it
    judges, so accrued indices count even in a market as stored.
    """
    found = offers(account, market)
    return max(found, key=_pays) if isinstance(found, list) else found


def offers(account: Account, market: SoloMarket) -> list[Liquidation] | Taking:
    """The largest action of every pair of markets; else the one thing that can be said of the account."""
    market = market.at_time(market.timestamp) if market.stored else market
    if not rule(account, market).liquidatable(market.prices):
        return Refusal("Unliquidatable account: it is collateralized")
    pars = {leg.reserve: leg.collateral - leg.debt for leg in account.legs if leg.collateral or leg.debt}
    backing = [reserve for reserve, par in pars.items() if par > 0]
    owing = [reserve for reserve, par in pars.items() if par < 0]
    if not backing:
        return _unbacked(market, pars, owing)
    options = []
    for owed in owing:
        for held in backing:
            amount = largest_amount(market, pars, held, owed)
            if amount:
                options.append(_liquidation(market, pars, held, owed, amount))
    if not options:
        return Untold(
            "Borrow value too low: every single liquidation leaves less debt than minBorrowedValue, so only "
            "several actions in one operation can clear the account"
        )
    return options


def _pays(option: Liquidation) -> tuple[int, ...]:
    return option.bonus_base, option.seized_base, -option.seizures[0].reserve, -option.repay_reserve


def _liquidation(market: SoloMarket, pars: Pars, held: int, owed: int, amount: int) -> Liquidation:
    """One action in the units of the ladder."""
    call = liquidate(market, pars, held, owed, amount)
    seizure = Seizure(held, call.held, call.held * market.price_of(held))
    repaid_base = call.owed * market.price_of(owed)
    is_all = amount == -to_wei(market, owed, pars[owed])
    return Liquidation(
        seizures=(seizure,),
        repay_reserve=owed,
        repaid=call.owed,
        repaid_base=repaid_base,
        bonus_base=seizure.base - repaid_base,
        bad_debt_base=_bad_debt_base(market, call.after),
        debt_to_cover=amount,
        remark="" if is_all else "Borrow value too low: more would leave less debt than minBorrowedValue",
    )


def _unbacked(market: SoloMarket, pars: Pars, owing: list[int]) -> Liquidation:
    """A liquidation that moves nothing, because there is nothing to hand over; the whole debt is bad."""
    largest = max(owing, key=lambda owed: -to_wei(market, owed, pars[owed]) * market.price_of(owed))
    return Liquidation(
        seizures=(),
        repay_reserve=largest,
        repaid=0,
        repaid_base=0,
        bonus_base=0,
        bad_debt_base=_bad_debt_base(market, pars),
        remark="nothing to hand over: vaporize repays the debt from tokens that nobody owns",
    )


def _bad_debt_base(market: SoloMarket, after: Pars) -> int:
    """The debt that is left where no supply is."""
    if any(par > 0 for par in after.values()):
        return 0
    return sum(-to_wei(market, k, par) * market.price_of(k) for k, par in after.items())
