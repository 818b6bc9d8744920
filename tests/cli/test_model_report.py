"""`report` from snapshots and ladder files: Markdown and one page, with events, cascades and sweeps."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from defiliq.cli.events import Blocks
from defiliq.cli.report import _time_searched
from defiliq.ladder import EVENT_COLUMNS, as_table
from defiliq.types import Listing
from defiliq.view.files import write_table
from tests.builders import NOW
from tests.cli.conftest import Run
from tests.cli.model_stage import ETH, LAW, froms, held, ladder_file, numbers, other, rungs, snapshot_of
from tests.view.heat_stage import SEED_LEVELS, ladder_of

HEADINGS = (
    "Liquidation Overview (24h)",
    "Key Liquidation Levels",
    "Heatmap Summary",
    "Cascade Risk",
    "Post-Liquidation S/R Levels",
    "Trading Implications",
    "Coverage and Provenance",
    "Limits",
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A market as a snapshot and as a ladder, and another one."""
    folder = tmp_path_factory.mktemp("report")
    made = {book.market.name: snapshot_of(book, folder) for book in (held(), other())}
    return made | {"ladder": ladder_file(rungs(), folder / "ladder.csv")}


def happened(**changes: object) -> dict[str, object]:
    """A liquidation of a long along ETH/USD, an hour before the block."""
    row: dict[str, object] = dict.fromkeys(EVENT_COLUMNS, "")
    row |= {name: 0.0 for name in EVENT_COLUMNS if name.endswith("_usd")}
    row |= {"chain_id": 31337, "block_number": 100, "block_timestamp": NOW - 3600, "log_index": 1}
    row |= {"protocol": "aave-v3", "market": "Local", "version": "3.6", "base_symbol": "USD"}
    row |= {"transaction": "0x01", "side": "long", "driver": ETH, "kind": "liquidation"}
    return row | {"price_usd": 2950.0, "seized_usd": 150e6, "repaid_usd": 140e6} | changes


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A large one of a long, a small one of a short, and one of another driver."""
    some = (
        happened(),
        happened(log_index=2, side="short", price_usd=3010.0, seized_usd=1e6, repaid_usd=1e6),
        happened(log_index=3, driver="BTC/USD", price_usd=60000.0),
    )
    return write_table(as_table(list(some), EVENT_COLUMNS), tmp_path / "events.csv")


def test_a_snapshot_and_its_ladder_make_one_report(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    """Only the column of failed reads differs: a ladder file does not tell them."""
    code, out, _ = run("report", "--from", files["Local"], "-q")
    assert code == 0
    assert out.startswith(f"## Liquidation Analysis — {ETH} — 2025-11-24\n")
    assert [line[4:] for line in out.splitlines() if line.startswith("### ")] == list(HEADINGS)
    assert "| $2,727.28 | Long liq cluster | $4.72M | -9.1% | High |" in out
    assert "0xabababab" in out
    assert "not investment advice" in out
    code, of_ladder, err = run("report", "--from", files["ladder"], "-q")
    assert (code, err) == (0, "")
    lines, of_ladder_lines = out.splitlines(), of_ladder.splitlines()
    of_ladder_lines.remove("- Not every ladder tells how many accounts could not be read.")
    ((one, two),) = (pair for pair in zip(lines, of_ladder_lines, strict=True) if pair[0] != pair[1])
    assert one.startswith("| aave-v3 3.6 Local |")
    assert (one[: -len("0 |")], two[: -len("unknown |")]) == (one[:-3],) * 2
    assert (one[-3:], two[-9:]) == ("0 |", "unknown |")
    target = tmp_path / "report.md"
    code, silent, err = run("report", "--from", files["ladder"], "-o", target)
    assert (code, silent) == (0, "")
    assert f"Wrote {target}" in err
    assert target.read_text(encoding="utf-8") == of_ladder


def test_the_published_example_from_a_ladder_file(run: Run, tmp_path: Path) -> None:
    """Bitcoin levels below 57,000: 56,490 is the strongest, and the risk of a downward cascade high."""
    levels = [(price, size, "long") for price, size in SEED_LEVELS]
    path = ladder_file(ladder_of(levels, 57_000.0, "BTC/USD"), tmp_path / "bitcoin.csv")
    for width, size in (("0.25%", 96.17e6), ("0.02%", 34.04e6)):
        code, out, _ = run("clusters", "--from", path, "--bin", width)
        found = numbers(out)
        assert (code, found["price_usd"][0], found["magnitude_usd"][0]) == (0, 56_490.0, size)
        assert found["magnitude_usd"].sum() == math.fsum(dollars for _, dollars in SEED_LEVELS)
        code, out, _ = run("magnet", "--from", path, "--bin", width)
        row = numbers(out).iloc[0]
        assert (code, row["downside_risk"], row["upside_risk"]) == (0, "high", "low")
        code, out, _ = run("report", "--from", path, "--bin", width)
        assert code == 0
        assert "- **Strongest downside magnet**: $56,490 (long liquidation cluster, $" in out
        assert "- **Downside cascade risk**: high - " in out
        assert "- **Magnet by those two**: none: it takes a cluster on both sides" in out
    code, out, _ = run("heatmap", "--from", path, "--format", "table")
    assert code == 0
    assert re.search(r"^. +\$56,490 .*34\.04M Heavy long liquidation zone$", out, re.MULTILINE)


def test_with_events(run: Run, files: dict[str, Path], events: Path) -> None:
    code, out, _ = run("report", "--from", files["Local"], "--events", events)
    assert code == 0
    overview = out[out.index("### Liquidation Overview") : out.index("### Key")]
    assert "**Total liquidated**: $151.00M in 2 liquidations" in overview
    assert "**Long/short ratio**: 150.00, longs squeezed" in overview
    assert "**Recent support formed**: $2,950 (long liquidation wipeout of $150.00M" in out
    assert "- The state counts these liquidations alone, in bands made for the whole market." in overview
    assert "**Recent resistance formed**: none" in out
    assert (
        "- From single liquidations (what one transaction takes of one account) of more than $100.00M." in out
    )
    _, out, _ = run("report", "--from", files["Local"], "--events", events, "--large-usd", "500000")
    assert "**Recent resistance formed**: $3,010" in out
    twice = ("--events", str(events), "--events", str(events))
    code, again, err = run("report", "--from", files["Local"], *twice, "--large-usd", "500000")
    assert (code, again) == (0, out)
    assert "3 events are in these files again, and count once" in err


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_a_day_without_events(run: Run, files: dict[str, Path], tmp_path: Path, suffix: str) -> None:
    none = write_table(as_table([], EVENT_COLUMNS), tmp_path / f"none.{suffix}")
    code, out, _ = run("report", "--from", files["ladder"], "--events", none)
    assert code == 0
    assert "No liquidation events were given" not in out
    assert "**Recent support formed**: none" in out


def test_a_file_does_not_tell_what_was_searched_nor_what_it_could_not_price(
    run: Run, files: dict[str, Path], events: Path, tmp_path: Path
) -> None:
    _, out, _ = run("report", "--from", files["ladder"], "--events", events)
    assert "- Events: from events.csv, which does not tell what was searched." in out
    blind = write_table(as_table([happened(repaid_usd=math.nan)], EVENT_COLUMNS), tmp_path / "blind.csv")
    assert run("report", "--from", files["ladder"], "--events", blind)[0] == 3


@pytest.mark.parametrize(
    ("ends", "last", "searched"),
    [
        ([(50, 1000, 2000, "")], "latest", (999, sys.maxsize)),
        ([(50, 1000, 2000, "the node died")], "latest", (999, 2000)),
        ([(50, 1000, 2000, "")], 90, (999, 2000)),
        ([(5, 1000, 2000, "")], "latest", (0, sys.maxsize)),  # from the market's first block on
        ([(50, 1000, 2000, ""), (60, 1100, 1900, "")], "finalized", (1099, 1900)),
    ],
)
def test_the_time_that_was_searched_in_all_markets(
    ends: list[tuple[int, int, int, str]], last: int | str, searched: tuple[int, int]
) -> None:
    tables = [pd.DataFrame() for _ in ends]
    for table, end in zip(tables, ends, strict=True):
        table.attrs |= dict(zip(("first", "first_at", "covered_at", "stopped"), end, strict=True))
    listings = [Listing("aave-v3", "Core", 1, 5, {}) for _ in ends]
    assert _time_searched(listings, tables, Blocks(50, last)) == searched


def test_with_a_cascade_and_a_sweep(run: Run, files: dict[str, Path]) -> None:
    words = ("report", "--from", files["Local"], *LAW, "--shock", "-10%")
    code, out, _ = run(*words)
    assert code == 0
    simulated = out[out.index("### Simulated Cascade") : out.index("### Post-Liquidation")]
    assert "- Ended: quiet after 3 rounds." in simulated
    assert "2.19 times the shock of -10.00%" in simulated
    assert "Shocks from" not in simulated
    code, out, _ = run(*words[:-2], "--sweep")
    simulated = out[out.index("### Simulated Cascade") : out.index("### Post-Liquidation")]
    assert "- Shocks from -50% to +50% were tried." in simulated
    assert re.search("(No|The smallest) fall (of those tried|that) induces more than it causes", simulated)
    assert "Market depth: square-root impact, 1M a day, 4%" in out
    assert "Ended:" not in simulated


def test_one_page(run: Run, files: dict[str, Path], events: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    code, out, err = run(
        *("report", "--from", files["Local"], *LAW, "--shock", "-10%", "--sweep", "--events", events),
        *("-o", target),
    )
    assert (code, out) == (0, "")
    assert f"Wrote {target}" in err
    page = target.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    for heading in (*HEADINGS, "Simulated Cascade"):
        assert heading in page
    assert "default-src 'none'" in page
    without_scripts = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    assert "https://" not in without_scripts, "it asks nobody for anything"


def test_what_a_symbol_says_is_text(run: Run, tmp_path: Path) -> None:
    """Names come from chains and files: they run nothing in a browser and do nothing to a terminal."""
    wicked = "<script>alert(1)</script>\x1b[2J"
    table = rungs().assign(market=wicked, seize_asset=wicked, repay_asset="](http://evil.test)|x")
    path = ladder_file(table, tmp_path / "wicked.json")
    target = tmp_path / "wicked.html"
    code, _, err = run("report", "--from", path, *LAW, "--shock", "-10%", "-o", target)
    assert code == 0
    page = target.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\x1b" not in page
    assert "\x1b" not in err
    code, out, _ = run("report", "--from", path)
    assert code == 0
    assert "\x1b" not in out
    assert "<script>" not in out.replace("\\<script>", "").replace("&lt;script&gt;", "")
    for command in ("clusters", "heatmap", "cascade"):
        extra = (*LAW, "--shock", "-10%") if command == "cascade" else ()
        code, out, err = run(command, "--from", path, *extra, "--format", "table")
        assert code == 0
        assert "\x1b" not in out + err
    code, out, err = run("clusters", "--from", path, "--driver", "BTC/USD")
    assert code == 2
    assert "\x1b" not in err


def test_two_markets_have_a_row_each(run: Run, files: dict[str, Path]) -> None:
    code, out, _ = run("report", *froms(files["Other"], files["Local"]), "--driver", ETH, "-q")
    assert code == 0
    table = out[out.index("### Coverage") :]
    assert [name in table for name in ("| aave-v3 3.6 Local |", "| aave-v3 3.6 Other |")] == [True, True]


def test_options_that_contradict_each_other(run: Run, files: dict[str, Path], events: Path) -> None:
    for words, seen in (
        (("--deviation", "1%"), "--deviation does nothing without --shock or --sweep"),
        (("--large-usd", "5"), "--large-usd does nothing without --events"),
        (("--events", str(events), "--blocks", "1:2"), "Events come from --events or from --blocks"),
        (("--blocks", "1:2"), "--blocks asks a node, and --from needs none"),
        (("--shock", "-10%"), "--shock needs to know what a sale does: name --depth, or --impact."),
        (("--sweep",), "--sweep needs to know what a sale does"),
        (("--sweep", *LAW, "--group", "E=WETH,wstETH"), "--group is a view along several feeds"),
        (("--events", "nowhere.csv"), "cannot use nowhere.csv: No such file"),
        (("-o", "report.pdf"), "End it in .md .html"),
    ):
        code, out, err = run("report", "--from", files["Local"], *words)
        assert (code, out) == (2, ""), words
        assert seen in err
        assert "Traceback" not in err


def test_events_in_other_money_are_refused(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    table = as_table([happened(base_symbol="ETH")], EVENT_COLUMNS)
    path = write_table(table, tmp_path / "ether.csv")
    code, out, err = run("report", "--from", files["ladder"], "--events", path)
    assert (code, out) == (2, "")
    assert "the events count ETH, and the ladders USD" in err
    assert isinstance(table, pd.DataFrame)
