"""`defiliq watch` as a process of its own, and what it wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

DEADLINE_S: Final = 120
"""How long anything is waited for before a test says that it does not come."""
LOOK_S: Final = 0.005
MAIN: Final = "import sys; from defiliq.cli import main; sys.exit(main())"
OURS: Final = ("RPC_URL", "ETH_RPC_URL", "WS_URL", "DEFILIQ", "XDG_")
"""Settings of the person who runs the tests, which are left out."""


def until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for something; what it was, where it does not come."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"waited {deadline_s} s in vain: {what}"
        time.sleep(LOOK_S)


class Watching:
    """Runs the command over and over with the same arguments; its files stay between the runs."""

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.out, self.timings, self.state = folder / "events.jsonl", folder / "laps.jsonl", folder / "state"
        self.said_to = folder / "stderr.txt"
        self.arguments = list(arguments)
        self.before: Sequence[str] = ()
        """A command that runs the command."""
        self._env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self._env |= {
            f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "CACHE", "STATE")
        }
        self._env |= {} if env is None else env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        """What is run."""
        return [
            *self.before,
            *(sys.executable, "-c", MAIN, "watch"),
            *self.arguments,
            *("-o", str(self.out), "--state", str(self.state), "--timings", str(self.timings)),
            *("--index", str(self.folder / "accounts.sqlite")),
        ]

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Run it; it is not waited for."""
        assert not self.is_running
        with self.said_to.open("ab") as said:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, env=self._env
            )

    def kill(self) -> None:
        """SIGKILL, at once; harmless when it has ended."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def killer(self) -> Callable[[], None]:
        """What kills the process that runs now, from any thread, and never another."""
        assert self._process is not None
        return self._process.kill

    def terminate(self) -> int:
        """SIGTERM, and its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Its exit code, once it ends."""
        assert self._process is not None
        until(lambda: not self.is_running, f"the end of the process. It said: {self.said()}")
        return self._process.wait()

    def finish(self) -> int:
        """Run it to its end; its exit code."""
        self.start()
        return self.wait()

    def said(self) -> str:
        """Everything on stderr so far."""
        return self.said_to.read_text() if self.said_to.exists() else ""

    def blocks(self) -> list[int]:
        """The blocks that were evaluated after the first, in order, over all runs."""
        return [lap["block"] for lap in _rows(self.timings)]

    def told_blocks(self) -> list[int]:
        """The blocks of which something was told: that with which it begins among them."""
        return [event["block_number"] for event in self.events()]

    def events(self) -> list[dict[str, Any]]:
        """Everything that was written, in order, over all runs."""
        return _rows(self.out)

    def until_block(self, number: int) -> None:
        """Wait until it has evaluated a block, or one after it."""

        def has() -> bool:
            is_running = self.is_running  # asked first: what it did before it ended has been written then
            if any(block >= number for block in (*self.blocks(), *self.told_blocks())):
                return True
            assert is_running, f"it ended before block {number} and said: {self.said()}"
            return False

        until(has, f"block {number}; it said: {self.said()}")


@contextmanager
def watching(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Watching]:
    """A watch that ends with the test at the latest."""
    watch = Watching(folder, *arguments, env=env)
    try:
        yield watch
    finally:
        if watch.is_running:
            watch.kill()


def standing(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The events without `reorg`s and what these retracted; an id that stands twice is refused."""
    kept: dict[str, Mapping[str, Any]] = {}
    for event in events:
        if event["event"] == "reorg":
            for told in event["retracted"]:
                assert told in kept, f"{told} is retracted, but was never told"
                del kept[told]
            continue
        assert event["id"] not in kept, f"told twice: {event}"
        kept[event["id"]] = event
    return list(kept.values())


def assert_same(told: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> None:
    """The same events, each field of them, in the same order; the first difference is said."""
    for place, (one, other) in enumerate(zip(told, wanted, strict=False)):
        differing = {
            name: (one.get(name), other.get(name))
            for name in {*one, *other}
            if one.get(name) != other.get(name)
        }
        assert not differing, (
            f"event {place}, a {other['event']} of block {other['block_number']}: {differing}"
        )
    assert len(told) == len(wanted), f"{len(told)} events, not {len(wanted)}"


def told_broken(events: Sequence[Mapping[str, Any]]) -> set[str]:
    """The accounts of which was told last that they can be liquidated; lower case."""
    kinds = ("approaching", "liquidatable", "recovered")
    last = {event["account"].lower(): event["event"] for event in events if event["event"] in kinds}
    return {account for account, kind in last.items() if kind == "liquidatable"}


def _rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file that may be written to just now."""
    if not path.exists():
        return []
    text = path.read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
