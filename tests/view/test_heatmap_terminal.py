"""The heatmap on a terminal: 80 columns, readable without colour, true to the levels."""

from __future__ import annotations

import pytest
from rich.text import Text

from defiliq.model.clusters import find_clusters
from defiliq.model.heat import Heat, build_heat
from defiliq.view.heatmap_terminal import LONG_BAR, ROWS, SHORT_BAR, heatmap_lines, print_heatmap
from tests.view.heat_stage import SEED_LEVELS, Level, ladder_of, seeds_heat, wide_heat


def heat_of(levels: list[Level], spot: float = 3000.0, driver: str = "ETH/USD") -> Heat:
    return build_heat([ladder_of(levels, spot, driver)], driver)


def plain(heat: Heat, width: int = 80) -> list[str]:
    return [line.plain for line in heatmap_lines(heat, find_clusters(heat), width=width)]


def test_the_published_levels_as_a_picture() -> None:
    assert plain(seeds_heat())[:17] == [
        "BTC/USD liquidation heatmap, spot $57,000",
        "aave-v3 Ethereum, chain 1, block 23,872,000, 2025-11-24 16:00 UTC",
        "",
        "       price long          short              size interpretation",
        "►    $57,000 ── current price ──────────           Longs (current price area)",
        "           ⋮ 0.299% without levels",
        "│    $56,800 ██████                         16.00M Moderate long liquidation",
        "◆    $56,750 █████████                      22.31M Heavy long liquidation zone",
        "     $56,688                                       ",
        "◆    $56,620 ███████                        19.22M Heavy long liquidation zone",
        "     $56,574                                       ",
        "◆    $56,490 █████████████                  34.04M Heavy long liquidation zone",
        "     $56,461                                       ",
        "     $56,405                                       ",
        "◆    $56,360 █████████                      23.24M Heavy long liquidation zone",
        "     $56,292                                       ",
        "◆    $56,230 ███████                        19.52M Heavy long liquidation zone",
    ]


@pytest.mark.parametrize("width", [60, 80, 97, 120])
@pytest.mark.parametrize("heat", [seeds_heat(), wide_heat(), wide_heat(40, 5)])
def test_no_line_is_wider_than_the_terminal(heat: Heat, width: int) -> None:
    lines = heatmap_lines(heat, find_clusters(heat), width=width)
    assert max(line.cell_len for line in lines) <= width
    assert max(line.cell_len for line in lines) >= width - 5
    assert not any("…" in line.plain for line in lines)


def test_on_a_narrow_terminal_words_are_short_and_none_are_cut() -> None:
    lines = plain(seeds_heat(), 60)
    assert lines[1:3] == ["aave-v3 Ethereum, chain 1, block 23,872,000, 2025-11-24", "16:00 UTC"]
    assert "►    $57,000 ── current price ────           Longs" in lines
    assert "│    $56,800 █████                    16.00M Moderate long" in lines
    assert lines[-5:-1] == [
        *("A full bar is $34.04M within 0.1% of price; » is beyond", "that."),
        *("◆ the heaviest level of a cluster, │ its reach (6 clusters", "in all)."),
    ]


@pytest.mark.parametrize("spot", [1.2e-8, 8.5e-5, 3.4e7])
def test_prices_of_any_length_stand_in_their_column(spot: float) -> None:
    levels: list[Level] = [(spot * (0.7 + 0.0123 * k), 1e6, "long") for k in range(20)]
    lines = plain(heat_of(levels, spot, "ODD/USD"))
    first = next(k for k, line in enumerate(lines) if "interpretation" in line)
    ends, bars = lines[first].index("price") + len("price"), lines[first].index("long")
    rows = [line for line in lines[first + 1 : lines.index("", first)] if "⋮" not in line]
    assert len(rows) > 20
    for row in rows:
        assert row[1] == row[ends] == " "
        assert row[ends - 1].isdigit()
        assert row[bars] in "█─ "
        assert row.endswith((" zone", " area)", "  "))


def test_a_wide_range_is_folded_and_fits_a_screen() -> None:
    lines = plain(wide_heat())
    assert len(lines) <= ROWS + 14
    levels = [line for line in lines if line[2:12].strip().startswith("$")]
    assert len(levels) > 15
    far = plain(heat_of([(1600.0, 1e6, "long"), (2950.0, 1e6, "long"), (4000.0, 1e6, "short")]))
    assert [line.strip() for line in far if "⋮" in line] == [
        "⋮ 33.3% without levels",
        "⋮ 1.49% without levels",
        "⋮ 45.6% without levels",
    ]


