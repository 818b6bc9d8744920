"""The HTTP transport against a server that misbehaves in every way that providers do."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from defiliq.chain.http import http_transport, retry_after_ms
from defiliq.chain.rpc import Patience, jitter_ms
from defiliq.chain.transport import Request
from defiliq.errors import (
    BadResponse,
    BadUrl,
    InputError,
    NodeError,
    NodeTimeout,
    NodeUnreachable,
    RateLimited,
    TooLarge,
)
from tests.chain.rpc_server import Raw, RpcFailure, RpcServer, Slept, as_json, serving, transport_to

ONE = [Request("eth_blockNumber")]


def echo(method: str, params: list[Any]) -> Any:
    return [method, params]


@pytest.fixture
def server() -> Iterator[RpcServer]:
    with serving(echo) as running:
        yield running


def numbered(count: int) -> list[Request]:
    return [Request("echo", (i,)) for i in range(count)]


def test_one_request_goes_alone_and_many_go_as_one_batch(server: RpcServer) -> None:
    with transport_to(server.url) as transport:
        assert transport.send(ONE)[0].result == ["eth_blockNumber", []]
        assert [reply.result[1] for reply in transport.send(numbered(5))] == [[i] for i in range(5)]
        assert transport.send([]) == []
    assert isinstance(server.posts[0], dict)
    assert [len(post) for post in server.posts[1:]] == [5]


def test_the_connection_is_kept(server: RpcServer) -> None:
    with transport_to(server.url) as transport:
        for _ in range(4):
            transport.send(ONE)
    assert len(set(server.peers)) == 1


def test_a_batch_out_of_order_is_put_in_order(server: RpcServer) -> None:
    server.script = [lambda body: as_json([server.single(each) for each in reversed(body)])]
    with transport_to(server.url) as transport:
        assert [reply.result[1] for reply in transport.send(numbered(7))] == [[i] for i in range(7)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda items: items[1:],
        lambda items: [*items, items[0]],
        lambda items: [*items[:-1], items[0]],
        lambda items: [{**items[0], "id": 99}, *items[1:]],
        lambda items: [{**items[0], "id": None}, *items[1:]],
        lambda items: [{**items[0], "id": "1"}, *items[1:]],
        lambda items: ["nonsense", *items[1:]],
    ],
    ids=["missing", "duplicate", "both", "unknown", "null", "text", "no object"],
)
def test_a_batch_with_wrong_ids_is_asked_again_and_then_refused(
    server: RpcServer, spoil: Callable[[list[Any]], list[Any]]
) -> None:
    def spoiled(body: Any) -> Raw:
        return as_json(spoil([server.single(each) for each in body]))

    server.script = [spoiled]
    with transport_to(server.url) as transport:
        assert [reply.result[1] for reply in transport.send(numbered(3))] == [[0], [1], [2]]
    server.always = spoiled
    with (
        transport_to(server.url, retries=2) as transport,
        pytest.raises(BadResponse, match="ids are not 1 to 3"),
    ):
        transport.send(numbered(3))


@pytest.mark.parametrize(
    "refusal",
    [
        Raw(b"batches are not supported", 400),
        Raw(b"", 405),
        Raw(b"", 413),
        Raw(b"<html>", 500),
        as_json({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Invalid Request"}}),
        as_json([{"jsonrpc": "2.0", "id": 1, "error": {"code": -32600, "message": "batch too large"}}]),
        as_json({"error": "Batch of more than 3 requests are not allowed on free tier"}, 400),
    ],
)
def test_a_provider_that_refuses_batches_is_asked_one_by_one_and_that_is_remembered(
    server: RpcServer, refusal: Raw
) -> None:
    server.always = lambda body: refusal if isinstance(body, list) else None
    with transport_to(server.url) as transport:
        assert [reply.result[1] for reply in transport.send(numbered(20))] == [[i] for i in range(20)]
        before = len(server.posts)
        transport.send(numbered(4))
        assert all(isinstance(post, dict) for post in server.posts[before:])


def test_a_limit_on_the_size_of_batches_is_found_and_remembered(server: RpcServer) -> None:
    too_many = as_json([{"jsonrpc": "2.0", "id": 1, "error": {"code": -32600, "message": "batch too large"}}])
    server.always = lambda body: too_many if len(body) > 10 else None
    with transport_to(server.url) as transport:
        assert len(transport.send(numbered(40))) == 40
        assert len(transport.send(numbered(40))) == 40
    refused = [post for post in server.posts if len(post) > 10 and isinstance(post, list)]
    assert [len(post) for post in refused] == [40]


def test_429_waits_as_long_as_asked_and_then_goes_on(server: RpcServer) -> None:
    slept = Slept()
    server.script = [Raw(b"", 429, {"Retry-After": "7"}), Raw(b"slow down", 429)]
    with transport_to(server.url, slept=slept) as transport:
        assert transport.send(ONE)[0].result == ["eth_blockNumber", []]
    assert slept.waits_ms == [7_000, 1_000]


def test_an_absurd_retry_after_is_bounded(server: RpcServer) -> None:
    slept = Slept()
    server.script = [Raw(b"", 429, {"Retry-After": "86400"})]
    with transport_to(server.url, slept=slept) as transport:
        transport.send(ONE)
    assert slept.waits_ms == [60_000]


def test_retry_after_may_be_a_date_or_nonsense() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=20)
    wait = retry_after_ms(format_datetime(soon, usegmt=True))
    assert wait is not None
    assert 15_000 <= wait <= 20_000
    assert retry_after_ms(format_datetime(datetime(2001, 1, 1, tzinfo=UTC))) == 0
    assert retry_after_ms("soon") is None
    assert retry_after_ms(None) is None


def test_endless_429_ends_by_name_after_growing_waits(server: RpcServer) -> None:
    slept = Slept()
    server.always = Raw(b"", 429)
    with (
        transport_to(server.url, retries=4, slept=slept) as transport,
        pytest.raises(RateLimited, match="after 5 attempts"),
    ):
        transport.send(ONE)
    assert slept.waits_ms == [500, 1_000, 2_000, 4_000]
    assert len(server.posts) == 5


def test_only_the_rate_limited_part_of_a_batch_is_asked_again(server: RpcServer) -> None:
    seen: dict[int, int] = {}

    def grudging(method: str, params: list[Any]) -> Any:
        seen[params[0]] = seen.get(params[0], 0) + 1
        if params[0] % 2 and seen[params[0]] < 3:
            return RpcFailure(429, "Your app has exceeded its compute units per second capacity.")
        return params

    server.answer = grudging
    with transport_to(server.url) as transport:
        assert [reply.result for reply in transport.send(numbered(6))] == [[i] for i in range(6)]
    assert [len(post) if isinstance(post, list) else 1 for post in server.posts] == [6, 3, 3]


def test_a_rate_limit_in_a_json_rpc_error_ends_as_rate_limited(server: RpcServer) -> None:
    server.answer = lambda *_: RpcFailure(-32005, "project ID request rate exceeded")
    with transport_to(server.url, retries=2) as transport, pytest.raises(RateLimited):
        transport.send(ONE)
    assert len(server.posts) == 3


def test_a_rate_limit_in_a_json_rpc_error_may_say_how_long_to_wait(server: RpcServer) -> None:
    answers: list[Any] = [RpcFailure(-32005, "rate limit exhausted, retry in 900m")]
    answers.append(RpcFailure(-32005, "request rate exceeded", {"rate": {"backoff_seconds": 3}}))
    server.answer = lambda *_: answers.pop() if answers else "0x1"
    slept = Slept()
    with transport_to(server.url, slept=slept) as transport:
        assert transport.send(ONE)[0].result == "0x1"
    assert slept.waits_ms == [3_000, 60_000]


def test_a_contract_that_says_too_many_requests_is_not_a_rate_limit(server: RpcServer) -> None:
    server.answer = lambda *_: RpcFailure(3, "execution reverted: too many requests")
    with transport_to(server.url) as transport:
        (reply,) = transport.send([Request("eth_call")])
    assert reply.failure is not None
    assert len(server.posts) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 520])
def test_server_errors_pass_or_end_by_name(server: RpcServer, status: int) -> None:
    server.script = [Raw(b"<html>oops</html>", status), Raw(b"", status)]
    with transport_to(server.url) as transport:
        assert transport.send(ONE)[0].result is not None
    server.always = Raw(b"<html>oops</html>", status)
    with (
        transport_to(server.url, retries=2) as transport,
        pytest.raises(NodeUnreachable, match=f"HTTP {status}"),
    ):
        transport.send(ONE)


def test_a_json_rpc_error_counts_whatever_its_http_status(server: RpcServer) -> None:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": -32614, "message": "eth_getLogs is limited to a 10,000 range"},
    }
    for status in (400, 413, 500):
        server.script = [as_json(body, status)]
        with transport_to(server.url) as transport:
            (reply,) = transport.send(ONE)
        assert reply.failure is not None
        assert reply.failure.code == -32614


def test_a_busy_backend_gets_a_few_more_chances(server: RpcServer) -> None:
    answers: list[Any] = [RpcFailure(-32011, "no backend is currently healthy to serve traffic")] * 2
    server.answer = lambda *_: answers.pop() if answers else "0x1"
    with transport_to(server.url) as transport:
        assert transport.send(ONE)[0].result == "0x1"
    server.answer = lambda *_: RpcFailure(-32011, "no backend is currently healthy to serve traffic")
    with transport_to(server.url) as transport:
        assert transport.send(ONE)[0].failure is not None


def test_a_backend_that_has_not_seen_the_block_yet_gets_a_few_more_chances(server: RpcServer) -> None:
    answers: list[Any] = [RpcFailure(-32000, "header not found")]
    server.answer = lambda *_: answers.pop() if answers else "0x1"
    with transport_to(server.url) as transport:
        assert transport.send([Request("eth_call")])[0].result == "0x1"


def test_a_dead_port_is_unreachable_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    slept = Slept()
    with (
        transport_to(f"http://127.0.0.1:{port}", slept=slept) as transport,
        pytest.raises(NodeUnreachable, match="connection refused"),
    ):
        transport.send(ONE)
    assert slept.waits_ms == [500]


def test_a_node_that_dies_later_is_waited_for(server: RpcServer) -> None:
    slept = Slept()
    with transport_to(server.url, retries=3, slept=slept) as transport:
        transport.send(ONE)
        server.always = Raw(b"{", declared_length=99)
        with pytest.raises(NodeError):
            transport.send(ONE)
    assert slept.waits_ms == [500, 1_000, 2_000]


def test_an_unknown_host_is_named_as_such() -> None:
    with transport_to("http://no-such-host.invalid/") as transport, pytest.raises(NodeUnreachable) as caught:
        transport.send(ONE)
    assert "invalid" in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        (Raw(b"<!DOCTYPE html><html>Welcome</html>", 200, {"Content-Type": "text/html"}), "a web page"),
        (Raw(b"<html>Not Found</html>", 404), "HTTP 404"),
        (Raw(b"Unauthorized", 401), "is the key valid"),
        (as_json({"message": "invalid key"}, 403), "is the key valid"),
        (as_json({"hello": "world"}), "no JSON-RPC reply"),
        (as_json([]), "no JSON-RPC reply"),
        (as_json(None), "no JSON-RPC reply"),
        (as_json("ok"), "no JSON-RPC reply"),
        (
            Raw(b"", 301, {"Location": "https://other.example/secretsecret"}),
            "redirect to https://other.example",
        ),
    ],
)
def test_what_is_no_json_rpc_is_refused_at_once(server: RpcServer, raw: Raw, seen: str) -> None:
    server.always = raw
    with transport_to(server.url) as transport, pytest.raises(BadResponse, match=seen):
        transport.send(ONE)
    assert len(server.posts) == 1


def test_a_redirect_is_never_followed(server: RpcServer) -> None:
    with serving(echo) as other:
        server.always = Raw(b"", 307, {"Location": other.url})
        with transport_to(server.url) as transport, pytest.raises(BadResponse):
            transport.send(ONE)
        assert other.posts == []


@pytest.mark.parametrize(
    "raw",
    [
        Raw(b'{"jsonrpc":"2.0","id":1,"result":["0x', 200),
        Raw(b'{"jsonrpc":"2.0","id":1,"result":["0x', 200, declared_length=5_000),
        Raw(b"", 200),
        Raw(b"\xff\xfe", 200),
        Raw(b'{"jsonrpc":"2.0","id":1,"result":NaN}', 200),
        as_json({"jsonrpc": "2.0", "id": 77, "result": "0x1"}),
        Raw(b"not gzip", 200, {"Content-Encoding": "gzip"}),
    ],
    ids=["cut", "cut below its length", "empty", "no utf-8", "NaN", "another id", "no gzip"],
)
def test_a_broken_body_is_asked_for_again_and_then_refused_by_name(server: RpcServer, raw: Raw) -> None:
    server.script = [raw, raw]
    with transport_to(server.url) as transport:
        assert transport.send(ONE)[0].result is not None
    server.always = raw
    with transport_to(server.url, retries=2) as transport, pytest.raises(BadResponse):
        transport.send(ONE)
    assert len(server.posts) == 6


def test_an_oversize_body_is_not_read(server: RpcServer) -> None:
    server.answer = lambda *_: "0x" + "00" * 3_000
    with (
        transport_to(server.url, max_response_bytes=5_000) as transport,
        pytest.raises(TooLarge, match="5000 bytes"),
    ):
        transport.send(ONE)
    assert len(server.posts) == 1


def test_an_oversize_body_without_a_length_or_packed_small_is_not_read(server: RpcServer) -> None:
    import gzip

    packed = gzip.compress(json.dumps({"jsonrpc": "2.0", "id": 1, "result": "0" * 1_000_000}).encode())
    server.always = Raw(packed, 200, {"Content-Encoding": "gzip"})
    with transport_to(server.url, max_response_bytes=100_000) as transport, pytest.raises(TooLarge):
        transport.send(ONE)


def test_an_oversize_batch_is_asked_in_smaller_ones(server: RpcServer) -> None:
    server.answer = lambda *_: "0x" + "00" * 500
    with transport_to(server.url, max_response_bytes=6_000) as transport:
        assert len(transport.send(numbered(32))) == 32


def test_a_slow_server_is_a_timeout_by_name(server: RpcServer) -> None:
    server.always = Raw(b"{}", delay_ms=1_500)
    with (
        transport_to(server.url, timeout_s=1, retries=1) as transport,
        pytest.raises(NodeTimeout, match="no answer within 1 s"),
    ):
        transport.send(ONE)
    assert len(server.posts) == 2


def test_a_timeout_is_not_repeated_where_that_is_pointless(server: RpcServer) -> None:
    server.always = Raw(b"{}", delay_ms=1_500)
    with transport_to(server.url, timeout_s=1) as transport, pytest.raises(NodeTimeout):
        transport.send([Request("eth_getLogs", repeat_timeout=False)])
    assert len(server.posts) == 1


def test_a_gateway_timeout_is_a_timeout(server: RpcServer) -> None:
    server.always = Raw(b"<html>", 504)
    with transport_to(server.url) as transport, pytest.raises(NodeTimeout):
        transport.send([Request("eth_getLogs", repeat_timeout=False)])
    assert len(server.posts) == 1


def test_a_body_that_drips_does_not_hold_us_for_ever(server: RpcServer) -> None:
    server.always = Raw(b" " * 1_000, drip_ms=50)
    with (
        transport_to(server.url, timeout_s=1, retries=0) as transport,
        pytest.raises(NodeTimeout, match="unfinished"),
    ):
        transport.send(ONE)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8545",
        "ftp://host/x",
        "file:///etc/passwd",
        "http://",
        "ws://host",
        "http://[::1",
        "http://a b/",
        "http://host:port/",
        "javascript:alert(1)",
        "//host/x",
        "http://host:99999",
    ],
)
def test_what_is_no_http_url_is_an_input_error(url: str) -> None:
    with pytest.raises(BadUrl) as caught, transport_to(url):
        pass
    assert isinstance(caught.value, InputError)


SECRETS = (
    "hunter2secret",
    "s3cretuser",
    "abcdef0123456789",
    "tokentoken",
    "0011223344556677889900aabbccddee",
)


@pytest.mark.parametrize(
    "raw",
    [
        Raw(b"", 429),
        Raw(b"", 401),
        Raw(b"", 503),
        Raw(b"{", 200),
        Raw(b"<html>", 200),
        Raw(b"{", 200, declared_length=100),
        Raw(b"", 302, {"Location": "http://s3cretuser:hunter2secret@h/abcdef0123456789?tokentoken"}),
        as_json({"error": "invalid key abcdef0123456789 for tokentoken"}, 400),
        as_json(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "error": {"code": 1, "message": "bad /v2/abcdef0123456789?k=tokentoken"},
            }
        ),
        Raw(b"x" * 200, declared_length=10**9),
    ],
)
def test_no_secret_of_a_url_is_ever_shown(server: RpcServer, raw: Raw) -> None:
    port = server.server_port
    url = f"http://s3cretuser:hunter2secret@127.0.0.1:{port}/v2/abcdef0123456789?apikey=tokentoken"
    server.always = raw
    with transport_to(url, retries=1) as transport:
        try:
            shown = repr(transport.send(ONE))
        except NodeError as error:
            shown = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
        shown += transport.label + repr(transport)
    assert not [secret for secret in SECRETS if secret in shown]
    assert f"127.0.0.1:{port}/v2/***?***" in transport.label


@pytest.mark.parametrize("where", ["127.0.0.1:1", "0011223344556677889900aabbccddee.invalid"])
def test_no_secret_is_shown_when_there_is_no_connection(where: str) -> None:
    url = f"http://s3cretuser:hunter2secret@{where}/abcdef0123456789?tokentoken"
    with transport_to(url, retries=0) as transport, pytest.raises(NodeUnreachable) as caught:
        transport.send(ONE)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not [secret for secret in SECRETS if secret in shown]


def test_control_characters_of_a_provider_do_not_reach_the_terminal(server: RpcServer) -> None:
    server.answer = lambda *_: RpcFailure(-32000, "\x1b[2J\x07bad\nline\u202e")
    with transport_to(server.url) as transport:
        (reply,) = transport.send(ONE)
    assert reply.failure is not None
    assert reply.failure.message.isprintable()
    assert reply.failure.message == "[2J bad line"


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    server: RpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with transport_to(server.url) as transport:
        assert transport.send(ONE)[0].result is not None


def test_closing_ends_every_wait(server: RpcServer) -> None:
    server.always = Raw(b"", 429, {"Retry-After": "60"})
    patience = Patience(retries=5)
    transport = http_transport(server.url, timeout_s=5, max_response_bytes=1_000, patience=patience)
    seen: list[Exception] = []

    def ask() -> None:
        try:
            transport.send(ONE)
        except RateLimited as error:
            seen.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    while not server.posts:
        threading.Event().wait(0.01)
    transport.close()
    waiting.join(timeout=30)
    assert len(seen) == 1


def test_jitter_stays_between_half_and_all_of_the_wait() -> None:
    assert all(500 <= jitter_ms(1_000) <= 1_000 for _ in range(200))
