"""`compare`, and the report's part on exchanges: the bundled sample beside a book with real parameters."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from defiliq.cex.compare import Comparison
from defiliq.cex.compare import compare as comparison_of
from defiliq.cex.compare_tables import axis_table, level_table, pair_table
from defiliq.cex.history import VenueData
from defiliq.cex.levels import Estimate
from defiliq.ladder import LADDER_COLUMNS
from defiliq.model import build_heat
from defiliq.pipeline.cex_files import load_sample, save_venues
from defiliq.pipeline.exchanges import chosen, estimates
from defiliq.pipeline.judge import ladder
from defiliq.pipeline.snapshot import save_snapshot
from defiliq.view.files import render_csv, write_table
from tests.cex.stub import moved
from tests.cli.conftest import Run
from tests.cli.test_cex import SIMULATED, VENUES, refused
from tests.sensitivity.population import aave_book

PRICES = ("open_usd", "high_usd", "low_usd", "close_usd")
TABLES = {"levels": level_table, "pairs": pair_table, "axis": axis_table}


@cache
def rungs(driver: str = "BTC/USD") -> pd.DataFrame:
    """Accounts of six kinds under the real parameters of Aave's largest market."""
    return ladder(aave_book(300), driver)


@cache
def sampled(asset: str = "BTC", venues: tuple[str, ...] = VENUES) -> list[Estimate]:
    found = chosen(asset, load_sample(asset), venues, "linear", "the sample")
    return estimates(found.data)[0]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One market as a snapshot and as a ladder, and exchanges at another time and at another price."""
    folder = tmp_path_factory.mktemp("compare")
    return {
        "snapshot": save_snapshot(aave_book(300), folder / "market.parquet"),
        "ladder": write_table(rungs()[list(LADDER_COLUMNS)], folder / "ladder.csv"),
        "ether": write_table(rungs("ETH/USD")[list(LADDER_COLUMNS)], folder / "ether.csv"),
        "later": save_venues(elsewhere(days=30), folder / "later.parquet", source="a test", made_at=0),
        "dear": save_venues(elsewhere(times=1.1), folder / "dear.parquet", source="a test", made_at=0),
    }


def elsewhere(*, days: int = 0, times: float = 1.0) -> list[VenueData]:
    """OKX's contract of the sample, at another time and at other prices."""
    (one,) = (one for one in load_sample("BTC") if one.history.instrument.venue == "okx")
    late = moved(one, one.history.until_at + days * 86_400)
    history = late.history
    prices = {name: getattr(history, name) * times for name in PRICES}
    return [VenueData(replace(history, **prices), None)]


@cache
def by_hand(
    asset: str = "BTC", *, with_chain: bool = True, venues: tuple[str, ...] = VENUES, **options: Any
) -> Comparison:
    """What the commands must come to."""
    driver = f"{asset}/USD"
    return comparison_of(
        build_heat([rungs(driver)], driver) if with_chain else None, sampled(asset, venues), **options
    )


@pytest.mark.parametrize(
    ("kind", "rows"), [("snapshot", "levels"), ("ladder", "levels"), ("ladder", "pairs"), ("ladder", "axis")]
)
def test_the_chain_beside_the_sample(run: Run, files: dict[str, Path], kind: str, rows: str) -> None:
    code, out, err = run("compare", "BTC", "--from", files[kind], "--sample", "--rows", rows)
    assert (code, out) == (0, render_csv(TABLES[rows](by_hand())))
    assert SIMULATED in err
    assert "aave-v3 AaveV3Ethereum 3.6 on ethereum (1)" in err


