"""`clusters`, `magnet` and `heatmap` from snapshots and ladder files: one answer from whatever is read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import pandas as pd
import pytest
from rich.text import Text

from defiliq.ladder import IDENTITY, joined
from defiliq.model import build_heat, find_clusters
from defiliq.model.tables import CLUSTER_COLUMNS, MAGNET_COLUMNS, VACUUM_COLUMNS, cluster_table, heat_table
from defiliq.pipeline.judge import ladder
from defiliq.view.files import render_csv
from tests.cli.conftest import Run
from tests.cli.model_stage import (
    ETH,
    froms,
    held,
    ladder_file,
    later,
    numbers,
    other,
    plain,
    rows,
    rungs,
    snapshot_of,
)

COMMANDS = (("clusters",), ("magnet",), ("magnet", "--vacuums"), ("heatmap",))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same market as a snapshot and as ladder files; `all` is the ladder along every driver."""
    folder = tmp_path_factory.mktemp("model")
    made = {kind: ladder_file(rungs(), folder / f"ladder.{kind}") for kind in ("csv", "json", "parquet")}
    every = {"all": ladder_file(ladder(held()), folder / "all.csv")}
    markets = {book.market.name: snapshot_of(book, folder) for book in (held(), other(), later(), plain())}
    return made | every | markets


@pytest.mark.parametrize("command", COMMANDS)
def test_a_snapshot_and_its_ladders_say_the_same(
    run: Run, files: dict[str, Path], command: tuple[str, ...]
) -> None:
    told = {kind: run(*command, "--from", path) for kind, path in files.items() if kind not in _NAMES}
    code, out, err = run(*command, "--from", files["Local"])
    assert code == 0
    assert len(rows(out)) >= 1
    assert {answer[:2] for answer in told.values()} == {(0, out)}
    assert f"Along {ETH}, where most dollars break (--driver chooses another)" in err
    assert f"{len(rungs())} rungs from {files['csv']}" in told["csv"][2]
    block = "aave-v3 Local 3.6 on local (31337), block 120 0xabab"
    assert block in err
    assert block in told["csv"][2], "a ladder file, too, is of a market at a block"


_NAMES = ("Local", "Other", "Later", "Plain")


def test_rows_are_the_models(run: Run, files: dict[str, Path]) -> None:
    heat = build_heat([rungs()], ETH)
    _, out, _ = run("heatmap", "--from", files["csv"])
    assert out == render_csv(heat_table(heat))
    _, out, _ = run("clusters", "--from", files["csv"])
    assert out == render_csv(cluster_table(heat, find_clusters(heat)))
    table = rows(out)
    assert tuple(table.columns) == CLUSTER_COLUMNS
    assert tuple(table.columns[: len(IDENTITY)]) == IDENTITY
    assert tuple(rows(run("magnet", "--from", files["csv"])[1]).columns) == MAGNET_COLUMNS
    assert tuple(rows(run("magnet", "--vacuums", "--from", files["csv"])[1]).columns) == VACUUM_COLUMNS


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("suffix", ["csv", "json", "parquet", "md"])
def test_every_format_holds_what_stdout_does(
    run: Run, files: dict[str, Path], tmp_path: Path, command: tuple[str, ...], suffix: str
) -> None:
    _, expected, _ = run(*command, "--from", files["csv"])
    target = tmp_path / f"written.{suffix}"
    code, out, err = run(*command, "--from", files["csv"], "-o", target)
    assert (code, out) == (0, "")
    assert f"Wrote {len(rows(expected))} rows to {target}" in err
    if suffix == "csv":
        assert target.read_text() == expected
    elif suffix == "json":
        found = pd.DataFrame(json.loads(target.read_text())).astype(numbers(expected).dtypes.to_dict())
        pd.testing.assert_frame_equal(found, numbers(expected), check_dtype=False)
    elif suffix == "parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(target), numbers(expected), check_dtype=False)
    else:
        assert target.read_text().count("\n") == 2 + len(rows(expected))


