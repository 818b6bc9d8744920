"""Events by POST to somebody's URL, signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from defiliq.chain.http import SECOND_MS, retry_after_ms
from defiliq.chain.url import Endpoint
from defiliq.errors import PrivateAddress, WebhookFailed
from defiliq.watch.journal import Line
from defiliq.watch.schema import SCHEMA_VERSION
from defiliq.watch.sinks.address import Resolver, is_public, resolved

SECRET_VARIABLE: Final = "DEFILIQ_WEBHOOK_SECRET"  # noqa: S105 the name of a variable, no secret
SIGNATURE_HEADER: Final = "X-Defiliq-Signature"
MOST_EVENTS: Final = 100
"""In one POST."""
TIMEOUT_S: Final = 10
"""For a connection, and for each piece of an answer."""
WHOLE_TIMEOUT_S: Final = 30
"""For one POST as a whole, however the answer drips."""
PORTS: Final = {"http": 80, "https": 443}
GONE: Final = 410
TOO_LARGE: Final = 413
TOO_MANY_REQUESTS: Final = 429
MOST_ADDRESSES: Final = 3
NAME_LETTERS: Final = 12


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one POST may take, in seconds."""

    timeout_s: float = TIMEOUT_S
    whole_s: float = WHOLE_TIMEOUT_S


def webhook_sink(
    url: str,
    *,
    secret: str | None = None,
    allows_private: bool = False,
    resolver: Resolver = resolved,
    clock: Callable[[], float] = time.time,
    limits: Limits | None = None,
) -> WebhookSink:
    """The sink of a URL; BadUrl if it is none, PrivateAddress if it leads into a private network already now.

    A host that has no address now may have one later.
    """
    sink = WebhookSink(Endpoint.of(url), secret, allows_private, resolver, clock, limits or Limits())
    with suppress(WebhookFailed):
        sink.addresses()
    return sink


