"""Liquidation prices worked out by hand, venue by venue."""

from __future__ import annotations

from fractions import Fraction

import pytest

from defiliq.cex.margin import Charges, liquidation_price
from defiliq.cex.tiers import load_tiers
from defiliq.errors import InputError
from tests.cex.margin.tables import flat, table

F = Fraction


@pytest.mark.parametrize(("leverage", "price"), [(5, 48_192.8), (25, 57_831.3), (100, 59_638.6)])
def test_the_reference_numbers_of_binance(leverage: int, price: float) -> None:
    """Entry 60,000, 0.4%, nothing deducted: the first tier of BTC, up to 50,000 dollars."""
    bundled = liquidation_price("binance", "long", 60_000, leverage, 50_000, load_tiers("binance", "BTC"))
    by_hand = liquidation_price("binance", "long", 60_000, leverage, 50_000, flat())
    assert bundled == by_hand
    assert bundled is not None
    assert round(float(bundled), 1) == price


def test_binance_long_and_short_follow_its_formula() -> None:
    # WB = 0.1 * 60,000 / 10 = 600. Long: (600 - 6,000) / (0.1 * (0.004 - 1)), short: 6,600 / (0.1 * 1.004).
    assert liquidation_price("binance", "long", 60_000, 10, 6_000, flat()) == F(54_000) / F("0.996")
    assert liquidation_price("binance", "short", 60_000, 10, 6_000, flat()) == F(66_000) / F("1.004")


def test_binance_takes_the_tier_at_the_liquidation_price() -> None:
    """A short of 48,000 outgrows the first tier, which ends at 50,000, before it is liquidated."""
    tiers = table(("50000", "0.004", "125"), ("600000", "0.005", "100"))
    # Q = 0.8, WB = 4,800. Tier 1 would say 52,800 / (0.8 * 1.004) = 65,737.05, worth 52,589: not tier 1.
    # Tier 2 deducts 50,000 * 0.001 = 50: (4,800 + 50 + 48,000) / (0.8 * 1.005) = 65,733.83, worth 52,587.
    found = liquidation_price("binance", "short", 60_000, 10, 48_000, tiers)
    assert found == F(52_850) / (F("0.8") * F("1.005"))
    # And a long of 55,000 falls back into it: Q = 55/60, WB = 5,500, cum 0 of tier 1.
    found = liquidation_price("binance", "long", 60_000, 10, 55_000, tiers)
    assert found == F(49_500) / (F(55, 60) * F("0.996"))
    assert found is not None
    assert found * F(55, 60) < 50_000


def test_a_liquidation_price_right_at_a_tiers_edge() -> None:
    """Q = 1, so that 50 is the edge; both tiers give the same price there, as the deduction is continuous."""
    tiers = table(("50", "0.1", "10"), ("500", "0.2", "5"))
    # Long at 75 with margin m: at 50 the maintenance is 5. 75 - 50 = 25, so m = 30, and 75 / 30 is 2.5x.
    assert liquidation_price("binance", "long", 75, "2.5", 75, tiers) == 50
    # Short at 40: at 50 the loss is 10, the maintenance 5: m = 15, and 40 / 15.
    assert liquidation_price("binance", "short", 40, F(40, 15), 40, tiers) == 50


def test_without_a_deduction_maintenance_jumps_and_the_edge_itself_is_the_price() -> None:
    """No tier agrees with itself here: at 50 the first has a surplus, right above the second has none."""
    tiers = table(("50", "0.1", "10"), ("500", "0.5", "2"), deducts=False)
    # Short at 40 with 20: tier 1 says 60 / 1.1 = 54.5, which is in tier 2; tier 2 says 60 / 1.5 = 40.
    assert liquidation_price("binance", "short", 40, 2, 40, tiers) == 50
    # Long at 60 with 36: tier 2 says 24 / 0.5 = 48, which is in tier 1; tier 1 says 24 / 0.9 = 26.7. At 50
    # maintenance drops from 25 to 5, and the balance is 26: the walk goes on.
    assert liquidation_price("binance", "long", 60, F(60, 36), 60, tiers) == F(24 * 10, 9)


