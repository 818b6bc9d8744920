"""The connection under ccxt: answers are read within bounds of size and time, and statuses are named here.

ccxt reads a body whole, whatever its size, maps HTTP 451, 403 and 500 onto one error, and repeats addresses
in its messages. So the session that it asks through is wrapped: what the status alone decides never reaches
it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

REFUSED: Final = frozenset({401, 403, 418, 451})
BUSY: Final = 429
BAD_REQUEST: Final = 400
"""Comes with a code of the venue's own, which ccxt reads."""
TIMED_OUT: Final = 408
FIRST_READ_BYTES: Final = 64
LARGEST_READ_BYTES: Final = 1 << 17
BODY_PATIENCE: Final = 4
LONGEST_RETRY_AFTER_S: Final = 60.0


class Refused(Exception):
    """The status says that this place is not served."""


class Busy(Exception):
    """Too many requests; `wait_s` is what the server asked for, if anything."""

    def __init__(self, wait_s: float | None = None) -> None:
        self.wait_s = wait_s
        super().__init__()


class Down(Exception):
    """Something that may pass: a status of 500 or more, or a body that does not end."""


class Unusable(Exception):
    """An answer that no second try mends."""


class Answer:
    """What ccxt looks at in an answer, its body already here."""

    def __init__(self, response: Any, body: bytes) -> None:
        self._response, self.content = response, body
        self.status_code: int = response.status_code
        self.reason: str = response.reason or ""
        self.headers: Mapping[str, str] = response.headers
        self.encoding: str | None = None

    @property
    def text(self) -> str:
        """The body, whatever bytes it has."""
        return self.content.decode("utf-8", errors="replace")

    def raise_for_status(self) -> None:
        """As the session's own answer does."""
        self._response.raise_for_status()


def bound_session(session: Any, timeout_s: float, max_bytes: int) -> None:
    """Make a session of ccxt's read within bounds, and follow no redirects."""
    ask = session.request

    def request(method: str, url: str, **options: Any) -> Answer:
        options |= {"stream": True, "allow_redirects": False, "timeout": timeout_s}
        response = ask(method, url, **options)
        try:
            _judge_status(response)
            return Answer(response, _body(response, timeout_s, max_bytes))
        except BaseException:
            response.close()
            raise

    session.request = request


def _judge_status(response: Any) -> None:
    status: int = response.status_code
    if status in REFUSED:
        raise Refused(f"HTTP {status}")
    if status == BUSY:
        raise Busy(retry_after_s(response.headers.get("Retry-After")))
    if status >= 500 or status == TIMED_OUT:
        raise Down(f"HTTP {status}")
    if 300 <= status < 400:
        raise Unusable(f"a redirect (HTTP {status}), which is not followed")
    if status > BAD_REQUEST:
        raise Unusable(f"HTTP {status}")


def _body(response: Any, timeout_s: float, max_bytes: int) -> bytes:
    """The whole body. Reads begin small and grow while bytes come fast, so that drips are noticed."""
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise Unusable(f"more than the {max_bytes} bytes that are read at most")
    latest = time.monotonic() + BODY_PATIENCE * timeout_s
    parts: list[bytes] = []
    size, length = 0, FIRST_READ_BYTES
    while True:
        began = time.monotonic()
        part = next(response.iter_content(length), b"")
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise Unusable(f"more than the {max_bytes} bytes that are read at most")
        now = time.monotonic()
        if now > latest:
            raise Down(f"an answer still unfinished after {size} bytes")
        length = min(2 * length, LARGEST_READ_BYTES) if now - began < timeout_s / 10 else FIRST_READ_BYTES


def retry_after_s(header: str | None) -> float | None:
    """What a Retry-After header asks for, at most a minute; None where it says nothing usable."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return min(float(header), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    left_s = (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(left_s, 0.0), LONGEST_RETRY_AFTER_S)
