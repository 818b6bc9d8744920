"""What a liquidation takes in Compound v2: CToken.liquidateBorrow, to the cToken.

A liquidator names a debt and a collateral, entered or not, and repays up to the close factor's share of that
debt, all of it where its market is deprecated. The cTokens for it follow from liquidateCalculateSeizeTokens
and must not exceed what the borrower has, so the largest call may be a smaller one. The collateral's cToken
keeps its share of them (protocolSeizeShareMantissa).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from defiliq.protocols.compound_v2.accrual import accrued, exchange_rate
from defiliq.protocols.compound_v2.legs import PRODUCT, owed_balance, underlying
from defiliq.protocols.compound_v2.market import COIN, CompoundMarket
from defiliq.protocols.compound_v2.rules import rule
from defiliq.types import Account, Liquidation, Refusal, Seizure
from defiliq.units import WAD, mul_div_down


class CallAmounts(NamedTuple):
    """What one call moves."""

    repaid: int
    """Underlying base units of the debt."""
    seize_tokens: int
    """cTokens that leave the borrower: `seizeTokens` of the LiquidateBorrow event."""
    protocol_tokens: int
    """Those of them that the collateral's cToken keeps."""

    @property
    def liquidator_tokens(self) -> int:
        """cTokens that the liquidator gets."""
        return self.seize_tokens - self.protocol_tokens


class Holding(NamedTuple):
    """What an account has and owes in one market, entered or not."""

    reserve: int
    tokens: int
    """cTokens."""
    owed: int
    """Underlying base units."""


def seize_ratio_wad(market: CompoundMarket, debt: int, collateral: int) -> int | None:
    """cTokens of the reserve `collateral` per base unit of the reserve `debt`, as a wad.

    None where the contract would divide by zero: a collateral that is worth nothing. `ratio` of
    Comptroller.liquidateCalculateSeizeTokens.
    """
    product = PRODUCT[market.product_rounding]
    rate_wad = market.reserves[collateral].exchange_rate_now_wad
    numerator = product(market.liquidation_incentive_wad, market.price_of(debt), WAD)
    denominator = product(market.price_of(collateral), rate_wad, WAD)
    return None if denominator == 0 else mul_div_down(numerator, WAD, denominator)


def seize_tokens(market: CompoundMarket, debt: int, collateral: int, repaid: int) -> int | None:
    """cTokens that a repayment seizes (liquidateCalculateSeizeTokens); None where that reverts."""
    ratio_wad = seize_ratio_wad(market, debt, collateral)
    return None if ratio_wad is None else mul_div_down(ratio_wad, repaid, WAD)


def call_amounts(market: CompoundMarket, debt: int, collateral: int, repaid: int) -> CallAmounts | None:
    """What a repayment moves, shared out as in CToken.seizeInternal; None where the contract reverts."""
    seized = seize_tokens(market, debt, collateral, repaid)
    if seized is None:
        return None
    share_wad = market.reserves[collateral].seize_share_wad
    return CallAmounts(repaid, seized, mul_div_down(seized, share_wad, WAD))


def most_repayable(market: CompoundMarket, debt: Holding, *, has_shortfall: bool) -> int:
    """The most of a debt that one call may repay; 0 where none of it may be.

    The close factor's share, or everything in a deprecated market (Comptroller.liquidateBorrowAllowed). Never
    more than the cToken has lent out by its own sum, from which the repayment is subtracted: roundings can
    leave that sum below a last borrower's balance (CToken.repayBorrowFresh).
    """
    reserve = market.reserves[debt.reserve]
    if reserve.is_deprecated:
        most = debt.owed
    elif has_shortfall:
        most = mul_div_down(market.close_factor_wad, debt.owed, WAD)
    else:
        return 0
    if not reserve.accrues_plainly:
        return most
    return min(most, accrued(reserve, market.tick_at(market.timestamp)).total_borrows)