def test_of_several_tiers_that_agree_with_themselves_the_first_is_meant() -> None:
    tiers = table(("50", "0.1", "10"), ("500", "0.5", "2"), deducts=False)
    # Long at 60 with 31: tier 2 says 29 / 0.5 = 58, tier 1 says 29 / 0.9 = 32.2. Both are in their tier.
    assert liquidation_price("binance", "long", 60, F(60, 31), 60, tiers) == 58


def test_bybit_values_at_entry() -> None:
    tiers = flat("0.005", venue="bybit")
    # The help centre's example: 20,000 at 50x, 0.5%: 20,000 - (400 - 100).
    assert liquidation_price("bybit", "long", 20_000, 50, 20_000, tiers) == 19_700
    assert liquidation_price("bybit", "short", 20_000, 50, 20_000, tiers) == 20_300
    assert liquidation_price("bybit", "long", 60_000, 10, 50_000, tiers) == 60_000 * (
        1 - F("0.1") + F("0.005")
    )


def test_bybit_deducts_by_its_risk_limits() -> None:
    # 3,000,000 at 20x is in BTC's third tier: 0.63%, less 3,020. IM 150,000, MM 15,880, Q 50.
    found = liquidation_price("bybit", "long", 60_000, 20, 3_000_000, load_tiers("bybit", "BTC"))
    assert found == 60_000 - F(150_000 - 15_880, 50)


def test_bybit_may_be_valued_at_the_mark_as_its_newer_text_says() -> None:
    tiers = flat("0.005", venue="bybit")
    found = liquidation_price("bybit", "long", 50_000, 10, 60_000, tiers, valued_at="mark")
    assert found == F(50_000) * F("0.9") / F("0.995")


def test_bybit_inverse_by_its_newer_formula() -> None:
    """Size * (1 + MMR) / (size / E + size / E / L + deduction), and its mirror for shorts."""
    tiers = table((None, "0.005", "100"), venue="bybit", unit="BTC", is_inverse=True)
    long = liquidation_price("bybit", "long", 50_000, 10, 60_000, tiers, valued_at="mark")
    assert long == F(60_000) * F("1.005") / (F("1.2") + F("0.12"))
    short = liquidation_price("bybit", "short", 50_000, 10, 60_000, tiers, valued_at="mark")
    assert short == F(60_000) * F("0.995") / (F("1.2") - F("0.12"))


def test_bybit_inverse_by_its_older_formula() -> None:
    """Quantity / (value + (IM - MM)), 1.2 BTC at entry: 60,000 / (1.2 + 0.12 - 0.006)."""
    tiers = table((None, "0.005", "100"), venue="bybit", unit="BTC", is_inverse=True)
    assert liquidation_price("bybit", "long", 50_000, 10, 60_000, tiers) == F(60_000) / F("1.314")
    assert liquidation_price("bybit", "short", 50_000, 10, 60_000, tiers) == F(60_000) / F("1.086")


def test_okx_reserves_its_taker_fee() -> None:
    tiers = table(
        ("1000", "0.004", "100"), venue="okx", unit="contracts", contract_size="0.01", deducts=False
    )
    # (60,000 - 6,000) / (1 - 0.0045), (60,000 + 6,000) / (1 + 0.0045).
    assert liquidation_price("okx", "long", 60_000, 10, 50_000, tiers) == F(54_000) / F("0.9955")
    assert liquidation_price("okx", "short", 60_000, 10, 50_000, tiers) == F(66_000) / F("1.0045")


def test_okx_tiers_count_contracts_so_the_tier_hangs_on_the_entry_price() -> None:
    tiers = load_tiers("okx", "BTC")
    # 10 BTC are 1,000 contracts, the end of the first tier; a contract more is in the second.
    in_first = liquidation_price("okx", "long", 60_000, 10, 600_000, tiers)
    in_second = liquidation_price("okx", "long", 60_000, 10, 600_600, tiers)
    assert in_first == F(54_000) / (1 - F("0.0045"))
    assert in_second == F(54_000) / (1 - F("0.0055"))
    # The same dollars at half the price are twice the contracts.
    assert liquidation_price("okx", "long", 30_000, 10, 600_000, tiers) == F(27_000) / (1 - F("0.0055"))


