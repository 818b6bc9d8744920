"""`cex` on the bundled sample: what is printed, what is written, and that every option changes something."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib.image
import pandas as pd
import pytest

from defiliq.cex.levels import ESTIMATE_COLUMNS
from defiliq.cex.priors import LOW, MID, PRIORS, parse_prior
from defiliq.cex.tiers import Tier, load_tiers
from defiliq.cex.walk import EstimateSettings
from defiliq.pipeline.cex_files import load_sample, save_venues
from defiliq.pipeline.cex_tiers import tiers_as_json
from defiliq.pipeline.exchanges import Assumptions, chosen, estimates
from defiliq.view.files import render_csv
from tests.cli.conftest import Run

VENUES = ("binance", "bybit", "okx")
SIMULATED = "Warning: the bundled sample is simulated, not real. Ask the exchanges with --live.\n"


def expected(
    asset: str = "BTC", venues: tuple[str, ...] = VENUES, contracts: Any = "linear", **assumed: Any
) -> str:
    """What the pipeline makes of the sample."""
    return _plain(asset, venues, contracts) if not assumed else _made(asset, venues, contracts, **assumed)


def _made(asset: str, venues: Sequence[str], contracts: Any, **assumed: Any) -> str:
    found = chosen(asset, load_sample(asset), venues, contracts, "the sample")
    made, _ = estimates(found.data, Assumptions(**assumed))
    return render_csv(pd.concat([one.table() for one in made], ignore_index=True))


_plain = cache(_made)


def rows(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def refused(run: Run, *words: str | Path) -> str:
    """What is said of words that cannot be used, in the last line; no data, and no traceback."""
    code, out, err = run(*words)
    assert (code, out) == (2, ""), (words, code, err)
    assert "Traceback" not in err
    last = err.rstrip("\n").splitlines()[-1]
    assert last.startswith("Error: ")
    return last


def test_data_go_to_stdout_and_talk_to_stderr(run: Run) -> None:
    code, out, err = run("cex", "BTC")
    assert (code, out, err) == (0, expected(), SIMULATED)
    assert tuple(rows(out).columns) == ESTIMATE_COLUMNS
    assert set(rows(out)["source"]) == {"bundled sample, simulated: no real data of any venue"}
    assert run("cex", "levels", "btc", "--sample", "-q") == (0, out, SIMULATED)
    assert run("cex", "ETH")[1] == expected("ETH")


def test_every_format_holds_the_same_rows(run: Run, tmp_path: Path) -> None:
    _, out, _ = run("cex", "BTC", "--venue", "okx")
    table = rows(out)
    code, shown, _ = run("cex", "BTC", "--venue", "okx", "--format", "json")
    assert code == 0
    pd.testing.assert_frame_equal(pd.DataFrame(json.loads(shown)), table, check_dtype=False)
    for suffix in ("csv", "json", "parquet", "md"):
        target = tmp_path / f"rows.{suffix}"
        code, shown, err = run("cex", "BTC", "--venue", "okx", "-o", target)
        assert (code, shown) == (0, "")
        assert f"Wrote {len(table)} rows to {target}" in err
        if suffix == "csv":
            assert target.read_text() == out
        elif suffix == "md":
            assert target.read_text().count("\n") == 2 + len(table)
        else:
            read = (
                pd.read_parquet(target)
                if suffix == "parquet"
                else pd.DataFrame(json.loads(target.read_text()))
            )
            pd.testing.assert_frame_equal(read, table, check_dtype=False)


@pytest.mark.parametrize("words", [("--venue", "okx"), ("--venue", "binance", "--over-time")])
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_pictures(run: Run, tmp_path: Path, words: tuple[str, ...], suffix: str) -> None:
    target = tmp_path / f"picture.{suffix}"
    code, out, err = run("cex", "BTC", "-o", target, *words)
    assert (code, out) == (0, "")
    assert f"Wrote {target}" in err
    if suffix == "png":
        assert min(matplotlib.image.imread(target).shape[:2]) > 300
    else:
        assert ElementTree.parse(target).getroot().tag.endswith("svg")
        text = target.read_text(encoding="utf-8")
        assert "simulated" in text
        assert "BTC" in text


def test_the_screen_shows_levels_and_what_speaks_for_them(run: Run, tmp_path: Path) -> None:
    code, out, err = run("cex", "BTC", "--format", "table")
    assert (code, err) == (0, SIMULATED)
    assert "ESTIMATE (simulated sample): liquidations of BTC" in out
    assert "what else speaks for levels" in out
    assert "none of this is known" in out
    near = run("cex", "BTC", "--format", "table", "--within", "10", "--venue", "okx")[1]
    far_pct, near_pct = (_furthest_pct(text) for text in (out, near))
    assert 8 < near_pct < 11
    assert 40 < far_pct < 52
    few = run("cex", "BTC", "--format", "table", "--min-share", "10", "--venue", "okx")[1]
    assert few.count("◆") < out.count("◆")
    target = tmp_path / "rows.csv"
    code, shown, _ = run("cex", "BTC", "--format", "table", "--venue", "okx", "-o", target)
    assert code == 0
    assert "current price" in shown
    assert target.read_text() == expected(venues=("okx",))


def _furthest_pct(text: str) -> float:
    """How far from spot the levels on a screen reach."""
    prices = [float(found.replace(",", "")) for found in re.findall(r"(?m)^. +\$([0-9,]+) ", text)]
    spot = float(re.findall(r"spot \$([0-9,]+)", text)[0].replace(",", ""))
    return max(abs(price / spot - 1) * 100 for price in prices)


ASSUMED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "one prior": (("--prior", "low"), {"priors": (LOW,)}),
    "two priors": (("--prior", "mid", "--prior", "low"), {"priors": (MID, LOW)}),
    "an own prior": (
        ("--prior", "5:20%,10:50%,25:30%"),
        {"priors": (parse_prior("5:0.2,10:0.5,25:0.3"),)},
    ),
    "position": (
        ("--position-usd", "5000000"),
        {"priors": tuple(replace(prior, position_usd=5_000_000.0) for prior in PRIORS)},
    ),
    "no aging": (("--half-life", "off"), {"settings": EstimateSettings(half_life_s=float("inf"))}),
    "slow aging": (("--half-life", "5d"), {"settings": EstimateSettings(half_life_s=432_000)}),
    "no churn": (("--churn", "0"), {"settings": EstimateSettings(churn=0.0)}),
    "simple": (("--margin", "simple"), {"mode": "simple"}),
    "cross": (("--margin", "cross", "--wallet", "3"), {"mode": "cross", "wallet_multiple": 3.0}),
    "more wallet": (("--margin", "cross", "--wallet", "5"), {"mode": "cross", "wallet_multiple": 5.0}),
    "two venues": (("--venue", "bybit"), {"venues": ("bybit", "okx")}),
    "all venues": (("--venue", "all"), {"venues": VENUES}),
}


@pytest.mark.parametrize("name", ASSUMED)
def test_every_option_does_what_the_pipeline_does_with_it(run: Run, name: str) -> None:
    words, assumed = ASSUMED[name]
    code, out, err = run("cex", "BTC", "--venue", "okx", *words)
    assert (code, out, err) == (0, expected(**({"venues": ("okx",)} | assumed)), SIMULATED)
    assert out != expected(venues=("okx",))


def test_futures_that_end(run: Run) -> None:
    """Only one exchange of the sample has one, and of nobody's tiers are such known: both is told."""
    code, out, err = run("cex", "BTC", "--contracts", "quarterly")
    assert (code, out) == (3, expected(venues=("binance",), contracts="quarterly"))
    assert set(rows(out)["symbol"]) == {"BTC/USDT:USDT-251226"}
    assert "INCOMPLETE: without okx: no such contract of it is in the bundled sample." in err
    assert "those of the perpetual stand in for them" in err
    code, out, _ = run("cex", "BTC", "--contracts", "all", "--venue", "binance")
    assert (code, out) == (3, expected(venues=("binance",), contracts="all"))
    assert len(set(rows(out)["symbol"])) == 2
    said = refused(run, "cex", "BTC", "--contracts", "inverse")
    assert said.startswith("Error: there is no inverse contract of BTC of binance, bybit, okx in the bundled")


