"""`defiliq watch` in this process, on the real contracts: what it prints, keeps and refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from defiliq.watch.schema import check, event_of
from tests.cli.conftest import Run
from tests.lab import Lab

pytestmark = pytest.mark.lab

ODDS = [1.0, 0.985, 0.97, 0.99, 1.0]
"""Of ETH/USD, block by block."""


class There:
    """A market of the lab with some blocks in which ETH moves."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.first = lab.chain.height() + 1
        spot = lab.price("WETH")
        for odds in ODDS:
            lab.set_driver("ETH/USD", int(spot * odds))
            lab.chain.wait(12)
        self.last = lab.chain.height()
        self.market = lab.market_file(folder / "local.json")

    @property
    def source(self) -> tuple[str, ...]:
        return ("aave-v3", "--market-file", str(self.market), "-r", self.lab.url, "--no-index")

    @property
    def live(self) -> tuple[str, ...]:
        return (*self.source, "--state", str(self.folder / "state"), "--poll", "0.05")


@pytest.fixture
def there(lab_v36: Lab, tmp_path: Path) -> Iterator[There]:
    with lab_v36.keeping():
        yield There(lab_v36, tmp_path)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_blocks_of_the_past_are_lines_on_stdout_that_fit_the_schema(there: There, run: Run) -> None:
    code, out, err = run("watch", *there.source, "--blocks", f"{there.first}:{there.last}", "--cooldown", "0")
    assert code == 0, err
    events = [event_of(line) for line in lines(out)]
    for event in events:
        check(event)
    kinds = {event.kind for event in events}
    assert {"approaching", "liquidatable", "recovered", "oracle_updated"} <= kinds
    assert f"Evaluated blocks {there.first} to {there.last}: {len(events)} events" in err
    numbers = [event.facts["block_number"] for event in events]
    assert set(numbers) <= set(range(there.first - 1, there.last + 1))
    assert numbers == sorted(numbers)  # type: ignore[type-var]


@pytest.mark.parametrize("span", [(), ("--blocks", "-2:")])
def test_markets_that_events_would_not_tell_apart_are_refused(
    there: There, run: Run, span: tuple[str, ...]
) -> None:
    """Nothing is written then: a file that is begun anew is begun once all is known to be well."""
    kept = there.folder / "events.jsonl"
    kept.write_text('{"id":"kept"}\n')
    other = there.folder / "other.json"
    other.write_text(there.market.read_text().replace(there.lab.provider, there.lab.pool))
    code, out, err = run("watch", *there.source, "--market-file", other, *span, "-o", kept)
    assert (code, out) == (2, "")
    assert "2 markets are called aave-v3 Local v3.6" in err
    assert "same ids" in err
    assert kept.read_text() == '{"id":"kept"}\n'


def test_a_negative_range_counts_from_the_end_and_a_file_is_begun_anew(there: There, run: Run) -> None:
    wanted = there.folder / "events.jsonl"
    code, out, _ = run("watch", *there.source, "--blocks", f"-{len(ODDS)}:", "-o", wanted)
    assert (code, out) == (0, "")
    first = wanted.read_text()
    run("watch", *there.source, "--blocks", f"{there.first}:{there.last}", "-o", wanted)
    assert wanted.read_text() == first


def test_score_reads_what_watch_writes(there: There, run: Run) -> None:
    wanted = there.folder / "events.jsonl"
    run("watch", *there.source, "--blocks", f"{there.first}:", "-o", wanted)
    code, out, _ = run("score", wanted, "--format", "table")
    assert code == 0
    assert out.startswith("no liquidation happened")


def test_a_run_that_is_ended_goes_on_where_it_was(there: There, run: Run) -> None:
    """Four runs in a row tell what one replay of the same blocks tells. Time alone moves accounts here: what
    is written into the storage of a local node's newest block is not in that block for long.
    """
    begin = there.lab.chain.height()
    told: list[dict[str, Any]] = []
    for _ in range(4):
        code, out, err = run("watch", *there.live, "--stop-at", there.lab.chain.height())
        assert code == 0, err
        told += lines(out)
        there.lab.chain.wait(30 * 86_400)
    _, out, _ = run("watch", *there.source, "--blocks", f"{begin + 1}:{there.lab.chain.height() - 1}")
    assert told == lines(out)
    assert {event["block_number"] for event in told} > {begin}


