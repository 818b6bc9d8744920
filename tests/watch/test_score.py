"""The report card: what counts as announced, how errors are ranked, and what speaks against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from defiliq.errors import BadFile
from defiliq.pipeline.scoring import MOST_FAULTS, score
from defiliq.view.score import print_score, score_lines
from defiliq.watch.schema import Event, gap_event, identity_at, reorg_event
from defiliq.watch.score import ALL, REASONS, SCORE_COLUMNS, Reader
from tests.builders import account, address, market
from tests.watch.blocks import POLICY, WORTH, Watch, happening, of_kind

LONG = account(1, WETH=(1, 0), USDC=(0, 2000))
LEFT = account(1, WETH=(0.2, 0), USDC=(0, 100))
NAMED = identity_at(market())
NEAR, BROKEN, FAR = 2450_00000000, 2400_00000000, 3000_00000000


def history() -> list[Event]:
    """One liquidation announced as liquidatable, one in reach, one missed; and one that lapses."""
    watch = Watch(replace(POLICY, cooldown_s=0))
    people = [replace(LONG, owner=address(k)) for k in (1, 2, 4)]
    watch.start([*people, account(3, WETH=(1, 0), USDC=(0, 100))])
    watch.see(WETH=NEAR)
    watch.see(replace(LEFT, owner=address(2)), WETH=BROKEN, happened=[happening(2, watch.number + 1)])
    number = watch.number + 1
    watch.see(
        LEFT,
        account(3, WETH=(0.5, 0)),
        WETH=BROKEN,
        happened=[happening(1, number), happening(3, number, log_index=4)],
        worths=[WORTH, replace(WORTH, seized_base=100_00000000)],
    )
    watch.see(WETH=FAR)
    return watch.events


def report(events: Sequence[Event]) -> dict[str, Any]:
    reader = Reader()
    for event in events:
        reader.take(event)
    table = reader.table()
    assert tuple(table.columns) == SCORE_COLUMNS
    return {str(name): value for name, value in table.iloc[-1].items()}


def test_the_report_card() -> None:
    row = report(history())
    assert (row["liquidations"], row["missed"]) == (3, 1)
    assert (row["announced_liquidatable"], row["announced_approaching"]) == (1, 1)
    assert row["announced_pct"] == pytest.approx(200 / 3)
    assert row["seized_usd"] == 4900.0
    assert row["announced_usd_pct"] == pytest.approx(100 * 4800 / 4900)
    assert row["missed: changed in the same block"] == 1
    assert sum(row[f"missed: {reason}"] for reason in REASONS) == 1
    assert (row["errors"], row["error_zero_pct"], row["error_max"]) == (2, 100.0, "0")
    assert (row["lead_blocks_median"], row["lead_blocks_min"], row["lead_s_median"]) == (1.0, 1.0, 12.0)
    # 1 and 4 were announced as liquidatable; 1 was liquidated.
    assert (row["told_liquidatable"], row["lapsed"], row["standing"]) == (2, 1, 0)
    assert row["gaps"] == 0


def test_who_still_stands_has_not_lapsed() -> None:
    row = report(history()[:-4])
    assert row["told_liquidatable"] == row["lapsed"] + row["standing"] + 1


def test_what_a_reorganisation_took_back_does_not_count() -> None:
    events = history()
    liquidated = [event.id for event in of_kind(events, "liquidated")]
    announced = [event.id for event in of_kind(events, "liquidatable")]
    row = report([*events, reorg_event(NAMED, 2, "0xold", [*liquidated[:2], *announced])])
    assert (row["liquidations"], row["told_liquidatable"]) == (1, 0)


def test_what_comes_back_after_it_was_taken_back_counts_again() -> None:
    events = history()
    again = of_kind(events, "liquidated")[0]
    reader = Reader()
    for event in (*events, reorg_event(NAMED, 2, "0xold", [again.id]), again, again):
        reader.take(event)
    assert reader.table().iloc[-1]["liquidations"] == 3
    assert (reader.duplicates, reader.retracted, reader.unknown_retractions) == (1, 1, 0)


def test_lines_that_come_twice_around_a_reorganisation_count_as_once() -> None:
    """Stdout and webhooks tell at least once: what is told twice may begin at any line."""
    events = history()
    gone = of_kind(events, "liquidated")[0]
    void = reorg_event(NAMED, 2, "0xold", [gone.id])
    told = [*events, void]
    for lines, liquidations in ((told, 2), ([*told, gone], 3)):
        for begin in range(len(events) - 1, len(lines)):
            reader = Reader()
            for event in (*lines, *lines[begin:]):
                reader.take(event)
            assert reader.table().iloc[-1]["liquidations"] == liquidations, begin
            assert reader.unknown_retractions == 0
        reader = Reader()
        for event in (*lines, *lines):
            reader.take(event)
        assert reader.table().iloc[-1]["liquidations"] == liquidations


def test_a_lead_ends_at_the_block_of_the_liquidation() -> None:
    """Not at the one that was evaluated after it, where only some are."""
    (plain,) = of_kind(history(), "liquidated")[:1]
    facts = dict(plain.facts)
    assert facts["happened_block"] == facts["block_number"]
    sooner = {"block_number": int(str(facts["block_number"])) + 99, "block_timestamp": 2_000_000_000}
    row = report([replace(plain, facts=facts | sooner)])
    assert (row["lead_blocks_median"], row["lead_blocks_min"]) == (1.0, 1.0)
    assert math.isnan(row["lead_s_median"])
    assert "announced 1 blocks before (median; at least 1)" in score_lines(pd.DataFrame([row]))


def test_errors_are_ranked_by_size() -> None:
    (plain,) = of_kind(history(), "liquidated")[:1]
    errors = ["-7", "0", "3", "12", "-100", *["1"] * 5]
    made = [
        replace(plain, id=f"id{k}", facts={**plain.facts, "error_units": error})
        for k, error in enumerate(errors)
    ]
    row = report(made)
    ranks = [row[f"error_{name}"] for name in ("min", "median", "p90", "max")]
    assert ranks == ["0", "1", "12", "100"]
    assert row["error_zero_pct"] == 10.0


def test_the_error_of_a_miss_is_not_an_error_of_what_was_announced() -> None:
    events = of_kind(history(), "liquidated")
    missed = [replace(e, facts={**e.facts, "error_units": "5"}) for e in events if e.facts["miss_reason"]]
    assert report(missed)["errors"] == 0


def test_several_markets_have_a_row_each_and_one_together() -> None:
    events = history()
    other = [
        replace(event, id=f"{event.id}x", facts={**event.facts, "market": "Other", "base_symbol": "ETH"})
        if "base_symbol" in event.facts
        else replace(event, id=f"{event.id}x", facts={**event.facts, "market": "Other"})
        for event in events
    ]
    reader = Reader()
    for event in (*events, *other):
        reader.take(event)
    table = reader.table()
    assert table["market"].tolist() == ["Local", "Other", ALL]
    assert table["liquidations"].tolist() == [3, 3, 6]
    assert table["lapsed"].tolist() == [1, 1, 2]
    assert math.isnan(table["seized_usd"].iloc[-1])  # dollars and ether are no sum
    assert table["base_symbol"].iloc[-1] == "ETH+USD"


def test_a_gap_counts_its_blocks() -> None:
    row = report([*history(), gap_event(NAMED, 10, 19, "pruned"), gap_event(NAMED, 30, 30, "pruned")])
    assert (row["gaps"], row["gap_blocks"]) == (2, 11)


def test_without_liquidations_there_is_no_share() -> None:
    row = report([])
    assert row["liquidations"] == 0
    assert math.isnan(row["announced_pct"])
    assert (row["error_max"], row["protocol"]) == ("", ALL)


def written(path: Path, events: Sequence[Event], *more: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in [*(event.line() for event in events), *more]))
    return path


def test_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    events = history()
    first, second = written(tmp_path / "1", events[:5]), written(tmp_path / "2", events[4:])
    found = score([first, second])
    assert found.table.iloc[-1]["liquidations"] == 3
    assert (found.events, found.duplicates, found.bad_lines) == (len(events) + 1, 1, 0)
    assert found.is_complete


def test_a_line_that_is_no_event_is_named_and_the_others_count(tmp_path: Path) -> None:
    path = written(tmp_path / "events", history(), '{"id": "torn', "[]", *["1"] * MOST_FAULTS, "")
    found = score([path])
    assert found.table.iloc[-1]["liquidations"] == 3
    count = len(history())
    assert found.faults[0].startswith(f"{path} line {count + 1}: ")
    assert found.faults[1] == f"{path} line {count + 2}: no event"
    assert (len(found.faults), found.bad_lines) == (MOST_FAULTS, MOST_FAULTS + 2)
    assert not found.is_complete


@pytest.mark.parametrize(
    "odd",
    [
        {"predicted": "surely"},
        {"predicted": "missed"},
        {"miss_reason": "interest"},
        {"announced_at": None},
        {"seized_usd": 1e308},
        {"repaid_usd": -1e308},
        {"error_units": "9" * 5_000},
    ],
)
def test_a_liquidation_that_cannot_be_counted_is_no_event(tmp_path: Path, odd: dict[str, object]) -> None:
    (plain,) = of_kind(history(), "liquidated")[:1]
    assert plain.facts["predicted"] != "missed"
    made = [replace(plain, id=f"id{k}", facts={**plain.facts, **odd}) for k in range(20)]
    found = score([written(tmp_path / "events", [plain, *made])])
    assert (found.table.iloc[-1]["liquidations"], found.bad_lines) == (1, 20)


def test_a_gap_that_ends_before_it_begins_is_no_event(tmp_path: Path) -> None:
    found = score([written(tmp_path / "1", [*history(), gap_event(NAMED, 19, 10, "pruned")])])
    assert (found.gap_blocks, found.bad_lines) == (0, 1)


def test_gaps_and_unknown_retractions_make_it_incomplete(tmp_path: Path) -> None:
    gap = score([written(tmp_path / "1", [*history(), gap_event(NAMED, 10, 19, "pruned")])])
    assert (gap.is_complete, gap.gap_blocks) == (False, 10)
    lost = score([written(tmp_path / "2", [*history(), reorg_event(NAMED, 1, "0xold", ["none"])])])
    assert (lost.is_complete, lost.unknown_retractions) == (False, 1)


def test_files_that_hold_no_events_are_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"\xff\xfe\n")
    for path in (bad, tmp_path / "none", tmp_path):
        with pytest.raises(BadFile):
            score([path])
    empty = tmp_path / "empty"
    empty.touch()
    assert score([empty]).events == 0


def test_the_terminal_says_it_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    reader = Reader()
    for event in history():
        reader.take(event)
    table = reader.table()
    print_score(pd.concat([table, table]))
    told = capsys.readouterr().out
    assert "3 liquidations happened" in told
    assert "announced before: 2 (66.7%), 1 of them as liquidatable, 1 as approaching" in told
    assert "missed, changed in the same block: 1" in told
    assert "exactly 0 in 100.0%" in told
    assert "1 lapsed" in told
    assert "by market" in told
    assert score_lines(table.iloc[:0]) == ["no events"]
    assert "no liquidation happened" in score_lines(Reader().table())
