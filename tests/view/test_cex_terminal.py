"""An estimate on a terminal: 80 columns, bands beside bars, never an account, always called what it is."""

from __future__ import annotations

import math

import pytest

from defiliq.cex.history import Instrument
from defiliq.cex.levels import Estimate
from defiliq.model.clusters import find_clusters
from defiliq.view.cex_terminal import MIDDLE, MOST, SURE, estimate_lines, print_estimate, render_estimate
from defiliq.view.heatmap_terminal import ROWS
from tests.view.cex_stage import Sided, estimate_of, wide_estimate

LEVELS: list[Sided] = [
    (3600.0, "short", (1e6, 2e6, 4e6)),
    (2500.0, "long", (4e6, 6e6, 8e6)),
    (2450.0, "long", (0.0, 0.0, 2e6)),
]


def test_an_estimate_as_a_picture() -> None:
    assert render_estimate(estimate_of(LEVELS)).splitlines()[:13] == [
        "ESTIMATE: liquidations of ETH, spot $3,000",
        "binance ETH/USDT:USDT, 2025-11-24 16:00 UTC, source: binance through ccxt 4.5.90",
        "Of $2.00B open interest it explains: longs 80% (70% to 90%), shorts 80% (70% to",
        "90%).",
        "Leverage priors: careful, usual, bold. Middle of the band: usual.",
        "",
        "       price long         short         low $  mid $ high $ score interpretation",
        "   $3,599.39              ██▓░░░           1M     2M     4M  0.67 Moderate short",
        "           ⋮ 19.7% without levels",
        "►     $3,000 ── current price ──────────────────────────── Empty within 5%",
        "           ⋮ 16.7% without levels",
        "   $2,499.82 ██████▓▓▓░░░                  4M     6M     8M  1.00 Heavy long",
        "           ⋮ 1.73% without levels",
    ]


@pytest.mark.parametrize("width", [80, 97, 120])
@pytest.mark.parametrize("estimate", [wide_estimate(), estimate_of(LEVELS), estimate_of([])])
def test_no_line_is_wider_than_the_terminal(estimate: Estimate, width: int) -> None:
    lines = estimate_lines(estimate, find_clusters(wide_estimate().heat()), width=width)
    assert max(line.cell_len for line in lines) <= width
    assert len(lines) <= ROWS + 24


def test_no_account_is_spoken_of_but_to_say_that_none_was_seen() -> None:
    text = render_estimate(wide_estimate(), find_clusters(wide_estimate().heat()))
    assert text.count("account") == 1
    assert "Venues hide positions: none of this is known, and no account was seen.\n" in text
    assert "ESTIMATE (simulated sample)" in text.splitlines()[0]


def test_bars_pale_where_priors_disagree() -> None:
    bars = {line[2:12].strip(): line[13:25] for line in render_estimate(estimate_of(LEVELS)).splitlines()}
    assert bars["$2,499.82"] == SURE * 6 + MIDDLE * 3 + MOST * 3
    only_largest = next(bar for price, bar in bars.items() if price.startswith("$2,45"))
    assert only_largest.strip() == MOST * 3
    tiny = estimate_of([*LEVELS, (2000.0, "long", (0.0, 0.0, 1.0))])
    (line,) = [line for line in render_estimate(tiny).splitlines() if "$2,001" in line or "$1,99" in line]
    assert line[13:25].strip() == MOST
    assert line.endswith("Other priors")


def test_numbers_are_those_of_the_rows_and_the_sums_of_all() -> None:
    text = render_estimate(wide_estimate())
    longs, shorts = wide_estimate().long_usd.sum(axis=1), wide_estimate().short_usd.sum(axis=1)
    assert f"In all: longs ${longs[1] / 1e6:.0f}M ({longs[0] / 1e6:.0f}M to {longs[2] / 1e6:.0f}M)" in text
    assert f"shorts ${shorts[1] / 1e6:.0f}M ({shorts[0] / 1e6:.0f}M to {shorts[2] / 1e6:.0f}M)." in text


def test_prices_fall_and_clusters_are_marked() -> None:
    lines = render_estimate(wide_estimate(), find_clusters(wide_estimate().heat())).splitlines()
    rows = [line for line in lines[6:] if line[2:12].strip().startswith("$")]
    prices = [float(line[2:12].strip().replace(",", "").removeprefix("$")) for line in rows]
    assert prices == sorted(prices, reverse=True)
    heaviest = next(line for line in rows if " 1.00 " in line)
    assert heaviest.startswith("◆")
    assert heaviest.endswith("Heavy long")


def test_what_lies_outside_what_is_missing_and_giants_are_said() -> None:
    small: list[Sided] = [(2000.0 + 100 * k, "long", (1e6,) * 3) for k in range(6)]
    told = estimate_of(
        [*small, (2800.0, "long", (1e6, 1e9, 2e9)), (100.0, "long", (1e6, 2e6, 3e6))],
        faults=("open interest is missing from 2025-11-01 to 2025-11-03.",),
    )
    text = render_estimate(told)
    assert "Further below: $2M (1M to 3M)." in text
    assert "Incomplete: open interest is missing from 2025-11-01 to 2025-11-03." in text
    (giant,) = [line for line in text.splitlines() if line[13:25].endswith("»")]
    assert giant[2:12].strip().startswith("$2,79")
    assert giant[13:25] == SURE * 11 + "»"


@pytest.mark.parametrize(
    "estimate", [estimate_of([]), estimate_of(LEVELS, math.nan), estimate_of([(10.0, "long", (1e6,) * 3)])]
)
def test_next_to_nothing(estimate: Estimate) -> None:
    lines = render_estimate(estimate).splitlines()
    assert "Nothing is estimated within this window." in lines
    assert any("current price" in line for line in lines)
    assert lines[-1] == "Not investment advice."


def test_one_prior_and_no_coverage() -> None:
    alone = estimate_of(
        [(2500.0, "long", (5e6,))], priors=("usual",), coverage=(0.0,), open_interest_usd=math.nan
    )
    text = render_estimate(alone)
    assert "Of unknown open interest it explains: longs 0%, shorts 0%." in text
    assert "One alone gives no band." in text
    (row,) = [line for line in text.splitlines() if "Heavy long" in line]
    assert SURE * 12 in row
    assert MIDDLE not in row


def test_names_are_only_text_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    odd = Instrument("[red]bin\x1b[31mance" + "x" * 90, "A/USDT:USDT\n" * 9, "A\x07" * 60, "USDT")
    print_estimate(estimate_of(LEVELS, instrument=odd, source="from\x1b[2J nowhere"))
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "[red]bin?[31mance" in said
    assert max(map(len, said.splitlines())) <= 80
