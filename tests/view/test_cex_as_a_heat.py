"""An estimate's heat in the chain's own views: called an estimate, and no account is made up for it."""

from __future__ import annotations

import math

import pytest

from defiliq.model.clusters import find_clusters
from defiliq.model.tables import cluster_table
from defiliq.view.figures import heatmap_figure, ladder_figure
from defiliq.view.heat_rows import heat_rows, market_lines, outside_words
from defiliq.view.heatmap_terminal import LONG_BAR, heatmap_lines
from defiliq.view.model import print_clusters
from defiliq.view.model_charts import draw_heatmap, draw_ladder
from tests.view.cex_stage import Sided, estimate_of, wide_estimate
from tests.view.drawn import texts
from tests.view.heat_stage import seeds_heat

LEVELS: list[Sided] = [
    (2500.0, "long", (4e6, 6e6, 8e6)),
    (3600.0, "short", (1e6, 2e6, 4e6)),
    (100.0, "long", (5e6, 5e6, 5e6)),
]


def test_the_terminal_shows_sizes_and_says_what_it_shows() -> None:
    heat = estimate_of(LEVELS).heat()
    lines = [line.plain.rstrip() for line in heatmap_lines(heat, find_clusters(heat))]
    assert lines[0] == "ETH/USD liquidation ESTIMATE heatmap, spot $3,000"
    assert lines[1] == "binance ETH/USDT:USDT, estimated, 2025-11-24 16:00 UTC"
    (heaviest,) = [line for line in lines if "$2,49" in line]
    assert LONG_BAR * 13 in heaviest
    assert heaviest.endswith("6.00M Heavy long liquidation zone")
    assert "Further below: $5.00M." in lines
    assert not any("account" in line for line in lines)


def test_pictures_and_figures_speak_of_no_accounts() -> None:
    heat = wide_estimate().heat()
    clusters = find_clusters(heat)
    for drawn in (draw_heatmap(heat, clusters), draw_ladder(heat)):
        words = "\n".join(text.get_text() for text in texts(drawn))
        assert "Liquidation ESTIMATE" in words
        assert "account" not in words
    bars = [trace for trace in heatmap_figure(heat, clusters)["data"] if trace["type"] == "bar"]
    assert all(len(trace["x"]) > 50 for trace in bars)
    rows = heat_rows(heat).rows
    told = math.fsum(row.long_usd for row in rows)
    inside = wide_estimate().middles_usd >= 1500
    assert told == pytest.approx(wide_estimate().long_usd[1, inside].sum())
    said = [text for trace in bars for text in trace["hovertext"]]
    said += [text for trace in ladder_figure(heat)["data"] for text in trace["text"]]
    assert not any("account" in text for text in said)
    assert any(text.startswith("$2,45") and " long " in text for text in said)


def test_a_table_of_clusters_leaves_accounts_out_and_the_chain_s_keeps_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for heat, has in ((wide_estimate().heat(), False), (seeds_heat(), True)):
        print_clusters(cluster_table(heat, find_clusters(heat)))
        assert ("accounts" in capsys.readouterr().out) == has


def test_the_chain_s_own_views_are_as_they_were() -> None:
    heat = seeds_heat()
    assert market_lines(heat.sources) == ["aave-v3 Ethereum, chain 1, block 23,872,000, 2025-11-24 16:00 UTC"]
    assert outside_words(heat, heat_rows(heat)) == []
    assert "ESTIMATE" not in "\n".join(line.plain for line in heatmap_lines(heat, find_clusters(heat)))
