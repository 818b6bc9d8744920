"""Liquidation prices of one position at a venue, in exact fractions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

from defiliq.cex.margin.crossing import Line, Piece, first_crossing
from defiliq.cex.margin.numbers import Number, above_zero, exact, leverage_of
from defiliq.cex.margin.rules import ValuedAt, VenueRule, rule_of
from defiliq.cex.tiers import CONTRACTS, DOLLARS, Tier, TierTable
from defiliq.errors import InputError
from defiliq.types import Side

MarginMode: TypeAlias = Literal["isolated", "cross", "simple"]


@dataclass(frozen=True, slots=True)
class Charges:
    """What is paid out of a position's margin, or reserved in it. All rates are of the notional."""

    open_fee_rate: Number = 0
    """Paid when it was opened, out of the margin."""
    close_fee_rate: Number | None = None
    """Reserved on top of the maintenance margin, at the mark price; None is the venue's own rule."""
    funding_rate: Number = 0
    """Per interval; positive when longs pay shorts."""
    funding_intervals: Number = 0
    """For how many it was held. Funding is counted on the notional at entry."""


NO_CHARGES = Charges()


def liquidation_price(
    venue: str,
    side: Side,
    entry: Number,
    leverage: Number,
    size_usd: Number,
    tiers: TierTable,
    *,
    mode: MarginMode = "isolated",
    wallet_multiple: Number | None = None,
    charges: Charges = NO_CHARGES,
    valued_at: ValuedAt | None = None,
) -> Fraction | None:
    """The mark price nearest to `entry` at which a position of `size_usd` at entry is liquidated, or None.

    `isolated`: the margin is size / leverage, less what `charges` took. The tier is the one at the
    liquidation price itself (`first_crossing` says how, and what is returned at a tier's edge). `cross`: the
    wallet holds `wallet_multiple` times that margin, and no other position: an assumption without a default.
    `simple`: entry * (1 -/+ 1/leverage +/- rate) with the tier at entry, and no charges.

    None: no price above 0 liquidates it, as a long without leverage. `entry` itself: what is left of the
    margin is not above the maintenance margin from the start. `valued_at` overrides what the venue's rule
    values positions at: Bybit's newer text says mark. InputError: a size beyond the last tier, or more
    leverage than the tier at entry allows.
    """
    rule = rule_of(venue)
    price, times, size = above_zero(entry, "entry"), leverage_of(leverage), above_zero(size_usd, "size_usd")
    tier = tiers.tier_at(counted(tiers, size, price))
    if times > tier.max_leverage:
        raise InputError(
            f"{tiers.venue} allows {float(tier.max_leverage):g}x at most on {tiers.symbol} at this size, "
            f"not {float(times):g}x (tiers as of {tiers.as_of})."
        )
    if mode == "simple":
        if charges != NO_CHARGES:
            raise InputError("the simple formula knows no charges. Leave them out, or take mode isolated.")
        return _simple(side, price, times, tier)
    if (mode == "cross") != (wallet_multiple is not None):
        raise InputError(
            "mode cross needs wallet_multiple, how many times the margin the wallet holds; no other has one."
        )
    multiple = Fraction(1) if wallet_multiple is None else above_zero(wallet_multiple, "wallet_multiple")
    line = _line(side, price, size, multiple / times, charges, is_inverse=tiers.is_inverse)
    found = first_crossing(line, _pieces(line, tiers, tier, rule, charges, valued_at or rule.valued_at))
    return 1 / found if found is not None and tiers.is_inverse else found


def counted(tiers: TierTable, size_usd: Fraction, price: Fraction) -> Fraction:
    """What a position of `size_usd` at `price` counts in the unit of `tiers`."""
    if tiers.unit == CONTRACTS:
        if tiers.contract_size is None:
            raise InputError(f"the tiers of {tiers.symbol} count contracts and do not say what one is worth.")
        return (size_usd if tiers.is_inverse else size_usd / price) / tiers.contract_size
    return size_usd if tiers.unit in DOLLARS else size_usd / price


def is_by_value(tiers: TierTable) -> bool:
    """Whether tiers count what moves with price: dollars of a linear contract, coins of an inverse one."""
    return tiers.unit not in (*DOLLARS, CONTRACTS) if tiers.is_inverse else tiers.unit in DOLLARS


def _line(
    side: Side, price: Fraction, size: Fraction, share: Fraction, charges: Charges, *, is_inverse: bool
) -> Line:
    """The margin balance along x of a position whose margin was `share` of its notional before charges."""
    sign = 1 if side == "long" else -1
    left = share - exact(charges.open_fee_rate, "open_fee_rate") - sign * _funding(charges)
    if is_inverse:
        return Line(left * size / price, size, 1 / price, -sign)
    return Line(left * size, size / price, price, sign)


def _funding(charges: Charges) -> Fraction:
    intervals = exact(charges.funding_intervals, "funding_intervals")
    if intervals < 0:
        raise InputError(f"funding_intervals is {charges.funding_intervals}. Give 0 or more.")
    return exact(charges.funding_rate, "funding_rate") * intervals


def _simple(side: Side, price: Fraction, leverage: Fraction, tier: Tier) -> Fraction | None:
    """The seed's formula; never beyond entry, where the rate is above 1 / leverage."""
    move = max(1 / leverage - tier.maintenance_rate, Fraction(0))
    found = price * (1 - move if side == "long" else 1 + move)
    return found if found > 0 else None


def _pieces(
    line: Line, tiers: TierTable, at_entry: Tier, rule: VenueRule, charges: Charges, valued_at: ValuedAt
) -> list[Piece]:
    """The maintenance margin of this position along x, with the fee that is reserved."""
    fee = rule.close_fee_rate
    if charges.close_fee_rate is not None:
        fee = exact(charges.close_fee_rate, "close_fee_rate")
        if fee < 0:
            raise InputError(f"close_fee_rate is {charges.close_fee_rate}. Give 0 or more.")
    reserved = fee * line.quantity
    by_value = is_by_value(tiers)
    if valued_at == "mark" and by_value:
        return [
            Piece(
                tier.floor / line.quantity,
                # A position that outgrew the last cap stays in the last tier: caps bar opening, not holding.
                None if tier.cap is None or tier is tiers.tiers[-1] else tier.cap / line.quantity,
                tier.maintenance_rate * line.quantity + reserved,
                tier.cum,
            )
            for tier in tiers.tiers
        ]
    # One tier for good. What it deducts is in the table's unit: settled money, or contracts or coins that are
    # each worth so much times x.
    slope, deduction = at_entry.maintenance_rate * line.quantity, at_entry.cum
    if not by_value:
        slope -= at_entry.cum * (tiers.contract_size or 1 if tiers.unit == CONTRACTS else 1)
        deduction = Fraction(0)
    if valued_at == "mark":
        return [Piece(Fraction(0), None, slope + reserved, deduction)]
    return [Piece(Fraction(0), None, reserved, deduction - slope * line.entry)]
