"""A provider on loopback: it replays documented answers, and misbehaves as a test tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.chain.rpc_server import Raw

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "providers"
FIRST_AT, STEP_S = 1_761_213_600, 3_600
LAST_AT = FIRST_AT + 2 * STEP_S
UNTIL_AT = FIRST_AT + 3 * STEP_S

KEYS = {
    "COINGLASS_API_KEY": "cg-0a1b2c3d4e5f",
    "COINALYZE_API_KEY": "cz-6a7b8c9d-0000",
    "HYBLOCK_API_KEY": "hy-key-112233",
    "HYBLOCK_CLIENT_ID": "hy-id-445566",
    "HYBLOCK_CLIENT_SECRET": "hy-secret-778899",
    "LAEVITAS_API_KEY": "la-aabbccddee",
}
Respond = Callable[[str, Mapping[str, str]], Any]
"""Path and parameters to a body, or to an answer of its own."""


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: str
    target: str
    """Path and query as sent."""


@dataclass
class Slept:
    """A clock that only writes down."""

    waits_s: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.waits_s.append(seconds)


class StandIn(ThreadingHTTPServer):
    """Answers with `respond`, except for the next requests that `script` has something for."""

    daemon_threads = True

    def __init__(self, respond: Respond) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond = respond
        self.script: list[Raw] = []
        self.seen: list[Seen] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self, path: str) -> list[Seen]:
        """The requests for one path."""
        return [each for each in self.seen if each.path == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: StandIn

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        params = dict(parse_qsl(parts.query))
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(Seen(self.command, parts.path, params, headers, body, self.path))
        found = self.server.script.pop(0) if self.server.script else self.server.respond(parts.path, params)
        raw = found if isinstance(found, Raw) else Raw(json.dumps(found).encode())
        time.sleep(raw.delay_ms / 1000)
        self.send_response(raw.status)
        for name, value in {"Content-Type": "application/json", **raw.headers}.items():
            self.send_header(name, value)
        length = len(raw.body) if raw.declared_length is None else raw.declared_length
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(raw.body)
        if length != len(raw.body):
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def documented(provider: str) -> dict[str, Any]:
    """The bodies of one provider, by path; a copy of its own for each caller."""
    bodies: dict[str, Any] = json.loads((FIXTURES / f"{provider}.json").read_text(encoding="utf-8"))
    return bodies


def replay(bodies: Mapping[str, Any]) -> Respond:
    """Answers by path; OKX's pages are cut as OKX cuts them."""

    def respond(path: str, params: Mapping[str, str]) -> Any:
        if path not in bodies:
            return Raw(b'{"msg": "no such path"}', 404)
        before = params.get("after", params.get("end")) if path.startswith("/api/v5/") else None
        if before is None:
            return bodies[path]
        rows = [row for row in bodies[path]["data"] if _moment(row) < int(before)]
        return {**bodies[path], "data": rows[: int(params["limit"])]}

    return respond


def _moment(row: Any) -> int:
    return int(row["fundingTime"] if isinstance(row, dict) else row[0])


@contextmanager
def serving(respond: Respond) -> Iterator[StandIn]:
    """A server for the time of a test."""
    server = StandIn(respond)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
