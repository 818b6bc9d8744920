"""JSON-RPC over websockets: a pool of them, each with one question or batch under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import orjson

from defiliq.chain.line import Line, open_line
from defiliq.chain.rpc import Again, Patience, RpcTransport
from defiliq.chain.transport import Json, Request
from defiliq.chain.url import SOCKETS, Endpoint
from defiliq.errors import BadResponse, NodeTimeout, NodeUnreachable, RateLimited, TooLarge


def websocket_transport(
    url: str, *, timeout_s: int, max_response_bytes: int, patience: Patience
) -> RpcTransport:
    """The transport to a ws or wss URL; BadUrl if it is none. No connection is made yet."""
    endpoint = Endpoint.of(url, SOCKETS)
    wire = WebSocketWire(endpoint, timeout_s=timeout_s, max_response_bytes=max_response_bytes)
    return RpcTransport(endpoint, wire, patience)


class WebSocketWire:
    """Implements `Wire`. Lines are opened as threads need them, kept, and opened anew when they break.

    Ids are never used twice on a line, so whatever else comes on it (notifications, replies that were given
    up) is known as nobody's and passed over.
    """

    def __init__(self, endpoint: Endpoint, *, timeout_s: int, max_response_bytes: int) -> None:
        self._endpoint, self._timeout_s, self._max_bytes = endpoint, timeout_s, max_response_bytes
        self._lock = threading.Lock()
        self._idle: list[Line] = []
        self._busy: set[Line] = set()
        self._has_answered = self._is_closed = False

    @property
    def has_answered(self) -> bool:
        """Whether any handshake ever went well."""
        return self._has_answered

    def close(self) -> None:
        """Hang up all lines; whoever waits on one is told."""
        with self._lock:
            self._is_closed = True
            idle, busy = self._idle, list(self._busy)
            self._idle = []
        hang_ups = [threading.Thread(target=line.close, daemon=True) for line in idle]
        hang_ups += [threading.Thread(target=line.abort, daemon=True) for line in busy]
        for each in hang_ups:
            each.start()
        for each in hang_ups:
            each.join()

    def ask(self, requests: Sequence[Request]) -> Json:
        """The JSON that came back, its ids counted from 1."""
        try:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            if kept is not None:
                try:
                    return self._ask_on(kept, requests)
                except NodeTimeout:
                    raise
                except NodeUnreachable:
                    pass  # it was closed while nobody looked, as servers do with idle lines
            if self._is_closed:
                raise NodeUnreachable(self._endpoint.label, "the connection is closed")
            line = open_line(self._endpoint, timeout_s=self._timeout_s, max_bytes=self._max_bytes)
            self._has_answered = True
            return self._ask_on(line, requests)
        except TooLarge:
            raise
        except (BadResponse, RateLimited) as error:
            raise Again(error) from None

    def _ask_on(self, line: Line, requests: Sequence[Request]) -> Json:
        """The answer; a line on which anything went wrong is not used again."""
        with self._lock:
            is_closed = self._is_closed
            self._busy.add(line)
        is_good = False
        try:
            if is_closed:
                raise NodeUnreachable(self._endpoint.label, "the connection is closed")
            answer = exchange(line, requests, label=self._endpoint.label, timeout_s=self._timeout_s)
            is_good = True
            return answer
        finally:
            with self._lock:
                self._busy.discard(line)
                is_kept = is_good and not self._is_closed
                if is_kept:
                    self._idle.append(line)
            if not is_kept:
                line.abort()


def exchange(line: Line, requests: Sequence[Request], *, label: str, timeout_s: int) -> Json:
    """The JSON that answers requests on a line that nobody else uses, its ids counted from 1.

    Whatever else comes meanwhile is passed over; NodeTimeout where the answer is not complete in time.
    """
    ids = line.new_ids(len(requests))
    bodies = [
        {"jsonrpc": "2.0", "id": i, "method": request.method, "params": request.params}
        for i, request in zip(ids, requests, strict=True)
    ]
    line.say(orjson.dumps(bodies if len(bodies) > 1 else bodies[0]))
    latest_s = time.monotonic() + timeout_s
    pieces: dict[int, Json] = {}
    while True:
        message = parse_message(line.hear(max(latest_s - time.monotonic(), 0)), label)
        answer = _take(message, ids, pieces)
        if answer is not None:
            return answer


def parse_message(message: bytes, label: str) -> Json:
    """The object or list that a message holds; BadResponse for anything else."""
    try:
        parsed = orjson.loads(message)
    except orjson.JSONDecodeError:
        raise BadResponse(label, f"{len(message)} bytes that are no JSON") from None
    if not isinstance(parsed, dict | list):
        raise BadResponse(label, "JSON, but no JSON-RPC reply")
    return parsed


def _take(message: Json, ids: range, pieces: dict[int, Json]) -> Json:
    """The whole answer to the requests of `ids`, counted from 1, once it is there; None while it is not.

    Replies to a batch may come as one list or one by one, in any order.
    """
    if isinstance(message, list):
        items = [_counted(item, ids) if isinstance(item, dict) else item for item in message]
        is_ours = any(
            isinstance(item, dict) and _is_of(item.get("id"), range(1, len(ids) + 1)) for item in items
        )
        return items if is_ours else None
    if "method" in message:
        return None
    if message.get("id") is None and message.get("error") is not None:
        return message  # the request as a whole was refused, before its id was read
    if not _is_of(message.get("id"), ids):
        return None
    pieces[message["id"]] = _counted(message, ids)
    if len(pieces) < len(ids):
        return None
    return list(pieces.values()) if len(ids) > 1 else pieces[ids[0]]


def _counted(item: dict[str, Json], ids: range) -> dict[str, Json]:
    """A reply with its id counted from 1; others' ids become none."""
    number: Json = item.get("id")
    return {**item, "id": number - ids[0] + 1 if _is_of(number, ids) else None}


def _is_of(number: Json, ids: range) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number in ids