def test_prices_fall_down_the_lines_with_spot_where_it_belongs() -> None:
    lines = [line for line in plain(wide_heat()) if line[2:12].strip().startswith("$")]
    prices = [float(line[2:12].strip().replace(",", "").removeprefix("$")) for line in lines]
    assert prices == sorted(prices, reverse=True)
    (spot,) = [line for line in lines if line.startswith("►")]
    assert "current price" in spot
    assert spot.endswith("(current price area)")
    above, below = lines[: lines.index(spot)], lines[lines.index(spot) + 1 :]
    assert all(
        SHORT_BAR in line and LONG_BAR not in line for line in above if line.split()[-1] == "liquidation"
    )
    assert all(
        LONG_BAR in line and SHORT_BAR not in line for line in below if line.split()[-1] == "liquidation"
    )


def test_bars_are_as_long_as_their_dollars_and_the_smallest_shows() -> None:
    levels: list[Level] = [(2000.0, 13e6, "long"), (2500.0, 1.0, "long"), (4000.0, 6.5e6, "short")]
    bars = {line[2:12].strip(): line[13:40] for line in plain(heat_of(levels)) if "liquidation" in line[50:]}
    assert bars["$2,000"].count(LONG_BAR) == 13
    assert bars["$2,500"].count(LONG_BAR) == 1
    assert bars["$4,000"].strip() in (SHORT_BAR * 6, SHORT_BAR * 7)
    assert bars["$4,000"].startswith(" " * 14)


def test_a_giant_is_cut_and_said() -> None:
    levels: list[Level] = [(2000.0 + 100 * k, 1e6, "long") for k in range(6)]
    lines = plain(heat_of([*levels, (2800.0, 1e9, "long")]))
    (giant,) = [line for line in lines if "$2,800" in line]
    assert f"{LONG_BAR * 12}»" in giant
    assert giant.endswith("1.00B Heavy long liquidation zone")
    assert any("A full bar is $1.00M within 0.25% of price; » is beyond that." in line for line in lines)


def test_a_row_of_both_sides_has_both_bars() -> None:
    both: list[Level] = [(2490.0, 1e6, "long"), (2490.5, 1e6, "short")]
    (line,) = [line for line in plain(heat_of(both)) if "Balanced" in line and "current" not in line]
    assert LONG_BAR in line[13:26]
    assert SHORT_BAR in line[27:40]
    assert "2.00M" in line


@pytest.mark.parametrize("levels", [[], [(2000.0, 1e6, "long")], [(1000.0, 1e6, "long")]])
def test_next_to_nothing(levels: list[Level]) -> None:
    heat = heat_of(levels) if levels else build_heat([], "ETH/USD")
    lines = plain(heat)
    assert any("current price" in line for line in lines)
    assert any("No level lies in this window." in line for line in lines) != (
        levels == [(2000.0, 1e6, "long")]
    )
    assert lines[-1] == "Not investment advice."


def test_what_has_no_bar_is_said() -> None:
    told = [(2000.0, 1e6, "long"), (2100.0, float("nan"), "long"), (100.0, 5e6, "long")]
    ladder = ladder_of(told, 3000.0, already=[(2e6, "long"), (1e3, "short")])
    lines = plain(build_heat([ladder], "ETH/USD"))
    assert "Further below: 1 account, $5.00M." in lines
    assert "Liquidatable already: 2 accounts, long 2.00M, short 1.00k." in lines
    assert "Of unknown size: 1 level." in lines
    (unknown,) = [line for line in lines if "$2,1" in line]
    assert unknown.split()[-1] == "unknown"


def test_names_from_a_chain_are_only_text(capsys: pytest.CaptureFixture[str]) -> None:
    driver = "[red]\x1b[31mEVIL\n</script>/USD"
    heat = build_heat(
        [ladder_of([(2000.0, 1.0, "long")], 3000.0, driver, market="[link=http://x]M\x07")], driver
    )
    print_heatmap(heat, find_clusters(heat))
    said = capsys.readouterr().out
    assert "[red]?[31mEVIL?</script>/USD liquidation heatmap" in said
    assert "[link=http://x]M?" in said
    assert "\x1b" not in said
    assert "\x07" not in said


def test_colour_only_adds_to_what_is_there() -> None:
    lines = heatmap_lines(wide_heat(), ())
    styles = {str(span.style) for line in lines if isinstance(line, Text) for span in line.spans}
    assert {"blue", "red"} <= styles


def test_all_published_levels_are_there() -> None:
    text = "\n".join(plain(seeds_heat()))
    for price, size in SEED_LEVELS:
        assert f"${price:,.0f}" in text
        assert f"{size / 1e6:.2f}M" in text
