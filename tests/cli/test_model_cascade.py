"""`cascade` and `clusters --contagion` from snapshots and ladder files, as data, as pictures and in words."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import pandas as pd
import pytest
from rich.text import Text

from defiliq.depth.files import save_pools
from defiliq.depth.venue import Depth
from defiliq.ladder import identity
from defiliq.model.cascade import ROUND_COLUMNS, SWEEP_COLUMNS, OracleRule
from defiliq.model.tables import CONTAGION_COLUMNS
from defiliq.pipeline.cascade import cascade, sweep
from defiliq.pipeline.depths import load_depth, read_law
from defiliq.pipeline.judge import ladder
from defiliq.view.files import render_csv
from tests.cli.conftest import Run
from tests.cli.model_stage import (
    CURVE,
    ETH,
    LAW,
    froms,
    held,
    ladder_file,
    later,
    numbers,
    other,
    rows,
    rungs,
    snapshot_of,
)
from tests.depth.pools import deep

RATIO = "wstETH/ETH ratio"
FALL = ("--shock", "-10%")
LAW_OF_ETH: dict[str, Depth] = {ETH: read_law("1M,4%").at("ETH", "USD", Fraction(3000))}
THIN = ("--impact", "50K,4%")
NAMED = {name: {str(value)} for name, value in identity(held().market).items()}
"""What every row says of the market of `held`."""


def named_in(out: str) -> dict[str, set[str]]:
    """What rows say of their markets."""
    table = rows(out)
    return {name: set(table[name]) for name in NAMED}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A market as a snapshot and as a ladder, two others as snapshots, and a curve that runs dry."""
    folder = tmp_path_factory.mktemp("cascade")
    curve = folder / "curve.csv"
    curve.write_text(CURVE)
    made = {"ladder": ladder_file(rungs(), folder / "ladder.csv"), "curve": curve}
    return made | {book.market.name: snapshot_of(book, folder) for book in (held(), other(), later())}


def test_rounds_of_a_snapshot_are_the_librarys(run: Run, files: dict[str, Path]) -> None:
    code, out, _ = run("cascade", "--from", files["Local"], *FALL, *LAW)
    found = cascade([held()], f"{ETH}=-10%", LAW_OF_ETH)
    assert code == 0
    assert out == render_csv(found.rounds)
    assert tuple(numbers(out).columns) == ROUND_COLUMNS
    assert named_in(out) == NAMED
    assert found.last_round > 1, "something is induced"
    named = run("cascade", "--from", files["Local"], "--shock", f"{ETH}=2700", "--depth", f"{ETH}=impact:1M")
    assert named[:2] == (0, out)
    code, out, _ = run("cascade", "--from", files["Local"], *FALL, *LAW, "--by", "market")
    assert out == render_csv(found.markets)


def test_of_a_ladder_each_rung_gives_its_first_call(run: Run, files: dict[str, Path]) -> None:
    code, out, _ = run("cascade", "--from", files["ladder"], *FALL, *LAW)
    assert code == 0
    assert out == render_csv(cascade([rungs()], f"{ETH}=-10%", LAW_OF_ETH).rounds)
    broken = rungs()[(rungs()["outcome"] == "price") & (rungs()["side"] == "long")]
    shock = numbers(out).iloc[1]
    assert shock["accounts"] == (broken["price_usd"] >= 2700).sum()
    assert shock["seized_usd"] == pytest.approx(broken["seized_usd"][broken["price_usd"] >= 2700].sum())
    by_law = numbers(run("cascade", "--from", files["Local"], *FALL, *LAW)[1]).iloc[1]
    assert by_law["accounts"] == shock["accounts"]
    assert by_law["calls"] >= shock["calls"]


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet", "md", "png", "svg"])
@pytest.mark.parametrize("words", [FALL, ("--sweep", "--steps", "2")])
def test_every_format(
    run: Run, files: dict[str, Path], tmp_path: Path, words: tuple[str, ...], suffix: str
) -> None:
    command = ("cascade", "--from", files["ladder"], *words, *LAW)
    target = tmp_path / f"cascade.{suffix}"
    _, expected, _ = run(*command)
    code, out, err = run(*command, "-o", target)
    assert (code, out) == (0, "")
    assert str(target) in err
    if suffix == "csv":
        assert target.read_text() == expected
    elif suffix == "json":
        found = pd.DataFrame(json.loads(target.read_text()))
        pd.testing.assert_frame_equal(found, numbers(expected), check_dtype=False)
    elif suffix == "parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(target), numbers(expected), check_dtype=False)
    elif suffix == "md":
        assert target.read_text().count("\n") == 2 + len(numbers(expected))
    elif suffix == "png":
        assert min(matplotlib.image.imread(target).shape[:2]) > 300
    else:
        assert ElementTree.parse(target).getroot().tag.endswith("svg")
        assert ETH in target.read_text(encoding="utf-8")


