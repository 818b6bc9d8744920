"""The HTTP server: one per venue, on loopback, with a log of questions and faults on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from defiliq.cex.history import VenueData
from tests.cex.stub import binance, bybit, hyperliquid, okx
from tests.cex.stub.world import Refusal, World

Json = Any
Speak = Callable[[Sequence[World], str, dict[str, str], int], Json]
"""(worlds, path, query, now_ms) to the answer; KeyError for a path that the venue does not have."""

SPEAKERS: dict[str, Speak] = {"binance": binance.answer, "bybit": bybit.answer, "okx": okx.answer}


@dataclass
class Fault:
    """What goes wrong with answers whose path contains `path`."""

    path: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    change: Callable[[Json], Json] | None = None
    """Of the JSON that would be sent."""
    cut: int | None = None
    """Send so many bytes of the body, and say that these are all."""
    wait_s: float = 0.0
    drip_s: float = 0.0
    """Between the bytes of the body."""
    times: int | None = None
    """How often; None for ever."""


class Urls(dict[str, str]):
    """Venue to base address, with what was asked, and what goes wrong from now on."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        super().__init__()
        self.now_ms = now_ms
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        """(venue, path, query)"""
        self.faults: dict[str, list[Fault]] = {}

    def fail(self, venue: str, fault: Fault) -> None:
        """From now on."""
        self.faults.setdefault(venue, []).append(fault)

    def heal(self) -> None:
        """Nothing goes wrong from now on, and nothing was asked."""
        self.faults.clear()
        self.asked.clear()

    def fault_for(self, venue: str, path: str) -> Fault | None:
        """The first that fits and is not used up."""
        for fault in self.faults.get(venue, []):
            if fault.path in path and fault.times != 0:
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


@contextmanager
def stub(
    worlds: Sequence[VenueData],
    now_ms: Callable[[], int] | None = None,
    positions: hyperliquid.Positions | None = None,
) -> Iterator[Urls]:
    """Serve worlds until the block ends. Every venue answers, one without a world lists no contracts.

    `positions` are what Hyperliquid tells of addresses. The clock is the real one unless another is given.
    """
    urls = Urls(now_ms if now_ms is not None else lambda: time.time_ns() // 1_000_000)
    with ExitStack() as stack:
        speakers = SPEAKERS | {"hyperliquid": hyperliquid.speaker(positions or {})}
        for venue, speak in speakers.items():
            mine = [World(world) for world in worlds if world.history.instrument.venue == venue]
            server = _Server(venue, speak, mine, urls)
            thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
            )
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            urls[venue] = f"http://127.0.0.1:{server.server_address[1]}"
        yield urls


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, venue: str, speak: Speak, worlds: list[World], urls: Urls) -> None:
        self.venue, self.speak, self.worlds, self.urls = venue, speak, worlds, urls
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that hangs up is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the end of a body waits for the reader to acknowledge its start
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Silent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._serve(urlsplit(self.path).path, json.loads(body))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._serve(parts.path, dict(parse_qsl(parts.query)))

    def _serve(self, path: str, query: dict[str, str]) -> None:
        server = self.server
        server.urls.asked.append((server.venue, path, query))
        fault = server.urls.fault_for(server.venue, path)
        status, answer = self._answer(path, query)
        if fault is None:
            self._send(status, json.dumps(answer).encode(), {})
            return
        time.sleep(fault.wait_s)
        if fault.change is not None:
            answer = fault.change(answer)
        body = json.dumps(answer).encode() if fault.body is None else fault.body
        body = body if fault.cut is None else body[: fault.cut]
        self._send(fault.status if fault.status != 200 else status, body, fault.headers, fault.drip_s)

    def _answer(self, path: str, query: dict[str, str]) -> tuple[int, Json]:
        server = self.server
        try:
            return 200, server.speak(server.worlds, path, query, server.urls.now_ms())
        except Refusal as refusal:
            return refusal.status, refusal.body
        except KeyError as error:
            return 404, {"error": f"no such path, or no {error} in the question"}
        except ValueError as error:
            return 400, {"error": str(error)}

    def _send(self, status: int, body: bytes, headers: dict[str, str], drip_s: float = 0.0) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not drip_s:
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(drip_s)
