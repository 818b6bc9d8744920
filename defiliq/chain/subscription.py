"""New blocks as a node tells them over a websocket (eth_subscribe newHeads), for as long as it does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from defiliq.chain.headers import decode_name
from defiliq.chain.line import Line, open_line
from defiliq.chain.node import AnyNode
from defiliq.chain.quantity import Malformed, quantity
from defiliq.chain.rpc import FIRST_WAIT_MS, LONGEST_WAIT_MS, Again, Patience, reply_of
from defiliq.chain.transport import Json, Request
from defiliq.chain.url import Endpoint
from defiliq.chain.websocket import exchange, parse_message
from defiliq.chain.wording import means_busy, means_rate_limit
from defiliq.errors import BadResponse, InputError, NodeError, NodeTimeout, RateLimited, RpcError, WrongChain

MAX_MESSAGE_BYTES: Final = 1 << 20
"""A header is less than a thousandth of it on chains whose blocks have no large extra data."""
LONGEST_ID: Final = 100
LONGEST_MESSAGE: Final = 300


@dataclass(frozen=True, slots=True)
class Tidings:
    """Who is told what a subscription brings."""

    block: Callable[[int, str], None]
    """(number, hash) of each block that the node tells of."""
    live: Callable[[], None]
    """The first block of a subscription has come."""
    lost: Callable[[NodeError], None]
    """Nothing more comes for now: the connection broke, or was never made."""
    silent: Callable[[], None]
    """The connection is open, but nothing has come for too long."""
    refused: Callable[[str], None]
    """The node takes no subscriptions and never will; why, in its own words."""
    failed: Callable[[NodeError | InputError], None]
    """It will never work: another chain, or no usable URL."""


class _NeverServed(Exception):
    """The node said no to eth_subscribe as such."""


class Subscription:
    """Subscribes, listens, and does so anew whenever it breaks, until it is closed."""

    def __init__(
        self,
        endpoint: Endpoint,
        node: AnyNode,
        tidings: Tidings,
        *,
        stall_s: float,
        timeout_s: int,
        patience: Patience,
        clock: Callable[[], float],
    ) -> None:
        self._endpoint, self._node, self._tidings = endpoint, node, tidings
        self._stall_s, self._timeout_s, self._patience, self._clock = stall_s, timeout_s, patience, clock
        self._line: Line | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._heard = 0

    def close(self) -> None:
        """Hang up; `run` returns."""
        self._closed.set()
        with self._lock:
            if self._line is not None:
                self._line.abort()

    def run(self) -> None:
        """Listen until closed, refused for good, or failed for good."""
        failures = 0
        while not self._closed.is_set():
            heard = self._heard
            try:
                self._once()
            except _NeverServed as refusal:
                self._tidings.refused(str(refusal))
                return
            except (WrongChain, InputError) as error:
                self._tidings.failed(error)
                return
            except Again as again:
                self._lose(again.final)
            except NodeError as error:
                self._lose(error)
            failures = 1 if self._heard > heard else failures + 1
            self._pause(failures)

    def _lose(self, error: NodeError) -> None:
        if not self._closed.is_set():
            self._tidings.lost(error)

    def _pause(self, failures: int) -> None:
        wait_ms = self._patience.jitter_ms(min(FIRST_WAIT_MS << min(failures - 1, 16), LONGEST_WAIT_MS))
        if self._patience.sleep_ms is not None:
            self._patience.sleep_ms(wait_ms)
        else:
            self._closed.wait(timedelta(milliseconds=wait_ms).total_seconds())

    def _once(self) -> None:
        """One connection, from its beginning to its end or to its silence."""
        line = open_line(self._endpoint, timeout_s=self._timeout_s, max_bytes=MAX_MESSAGE_BYTES)
        try:
            with self._lock:
                self._line = line
            if not self._closed.is_set():
                self._listen(line, self._subscribe(line))
        finally:
            with self._lock:
                self._line = None
            line.abort()

    def _subscribe(self, line: Line) -> str:
        label, wanted = self._endpoint.label, self._node.chain_id
        seen = self._ask(line, Request("eth_chainId"))
        try:
            chain_id = quantity(seen, "chain id")
        except Malformed as error:
            raise BadResponse(label, str(error)) from None
        if chain_id != wanted:
            raise WrongChain(label, chain_id, wanted)
        found = self._ask(line, Request("eth_subscribe", ("newHeads",)))
        if not isinstance(found, str) or not 0 < len(found) <= LONGEST_ID:
            raise BadResponse(label, "a subscription without a usable name")
        return found

    def _ask(self, line: Line, request: Request) -> Json:
        label = self._endpoint.label
        answer = exchange(line, [request], label=label, timeout_s=self._timeout_s)
        reply = reply_of(answer, 1, self._endpoint)
        if reply.failure is None:
            return reply.result
        if means_rate_limit(reply.failure):
            raise RateLimited(label, 1)
        said = reply.failure.message[:LONGEST_MESSAGE]
        if request.method == "eth_subscribe" and not means_busy(reply.failure):
            raise _NeverServed(said)
        raise RpcError(request.method, reply.failure.code, said)

    def _listen(self, line: Line, subscription: str) -> None:
        """Pass on what comes, until nothing has for too long."""
        latest_s, is_live = self._clock() + self._stall_s, False
        # Short waits, because a stopped clock of a test, or of a sleeping machine, is not the library's.
        slice_s = min(self._stall_s, 1)
        while self._clock() < latest_s:
            with suppress(NodeTimeout):
                block = self._heads_of(line.hear(slice_s), subscription)
                if block is not None:
                    self._heard += 1
                    latest_s = self._clock() + self._stall_s
                    if not is_live:
                        is_live = True
                        self._tidings.live()
                    self._tidings.block(*block)
            if self._closed.is_set():
                return
        self._tidings.silent()

    def _heads_of(self, message: bytes, subscription: str) -> tuple[int, str] | None:
        """Number and hash of the block in a message; None where it is about something else."""
        match parse_message(message, self._endpoint.label):
            case {"method": "eth_subscription", "params": {"subscription": name, "result": header}}:
                if name != subscription:
                    return None
            case _:
                return None
        try:
            return decode_name(header)
        except Malformed as error:
            raise BadResponse(self._endpoint.label, str(error)) from None