def test_okx_inverse_by_its_formula() -> None:
    """(1 + mmr + fee) / (1 / E + margin / (face * contracts)), contracts of 100 dollars."""
    tiers = table(
        ("5000", "0.004", "100"),
        venue="okx",
        unit="contracts",
        contract_size="100",
        deducts=False,
        is_inverse=True,
    )
    assert liquidation_price("okx", "long", 50_000, 10, 60_000, tiers) == F("1.0045") / (F(11, 10) / 50_000)
    assert liquidation_price("okx", "short", 50_000, 10, 60_000, tiers) == F("0.9955") / (F(9, 10) / 50_000)


def test_binance_inverse_counts_coins_of_its_own_tiers() -> None:
    """5 BTC at 0.4%, above it 0.5%. A long of 200,000 dollars is 4 BTC at 50,000, and more as it falls."""
    tiers = table(("5", "0.004", "125"), (None, "0.005", "100"), unit="BTC", is_inverse=True)
    # Margin 2 BTC: 2 + 200,000 * (1/50,000 - x) = 200,000 * x * 0.005 - 0.005, in tier 2: 6.005 = 201,000 x.
    assert liquidation_price("binance", "long", 50_000, 2, 200_000, tiers) == F(201_000) / F("6.005")


def test_an_inverse_short_without_leverage_is_never_liquidated_and_a_long_is_at_half() -> None:
    tiers = table((None, "0", "125"), unit="BTC", is_inverse=True)
    assert liquidation_price("binance", "short", 50_000, 1, 60_000, tiers) is None
    assert liquidation_price("binance", "long", 50_000, 1, 60_000, tiers) == 25_000


def test_hyperliquid_halves_the_initial_margin_of_the_tier() -> None:
    # ETH: 25x, so 2%. P - side * (equity - MM) / Q / (1 - 0.02): 3,000 - (300 - 60) / 0.98.
    found = liquidation_price("hyperliquid", "long", 3_000, 10, 3_000, load_tiers("hyperliquid", "ETH"))
    assert found == 3_000 - F(240) / F("0.98")


def test_dydx_keeps_a_share_of_the_initial_margin() -> None:
    # BTC at genesis: 5% initial, 60% of it: 3%. A short at 20x: 1.05 / 1.03.
    found = liquidation_price("dydx", "short", 60_000, 20, 6_000, load_tiers("dydx", "BTC"))
    assert found == F(63_000) / F("1.03")


def test_the_seeds_simple_formula() -> None:
    tiers = flat("0.005")
    assert liquidation_price("binance", "long", 65_000, 10, 1_000, tiers, mode="simple") == 58_825
    assert liquidation_price("binance", "short", 65_000, 10, 1_000, tiers, mode="simple") == 71_175
    with pytest.raises(InputError, match="knows no charges"):
        liquidation_price("binance", "long", 1, 10, 1, tiers, mode="simple", charges=Charges(funding_rate=1))


def test_cross_holds_a_multiple_of_the_margin() -> None:
    tiers = flat()
    # Three times the margin at 30x is the margin at 10x.
    cross = liquidation_price("binance", "long", 60_000, 30, 6_000, tiers, mode="cross", wallet_multiple=3)
    assert cross == liquidation_price("binance", "long", 60_000, 10, 6_000, tiers)
    whole = liquidation_price("binance", "long", 60_000, 5, 6_000, tiers, mode="cross", wallet_multiple=5)
    assert whole is None
    with pytest.raises(InputError, match="wallet_multiple"):
        liquidation_price("binance", "long", 60_000, 5, 6_000, tiers, mode="cross")
    with pytest.raises(InputError, match="wallet_multiple"):
        liquidation_price("binance", "long", 60_000, 5, 6_000, tiers, wallet_multiple=2)


def test_fees_and_funding_come_out_of_the_margin() -> None:
    tiers = flat()
    # 10x on 6,000: 600, less 0.05% of 6,000 = 3, less 3 * 0.01% of it = 1.8, leaves 595.2.
    paid = Charges(open_fee_rate="0.0005", funding_rate="0.0001", funding_intervals=3)
    long = liquidation_price("binance", "long", 60_000, 10, 6_000, tiers, charges=paid)
    assert long == (6_000 - F("595.2")) / (F("0.1") * F("0.996"))
    # The short is paid what the long pays: 600 - 3 + 1.8.
    short = liquidation_price("binance", "short", 60_000, 10, 6_000, tiers, charges=paid)
    assert short == (6_000 + F("598.8")) / (F("0.1") * F("1.004"))
    turned = Charges(open_fee_rate="0.0005", funding_rate="-0.0001", funding_intervals=3)
    found = liquidation_price("binance", "long", 60_000, 10, 6_000, tiers, charges=turned)
    assert found == (6_000 - F("598.8")) / (F("0.1") * F("0.996"))