def test_without_a_state_every_run_begins_anew(there: There, run: Run) -> None:
    height = there.lab.chain.height()
    runs = [run("watch", *there.source, "--no-state", "--stop-at", height) for _ in range(2)]
    assert runs[0][1] == runs[1][1]
    assert lines(runs[0][1])


def test_a_table_is_drawn_and_timings_are_kept(there: There, run: Run) -> None:
    timings = there.folder / "laps.jsonl"
    run("watch", *there.live, "--stop-at", there.lab.chain.height())
    there.lab.chain.wait(12)
    code, out, err = run(
        *("watch", *there.live, "--stop-at", there.lab.chain.height()),
        *("--format", "table", "--timings", timings),
    )
    assert code == 0, err
    assert "aave-v3 Local v3.6 on local" in out
    assert "liquidatable" in out
    (lap,) = lines(timings.read_text())
    assert lap["block"] == there.lab.chain.height()
    assert lap["accounts"] > 100
    assert lap["seen_to_journal_s"] > lap["judge_s"] > 0


def test_filters_tell_of_those_alone(there: There, run: Run) -> None:
    span = ("--blocks", f"{there.first}:{there.last}", "--cooldown", "0")
    _, out, _ = run("watch", *there.source, *span)
    about = [event for event in lines(out) if event["event"] == "liquidatable"]
    owner = about[0]["account"]
    listed = there.folder / "owners.txt"
    listed.write_text(f"# mine\n\n{owner.lower()}  # the first\n")
    for chosen in (("--owner", owner), ("--owners", str(listed))):
        _, only, _ = run("watch", *there.source, *span, *chosen)
        accounts = {event["account"] for event in lines(only) if "account" in event}
        assert accounts == {owner}
    _, rich, _ = run("watch", *there.source, *span, "--min-debt-usd", "100000")
    told = [event for event in lines(rich) if event["event"] in ("approaching", "liquidatable")]
    assert told
    assert all(event["debt_usd"] >= 100_000 for event in told)


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (("--driver", "XYZ/USD"), 2, "no driver 'XYZ/USD' in this market"),
        (("--owner", "0x12"), 2, "'0x12' is no address"),
        (("--owners", "nowhere.txt"), 2, "cannot use nowhere.txt"),
        (("--webhook", "http://127.0.0.1:9/hook"), 2, "not a public address"),
        (("--webhook", "ftp://somewhere"), 2, "the webhook cannot be used"),
        (("--ws", "http://somewhere"), 2, "--ws cannot be used"),
        (("--within", "none"), 2, "is no share of the price"),
        (("--within", "0%"), 2, "is no share of the price"),
        (("--cooldown", "soon"), 2, "is no time"),
        (("-o", "events.csv"), 2, "Events are written as .jsonl"),
        (("--blocks", "9:3"), 2, "ends before it begins"),
        (("--blocks", "1:99999999"), 2, "the node has no block 99999999 yet"),
        (("--blocks", "0:3"), 2, "the first that can be replayed is 1"),
        (("--exit", "what"), 2, "is no exit"),
        (("--replay", "recording.json.gz"), 2, "A recording brings no new blocks"),
        (("--state", "/dev/null/x"), 2, "cannot keep a state"),
    ],
)
def test_what_makes_no_sense_is_refused(
    there: There, run: Run, given: tuple[str, ...], code: int, words: str
) -> None:
    seen, out, err = run("watch", *there.source, "--stop-at", there.last, *given)
    assert seen == code
    assert words in err
    assert out == ""
    assert "Traceback" not in err


def test_the_secret_part_of_a_webhook_is_not_shown(there: There, run: Run) -> None:
    _, _, err = run("watch", *there.source, "--webhook", "http://user:hunter2@127.0.0.1:9/T0KEN?key=s3cret")
    assert "127.0.0.1" in err
    assert not any(secret in err for secret in ("hunter2", "T0KEN", "s3cret"))


def test_metrics_need_their_extra_and_a_port(there: There, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)
    code, _, err = run("watch", *there.source, "--stop-at", there.last, "--metrics", "0")
    assert code == 1
    assert "defiliq[metrics]" in err
