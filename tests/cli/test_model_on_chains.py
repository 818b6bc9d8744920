"""The model's commands on every protocol: from a node, from its snapshot and from its ladder, one answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from tests.cli.conftest import Run
from tests.cli.dydx_chain import placed, standin
from tests.cli.model_stage import froms, numbers, rows
from tests.cli.test_events import aave, liquidated
from tests.lab import CometLab, CompoundV2Lab, Lab, SoloLab

LABS = ("aave-v3", "compound-v2", "usdc", "weth", "dydx-solo")
DRIVER = {"usdc": "ETH/USD", "weth": "cbETH/ETH", "dydx-solo": "ETH/USD", "dydx-v4": "ETH/USD"}
"""What is looked along; ETH/USD for the others."""
LAW = ("--impact", "1B,4%")


class Place(NamedTuple):
    """A market that a node serves, and how a command line names it."""

    protocol: str
    options: tuple[str, ...]
    driver: str


@pytest.fixture
def lab_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Place]:
    """A lab's market by its name; its lab is started when it is first needed."""

    def find(name: str) -> Place:
        path, lab = tmp_path / f"{name}.json", _lab(request, name)
        file = lab.market_file(name, path) if isinstance(lab, CometLab) else Path(lab.market_file(path))
        options = ("--market-file", str(file), "-r", lab.url, "--block", "latest", "--no-index")
        protocol = "compound-v3" if isinstance(lab, CometLab) else name
        return Place(protocol, options, DRIVER.get(name, "ETH/USD"))

    return find


def _lab(request: pytest.FixtureRequest, name: str) -> Lab | CompoundV2Lab | CometLab | SoloLab:
    fixture = {"aave-v3": "lab_v36", "compound-v2": "lab_compound_v2", "dydx-solo": "lab_dydx_solo"}
    found = request.getfixturevalue(fixture.get(name, "lab_compound_v3"))
    assert isinstance(found, Lab | CompoundV2Lab | CometLab | SoloLab)
    return found


