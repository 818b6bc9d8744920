"""Shows defiliq on markets of 300 accounts on local chains: Aave v3.6, dYdX, a Compound v2 fork, a Comet."""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

RECORDINGS = ROOT / "fixtures" / "recordings"
MARKET_FILE = "local.json"
SNAPSHOT = "market.parquet"
USERS = 300
WATCHED_BLOCKS = 40
PICTURE_COLUMNS = 104


class Demo:
    """Runs commands as a user would, says what each shows, and counts what fails."""

    def __init__(self, folder: Path, source: dict[str, list[str]], market: str = MARKET_FILE) -> None:
        self.folder, self._source, self._market_file = folder, source, market
        self.variables: dict[str, str] = {}
        self.failed = 0

    def run(
        self,
        shows: str,
        command: str,
        *arguments: str,
        recording: str = "market",
        expected: int = 0,
        shown: Path | None = None,
    ) -> None:
        """One command, printed first; its output goes to the terminal as it is, or into a file."""
        needs_none = command in ("cex", "score") or {"--from", "--over-time", "--impact"} & {*arguments}
        source = [] if needs_none else ["--market-file", self._market_file, *self._source[recording]]
        line = ["defiliq", command, *arguments, *source]
        set_here = "".join(f"{name}={value} " for name, value in self.variables.items())
        say(f"\n== {shows}\n$ {set_here}{shlex.join(line)}")
        program = Path(sys.executable).parent / "defiliq"
        environment = os.environ | self.variables
        out = None if shown is None else subprocess.PIPE
        done = subprocess.run([program, *line[1:]], cwd=self.folder, env=environment, stdout=out, check=False)
        code = done.returncode
        if shown is not None:
            shown.write_bytes(done.stdout)
        if code != expected:
            self.failed += 1
            say(f"!! exit code {code}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "demo-output", help="where files go")
    parser.add_argument("--replay", action="store_true", help="answer from the bundled recording")
    parser.add_argument("--record", action="store_true", help="make the bundled recording anew")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="only draw the model, into a folder")
    options = parser.parse_args()
    if options.pictures is not None:
        return draw_into(options.pictures)
    started = time.monotonic()
    options.output.mkdir(parents=True, exist_ok=True)
    without_npm = shutil.which("npm") is None or shutil.which("node") is None
    if without_npm and not options.replay:
        say("No npm on this machine: showing the same market from a recording.")
    with replayed(options.output) if options.replay or without_npm else lab(options) as source:
        demo = Demo(options.output, source)
        show(demo)
    failed = demo.failed + show_perpetuals(options.output) + show_model(options.output)
    failed += show_exchanges(options.output)
    if options.replay or without_npm:
        say("\nCompound and Solo Margin are shown on a machine with npm only: there is no recording of them.")
    elif not options.record:
        failed += show_watch(options.output) + show_compound(options.output) + show_solo(options.output)
    if options.record:
        shutil.copy(options.output / MARKET_FILE, RECORDINGS / MARKET_FILE)
    say(f"\nDone in {time.monotonic() - started:.0f} s. Files are in {options.output.name}/:")
    for path in sorted(options.output.iterdir()):
        say(f"  {path.name}  {path.stat().st_size:,} bytes")
    return 1 if failed else 0


