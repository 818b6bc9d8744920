"""JSON-RPC over HTTP: what carries it, and what a status means."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import orjson

from defiliq.chain.post import Answer, Poster, masked_target
from defiliq.chain.rpc import LONGEST_RETRY_AFTER_MS, Again, BatchRefused, Patience, RpcTransport
from defiliq.chain.transport import Json, Request
from defiliq.chain.url import Endpoint
from defiliq.errors import BadResponse, NodeTimeout, NodeUnreachable, RateLimited, TooLarge

SECOND_MS: Final = 1_000
TOO_MANY_REQUESTS: Final = 429
CONTENT_TOO_LARGE: Final = 413
TIMED_OUT: Final = frozenset({408, 504, 522, 524})
PASSING: Final = frozenset({502, 503, 520, 521, 523, 525, 529, 530})
NOT_ALLOWED: Final = frozenset({401, 402, 403})


def http_transport(url: str, *, timeout_s: int, max_response_bytes: int, patience: Patience) -> RpcTransport:
    """The transport to a URL; BadUrl if it is none. No connection is made yet."""
    endpoint = Endpoint.of(url)
    poster = Poster(endpoint, timeout_s=timeout_s, max_response_bytes=max_response_bytes)
    return RpcTransport(endpoint, HttpWire(endpoint, poster), patience)


class HttpWire:
    """Implements `Wire`: each thread has its own connection, which web3's provider keeps."""

    def __init__(self, endpoint: Endpoint, poster: Poster) -> None:
        self._endpoint, self._poster = endpoint, poster
        self._has_answered = False

    @property
    def has_answered(self) -> bool:
        """Whether any HTTP answer ever came."""
        return self._has_answered

    def close(self) -> None:
        """Close every connection."""
        self._poster.close()

    def ask(self, requests: Sequence[Request]) -> Json:
        """The JSON that came back."""
        bodies = [
            {"jsonrpc": "2.0", "id": i, "method": request.method, "params": request.params}
            for i, request in enumerate(requests, start=1)
        ]
        is_batch = len(bodies) > 1
        body = orjson.dumps(bodies if is_batch else bodies[0])
        return self._parse(checked(self._endpoint, self._post(body), is_batch))

    def _post(self, body: bytes) -> Answer:
        try:
            answer = self._poster.post(body)
        except TooLarge:
            raise
        except BadResponse as error:
            raise Again(error) from None
        self._has_answered = True
        return answer

    def _parse(self, answer: Answer) -> Json:
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            if answer.body.lstrip()[:1] == b"<":
                raise BadResponse(self._endpoint.label, "a web page") from None
            size = len(answer.body)
            seen = f"{size} bytes that are no complete JSON" if size else "an empty body"
            raise Again(BadResponse(self._endpoint.label, seen)) from None


def checked(endpoint: Endpoint, answer: Answer, is_batch: bool) -> Answer:
    """The answer, unless its status says enough whatever the body is."""
    status, seen = answer.status, f"HTTP {answer.status}"
    if status == TOO_MANY_REQUESTS:
        raise Again(RateLimited(endpoint.label, 1), retry_after_ms(answer.headers.get("Retry-After")))
    if status in TIMED_OUT:
        raise NodeTimeout(endpoint.label, seen)
    if status in PASSING:
        raise NodeUnreachable(endpoint.label, seen)
    if 300 <= status < 400:
        target = endpoint.scrub(masked_target(answer.headers.get("Location", "")))
        raise BadResponse(endpoint.label, f"a redirect to {target}, which is not followed")
    if status >= 400 and not _is_rpc(answer.body):
        if is_batch and status not in NOT_ALLOWED:
            raise BatchRefused
        if status == CONTENT_TOO_LARGE:
            raise TooLarge(endpoint.label, f"{seen}: the request is too large for it")
        if status >= 500:
            raise NodeUnreachable(endpoint.label, seen)
        why = " (is the key valid?)" if status in NOT_ALLOWED else ""
        raise BadResponse(endpoint.label, f"{seen}{why}")
    return answer


def _is_rpc(body: bytes) -> bool:
    """Whether a body is a JSON-RPC reply: several providers send theirs with HTTP 400."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    first = answer[0] if isinstance(answer, list) and answer else answer
    return isinstance(first, dict) and ("jsonrpc" in first or isinstance(first.get("error"), dict))


def retry_after_ms(header: str | None) -> int | None:
    """What a Retry-After header asks for, at most a minute; None where it says nothing usable."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return min(int(header) * SECOND_MS, LONGEST_RETRY_AFTER_MS)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    left_ms = (moment - datetime.now(UTC)) // timedelta(milliseconds=1)
    return min(max(left_ms, 0), LONGEST_RETRY_AFTER_MS)
