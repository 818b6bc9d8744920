"""The whole analysis on known numbers: priorities, sentences, what happened, and what there is nothing of."""

from __future__ import annotations

import math
from inspect import signature
from typing import Any

import pytest

from defiliq.errors import InputError
from defiliq.model import (
    DAY_S,
    Analysis,
    Settings,
    analyse,
    analyse_heat,
    build_heat,
    find_clusters,
    find_magnet,
    find_vacuums,
    key_levels,
    support_resistance,
)
from tests.model.happened import UNPRICED, happened, longs, shorts
from tests.model.ladders import NOW, ladder, seed_ladder

ETH = "ETH/USD"


def of(*levels: tuple[float, float], **options: Any) -> Analysis:
    return analyse([ladder(levels)], ETH, **options)


def test_the_published_example() -> None:
    found = analyse([seed_ladder()], "BTC/USD")
    assert found.strongest_below is not None
    assert found.strongest_below.price_usd == 56_490.0
    assert found.strongest_above is None
    assert (found.magnet.label, found.asymmetry, found.risk_down.label, found.risk_up.label) == (
        *(None, "downside_stronger", "high", "low"),
    )
    assert [level.priority for level in found.key_levels] == ["High", "High"]
    said = found.implications
    assert said.bias == "bearish"
    assert said.bias_text == (
        "Downward magnet stronger, bearish in the model's terms: no cluster stands above spot and the "
        "largest cluster below spot holds $96,170,000; weighted with distance, 100% of all that breaks lies "
        "below spot."
    )
    assert said.risk_text == (
        "The nearest high-priority level stands 0.40% below spot: $57,530,000 of long liquidations "
        "around $56,771."
    )
    assert said.key_level_text == (
        "$56,771: from there down, 2 clusters are stacked within 0.89% of spot, the closest 0.49% apart "
        "(high cascade risk)."
    )
    assert found.at == NOW
    assert found.failed_accounts is None


def test_the_settings_decide() -> None:
    fine = analyse([seed_ladder()], "BTC/USD", Settings(step_pct=0.02, min_share_pct=11.0, h=0.01))
    assert len(fine.clusters) == 6, "56,800 holds 10.4%"
    assert (fine.heat.step_pct, fine.magnet.h, fine.settings.min_share_pct) == (0.02, 0.01, 11.0)
    narrow = analyse([seed_ladder()], "BTC/USD", Settings(step_pct=0.02, within_pct=0.5))
    assert sorted(c.price_usd for c in narrow.clusters) == [56_750.0, 56_800.0]
    spread = of((95.0, 10.0), (90.0, 10.0), settings=Settings(min_vacuum_pct=10.0))
    assert spread.vacuums == ()
    assert len(of((95.0, 10.0), (90.0, 10.0)).vacuums) == 1


def test_the_settings_are_by_default_those_of_each_part() -> None:
    parts = (support_resistance, build_heat, find_clusters, find_magnet, find_vacuums)
    default = {name: each.default for part in parts for name, each in signature(part).parameters.items()}
    assert Settings() == Settings(
        step_pct=default["step_pct"],
        within_pct=default["within_pct"],
        min_share_pct=default["min_share_pct"],
        valley=default["valley"],
        min_impact_pct=default["min_impact_pct"],
        h=default["h"],
        most_inside=default["most_inside"],
        min_vacuum_pct=default["min_width_pct"],
        window_s=default["window_s"],
        large_usd=default["threshold_usd"],
        sr_by=default["by"],
    )


def test_blocks_are_mixed_where_asked_for() -> None:
    ladders = [ladder([(90.0, 1.0)]), ladder([(80.0, 1.0)], market="Prime", block_hash="0xbb")]
    with pytest.raises(InputError, match="different blocks"):
        analyse(ladders, ETH)
    assert len(analyse(ladders, ETH, mixed_blocks=True).clusters) == 2


def test_the_window_s_edge_counts_among_all_that_breaks() -> None:
    assert [level.share_pct for level in of((90.0, 1.0), (50.0, 3.0)).key_levels] == [75.0, 25.0]


@pytest.mark.parametrize(
    ("share", "priority"), [(10.0, "High"), (9.9, "Medium"), (3.0, "Medium"), (2.9, "Low")]
)
def test_priority_by_share_of_all_that_breaks(share: float, priority: str) -> None:
    heat = build_heat([ladder([(90.0, share), (110.0, 100.0 - share), (10.0, 1e9)])], ETH)
    level = next(
        level for level in key_levels(heat, find_clusters(heat), 50.0) if level.cluster.type == "long"
    )
    assert (level.share_pct, level.priority) == (share, priority)


@pytest.mark.parametrize(
    ("moves", "priority"),
    [
        (1.0, "High"),
        (0.99, "Medium"),
        (0.25, "Medium"),
        (0.24, "Low"),
        (math.inf, "High"),
        (math.nan, "High"),
    ],
)
def test_depth_tempers_priority(moves: float, priority: str) -> None:
    found = of((90.0, 10.0), impact=lambda *_: -moves, depth="a pool")
    assert [level.priority for level in found.key_levels] == [priority]
    assert found.depth == "a pool"


