"""A proxy on loopback before a node, over HTTP and websocket alike, that breaks on command.

It stands still at a block until it is moved, so that the same chain can be shown block by block any number of
times; what is behind it can be exchanged for a node with another branch.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, BinaryIO, cast

from tests.lab.node import HOST
from tests.watch.frames import CLOSE, PING, PONG, TEXT, accept_key, frame, read_message
from tests.watch.pretence import Pretence

UPSTREAM_TIMEOUT_S = 60


class Proxy:
    """A node's stand-in. Faults are attributes and methods; none of them touches the node behind."""

    def __init__(self, port: int) -> None:
        self.pretence = Pretence()
        self.delay_s = 0.0
        """Before every answer."""
        self.holds_heads = False
        """Subscriptions stay silent, all else works; what was held back is never sent."""
        self.drops_head: Callable[[int], bool] = lambda number: False
        """Which blocks are not announced."""
        self.on_request: Callable[[int], None] = lambda so_far: None
        """Called before each answer with the number of JSON-RPC requests so far."""
        self.fails: Callable[[int], bool] = lambda so_far: False
        """Which JSON-RPC requests, by their number, are answered with an error that nobody would repeat."""
        self.asked: Counter[str] = Counter()
        """Methods that were asked for, refused ones included."""
        self.accepted = 0
        """Connections so far."""
        self.flowing = threading.Event()
        """Unset while it stalls."""
        self.flowing.set()
        self._upstream = port
        self._lock = threading.RLock()
        self._local = threading.local()
        self._sockets: set[socket.socket] = set()
        self._subscribers: dict[str, _Handler] = {}
        self._ids = count(1)
        self._server: _Server | None = None
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        """Over HTTP."""
        return f"http://{HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Over a websocket."""
        return f"ws://{HOST}:{self.port}"

    @property
    def is_subscribed(self) -> bool:
        """Whether somebody waits for heads."""
        with self._lock:
            return bool(self._subscribers)

    def up(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = _Server((HOST, self.port), self)
            self.port = self._server.server_port
            serve = {"poll_interval": 0.01}
            threading.Thread(target=self._server.serve_forever, kwargs=serve, daemon=True).start()

    def down(self) -> None:
        """Refuse connections, and cut those there are: what a node does that is restarted."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        self.cut()

    def cut(self) -> None:
        """Close every connection."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
            self._subscribers.clear()
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Swallow everything from now on: connections stand, and nothing comes back, not even a pong."""
        self.flowing.clear()

    def flow(self) -> None:
        """Go on where `stall` left off: what was held back is answered."""
        self.flowing.set()

    def show(self, ceiling: int, port: int | None = None) -> None:
        """Move the head to a block, announcing each on the way; with `port`, of another node from now on.

        A block that replaces another is announced, too: pass the lowest first.
        """
        shown = self.pretence.view.ceiling
        if port is not None:
            self._upstream = port
        first = ceiling if shown is None or shown >= ceiling else shown + 1
        for number in range(first, ceiling + 1):
            self.pretence.change(ceiling=number)
            self._announce(number)

    def close(self) -> None:
        """End it."""
        self.flow()
        self.down()
        self.hang_up()

    def ask(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The node's own replies, in the order of the requests."""
        numbered = [{**request, "id": place} for place, request in enumerate(requests)]
        replies = self._post(json.dumps(numbered))
        placed = {reply["id"]: reply for reply in replies}
        return [{**placed[place], "id": request.get("id")} for place, request in enumerate(requests)]

    def _post(self, body: str) -> list[dict[str, Any]]:
        """Over a connection of the thread's own, which is made anew where the node has closed it."""
        port, kept = self._upstream, getattr(self._local, "kept", None)
        if kept is None or kept[0] != port:
            self.hang_up()
            kept = self._local.kept = port, http.client.HTTPConnection(HOST, port, timeout=UPSTREAM_TIMEOUT_S)
        try:
            kept[1].request("POST", "/", body, {"Content-Type": "application/json"})
            replies: list[dict[str, Any]] = json.loads(kept[1].getresponse().read())
        except (OSError, http.client.HTTPException):
            kept[1].close()
            kept[1].request("POST", "/", body, {"Content-Type": "application/json"})
            replies = json.loads(kept[1].getresponse().read())
        return replies

    def hang_up(self) -> None:
        """Close the thread's own connection to the node."""
        kept = getattr(self._local, "kept", None)
        if kept is not None:
            kept[1].close()

    def answer(self, body: Any) -> Any:
        """The reply to one JSON body; None where it must not be sent any more."""
        requests = body if isinstance(body, list) else [body]
        is_failing = False
        for request in requests:
            self.asked[request["method"]] += 1
            so_far = sum(self.asked.values())
            self.on_request(so_far)
            is_failing = is_failing or self.fails(so_far)
        if self.delay_s:
            time.sleep(self.delay_s)
        if is_failing:
            replies = [_failed(request) for request in requests]
        else:
            replies = self.pretence.answer(requests, self.ask)
        self.flowing.wait()
        return replies if isinstance(body, list) else replies[0]

    def subscribe(self, request: dict[str, Any], handler: _Handler) -> None:
        """Answer a request for a subscription; heads come after the answer, never before."""
        self.asked["eth_subscribe"] += 1
        reply = {"jsonrpc": "2.0", "id": request["id"]}
        if "eth_subscribe" in self.pretence.view.refused or request["params"][0] != "newHeads":
            error = {"code": -32601, "message": "subscriptions are not supported"}
            handler.push({**reply, "error": error})
            return
        with self._lock:
            name = hex(next(self._ids))
            handler.push({**reply, "result": name})
            self._subscribers[name] = handler

    def _announce(self, number: int) -> None:
        if self.holds_heads or self.drops_head(number) or not self.flowing.is_set():
            return
        with self._lock:
            subscribers = dict(self._subscribers)
        if not subscribers:
            return
        asked = {"jsonrpc": "2.0", "id": 0, "method": "eth_getBlockByNumber", "params": [hex(number), False]}
        header = self.ask([asked])[0]["result"]
        for name, handler in subscribers.items():
            params = {"subscription": name, "result": header}
            handler.push({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection, to cut it."""
        with self._lock:
            self.accepted += 1
            self._sockets.add(connection)

    def closed(self, connection: socket.socket, handler: _Handler) -> None:
        """Forget it and its subscriptions."""
        with self._lock:
            self._sockets.discard(connection)
            self._subscribers = {name: each for name, each in self._subscribers.items() if each != handler}


def _failed(request: dict[str, Any]) -> dict[str, Any]:
    error = {"code": -32603, "message": "internal error"}
    return {"jsonrpc": "2.0", "id": request["id"], "error": error}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._sending = threading.Lock()
        self.server.proxy.opened(self.connection)

    def finish(self) -> None:
        self.server.proxy.closed(self.connection, self)
        self.server.proxy.hang_up()
        with suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = json.dumps(self.server.proxy.answer(body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def do_GET(self) -> None:
        """The handshake of a websocket, and then its messages until it ends. No extension is agreed to."""
        self.close_connection = True
        self.server.proxy.flowing.wait()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(self.headers["Sec-WebSocket-Key"]))
        self.end_headers()
        self.wfile.flush()
        while (message := read_message(cast(BinaryIO, self.rfile))) is not None:
            if message.opcode == CLOSE:
                self._write(frame(CLOSE, message.payload))
                return
            self.server.proxy.flowing.wait()
            if message.opcode == PING:
                self._write(frame(PONG, message.payload))
            elif message.opcode == TEXT:
                self._reply(json.loads(message.payload))

    def _reply(self, body: Any) -> None:
        if isinstance(body, dict) and body["method"] == "eth_subscribe":
            self.server.proxy.subscribe(body, self)
        else:
            self.push(self.server.proxy.answer(body))

    def push(self, message: Any) -> None:
        """Send one message; a client that is gone will say so to the reader."""
        with suppress(OSError):
            self._write(frame(TEXT, json.dumps(message).encode()))

    def _write(self, data: bytes) -> None:
        with self._sending:
            self.wfile.write(data)
            self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def proxied(port: int, ceiling: int | None = None) -> Iterator[Proxy]:
    """A proxy for the time of a test, which shows blocks up to `ceiling` until it is moved."""
    proxy = Proxy(port)
    proxy.pretence.change(ceiling=ceiling)
    try:
        yield proxy
    finally:
        proxy.close()