class WebhookSink:
    """POSTs events in order, up to MOST_EVENTS at once. At least once: Idempotency-Key tells repetitions.

    The body is `{"schema": 1, "events": [...]}`. With a secret, X-Defiliq-Signature is `t=SECONDS,v1=HEX`,
    the HMAC-SHA256 of `SECONDS.BODY`. Proxies of the environment are not used: they would choose the address.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        secret: str | None,
        allows_private: bool,
        resolver: Resolver,
        clock: Callable[[], float],
        limits: Limits,
    ) -> None:
        self._endpoint, self._secret, self._allows_private = endpoint, secret, allows_private
        self._resolver, self._clock, self._limits = resolver, clock, limits
        self._parts = urlsplit(endpoint.url)
        self._most = MOST_EVENTS
        self._host = str(self._parts.hostname)
        self._port = self._parts.port if self._parts.port is not None else PORTS[self._parts.scheme]

    @property
    def name(self) -> str:
        """What the journal calls it: its URL may hold a key, so a hash of it."""
        return f"webhook:{hashlib.sha256(self._endpoint.url.encode()).hexdigest()[:NAME_LETTERS]}"

    @property
    def label(self) -> str:
        """Its URL without secrets."""
        return self._endpoint.label

    @property
    def position(self) -> int:
        """Nobody can look into it."""
        return 0

    def beyond(self, position: int) -> Sequence[str]:
        """It cannot be read back."""
        return ()

    def close(self) -> None:
        """Every POST has a connection of its own, so nothing is open."""

    def deliver(self, lines: Sequence[Line]) -> int | None:
        """POST the first of them; WebhookFailed unless it says 2xx, PrivateAddress as for `addresses`."""
        if not lines:
            return None
        sent = lines[: self._most]
        events = ",".join(line.line for line in sent)
        body = f'{{"schema":{SCHEMA_VERSION},"events":[{events}]}}'.encode()
        key = hashlib.sha256("\n".join(line.id for line in sent).encode()).hexdigest()
        status, retry_after = self._posted(body, self._headers(body, key))
        if status == TOO_LARGE and len(sent) > 1:
            self._most = len(sent) // 2
            raise WebhookFailed(self.label, f"HTTP {status}, {len(sent)} events are too many at once")
        self._check(status, retry_after)
        return sent[-1].seq

    def addresses(self) -> list[str]:
        """Where it leads now; PrivateAddress if one of them is not public, unless that is allowed."""
        try:
            found = list(self._resolver(self._host, self._port))
        except (OSError, UnicodeError):
            raise WebhookFailed(self.label, "the host name is not known") from None
        if not self._allows_private:
            for address in found:
                if not is_public(address):
                    raise PrivateAddress(self.label, address)
        if not found:
            raise WebhookFailed(self.label, "the host has no address")
        return found[:MOST_ADDRESSES]

    def _headers(self, body: bytes, key: str) -> dict[str, str]:
        netloc = self._parts.netloc.rpartition("@")[2]
        headers = {
            "Host": netloc,
            "Content-Type": "application/json",
            "User-Agent": "defiliq",
            "Idempotency-Key": key,
            "Connection": "close",
        }
        if self._parts.username is not None:
            pair = f"{unquote(self._parts.username)}:{unquote(self._parts.password or '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if self._secret is not None:
            headers[SIGNATURE_HEADER] = signature(self._secret, int(self._clock()), body)
        return headers

    def _posted(self, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
        """The status, and what Retry-After says. The body of the answer is not read."""
        connection = http.client.HTTPConnection(self._host, self._port)
        addresses = self.addresses()
        alarm = _Alarm()
        try:
            connection.sock = self._connected(addresses)
            with alarm.on(connection.sock, self._limits.whole_s):
                if isinstance(connection.sock, ssl.SSLSocket):
                    connection.sock.do_handshake()
                connection.request("POST", _target(self._parts), body, headers)
                answer = connection.getresponse()
                return answer.status, answer.headers.get("Retry-After")
        except (OSError, http.client.HTTPException) as error:
            raise WebhookFailed(self.label, _reason(TimeoutError() if alarm.rang else error)) from None
        finally:
            connection.close()

    def _connected(self, addresses: Sequence[str]) -> socket.socket:
        """A connection to one of the very addresses that were checked; TLS goes by the host's name."""
        plain = self._reached(addresses)
        if self._parts.scheme != "https":
            return plain
        try:
            return _tls().wrap_socket(plain, server_hostname=self._host, do_handshake_on_connect=False)
        except BaseException:
            plain.close()
            raise

    def _reached(self, addresses: Sequence[str]) -> socket.socket:
        for address in addresses[:-1]:
            with suppress(OSError):  # another one may answer
                return socket.create_connection((address, self._port), self._limits.timeout_s)
        return socket.create_connection((addresses[-1], self._port), self._limits.timeout_s)

    def _check(self, status: int, retry_after: str | None) -> None:
        seen = f"HTTP {status}"
        if 200 <= status < 300:
            return
        if status == GONE:
            raise WebhookFailed(self.label, f"{seen}, it is gone for good", is_gone=True)
        asked_ms = retry_after_ms(retry_after)
        wait_s = None if asked_ms is None else -(-asked_ms // SECOND_MS)
        if status == TOO_MANY_REQUESTS or status >= 500:
            raise WebhookFailed(self.label, seen, wait_s=wait_s)
        if 300 <= status < 400:
            seen = f"{seen}, a redirect, which is not followed"
        raise WebhookFailed(self.label, seen, wait_s=wait_s, is_slow=True)


def signature(secret: str, seconds: int, body: bytes) -> str:
    """What X-Defiliq-Signature says of a body sent at that time."""
    mac = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={mac.hexdigest()}"


class _Alarm:
    """Cuts a connection that takes too long as a whole: a timeout of its own knows only single reads."""

    def __init__(self) -> None:
        self.rang = False

    @contextmanager
    def on(self, connection: socket.socket, after_s: float) -> Iterator[None]:
        """Cut the connection after so many seconds of what is done meanwhile."""
        timer = threading.Timer(after_s, self._ring, (connection,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _ring(self, connection: socket.socket) -> None:
        self.rang = True
        with suppress(OSError):  # it may have ended by itself
            # Not the method of a TLS socket: it would take that apart under the thread that reads.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


@cache
def _tls() -> ssl.SSLContext:
    """Certificates of the system, and those that come with requests."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # here: few watches have a webhook

    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


def _target(parts: SplitResult) -> str:
    return (parts.path if parts.path else "/") + (f"?{parts.query}" if parts.query else "")


def _reason(error: Exception) -> str:
    """Why it failed, in words that hold no URL."""
    known: tuple[tuple[type[Exception], str], ...] = (
        (TimeoutError, "no answer in time"),
        (ConnectionRefusedError, "connection refused"),
        (ssl.SSLCertVerificationError, "its TLS certificate is not valid"),
        (ssl.SSLError, "TLS failed"),
        (ConnectionError, "the connection was closed"),
        (http.client.HTTPException, "an answer that is no HTTP"),
    )
    return next((text for kind, text in known if isinstance(error, kind)), "the network cannot be reached")
