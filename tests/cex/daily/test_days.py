"""The bundled days: what they are, what is not in them, and how candles are made of closes."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from defiliq.cex.daily import DAY_S, WICKS, daily_assets, load_days
from defiliq.cex.daily.days import beyond
from defiliq.errors import InputError

ROOT = Path(__file__).parents[3]
FOLDER = files("defiliq.cex.daily")


@pytest.mark.parametrize("wicks", WICKS)
@pytest.mark.parametrize("asset", daily_assets())
def test_every_asset_is_whole(asset: str, wicks: str) -> None:
    days = load_days(asset, wicks)  # type: ignore[arg-type]
    history = days.history
    assert len(history) == len(days.long_liquidated) == len(days.short_liquidated) == 700
    assert (np.diff(history.at) == DAY_S).all()
    assert history.at[0] % DAY_S == 0
    assert history.close_usd[0] == 100
    assert history.open_interest[0] == 10_000
    for column in (history.close_usd, history.open_interest, history.volume_usd[1:]):
        assert (column > 0).all()
    for liquidated in (days.long_liquidated, days.short_liquidated):
        assert math.isnan(liquidated[0])
        assert (liquidated[1:] >= 0).all()
        assert (liquidated[1:] < history.open_interest[1:]).all()
    np.testing.assert_array_equal(history.open_usd[1:], history.close_usd[:-1])
    assert (history.low_usd <= np.minimum(history.open_usd, history.close_usd)).all()
    assert (history.high_usd >= np.maximum(history.open_usd, history.close_usd)).all()
    assert history.executed is None
    assert history.faults


def test_falls_liquidate_longs_and_rises_shorts() -> None:
    for asset in daily_assets():
        days = load_days(asset)
        change = np.log(days.history.close_usd / days.history.open_usd)[1:]
        longs = (days.long_liquidated / days.history.open_interest)[1:]
        shorts = (days.short_liquidated / days.history.open_interest)[1:]
        assert np.median(longs[change < -0.03]) > 1.5 * np.median(longs[change > 0.03])
        assert np.median(shorts[change > 0.03]) > 1.5 * np.median(shorts[change < -0.03])
        # And of the same day: those of the next day say much less.
        same = np.corrcoef(np.maximum(-change, 0)[:-1], longs[:-1])[0, 1]
        assert same > 1.5 * np.corrcoef(np.maximum(-change, 0)[:-1], longs[1:])[0, 1]


def test_a_median_wick_is_reached_by_half_of_all_random_walks() -> None:
    rng = np.random.default_rng(0)
    steps, walks, change, volatility = 2000, 2000, -0.02, 0.03
    free = np.cumsum(rng.standard_normal((walks, steps)) * volatility / math.sqrt(steps), axis=1)
    along = np.arange(1, steps + 1) / steps
    bridges = free - free[:, -1:] * along + change * along
    before = np.concatenate([[0.0], np.full(20, volatility), [change]])
    down, up = beyond(before, "median")
    assert np.mean(bridges.min(axis=1) <= -down[-1]) == pytest.approx(0.5, abs=0.04)
    assert np.mean(bridges.max(axis=1) >= up[-1]) == pytest.approx(0.5, abs=0.04)


def test_without_wicks_a_candle_goes_from_open_to_close() -> None:
    down, up = beyond(np.array([0.0, -0.1, 0.2]), "none")
    assert down.tolist() == pytest.approx([0, 0.1, 0])
    assert up.tolist() == pytest.approx([0, 0, 0.2])


def test_wicks_hang_on_days_before_alone() -> None:
    change = np.random.default_rng(1).standard_normal(60) * 0.03
    later = change.copy()
    later[40:] *= 5
    for one, other in zip(beyond(change, "median"), beyond(later, "median"), strict=True):
        np.testing.assert_array_equal(one[:40], other[:40])
    # The first two have none before them, and 20 are looked at.
    first, _ = beyond(np.array([0.0, 0.05, 0.0]), "median")
    assert first.tolist() == pytest.approx([0, 0, math.sqrt(math.log(2) / 2) * 0.05])


def test_what_is_not_bundled_is_refused() -> None:
    with pytest.raises(InputError, match="no real days of PEPE"):
        load_days("PEPE")
    with pytest.raises(InputError, match="none or median"):
        load_days("BTC", "long")  # type: ignore[arg-type]
    assert load_days(" btc ").history.instrument.symbol == "BTC/USDT:USDT"


def test_no_price_and_no_amount_is_bundled() -> None:
    about = json.loads(FOLDER.joinpath("about.json").read_bytes())
    assert set(about["columns"]) == {
        "return_bps",
        "open_interest_bps",
        "turnover_bps",
        "long_bps",
        "short_bps",
    }
    with FOLDER.joinpath("binance_2022_2023.csv").open("r", encoding="utf-8") as lines:
        head, *rows = csv.reader(lines)
    assert head == ["day", *(f"{asset}_{field}" for asset in about["assets"] for field in about["columns"])]
    assert len(rows) == 699
    digits = [value.lstrip("-0.").replace(".", "").rstrip("0") for row in rows for value in row[1:]]
    assert max(len(each.partition("e")[0]) for each in digits) <= 4
    size = sum(len(FOLDER.joinpath(name).read_bytes()) for name in ("about.json", "binance_2022_2023.csv"))
    assert size < 400_000


def made(folder: Path, days: list[str]) -> None:
    """The three files as they come, of thirteen assets."""
    names = [f"A{k}" for k in range(12)] + ["1000X"]
    columns = {
        "close_volume.csv": [("close", 100.0), ("volume", 5000.0)],
        "open_interest.csv": [("oi", 1000.0)],
        "liquidations.csv": [("longliq", 3.0), ("shortliq", 1.0)],
    }
    for file, kinds in columns.items():
        lines = [",".join(["t", *(f"{name}USDT_PERP.A_{kind}" for name in names for kind, _ in kinds)])]
        for k, day in enumerate(days):
            values = [f"{first * 1.1**k}" for _ in names for _, first in kinds]
            lines.append(",".join([day, *values]))
        (folder / file).write_text("\n".join(lines) + "\n")


def make_daily(folder: Path) -> subprocess.CompletedProcess[str]:
    script = "import runpy, sys; made = runpy.run_path('scripts/make_daily'); "
    script += "texts = made['build'](__import__('pathlib').Path(sys.argv[1])); "
    script += "print(texts['binance_2022_2023.csv'])"
    return subprocess.run(
        [sys.executable, "-c", script, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_maker_derives_by_hand(tmp_path: Path) -> None:
    made(tmp_path, ["2022-01-02", "2022-01-03"])
    done = make_daily(tmp_path)
    assert done.returncode == 0, done.stderr
    head, row = done.stdout.split()
    assert "1000X" not in head
    # ln 1.1 twice; 5000 * 1.1 coins over 1000 * 1.1; 3 and 1 over 1000.
    assert row == "2022-01-03" + 12 * ",953.1,953.1,50000,30,10"


def test_the_maker_refuses_gaps(tmp_path: Path) -> None:
    made(tmp_path, ["2022-01-02", "2022-01-04"])
    done = make_daily(tmp_path)
    assert done.returncode == 1
    assert "has a gap" in done.stderr
