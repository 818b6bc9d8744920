"""The proxy breaks as it says, and only then."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from defiliq.errors import BlockNotFound, HistoryUnavailable, NodeUnreachable, RpcError
from defiliq.types import Block
from tests.chain.rpc_server import RpcFailure, node_at, serving
from tests.watch.proxy import Proxy, proxied

HEAD = 40


def _answer(method: str, params: list[Any]) -> Any:
    """A chain of 40 empty blocks whose state at each is its number."""
    match method:
        case "eth_chainId":
            return "0x1"
        case "eth_blockNumber":
            return hex(HEAD)
        case "eth_getBlockByNumber":
            return _header(int(params[0], 16))
        case "eth_getBlockByHash":
            return _header(int(params[0], 16))
        case "eth_getStorageAt":
            return f"0x{int(params[2], 16):064x}"
        case "eth_getLogs":
            return [params[0]]
    return RpcFailure(-32601, method)


def _header(number: int) -> dict[str, str]:
    return {
        "number": hex(number),
        "hash": f"0x{number:064x}",
        "parentHash": f"0x{number - 1:064x}",
        "timestamp": hex(1000 + number),
    }


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with serving(_answer) as server, proxied(server.server_port, ceiling=30) as proxy:
        yield proxy


def _at(number: int) -> Block:
    return Block(1, number, f"0x{number:064x}", 1000 + number)


def _ask(client: ClientConnection, method: str, *params: Any) -> Any:
    client.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
    return json.loads(client.recv(timeout=10))


def _head(client: ClientConnection) -> int:
    told = json.loads(client.recv(timeout=10))
    assert told["method"] == "eth_subscription"
    return int(told["params"]["result"]["number"], 16)


def test_it_shows_no_block_above_its_ceiling(proxy: Proxy) -> None:
    with node_at(proxy.url) as node:
        assert node.block("latest").number == 30
        assert node.block("finalized").number == 30
        with pytest.raises(BlockNotFound):
            node.block(31)
        with pytest.raises(BlockNotFound):
            node.block(f"0x{31:064x}")
        assert node.storage([("0x" + "11" * 20, 0)], _at(30)) == [30]
        with pytest.raises(BlockNotFound):
            node.storage([("0x" + "11" * 20, 0)], _at(31))
        proxy.show(31)
        assert node.block("latest").number == 31
        assert node.storage([("0x" + "11" * 20, 0)], _at(31)) == [31]


def test_tags_in_filters_are_clipped_and_later_blocks_refused(proxy: Proxy) -> None:
    with connect(proxy.ws_url) as client:
        assert _ask(client, "eth_getLogs", {"fromBlock": "0x1"})["result"] == [{"fromBlock": "0x1"}]
        clipped = _ask(client, "eth_getLogs", {"fromBlock": "0x1", "toBlock": "latest"})["result"]
        assert clipped == [{"fromBlock": "0x1", "toBlock": "0x1e"}]
        assert "error" in _ask(client, "eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x1f"})


def test_states_deeper_than_it_keeps_are_gone(proxy: Proxy) -> None:
    proxy.pretence.change(depth=3)
    with node_at(proxy.url) as node:
        assert node.storage([("0x" + "11" * 20, 0)], _at(27)) == [27]
        with pytest.raises(HistoryUnavailable):
            node.storage([("0x" + "11" * 20, 0)], _at(26))


def test_refused_methods_do_not_exist(proxy: Proxy) -> None:
    proxy.pretence.change(refused=frozenset({"eth_subscribe", "eth_getStorageAt"}))
    with node_at(proxy.url) as node, pytest.raises(RpcError):
        node.storage([("0x" + "11" * 20, 0)], _at(27))
    with connect(proxy.ws_url) as client:
        assert _ask(client, "eth_subscribe", "newHeads")["error"]["code"] == -32601
        assert _ask(client, "eth_chainId")["result"] == "0x1"
    assert proxy.asked["eth_subscribe"] == 1


def test_every_block_on_the_way_is_announced_except_those_to_be_dropped(proxy: Proxy) -> None:
    with connect(proxy.ws_url) as client:
        assert "result" in _ask(client, "eth_subscribe", "newHeads")
        proxy.drops_head = lambda number: number == 33
        proxy.show(34)
        assert [_head(client) for _ in range(3)] == [31, 32, 34]
        proxy.holds_heads = True
        proxy.show(35)
        proxy.holds_heads = False
        proxy.show(34)  # a block that replaces another
        assert _head(client) == 34
        assert _ask(client, "eth_blockNumber")["result"] == hex(34)


def test_what_is_behind_it_can_be_exchanged(proxy: Proxy) -> None:
    def other(method: str, params: list[Any]) -> Any:
        found = _answer(method, params)
        return {**found, "hash": f"0x{2:064x}"} if isinstance(found, dict) else found

    with serving(other) as server, connect(proxy.ws_url) as client:
        assert "result" in _ask(client, "eth_subscribe", "newHeads")
        proxy.show(29, server.server_port)
        told = json.loads(client.recv(timeout=10))["params"]["result"]
        assert (told["number"], told["hash"]) == (hex(29), f"0x{2:064x}")


def test_a_cut_ends_connections_and_a_new_one_works(proxy: Proxy) -> None:
    with connect(proxy.ws_url) as client:
        assert _ask(client, "eth_chainId")["result"] == "0x1"
        proxy.cut()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
    with connect(proxy.ws_url) as client:
        assert _ask(client, "eth_chainId")["result"] == "0x1"


def test_down_refuses_and_up_listens_at_the_same_address(proxy: Proxy) -> None:
    url = proxy.url
    proxy.down()
    with node_at(url, retries=0) as node, pytest.raises(NodeUnreachable):
        node.block("latest")
    proxy.up()
    assert proxy.url == url
    with node_at(url) as node:
        assert node.block("latest").number == 30


def test_a_stall_swallows_until_it_flows_again(proxy: Proxy) -> None:
    with connect(proxy.ws_url) as client:
        assert "result" in _ask(client, "eth_subscribe", "newHeads")
        proxy.stall()
        client.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": "eth_chainId", "params": []}))
        ponged = client.ping()
        proxy.show(31)
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.2)
        assert not ponged.is_set()
        proxy.flow()
        assert json.loads(client.recv(timeout=10))["result"] == "0x1"
        assert ponged.wait(10)


def test_requests_are_counted_before_they_are_answered(proxy: Proxy) -> None:
    seen: list[int] = []
    reached = threading.Event()

    def note(so_far: int) -> None:
        seen.append(so_far)
        reached.set()

    proxy.on_request = note
    with node_at(proxy.url) as node:
        node.block("latest")
    assert reached.is_set()
    assert seen == list(range(1, len(seen) + 1))
    assert proxy.asked["eth_getBlockByNumber"] == 1


def test_chosen_requests_fail(proxy: Proxy) -> None:
    proxy.fails = lambda so_far: so_far == 2
    with connect(proxy.ws_url) as client:
        assert _ask(client, "eth_blockNumber")["result"] == hex(30)
        assert _ask(client, "eth_blockNumber")["error"]["message"] == "internal error"
        assert _ask(client, "eth_blockNumber")["result"] == hex(30)
