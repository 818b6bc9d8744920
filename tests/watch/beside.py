"""The scripted hour with a watch beside it, and what the contracts say of every block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from tests.lab import AccountData, Lab
from tests.lab.hour import Hour, Stage, Truth, broken, set_stage, survey
from tests.watch.process import Watching, until, watching

Told: TypeAlias = Mapping[str, Any]
"""An event."""
NATIVE_USD = 2_500
PRIORITY_GWEI = "0.1"
"""What the hour's transactions pay beyond the base fee."""


@dataclass(frozen=True)
class Beside:
    """An hour that was played, and what was told of it."""

    stage: Stage
    truth: Truth
    events: Sequence[Told]
    folder: Path

    @property
    def lab(self) -> Lab:
        """Its chain."""
        return self.stage.lab

    @property
    def numbers(self) -> range:
        """The blocks that were evaluated: that at which the watch began, and all of the hour."""
        return range(self.truth.first, self.truth.last + 1)

    def of(self, *kinds: str) -> list[Told]:
        """The events of some kinds, in order."""
        return [event for event in self.events if event["event"] in kinds]

    @cached_property
    def data(self) -> Mapping[int, Mapping[str, AccountData | None]]:
        """Block to Pool.getUserAccountData of everybody who ever borrowed, at that block."""
        return {k: survey(self.lab, self.truth.accounts, block=k) for k in self.numbers}

    def broken(self, number: int) -> set[str]:
        """Who may be liquidated after a block, by the contract."""
        return set(broken(self.data[number]))

    @cached_property
    def statuses(self) -> Mapping[int, Mapping[str, str]]:
        """Block to what had been told of each account by then, of those that are not quiet."""
        told: dict[str, str] = {}
        found, waiting = {}, iter(self.of("liquidatable", "approaching", "recovered"))
        event = next(waiting, None)
        for number in self.numbers:
            while event is not None and event["block_number"] <= number:
                if event["event"] == "recovered":
                    del told[event["account"]]
                else:
                    told[event["account"]] = event["event"]
                event = next(waiting, None)
            found[number] = dict(told)
        return found

    def options(self) -> list[str]:
        """What a watch is run with."""
        return market_options(self.stage, self.folder)


def market_options(stage: Stage, folder: Path) -> list[str]:
    """The market, what is told of it, and what liquidating costs there."""
    path = stage.lab.market_file(folder / "market.json")
    exits = [f"{sold}/{bought}=pool:{pool.address}" for (sold, bought), pool in stage.pools.items()]
    return [
        *("aave-v3", "--market-file", str(path), "-r", stage.lab.url, "--cooldown", "0"),
        *("--flash", "aave", "--native-usd", str(NATIVE_USD), "--priority-gwei", PRIORITY_GWEI),
        *(part for each in exits for part in ("--exit", each)),
    ]


@contextmanager
def hour_beside(lab: Lab, folder: Path, blocks: int, seed: int) -> Iterator[Beside]:
    """Play an hour while a watch follows it by websocket, as a process of its own. All is undone after.

    The next block is mined once the watch has read the last: the node of the lab answers calls at its newest
    block from the state of the one that it is just mining, which no node of a public chain does.
    """
    with lab.rewinding():
        stage = set_stage(lab, seed)
        hour = Hour(stage, blocks, seed)
        end = hour.truth.first + blocks
        socket = lab.url.replace("http", "ws", 1)
        options = [*market_options(stage, folder), "--ws", socket, "--stop-at", str(end), "--format", "jsonl"]
        with watching(folder / "live", *options) as watch:
            watch.start()
            until(lambda: bool(watch.events()) or not watch.is_running, f"a first event: {watch.said()}")
            truth = hour.play(lambda: watch.until_block(lab.chain.height()))
            code = watch.wait()
            assert code in (0, 3), watch.said()
            yield Beside(stage, truth, watch.events(), folder)


def replayed(beside: Beside, first: int, last: int, name: str = "replay") -> list[Told]:
    """What a watch says of blocks of the past of an hour."""
    return replay(beside.folder / name, beside.options(), first, last)


def replay(folder: Path, options: Sequence[str], first: int, last: int) -> list[Told]:
    """What a watch with some options, in a process of its own, says of blocks of the past."""
    watch = Watching(folder, *options, "--blocks", f"{first}:{last}")
    code = watch.finish()
    assert code in (0, 3), watch.said()
    return [*watch.events()]