@pytest.mark.parametrize(
    ("words", "begins"),
    [((), "png"), ((), "svg"), (("--curve",), "png"), (("--curve", "--within", "30"), "svg")],
)
def test_pictures_of_the_heat(
    run: Run, files: dict[str, Path], tmp_path: Path, words: tuple[str, ...], begins: str
) -> None:
    target = tmp_path / f"heat.{begins}"
    code, out, err = run("heatmap", "--from", files["csv"], "-o", target, *words)
    assert (code, out) == (0, "")
    assert f"Wrote {target}" in err
    if begins == "png":
        assert min(matplotlib.image.imread(target).shape[:2]) > 300
    else:
        shown = ElementTree.parse(target).getroot()
        assert shown.tag.endswith("svg")
        assert ETH in target.read_text(encoding="utf-8")


def test_one_side_alone(run: Run, files: dict[str, Path]) -> None:
    both = rows(run("heatmap", "--from", files["csv"])[1])
    assert set(both["side"]) == {"long", "short"}
    for side in ("long", "short"):
        told = {kind: run("heatmap", "--from", files[kind], "--side", side)[1] for kind in ("csv", "Local")}
        assert told["csv"] == told["Local"]
        assert rows(told["csv"]).equals(both[both["side"] == side].reset_index(drop=True))
        assert set(rows(run("clusters", "--from", files["csv"], "--side", side)[1])["type"]) == {side}


def test_wider_buckets_hold_the_same_dollars(run: Run, files: dict[str, Path]) -> None:
    fine, coarse = (
        numbers(run("heatmap", "--from", files["csv"], "--bin", width)[1]) for width in ("0.1%", "5")
    )
    assert len(coarse) < len(fine)
    for side in ("long", "short"):
        sums = [math.fsum(table["size_usd"][table["side"] == side]) for table in (fine, coarse)]
        assert sums[0] == pytest.approx(sums[1], rel=1e-12)
    for table, ratio in ((fine, 1.001), (coarse, 1.05)):
        assert (table["price_high_usd"] / table["price_low_usd"]).tolist() == pytest.approx(
            [ratio] * len(table)
        )


def test_what_counts_as_a_cluster(run: Run, files: dict[str, Path]) -> None:
    def clusters(*words: str) -> pd.DataFrame:
        code, out, _ = run("clusters", "--from", files["csv"], *words)
        assert code == 0
        return numbers(out)

    usual = clusters()
    assert clusters("--min-share", "0").shape[0] > len(usual) > clusters("--min-share", "5").shape[0]
    near = clusters("--within", "5")
    assert (near["distance_pct"].abs() <= 5).all()
    assert 0 < len(near) < len(usual)
    assert usual["impact_pct"].isna().all()
    known = clusters("--impact", "1M,4%")
    assert (known["impact_pct"] >= 0.1).all()
    smallest = known["impact_pct"].min()
    assert len(clusters("--impact", "1M", "--min-impact", str(smallest + 0.01))) == len(known) - 1
    assert clusters("--impact", "1M", "--min-impact", "100").empty
    assert clusters("--impact", "1000T", "--min-impact", "0")["impact_pct"].max() < 0.1


