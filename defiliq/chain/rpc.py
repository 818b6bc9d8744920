"""JSON-RPC over any wire: batches, retries and what counts as an answer.

web3's middleware is left out on purpose: it asks three questions per call and turns bytes into objects.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from defiliq.chain.transport import Failure, Json, Reply, Request
from defiliq.chain.url import Endpoint
from defiliq.chain.wording import asked_wait_ms, means_behind, means_busy, means_rate_limit
from defiliq.errors import BadResponse, NodeError, NodeTimeout, NodeUnreachable, RateLimited, TooLarge

FIRST_WAIT_MS: Final = 500
LONGEST_WAIT_MS: Final = 30_000
LONGEST_RETRY_AFTER_MS: Final = 60_000
LONGEST_REASON: Final = 2_000
MAX_BATCH: Final = 64
SECOND_THOUGHTS: Final = 3
READS: Final = frozenset({"eth_call", "eth_getCode", "eth_getLogs"})


def jitter_ms(longest: int) -> int:
    """A random wait from half of `longest` to all of it, so that threads do not come back together."""
    return longest // 2 + secrets.randbelow(longest // 2 + 1)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to ask again, and how to wait in between."""

    retries: int
    sleep_ms: Callable[[int], None] | None = None
    """None: the real clock, but no longer than the transport is open."""
    jitter_ms: Callable[[int], int] = jitter_ms


class Again(Exception):
    """Something that may pass; `final` is what to raise if it does not."""

    def __init__(self, final: NodeError, wait_ms: int | None = None) -> None:
        super().__init__()
        self.final, self.wait_ms = final, wait_ms


class BatchRefused(Exception):
    """The provider takes no batch of this size."""


class Wire(Protocol):
    """One way to carry requests to one endpoint and its answers back. Safe to use from several threads."""

    @property
    def has_answered(self) -> bool:
        """Whether anything ever came back: a URL that never worked is most likely wrong."""
        ...

    def ask(self, requests: Sequence[Request]) -> Json:
        """What came back for one request, or for several as a batch, whose ids count from 1.

        Again where the same may go well a little later, BatchRefused where fewer at a time may; NodeError
        otherwise.
        """
        ...

    def close(self) -> None:
        """Close every connection; whatever waits for an answer gives up."""
        ...