def test_tiers_of_the_users_own(run: Run, tmp_path: Path) -> None:
    """1% at every size, and up to 125x."""
    bundled = load_tiers("okx", "BTC")
    strict = replace(bundled, tiers=(Tier(Fraction(0), None, Fraction(1, 100), Fraction(125), Fraction(0)),))
    path = tmp_path / "tiers.json"
    path.write_text(json.dumps(tiers_as_json([strict])[0]))
    code, out, err = run("cex", "BTC", "--tiers", path, "--venue", "okx")
    assert (code, err) == (0, SIMULATED)
    assert out == expected(venues=("okx",), tiers={("okx", "BTC/USDT:USDT"): strict})
    assert out != expected(venues=("okx",))
    code, out, err = run("cex", "BTC", "--tiers", path, "--venue", "binance")
    assert (code, out) == (0, expected(venues=("binance",)))
    assert f"{path} changes nothing: it has tiers of okx BTC/USDT:USDT." in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("DOGE",), "the bundled sample holds BTC and ETH, no DOGE."),
        (("BTC", "--prior", "greedy"), "there is no leverage prior 'greedy'"),
        (("BTC", "--prior", "5:20%"), "come to 0.2, not to 1"),
        (("BTC", "--prior", "5:x"), "is no leverage with its share"),
        (("BTC", "--half-life", "long"), "'long' is no time"),
        (("BTC", "--churn", "1.5"), "1.5 is not in the range"),
        (("BTC", "--position-usd", "0"), "0.0 is not in the range"),
        (("BTC", "--margin", "cross"), "--margin cross needs --wallet"),
        (("BTC", "--wallet", "2"), "--wallet does nothing without --margin cross."),
        (("BTC", "--wallet", "0.5", "--margin", "cross"), "0.5 is not in the range"),
        (("BTC", "--span", "7d"), "--span does nothing without --live."),
        (("BTC", "--candles", "1h"), "--candles does nothing without --live."),
        (("BTC", "--no-cache"), "--no-cache does nothing without --live."),
        (("BTC", "--save", "x.parquet"), "--save does nothing without --live."),
        (("BTC", "--over-time"), "--over-time does nothing without -o FILE.png."),
        (("BTC", "--by-side", "-o", "way.png"), "--by-side does nothing without --over-time."),
        (("BTC", "--sample", "--live"), "Data come from --live, from --sample or from a file: choose one."),
        (("BTC", "--sample", "--from", "x"), "Data come from --live, from --sample or from a file"),
        (("BTC", "-o", "rows.xlsx"), "has an unknown format"),
        (("BTC", "-o", "no/such/folder/rows.csv"), "the folder of"),
        (("BTC", "--venue", "mtgox"), "'mtgox' is not one of"),
        (("BTC", "--min-impact", "1"), "No such option"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(run: Run, words: tuple[str, ...], said: str) -> None:
    assert said in refused(run, "cex", *words)


def test_by_side_has_other_colours(run: Run, tmp_path: Path) -> None:
    words = ("cex", "BTC", "--venue", "okx", "--over-time")
    for name, more in (("plain.png", ()), ("sides.png", ("--by-side",))):
        assert run(*words, *more, "-o", tmp_path / name)[0] == 0
    plain, sides = (matplotlib.image.imread(tmp_path / name)[..., :3] for name in ("plain.png", "sides.png"))
    blues = [((picture[..., 2] - picture[..., 0]) > 0.4).mean() for picture in (plain, sides)]
    assert blues[1] > 5 * blues[0]


def test_over_time_is_of_one_contract(run: Run, tmp_path: Path) -> None:
    said = refused(run, "cex", "BTC", "--over-time", "-o", tmp_path / "way.png")
    assert "--over-time shows one contract" in said
    assert not (tmp_path / "way.png").exists()


def test_files_that_are_none(run: Run, tmp_path: Path, snapshot: Path) -> None:
    text = tmp_path / "text.parquet"
    text.write_text("a,b\n1,2\n")
    assert "there is no such file" in refused(run, "cex", "BTC", "--from", tmp_path / "none.parquet")
    assert "text.parquet" in refused(run, "cex", "BTC", "--from", text)
    assert "it holds no data of venues" in refused(run, "cex", "BTC", "--from", snapshot)
    tiers = tmp_path / "tiers.json"
    assert "tiers.json" in refused(run, "cex", "BTC", "--tiers", tiers)
    tiers.write_text("{}")
    assert "it is no object with `tables`" in refused(run, "cex", "BTC", "--tiers", tiers)


def test_a_file_of_another_asset(run: Run, tmp_path: Path) -> None:
    kept = save_venues(load_sample("ETH"), tmp_path / "kept.parquet", source="a test", made_at=0)
    assert (
        refused(run, "cex", "BTC", "--from", kept) == "Error: there is no BTC in kept.parquet. There is: ETH."
    )
    code, out, err = run("cex", "ETH", "--from", kept)
    assert (code, out, err) == (0, expected("ETH"), "")