def test_a_small_share_stays_low_however_far_it_moves_the_price() -> None:
    found = of((90.0, 98.0), (80.0, 2.0), impact=lambda *_: 50.0)
    assert [level.priority for level in found.key_levels] == ["High", "Low"]


@pytest.mark.parametrize(
    ("above", "below", "bias", "begins"),
    [
        (30.0, 10.0, "mild bullish", "Upward magnet stronger, mild bullish in the model's terms: "),
        (10.0, 30.0, "bearish", "Downward magnet stronger, bearish"),
        (
            20.0,
            10.0,
            "neutral",
            "Magnets balanced, neutral: the largest cluster above spot holds $20.00 and ",
        ),
    ],
)
def test_the_bias_is_the_asymmetry(above: float, below: float, bias: str, begins: str) -> None:
    said = of((110.0, above), (90.0, below)).implications
    assert said.bias == bias
    assert said.bias_text.startswith(begins)


def test_equal_pulls_weigh_the_same() -> None:
    assert "both sides weigh about the same" in of((100 * 1.1, 5.0), (100 / 1.1, 5.0)).implications.bias_text


def test_the_key_level_begins_the_closest_stack() -> None:
    """Below, 4% apart: moderate. Above, 1% apart: high, so it is the one."""
    levels = ((95.0, 10.0), (91.0, 10.0), (108.0, 10.0), (109.0, 10.0))
    found = of(*levels)
    assert (found.risk_down.label, found.risk_up.label) == ("moderate", "high")
    assert found.implications.key_level is not None
    assert found.implications.key_level.price_usd == 108.0
    assert found.implications.key_level_text.startswith("$108.00: from there up, 2 clusters")


def test_of_two_stacks_as_close_the_nearer_begins() -> None:
    nearer_above = of((92.0, 10.0), (91.0, 10.0), (103.0, 10.0), (104.0, 10.0)).implications.key_level
    nearer_below = of((97.0, 10.0), (96.0, 10.0), (108.0, 10.0), (109.0, 10.0)).implications.key_level
    assert nearer_above is not None
    assert nearer_below is not None
    assert (nearer_above.price_usd, nearer_below.price_usd) == (103.0, 97.0)
    both_moderate = of((97.0, 10.0), (92.5, 10.0), (103.5, 10.0), (105.6, 10.0))
    assert (both_moderate.risk_down.label, both_moderate.risk_up.label) == ("moderate", "moderate")
    assert both_moderate.implications.key_level is not None
    assert both_moderate.implications.key_level.price_usd == 97.0, "by where a stack begins"


def test_without_a_stack_the_largest_cluster_is_the_key_level() -> None:
    said = of((90.0, 10.0), (80.0, 2000.0)).implications
    assert said.key_level_text == "$80 is the largest cluster, with $2,000; no two are stacked closely."


def test_the_nearest_level_of_high_priority_is_the_risk() -> None:
    said = of((99.0, 2.0), (90.0, 100.0)).implications
    assert said.risk is not None
    assert said.risk.price_usd == 90.0
    assert "10.00% below spot" in said.risk_text
    low = of((99.0, 2.0), (90.0, 100.0), impact=lambda *_: 0.2).implications
    assert low.risk is not None
    assert low.risk.price_usd == 99.0
    assert low.risk_text.startswith("The nearest cluster stands 1.00% below spot")


def test_what_is_liquidatable_already_is_said() -> None:
    table = ladder([(99.0, 1500.0), (98.0, 10.0)], changes=[{"outcome": "already"}])
    said = analyse([table], ETH).implications.risk_text
    assert said.endswith(" 1 account is liquidatable at spot already, with $1,500.")
    both = ladder([(99.0, 1500.0), (101.0, 500.0)], changes=[{"outcome": "already"}] * 2)
    held = analyse([both], ETH).implications.risk_text
    assert held.endswith(" 2 accounts are liquidatable at spot already, with $2,000.")
    only = analyse([table.iloc[:1]], ETH)
    assert only.implications.risk_text == (
        "No cluster stands within the window. 1 account is liquidatable at spot already, with $1,500."
    )
    assert (only.clusters, only.implications.bias, only.asymmetry) == ((), None, None)


def test_other_money_is_named() -> None:
    table = ladder([(0.5, 1234.5)], spot=0.75, base_symbol="WETH", driver="X/WETH")
    said = analyse([table], "X/WETH").implications
    assert "1,234 WETH of long liquidations around 0.5 WETH." in said.risk_text


def test_a_ratio_is_no_amount_of_money() -> None:
    said = analyse([ladder([(0.98, 1500.0)], spot=1.0, driver="stETH/ETH")], "stETH/ETH").implications
    assert "$1,500 of long liquidations around 0.98." in said.risk_text


