"""The websocket transport against a server that misbehaves in every way that providers do."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from websockets.sync.server import ServerConnection
from websockets.utils import accept_key

from defiliq.chain.evm import EvmNode, connect
from defiliq.chain.rpc import Patience
from defiliq.chain.transport import Request
from defiliq.chain.websocket import websocket_transport
from defiliq.errors import BadResponse, BadUrl, NodeError, NodeTimeout, NodeUnreachable, RateLimited, TooLarge
from tests.chain.rpc_server import RpcFailure, Slept
from tests.chain.ws_server import PATIENCE_S, WsServer, ws_serving, ws_transport_to

IN_THREAD = re.compile("recv_events|keepalive")
ONE = [Request("eth_blockNumber")]


def echo(method: str, params: list[Any]) -> Any:
    return [method, params]


@pytest.fixture
def server() -> Iterator[WsServer]:
    with ws_serving(echo) as running:
        yield running


def numbered(count: int) -> list[Request]:
    return [Request("echo", (i,)) for i in range(count)]


def hang_up(connection: ServerConnection, _: Any) -> None:
    connection.socket.shutdown(socket.SHUT_RDWR)


def ignore(connection: ServerConnection, _: Any) -> None:
    """Say nothing."""


def test_one_request_goes_alone_and_many_as_a_batch_on_one_connection(server: WsServer) -> None:
    with ws_transport_to(server.url) as transport:
        assert transport.send(ONE)[0].result == ["eth_blockNumber", []]
        assert [reply.result[1] for reply in transport.send(numbered(5))] == [[i] for i in range(5)]
        assert transport.send([]) == []
    assert isinstance(server.heard[0], dict)
    assert [len(body) for body in server.heard[1:]] == [5]
    assert server.connections == 1


def test_no_id_is_used_twice_on_a_connection(server: WsServer) -> None:
    with ws_transport_to(server.url) as transport:
        for _ in range(3):
            transport.send(numbered(4))
    ids = [each["id"] for body in server.heard for each in body]
    assert len(set(ids)) == len(ids) == 12


def backwards(server: WsServer) -> Callable[[ServerConnection, Any], None]:
    return lambda connection, body: connection.send(json.dumps([server.single(e) for e in reversed(body)]))


def one_by_one(server: WsServer) -> Callable[[ServerConnection, Any], None]:
    def act(connection: ServerConnection, body: Any) -> None:
        for each in reversed(body):
            connection.send(json.dumps(server.single(each)))

    return act


@pytest.mark.parametrize("manner", [backwards, one_by_one])
def test_replies_in_any_order_are_put_in_order(
    server: WsServer, manner: Callable[[WsServer], Callable[[ServerConnection, Any], None]]
) -> None:
    server.always = manner(server)
    with ws_transport_to(server.url) as transport:
        assert [reply.result[1] for reply in transport.send(numbered(7))] == [[i] for i in range(7)]


UNSOLICITED: tuple[Any, ...] = (
    {"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": "0x1", "result": {}}},
    {"jsonrpc": "2.0", "id": 999, "result": "0xbad"},
    {"jsonrpc": "2.0", "id": "1", "result": "0xbad"},
    {"jsonrpc": "2.0", "id": True, "result": "0xbad"},
    {"jsonrpc": "2.0", "id": 0, "result": "0xbad"},
    {"jsonrpc": "2.0", "id": None, "result": "0xbad"},
    [{"jsonrpc": "2.0", "id": 998, "result": "0xbad"}, "nonsense"],
    [],
    {},
)


@pytest.mark.parametrize("message", UNSOLICITED)
def test_what_nobody_asked_for_is_passed_over(server: WsServer, message: Any) -> None:
    def chatty(connection: ServerConnection, body: Any) -> None:
        for _ in range(40):
            connection.send(json.dumps(message))
        server.reply(connection, body)

    server.greet = lambda connection: connection.send(json.dumps(message))
    server.always = chatty
    with ws_transport_to(server.url) as transport:
        assert transport.send(ONE)[0].result == ["eth_blockNumber", []]
        assert [reply.result[1] for reply in transport.send(numbered(3))] == [[0], [1], [2]]
    assert server.connections == 1


def test_a_question_of_the_server_is_no_answer(server: WsServer) -> None:
    def curious(connection: ServerConnection, body: Any) -> None:
        connection.send(json.dumps({"jsonrpc": "2.0", "id": body["id"], "method": "ask", "result": "0xbad"}))
        server.reply(connection, body)

    server.always = curious
    with ws_transport_to(server.url) as transport:
        assert transport.send(ONE)[0].result == ["eth_blockNumber", []]


def test_a_late_reply_is_never_taken_for_a_later_ones(server: WsServer) -> None:
    """The same number twice: on a connection of its own each time, and under other ids on the same."""

    def twice(connection: ServerConnection, body: Any) -> None:
        server.reply(connection, body)
        connection.send(json.dumps({**server.single(body), "result": "late"}))

    server.always = twice
    with ws_transport_to(server.url) as transport:
        assert [transport.send([Request("echo", (i,))])[0].result for i in range(4)] == [
            ["echo", [i]] for i in range(4)
        ]


def test_threads_have_connections_of_their_own_and_keep_them(server: WsServer) -> None:
    with ws_transport_to(server.url) as transport, ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            found = pool.map(lambda i: transport.send([Request("echo", (i,))])[0].result, range(40))
            assert list(found) == [["echo", [i]] for i in range(40)]
    assert 1 <= server.connections <= 4


@pytest.mark.parametrize("junk", ["", "{", "<html>oops</html>", "null", "7", '"ok"', "\u0000", b"\xff\xfe"])
def test_junk_ends_the_connection_and_is_asked_again(server: WsServer, junk: str | bytes) -> None:
    server.script = [lambda connection, _: connection.send(junk)] * 2
    with ws_transport_to(server.url) as transport:
        assert transport.send(ONE)[0].result == ["eth_blockNumber", []]
    assert server.connections == 3
    server.always = lambda connection, _: connection.send(junk)
    with ws_transport_to(server.url, retries=2) as transport, pytest.raises(BadResponse):
        transport.send(ONE)


def test_text_that_is_no_utf8_is_refused_by_name(server: WsServer) -> None:
    server.always = lambda connection, _: connection.send(b"\xff\xfe", text=True)
    with ws_transport_to(server.url, retries=1) as transport, pytest.raises(BadResponse):
        transport.send(ONE)


def test_bytes_that_are_no_frames_are_refused_by_name(server: WsServer) -> None:
    server.always = lambda connection, _: connection.socket.sendall(b"\xff" * 64)
    with ws_transport_to(server.url, retries=1, timeout_s=1) as transport, pytest.raises(BadResponse):
        transport.send(ONE)


@pytest.mark.parametrize(
    "spoil", [lambda items: items[1:], lambda items: [*items[:-1], items[0]], lambda items: [*items, "x"]]
)
def test_a_batch_with_wrong_ids_is_refused(server: WsServer, spoil: Callable[[list[Any]], list[Any]]) -> None:
    server.always = lambda connection, body: connection.send(
        json.dumps(spoil([server.single(each) for each in body]))
    )
    with (
        ws_transport_to(server.url, retries=1) as transport,
        pytest.raises(BadResponse, match="ids are not 1 to 3"),
    ):
        transport.send(numbered(3))


def test_a_server_that_takes_no_batches_is_asked_one_by_one(server: WsServer) -> None:
    def picky(connection: ServerConnection, body: Any) -> None:
        if isinstance(body, list):
            failure = {"code": -32600, "message": "batches are not supported"}
            connection.send(json.dumps({"jsonrpc": "2.0", "id": None, "error": failure}))
        else:
            server.reply(connection, body)

    server.always = picky
    with ws_transport_to(server.url) as transport:
        assert [reply.result[1] for reply in transport.send(numbered(5))] == [[i] for i in range(5)]


def test_a_cut_connection_is_opened_again(server: WsServer) -> None:
    slept = Slept()
    server.script = [None, hang_up, hang_up]
    with ws_transport_to(server.url, slept=slept) as transport:
        for _ in range(2):
            assert transport.send(ONE)[0].result == ["eth_blockNumber", []]
    assert server.connections == 3
    assert slept.waits_ms == [500]


def test_an_idle_connection_that_was_closed_costs_no_wait(server: WsServer) -> None:
    slept = Slept()
    with ws_transport_to(server.url, slept=slept) as transport:
        transport.send(ONE)
        server.cut()
        assert transport.send(ONE)[0].result == ["eth_blockNumber", []]
    assert slept.waits_ms == []
    assert server.connections == 2


def test_a_server_that_always_hangs_up_is_unreachable(server: WsServer) -> None:
    slept = Slept()
    server.always = hang_up
    with (
        ws_transport_to(server.url, retries=3, slept=slept) as transport,
        pytest.raises(NodeUnreachable, match="the connection was closed"),
    ):
        transport.send(ONE)
    assert slept.waits_ms == [500, 1_000, 2_000]


def test_silence_is_a_timeout_by_name(server: WsServer) -> None:
    server.always = ignore
    with (
        ws_transport_to(server.url, timeout_s=1, retries=1) as transport,
        pytest.raises(NodeTimeout, match="no answer within 1 s"),
    ):
        transport.send(ONE)
    assert len(server.heard) == 2


def test_a_timeout_is_not_repeated_where_that_is_pointless(server: WsServer) -> None:
    server.always = ignore
    with ws_transport_to(server.url, timeout_s=1) as transport, pytest.raises(NodeTimeout):
        transport.send([Request("eth_getLogs", repeat_timeout=False)])
    assert len(server.heard) == 1


def test_chatter_instead_of_an_answer_is_a_timeout(server: WsServer) -> None:
    stop = threading.Event()

    def chatter(connection: ServerConnection, _: Any) -> None:
        while not stop.is_set():
            connection.send(json.dumps(UNSOLICITED[0]))

    server.always = chatter
    with ws_transport_to(server.url, timeout_s=1, retries=0) as transport, pytest.raises(NodeTimeout):
        transport.send(ONE)
    stop.set()


def test_a_message_that_never_ends_is_a_timeout(server: WsServer) -> None:
    def drip() -> Iterator[str]:
        for _ in range(100):
            yield " "
            time.sleep(0.05)

    server.always = lambda connection, _: connection.send(drip())
    with ws_transport_to(server.url, timeout_s=1, retries=0) as transport, pytest.raises(NodeTimeout):
        transport.send(ONE)


def test_an_oversize_message_is_not_read(server: WsServer) -> None:
    server.answer = lambda *_: "0x" + "00" * 3_000
    with (
        ws_transport_to(server.url, max_response_bytes=5_000) as transport,
        pytest.raises(TooLarge, match="5000 bytes"),
    ):
        transport.send(ONE)
    assert len(server.heard) == 1


def test_an_oversize_message_in_small_frames_is_not_read(server: WsServer) -> None:
    server.always = lambda connection, _: connection.send("x" * 1_000 for _ in range(1_000))
    with ws_transport_to(server.url, max_response_bytes=5_000) as transport, pytest.raises(TooLarge):
        transport.send(ONE)


def test_a_frame_that_only_claims_to_be_huge_is_refused_by_whoever_hears_it(server: WsServer) -> None:
    """The other end neither sends it nor hangs up."""
    server.always = lambda connection, _: connection.socket.sendall(
        b"\x81\x7f" + (1 << 40).to_bytes(8, "big")
    )
    with (
        ws_transport_to(server.url, timeout_s=1, max_response_bytes=5_000) as transport,
        pytest.raises(TooLarge, match="5000 bytes"),
    ):
        transport.send(ONE)


def test_an_oversize_batch_is_asked_in_smaller_ones(server: WsServer) -> None:
    server.answer = lambda *_: "0x" + "00" * 500
    with ws_transport_to(server.url, max_response_bytes=6_000) as transport:
        assert len(transport.send(numbered(32))) == 32


def test_a_request_too_large_for_the_server_goes_in_parts(server: WsServer) -> None:
    with ws_transport_to(server.url, max_response_bytes=1 << 26) as transport:
        replies = transport.send([Request("echo", ("x" * 500_000,)) for _ in range(12)])
        assert len(replies) == 12
        with pytest.raises(TooLarge, match="too large for it"):
            transport.send([Request("echo", ("x" * 5_000_000,))])


def test_rate_limits_wait_as_over_http(server: WsServer) -> None:
    slept = Slept()
    limits: list[Any] = [RpcFailure(-32005, "rate limit exceeded"), RpcFailure(429, "slow down")]
    server.answer = lambda *_: limits.pop() if limits else "0x1"
    with ws_transport_to(server.url, slept=slept) as transport:
        assert transport.send(ONE)[0].result == "0x1"
    assert slept.waits_ms == [500, 1_000]
    server.answer = lambda *_: RpcFailure(429, "slow down")
    with ws_transport_to(server.url, retries=2) as transport, pytest.raises(RateLimited, match="3 attempts"):
        transport.send(ONE)


def test_a_close_for_too_many_requests_is_a_rate_limit(server: WsServer) -> None:
    server.always = lambda connection, _: connection.close(1008, "rate limit exceeded")
    with ws_transport_to(server.url, retries=1) as transport, pytest.raises(RateLimited):
        transport.send(ONE)


def test_a_refused_handshake_waits_or_ends_as_over_http(server: WsServer) -> None:
    slept = Slept()
    server.refusals = [(429, "slow down"), (503, "")]
    with ws_transport_to(server.url, slept=slept) as transport:
        with pytest.raises(NodeUnreachable, match="HTTP 503"):
            transport.send(ONE)
        assert transport.send(ONE)[0].result == ["eth_blockNumber", []]
    assert slept.waits_ms == [500]
    for status, seen in (
        (401, "is the key valid"),
        (404, "HTTP 404"),
        (302, "a redirect"),
        (200, "HTTP 200"),
    ):
        server.refusals = [(status, "no")] * 9
        with ws_transport_to(server.url, retries=1) as transport, pytest.raises(BadResponse, match=seen):
            transport.send(ONE)
        server.refusals = []


def test_a_redirect_is_never_followed(server: WsServer) -> None:
    with ws_serving(echo) as other, socket.create_server(("127.0.0.1", 0)) as listener:

        def redirect() -> None:
            for _ in range(2):
                peer, _ = listener.accept()
                with peer:
                    peer.recv(65_536)
                    peer.sendall(
                        f"HTTP/1.1 307 Moved\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode()
                    )

        threading.Thread(target=redirect, daemon=True).start()
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        with (
            ws_transport_to(url, retries=1) as transport,
            pytest.raises(BadResponse, match="which is not followed"),
        ):
            transport.send(ONE)
        assert other.connections == 0


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 nonsense\r\n\r\n", b"\x00" * 100, b"x" * 100_000])
def test_what_is_no_websocket_server_ends_by_name(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(65_536)
                    peer.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        with ws_transport_to(url, retries=1) as transport, pytest.raises(NodeError) as caught:
            transport.send(ONE)
        listener.shutdown(socket.SHUT_RDWR)
    assert isinstance(caught.value, NodeUnreachable | BadResponse)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_server_that_never_shakes_hands_is_not_waited_for(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        with (
            ws_transport_to(url, timeout_s=1, retries=0) as transport,
            pytest.raises(NodeUnreachable, match="no connection in time"),
        ):
            transport.send(ONE)


def test_tls_where_there_is_none_is_named(server: WsServer) -> None:
    with (
        ws_transport_to(server.url.replace("ws:", "wss:"), retries=0) as transport,
        pytest.raises(NodeUnreachable, match="TLS"),
    ):
        transport.send(ONE)


def test_a_dead_port_is_unreachable_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    slept = Slept()
    with (
        ws_transport_to(f"ws://127.0.0.1:{port}", slept=slept) as transport,
        pytest.raises(NodeUnreachable, match="connection refused"),
    ):
        transport.send(ONE)
    assert slept.waits_ms == [500]


def test_a_server_that_takes_nothing_more_does_not_hold_us_for_ever() -> None:
    stop = threading.Event()
    gave_up: list[bool] = []
    """Whether we did before the server hung up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def shake_hands() -> None:
            peer, _ = listener.accept()
            with peer:
                asked = peer.recv(65_536).decode()
                key = accept_key(asked.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0])
                peer.sendall(
                    b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    + f"Sec-WebSocket-Accept: {key}\r\n\r\n".encode()
                )
                gave_up.append(stop.wait(PATIENCE_S))

        serving = threading.Thread(target=shake_hands, daemon=True)
        serving.start()
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        with ws_transport_to(url, timeout_s=1, retries=0) as transport, pytest.raises(NodeUnreachable):
            transport.send([Request("echo", ("x" * 30_000_000,))])
        stop.set()
        serving.join(PATIENCE_S)
    assert gave_up == [True]