def show(demo: Demo) -> None:
    """The commands, each with what to look at."""
    demo.run(
        "scan: every account that ever borrowed, read at one block and judged by the pool's own arithmetic",
        "scan", "aave-v3", "-o", "health.csv",
    )  # fmt: skip
    demo.run(
        "ladder: the oracle price at which each account becomes liquidatable, as rows for your own tools",
        "ladder", "aave-v3", "-o", "ladder.csv",
    )  # fmt: skip
    demo.run(
        "ladder --bin: the same along ETH/USD, in steps of 5%",
        "ladder", "aave-v3", "--driver", "ETH/USD", "--bin", "5%", "--format", "table",
    )  # fmt: skip
    if demo.failed:
        say("!! the ladder is missing, so the rest is left out")
        return
    account = nearest_account(demo.folder / "ladder.csv", "ETH/USD")
    demo.run(
        "position: one account explained; this one is the next to break as ETH falls",
        "position", account, "aave-v3", recording="position",
    )  # fmt: skip
    demo.run(
        "snapshot: all of it as one file, which every analysis takes instead of a node",
        "snapshot", "aave-v3", "-o", SNAPSHOT,
    )  # fmt: skip
    demo.run(
        "verify: the contract is asked about every account, every level, and the safe price next to it",
        "verify", "aave-v3", "--levels",
    )  # fmt: skip
    demo.run(
        "feeds --tree: what really moves a price, taken apart to the contracts' own integers",
        "feeds", "--from", SNAPSHOT, "--tree", "--driver", "ETH/USD",
    )  # fmt: skip
    demo.run(
        "ladder on a staking ratio: loops of wstETH against WETH never break on ETH/USD, but they do here",
        "ladder", "--from", SNAPSHOT, "--driver", "wstETH/ETH", "--bin", "5%", "--format", "table",
    )  # fmt: skip
    demo.run(
        "stress: two drivers fall together; the picture shows all of the way there",
        "stress", "--from", SNAPSHOT, "--set", "ETH/USD=-20%", "--set", "wstETH/ETH=-5%", "--format", "table",
        "--log", "-o", "stress.png",
    )  # fmt: skip


def show_watch(folder: Path) -> int:
    """A chain on which things happen, watched block by block; how many commands failed."""
    with watched(folder) as (demo, pools, follow, play):
        demo.run("watch: who stands where at the newest block; it is told to end there", *follow())
        play()
        demo.run(
            "watch: goes on where it ended and catches up (code 3: for some blocks an asset has no price)",
            *follow("--format", "table"), expected=3,
        )  # fmt: skip
        demo.run(
            "score: how many liquidations had been announced, and why not the others",
            "score", "events.jsonl", "--format", "table",
        )  # fmt: skip
        demo.run(
            "watch --blocks: the last ten blocks again, by the same code; the same events by id",
            "watch", "aave-v3", "--blocks", "-10:", *pools, "-o", "replay.jsonl",
        )  # fmt: skip
        demo.run(
            "opportunities: what liquidating would net now, with gas, loan and the exit through pools paid",
            "opportunities", "aave-v3", *pools, "--within", "5%", "--format", "table",
        )  # fmt: skip
        demo.run(
            "triggers: which oracle update would set off which level",
            "triggers", "aave-v3", "--price", "ETH/USD=2300", "--format", "table",
        )  # fmt: skip
    return demo.failed


Words = Callable[..., tuple[str, ...]]
"""More options to the words of a command."""


@contextmanager
def watched(folder: Path) -> Iterator[tuple[Demo, list[str], Words, Callable[[], object]]]:
    """The demo of a chain with pools, the exits through them, the words of a watch that ends at the newest
    block, and what plays some blocks in which prices move, people act and a bot liquidates.
    """
    from tests.lab import start_lab
    from tests.lab.hour.script import Hour
    from tests.lab.hour.stage import set_stage

    say("\nStarting the Aave chain once more, with pools; prices move, people act, a bot liquidates ...")
    with start_lab("v3.6", users=120, seed=7) as chain:
        stage = set_stage(chain, 1)
        chain.market_file(folder / "watched.json")
        demo = Demo(folder, {"market": ["--rpc-url", chain.url, "--no-index"]}, "watched.json")
        pools = [f"--exit={sold}/{paid}=pool:{pool.address}" for (sold, paid), pool in stage.pools.items()]

        def follow(*more: str) -> tuple[str, ...]:
            kept = ("--state", "state", "-o", "events.jsonl", "--stop-at", str(chain.chain.height()))
            return ("watch", "aave-v3", *kept, *pools, *more)

        yield demo, pools, follow, lambda: Hour(stage, WATCHED_BLOCKS, 1).play()


def draw_watch(folder: Path) -> int:
    """The table of a watch, as a terminal shows it; how many commands failed."""
    from rich.console import Console
    from rich.text import Text

    with tempfile.TemporaryDirectory() as made, watched(Path(made)) as (demo, _, follow, play):
        demo.run("watch", *follow())
        play()
        shown = Path(made) / "shown.txt"
        demo.variables = {"FORCE_COLOR": "1", "COLUMNS": str(PICTURE_COLUMNS)}
        demo.run("watch", *follow("--format", "table"), expected=3, shown=shown)
        console = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True)
        last = shown.read_text(encoding="utf-8").rpartition("market  ")  # it was drawn after every block
        console.print(Text.from_ansi("market  " + last[2]))
        drawn = console.export_svg(title="defiliq watch aave-v3")
        local = re.sub(
            r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL
        )  # they would be fetched from elsewhere
        (folder / "watch.svg").write_text(local, encoding="utf-8")
    return demo.failed


