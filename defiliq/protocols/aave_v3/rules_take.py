"""What a liquidation takes in Aave v3: LiquidationLogic.executeLiquidationCall, to the wei.

Up to revision 6 (v3.2) a liquidator repays at most half of one debt, or all of it once the health factor is
at most 0.95. From revision 7 (v3.3) on, half of the WHOLE debt may be repaid through one leg, all of a leg
where either leg is below 2,000 base units or the health factor is at most 0.95, and a call must not leave
less than 1,000 on either leg unless it clears one of them. What is left without collateral becomes a deficit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defiliq.protocols.aave_v3.legs import (
    FIRST_DECOUPLED_REVISION,
    FIRST_DIRECTED_REVISION,
    Counted,
    counted_legs,
)
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.aave_v3.pairs import Pair, pairs
from defiliq.protocols.aave_v3.rules import rule
from defiliq.types import Account, Health, Liquidation, Refusal, Seizure
from defiliq.units import (
    BPS,
    MAX_UINT256,
    WAD,
    mul_div_down,
    mul_div_up,
    percent_div_down,
    percent_div_half_up,
    percent_div_up,
    percent_mul_down,
    percent_mul_half_up,
    percent_mul_up,
    ray_div_down,
    ray_div_half_up,
    ray_div_up,
    ray_mul_down,
    ray_mul_half_up,
)

CLOSE_FACTOR_HF_THRESHOLD = 95 * WAD // 100
SENTINEL_HF_THRESHOLD = 95 * WAD // 100
DEFAULT_CLOSE_FACTOR_BPS = 5_000
MIN_BASE_MAX_CLOSE_FACTOR = 2_000 * 10**8
"""MIN_BASE_MAX_CLOSE_FACTOR_THRESHOLD: an integer constant, whatever the base currency's unit is."""
MIN_LEFTOVER_BASE = MIN_BASE_MAX_CLOSE_FACTOR // 2
FIRST_GRACE_REVISION = 4
FIRST_WHOLE_DEBT_REVISION = 7
FIRST_FLOORED_SEIZURE_REVISION = 11
"""v3.7: seizure rounds down and the protocol fee up; no sentinel any more."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """What one call moves, before token-level rounding: LiquidationCallLocalVars."""

    seized: int
    repaid: int
    protocol_fee: int

    @property
    def taken(self) -> int:
        """Collateral that leaves the account."""
        return self.seized + self.protocol_fee


def take(account: Account, market: AaveMarket) -> Liquidation | Refusal:
    """The liquidation that pays best at the market's prices, or why there is none.

    "Pays best" is the most seized minus repaid in base currency, then the larger seizure, then reserve order.
    """
    found = offers(account, market)
    return found if isinstance(found, Refusal) else max(found, key=_pays)


def offers(account: Account, market: AaveMarket) -> Sequence[Liquidation] | Refusal:
    """The largest call on every pair of legs that the pool accepts, or why it accepts none."""
    health = rule(account, market).health(market.prices)
    if not health.liquidatable:
        return Refusal("health factor is not below 1")
    legs = counted_legs(account, market)
    options, reasons = [], []
    for pair in pairs(account, market, legs):
        reason = why_refused(pair, market, health)
        amounts = None if reason else largest_call(pair, health)
        if amounts is None:
            reasons.append(reason or f"MustNotLeaveDust: no call on {_names(pair, market)} leaves enough")
        elif burns_nothing(pair, amounts[0], health):
            reasons.append(f"InvalidBurnAmount: {_names(pair, market)} is too little to be moved")
        else:
            options.append(_liquidation(pair, *amounts, market, legs, health))
    if not options:
        return Refusal("; ".join(dict.fromkeys(reasons)) or "no collateral is enabled")
    return options


def _pays(option: Liquidation) -> tuple[int, ...]:
    return option.bonus_base, option.seized_base, -option.seizures[0].reserve, -option.repay_reserve


def why_refused(pair: Pair, market: AaveMarket, health: Health) -> str:
    """Why the pool refuses this pair although the health factor is below 1; '' where it does not.

    ValidationLogic.validateLiquidationCall.
    """
    collateral = market.reserves[pair.collateral.reserve]
    debt = market.reserves[pair.debt.reserve]
    for reserve in (collateral, debt):
        if not reserve.is_active:
            return f"ReserveInactive: {reserve.symbol}"
        if reserve.is_paused:
            return f"ReservePaused: {reserve.symbol}"
    sentinel_counts = market.revision < FIRST_FLOORED_SEIZURE_REVISION
    if sentinel_counts and not market.liquidations_allowed and health.factor_wad >= SENTINEL_HF_THRESHOLD:
        return "PriceOracleSentinel: the sequencer was down, and liquidations at this health factor wait"
    if market.revision >= FIRST_GRACE_REVISION:
        for reserve in (collateral, debt):
            if reserve.grace_period_until >= market.timestamp:
                return f"LiquidationGracePeriod: {reserve.symbol} until {reserve.grace_period_until}"
    if market.revision < FIRST_DECOUPLED_REVISION and collateral.liquidation_threshold_bps == 0:
        return f"CollateralCannotBeLiquidated: {collateral.symbol}"
    if pair.bonus_bps == 0:
        # What lost its threshold has no bonus, by which the pool multiplies the seizure and divides the fee.
        return f"no liquidation bonus: {collateral.symbol}"
    return ""


def max_liquidatable_debt(pair: Pair, health: Health) -> int:
    """The most of the debt leg that one call may repay, in token base units (the close factor)."""
    above_threshold = health.factor_wad > CLOSE_FACTOR_HF_THRESHOLD
    if pair.revision < FIRST_WHOLE_DEBT_REVISION:
        return percent_mul_half_up(pair.debt.owed, DEFAULT_CLOSE_FACTOR_BPS if above_threshold else BPS)
    if (
        above_threshold
        and pair.collateral_base >= MIN_BASE_MAX_CLOSE_FACTOR
        and pair.debt_base >= MIN_BASE_MAX_CLOSE_FACTOR
    ):
        half_of_all_base = percent_mul_half_up(health.debt_base, DEFAULT_CLOSE_FACTOR_BPS)
        if pair.debt_base > half_of_all_base:
            return mul_div_down(half_of_all_base, pair.debt.unit, pair.debt_price)
    return pair.debt.owed


def call_amounts(pair: Pair, debt_to_cover: int) -> Amounts:
    """Seizure, repayment and fee (LiquidationLogic._calculateAvailableCollateralToLiquidate)."""
    collateral, debt = pair.collateral, pair.debt
    floored = pair.revision >= FIRST_FLOORED_SEIZURE_REVISION
    percent_mul = percent_mul_down if floored else percent_mul_half_up
    base_collateral = (pair.debt_price * debt_to_cover * collateral.unit) // (
        pair.collateral_price * debt.unit
    )
    amount, repaid = percent_mul(base_collateral, pair.bonus_bps), debt_to_cover
    if amount > collateral.supplied:
        amount = collateral.supplied
        needed = (pair.collateral_price * amount * debt.unit) // (pair.debt_price * collateral.unit)
        percent_div = percent_div_half_up if pair.revision < FIRST_DIRECTED_REVISION else percent_div_up
        repaid = percent_div(needed, pair.bonus_bps)
    fee = 0
    if pair.fee_bps:
        divided = percent_div_down if floored else percent_div_half_up
        charged = percent_mul_up if floored else percent_mul_half_up
        fee = charged(amount - divided(amount, pair.bonus_bps), pair.fee_bps)
    return Amounts(amount - fee, repaid, fee)


def leaves_dust(pair: Pair, amounts: Amounts) -> bool:
    """Whether the call would be refused with MustNotLeaveDust (from revision 7 on)."""
    if pair.revision < FIRST_WHOLE_DEBT_REVISION:
        return False
    debt_left = pair.debt.owed - amounts.repaid
    collateral_left = pair.collateral.supplied - amounts.taken
    if debt_left <= 0 or collateral_left <= 0:
        return False
    return (
        pair.debt_value(debt_left) < MIN_LEFTOVER_BASE
        or mul_div_down(collateral_left, pair.collateral_price, pair.collateral.unit) < MIN_LEFTOVER_BASE
    )


def largest_call(pair: Pair, health: Health) -> tuple[Amounts, int] | None:
    """The largest call that the pool accepts, with the debtToCover to ask for; None where it accepts none.

    Where clearing all that the close factor allows would leave dust, the largest smaller call is searched:
    the less is repaid, the more is left on both legs, so a bisection finds it.
    """
    most = max_liquidatable_debt(pair, health)
    amounts = call_amounts(pair, most)
    if not leaves_dust(pair, amounts):
        return amounts, MAX_UINT256
    accepted, refused = 0, most
    while refused - accepted > 1:
        middle = (accepted + refused) // 2
        if leaves_dust(pair, call_amounts(pair, middle)):
            refused = middle
        else:
            accepted = middle
    return None if accepted == 0 else (call_amounts(pair, accepted), accepted)


def _liquidation(
    pair: Pair,
    amounts: Amounts,
    debt_to_cover: int,
    market: AaveMarket,
    legs: tuple[Counted, ...],
    health: Health,
) -> Liquidation:
    seized_base = mul_div_down(amounts.seized, pair.collateral_price, pair.collateral.unit)
    repaid_base = mul_div_up(amounts.repaid, pair.debt_price, pair.debt.unit)
    return Liquidation(
        seizures=(Seizure(pair.collateral.reserve, amounts.seized, seized_base, fee_paid(pair, amounts)),),
        repay_reserve=pair.debt.reserve,
        repaid=amounts.repaid,
        repaid_base=repaid_base,
        bonus_base=seized_base - repaid_base,
        bad_debt_base=_bad_debt_base(pair, amounts, market, legs, health),
        debt_to_cover=debt_to_cover,
    )


def fee_paid(pair: Pair, amounts: Amounts) -> int:
    """The protocol fee after its cap at what the seizure leaves of the account's scaled balance."""
    directed = pair.revision >= FIRST_DIRECTED_REVISION
    to_scaled = ray_div_up if directed else ray_div_half_up
    from_scaled = ray_mul_down if directed else ray_mul_half_up
    left = max(0, pair.scaled_collateral - to_scaled(amounts.seized, pair.income_ray))
    if to_scaled(amounts.protocol_fee, pair.income_ray) > left:
        return from_scaled(left, pair.income_ray)
    return amounts.protocol_fee