def test_a_heat_is_analysed_with_its_own_bucket_width() -> None:
    heat = build_heat([seed_ladder()], "BTC/USD", step_pct=0.02)
    found = analyse_heat(heat, Settings(min_share_pct=11.0))
    assert (found.settings, len(found.clusters)) == (Settings(step_pct=0.02, min_share_pct=11.0), 6)


def test_nothing_at_all() -> None:
    found = analyse([ladder([])], ETH, events=happened([]))
    assert (found.at, found.clusters, found.key_levels, found.vacuums) == (None, (), (), ())
    assert (found.risk_down.label, found.risk_up.label, found.magnet.label) == ("low", "low", None)
    assert found.implications.bias_text == "No cluster stands on either side, so there is no bias."
    assert found.implications.key_level_text == "No level stands out."
    assert found.happened is not None
    assert found.happened.metrics.liquidations == 0
    assert found.happened.latest("support") is None


def test_without_events_nothing_is_said_of_them() -> None:
    assert of((90.0, 1.0)).happened is None


def test_events_of_the_driver_count_up_to_the_block() -> None:
    rows = [
        *longs(200e6, 300e6),
        *longs(1.0, block_timestamp=NOW + 1),
        *longs(400e6, block_timestamp=NOW - DAY_S - 1),
        *shorts(1e9, driver="BTC/USD"),
        UNPRICED,
    ]
    found = of((90.0, 1.0), events=happened(rows), events_coverage="blocks 1 to 100").happened
    assert found is not None
    assert (found.metrics.total_usd, found.metrics.until_at) == (500e6, NOW)
    assert found.metrics.state is not None
    assert found.metrics.state.label == "high"
    assert found.support_resistance["strength_usd"].tolist() == [300e6, 200e6, 400e6]
    assert (found.other_events, found.unpriced_events, found.coverage) == (1, 1, "blocks 1 to 100")
    latest = found.latest("support")
    assert latest is not None
    assert latest["strength_usd"] == 300e6
    assert found.latest("resistance") is None


@pytest.mark.parametrize(
    ("searched", "part"),
    [
        (None, (NOW - DAY_S, NOW)),
        ((NOW - DAY_S, NOW), (NOW - DAY_S, NOW)),
        ((0, NOW + 5), (NOW - DAY_S, NOW)),
        ((NOW - DAY_S + 1, NOW), (NOW - DAY_S + 1, NOW)),
        ((0, NOW - 1), (NOW - DAY_S, NOW - 1)),
    ],
)
def test_only_a_day_that_was_searched_whole_has_a_state(
    searched: tuple[int, int] | None, part: tuple[int, int]
) -> None:
    found = of((90.0, 1.0), events=happened(longs(300e6)), events_searched=searched).happened
    assert found is not None
    assert found.searched_of_window == part
    assert found.is_whole == (part == (NOW - DAY_S, NOW)) == (found.metrics.state is not None)
    assert found.metrics.total_usd == 300e6, "what was found counts"


def test_events_may_end_elsewhere_and_levels_be_smaller() -> None:
    rows = [*longs(5.0), *longs(7.0, block_timestamp=NOW + 10)]
    settings = Settings(large_usd=6.0, window_s=3600)
    found = of((90.0, 1.0), settings=settings, events=happened(rows), until_at=NOW + 10).happened
    assert found is not None
    assert found.metrics.total_usd == 12.0
    assert found.metrics.state is None, "an hour is no day"
    assert found.support_resistance["strength_usd"].tolist() == [7.0]


def test_events_without_a_ladder_end_with_the_last() -> None:
    found = analyse([], ETH, events=happened(longs(5.0))).happened
    assert found is not None
    assert (found.metrics.until_at, found.metrics.total_usd) == (NOW - 60, 5.0)


def test_events_in_other_money_are_refused() -> None:
    with pytest.raises(InputError, match="the events count WETH, and the ladders USD"):
        of((90.0, 1.0), events=happened(longs(5.0, base_symbol="WETH")))


def test_accounts_that_could_not_be_read_are_summed_where_all_markets_tell() -> None:
    tables = [ladder([(90.0, 1.0)]), ladder([(90.0, 1.0)], market="Prime")]
    failed = {("1", "aave-v3", "Core"): 2, ("1", "aave-v3", "Prime"): 3}
    assert analyse(tables, ETH, failed=failed).failed_accounts == 5
    assert analyse(tables, ETH, failed=dict([*failed.items()][:1])).failed_accounts is None


def test_all_on_one_side() -> None:
    found = of((110.0, 5.0), (111.0, 5.0), (112.0, 5.0))
    assert (found.magnet.label, found.asymmetry, found.magnet.imbalance) == (None, "upside_stronger", 1.0)
    assert (found.risk_down.label, found.risk_down.clusters, found.risk_up.label) == ("low", 0, "high")