def show_compound(folder: Path) -> int:
    """The same commands on Compound's two protocols; how many failed."""
    from tests.lab import start_compound_v2, start_compound_v3

    say("\nStarting a chain with the real contracts of Venus 0.4.1, a fork of Compound v2 ...")
    with start_compound_v2(users=USERS, seed=7) as chain:
        chain.market_file(folder / "compound-v2.json")
        source = {"market": ["--rpc-url", chain.url, "--no-index"]}
        v2 = Demo(folder, source, "compound-v2.json")
        show_whole_market(v2, "compound-v2", "ETH/USD")
    say("\nStarting a chain with two Comets: contracts of our own with their interface ...")
    with start_compound_v3(users=USERS, seed=7) as comets:
        comets.market_file("usdc", folder / "compound-v3.json")
        v3 = Demo(folder, {"market": ["--rpc-url", comets.url, "--no-index"]}, "compound-v3.json")
        show_whole_market(v3, "compound-v3", "ETH/USD")
    return v2.failed + v3.failed


def show_solo(folder: Path) -> int:
    """The same commands on dYdX's Solo Margin; how many failed."""
    from tests.lab import start_dydx_solo

    say("\nStarting a chain with dYdX's SoloMargin; the operations behind it are ours ...")
    with start_dydx_solo(users=USERS, seed=7) as chain:
        chain.market_file(folder / "dydx-solo.json")
        solo = Demo(folder, {"market": ["--rpc-url", chain.url, "--no-index"]}, "dydx-solo.json")
        show_whole_market(solo, "dydx-solo", "ETH/USD")
    return solo.failed


MODEL = "parameters.parquet"
"""A book with the real parameters of Aave v3 on Ethereum and seeded accounts."""
ALONG_ETH = ("--from", MODEL, "--driver", "ETH/USD")
DEPTH = ("--impact", "200M,4%")
THIN = ("--impact", "20M,4%")
"""A market in which clusters push each other."""


def show_model(folder: Path) -> int:
    """What the ladder comes to: heat, clusters, cascades, and the report; how many commands failed."""
    from defiliq.pipeline.snapshot import save_snapshot
    from tests.sensitivity.history import write_history
    from tests.sensitivity.population import aave_book

    say("\nMaking a book of 3,000 seeded accounts on Aave's real parameters, and two days of its life ...")
    save_snapshot(aave_book(), folder / MODEL)
    write_history(folder / "history")
    demo = Demo(folder, {"market": []})
    demo.run(
        "heatmap: how much is liquidated at which price, longs below the current price and shorts above",
        "heatmap", *ALONG_ETH, "--format", "table",
    )  # fmt: skip
    demo.run(
        "clusters: where much breaks at once, and what its sale does to a market of 200 million a day",
        "clusters", *ALONG_ETH, *DEPTH, "--format", "table",
    )  # fmt: skip
    demo.run(
        "magnet: which side pulls, and how closely clusters are stacked",
        "magnet", *ALONG_ETH, "--format", "table",
    )  # fmt: skip
    demo.run(
        "cascade: ETH falls by 30%; what is seized is sold, and every account is liquidated by Aave's rules",
        "cascade", *ALONG_ETH, *DEPTH, "--shock", "-30%", "--format", "table",
    )  # fmt: skip
    draw_model(demo)
    return demo.failed


