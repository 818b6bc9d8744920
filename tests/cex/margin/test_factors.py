"""Liquidation prices as multiples of the entry."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from defiliq.cex.margin import RULES, Charges, distance_factors, liquidation_price
from defiliq.cex.tiers import bundled_tiers, load_tiers
from defiliq.errors import InputError
from tests.cex.margin.tables import flat, table

LEVERAGES = (2, 3, 5, 10, 20, 25, 50, 75, 100)


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("venue", sorted(RULES))
def test_they_are_the_exact_prices_rounded_once(venue: str, side: str) -> None:
    tiers = load_tiers(venue, "BTC")
    found = distance_factors(venue, side, LEVERAGES, 50_000, tiers, entry_usd=60_000)  # type: ignore[arg-type]
    assert found.dtype == np.float64
    for leverage, factor in zip(LEVERAGES, found.tolist(), strict=True):
        if leverage > tiers.tiers[0].max_leverage:
            assert math.isnan(factor)
            continue
        price = liquidation_price(venue, side, 60_000, leverage, 50_000, tiers)  # type: ignore[arg-type]
        assert price is not None
        assert factor == float(price / 60_000)


def test_what_is_not_allowed_and_what_never_breaks_is_nan() -> None:
    tiers = table(("50000", "0.004", "125"), ("600000", "0.005", "100"))
    few = distance_factors("binance", "long", [1, 100, 125, 126], 50_000, tiers)
    assert np.isnan(few).tolist() == [True, False, False, True]
    more = distance_factors("binance", "short", [1, 100, 125, 126], 50_001, tiers)
    assert np.isnan(more).tolist() == [False, False, True, True]
    assert np.isnan(distance_factors("binance", "short", [1, 2], 600_001, tiers)).all()


def test_what_breaks_at_entry_is_one() -> None:
    eaten = Charges(open_fee_rate="0.5")
    assert distance_factors("binance", "long", [10], 50_000, flat(), charges=eaten).tolist() == [1.0]


def test_options_reach_the_exact_price() -> None:
    simple = distance_factors("binance", "long", [10], 50_000, flat("0.005"), mode="simple")
    assert simple.tolist() == [0.905]
    crossed = distance_factors("binance", "long", [10], 50_000, flat(), mode="cross", wallet_multiple=2)
    assert crossed.tolist() == distance_factors("binance", "long", [5], 50_000, flat()).tolist()
    mark = distance_factors("bybit", "long", [10], 50_000, flat("0.005"), valued_at="mark")
    assert mark.tolist() == [float(Fraction("0.9") / Fraction("0.995"))]


def test_float_leverages_are_the_decimals_they_print_as() -> None:
    by_float = distance_factors("binance", "long", np.array([12.5, 33.3]), 50_000.0, flat())
    by_text = distance_factors("binance", "long", ["12.5", "33.3"], "50000", flat())
    assert by_float.tolist() == by_text.tolist()


def test_tiers_that_count_something_else_than_dollars_need_a_price() -> None:
    with pytest.raises(InputError, match="Give entry_usd"):
        distance_factors("okx", "long", [10], 50_000, load_tiers("okx", "ETH"))
    # One tier is one tier at any price.
    distance_factors("okx", "long", [10], 50_000, flat(unit="contracts", contract_size="1"))
    coins = table(("5", "0.004", "125"), (None, "0.005", "100"), unit="BTC", is_inverse=True)
    with pytest.raises(InputError, match="Give entry_usd"):
        distance_factors("binance", "long", [10], 50_000, coins)


def test_no_leverage_is_fine_and_nonsense_is_not() -> None:
    assert distance_factors("binance", "long", [], 50_000, flat()).shape == (0,)
    for wrong in ([0.5], [math.nan], [math.inf]):
        with pytest.raises(InputError):
            distance_factors("binance", "long", wrong, 50_000, flat())
    with pytest.raises(InputError):
        distance_factors("binance", "long", [2], 0, flat())
    with pytest.raises(InputError):
        distance_factors("okx", "long", [2], 50_000, load_tiers("okx", "BTC"), entry_usd=-1)


@pytest.mark.parametrize("venue", sorted(RULES))
def test_every_bundled_table_prices_its_own_highest_leverage(venue: str) -> None:
    """No venue opens a position that it would liquidate at once: its table and our rule must say so."""
    for tiers in bundled_tiers(venue).values():
        most = tiers.tiers[0].max_leverage
        for side in ("long", "short"):
            found = distance_factors(venue, side, [most], 1_000, tiers, entry_usd=1_000)
            if most > 1 or side == "short":
                assert 0 < abs(found[0] - 1) <= 1 / float(most)
