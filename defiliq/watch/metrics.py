"""What a watch measures of itself, and the endpoint on this machine where Prometheus reads it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any, Final, NamedTuple, get_args

from defiliq.errors import InputError, MissingExtra
from defiliq.types import Head
from defiliq.watch.schema import Event, EventKind

LOOPBACK: Final = "127.0.0.1"
REQUEST_TIMEOUT_S: Final = 10
POLL_S: Final = 0.1
"""How long `close` may take."""
BLOCK_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histogram, in seconds."""

GAUGES: Final[Mapping[str, str]] = {
    "defiliq_head_block": "Number of the last block evaluated",
    "defiliq_block_timestamp_seconds": "Its time, by the chain, in seconds since 1970",
    "defiliq_accounts": "Accounts that are followed",
    "defiliq_liquidatable_accounts": "Accounts that can be liquidated after the last block",
    "defiliq_approaching_accounts": "Accounts told to approach their level",
    "defiliq_unread_accounts": "Accounts that could not be read",
    "defiliq_up": "1 while the market is followed, 0 once it is not",
}
COUNTERS: Final[Mapping[str, str]] = {
    "defiliq_blocks": "Blocks evaluated",
    "defiliq_read_errors": "Reads of a node that failed after all retries",
    "defiliq_reorgs": "Times the chain replaced blocks that had been evaluated",
    "defiliq_gaps": "Times blocks were passed over",
}
"""By the name without the `_total` that the format adds."""


class Counts(NamedTuple):
    """How many accounts a market has after a block."""

    accounts: int
    liquidatable: int
    approaching: int
    unread: int


class Meter:
    """Told what happens to one market. This one keeps nothing of it."""

    def evaluated(self, head: Head, counts: Counts, events: Sequence[Event], seconds: float) -> None:
        """A block and its events are kept, so many seconds after the block was first heard of."""

    def read_error(self) -> None:
        """A node failed, after all retries."""

    def reorg(self) -> None:
        """Blocks were taken back."""

    def gap(self) -> None:
        """Blocks were passed over."""

    def backlog(self, sink: str, events: int) -> None:
        """So many events still wait for a sink."""

    def up(self, is_up: bool) -> None:
        """Whether the market is followed."""


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        """MissingExtra where prometheus-client is not installed."""
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError:
            raise MissingExtra("a metrics endpoint", "prometheus-client", "metrics") from None
        self.registry = CollectorRegistry()
        own, market = self.registry, ("market",)
        self.gauges = {name: Gauge(name, text, market, registry=own) for name, text in GAUGES.items()}
        self.counters = {name: Counter(name, text, market, registry=own) for name, text in COUNTERS.items()}
        self.events = Counter("defiliq_events", "Events told, by kind", ("market", "event"), registry=own)
        self.backlogs = Gauge(
            "defiliq_sink_backlog", "Events that a sink has not got yet", ("market", "sink"), registry=own
        )
        self.seconds = Histogram(
            "defiliq_block_seconds",
            "From when a block was first heard of until its events were kept",
            market,
            registry=own,
            buckets=BLOCK_SECONDS,
        )

    def meter(self, market: str) -> Meter:
        """The meter of one market, every series of which is there from now on."""
        return _PrometheusMeter(self, market)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)


class _PrometheusMeter(Meter):
    """Writes into the series of one market. Prometheus' own values are safe between threads."""

    def __init__(self, metrics: Metrics, market: str) -> None:
        self._metrics, self._market = metrics, market
        self._gauges = {name: gauge.labels(market) for name, gauge in metrics.gauges.items()}
        self._counters = {name: counter.labels(market) for name, counter in metrics.counters.items()}
        self._events = {kind: metrics.events.labels(market, kind) for kind in get_args(EventKind)}
        self._seconds = metrics.seconds.labels(market)

    def evaluated(self, head: Head, counts: Counts, events: Sequence[Event], seconds: float) -> None:
        self._gauges["defiliq_head_block"].set(head.block.number)
        self._gauges["defiliq_block_timestamp_seconds"].set(head.block.timestamp)
        self._gauges["defiliq_accounts"].set(counts.accounts)
        self._gauges["defiliq_liquidatable_accounts"].set(counts.liquidatable)
        self._gauges["defiliq_approaching_accounts"].set(counts.approaching)
        self._gauges["defiliq_unread_accounts"].set(counts.unread)
        self._counters["defiliq_blocks"].inc()
        for event in events:
            self._events[event.kind].inc()
        self._seconds.observe(seconds)
        self.up(True)

    def read_error(self) -> None:
        self._counters["defiliq_read_errors"].inc()

    def reorg(self) -> None:
        self._counters["defiliq_reorgs"].inc()
        self._events["reorg"].inc()

    def gap(self) -> None:
        self._counters["defiliq_gaps"].inc()

    def backlog(self, sink: str, events: int) -> None:
        self._metrics.backlogs.labels(self._market, sink).set(events)

    def up(self, is_up: bool) -> None:
        self._gauges["defiliq_up"].set(is_up)


class MetricsServer:
    """Answers GET /metrics on this machine alone, in a thread of its own."""

    def __init__(self, metrics: Metrics, port: int) -> None:
        """Begin to answer; port 0 takes any free one. InputError where the port cannot be had."""
        handler = type("Handler", (_Handler,), {"metrics": metrics})
        try:
            self._server = _Server((LOOPBACK, port), handler)
        except (OSError, OverflowError) as error:
            seen = error.strerror if isinstance(error, OSError) else "no port has that number"
            raise InputError(
                f"cannot serve metrics on {LOOPBACK}:{port}: {seen}. Use another port."
            ) from None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where Prometheus reads."""
        return f"http://{LOOPBACK}:{self.port}/metrics"

    def close(self) -> None:
        """Answer no longer."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # Two watches must not share a port: half of what is read would be the other's.
    allow_reuse_port = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that went away is nothing to speak of."""


class _Handler(BaseHTTPRequestHandler):
    metrics: Metrics
    timeout = REQUEST_TIMEOUT_S
    server_version, sys_version = "defiliq", ""

    def do_GET(self) -> None:
        if not _is_here(self.headers.get("Host", "")):
            # A page in a browser that made its own name point here.
            self._answer(403, "text/plain", b"this answers to names of this machine only\n")
        elif self.path.partition("?")[0] == "/metrics":
            self._answer(200, "text/plain; version=0.0.4; charset=utf-8", self.metrics.text())
        else:
            self._answer(404, "text/plain", b"metrics are at /metrics\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 http.server's name
        """Nothing is logged: stderr belongs to the watch."""


def _is_here(host: str) -> bool:
    """Whether a Host header names this machine."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
