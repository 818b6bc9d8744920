"""Bad input to the commands of the model: one line that says what is wrong, and the right exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from defiliq.pipeline.judge import ladder
from tests.cli.conftest import Run
from tests.cli.model_stage import ETH, LAW, froms, held, ladder_file, plain, rungs, snapshot_of

COMMANDS: dict[str, tuple[str, ...]] = {
    "clusters": (),
    "magnet": (),
    "heatmap": (),
    "report": (),
    "cascade": ("--shock", "-10%", *LAW),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Snapshots with and without ETH/USD, a ladder, and files that are neither."""
    folder = tmp_path_factory.mktemp("refused")
    priced = rungs()["outcome"] == "price"
    untold = rungs().assign(
        seized_usd=rungs()["seized_usd"].where(~priced), repaid_usd=rungs()["repaid_usd"].where(~priced)
    )
    made = {
        "snapshot": snapshot_of(held(), folder),
        "plain": snapshot_of(plain(), folder),
        "ladder": ladder_file(rungs(), folder / "ladder.csv"),
        "untold": ladder_file(untold, folder / "untold.csv"),
        "btc": ladder_file(ladder(held(), "BTC/USD"), folder / "btc.csv"),
        "text": folder / "text.csv",
        "curve": folder / "curve.csv",
        "unknown": folder / "unknown.json",
    }
    made |= {
        f"empty {kind}": ladder_file(rungs().iloc[:0], folder / f"empty.{kind}")
        for kind in ("csv", "json", "parquet")
    }
    made["text"].write_text("a,b\n1,2\n")
    made["curve"].write_text("side,price,amount\nbid,abc,1\n")
    fields = {"protocol": "aave-v9", "name": "X", "chain_id": 1, "addresses": {}}
    made["unknown"].write_text(json.dumps(fields))
    return made


def refused(run: Run, words: Sequence[str | Path]) -> str:
    """What is said of words that cannot be used; data and tracebacks are not."""
    code, out, err = run(*words)
    assert (code, out) == (2, ""), (words, code, err)
    assert "Traceback" not in err
    last = err.rstrip("\n").splitlines()[-1]
    assert last.startswith("Error: ")
    return last.removeprefix("Error: ")


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_say_nothing(run: Run, files: dict[str, Path], command: str) -> None:
    more = COMMANDS[command]
    for kind in ("csv", "json", "parquet"):
        said = refused(run, (command, "--from", files[f"empty {kind}"], *more))
        assert said == "the ladder is empty: nobody breaks at any price, so there is nothing to show."
    said = refused(run, (command, "--from", files["text"], *more))
    assert said == f"cannot use {files['text']}: it is no ladder, it has no column chain_id."
    assert "No such file" in refused(run, (command, "--from", "nowhere.csv", *more))
    assert "there is no such file" in refused(run, (command, "--from", "nowhere.parquet", *more))


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_do_not_go_together(run: Run, files: dict[str, Path], command: str) -> None:
    more = COMMANDS[command]
    mixed = froms(files["snapshot"], files["ladder"])
    assert refused(run, (command, *mixed, *more)) == (
        "--from names ladders and snapshots. Give files of one kind."
    )
    for name in ("snapshot", "ladder"):
        said = refused(run, (command, *froms(files[name], files[name]), *more))
        assert said.endswith("aave-v3 Local on chain 31337 is in these ladders twice. Give each market once.")


@pytest.mark.parametrize("command", COMMANDS)
def test_drivers_that_are_not_there(run: Run, files: dict[str, Path], command: str) -> None:
    more = COMMANDS[command]
    said = refused(run, (command, "--from", files["snapshot"], "--driver", "SOL/USD", *more))
    assert said.startswith("no driver 'SOL/USD' in this market. Drivers: BTC/USD, ETH/USD, ")
    said = refused(run, (command, "--from", files["btc"], "--driver", ETH, *more))
    assert said.startswith(f"no driver '{ETH}' in this market. Drivers: BTC/USD.")
    both = froms(files["snapshot"], files["plain"])
    said = refused(run, (command, *both, "--driver", "WETH", *more))
    assert said == "'WETH' means ETH/USD and WETH/USD on different markets. Name one."