OPTIONS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "by distance": (("--by", "distance"), {"by": "distance"}),
    "top": (("--top", "2"), {"k": 2}),
    "tolerance": (("--tolerance", "3%"), {"tolerance_pct": 3.0}),
    "within": (("--within", "10"), {"within_pct": 10.0}),
    "min share": (("--min-share", "20"), {"min_share_pct": 20.0}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_does_what_the_model_does_with_it(run: Run, files: dict[str, Path], name: str) -> None:
    words, options = OPTIONS[name]
    code, out, _ = run("compare", "BTC", "--from", files["ladder"], "--venue", "okx", *words)
    expected = by_hand(venues=("okx",), **options)
    assert (code, out) == (3 if expected.faults else 0, render_csv(level_table(expected)))
    assert out != render_csv(level_table(by_hand(venues=("okx",))))


def test_the_step_of_the_axis(run: Run, files: dict[str, Path]) -> None:
    words = ("compare", "BTC", "--from", files["ladder"], "--rows", "axis", "--venue", "okx")
    fine, coarse = (pd.read_csv(io.StringIO(run(*words, "--bin", step)[1])) for step in ("0.25%", "1%"))
    assert len(coarse) < len(fine)


def test_exchanges_alone(run: Run) -> None:
    code, out, err = run("compare", "BTC")
    assert (code, out) == (0, render_csv(level_table(by_hand(with_chain=False))))
    assert err.startswith("No market is named, so the exchanges stand alone")
    assert SIMULATED in err
    code, out, err = run("compare", "BTC", "--venue", "okx", "--rows", "pairs", "-q")
    assert (code, err) == (0, SIMULATED)
    assert len(out.splitlines()) == 1, "one exchange has nobody to be compared with"


def test_spots_too_far_apart_have_no_common_axis_of_prices(run: Run, files: dict[str, Path]) -> None:
    words = ("compare", "BTC", "--from", files["ladder"], "--venue-file", files["dear"], "--venue", "okx")
    assert re.search(r"9[0-9,.]+.* apart", refused(run, *words))
    code, out, _ = run(*words, "--by", "distance")
    made, _ = estimates(elsewhere(times=1.1))
    expected = comparison_of(build_heat([rungs()], "BTC/USD"), made, by="distance")
    assert (code, out) == (0, render_csv(level_table(expected)))


def test_times_far_apart_are_told(run: Run, files: dict[str, Path]) -> None:
    words = ("compare", "BTC", "--from", files["ladder"], "--venue-file", files["later"], "--venue", "okx")
    code, out, err = run(*words)
    made, _ = estimates(elsewhere(days=30))
    expected = comparison_of(build_heat([rungs()], "BTC/USD"), made)
    assert (code, out) == (3, render_csv(level_table(expected)))
    assert [line for line in err.splitlines() if line.startswith("Warning: ")] == [
        f"Warning: INCOMPLETE: {fault}" for fault in expected.faults
    ]


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_rows_in_files(run: Run, files: dict[str, Path], tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"levels.{suffix}"
    code, out, err = run("compare", "BTC", "--from", files["ladder"], "--venue", "okx", "-o", target)
    assert (code, out) == (0, "")
    expected = level_table(by_hand(venues=("okx",)))
    assert f"Wrote {len(expected)} rows to {target}" in err
    if suffix == "csv":
        assert target.read_text() == render_csv(expected)
    elif suffix == "json":
        assert len(json.loads(target.read_text())) == len(expected)
    else:
        np.testing.assert_array_equal(pd.read_parquet(target)["price_usd"], expected["price_usd"])


@pytest.mark.parametrize("words", [("--from", "ladder"), ()])
def test_pages_and_pictures(run: Run, files: dict[str, Path], tmp_path: Path, words: tuple[str, ...]) -> None:
    """With a ladder, and of the exchanges alone."""
    given = [files.get(word, word) for word in words]
    for suffix in ("md", "html", "png", "svg"):
        target = tmp_path / f"beside.{suffix}"
        code, out, err = run("compare", "BTC", *given, "--venue", "okx", "-o", target)
        assert (code, out) == (0, ""), err
        assert f"Wrote {target}" in err
    text = (tmp_path / "beside.md").read_text()
    page = (tmp_path / "beside.html").read_text()
    for written in (text, page):
        assert "simulated" in written
        assert "okx" in written
        assert ("AaveV3Ethereum" in written) == bool(given)
    assert min(matplotlib.image.imread(tmp_path / "beside.png").shape[:2]) > 300
    assert ElementTree.parse(tmp_path / "beside.svg").getroot().tag.endswith("svg")


def test_the_screen(run: Run, files: dict[str, Path]) -> None:
    code, out, _ = run("compare", "BTC", "--from", files["ladder"], "--venue", "okx", "--format", "table")
    assert code == 0
    assert "AaveV3Ethereum" in out
    assert "simulated" in out


def test_an_exchange_that_is_missing_from_a_file(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    two = [one for one in load_sample("BTC") if one.history.instrument.venue != "okx"]
    kept = save_venues(two, tmp_path / "kept.parquet", source="a test", made_at=0)
    code, out, err = run("compare", "BTC", "--venue-file", kept)
    assert code == 3
    assert err.endswith("Warning: INCOMPLETE: without okx: no such contract of it is in kept.parquet.\n")
    assert "binance" in out
    assert "okx" not in out
    code, again, err = run("compare", "BTC", "--sample", "--venue", "binance", "--venue", "bybit")
    assert (code, again) == (0, out)


def test_faults_of_the_data_are_told_once(run: Run, tmp_path: Path) -> None:
    def faulty(one: VenueData) -> VenueData:
        return replace(one, history=replace(one.history, faults=("3 candles are missing.",)))

    kept = save_venues(
        [faulty(one) for one in load_sample("BTC")], tmp_path / "kept.parquet", source="a test", made_at=0
    )
    code, _, err = run("compare", "BTC", "--venue-file", kept, "-q")
    assert code == 3
    told = "Warning: INCOMPLETE: {} BTC/USDT:USDT: 3 candles are missing."
    assert err.splitlines() == [told.format(venue) for venue in VENUES]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("DOGE",), "the bundled sample holds BTC and ETH, no DOGE."),
        (("BTC", "--tolerance", "wide"), "'--tolerance': 'wide' is no width"),
        (("BTC", "--top", "0"), "0 is not in the range"),
        (("BTC", "--prior", "greedy"), "there is no leverage prior"),
        (("BTC", "--span", "3d"), "--span does nothing without --live."),
        (("BTC", "--from", "none.parquet"), "none.parquet"),
        (("BTC", "--venue-file", "none.parquet"), "none.parquet: there is no such file"),
        (("BTC", "--sample", "--venue-file", "x"), "Data come from --live, from --sample or from a file"),
        (("BTC", "-o", "beside.pdf"), "has an unknown format"),
        (("BTC", "--min-impact", "1"), "No such option"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(run: Run, words: tuple[str, ...], said: str) -> None:
    assert said in refused(run, "compare", *words)


def test_a_ladder_of_another_asset(run: Run, files: dict[str, Path]) -> None:
    assert "ETH/USD" in refused(run, "compare", "BTC", "--from", files["ether"])


@pytest.mark.parametrize("suffix", ["md", "html"])
def test_a_report_has_a_part_on_exchanges(
    run: Run, files: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    words = ("report", "--from", files["ladder"], "--driver", "BTC/USD", "-o")
    without, beside = (tmp_path / f"{name}.{suffix}" for name in ("without", "beside"))
    assert run(*words, without)[0] == 0
    code, _, err = run(*words, beside, "--sample", "--prior", "mid", "--venue", "okx")
    assert code == 0
    assert SIMULATED in err
    plain, whole = without.read_text(), beside.read_text()
    for word in ("okx", "simulated"):
        assert word in whole.casefold()
        assert word not in plain.casefold() or suffix == "html"


def test_a_report_at_another_price_sets_them_beside_by_distance(
    run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    target = tmp_path / "beside.md"
    words = ("report", "--from", files["ladder"], "--driver", "BTC/USD", "-o", target)
    code, _, err = run(*words, "--venue-file", files["dear"], "--venue", "okx")
    assert code == 0
    assert "exchanges are set beside the chain by distance from spot." in err
    assert "okx" in target.read_text()
    code, _, err = run(*words, "--venue-file", files["later"], "--venue", "okx")
    assert code == 3
    assert "days" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--prior", "mid"), "--prior does nothing without --live, --sample or --venue-file."),
        (("--venue", "okx"), "--venue does nothing without --live, --sample or --venue-file."),
        (("--sample", "--span", "3d"), "--span does nothing without --live."),
        (("--sample", "--venue-file", "x"), "Data come from --live, from --sample or from a file"),
    ],
)
def test_a_report_refuses_options_that_nothing_reads(
    run: Run, files: dict[str, Path], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    target = tmp_path / "r.md"
    assert said in refused(run, "report", "--from", files["ladder"], "-o", target, *words)
    assert not target.exists()


@pytest.mark.parametrize(
    ("rows", "column", "expected"),
    [
        ("phases", "name", ["okx BTC/USDT:USDT"]),
        ("venues", "venue", ["okx", "dydx"]),
        ("signals", "side", ["long", "long", "short"]),
    ],
)
def test_what_stands_beside_levels_is_data_too(run: Run, rows: str, column: str, expected: list[str]) -> None:
    code, out, _ = run("compare", "BTC", "--venue", "okx", "--rows", rows, "-q")
    assert code == 0
    assert pd.read_csv(io.StringIO(out))[column].tolist() == expected