def test_a_sweep_is_one_cascade_per_shock(run: Run, files: dict[str, Path]) -> None:
    code, out, _ = run("cascade", "--from", files["Local"], "--sweep", "--steps", "5", *LAW)
    assert code == 0
    shocks = [Fraction(pct) for pct in (*range(-50, 0, 10), *range(10, 60, 10))]
    assert out == render_csv(sweep([held()], ETH, shocks, LAW_OF_ETH))
    assert tuple(numbers(out).columns) == SWEEP_COLUMNS
    assert named_in(out) == NAMED
    row = numbers(out).set_index("shock_pct").loc[-10.0]
    alone = cascade([held()], f"{ETH}=-10%", LAW_OF_ETH)
    assert row["accounts"] == alone.accounts
    assert row["total_usd"] == pytest.approx(alone.initial_usd + alone.induced_usd, rel=1e-9)
    code, out, _ = run(
        "cascade", "--from", files["Local"], "--sweep", "--steps", "5", *LAW, "--format", "table"
    )
    assert code == 0
    assert "no fall of those tried induces more than it causes" in out
    assert "published branching ratios are 0.03 to 0.2" in out


def test_oracles_that_wait(run: Run, files: dict[str, Path]) -> None:
    command = ("cascade", "--from", files["Local"], *FALL, *LAW)
    free = numbers(run(*command)[1])
    assert set(free["cause"]) == {"already", "shock", "deviation"}
    code, out, _ = run(*command, "--deviation", "90%", "--heartbeat", "60", "--round-time", "5")
    slow = numbers(out)
    rule = OracleRule(9000, 60)
    assert code == 0
    assert out == render_csv(cascade([held()], f"{ETH}=-10%", LAW_OF_ETH, round_s=5, rule=rule).rounds)
    assert set(slow["cause"]) == {"already", "shock", "heartbeat"}
    assert (slow["at_s"] % 60 == 0).all()
    stands = numbers(run(*command, "--deviation", "90%")[1])
    assert stands["cause"].tolist() == ["already", "shock"], "nothing makes such an oracle follow"


