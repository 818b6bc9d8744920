"""A recording answers what was asked, and nothing else; it holds no URL."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from defiliq.chain.node import Call, LogFilter, Override
from defiliq.chain.replay import RecordingTransport, record, replay
from defiliq.chain.transport import Reply, Request
from defiliq.errors import BadFile, BlockNotFound, CallNotRecorded, CallReverted
from defiliq.types import Block
from tests.chain.rpc_server import RpcFailure, serving

POOL = "0x" + "11" * 20
AT = Block(1, 5, "0x" + "05" * 32, 60)


def answer(method: str, params: list[Any]) -> Any:
    match method:
        case "eth_chainId":
            return "0x1"
        case "eth_getBlockByNumber":
            return None if params[0] == "0x9" else {"number": "0x5", "hash": AT.hash, "timestamp": "0x3c"}
        case "eth_call":
            return RpcFailure(3, "execution reverted", "0x3435") if params[0]["data"] == "0x02" else "0x2a"
        case "eth_getLogs":
            return []
    return RpcFailure(-32601, "no such method")


def session(node: Any) -> list[Any]:
    """A few questions of every kind."""
    with pytest.raises(BlockNotFound):
        node.block(9)
    override = Override(code=b"\x01", storage={2: 3, 1: 4})
    return [
        node.block("latest"),
        node.call([Call(POOL, b"\x01"), Call(POOL, b"\x01")], AT),
        [(c.data, c.seen) for c in node.call([Call(POOL, b"\x02")], AT) if isinstance(c, CallReverted)],
        node.call([Call(POOL, b"\x01")], AT, overrides={POOL: override}, timestamp=77),
        node.logs(LogFilter((POOL,), (bytes(32),)), 1, 5).data,
    ]


def recorded(path: Path) -> list[Any]:
    with serving(answer) as server:
        url = f"http://user:hunter2@127.0.0.1:{server.server_port}/v2/secretkey0123"
        with record(url, path) as node:
            return session(node)


def test_a_replayed_node_gives_the_same_answers_without_a_node(tmp_path: Path) -> None:
    path = tmp_path / "market.json.gz"
    live = recorded(path)
    with replay(path) as node:
        assert session(node) == live
        assert node.label == str(path)
        assert node.chain_id == 1


def test_what_was_not_recorded_is_named(tmp_path: Path) -> None:
    path = tmp_path / "market.json.gz"
    recorded(path)
    with replay(path) as node, pytest.raises(CallNotRecorded, match="eth_call"):
        node.call([Call(POOL, b"\x07")], AT)
    with replay(path) as node, pytest.raises(CallNotRecorded):
        node.block(6)


def test_the_same_session_makes_the_same_bytes_and_no_secret_is_in_them(tmp_path: Path) -> None:
    first, second = tmp_path / "a.json.gz", tmp_path / "b.json.gz"
    recorded(first)
    recorded(second)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[4:8] == bytes(4), "no time of writing"
    text = gzip.decompress(first.read_bytes()).decode()
    assert not [secret for secret in ("hunter2", "user", "secretkey", "127.0.0.1", "http") if secret in text]
    assert set(tmp_path.iterdir()) == {first, second}, "nothing unfinished is left behind"


class Scripted:
    """Gives its replies in turn."""

    label = "scripted"

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.is_closed = False

    def send(self, requests: Any) -> list[Reply]:
        return [self.replies.pop(0) for _ in requests]

    def close(self) -> None:
        self.is_closed = True


def test_a_question_keeps_its_first_answer_but_not_its_first_failure(tmp_path: Path) -> None:
    from defiliq.chain.replay import ReplayTransport
    from defiliq.chain.transport import Failure

    inner = Scripted(Reply("0x1"), Reply("0x2"), Reply(failure=Failure(1, "busy")), Reply(None), Reply("0x4"))
    recording = RecordingTransport(inner, tmp_path / "r")
    head, other = Request("eth_blockNumber"), Request("eth_getBlockByNumber", ("0x5", False))
    for request in (head, head, other, other, other):
        recording.send([request])
    recording.close()
    assert inner.is_closed
    assert ReplayTransport(tmp_path / "r").send([head, other]) == [Reply("0x1"), Reply(None)]


def test_the_order_of_object_keys_does_not_matter() -> None:
    one = Request("eth_call", ({"to": "0x1", "data": "0x2"}, "latest"))
    other = Request("eth_call", ({"data": "0x2", "to": "0x1"}, "latest"), repeat_timeout=False)
    assert one.key == other.key
    assert one.key != Request("eth_call", ({"to": "0x1", "data": "0x2"}, "0x1")).key


def packed(content: Any) -> bytes:
    return gzip.compress(json.dumps(content).encode(), mtime=0)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"", "it is cut short|it is not gzip|no JSON"),
        (b"plain text", "it is not gzip"),
        (packed({"format": "defiliq-recording", "version": 1, "replies": {}})[:-9], "cut short or damaged"),
        (gzip.compress(b"not json", mtime=0), "no JSON"),
        (packed([1]), "no recording"),
        (packed({"format": "other", "version": 1, "replies": {}}), "no recording"),
        (packed({"format": "defiliq-recording", "version": 1, "replies": []}), "no recording"),
        (packed({"format": "defiliq-recording", "version": 2, "replies": {}}), "format 2"),
        (packed({"format": "defiliq-recording", "version": None, "replies": {}}), "format None"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, content: bytes, seen: str) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=seen):
        replay(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="No such file"):
        replay(tmp_path / "nothing")


@pytest.mark.parametrize(
    "kept", [{}, [], "x", {"error": {"code": "3"}}, {"error": {"code": 1, "message": 2}}]
)
def test_a_malformed_reply_in_a_recording_is_refused(tmp_path: Path, kept: Any) -> None:
    path = tmp_path / "r"
    key = Request("eth_chainId").key
    path.write_bytes(packed({"format": "defiliq-recording", "version": 1, "replies": {key: kept}}))
    with replay(path) as node, pytest.raises(BadFile, match="neither a result nor an error"):
        _ = node.chain_id


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    recording = RecordingTransport(Scripted(), tmp_path / "no" / "such" / "folder")
    with pytest.raises(BadFile, match="cannot be written"):
        recording.close()


def test_an_old_recording_survives_a_failure_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r"
    path.write_bytes(b"old")

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BadFile, match="No space left"):
        RecordingTransport(Scripted(), path).close()
    assert path.read_bytes() == b"old"
