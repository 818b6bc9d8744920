"""One POST to one endpoint, within limits of time and size, its failures named without secrets."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import requests
import urllib3

from defiliq.chain.url import Endpoint
from defiliq.errors import BadResponse, NodeTimeout, NodeUnreachable, TooLarge

CONNECT_TIMEOUT_S: Final = 10
BODY_PATIENCE: Final = 4
"""A whole body may take this many timeouts: a server that drips bytes never trips the timeout of one read."""
READ_BYTES: Final = 1 << 18
NANOSECONDS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever it is."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Poster:
    """Keeps one connection per thread to one endpoint, by web3's session manager."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: int, max_response_bytes: int) -> None:
        from eth_typing import URI
        from web3.providers.rpc import HTTPProvider  # here: its import takes most of a second

        provider = HTTPProvider(endpoint.url)
        self._endpoint, self._timeout_s, self._max_bytes = endpoint, timeout_s, max_response_bytes
        self._key = URI(endpoint.url)
        self._manager = provider._request_session_manager
        self._headers = {str(name): str(value) for name, value in provider.get_request_headers().items()}
        self._sessions: set[requests.Session] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for session in self._sessions:
                session.close()

    def post(self, body: bytes) -> Answer:
        """The answer, whatever its status; NodeTimeout, NodeUnreachable, TooLarge or BadResponse if none."""
        label = self._endpoint.label
        try:
            with self._open(body) as response:
                return Answer(response.status_code, response.headers, self._body(response))
        except requests.exceptions.ConnectTimeout:
            raise NodeUnreachable(label, "no connection in time") from None
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise NodeTimeout(label, f"no answer within {self._timeout_s} s") from None
        except (requests.exceptions.ConnectionError, urllib3.exceptions.NewConnectionError) as error:
            raise NodeUnreachable(label, reason_of(error)) from None
        except (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError):
            raise BadResponse(label, "a body that was cut short") from None
        except (requests.exceptions.RequestException, ValueError) as error:
            raise NodeUnreachable(label, type(error).__name__) from None

    def _open(self, body: bytes) -> requests.Response:
        session: requests.Session = self._manager.cache_and_return_session(self._key)
        with self._lock:
            if session not in self._sessions:
                # A proxy or .netrc of the environment is not meant for a node on this machine.
                session.trust_env = not self._endpoint.is_local
                self._sessions.add(session)
        return session.post(
            self._endpoint.url,
            data=body,
            headers=self._headers,
            timeout=(min(CONNECT_TIMEOUT_S, self._timeout_s), self._timeout_s),
            stream=True,
            allow_redirects=False,
        )

    def _body(self, response: requests.Response) -> bytes:
        declared = response.headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            raise self._too_large()
        return b"".join(self._chunks(response))

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        latest_ns = time.monotonic_ns() + BODY_PATIENCE * self._timeout_s * NANOSECONDS
        size = 0
        # read1 returns what has arrived; read would wait for a full chunk, as long as bytes keep dripping.
        while chunk := response.raw.read1(READ_BYTES, decode_content=True):
            size += len(chunk)
            if size > self._max_bytes:
                raise self._too_large()
            if time.monotonic_ns() > latest_ns:
                raise NodeTimeout(self._endpoint.label, f"an answer still unfinished after {size} bytes")
            yield chunk

    def _too_large(self) -> TooLarge:
        return TooLarge(self._endpoint.label, f"more than the {self._max_bytes} bytes that are read at most")


def reason_of(error: Exception) -> str:
    """Why no connection came about, in words that hold no URL (the library's own message does)."""
    seen: BaseException | None = error
    names: list[str] = []
    while seen is not None and len(names) < 8:
        names.append(f"{type(seen).__name__} {seen}")
        inner = getattr(seen, "reason", None)
        seen = inner if isinstance(inner, BaseException) else seen.__cause__ or seen.__context__
    text = " ".join(names).lower()
    for sign, reason in (
        ("refused", "connection refused"),
        ("nameresolution", "the host name is not known"),
        ("name or service", "the host name is not known"),
        ("getaddrinfo", "the host name is not known"),
        ("certificate", "its TLS certificate is not valid"),
        ("ssl", "TLS failed"),
        ("proxy", "the proxy failed"),
        ("unreachable", "the network is unreachable"),
    ):
        if sign in text:
            return reason
    return "the connection was closed"


def masked_target(location: str) -> str:
    """Where a redirect leads, without secrets."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.hostname}" if parts.hostname else "another path"