class RpcTransport:
    """One endpoint over a wire. Safe to use from several threads."""

    def __init__(self, endpoint: Endpoint, wire: Wire, patience: Patience) -> None:
        self._endpoint, self._wire, self._patience = endpoint, wire, patience
        self._max_batch = MAX_BATCH
        self._closed = threading.Event()

    @property
    def label(self) -> str:
        """The URL without secrets."""
        return self._endpoint.label

    def scrub(self, text: str, longest: int = LONGEST_REASON) -> str:
        """Text from outside as one printable line without the URL's secrets."""
        return self._endpoint.scrub(text, longest)

    def close(self) -> None:
        """Close every connection; what waits for another try gives up."""
        self._closed.set()
        self._wire.close()

    def send(self, requests: Sequence[Request]) -> list[Reply]:
        """The replies in order. What is refused for now is asked again with growing waits."""
        replies: dict[int, Reply] = {}
        waiting = list(range(len(requests)))
        failures = 0
        while waiting:
            part = waiting[: self._max_batch]
            try:
                got = self._once([requests[i] for i in part])
            except BatchRefused:
                self._max_batch = max(1, len(part) // 4)
                continue
            except Again as again:
                failures += 1
                self._wait(again, failures)
                continue
            settled = {
                i: reply
                for i, reply in zip(part, got, strict=True)
                if not self._is_put_off(requests[i], reply, failures)
            }
            replies |= settled
            waiting = [i for i in waiting if i not in settled]
            failures = 0 if settled else failures + 1
            if len(settled) < len(part):
                asked_ms = [_asked_ms(reply) for i, reply in zip(part, got, strict=True) if i not in settled]
                wait_ms = max((ms for ms in asked_ms if ms is not None), default=None)
                self._wait(Again(RateLimited(self.label, failures), wait_ms), max(failures, 1))
        return [replies[i] for i in range(len(requests))]

    def _is_put_off(self, request: Request, reply: Reply, failures: int) -> bool:
        """Whether the same request is worth asking again: a rate limit, or a few times a passing trouble."""
        if reply.failure is None:
            return False
        if means_rate_limit(reply.failure):
            return True
        is_behind = request.method in READS and means_behind(reply.failure)
        few = min(SECOND_THOUGHTS, self._patience.retries)
        return failures < few and (is_behind or means_busy(reply.failure))

    def _wait(self, again: Again, failures: int) -> None:
        # A URL that never worked is most likely wrong: try once more, then say so.
        is_new = isinstance(again.final, NodeUnreachable) and not self._wire.has_answered
        tries = min(1, self._patience.retries) if is_new else self._patience.retries
        if failures > tries or self._closed.is_set():
            raise RateLimited(self.label, failures) if isinstance(again.final, RateLimited) else again.final
        growing = min(FIRST_WAIT_MS << min(failures - 1, 16), LONGEST_WAIT_MS)
        wait_ms = again.wait_ms if again.wait_ms is not None else self._patience.jitter_ms(growing)
        if self._patience.sleep_ms is not None:
            self._patience.sleep_ms(wait_ms)
        else:
            self._closed.wait(timedelta(milliseconds=wait_ms).total_seconds())

    def _once(self, requests: Sequence[Request]) -> list[Reply]:
        is_batch = len(requests) > 1
        try:
            parsed = self._wire.ask(requests)
        except TooLarge:
            if is_batch:
                raise BatchRefused from None
            raise
        except NodeTimeout as error:
            if all(request.repeat_timeout for request in requests):
                raise Again(error) from None
            raise
        except NodeUnreachable as error:
            raise Again(error) from None
        if is_batch:
            return self._in_order(parsed, len(requests))
        return [reply_of(parsed, 1, self._endpoint)]

    def _in_order(self, answer: Json, count: int) -> list[Reply]:
        """The replies of a batch, by id."""
        items = answer if isinstance(answer, list) else [answer]
        refusal = items[0] if len(items) == 1 and isinstance(items[0], dict) else None
        if refusal is not None and refusal.get("error") is not None:
            failure = _failure(refusal["error"], self._endpoint)
            if means_rate_limit(failure):
                raise Again(RateLimited(self.label, 1))
            raise BatchRefused
        ids = [item.get("id") if isinstance(item, dict) else None for item in items]
        if len(ids) != count or set(ids) != set(range(1, count + 1)):
            raise Again(BadResponse(self.label, f"a batch reply whose ids are not 1 to {count}"))
        replies = {item["id"]: reply_of(item, item["id"], self._endpoint) for item in items}
        if any(_is_about_batch(reply) for reply in replies.values()):
            raise BatchRefused
        return [replies[i] for i in range(1, count + 1)]


def reply_of(answer: Json, expected_id: int, endpoint: Endpoint) -> Reply:
    """One JSON-RPC reply; BadResponse if it is none, Again if it answers another request."""
    if not isinstance(answer, dict) or ("result" not in answer and answer.get("error") is None):
        raise BadResponse(endpoint.label, "JSON, but no JSON-RPC reply")
    if answer.get("error") is not None:
        return Reply(failure=_failure(answer["error"], endpoint))
    if answer.get("id") != expected_id:
        raise Again(BadResponse(endpoint.label, "a reply to another request"))
    return Reply(result=answer["result"])


def _failure(error: Json, endpoint: Endpoint) -> Failure:
    if not isinstance(error, dict):
        return Failure(0, endpoint.scrub(str(error), LONGEST_REASON))
    code, message = error.get("code"), error.get("message")
    return Failure(
        code if isinstance(code, int) else 0,
        endpoint.scrub(message if isinstance(message, str) else "", LONGEST_REASON),
        error.get("data"),
    )


def _asked_ms(reply: Reply) -> int | None:
    asked = None if reply.failure is None else asked_wait_ms(reply.failure)
    return None if asked is None else min(asked, LONGEST_RETRY_AFTER_MS)


def _is_about_batch(reply: Reply) -> bool:
    """Whether one reply says that the batch as a whole was too much (geth's limits of items and bytes)."""
    message = "" if reply.failure is None else reply.failure.message.lower()
    return "batch" in message or message == "response too large"
