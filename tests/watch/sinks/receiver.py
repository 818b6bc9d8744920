"""A receiver of webhooks on this machine that answers as a test tells it to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import orjson


class Answer(NamedTuple):
    """What to say."""

    status: int = 204
    headers: Mapping[str, str] = {}
    body: bytes = b""
    is_cut: bool = False
    """Close the connection instead of an answer."""
    drips: bool = False
    """Send one byte of a header now and then, until the other side goes."""


class Post(NamedTuple):
    """What came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in orjson.loads(self.body)["events"]]


@dataclass
class Receiver:
    """Where it is, what came, and what it will say next; 204 once that is used up."""

    port: int = 0
    posts: list[Post] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/s3cr3tkey?token=abcdef"

    @property
    def ids(self) -> list[str]:
        return [each for post in self.posts for each in post.ids]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that goes is what some tests are about."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.posts.append(Post(self.path, dict(self.headers), body))
            answer = receiver.answers.pop(0) if receiver.answers else Answer()
            if answer.is_cut:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            while answer.drips and not receiver.stopping.wait(0.02):
                self.wfile.write(b"X")
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
