"""`defiliq watch --blocks` over short histories of the other protocols: it tells what contracts say."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.watch.beside import Told, replay
from tests.watch.others import Stage, comet, compound_v2, solo

pytestmark = pytest.mark.lab

BLOCKS, SEED = 30, 5
OPENED: dict[str, tuple[str, Callable[[Any, Path], AbstractContextManager[Stage]]]] = {
    "Compound v2": ("lab_compound_v2", compound_v2),
    "Comet of USDC": ("lab_compound_v3", partial(comet, name="usdc")),
    "Comet of WETH": ("lab_compound_v3", partial(comet, name="weth")),
    "Solo": ("lab_dydx_solo", solo),
}


@dataclass(frozen=True)
class History:
    """A market's blocks, and what was told of them."""

    stage: Stage
    first: int
    last: int
    options: Sequence[str]
    events: Sequence[Told]


@pytest.fixture(scope="module", params=OPENED)
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    fixture, opened = OPENED[request.param]
    folder = tmp_path_factory.mktemp("history")
    with opened(request.getfixturevalue(fixture), folder) as stage:
        first, last = stage.play(random.Random(SEED), BLOCKS)
        options = [stage.protocol, "--market-file", str(stage.market_file), "-r", stage.lab.url]
        options += ["--cooldown", "0"]
        events = replay(folder / "one", options, first + 1, last)
        yield History(stage, first, last, options, events)


def test_liquidatable_is_who_the_contract_says_at_every_block(history: History) -> None:
    told: dict[str, str] = {}
    events = [
        event for event in history.events if event["event"] in ("liquidatable", "approaching", "recovered")
    ]
    changed = 0
    for number in range(history.first, history.last + 1):
        for event in events:
            if event["block_number"] == number:
                told[event["account"]] = event["event"]
        now = {account for account, status in told.items() if status == "liquidatable"}
        assert now == history.stage.broken(number), number
        changed += any(event["block_number"] == number for event in events)
    assert changed > BLOCKS // 3


def test_every_liquidation_is_told_as_announced_and_none_else(history: History) -> None:
    happened = history.stage.happened(history.first + 1, history.last)
    told = [event for event in history.events if event["event"] == "liquidated"]
    whose = [(event["block_number"], event["transaction"], event["account"]) for event in told]
    assert list(dict.fromkeys(whose)) == happened  # an absorption has an event per collateral
    assert len(happened) >= 6
    assert {event["predicted"] for event in told} == {"liquidatable"}
    before = {event["id"]: event for event in history.events if event["event"] == "liquidatable"}
    for event in told:
        announced = before[event["announced_id"]]
        assert announced["account"] == event["account"]
        assert announced["block_number"] < event["block_number"]


def test_every_price_that_moved_is_told_and_no_parameter(history: History) -> None:
    told = {event["block_number"] for event in history.events if event["event"] == "oracle_updated"}
    assert set(range(history.first + 1, history.last + 1, 3)) <= told
    assert not [event for event in history.events if event["event"] in ("parameter_changed", "gap", "reorg")]


def test_blocks_from_the_middle_on_are_told_alike(history: History, tmp_path: Path) -> None:
    """Begun later, a replay says the same of every block after its first.

    But for accounts that had approached and were leaving just then: that is told of who was told of before.
    """
    middle = (history.first + history.last) // 2
    again = replay(tmp_path / "again", history.options, middle + 1, history.last)
    later, all_along = (
        [event["id"] for event in events if event["block_number"] > middle and _is_of_one_block(event)]
        for events in (again, history.events)
    )
    assert later == all_along
    assert later


def _is_of_one_block(event: Told) -> bool:
    return event["event"] in ("parameter_changed", "oracle_updated", "liquidated", "liquidatable") or (
        event["event"] == "recovered" and event["was"] == "liquidatable"
    )