def test_a_reserved_fee_can_be_given_and_taken_away() -> None:
    tiers = flat()
    with_fee = Charges(close_fee_rate="0.001")
    found = liquidation_price("binance", "long", 60_000, 10, 6_000, tiers, charges=with_fee)
    assert found == F(54_000) / F("0.995")
    without = liquidation_price("okx", "long", 60_000, 10, 6_000, tiers, charges=Charges(close_fee_rate=0))
    assert without == F(54_000) / F("0.996")
    bybit = liquidation_price("bybit", "long", 60_000, 10, 6_000, tiers, charges=with_fee)
    assert bybit == (54_000 + 60_000 * F("0.004")) / F("0.999")


def test_nothing_kept_and_nothing_borrowed() -> None:
    free = flat("0")
    assert liquidation_price("binance", "long", 60_000, 1, 6_000, flat()) is None
    assert liquidation_price("binance", "long", 60_000, 1, 6_000, free) is None
    assert liquidation_price("binance", "long", 60_000, 10, 6_000, free) == 54_000
    assert liquidation_price("binance", "short", 60_000, 1, 6_000, free) == 120_000
    assert liquidation_price("binance", "long", 60_000, 1, 6_000, free, mode="simple") is None


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("mode", ["isolated", "simple"])
def test_too_little_margin_is_liquidated_at_entry(side: str, mode: str) -> None:
    tiers = table((None, "0.2", "10"))
    found = liquidation_price("binance", side, 60_000, 10, 6_000, tiers, mode=mode)  # type: ignore[arg-type]
    assert found == 60_000


@pytest.mark.parametrize("side", ["long", "short"])
def test_fees_beyond_the_margin_liquidate_at_entry(side: str) -> None:
    charges = Charges(open_fee_rate="0.2")
    found = liquidation_price("okx", side, 60_000, 10, 6_000, flat(), charges=charges)  # type: ignore[arg-type]
    assert found == 60_000


def test_a_position_that_outgrows_the_last_cap_stays_in_the_last_tier() -> None:
    tiers = table(("50000", "0.004", "125"))
    assert liquidation_price("binance", "short", 60_000, 2, 50_000, tiers) == F(90_000) / F("1.004")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"size_usd": 700_000}, "last one known ends at 600,000"),
        ({"leverage": 101, "size_usd": 60_000}, "allows 100x at most"),
        ({"leverage": "0.5"}, "below 1"),
        ({"leverage": float("nan")}, "no finite number"),
        ({"entry": 0}, "above 0"),
        ({"entry": "inf"}, "no finite number"),
        ({"entry": "1/0"}, "no finite number"),
        ({"size_usd": -1}, "above 0"),
        ({"venue": "mtgox"}, "Known: binance, bybit"),
        ({"charges": Charges(funding_intervals=-1)}, "0 or more"),
        ({"charges": Charges(close_fee_rate="-0.1")}, "0 or more"),
        ({"charges": Charges(open_fee_rate="much")}, "no finite number"),
    ],
)
def test_what_cannot_be_used_is_said(more: dict[str, object], words: str) -> None:
    tiers = table(("50000", "0.004", "125"), ("600000", "0.005", "100"))
    given = {"venue": "binance", "side": "long", "entry": 60_000, "leverage": 10, "size_usd": 6_000} | more
    with pytest.raises(InputError, match=words):
        liquidation_price(tiers=tiers, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("unit", "is_inverse"), [("BTC", False), ("USD", True)])
def test_a_size_of_contracts_says_nothing_where_tiers_count_no_contracts(unit: str, is_inverse: bool) -> None:
    rows = ("1", "0.004", "125"), (None, "0.005", "100")
    told, untold = (
        table(*rows, unit=unit, is_inverse=is_inverse, contract_size=size) for size in ("100", None)
    )
    prices = [liquidation_price("binance", "long", 60_000, 10, 600_000, one) for one in (told, untold)]
    assert prices[0] == prices[1]