def show_exchanges(folder: Path) -> int:
    """Estimates beside the chain, on the bundled sample and the model's book; how many commands failed."""
    demo = Demo(folder, {"market": []})
    demo.run(
        "cex: what three exchanges would liquidate at which price, estimated from a simulated sample",
        "cex", "BTC", "--format", "table",
    )  # fmt: skip
    demo.run(
        "cex price: one position's liquidation price, by the venue's own tiers and formula",
        "cex", "price", "BTC", "--venue", "okx", "--side", "long", "--entry", "60000", "--leverage", "25",
    )  # fmt: skip
    demo.run(
        "cex backtest: better than chance? On real days, and where the truth is known",
        "cex", "backtest", "BTC", "ETH", "--format", "table",
    )  # fmt: skip
    demo.run(
        "compare: exact on chain, estimated beside it",
        "compare", "ETH", "--from", MODEL, "--format", "table",
    )  # fmt: skip
    for shows, picture, command, *arguments in (
        ("cex: an estimate with its band", "estimate", "cex", "ETH", "--venue", "binance"),
        ("cex --over-time: how it came about", "estimate-over-time", "cex", "ETH", "--venue", "binance",
         "--over-time", "--by-side"),
        ("compare: exact and estimated on one axis", "compare", "compare", "ETH", "--from", MODEL),
        ("cex backtest: lifts with their intervals", "lift", "cex", "backtest"),
    ):  # fmt: skip
        demo.run(shows, command, *arguments, "-o", f"{picture}.png")
    demo.run(
        "compare: all of it as one page that needs no network",
        "compare", "ETH", "--from", MODEL, "-o", "beside.html",
    )  # fmt: skip
    return demo.failed + show_live_exchanges(folder)


def show_live_exchanges(folder: Path) -> int:
    """The same through ccxt, by configuration alone: from a stand-in that speaks the venues' endpoints."""
    from defiliq.pipeline.cex_files import load_sample
    from tests.cex.stub import moved, stub

    say("\nStarting a stand-in of Binance, Bybit and OKX, on which the sample's market goes on ...")
    demo = Demo(folder, {"market": []})
    soon = int(time.time()) + 3_600
    perpetuals = [one for one in load_sample("BTC") if one.history.instrument.expires_at is None]
    with stub([moved(one, soon) for one in perpetuals]) as urls:
        demo.variables = {"DEFILIQ_CEX": "live"}
        demo.variables |= {f"VENUE_URL_{venue.upper()}": url for venue, url in urls.items()}
        demo.run(
            "cex: asked of the exchanges, here a stand-in, by two settings",
            "cex", "BTC", "--span", "4d", "--no-cache", "--format", "table",
        )  # fmt: skip
    return demo.failed


def draw_into(folder: Path) -> int:
    """Keep the pictures of the model and of exchanges; 1 where a command failed."""
    with tempfile.TemporaryDirectory() as made:
        failed = show_model(Path(made)) + show_exchanges(Path(made))
        folder.mkdir(parents=True, exist_ok=True)
        for picture in sorted(Path(made).glob("*.png")):
            shutil.copy(picture, folder / picture.name)
        failed += draw_watch(folder)
    return 1 if failed else 0


def draw_model(demo: Demo) -> None:
    """The pictures of the model, as the README shows them, and the report."""
    shock = ("--shock", "-30%")
    for shows, picture, command, *arguments in (
        ("heatmap: the same as a picture", "heatmap", "heatmap", *ALONG_ETH),
        ("heatmap --curve: what piles up on the way", "ladder", "heatmap", *ALONG_ETH, "--curve"),
        ("heatmap --over-time: two days, an hour a column", "over-time", "heatmap",
         "--over-time", "history", "--driver", "ETH/USD"),
        ("clusters --contagion: who pushes the price into whom, in a market a tenth as deep", "contagion",
         "clusters", *ALONG_ETH, *THIN, "--contagion"),
        ("cascade: round by round", "cascade", "cascade", *ALONG_ETH, *DEPTH, *shock),
        ("cascade --sweep: a hundred shocks", "sweep", "cascade", *ALONG_ETH, *DEPTH, "--sweep"),
        ("depth: what a trade does to the price", "depth", "depth", *DEPTH, "--price", "3119",
         "--base", "ETH"),
    ):  # fmt: skip
        demo.run(shows, command, *arguments, "-o", f"{picture}.png")
    demo.run(
        "report: all of it as one page that needs no network",
        "report", *ALONG_ETH, *DEPTH, *shock, "--sweep", "--over-time", "history",
        "-o", "report.html",
    )  # fmt: skip
    demo.run("report: the same for reading here", "report", *ALONG_ETH, *DEPTH, *shock, "-o", "report.md")