@pytest.mark.parametrize("command", COMMANDS)
def test_a_ladder_file_has_no_accounts(run: Run, files: dict[str, Path], command: str) -> None:
    for words in (("--at", "+1d"), ("--stored",), ("--min-debt-usd", "5")):
        said = refused(run, (command, "--from", files["ladder"], *words, *COMMANDS[command]))
        assert said == f"{words[0]} needs accounts, and a ladder file holds rungs. Use a snapshot."
    said = refused(run, (command, "compound-v3", "--from", files["ladder"], *COMMANDS[command]))
    assert said.startswith("the market is of aave-v3, not of compound-v3.")


@pytest.mark.parametrize("command", COMMANDS)
def test_sizes_that_nobody_told(run: Run, files: dict[str, Path], command: str) -> None:
    """They are counted, never taken for nothing, and the exit code says that something is missing."""
    code, out, err = run(command, "--from", files["untold"], "-q", *COMMANDS[command])
    assert code == 3
    assert out
    assert "INCOMPLETE: 31 rungs do not say how much is liquidated, and are in no sum" in err
    one = rungs().assign(repaid_usd=float("nan"))
    one = one[(one["side"] == "short") & (one["outcome"] == "price")].iloc[:1]
    path = ladder_file(pd.concat([one, rungs()[rungs()["side"] == "long"]]), files["untold"].parent / "1.csv")
    code, _, err = run(command, "--from", path, "-q", *COMMANDS[command])
    assert code == 3
    assert "INCOMPLETE: 1 rung does not say how much is liquidated, and is in no sum" in err


