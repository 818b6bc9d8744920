"""The price is where the maintenance rule first holds: asked of the rule itself, on drawn tables."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from defiliq.cex.margin import RULES, Charges, liquidation_price
from defiliq.cex.tiers import Tier, TierTable
from defiliq.types import Side
from tests.cex.margin.tables import drawn_tables

F = Fraction

ENTRIES = st.fractions(min_value=1, max_value=100_000, max_denominator=100)
LEVERAGES = st.fractions(min_value=1, max_value=200, max_denominator=4)
RATES = st.fractions(min_value=F(-1, 50), max_value=F(1, 50), max_denominator=10_000)
SIDES = st.sampled_from(["long", "short"])
SHARES = st.lists(st.fractions(min_value=0, max_value=1, max_denominator=1000), min_size=1, max_size=5)
STEP = F(1, 10**12)


def tier_for(tiers: TierTable, amount: F) -> Tier:
    """By the words of a venue's table, not by the code under test: the last goes on."""
    return next((t for t in tiers.tiers if t.cap is None or amount <= t.cap), tiers.tiers[-1])


def rule_at(
    venue: str, side: Side, entry: F, leverage: F, size: F, tiers: TierTable, charges: Charges
) -> Callable[[F], F]:
    """Margin balance less maintenance margin and reserved fee at a mark price, in what is settled."""
    sign = 1 if side == "long" else -1
    rule = RULES[venue]
    fee = rule.close_fee_rate if charges.close_fee_rate is None else F(charges.close_fee_rate)
    taken = F(charges.open_fee_rate) + sign * F(charges.funding_rate) * F(charges.funding_intervals)

    def value(price: F) -> F:
        return size / price if tiers.is_inverse else size / entry * price

    def surplus(price: F) -> F:
        margin = value(entry) * (1 / leverage - taken)
        profit = value(entry) - value(price) if tiers.is_inverse else value(price) - value(entry)
        amount = value(price if rule.valued_at == "mark" else entry)
        tier = tier_for(tiers, amount)
        kept = amount * tier.maintenance_rate - tier.cum + fee * value(price)
        return margin + sign * profit - kept

    return surplus


def edges(tiers: TierTable, entry: F, size: F) -> list[F]:
    """The mark prices at which the position changes its tier."""
    caps = [tier.cap for tier in tiers.tiers if tier.cap is not None]
    return [size / cap if tiers.is_inverse else cap * entry / size for cap in caps]


@settings(max_examples=250, deadline=None)
@given(
    tiers=st.booleans().flatmap(lambda inverse: drawn_tables(is_inverse=inverse)),
    venue=st.sampled_from(sorted(RULES)),
    side=SIDES,
    entry=ENTRIES,
    leverage=LEVERAGES,
    share=st.fractions(min_value=F(1, 1000), max_value=1, max_denominator=1000),
    fee=st.fractions(min_value=0, max_value=F(1, 100), max_denominator=10_000),
    funding=RATES,
    between=SHARES,
)
def test_at_the_price_the_rule_holds_and_before_it_does_not(
    tiers: TierTable,
    venue: str,
    side: Side,
    entry: F,
    leverage: F,
    share: F,
    fee: F,
    funding: F,
    between: list[F],
) -> None:
    """At the price nothing is left, or right behind it where maintenance jumps; before it, something is."""
    most = tiers.tiers[-1].cap or tiers.tiers[-1].floor + 1000
    size = share * most * (entry if tiers.is_inverse else 1)
    charges = Charges(open_fee_rate=fee, funding_rate=funding, funding_intervals=2)
    surplus = rule_at(venue, side, entry, leverage, size, tiers, charges)
    found = liquidation_price(venue, side, entry, leverage, size, tiers, charges=charges)
    outwards = -1 if side == "long" else 1
    if found is None:
        far = [entry * STEP] if side == "long" else [entry / STEP]
    else:
        assert found > 0
        assert (found - entry) * outwards >= 0
        behind = found * (1 + outwards * STEP)
        at = surplus(found)
        jumps = found in edges(tiers, entry, size) or found == entry
        assert at <= 0 or (jumps and surplus(behind) <= 0)
        if at < 0:
            assert found == entry or found in edges(tiers, entry, size)
        far = [found]
    safe = [entry + (far[0] - entry) * part for part in between if part < 1]
    safe += [price for price in edges(tiers, entry, size) if (price - entry) * (price - far[0]) < 0]
    safe += [entry + (far[0] - entry) * (1 - STEP)]
    for price in safe:
        if price != found:
            assert surplus(price) > 0


@settings(max_examples=150, deadline=None)
@given(tiers=drawn_tables(), side=SIDES, leverage=LEVERAGES, share=SHARES, scale=ENTRIES)
def test_prices_scale_with_the_entry(
    tiers: TierTable, side: Side, leverage: F, share: list[F], scale: F
) -> None:
    """A size is a notional: what the asset costs does not matter where tiers count dollars."""
    assume(share[0] > 0)
    size = share[0] * (tiers.tiers[-1].cap or 1000)
    one = liquidation_price("binance", side, 1, leverage, size, tiers)
    other = liquidation_price("binance", side, scale, leverage, size, tiers)
    assert other == (None if one is None else one * scale)


@settings(max_examples=150, deadline=None)
@given(tiers=drawn_tables(), side=SIDES, leverage=LEVERAGES, share=SHARES)
def test_the_venues_own_formula_agrees_where_nothing_jumps(
    tiers: TierTable, side: Side, leverage: F, share: list[F]
) -> None:
    """(WB + cum - side*Q*EP) / (Q * (MMR - side)) of the one tier that holds it; of no other tier."""
    steps = [t.cum for t in tiers.tiers]
    rates = {t.maintenance_rate for t in tiers.tiers}
    assume(any(steps) or len(rates) == 1)
    assume(share[0] > 0)
    size = share[0] * (tiers.tiers[-1].cap or 1000)
    found = liquidation_price("binance", side, 1, leverage, size, tiers)
    sign = 1 if side == "long" else -1
    agreeing = set()
    for number, tier in enumerate(tiers.tiers):
        price = (size / leverage + tier.cum - sign * size) / (size * (tier.maintenance_rate - sign))
        end = None if number == len(tiers.tiers) - 1 else tier.cap
        if tier.floor <= price * size and (end is None or price * size <= end) and price > 0:
            agreeing.add(price)
    if found == 1:
        return
    assert agreeing == (set() if found is None else {found})


@settings(max_examples=100, deadline=None)
@given(tiers=drawn_tables(), side=SIDES, share=SHARES, low=LEVERAGES, high=LEVERAGES)
def test_more_leverage_is_liquidated_sooner(
    tiers: TierTable, side: Side, share: list[F], low: F, high: F
) -> None:
    assume(share[0] > 0)
    size = share[0] * (tiers.tiers[-1].cap or 1000)
    few, many = sorted((low, high))
    later = liquidation_price("binance", side, 1, few, size, tiers)
    sooner = liquidation_price("binance", side, 1, many, size, tiers)
    if later is not None:
        assert sooner is not None
        assert abs(sooner - 1) <= abs(later - 1)
