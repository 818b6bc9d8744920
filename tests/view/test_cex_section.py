"""The comparison as tables and as a section of a report: what is exact, what is estimated, no more."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from defiliq.cex.compare import Comparison, compare
from defiliq.cex.levels import Estimate
from defiliq.errors import MissingExtra
from defiliq.model.heat import build_heat
from defiliq.view.cex_beside import Beside
from defiliq.view.cex_compare import comparison_lines, grid_lines, render_comparison
from defiliq.view.cex_section import comparison_pictures, comparison_sections
from defiliq.view.cex_signals import phase_grid
from defiliq.view.cex_tables import chain_grid, level_grid, named_levels, pair_grid, party_grid, ratio_words
from defiliq.view.report_html import comparison_html, report_html, write_comparison_html
from defiliq.view.report_markdown import comparison_markdown, report_markdown
from defiliq.view.report_parts import Grid
from tests.view.cex_stage import contract, estimate_of, wide_beside, wide_comparison
from tests.view.heat_stage import full_analysis, ladder_of, seeds_heat
from tests.view.test_report import HEADINGS, HOSTILE, Tags

BESIDE = (
    *("Beside Centralised Exchanges", "Levels Side by Side", "What the Chain Does at Their Levels"),
    *("How Much They Are Alike", "The Estimates", "What Else Speaks for It", "Phase of the Cascade"),
    *("How Venues Differ", "Backtest of the Estimates"),
)
FIGURES = (
    *("beside-curves", "beside-strips", "estimate-0", "estimate-1", "estimate-2"),
    *("heat-over-time-0", "sides-over-time-0", "backtest"),
)


def venue(name: str, long_usd: float = 2e6, price: float = 2500.0) -> Estimate:
    return estimate_of(
        [(price, "long", (long_usd / 2, long_usd, 2 * long_usd)), (3300.0, "short", (3e6, 3e6, 3e6))],
        instrument=contract(name),
    )


def by_hand() -> Comparison:
    ladder = ladder_of([(2500.0, 1e6, "long"), (2500.5, 3e6, "long"), (2000.0, 8e6, "long")], 3000.0)
    return compare(build_heat([ladder], "ETH/USD"), [venue("binance"), venue("okx", 6e6, 2498.0)])


def test_parties_are_told_with_what_is_known_of_them() -> None:
    found, estimates = wide_comparison()
    grid = party_grid(found, estimates)
    assert [row[:2] for row in grid.rows] == [
        ("chain", "exact"),
        *((name, "estimated") for name in ("binance", "bybit", "okx", "sum")),
    ]
    assert grid.rows[1][4] == "80% (70% to 90%) of $14.40B"
    low, mid, high = found.venues[0].points.of("long").band()
    assert grid.rows[1][2] == f"${mid / 1e9:.3g}B ({low / 1e6:.3g}M to {high / 1e9:.3g}B)"
    assert grid.rows[0][4] == grid.rows[4][4] == ""


def test_levels_by_hand() -> None:
    found = by_hand()
    assert level_grid(found).columns == (
        "Level",
        "Side",
        "Distance",
        "chain",
        "binance",
        "okx",
        "sum",
        "Consensus",
    )
    rows = {row[0]: row for row in level_grid(found).rows}
    assert rows["$3,298.19"] == ("$3,298.19", "short", "+9.9%", "0", "◆3M", "◆3M", "◆6M", "2 of 3")
    assert rows["$2,000"] == ("$2,000", "long", "-33.3%", "◆8M", "0", "0", "0", "1 of 3")
    (near,) = [row for price, row in rows.items() if price.startswith(("$2,4", "$2,5"))]
    assert near[3:] == ("◆4M", "◆2M", "◆6M", "◆8M", "3 of 3")


def test_a_level_is_listed_once_and_from_the_highest_price_down() -> None:
    found, _ = wide_comparison()
    kept = named_levels(found)
    assert 5 <= len(kept) < len(found.levels)
    for level in found.levels:
        price, side = level.cluster.price_usd, level.cluster.type
        near = [one for one in kept if one.cluster.type == side]
        assert min(abs(one.cluster.price_usd / price - 1) for one in near) <= found.tolerance_pct / 100
    prices = [float(row[0].replace(",", "").removeprefix("$")) for row in level_grid(found).rows]
    assert prices == sorted(prices, reverse=True)


def test_what_the_chain_does_by_hand() -> None:
    grid = chain_grid(by_hand())
    assert grid is not None
    rows = {row[0].split()[-1]: row for row in grid.rows}
    assert rows["long"][1:] == ("$8M (4M to 16M)", "$4M (2)", "0.5 (0.25 to 1)", "$0 (0)", "$2,000 $8M")
    assert rows["short"][1:] == ("$6M", "$0 (0)", "0", "$0 (0)", "none")
    assert chain_grid(compare(None, [venue("okx")])) is None
    assert chain_grid(compare(seeds_heat(), [])) is None


def test_pairs_by_hand() -> None:
    rows = {row[0]: row for row in pair_grid(compare(None, [venue("binance"), venue("okx", 4e6)])).rows}
    assert rows["binance / okx"] == (
        *("binance / okx", "0.71 (0.36 to 1.4)", "0.00%", "0.00%"),
        *(rows["binance / okx"][4:6]),
        *("2 of 2 and 2 (100%)", "+$2M at $2,493.89"),
    )
    assert rows["binance / okx"][4] != "0.00%"
    alone = pair_grid(
        compare(seeds_heat(), [replace(estimate_of([], 57_000.0), instrument=contract("okx", "BTC"))])
    )
    assert alone.rows[0][1:] == (
        "no end",
        "none",
        "none",
        "none",
        "none",
        "0 of 5 and 0 (0%)",
        alone.rows[0][7],
    )


@pytest.mark.parametrize(
    ("band", "said"),
    [
        ((0.5, 1.0, 2.0), "1 (0.5 to 2)"),
        ((1.0, 1.0, 1.0), "1"),
        ((math.nan, math.nan, math.nan), "none"),
        ((2.0, math.inf, math.inf), "no end (2 to no end)"),
        ((math.nan, 5.0, 1234.0), "5 (? to 1.23k)"),
    ],
)
def test_ratios_are_told(band: tuple[float, float, float], said: str) -> None:
    assert ratio_words(band) == said


def test_the_terminal_says_who_is_exact_and_what_is_missing() -> None:
    text = render_comparison(
        replace(wide_beside(), comparison=replace(wide_beside().comparison, faults=("x is down.",)))
    )
    for line in (
        "On chain and ESTIMATED (simulated sample): ETH, spot $3,000",
        "levels: dollars within 0.5%, ◆ has a cluster there",
        "what the chain does at the venues' levels (accounts)",
        "pairs: how far a dollar is moved on average",
        "what else speaks for levels, or against them",
        "phase of the cascade",
        "incomplete: x is down.",
        "Not investment advice.",
    ):
        assert f"{line}\n" in text
    assert "chain: exact." in text
    assert "venues: estimated." in text
    assert text.count("washed out") == 4
    assert "okx (mark price): Tiered partial liquidation" in text
    alone = render_comparison(Beside(compare(None, [venue("okx")])))
    assert "chain: exact." not in alone
    assert "none\n" not in alone
    assert "levels: dollars within 0.5%, ◆ has a cluster there\nnone\n" in render_comparison(
        Beside(compare(None, [estimate_of([])]))
    )


@pytest.mark.parametrize("width", [80, 100, 200])
def test_columns_without_room_are_left_out_and_said_to_be(width: int) -> None:
    lines = comparison_lines(wide_beside(), width=width)
    tables = [line for line in lines if "  " in line]
    assert max(map(len, tables)) <= width
    assert any("more columns on a wider terminal" in line for line in lines) == (width < 200)
    grid = Grid(("Level", "a", "Consensus"), (("$1", "22", "3 of 3"), ("$10", "2", "1 of 3")))
    assert grid_lines(grid) == ["Level   a  Consensus", "$1     22  3 of 3", "$10     2  1 of 3"]


def test_a_report_has_the_section_only_if_there_is_a_comparison() -> None:
    plain, beside = report_markdown(full_analysis()), report_markdown(full_analysis(), wide_beside())
    assert re.findall(r"^### (.*)$", plain, re.MULTILINE) == list(HEADINGS)
    assert "entralised exchanges above all, are not." in plain
    assert re.findall(r"^### (.*)$", beside, re.MULTILINE) == [*HEADINGS[:7], *BESIDE, *HEADINGS[7:]]
    assert "of positions on centralised exchanges there are estimates, in sections of their own." in beside
    assert "- **Exact**: the chain's figures." in beside
    assert "- **Estimated**: all figures of exchanges. They hide positions." in beside
    assert "- **Simulated**: the venues' data are a simulated sample, not what any market did." in beside
    assert "| one-sided | 1.02 (0.90 to 1.17) |" in beside
    assert "beside" not in report_html(full_analysis())


def test_only_what_is_known_has_a_section() -> None:
    headings = [section.heading for section in comparison_sections(Beside(compare(None, [venue("okx")])))]
    assert headings == list(BESIDE[:2])
    nothing = comparison_markdown(Beside(compare(None, [estimate_of([], coverage=(0.0, 0.0, 0.0))])))
    assert "- Nobody has a cluster within the window." in nothing
    assert "Simulated" not in nothing
    assert "- Incomplete: binance: no dollars within the window" in nothing


def test_the_numbers_of_the_page_are_those_of_the_comparison(tmp_path: Path) -> None:
    path = write_comparison_html(wide_beside(), tmp_path / "c.html")
    page = path.read_text(encoding="utf-8")
    assert page == comparison_html(wide_beside())
    text = " ".join(Tags(page).text)
    found = wide_comparison()[0]
    for grid in (
        party_grid(found, wide_comparison()[1]),
        level_grid(found),
        pair_grid(found),
        chain_grid(found),
    ):
        assert grid is not None
        for row in grid.rows:
            for cell in row:
                assert cell in text
    figures = json.loads(re.findall(r'id="figures">(.*?)</script>', page, re.DOTALL)[0])
    assert list(figures) == [f"figure-{name}" for name in FIGURES]
    addresses = [value for _, attributes in Tags(page).tags for value in attributes.values() if value]
    assert not any("//" in value for value in addresses)


def test_the_pictures_say_what_they_are() -> None:
    pictures = comparison_pictures(wide_beside())
    assert tuple(pictures) == FIGURES
    assert "Drawn through: exact, on chain. Dashed: estimated." in pictures["beside-curves"].caption
    assert pictures["estimate-1"].title == "bybit ETH/USDT:USDT"
    assert pictures["estimate-1"].caption.startswith(
        "ESTIMATE (simulated sample) of bybit ETH/USDT:USDT, source: bundled sample, simulated. Of $7.20B"
    )
    assert "middle prior, 120 moments from 2025-11-24 16:00 UTC" in pictures["heat-over-time-0"].caption


def test_hostile_names_are_only_text() -> None:
    beside, plain = wide_beside(HOSTILE), wide_beside()
    page = Tags(report_html(full_analysis(HOSTILE), beside=beside))
    kinds = {tag for tag, _ in page.tags}
    assert kinds == {tag for tag, _ in Tags(report_html(full_analysis(), beside=plain)).tags}
    assert "img" not in kinds
    for text in (comparison_markdown(beside), render_comparison(beside)):
        assert "\x1b" not in text
    bars = [line.count(" |") for line in comparison_markdown(plain).splitlines() if line.startswith("|")]
    assert [
        line.count(" |") for line in comparison_markdown(beside).splitlines() if line.startswith("|")
    ] == bars


def test_a_phase_that_is_not_known_is_said_to_be_so() -> None:
    known = wide_beside().phases[0]
    (row,) = phase_grid([replace(known, label=None, open_interest_usd=math.nan, funding_rate=np.nan)]).rows
    assert row[1:3] == ("unknown", "unknown")
    assert row[7] == "unknown"
    assert phase_grid([known]).rows[0][1:4] == ("washed out", "$210.00M", "-27.4%")


def test_without_plotly_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("defiliq.view.report_html.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="plotly"):
        comparison_html(wide_beside())


def test_a_first_one_at_one_price_has_no_end_per_spread() -> None:
    """The chain's longs all lie at one price, the venue's elsewhere; of shorts the chain has none."""
    ladder = ladder_of([(2500.0, 1e6, "long")], 3000.0)
    alone = estimate_of([(2000.0, "long", (1e6, 1e6, 1e6))], instrument=contract("okx"))
    (row,) = pair_grid(compare(build_heat([ladder], "ETH/USD"), [alone])).rows
    assert row[2:6] == (row[4], "none", row[4], "no end")


def test_the_terminal_says_what_its_tables_count() -> None:
    lines = comparison_lines(wide_beside(), width=80)
    whole = " ".join(lines)
    for words in (
        "Consensus: how many have",
        "Chain per $: exact",
        "$ per $: the first one's",
        "no forecast",
    ):
        assert words in whole
    assert max(map(len, lines)) <= 80
    empty = " ".join(comparison_lines(Beside(compare(None, [estimate_of([])]))))
    assert "Consensus: how many have" not in empty
