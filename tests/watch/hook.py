"""Somebody's webhook: takes events, or does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.lab.node import HOST


class Hook(ThreadingHTTPServer):
    """Keeps what it was sent, and answers with `status`."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__((HOST, port), _Handler)
        self.status = 200
        self.posts: list[dict[str, Any]] = []
        """Bodies that were taken."""
        self.refused = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/hook?key=secret"

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event that was taken, in order, repetitions included."""
        return [event for post in list(self.posts) for event in post["events"]]


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.status
        if status == 200:
            self.server.posts.append(body)
        else:
            self.server.refused += 1
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hooked() -> Iterator[Hook]:
    """A webhook for the time of a test."""
    hook = Hook()
    thread = threading.Thread(target=hook.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.shutdown()
        hook.server_close()
        thread.join()
