"""A JSON-RPC server over websockets on loopback that behaves as a test tells it to, well or badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from defiliq.chain.rpc import Patience, RpcTransport
from defiliq.chain.websocket import websocket_transport
from tests.chain.rpc_server import Answer, RpcFailure, Slept

Act = Callable[[ServerConnection, Any], Any]
"""What to do about one message that came: (connection, its JSON)."""
PATIENCE_S = 20
"""How long a test waits for what must happen."""


class WsServer:
    """Answers with `answer`, except for the next messages that `script` has something for."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.script: list[Act | None] = []
        self.always: Act | None = None
        self.greet: Callable[[ServerConnection], Any] = lambda _: None
        """Done when a connection opens."""
        self.refusals: list[tuple[int, str]] = []
        """HTTP statuses to refuse the next handshakes with."""
        self.heard: list[Any] = []
        self.replied: list[Any] = []
        """What was heard and answered honestly, once the answer has gone out."""
        self.open: list[ServerConnection] = []
        self.connections = 0
        self.lock = threading.Lock()
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def single(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request object."""
        result = self.answer(asked["method"], asked["params"])
        kept = {"error": result.as_json()} if isinstance(result, RpcFailure) else {"result": result}
        return {"jsonrpc": "2.0", "id": asked["id"], **kept}

    def reply(self, connection: ServerConnection, body: Any) -> None:
        """The honest answer."""
        answer = [self.single(each) for each in body] if isinstance(body, list) else self.single(body)
        connection.send(json.dumps(answer))
        with self.lock:
            self.replied.append(body)

    def tell(self, subscription: str, result: Any, method: str = "eth_subscription") -> None:
        """A notification on all open connections."""
        params = {"subscription": subscription, "result": result}
        message = json.dumps({"jsonrpc": "2.0", "method": method, "params": params})
        for connection in self.connected():
            with suppress(ConnectionClosed):
                connection.send(message)

    def connected(self) -> list[ServerConnection]:
        with self.lock:
            return list(self.open)

    def cut(self) -> None:
        """Hang up on everybody without a word."""
        for connection in self.connected():
            with suppress(OSError):
                connection.socket.shutdown(2)

    def handle(self, connection: ServerConnection) -> None:
        with self.lock:
            self.open.append(connection)
            self.connections += 1
        try:
            self.greet(connection)
            for message in connection:
                body = json.loads(message)
                with self.lock:
                    self.heard.append(body)
                    planned = self.script.pop(0) if self.script else self.always
                (planned if planned is not None else self.reply)(connection, body)
        except ConnectionClosed:
            pass
        finally:
            with self.lock:
                self.open.remove(connection)

    def admit(self, connection: ServerConnection, _: Any) -> Any:
        with self.lock:
            refusal = self.refusals.pop(0) if self.refusals else None
        return None if refusal is None else connection.respond(*refusal)


@contextmanager
def ws_serving(answer: Answer) -> Iterator[WsServer]:
    """A server for the time of a test."""
    running = WsServer(answer)
    with serve(
        running.handle,
        "127.0.0.1",
        0,
        process_request=running.admit,
        compression=None,
        ping_interval=None,
        close_timeout=1,
        max_size=1 << 22,
    ) as server:
        running.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield running
        finally:
            running.cut()
            server.shutdown()
            thread.join()


@contextmanager
def ws_transport_to(
    url: str,
    *,
    retries: int = 5,
    slept: Slept | None = None,
    timeout_s: int = 5,
    max_response_bytes: int = 1 << 22,
) -> Iterator[RpcTransport]:
    """A transport that does not really wait between attempts."""
    patience = Patience(
        retries, sleep_ms=slept if slept is not None else Slept(), jitter_ms=lambda longest: longest
    )
    transport = websocket_transport(
        url, timeout_s=timeout_s, max_response_bytes=max_response_bytes, patience=patience
    )
    try:
        yield transport
    finally:
        transport.close()