def show_perpetuals(folder: Path) -> int:
    """The same commands on a stand-in of the dYdX chain, which needs no npm; how many failed."""
    from tests.chain.cosmos_standin import serving_grpc
    from tests.dydx.__main__ import LOCAL_CHAIN, write_market_file
    from tests.dydx.population import population
    from tests.dydx.standin import dydx_standin

    say("\nStarting a stand-in of the dYdX v4 chain, with real parameters and seeded subaccounts ...")
    with serving_grpc(dydx_standin(population(USERS, 7, has_whales=False), chain_id=LOCAL_CHAIN)) as url:
        write_market_file(folder / "dydx-v4.json", url)
        demo = Demo(folder, {"market": []}, "dydx-v4.json")
        show_whole_market(demo, "dydx-v4", "ALL")
        demo.run(
            "positions: longs, shorts and leverage, as the chain keeps them",
            "positions", "--from", "dydx-v4.parquet", "--top", "5", "-o", "positions.csv", "--format", "text",
        )  # fmt: skip
        demo.run(
            "stress: every market falls by a fifth at once",
            "stress", "--from", "dydx-v4.parquet", "--set", "ALL=-20%", "--format", "table",
        )  # fmt: skip
    return demo.failed


def show_whole_market(demo: Demo, protocol: str, driver: str) -> None:
    """From scan to verify, on one more protocol."""
    ladder, snapshot = f"{protocol}-ladder.csv", f"{protocol}.parquet"
    demo.run("scan", "scan", protocol)
    demo.run("snapshot: all of it as one file", "snapshot", protocol, "-o", snapshot)
    demo.run(
        f"ladder along {driver}, in steps of 5%",
        "ladder", "--from", snapshot, "--driver", driver, "--bin", "5%", "--format", "table",
    )  # fmt: skip
    demo.run("ladder: every driver, as rows", "ladder", "--from", snapshot, "-o", ladder)
    if demo.failed:
        say("!! the ladder is missing, so the rest is left out")
        return
    account = nearest_account(demo.folder / ladder, driver)
    demo.run(
        f"position: the next to break as {driver} falls", "position", account, protocol, recording="market"
    )
    fall = ("--set", f"{driver}=-25%", "--format", "table")
    demo.run(f"stress: {driver} falls by a quarter", "stress", "--from", snapshot, *fall)
    demo.run("verify: the chain is asked about every account and level", "verify", protocol, "--levels")
    demo.run(
        "opportunities: who earns what near spot, as rows",
        "opportunities", protocol, "--within", "5%", "-o", f"{protocol}-nets.csv",
    )  # fmt: skip
    demo.run(
        "triggers: the nearest levels of every driver",
        "triggers", "--from", snapshot, "--format", "table",
    )  # fmt: skip


def nearest_account(ladder: Path, driver: str) -> str:
    """The account whose level on a driver lies nearest to spot, below it."""
    with ladder.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    below = [r for r in rows if (r["driver"], r["outcome"], r["side"]) == (driver, "price", "long")]
    return max(below, key=lambda row: int(row["price_raw"]))["account"]


@contextmanager
def lab(options: argparse.Namespace) -> Iterator[dict[str, list[str]]]:
    """The local chain, running while the demo does."""
    from tests.lab import start_lab

    say(f"Starting a local chain with the real Aave v3.6 contracts and {USERS} accounts ...")
    with start_lab("v3.6", users=USERS, seed=7) as chain:
        chain.market_file(options.output / MARKET_FILE)
        say(f"It answers at {chain.url}; its market file is {options.output.name}/{MARKET_FILE}.")
        live = ["--rpc-url", chain.url]
        if options.record:
            RECORDINGS.mkdir(parents=True, exist_ok=True)
            recorded = {name: [*live, "--record", str(recording(name))] for name in ("market", "position")}
            yield recorded
        else:
            yield {"market": [*live, "--no-index"], "position": [*live, "--no-index"]}


@contextmanager
def replayed(folder: Path) -> Iterator[dict[str, list[str]]]:
    """The recorded answers of the same chain."""
    shutil.copy(RECORDINGS / MARKET_FILE, folder / MARKET_FILE)
    yield {name: ["--replay", str(recording(name))] for name in ("market", "position")}


def recording(name: str) -> Path:
    """Where the answers are kept: those to reading and verifying, and those to explaining one account."""
    return RECORDINGS / f"aave_v36_lab_{name}.json.gz"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