def most_sendable(account: Account, market: CompoundMarket, debt: int, most: int) -> int:
    """The most of a debt, up to `most`, that leaves an account with a shortfall short while it is sent.

    Only the chain's own coin can matter. Its cToken takes what comes with a call off its cash, but the
    Comptroller asks for the exchange rate in a call of its own, with which nothing comes: the coins count
    there while the debt is not yet repaid. So the borrower's own supply of the coin backs more by what is
    sent (CEther.getCashPrior, asked by Comptroller.liquidateBorrowAllowed).
    """
    reserve = market.reserves[debt]
    backs = any(leg.reserve == debt and leg.counted and leg.collateral for leg in account.legs)
    if reserve.asset != COIN or reserve.is_deprecated or not backs:
        return most
    now = accrued(reserve, market.tick_at(market.timestamp))

    def is_short(sent: int) -> bool:
        holding = replace(reserve, cash=reserve.cash + sent)
        rate_wad = exchange_rate(holding, now.total_borrows, now.total_reserves)
        reserves = list(market.reserves)
        reserves[debt] = replace(reserve, exchange_rate_now_wad=rate_wad)
        seen = replace(market, reserves=tuple(reserves))
        return rule(account, seen).margin(seen.prices) < 0

    short, safe = 0, most + 1
    while safe - short > 1:
        middle = (short + safe) // 2
        short, safe = (middle, safe) if is_short(middle) else (short, middle)
    return short


