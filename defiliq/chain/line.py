"""One websocket: messages out and in, within limits of time and size, its failures named without secrets."""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
import struct
import sys
from typing import Any, Final

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, ProxyError
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect

from defiliq.chain.http import checked
from defiliq.chain.post import CONNECT_TIMEOUT_S, Answer, reason_of
from defiliq.chain.transport import Failure
from defiliq.chain.url import Endpoint
from defiliq.chain.wording import means_rate_limit
from defiliq.errors import BadResponse, BadUrl, NodeError, NodeTimeout, NodeUnreachable, RateLimited, TooLarge

PING_INTERVAL_S: Final = 20
CLOSE_TIMEOUT_S: Final = 1
MAX_QUEUE: Final = 1
"""Frames that wait to be read: each may be as large as the largest message."""
TOO_BIG: Final = 1009
"""RFC 6455, 7.4.1: the message is too big for whoever closes."""
BROKEN: Final = frozenset({1002, 1007})
"""The same: what came breaks the protocol, or is no UTF-8."""
MILLISECONDS: Final = 1_000

# The library's own logger would write to the terminal, and its messages hold URLs.
_silent = logging.getLogger("defiliq.websocket")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class _Refused(Exception):
    """The handshake ended in an HTTP answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class _Connection(ClientConnection):
    """One that tells redirects from here on, as any other refusal, to us: the library would follow them."""

    def handshake(self, *arguments: Any, **options: Any) -> None:
        """The opening handshake."""
        try:
            super().handshake(*arguments, **options)
        except InvalidStatus as error:
            response = error.response
            headers = {name.title(): value for name, value in response.headers.raw_items()}
            raise _Refused(Answer(response.status_code, headers, bytes(response.body or b""))) from None


def open_line(endpoint: Endpoint, *, timeout_s: int, max_bytes: int) -> Line:
    """A websocket to an endpoint, opened now. NodeError if it cannot be; `Again` where HTTP would wait."""
    label = endpoint.label
    try:
        opening = connect(
            endpoint.url,
            open_timeout=min(CONNECT_TIMEOUT_S, timeout_s),
            ping_interval=PING_INTERVAL_S,
            ping_timeout=None,  # whoever waits for an answer has a timeout of their own
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=max_bytes,
            max_queue=MAX_QUEUE,
            # A proxy of the environment is not meant for a node on this machine.
            proxy=None if endpoint.is_local else True,
            logger=_silent,
            create_connection=_Connection,
        )
        connection = opening.__enter__()
    except _Refused as refused:
        checked(endpoint, refused.answer, is_batch=False)
        raise BadResponse(label, f"HTTP {refused.answer.status} instead of a websocket") from None
    except TimeoutError:
        raise NodeUnreachable(label, "no connection in time") from None
    except InvalidURI:
        raise BadUrl("it is none of a websocket") from None
    except (ProxyError, ImportError):
        raise NodeUnreachable(label, "the proxy failed") from None
    except InvalidHandshake as error:
        if isinstance(error.__cause__, EOFError | OSError):
            raise NodeUnreachable(label, "the connection was closed") from None
        raise BadResponse(label, "no websocket's handshake") from None
    except (OSError, EOFError, ConnectionClosed) as error:
        raise NodeUnreachable(label, reason_of(error)) from None
    _limit_sending(connection, timeout_s)
    return Line(connection, endpoint, timeout_s=timeout_s, max_bytes=max_bytes)


class Line:
    """One open websocket. One thread at a time speaks and listens; any may close it."""

    def __init__(
        self, connection: ClientConnection, endpoint: Endpoint, *, timeout_s: int, max_bytes: int
    ) -> None:
        self._connection, self._endpoint = connection, endpoint
        self._timeout_s, self._max_bytes = timeout_s, max_bytes
        self._ids = itertools.count(1)

    def new_ids(self, count: int) -> range:
        """Numbers in a row that no request on this line has had."""
        ids = [next(self._ids) for _ in range(count)]
        return range(ids[0], ids[-1] + 1)

    def say(self, message: bytes) -> None:
        """Send a text. A peer that takes nothing more is unreachable after the timeout."""
        try:
            self._connection.send(message.decode())
        except ConnectionClosed as error:
            raise self._closed(error) from None

    def hear(self, within_s: float) -> bytes:
        """The next message; NodeTimeout if none is complete in time. The line stays usable after that."""
        try:
            return self._connection.recv(within_s, decode=False)
        except TimeoutError:
            if self._connection.state is State.OPEN:
                raise NodeTimeout(self._endpoint.label, f"no answer within {self._timeout_s} s") from None
            # What came was refused here, and the other end does not care to close.
            self.abort()
            raise self._closed(self._connection.close_exc) from None
        except ConnectionClosed as error:
            raise self._closed(error) from None

    def close(self) -> None:
        """Say goodbye, wait a second for the answer, and hang up."""
        self._connection.close()

    def abort(self) -> None:
        """Hang up at once: whoever waits on the line is told that it is closed."""
        with contextlib.suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _closed(self, error: ConnectionClosed) -> NodeError:
        label, said, sent = self._endpoint.label, error.rcvd, error.sent
        if said is not None and said.code == TOO_BIG:
            return TooLarge(label, "the request is too large for it")
        if said is not None and means_rate_limit(Failure(said.code, said.reason)):
            return RateLimited(label, 1)
        if said is None and sent is not None and sent.code == TOO_BIG:
            return TooLarge(label, f"more than the {self._max_bytes} bytes that are read at most")
        if said is None and sent is not None and sent.code in BROKEN:
            return BadResponse(label, "frames that are no websocket's")
        why = "" if said is None else f" with code {int(said.code)}"
        return NodeUnreachable(label, f"the connection was closed{why}")


def _limit_sending(connection: ClientConnection, timeout_s: int) -> None:
    """A peer that reads nothing would hold a send for ever: the library sets no limit to it."""
    limit: bytes | int = (
        timeout_s * MILLISECONDS if sys.platform == "win32" else struct.pack("ll", timeout_s, 0)
    )
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
