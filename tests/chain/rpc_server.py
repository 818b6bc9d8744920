"""A JSON-RPC server on loopback that behaves as a test tells it to, well or badly."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from defiliq.chain.evm import EvmNode
from defiliq.chain.http import http_transport
from defiliq.chain.rpc import Patience, RpcTransport

Answer = Callable[[str, list[Any]], Any]
"""Method and params to a result, or to an `RpcFailure`."""


@dataclass
class RpcFailure:
    """A JSON-RPC error to send."""

    code: int
    message: str
    data: Any = None

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"code": self.code, "message": self.message}
        return shown if self.data is None else {**shown, "data": self.data}


@dataclass
class Raw:
    """One HTTP answer to send instead of what the server would say."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_ms: int = 0
    declared_length: int | None = None
    """A Content-Length that is not the truth."""
    drip_ms: int = 0
    """A pause between single bytes."""


class RpcServer(ThreadingHTTPServer):
    """Answers with `answer`, except for the next posts that `script` has something for."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.script: list[Raw | Callable[[Any], Raw] | None] = []
        self.always: Raw | Callable[[Any], Raw | None] | None = None
        self.posts: list[Any] = []
        self.peers: list[Any] = []
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def single(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request object."""
        result = self.answer(asked["method"], asked["params"])
        kept = {"error": result.as_json()} if isinstance(result, RpcFailure) else {"result": result}
        return {"jsonrpc": "2.0", "id": asked["id"], **kept}

    def reply(self, body: Any) -> Raw:
        """What to send for one post."""
        with self.lock:
            self.posts.append(body)
            planned = self.script.pop(0) if self.script else self.always
        if callable(planned):
            planned = planned(body)
        if planned is not None:
            return planned
        answer = [self.single(each) for each in body] if isinstance(body, list) else self.single(body)
        return as_json(answer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: RpcServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.peers.append(self.client_address)
        raw = self.server.reply(body)
        time.sleep(raw.delay_ms / 1000)
        length = raw.declared_length if raw.declared_length is not None else len(raw.body)
        self.send_response(raw.status)
        for name, value in {"Content-Type": "application/json", **raw.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        for piece in (raw.body[i : i + 1] for i in range(len(raw.body))) if raw.drip_ms else [raw.body]:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(raw.drip_ms / 1000)
        if length != len(raw.body):
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def as_json(answer: Any, status: int = 200, **headers: str) -> Raw:
    """A JSON body."""
    return Raw(
        json.dumps(answer).encode(), status, {name.replace("_", "-"): v for name, v in headers.items()}
    )


@contextmanager
def serving(answer: Answer) -> Iterator[RpcServer]:
    """A server for the time of a test."""
    server = RpcServer(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Slept:
    """A clock that only writes down."""

    waits_ms: list[int] = field(default_factory=list)

    def __call__(self, milliseconds: int) -> None:
        self.waits_ms.append(milliseconds)


@contextmanager
def transport_to(
    url: str,
    *,
    retries: int = 5,
    slept: Slept | None = None,
    timeout_s: int = 5,
    max_response_bytes: int = 1 << 24,
) -> Iterator[RpcTransport]:
    """A transport that does not really wait between attempts."""
    patience = Patience(
        retries, sleep_ms=slept if slept is not None else Slept(), jitter_ms=lambda longest: longest
    )
    transport = http_transport(
        url, timeout_s=timeout_s, max_response_bytes=max_response_bytes, patience=patience
    )
    try:
        yield transport
    finally:
        transport.close()


@contextmanager
def node_at(url: str, *, concurrency: int = 1, **options: Any) -> Iterator[EvmNode]:
    """A node over such a transport."""
    with transport_to(url, **options) as transport, EvmNode(transport, concurrency=concurrency) as node:
        yield node