def burns_nothing(pair: Pair, amounts: Amounts, health: Health) -> bool:
    """Whether a token would be told to burn nothing, which it refuses with InvalidBurnAmount.

    Dust does it: a debt worth less than one unit of the collateral, or a repayment that rounds to no scaled
    unit. From revision 7 on, a call that clears all collateral burns the whole debt leg, even where the
    liquidator repays nothing of it. A liquidator who takes aTokens could still seize nothing, and pay for it.
    """
    directed = pair.revision >= FIRST_DIRECTED_REVISION
    collateral_to_scaled = ray_div_up if directed else ray_div_half_up
    if collateral_to_scaled(amounts.seized, pair.income_ray) == 0:
        return True
    burnt = amounts.repaid
    if pair.revision < FIRST_WHOLE_DEBT_REVISION:
        if burnt > _variable_debt(pair):
            return False  # the stable debt takes the rest
    elif clears_collateral(pair, amounts, health):
        burnt = pair.debt.owed
    debt_to_scaled = ray_div_down if directed else ray_div_half_up
    return debt_to_scaled(burnt, pair.debt_ray) == 0


def _variable_debt(pair: Pair) -> int:
    """The variable part of the debt leg, as revisions <= 8 round it."""
    return ray_mul_half_up(pair.scaled_debt, pair.debt_ray)


