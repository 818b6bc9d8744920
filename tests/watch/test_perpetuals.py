"""`defiliq watch --blocks` over a short history of a dYdX v4 chain: it tells what the chain's rule says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.dydx.standin import HEIGHT
from tests.watch.beside import Told, replay
from tests.watch.perpetuals import History, perpetuals

BLOCKS = 30


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[History, Sequence[Told]]]:
    folder: Path = tmp_path_factory.mktemp("perpetuals")
    with perpetuals(folder, BLOCKS) as (history, path):
        options = ["--market-file", str(path), "--cooldown", "0"]
        yield history, replay(folder / "one", options, HEIGHT + 1, HEIGHT + BLOCKS)


def test_liquidatable_is_who_the_rule_says_at_every_block(told: tuple[History, Sequence[Told]]) -> None:
    history, events = told
    statuses: dict[str, str] = {}
    for height in range(HEIGHT, HEIGHT + BLOCKS + 1):
        for event in events:
            if event["block_number"] == height and "health_factor" in event:
                statuses[event["account"]] = event["event"]
        now = {account for account, status in statuses.items() if status == "liquidatable"}
        assert now == history.broken[height], height
    assert len({frozenset(accounts) for accounts in history.broken.values()}) > BLOCKS // 3


def test_every_liquidation_is_told_as_announced_and_none_else(told: tuple[History, Sequence[Told]]) -> None:
    history, events = told
    liquidated = [event for event in events if event["event"] == "liquidated"]
    found = [(event["block_number"], event["transaction"].lower(), event["account"]) for event in liquidated]
    assert found == history.taken
    assert len(found) >= 8
    assert {event["predicted"] for event in liquidated} == {"liquidatable"}


def test_every_price_that_moved_is_told_and_nothing_else_changed(
    told: tuple[History, Sequence[Told]],
) -> None:
    history, events = told
    for height in range(HEIGHT + 1, HEIGHT + BLOCKS + 1):
        moved = [
            event
            for event in events
            if event["event"] == "oracle_updated" and event["block_number"] == height
        ]
        assert len(moved) == len(history.changed[height])
    assert not [event for event in events if event["event"] in ("parameter_changed", "gap", "unread")]


def test_a_book_that_lacks_subaccounts_is_said_and_followed(tmp_path: Path) -> None:
    """What is missing is of no subaccount that could be named; the others are judged as ever."""
    with perpetuals(tmp_path, 12, is_whole=False) as (history, path):
        events = replay(tmp_path / "one", ["--market-file", str(path)], HEIGHT + 1, HEIGHT + 12)
    assert len(history.taken) == 4
    unread = [event for event in events if event["event"] == "unread"]
    assert unread
    assert all("some subaccounts are missing" in event["reason"] for event in unread if event["reason"])
    assert {event["transaction"].lower() for event in events if event["event"] == "liquidated"} == {
        each for _, each, _ in history.taken
    }