def largest_call(market: CompoundMarket, debt: Holding, collateral: Holding, most: int) -> CallAmounts | None:
    """The largest repayment up to `most` that does not seize too much; None where no base unit fits.

    floor(ratio * repaid / 1e18) <= tokens holds up to repaid = (1e18 * (tokens + 1) - 1) // ratio.
    """
    ratio_wad = seize_ratio_wad(market, debt.reserve, collateral.reserve)
    if ratio_wad is None:
        return None
    if ratio_wad > 0:
        most = min(most, ((collateral.tokens + 1) * WAD - 1) // ratio_wad)
    return call_amounts(market, debt.reserve, collateral.reserve, most) if most > 0 else None


def take(account: Account, market: CompoundMarket) -> Liquidation | Refusal:
    """The liquidation that pays best at the market's prices, or why there is none.

    "Pays best" compares the largest calls of all pairs of legs: the most received minus repaid in base
    currency, then the larger seizure, then reserve order. The last cToken of a call may be paid for and not
    seized, so where one is worth much beside the debt a smaller repayment can pay better. A repayment too
    small to seize a single cToken still goes through, so it is what an account is left with whose debts are
    dust. liquidateBorrow accrues before it judges, so accrued indices count even in a market as stored.
    """
    found = offers(account, market)
    return found if isinstance(found, Refusal) else max(found, key=_pays)


def offers(account: Account, market: CompoundMarket) -> Sequence[Liquidation] | Refusal:
    """The largest call on every pair of legs that goes through, or why none does."""
    market = market.as_accrued() if market.stored else market
    law = rule(account, market)
    if not law.liquidatable(market.prices):
        return Refusal("INSUFFICIENT_SHORTFALL: the account has no shortfall")
    if market.seize_paused:
        return Refusal("seize is paused")
    has_shortfall = law.margin(market.prices) < 0
    holdings = [
        Holding(leg.reserve, leg.collateral, owed_balance(leg, market.reserves[leg.reserve]))
        for leg in account.legs
    ]
    backing = [held for held in holdings if held.tokens]
    options, reasons = [], []
    for debt in (held for held in holdings if held.owed):
        most = most_repayable(market, debt, has_shortfall=has_shortfall)
        if has_shortfall:
            most = most_sendable(account, market, debt.reserve, most)
        for collateral in backing:
            call = largest_call(market, debt, collateral, most)
            reason = why_refused(market, debt, collateral, most, call)
            if call is None or reason:
                reasons.append(reason)
            else:
                options.append(_liquidation(market, holdings, debt, collateral, call))
    if not options:
        return Refusal("; ".join(dict.fromkeys(reasons)) or "no collateral to seize")
    return options


def _pays(option: Liquidation) -> tuple[int, ...]:
    return option.bonus_base, option.seized_base, -option.seizures[0].reserve, -option.repay_reserve


def why_refused(
    market: CompoundMarket, debt: Holding, collateral: Holding, most: int, call: CallAmounts | None
) -> str:
    """Why a pair is refused although the account may be liquidated; '' where it is not.

    Comptroller.liquidateBorrowAllowed and seizeAllowed, CToken.liquidateBorrowFresh.
    """
    owed, held = market.reserves[debt.reserve], market.reserves[collateral.reserve]
    for reserve in (owed, held):
        if not reserve.is_listed:
            return f"MARKET_NOT_LISTED: {reserve.c_symbol}"
    if most == 0:
        return f"no part of the {owed.symbol} debt may be repaid"
    if seize_ratio_wad(market, debt.reserve, collateral.reserve) is None:
        return f"division by zero: {held.c_symbol} is worth nothing"
    return (
        "" if call else f"LIQUIDATE_SEIZE_TOO_MUCH: {held.c_symbol} is less than one {owed.symbol} unit takes"
    )


def _liquidation(
    market: CompoundMarket,
    holdings: Sequence[Holding],
    debt: Holding,
    collateral: Holding,
    call: CallAmounts,
) -> Liquidation:
    """One call in the units of the ladder: cTokens as the underlying that they redeem for."""
    held = market.reserves[collateral.reserve]
    rate_wad = held.exchange_rate_now_wad
    amount = underlying(call.liquidator_tokens, rate_wad)
    seizure = Seizure(
        reserve=collateral.reserve,
        amount=amount,
        base=_worth(market, collateral.reserve, amount),
        protocol_fee=underlying(call.protocol_tokens, rate_wad),
        received=call.liquidator_tokens,
    )
    repaid_base = _worth(market, debt.reserve, call.repaid)
    return Liquidation(
        seizures=(seizure,),
        repay_reserve=debt.reserve,
        repaid=call.repaid,
        repaid_base=repaid_base,
        bonus_base=seizure.base - repaid_base,
        bad_debt_base=_bad_debt_base(market, [_after(h, debt, collateral, call) for h in holdings], debt),
        debt_to_cover=call.repaid,
    )


def _after(held: Holding, debt: Holding, collateral: Holding, call: CallAmounts) -> Holding:
    """What an account has and owes in one market right after a call."""
    tokens = held.tokens - call.seize_tokens if held.reserve == collateral.reserve else held.tokens
    owed = held.owed - call.repaid if held.reserve == debt.reserve else held.owed
    return Holding(held.reserve, tokens, owed)


def _bad_debt_base(market: CompoundMarket, after: Sequence[Holding], debt: Holding) -> int:
    """Debt beyond what is left of the collateral, where a call leaves nothing to speak of.

    One more base unit of debt may seize several cTokens, so up to that many can stay when a call has taken
    all that fits.
    """
    for held in after:
        of_one_unit = seize_tokens(market, debt.reserve, held.reserve, 1)
        if of_one_unit is not None and held.tokens > of_one_unit:
            return 0
    owed_base = sum(_worth(market, held.reserve, held.owed) for held in after)
    return max(0, owed_base - sum(_supply_worth(market, held) for held in after))


def _supply_worth(market: CompoundMarket, held: Holding) -> int:
    rate_wad = market.reserves[held.reserve].exchange_rate_now_wad
    return _worth(market, held.reserve, underlying(held.tokens, rate_wad))


def _worth(market: CompoundMarket, reserve: int, amount: int) -> int:
    """Underlying base units in base currency."""
    return mul_div_down(amount, market.price_of(reserve), WAD)