def clears_collateral(pair: Pair, amounts: Amounts, health: Health) -> bool:
    """Whether the pool finds no collateral left after the call (hasNoCollateralLeft)."""
    taken = amounts.taken
    if pair.revision >= FIRST_FLOORED_SEIZURE_REVISION:
        consumed = ray_div_up(amounts.seized, pair.income_ray)
        consumed += ray_div_up(amounts.protocol_fee, pair.income_ray)
        taken = ray_mul_down(min(consumed, pair.scaled_collateral), pair.income_ray)
    return health.collateral_base == mul_div_down(taken, pair.collateral_price, pair.collateral.unit)


def _bad_debt_base(
    pair: Pair, amounts: Amounts, market: AaveMarket, legs: tuple[Counted, ...], health: Health
) -> int:
    """The debt that is left when the call clears all collateral; written off from revision 7 on."""
    if not clears_collateral(pair, amounts, health):
        return 0
    rounded = mul_div_down if market.revision < FIRST_DIRECTED_REVISION else mul_div_up
    left_base = 0
    for leg in legs:
        owed = _owed_after(pair, amounts) if leg.reserve == pair.debt.reserve else leg.owed
        left_base += rounded(owed, market.prices[leg.feed], leg.unit)
    return left_base


def _owed_after(pair: Pair, amounts: Amounts) -> int:
    """The debt leg right after the call.

    What is written off is the plain difference. Before, the variable debt stays, and its token rounds what
    it burns.
    """
    left = pair.debt.owed - amounts.repaid
    variable = _variable_debt(pair)
    if pair.revision >= FIRST_WHOLE_DEBT_REVISION or amounts.repaid > variable:
        return left
    burnt = ray_div_half_up(amounts.repaid, pair.debt_ray)
    return pair.debt.owed - variable + ray_mul_half_up(pair.scaled_debt - burnt, pair.debt_ray)


def _names(pair: Pair, market: AaveMarket) -> str:
    collateral, debt = market.reserves[pair.collateral.reserve], market.reserves[pair.debt.reserve]
    return f"{collateral.symbol}/{debt.symbol}"
