"""Questions to one provider over HTTPS, within limits of time, size and attempts, redirects not followed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import requests
import urllib3
from requests.auth import AuthBase

from defiliq.cex.providers.keys import scrubbed
from defiliq.chain.url import Endpoint
from defiliq.errors import (
    BadUrl,
    BadVenueAnswer,
    InputError,
    VenueError,
    VenueRateLimited,
    VenueRefused,
    VenueUnreachable,
)

ATTEMPTS: Final = 4
LONGEST_WAIT_S: Final = 60
"""A provider that wants more patience than this is left alone."""
CONNECT_TIMEOUT_S: Final = 10
TIMEOUT_S: Final = 30
BODY_TIMEOUT_S: Final = 120
"""A whole body may take this long: bytes that drip never trip the timeout of one read."""
MAX_BYTES: Final = 1 << 26
READ_BYTES: Final = 1 << 18
OK, MULTIPLE_CHOICES, BAD_REQUEST, TOO_MANY, SERVER_ERROR = 200, 300, 400, 429, 500
REFUSALS: Final = frozenset({401, 402, 403, 418, 451})

Sleep = Callable[[float], None]
StatusOf = Callable[[Any], tuple[int, str]]
"""What a decoded body says of itself: an HTTP status and words. Some providers fail with status 200."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str
    location: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Failure:
    error: VenueError
    may_pass: bool
    """Whether asking again may help."""


class _Headers(AuthBase):
    """Sets headers as the request's authentication, so that no .netrc of the machine replaces them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers.update(self._headers)
        return r


class Client:
    """One provider, with the user's keys in headers. They are in no URL, no message and no repr."""

    def __init__(
        self,
        provider: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        sleep: Sleep = time.sleep,
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.provider = provider
        self._endpoint = _endpoint(provider, url)
        self._headers = dict(headers or {})
        self._secrets = tuple(secrets)
        self._sleep, self._timeout_s, self._max_bytes = sleep, timeout_s, max_bytes
        self._session = requests.Session()
        # A proxy of the environment is not meant for a server on this machine.
        self._session.trust_env = not self._endpoint.is_local

    def __repr__(self) -> str:
        return f"Client({self.provider!r}, {self._endpoint.label!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def add(self, headers: Mapping[str, str], secrets: Sequence[str]) -> None:
        """More headers for what follows, and what of them may not be shown."""
        self._headers.update(headers)
        self._secrets = (*self._secrets, *secrets)

    def get(self, path: str, params: Mapping[str, str | int], status_of: StatusOf | None = None) -> Any:
        """The decoded JSON of a GET."""
        return self._ask("GET", path, params, None, {}, status_of)

    def post_form(self, path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """The decoded JSON of a POST of a form, with headers of this one request."""
        return self._ask("POST", path, {}, form, headers, None)

    def bad(self, seen: str) -> BadVenueAnswer:
        """An error about an answer, without secrets."""
        return BadVenueAnswer(self.provider, scrubbed(seen, self._secrets))

    def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int],
        form: Mapping[str, str] | None,
        headers: Mapping[str, str],
        status_of: StatusOf | None,
    ) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._send(method, path, params, form, headers)
            found, retry_after = answer, ""
            if isinstance(answer, _Answer):
                found, retry_after = self._judged(answer, status_of), answer.retry_after
            if not isinstance(found, _Failure):
                return found
            wait_s = _wait_s(retry_after, attempt)
            if not found.may_pass or attempt == ATTEMPTS or wait_s > LONGEST_WAIT_S:
                if isinstance(found.error, VenueRateLimited):
                    raise VenueRateLimited(self.provider, attempt)
                raise found.error
            self._sleep(wait_s)
        raise AssertionError("every attempt returns or raises")

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int],
        form: Mapping[str, str] | None,
        headers: Mapping[str, str],
    ) -> _Answer | _Failure:
        # Failures are values: an exception raised here would drag the request, and its keys, behind it.
        try:
            with self._session.request(
                method,
                self._endpoint.url.rstrip("/") + path,
                params=params,
                data=form,
                auth=_Headers({"Accept": "application/json", **self._headers, **headers}),
                timeout=(min(CONNECT_TIMEOUT_S, self._timeout_s), self._timeout_s),
                stream=True,
                allow_redirects=False,
            ) as response:
                sent = response.headers
                body = b"".join(self._chunks(response))
                retry_after, location = sent.get("Retry-After", ""), sent.get("Location", "")
                return _Answer(response.status_code, retry_after, location, body)
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            return _Failure(VenueUnreachable(self.provider, "no answer in time"), True)
        except (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError):
            return _Failure(self.bad("a body that was cut short"), True)
        except requests.exceptions.SSLError:
            return _Failure(VenueUnreachable(self.provider, "TLS failed"), False)
        except requests.exceptions.ConnectionError:
            return _Failure(VenueUnreachable(self.provider, "no connection"), True)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            return _Failure(VenueUnreachable(self.provider, type(error).__name__), False)
        except _TooLarge:
            return _Failure(self.bad(f"more than the {self._max_bytes} bytes that are read at most"), False)

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        latest = time.monotonic() + BODY_TIMEOUT_S
        size = 0
        # read1 returns what has arrived; read would wait for a full chunk, as long as bytes keep dripping.
        while chunk := response.raw.read1(READ_BYTES, decode_content=True):
            size += len(chunk)
            if size > self._max_bytes:
                raise _TooLarge
            if time.monotonic() > latest:
                raise requests.exceptions.ReadTimeout
            yield chunk

    def _judged(self, answer: _Answer, status_of: StatusOf | None) -> Any:
        """The decoded body, or a failure."""
        if MULTIPLE_CHOICES <= answer.status < BAD_REQUEST:
            return _Failure(self.bad(f"a redirect to {_host(answer.location)}, which is not followed"), False)
        if not OK <= answer.status < MULTIPLE_CHOICES:
            return self._failure(answer.status, answer.body.decode("utf-8", "replace"))
        try:
            decoded = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return _Failure(self.bad("a body that is no JSON"), False)
        status, words = (OK, "") if status_of is None else status_of(decoded)
        return decoded if status == OK else self._failure(status, words)

    def _failure(self, status: int, words: str) -> _Failure:
        said = scrubbed(words, self._secrets)
        seen = f"HTTP {status}: {said}" if said else f"HTTP {status}"
        if status == TOO_MANY:
            return _Failure(VenueRateLimited(self.provider, 0), True)
        if status in REFUSALS:
            return _Failure(VenueRefused(self.provider, seen), False)
        if status >= SERVER_ERROR:
            return _Failure(VenueUnreachable(self.provider, seen), True)
        return _Failure(BadVenueAnswer(self.provider, seen), False)


class _TooLarge(Exception):
    """A body beyond the limit."""


def _endpoint(provider: str, url: str) -> Endpoint:
    try:
        endpoint = Endpoint.of(url)
    except BadUrl as error:
        raise InputError(f"the address given for {provider} cannot be used: {error.seen}.") from None
    if endpoint.scheme != "https" and not endpoint.is_local:
        raise InputError(f"the address given for {provider} must begin with https://: keys are sent there.")
    return endpoint


def _host(location: str) -> str:
    """Where a redirect leads, without its path."""
    try:
        label = Endpoint.of(location).label
    except BadUrl:
        return "another path"
    return label.split("://")[1].split("/")[0].split("@")[-1]


def _wait_s(retry_after: str, attempt: int) -> float:
    """What the provider asks for in seconds, else a wait that doubles from one second."""
    if retry_after.isdecimal() and len(retry_after) < 10:
        return float(retry_after)
    return float(2 ** (attempt - 1))
