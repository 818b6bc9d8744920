"""How two risks compare, and amounts there and back."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import event, given, settings
from hypothesis import strategies as st

from defiliq.protocols.dydx_v4.risk import (
    Risk,
    base_quantums,
    initial_margin_ppm,
    maintenance_margin,
    quote_quantums,
    undercollateralized_transition,
)
from defiliq.units import PPM
from tests.protocols.dydx_v4.states import perpetual

MANY = settings(max_examples=500, deadline=None)
NUMBERS = st.one_of(st.integers(-5, 5), st.integers(-(2**80), 2**80))
MARGINS = st.one_of(st.integers(0, 3), st.integers(0, 2**80))
RISKS = st.builds(Risk, NUMBERS, MARGINS, MARGINS)


@MANY
@given(RISKS, RISKS)
def test_comparing_is_antisymmetric(a: Risk, b: Risk) -> None:
    assert a.compare(b) == -b.compare(a)
    assert a.compare(a) == 0


@MANY
@given(RISKS, RISKS)
def test_with_margins_the_smaller_share_is_the_riskier(a: Risk, b: Risk) -> None:
    if a.maintenance_margin == 0 or b.maintenance_margin == 0:
        event("no margin")
        return
    one = Fraction(a.net_collateral, a.maintenance_margin)
    other = Fraction(b.net_collateral, b.maintenance_margin)
    expected = (one < other) - (one > other)
    if expected == 0:
        expected = (a.maintenance_margin > b.maintenance_margin) - (
            a.maintenance_margin < b.maintenance_margin
        )
    assert a.compare(b) == expected


@MANY
@given(RISKS, RISKS)
def test_a_transition_that_is_let_through_is_no_riskier(before: Risk, after: Risk) -> None:
    said = undercollateralized_transition(before, after)
    event(said)
    if said == "success":
        assert after.maintenance_margin <= before.maintenance_margin
        assert after.compare(before) <= 0
    elif said == "newly_undercollateralized":
        assert before.is_initial_collateralized
    else:
        assert not before.is_initial_collateralized


@MANY
@given(st.integers(0, 2**80), st.integers(1, 2**64 - 1), st.integers(-30, 6))
def test_a_notional_buys_what_it_is_worth(quote: int, price: int, resolution: int) -> None:
    held = perpetual(1, atomic_resolution=resolution)
    bought = base_quantums(quote, price, held)
    assert quote_quantums(bought, price, held) <= quote
    assert quote_quantums(bought + 1, price, held) >= quote
    assert quote_quantums(-bought, price, held) == -quote_quantums(bought, price, held)


@MANY
@given(st.integers(0, 2**70), st.integers(0, PPM), st.integers(0, PPM))
def test_maintenance_is_within_its_roundings(notional: int, initial_ppm: int, fraction_ppm: int) -> None:
    held = perpetual(1, initial_margin_ppm=initial_ppm, maintenance_fraction_ppm=fraction_ppm)
    exact = Fraction(notional * initial_ppm * fraction_ppm, PPM * PPM)
    found = maintenance_margin(held, notional)
    assert exact <= found < exact + 2
    assert found <= notional
    assert found <= maintenance_margin(held, notional + 1) <= found + 1


@MANY
@given(st.integers(0, PPM), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_initial_margin_grows_from_its_own_to_the_whole(
    initial_ppm: int, lower: int, more: int, of: int
) -> None:
    held = perpetual(
        1,
        initial_margin_ppm=initial_ppm,
        open_interest_lower_cap=lower,
        open_interest_upper_cap=lower + more,
    )
    found = initial_margin_ppm(held, of)
    assert initial_ppm <= found <= PPM
    assert found <= initial_margin_ppm(held, of + 10**6) or lower + more == 0
    if lower + more and of >= lower + more and of > lower:
        assert found == PPM


def test_caps_that_meet_are_a_step() -> None:
    """Up to the cap the margin is the tier's own, and beyond it the whole notional."""
    held = perpetual(1, open_interest_lower_cap=10**6, open_interest_upper_cap=10**6)
    assert [initial_margin_ppm(held, of) for of in (10**6 - 1, 10**6, 10**6 + 1)] == [50_000, 50_000, PPM]