def test_nobody_breaks_on_the_side_that_was_asked_for(run: Run, tmp_path: Path) -> None:
    long = ladder_file(rungs()[rungs()["side"] == "long"], tmp_path / "long.csv")
    for command in ("clusters", "magnet", "heatmap", "report"):
        said = refused(run, (command, "--from", long, "--side", "short"))
        assert said == f"nobody breaks along {ETH} on the short side, so there is nothing to show."


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ((), "Give either a --shock such as -10%, or --sweep."),
        (("--shock", "-10%", "--sweep"), "Give either a --shock such as -10%, or --sweep."),
        (("--shock", "-10%"), "a cascade needs to know what a sale does: name --depth, or --impact."),
        (("--shock", "-100%", *LAW), "'-100%' leaves no price. A driver falls by less than 100%."),
        (("--shock", "ETH/USD=-100%", *LAW), "'ETH/USD=-100%' leaves no price."),
        (("--shock", "ETH/USD=0", *LAW), "'ETH/USD=0' leaves no price."),
        (("--shock", "10%", *LAW), "cannot read the move '10%'. Write + or - before a percentage."),
        (("--shock", "SOL/USD=-1%", *LAW), "no driver 'SOL/USD' in this market."),
        (("--shock", "-1%", "--shock", "ETH/USD=-2%", *LAW), "ETH/USD is moved twice"),
        (("--shock", "-1%", "--impact", "much"), "'much' is no amount."),
        (("--shock", "-1%", "--impact", "0"), "'0' is no square-root impact: both numbers must be above 0."),
        (("--shock", "-1%", "--impact", "1M,x"), "'x' is no volatility."),
        (("--shock", "-1%", "--depth", "cup:1"), "'cup:1' is no depth. Write pool:0x.., pair:WETH/USDC"),
        (("--shock", "-1%", "--depth", "impact:1M", "--depth", "impact:2M"), "ETH/USD has two depths."),
        (("--shock", "-1%", "--depth", "file:nowhere.json"), "cannot use nowhere.json: No such file"),
        (("--shock", "-1%", "--depth", "pool:0x" + "1" * 40), "is read from a node of an EVM chain"),
        (("--shock", "-1%", "--depth", "pair:WETH/USDC"), "Keep the pools with `defiliq depth --save FILE`"),
        (("--shock", "-1%", *LAW, "--steps", "2"), "--steps does nothing without --sweep."),
        (("--shock", "-1%", *LAW, "--heartbeat", "2"), "--heartbeat does nothing without --deviation."),
        (("--sweep", *LAW, "--by", "market"), "--by does nothing without --shock."),
        (("--sweep", *LAW, "--steps", "0"), "0 is not in the range"),
        (("--shock", "-1%", *LAW, "--deviation", "x"), "'x' is no deviation."),
        (("--shock", "-1%", *LAW, "--deviation", "101%"), "'101%' is no deviation."),
        (("--shock", "-1%", *LAW, "-o", "a.html"), "End it in .csv .parquet .json .md .png .svg."),
        (("--shock", "-1%", *LAW, "-o", "nowhere/a.csv"), "the folder of 'nowhere/a.csv' does not exist."),
        (("--shock", "-1%", *LAW, "--side", "long"), "No such option"),
    ],
)
def test_what_a_cascade_cannot_use(
    run: Run, files: dict[str, Path], words: tuple[str, ...], seen: str
) -> None:
    for name in ("snapshot", "ladder"):
        assert seen in refused(run, ("cascade", "--from", files[name], *words))


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("clusters", "--contagion"), "--contagion needs to know what a sale does"),
        (("clusters", "-o", "a.png"), "End it in .csv .parquet .json .md."),
        (("magnet", "-o", "a.svg"), "End it in .csv .parquet .json .md."),
        (("magnet", "--reach", "0"), "is not in the range"),
        (("heatmap", "--curve"), "--curve does nothing without a picture: -o FILE.png."),
        (("heatmap", "--bin", "0%"), "'0%' is no width. Write a percentage such as 1%."),
        (("heatmap", "--bin", "wide"), "'wide' is no width."),
        (("clusters", "--within", "0"), "is not in the range"),
        (("clusters", "--min-share", "101"), "is not in the range"),
        (("clusters", "--side", "up"), "'up' is not one of"),
        (
            ("clusters", "--group", "ETHER=WETH,wstETH"),
            "--group needs a market",
        ),
        (("clusters", "-o", "nowhere/a.csv"), "the folder of 'nowhere/a.csv' does not exist."),
        (("report", "-o", "nowhere/a.html"), "the folder of 'nowhere/a.html' does not exist."),
    ],
)
def test_what_the_others_cannot_use(
    run: Run, files: dict[str, Path], words: tuple[str, ...], seen: str
) -> None:
    assert seen in refused(run, (*words, "--from", files["ladder"]))


def test_depth_files_that_are_none(run: Run, files: dict[str, Path]) -> None:
    for name in ("curve", "ladder", "snapshot", "text"):
        depth = ("--depth", f"file:{files[name]}")
        for command in (("clusters",), ("cascade", "--shock", "-10%")):
            assert f"cannot use {files[name]}: " in refused(
                run, (*command, "--from", files["ladder"], *depth)
            )


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_options_are_said_before_a_market_is_read(run: Run, command: str) -> None:
    """A market takes minutes: a typing error does not wait for it."""
    words = ("--depth", "impact:much") if command == "cascade" else ("--impact", "much")
    more = ("--shock", "-1%") if command == "cascade" else ()
    assert "'much' is no amount" in refused(run, (command, "--from", "nowhere.csv", *words, *more))
    if command != "cascade":
        assert "'x' is no width" in refused(run, (command, "--from", "nowhere.csv", "--bin", "x"))


@pytest.mark.parametrize("command", COMMANDS)
def test_markets_that_are_none(run: Run, files: dict[str, Path], command: str) -> None:
    more = COMMANDS[command]
    assert "Name a PROTOCOL, a --market-file, or a snapshot with --from." in refused(run, (command, *more))
    said = refused(run, (command, "aave-v9", "--chain", "ethereum", *more))
    assert said.startswith("no protocol 'aave-v9'. Known here: aave-v3, ")
    said = refused(run, (command, "--market-file", files["unknown"], *more))
    assert "aave-v9" in said
    code, out, err = run(command, "aave-v3", "--chain", "ethereum", "-r", "http://127.0.0.1:9", *more, "-q")
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