@pytest.fixture(
    params=[*(pytest.param(name, marks=pytest.mark.lab) for name in LABS), pytest.param("dydx-v4")]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each protocol in turn; dYdX v4 over gRPC."""
    if request.param != "dydx-v4":
        yield request.getfixturevalue("lab_place")(request.param)
        return
    with placed(standin(), tmp_path) as found:
        yield Place("dydx-v4", (*found.options, "--no-index"), DRIVER["dydx-v4"])


def test_one_answer_from_the_node_its_snapshot_and_its_ladder(run: Run, place: Place, tmp_path: Path) -> None:
    kept, ladder = tmp_path / "kept.parquet", tmp_path / "ladder.csv"
    assert run("snapshot", *place.options, "-o", kept)[0] == 0
    along = ("--driver", place.driver)
    assert run("ladder", "--from", kept, *along, "-o", ladder)[0] == 0
    sources: dict[str, tuple[str, ...]] = {
        "node": place.options,
        "snapshot": ("--from", str(kept)),
        "ladder": ("--from", str(ladder)),
    }
    for command in (("clusters",), ("heatmap",), ("magnet",), ("magnet", "--vacuums")):
        told = {name: run(*command, *words, *along) for name, words in sources.items()}
        code, out, err = told["node"]
        assert code == 0, err
        assert {answer[:2] for answer in told.values()} == {(0, out)}, command
        assert "Reading " in err
        assert "block " in err
        if command in (("clusters",), ("heatmap",)):
            table = rows(out)
            assert len(table) > 0
            assert set(table["protocol"]) == {place.protocol}
            assert set(table["driver"]) == {place.driver}
            assert table["block_hash"].str.fullmatch("0x[0-9a-f]{64}").all()
    _cascades(run, sources, along)
    _reports(run, sources, along)


def _cascades(run: Run, sources: dict[str, tuple[str, ...]], along: tuple[str, str]) -> None:
    """By the law from accounts, by first calls from a ladder."""
    told = {}
    for name, shock in (("node", "-30%"), ("snapshot", "-30%"), ("snapshot", "+30%"), ("ladder", "+30%")):
        code, told[name, shock], err = run("cascade", *sources[name], *along, *LAW, "--shock", shock)
        assert code == 0, err
    assert told["node", "-30%"] == told["snapshot", "-30%"]
    first = {key: numbers(out).drop_duplicates("round").iloc[1] for key, out in told.items()}
    assert {row["cause"] for row in first.values()} == {"shock"}
    assert first["snapshot", "-30%"]["accounts"] + first["snapshot", "+30%"]["accounts"] > 0
    # What is left of those that broke at spot may break again, and no ladder has that.
    assert first["snapshot", "+30%"]["accounts"] >= first["ladder", "+30%"]["accounts"]
    code, out, err = run("cascade", *sources["snapshot"], *along, *LAW, "--sweep", "--steps", "1")
    assert code == 0, err
    assert numbers(out)["shock_pct"].tolist() == [-50, 50]


def _reports(run: Run, sources: dict[str, tuple[str, ...]], along: tuple[str, str]) -> None:
    told = {
        name: run("report", *words, *along, *LAW, "--shock", "-10%", "-q") for name, words in sources.items()
    }
    code, out, err = told["node"]
    assert code == 0, err
    assert out.startswith(f"## Liquidation Analysis — {along[1]}")
    assert "### Simulated Cascade" in out
    assert told["snapshot"][:2] == (0, out)
    assert told["ladder"][0] == 0
    levels = [text[text.index("### Key") : text.index("### Cascade Risk")] for _, text, _ in told.values()]
    assert levels == [levels[0]] * 3


@pytest.mark.lab
def test_three_protocols_on_one_axis(run: Run, lab_place: Callable[[str], Place], tmp_path: Path) -> None:
    """Labs are chains of their own that call themselves the same: their blocks are mixed, and refused."""
    kept = []
    for name in ("aave-v3", "compound-v2", "usdc"):
        kept.append(tmp_path / f"{name}.parquet")
        assert run("snapshot", *lab_place(name).options, "-o", kept[-1])[0] == 0
    words = (*froms(*kept), "--driver", "ETH/USD")
    code, out, err = run("clusters", *words)
    assert (code, out) == (2, "")
    assert "are of different blocks of one chain" in err
    code, out, _ = run("heatmap", *words, "--mixed-blocks")
    assert code == 0
    table = numbers(out)
    (named,) = set(table["protocol"])
    assert sorted(named.split("+")) == ["aave-v3", "compound-v2", "compound-v3"]
    alone = [numbers(run("heatmap", "--from", path, "--driver", "ETH/USD")[1]) for path in kept]
    assert table["accounts"].sum() == sum(part["accounts"].sum() for part in alone)
    code, out, _ = run("cascade", *words, "--mixed-blocks", *LAW, "--shock", "-20%", "--by", "market")
    assert code == 0
    assert set(numbers(out)["protocol"]) == {"aave-v3", "compound-v2", "compound-v3"}
    code, out, _ = run("report", *words, "--mixed-blocks", "-q")
    assert code == 0
    assert all(f"| {name} " in out for name in ("aave-v3", "compound-v2", "compound-v3"))


@pytest.mark.lab
def test_different_money_has_no_common_axis(
    run: Run, lab_place: Callable[[str], Place], tmp_path: Path
) -> None:
    kept = []
    for name in ("usdc", "weth"):
        kept.append(tmp_path / f"{name}.parquet")
        assert run("snapshot", *lab_place(name).options, "-o", kept[-1])[0] == 0
    for command in ("clusters", "cascade"):
        more = (*LAW, "--shock", "-10%") if command == "cascade" else ()
        code, out, err = run(command, *froms(*kept), "--driver", "cbETH/ETH", *more)
        assert (code, out) == (2, "")
        assert "Error: these ladders count different money: compound-v3 Local usdc on chain" in err


def searched(report: str) -> tuple[list[str], list[str]]:
    """(where events were looked for and what that says of the day, all else) of a report's lines."""
    lines = report.splitlines()
    begins = ("- Events: ", "- Only a part of these hours", "- **Market state**", "- The state ")
    told = [line for line in lines if line.startswith(begins)]
    return told, [line for line in lines if line not in told]


@pytest.mark.lab
def test_events_of_the_node_in_a_report(run: Run, lab_v36: Lab, tmp_path: Path) -> None:
    """Read with the report, or before it into a file: what happened is the same."""
    place = aave(lab_v36, tmp_path / "lab.json")
    words = (*place.options, "-q")
    with liquidated(place, 2) as (first, owners):
        assert len(owners) == 2
        kept = tmp_path / "events.parquet"
        code, _, err = run("events", *words, "--blocks", f"{first}:", "-o", kept)
        assert code == 0, err
        along = ("--driver", str(pd.read_parquet(kept)["driver"].iloc[0]))
        code, out, err = run("report", *words, *along, "--blocks", f"{first}:")
        assert code == 0, err
        code, from_file, _ = run("report", *words, *along, "--events", kept)
    assert code == 0
    state, where, _ = searched(from_file)[0]
    assert state.startswith("- **Market state**: calm.")
    assert where == "- Events: from events.parquet, which does not tell what was searched."
    assert searched(from_file)[1] == searched(out)[1]
    where, part = searched(out)[0]
    assert where.startswith("- Events: Local v3.6 blocks ")
    assert part.endswith("so they have no market state."), "a few blocks are no day"
    assert re.search(r"\*\*Total liquidated\*\*: \S+ in [12] liquidations?", out)
    assert "No liquidation events were given" not in out


@pytest.mark.lab
@pytest.mark.parametrize(
    ("depth", "exit_code", "seen"),
    [
        ("pool:0x" + "11" * 20, 1, "is no pool that can be read"),
        ("pool:0x12", 2, "'0x12' is no address of a pool."),
        ("pair:WETH/USDC", 2, "no token 'WETH' is known on chain 31337. Give its address."),
        ("pair:WETH", 2, "'WETH' is no pair. Write BASE/QUOTE"),
    ],
)
def test_a_pool_that_is_none_and_a_pair_that_nobody_trades(
    run: Run, lab_place: Callable[[str], Place], depth: str, exit_code: int, seen: str
) -> None:
    place = lab_place("aave-v3")
    code, out, err = run("clusters", *place.options, "--driver", place.driver, "--depth", depth, "-q")
    assert (code, out) == (exit_code, "")
    assert err.startswith("Error: ")
    assert seen in err
    assert err.count("\n") == 1
