"""Answers of a node kept in a file, so that the same questions can be asked again without it.

The file is gzipped JSON: `format`, `version`, and `replies`, from a request's key to its result or failure.
No URL and no header is in it, and the same questions make the same bytes in whatever order they were asked.
"""

from __future__ import annotations

import gzip
import os
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from defiliq.chain.evm import MAX_RESPONSE_BYTES, EvmNode
from defiliq.chain.transport import Failure, Json, Reply, Request, Transport
from defiliq.errors import BadFile, CallNotRecorded

FORMAT: Final = "defiliq-recording"
VERSION: Final = 1
SHOWN_REQUEST: Final = 120


class RecordingTransport:
    """Passes requests on and keeps the replies; `close` writes them.

    What is asked twice is kept as first answered, so that a tag keeps naming the block that was read; only
    a failure gives way to a later result. A request that raised is not kept.
    """

    def __init__(self, inner: Transport, path: str | os.PathLike[str]) -> None:
        self._inner, self._path = inner, Path(path)
        self._replies: dict[str, Json] = {}
        self._lock = threading.Lock()

    @property
    def label(self) -> str:
        """The inner transport's."""
        return self._inner.label

    def send(self, requests: Sequence[Request]) -> list[Reply]:
        """The inner transport's replies."""
        replies = self._inner.send(requests)
        with self._lock:
            for request, reply in zip(requests, replies, strict=True):
                if "result" not in self._replies.get(request.key, {}):
                    self._replies[request.key] = _to_json(reply)
        return replies

    def close(self) -> None:
        """Write the file, whole or not at all, and close the inner transport."""
        self._inner.close()
        content = {"format": FORMAT, "version": VERSION, "replies": self._replies}
        packed = gzip.compress(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), mtime=0)
        unfinished = self._path.with_name(f"{self._path.name}.part")
        try:
            unfinished.write_bytes(packed)
            unfinished.replace(self._path)
        except OSError as error:
            raise BadFile(str(self._path), f"it cannot be written ({error.strerror})") from None


class ReplayTransport:
    """Answers from a recording and from nothing else."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = str(path)
        self._replies = _load(self._path)

    @property
    def label(self) -> str:
        """The recording's path."""
        return self._path

    def send(self, requests: Sequence[Request]) -> list[Reply]:
        """The recorded replies; CallNotRecorded where there is none."""
        return [self._reply(request) for request in requests]

    def close(self) -> None:
        """Nothing to give back."""

    def _reply(self, request: Request) -> Reply:
        kept = self._replies.get(request.key)
        if kept is None:
            text = request.key
            shown = text if len(text) <= SHOWN_REQUEST else text[:SHOWN_REQUEST] + "..."
            raise CallNotRecorded(self._path, shown)
        return _from_json(kept, self._path)


def record(
    url: str,
    path: str | os.PathLike[str],
    *,
    timeout_s: int = 30,
    retries: int = 5,
    concurrency: int = 4,
    max_response_bytes: int = MAX_RESPONSE_BYTES,
) -> EvmNode:
    """A node at `url` whose answers are written to `path` when it is closed."""
    from defiliq.chain.connecting import open_transport  # here: replaying needs no network
    from defiliq.chain.rpc import Patience

    inner = open_transport(
        url,
        timeout_s=timeout_s,
        max_response_bytes=max_response_bytes,
        patience=Patience(retries),
    )
    return EvmNode(RecordingTransport(inner, path), concurrency=concurrency)


def replay(path: str | os.PathLike[str]) -> EvmNode:
    """A node that answers from a recording."""
    return EvmNode(ReplayTransport(path))


def _to_json(reply: Reply) -> Json:
    if reply.failure is None:
        return {"result": reply.result}
    failure = reply.failure
    return {"error": {"code": failure.code, "message": failure.message, "data": failure.data}}


def _from_json(kept: Json, path: str) -> Reply:
    match kept:
        case {"result": result}:
            return Reply(result)
        case {"error": {"code": int(code), "message": str(message), "data": data}}:
            return Reply(failure=Failure(code, message, data))
        case _:
            raise BadFile(path, "a reply in it is neither a result nor an error")


def _load(path: str) -> dict[str, Json]:
    try:
        content = orjson.loads(gzip.decompress(Path(path).read_bytes()))
    except OSError as error:
        raise BadFile(path, error.strerror if error.strerror is not None else "it is not gzip") from None
    except (EOFError, zlib.error):
        raise BadFile(path, "it is cut short or damaged") from None
    except orjson.JSONDecodeError:
        raise BadFile(path, "it holds no JSON") from None
    match content:
        case {"format": str(name), "version": version, "replies": dict(replies)} if name == FORMAT:
            if version != VERSION:
                raise BadFile(
                    path, f"it is a recording of format {version}, and format {VERSION} is read here"
                )
            return replies
        case _:
            raise BadFile(path, "it is no recording of a node")
