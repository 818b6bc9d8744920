"""Where the events of `watch` go, and what ends it."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defiliq.cli.talk import Talk
from defiliq.cli.watch_options import Told
from defiliq.errors import BadUrl, InputError

if TYPE_CHECKING:
    from defiliq.pipeline.watch_live import OnLap, Outlets
    from defiliq.view.watch_board import Board, Now
    from defiliq.watch.journal import Line
    from defiliq.watch.metrics import Meter
    from defiliq.watch.pace import Lap
    from defiliq.watch.sinks import Sink, WebhookSink

TABLE_SINK = "table"


class BoardSink:
    """Shows events on the terminal's table; it is told of what is new only."""

    @property
    def name(self) -> str:
        """What the journal calls it."""
        return TABLE_SINK

    def __init__(self, board: Board) -> None:
        self._board = board

    def deliver(self, lines: Sequence[Line]) -> int | None:
        """Show them."""
        from defiliq.watch.schema import event_of

        for line in lines:
            self._board.tell(event_of(json.loads(line.line)))
        return lines[-1].seq if lines else None

    @property
    def position(self) -> int:
        """A screen has none."""
        return 0

    def beyond(self, position: int) -> Sequence[str]:
        """A screen remembers nothing."""
        return ()

    def close(self) -> None:
        """Nothing is held."""


@contextmanager
def live_board() -> Iterator[Board]:
    """The table on the terminal, drawn again and again."""
    from defiliq.view.watch_board import Board, live

    board = Board()
    with live(board):
        yield board


def outlets_of(
    told: Told, output: str | None, board: Board | None, stack: ExitStack, *, prints_lines: bool
) -> Outlets:
    """Where events go, opened; closed with the stack."""
    from defiliq.pipeline.watch_live import Outlets
    from defiliq.watch.sinks import FileSink, StreamSink

    sinks: list[Sink] = []
    if output is not None:
        sinks.append(FileSink(output))
    if prints_lines:
        sinks.append(StreamSink(sys.stdout))
    if board is not None:
        sinks.append(BoardSink(board))
    for sink in sinks:
        stack.callback(sink.close)
    timing = stack.enter_context(_timings(told.timings))
    return Outlets(
        folder=None if told.no_state else _state_folder(told.state),
        sinks=sinks,
        background=_webhook(told),
        on_lap=_laps(timing, board),
    )


def meters(told: Told, stack: ExitStack, talk: Talk) -> Callable[[str], Meter]:
    """The meter of each market, by its name; those of Prometheus where --metrics is given."""
    from defiliq.watch.metrics import Meter, Metrics, MetricsServer

    if told.metrics is None:
        return lambda name: Meter()
    metrics = Metrics()
    server = MetricsServer(metrics, told.metrics)
    stack.callback(server.close)
    talk.say(f"Metrics at {server.url}")
    return metrics.meter


@contextmanager
def stopped_by_signals(stopping: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end after the block under way; a second Ctrl-C ends at once."""

    def stop(number: int, _frame: object) -> None:
        if stopping.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stopping.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _state_folder(named: str | None) -> Path:
    from platformdirs import user_state_dir

    return Path(user_state_dir("defiliq")) / "watch" if named is None else Path(named)


def _webhook(told: Told) -> Callable[[], WebhookSink] | None:
    """Makes the webhook's sink; the URL is tried now, so that a bad one ends the command."""
    from defiliq.watch.sinks import webhook_sink
    from defiliq.watch.sinks.webhook import SECRET_VARIABLE

    url = told.webhook
    if url is None:
        return None

    def make() -> WebhookSink:
        secret = os.environ.get(SECRET_VARIABLE) or None
        return webhook_sink(url, secret=secret, allows_private=told.allow_private)

    try:
        make().close()
    except BadUrl as error:
        raise InputError(
            f"the webhook cannot be used: {error.seen}. Give one like https://host/path."
        ) from None
    return make


@contextmanager
def _timings(path: str | None) -> Iterator[Callable[[dict[str, object]], None] | None]:
    if path is None:
        yield None
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            lock = threading.Lock()

            def write(row: dict[str, object]) -> None:
                with lock:
                    print(json.dumps(row), file=file)
                    file.flush()

            yield write
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}.") from None


def _laps(timing: Callable[[dict[str, object]], None] | None, board: Board | None) -> OnLap:
    def on_lap(name: str, lap: Lap, state: Any) -> None:
        if timing is not None:
            timing({"market": name, **asdict(lap), "rss_bytes": resident_bytes()})
        if board is not None:
            board.show(_now(name, lap, state))

    return on_lap


def _now(name: str, lap: Lap, state: Any) -> Now:
    from defiliq.view.watch_board import Now, standings_of
    from defiliq.watch.pace import counts_of

    nearest = {state.book.owner(row): level for row, level in state.nearest.items()}
    block, counts = state.head.block, counts_of(state)
    return Now(
        name=name,
        block=block.number,
        at=block.timestamp,
        accounts=counts.accounts,
        liquidatable=counts.liquidatable,
        approaching=counts.approaching,
        unread=counts.unread,
        took_s=lap.seen_to_journal_s,
        standings=standings_of(state.memory, nearest),
    )


def resident_bytes() -> int | None:
    """The memory that this process occupies; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