def test_a_curve_and_a_driver_before_a_depth(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    """Each ETH that is bought takes the curve up by a thousandth of a dollar, of 3,000."""
    deep = tmp_path / "deep.csv"
    deep.write_text("side,price,amount\nmid,3000,\nbid,1500,1500000\nask,4500,1500000\n")
    told = [
        run("clusters", "--from", files["csv"], "--min-impact", "0", *depth)[1]
        for depth in (
            ("--depth", f"file:{deep}"),
            ("--depth", f"{ETH}=file:{deep}"),
            ("--depth", f"eth/usd=file:{deep}", "--impact", "5M"),
        )
    ]
    assert told[0] == told[1] == told[2], "--impact is for where no --depth is"
    table = numbers(told[0])
    short = table[table["type"] == "short"].iloc[0]
    bought = short["magnitude_usd"] / short["low_usd"]
    assert short["impact_pct"] == pytest.approx(100 * bought * 0.001 / 3000, rel=0.001)


@pytest.mark.parametrize("command", ["clusters", "heatmap", "magnet"])
def test_for_people_in_80_columns(
    run: Run, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    code, out, _ = run(command, "--from", files["csv"], "--format", "table")
    assert code == 0
    out = Text.from_ansi(out).plain
    assert max(map(len, out.splitlines())) <= 80
    assert "ETH/USD" in out
    assert "3,000" in out
    if command == "clusters":
        assert "2,727.28" in out
        assert "(1 column more on a wider terminal)" in out
    elif command == "heatmap":
        assert "Heavy long liquidation zone" in out
        assert "aave-v3 Local, chain 31337, block 120" in out
        assert "Liquidatable already: 42 accounts" in out


def test_quiet_says_nothing_but_warnings(run: Run, files: dict[str, Path]) -> None:
    code, out, err = run("clusters", "--from", files["csv"], "-q")
    assert (code, err) == (0, "")
    assert len(rows(out)) > 1


def test_two_markets_are_one_heat(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    code, out, err = run("heatmap", *froms(files["Local"], files["Other"]), "--driver", "WETH")
    assert code == 0
    assert "aave-v3 Other 3.6" in err
    table = numbers(out)
    assert set(table["market"]) == {"Local+Other"}
    parts = [numbers(run("heatmap", "--from", files[name])[1]) for name in ("Local", "Other")]
    assert math.fsum(table["size_usd"]) == pytest.approx(
        math.fsum(math.fsum(part["size_usd"]) for part in parts)
    )
    pair = [ladder(book, ETH) for book in (held(), other())]
    apart = [ladder_file(each, tmp_path / f"{k}.csv") for k, each in enumerate(pair)]
    together = ladder_file(joined(pair), tmp_path / "both.json")
    for paths in (apart, list(reversed(apart)), [together]):
        assert run("heatmap", *froms(*paths))[1] == out


@pytest.mark.parametrize("words", [(), ("--driver", ETH)])
def test_a_market_without_the_driver_is_left_out_and_named(
    run: Run, files: dict[str, Path], tmp_path: Path, words: tuple[str, ...]
) -> None:
    alone = run("clusters", "--from", files["Local"])[1]
    code, out, err = run("clusters", *froms(files["Plain"], files["Local"]), *words)
    assert (code, out) == (0, alone)
    assert "aave-v3 Plain has no driver ETH/USD: left out" in err
    ladders = ladder_file(ladder(plain()), tmp_path / "plain.csv"), files["csv"]
    code, out, err = run("clusters", *froms(*ladders), *words)
    assert (code, out) == (0, alone)
    assert "aave-v3 Plain has no driver ETH/USD: left out" in err


def test_other_blocks_only_where_they_are_asked_for(run: Run, files: dict[str, Path]) -> None:
    both = froms(files["Local"], files["Later"])
    for command in ("clusters", "report"):
        code, out, err = run(command, *both, "-q")
        assert (code, out) == (2, "")
        assert "\nError: aave-v3 Local on chain 31337 at block 120 and aave-v3 Later" in err
        assert "--mixed-blocks" in err
        code, out, _ = run(command, *both, "-q", "--mixed-blocks")
        assert code == 0
    assert "120" in out
    assert "121" in out


def test_feeds_that_move_together(run: Run, files: dict[str, Path]) -> None:
    for driver in ("ETHER", "ether"):
        code, out, _ = run(
            "clusters", "--from", files["Plain"], "--group", "ETHER=WETH,wstETH", "--driver", driver
        )
        assert code == 0
        assert set(rows(out)["driver"]) == {"ETHER"}


def test_the_driver_is_the_one_where_most_breaks(run: Run, files: dict[str, Path]) -> None:
    found = ladder(held())
    near = found[(found["outcome"] == "price") & (found["distance_pct"].abs() <= 50)]
    assert near.groupby("driver")["repaid_usd"].sum().idxmax() == ETH
    code, out, err = run("clusters", "--from", files["Local"], "--driver", "BTC/USD")
    assert code == 0
    assert "where most dollars break" not in err
    assert set(rows(out)["driver"]) == {"BTC/USD"}


def test_of_drivers_that_hold_the_same_the_first_by_name_whatever_the_order(run: Run, tmp_path: Path) -> None:
    """0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 as floats are added."""
    three = rungs().iloc[:3].assign(outcome="price", side="long", distance_pct=-5.0, notional_usd=math.nan)
    one = three.assign(repaid_usd=[0.1, 0.2, 0.3], driver="AAA/USD", spot_usd=9.0, price_usd=8.0)
    for others in ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1]):
        other = one.assign(repaid_usd=others, driver="BBB/USD")
        for tables in ([one, other], [other, one], [one[::-1], other[::-1]]):
            path = ladder_file(pd.concat(tables), tmp_path / "tie.csv")
            code, _, err = run("clusters", "--from", path)
            assert code == 0, err
            assert "Along AAA/USD, where most dollars break" in err


def test_dollars_are_passed_over_and_the_side_counts(run: Run, tmp_path: Path) -> None:
    """All debts in USDC break as USDC rises: no default that anybody would look along."""
    found = rungs()[rungs()["outcome"] == "price"]
    longs, shorts = (found[found["side"] == side] for side in ("long", "short"))
    dear = shorts.assign(driver="BTC/USD", repaid_usd=longs["repaid_usd"].min() / len(shorts))
    dollars = dear.assign(driver="USDC/USD", repaid_usd=1e12, spot_usd=0.99, price_usd=1.2, distance_pct=20)
    path = ladder_file(pd.concat([longs, dear, dollars]), tmp_path / "three.csv")
    for side, said in (
        ("both", f"Along {ETH}, where most dollars break, USDC/USD aside (--driver chooses another)"),
        ("long", f"Along {ETH}, where most dollars break (--driver chooses another)"),
        ("short", "Along BTC/USD, where most dollars break, USDC/USD aside (--driver chooses another)"),
    ):
        code, _, err = run("clusters", "--from", path, "--side", side)
        assert code == 0
        assert said in err
    alone = ladder_file(dollars, tmp_path / "dollars.csv")
    assert "Along USDC/USD, where most dollars break (--driver" in run("clusters", "--from", alone)[2]


def test_all_broken_already(run: Run, tmp_path: Path) -> None:
    broken = ladder(held())
    already = ladder_file(broken[broken["outcome"] == "already"], tmp_path / "already.csv")
    code, out, err = run("clusters", "--from", already)
    assert (code, len(rows(out))) == (0, 0)
    assert "where most dollars are liquidatable already (--driver chooses another)" in err
    for command, seen in (
        ("heatmap", "Liquidatable already: 42 accounts"),
        ("clusters", "no clusters: nothing stands out"),
        ("magnet", "magnet            none: clusters are needed on both sides"),
        ("report", "Liquidatable already: 42 accounts"),
    ):
        shape = () if command == "report" else ("--format", "table")
        code, out, _ = run(command, "--from", already, *shape)
        assert code == 0
        assert seen in out


def test_one_account(run: Run, tmp_path: Path) -> None:
    one = rungs()[rungs()["outcome"] == "price"].iloc[:1]
    path = ladder_file(one, tmp_path / "one.csv")
    code, out, err = run("clusters", "--from", path)
    assert code == 0
    assert "1 rung from " in err
    (row,) = numbers(out).to_dict("records")
    assert row["price_usd"] == pytest.approx(one["price_usd"].iloc[0])
    assert (row["accounts"], row["share_pct"]) == (1, 100.0)
    (row,) = rows(run("magnet", "--from", path)[1]).to_dict("records")
    assert (row["magnet"], row["downside_clusters"], row["upside_clusters"]) == ("", "1", "0")


def test_spot_outside_of_the_ladder(run: Run, tmp_path: Path) -> None:
    """Every level is above spot, and far: nothing lies in the window, and what lies beyond is told."""
    far = rungs().assign(spot_usd=0.01, spot_raw="1000000", side="short")
    path = ladder_file(far[far["outcome"] == "price"], tmp_path / "far.csv")
    code, out, _ = run("heatmap", "--from", path, "--format", "table")
    assert code == 0
    assert "No level lies in this window." in out
    assert "Further above: 31 accounts" in out
    assert run("clusters", "--from", path, "--format", "table")[1].startswith("no clusters")