def test_in_words_in_80_columns(run: Run, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    code, out, err = run("cascade", "--from", files["Local"], *FALL, *LAW)
    text = Text.from_ansi(out).plain.splitlines()
    assert code == 0
    assert "block 120 0xabab" in err
    assert text[0].startswith("rounds along ETH/USD (")
    assert {"round", "cause", "accounts", "seized", "traded", "after"} <= set(text[1].split())
    table = text[1 : text.index("")]
    assert max(map(len, table)) <= 80
    told = "\n".join(text)
    assert "round 0 is what breaks at spot: it is not traded" in told
    assert "ended: quiet after 3 rounds" in told
    assert "ETH/USD 3,000.00 -> 2,380.78 (-20.64%, 2.19 times the shock of -10.00%)" in told
    assert "depth: square-root impact, 1M a day, 4%" in told
    assert "branching ratio 0.3422 (induced per initial; published ones are 0.03 to 0.2)" in told


def test_depth_that_runs_dry_is_said(run: Run, files: dict[str, Path]) -> None:
    """30 ETH up to 50 below the middle and 50 up to 100: more cannot be sold, and the cascade ends there."""
    command = ("cascade", "--from", files["Local"], *FALL, "--depth", f"file:{files['curve']}")
    code, out, _ = run(*command)
    found = cascade([held()], f"{ETH}=-10%", {ETH: load_depth(files["curve"], like="ETH")})
    assert (code, out) == (0, render_csv(found.rounds))
    last = numbers(out).iloc[-1]
    assert last["unfilled_usd"] > 5_000_000
    assert last["market_after_usd"] == pytest.approx(2700 * 2900 / 3000)
    # What was to be traded and what was not are told at the price before the trade.
    sold = (last["traded_usd"] - last["unfilled_usd"]) / 2700
    assert sold == pytest.approx(50, rel=1e-6)
    code, out, _ = run(*command, "--format", "table")
    assert code == 0
    assert "ended: the depth ran dry, " in out
    assert "unfilled $" in out
    assert f"depth: depth curve {files['curve'].name}" in out
    code, out, _ = run(*command[:3], "--sweep", "--steps", "1", *command[5:], "--format", "table")
    assert code == 0
    assert "2 of 2 shocks end where the depth runs dry" in out


def test_pools_that_were_kept(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    """They stand at 2,500 dollars: the depth is brought to where the market is."""
    kept = save_pools([deep(), deep(500)], held().market.block, tmp_path / "pools.json")
    command = ("cascade", "--from", files["Local"], *FALL, "--format", "table")
    code, out, _ = run(*command, "--depth", f"file:{kept}")
    assert code == 0
    assert "depth: " in out
    assert "ETH/USD 3,000.00 -> " in out
    for spec in (f"file:{kept}@WETH", f"ETH/USD=file:{kept}@WETH"):
        assert run(*command, "--depth", spec)[:2] == (0, out)
    code, out, err = run(*command, "--depth", f"file:{kept}@WBTC", "-q")
    assert (code, out) == (2, "")
    assert "these pools trade WETH, USDC, not WBTC" in err


def test_a_market_that_falls_to_nothing(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    """More is sold than any such law can take: the price ends at nothing, and no logarithm is taken of it."""
    big = ladder_file(rungs().assign(seized_usd=1e15), tmp_path / "big.csv")
    for words in (FALL, ("--sweep", "--steps", "1")):
        code, out, _ = run("cascade", "--from", big, *words, *LAW, "--format", "table")
        assert code == 0
        assert "-100.00%" in out
        code, out, _ = run("cascade", "--from", big, *words, *LAW, "-o", tmp_path / "big.png")
        assert code == 0


def test_several_markets_several_drivers(run: Run, files: dict[str, Path]) -> None:
    both = froms(files["Local"], files["Other"])
    depths = ("--depth", "impact:1M,4%", "--depth", "BTC/USD=impact:100K")
    shocks = ("--shock", "-10%", "--shock", "btc/usd=-5%")
    code, out, _ = run("cascade", *both, *depths, *shocks, "--by", "market")
    assert code == 0
    assert set(numbers(out)["market"]) == {"Local", "Other"}
    code, out, _ = run("cascade", *both, *depths, *shocks, "--format", "table")
    assert "by market, after the shock" in out
    assert "BTC/USD 60,000.00 -> " in out
    assert "accounts, seized and repaid are a round's, the same in the row of each of its drivers" in out
    turned = froms(files["Other"], files["Local"])
    first, second = (numbers(run("cascade", *each, *depths, *shocks)[1]) for each in (both, turned))
    pd.testing.assert_frame_equal(first, second)
    assert set(first["driver"]) == {ETH, "BTC/USD"}
    assert named_in(run("cascade", *turned, *depths, *shocks)[1]) == NAMED | {"market": {"Local+Other"}}


def test_figures_per_market(run: Run, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    command = ("cascade", *froms(files["Local"], files["Other"]), *FALL, *LAW)
    markets = numbers(run(*command, "--by", "market")[1])
    assert markets["cause"].tolist()[:4] == ["already"] * 2 + ["shock"] * 2
    table = run(*command, "--format", "table")[1].partition("by market, after the shock\n")[2].splitlines()
    assert {"initial", "induced", "branching"} <= set(table[0].split())
    for name, line in (("Local", table[2]), ("Other", table[3])):
        own = markets[(markets["market"] == name) & (markets["round"] > 0)]
        initial = own["seized_usd"][own["cause"] == "shock"].sum()
        induced = own["seized_usd"][own["cause"] != "shock"].sum()
        assert induced > 0
        assert f" {own['accounts'].sum()} " in line
        assert line.split().count(f"{induced / initial:.4f}") == 1


def test_a_ladder_along_several_drivers(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    """Its rungs along one driver wait while another one moves, and tell what that is quoted in."""
    path = ladder_file(ladder(held()), tmp_path / "every.csv")
    depths = ("--depth", f"{ETH}=impact:1M", "--depth", f"{RATIO}=impact:300")
    code, out, _ = run(
        "cascade", "--from", path, *depths, "--shock", f"{ETH}=-10%", "--shock", f"{RATIO}=-5%"
    )
    assert code == 0
    found = numbers(out)
    assert set(found["driver"]) == {ETH, RATIO}
    alone = numbers(run("cascade", "--from", files["ladder"], *FALL, *LAW)[1])
    assert found["accounts"].iloc[2] > alone["accounts"].iloc[1]
    code, _, err = run("cascade", "--from", ladder_file(ladder(held(), RATIO), path), *depths[2:], *FALL)
    assert (code, "no rung says what that is worth" in err) == (2, True)


def test_a_shock_that_names_its_driver_chooses_it(run: Run, files: dict[str, Path]) -> None:
    words = ("cascade", "--from", files["Local"], *LAW)
    code, out, err = run(*words, "--shock", "btc/usd=-10%")
    assert code == 0
    assert set(numbers(out)["driver"]) == {"BTC/USD"}
    assert "where most dollars break" not in err
    assert run(*words, "--driver", "BTC/USD", "--shock", "-10%")[:2] == (0, out)


def test_what_does_not_go_together_is_refused(run: Run, files: dict[str, Path]) -> None:
    for name in ("Local", "ladder"):
        code, out, err = run("cascade", *froms(files[name], files[name]), *FALL, *LAW)
        assert (code, out) == (2, "")
        assert "is in these ladders twice. Give each market once." in err
    mixed = froms(files["Local"], files["Later"])
    code, out, err = run("cascade", *mixed, *FALL, *LAW)
    assert (code, out) == (2, "")
    assert "are of different blocks of one chain" in err
    code, out, _ = run("cascade", *mixed, *FALL, *LAW, "--mixed-blocks", "--by", "market")
    assert code == 0
    assert set(numbers(out)["block_number"]) == {120, 121}
    for words in (FALL, ("--sweep", "--steps", "1")):
        code, out, _ = run("cascade", *mixed, *words, *LAW, "--mixed-blocks", "--driver", ETH)
        assert code == 0
        assert named_in(out)["block_number"] == {"120+121"}
        assert named_in(out)["market"] == {"Local+Later"}


def test_contagion(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    told = {
        kind: run("clusters", "--from", files[kind], "--contagion", *THIN, "--driver", ETH)
        for kind in ("Local", "ladder")
    }
    code, out, _ = told["Local"]
    table = numbers(out)
    assert code == 0
    assert tuple(table.columns) == CONTAGION_COLUMNS
    assert len(table) > 0
    downward = table[table["from_side"] == "long"]
    assert (downward["to_price_usd"] < downward["from_price_usd"]).all()
    assert (table["volume_usd"] <= table["to_size_usd"] * (1 + 1e-9)).all()
    assert told["ladder"][0] == 0
    for name in ("graph.png", "graph.svg"):
        target = tmp_path / name
        code, out, err = run("clusters", "--from", files["Local"], "--contagion", *THIN, "-o", target)
        assert (code, out) == (0, "")
        assert f"Wrote {target}" in err
        assert target.read_bytes().startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")
    code, out, _ = run("clusters", "--from", files["Local"], "--contagion", *THIN, "--format", "table")
    assert code == 0
    assert "what a cluster's trades reach" in out
    assert "strong path  ETH/USD" in out
    assert "critical     ETH/USD" in out


def test_contagion_through_collateral_of_another_driver(run: Run, files: dict[str, Path]) -> None:
    code, out, _ = run(
        *("clusters", *froms(files["Local"]), "--contagion", *THIN),
        *("--depth", "BTC/USD=impact:10K", "--driver", ETH),
    )
    assert code == 0
    assert {ETH, "BTC/USD"} <= set(numbers(out)["to_driver"]) | set(numbers(out)["from_driver"])