SECRETS = ("hunter2secret", "s3cretuser", "abcdef0123456789", "tokentoken")


@pytest.mark.parametrize(
    "act",
    [
        hang_up,
        lambda connection, _: connection.send("{"),
        lambda connection, _: connection.close(1008, "bad key abcdef0123456789"),
        lambda connection, body: connection.send(
            json.dumps(
                {"id": body["id"], "error": {"code": 1, "message": "bad /v2/abcdef0123456789?k=tokentoken"}}
            )
        ),
        lambda connection, _: connection.send("x" * 10_000),
    ],
)
def test_no_secret_of_a_url_is_ever_shown(
    server: WsServer, act: Any, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"ws://s3cretuser:hunter2secret@127.0.0.1:{server.port}/v2/abcdef0123456789?apikey=tokentoken"
    server.always = act
    with ws_transport_to(url, retries=1, max_response_bytes=5_000) as transport:
        try:
            shown = repr(transport.send(ONE))
        except NodeError as error:
            shown = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
        shown += transport.label + repr(transport)
    server.refusals = [(401, "no abcdef0123456789")] * 5
    with ws_transport_to(url, retries=1) as transport, pytest.raises(NodeError) as caught:
        transport.send(ONE)
    shown += "".join(traceback.format_exception(caught.value)) + caplog.text
    assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize("url", ["", "ws://", "http://host", "ws://a b/", "ws://host:99999", "grpc://host"])
def test_what_is_no_websocket_url_is_an_input_error(url: str) -> None:
    with pytest.raises(BadUrl):
        websocket_transport(url, timeout_s=1, max_response_bytes=1, patience=Patience(0))


@pytest.mark.parametrize("url", ["ws://user@127.0.0.1:1", "ws://127.0.0.1:1/#part"])
def test_a_url_that_a_websocket_cannot_have_is_named(url: str) -> None:
    with ws_transport_to(url) as transport, pytest.raises(BadUrl):
        transport.send(ONE)


def test_closing_ends_every_wait_and_leaves_no_thread(server: WsServer) -> None:
    server.always = ignore
    before = set(threading.enumerate())
    transport = websocket_transport(
        server.url, timeout_s=60, max_response_bytes=1_000, patience=Patience(retries=5)
    )
    seen: list[Exception] = []

    def ask() -> None:
        try:
            transport.send(ONE)
        except NodeUnreachable as error:
            seen.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    while not server.heard:
        threading.Event().wait(0.01)
    transport.close()
    waiting.join(PATIENCE_S)
    assert len(seen) == 1
    with pytest.raises(NodeUnreachable):
        transport.send(ONE)
    assert server.connections == 1
    until = time.monotonic() + PATIENCE_S
    while left := [each for each in set(threading.enumerate()) - before if IN_THREAD.search(each.name)]:
        assert time.monotonic() < until, left
        time.sleep(0.01)


def test_a_node_over_a_websocket_decodes_like_any_other(server: WsServer) -> None:
    answers = {
        "eth_chainId": "0x1",
        "eth_getBlockByNumber": {"number": "0x5", "hash": "0x" + "ab" * 32, "timestamp": "0x9"},
    }
    server.answer = lambda method, _: answers.get(method)
    with connect(server.url) as node:
        assert isinstance(node, EvmNode)
        assert (node.chain_id, node.block(5).timestamp) == (1, 9)
        answers["eth_getBlockByNumber"] = {"number": "0x6", "hash": "0x" + "ab" * 32, "timestamp": "0x9"}
        with pytest.raises(BadResponse, match="when asked for 5"):
            node.block(5)
