"""Which block is newest: over websockets that misbehave, by asking nodes that misbehave, and by both."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from defiliq.chain.evm import connect
from defiliq.chain.heads import Heads, follow_heads
from defiliq.chain.newest import Newest
from defiliq.chain.rpc import Patience
from defiliq.errors import BadUrl, NodeUnreachable, WrongChain
from defiliq.types import Block, ChainId
from tests.chain.rpc_server import RpcFailure
from tests.chain.ws_server import PATIENCE_S, WsServer, ws_serving
from tests.lab import Lab
from tests.nodes import SilentNode

STALL_S = 60
"""By a clock that a test moves."""
SUBSCRIPTION = "0xabc"


def hash_of(number: int, side: str = "a") -> str:
    return f"0x{side}{number:063x}"


@dataclass
class Chain(SilentNode):
    """A node of a chain of which only the newest block is asked."""

    newest: Block = field(default_factory=lambda: Block(1, 100, hash_of(100), 1_200))
    label: str = "http://fake"
    chain_id: ChainId = 1
    broken: Exception | None = None
    asked: int = 0

    def block(self, tag: int | str) -> Block:
        assert tag == "latest"
        self.asked += 1
        if self.broken is not None:
            raise self.broken
        return self.newest

    def grow(self, number: int, side: str = "a") -> None:
        self.newest = replace(self.newest, number=number, hash=hash_of(number, side))


@dataclass
class Clock:
    """Moves when it is told to."""

    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Stage:
    """A node, a websocket server, a clock and what was noticed."""

    def __init__(self, server: WsServer) -> None:
        self.server, self.node, self.clock = server, Chain(), Clock()
        self.notices: list[str] = []
        self.chain_id: Any = "0x1"
        self.refusal: RpcFailure | None = None
        server.answer = self.answer

    def answer(self, method: str, params: list[Any]) -> Any:
        if method == "eth_chainId":
            return self.chain_id
        assert (method, params) == ("eth_subscribe", ["newHeads"])
        if self.refusal is not None:
            return self.refusal
        return SUBSCRIPTION

    @property
    def subscribed(self) -> int:
        """How often it was, as far as the answer has gone out."""
        with self.server.lock:
            methods = [asked["method"] for asked in self.server.replied]
        return 0 if self.refusal is not None else methods.count("eth_subscribe")

    def tell(self, number: int, side: str = "a") -> None:
        """The chain grows, and the websocket tells."""
        self.node.grow(number, side)
        self.server.tell(SUBSCRIPTION, {"number": hex(number), "hash": hash_of(number, side)})

    def until(self, holds: Callable[[], Any]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < until, (self.notices, self.server.heard)
            threading.Event().wait(0.002)

    def until_noticed(self, words: str) -> None:
        self.until(lambda: any(words in notice for notice in self.notices))

    def expect(self, heads: Heads, number: int) -> None:
        """That block comes next of all that are new."""
        assert heads.wait(PATIENCE_S) == number

    @contextmanager
    def following(
        self, *, is_told: bool = True, poll_s: float = 0.005, stall_s: float = STALL_S
    ) -> Iterator[Heads]:
        heads = follow_heads(
            self.node,
            ws_url=self.server.url if is_told else None,
            poll_s=poll_s,
            stall_s=stall_s,
            on_notice=self.notices.append,
            timeout_s=2,
            patience=Patience(0, jitter_ms=lambda longest: longest // 100),
            clock=self.clock,
        )
        try:
            yield heads
        finally:
            heads.close()

    @contextmanager
    def live(self, **options: Any) -> Iterator[Heads]:
        """Following, with the websocket telling and nobody polling."""
        with self.following(**options) as heads:
            self.expect(heads, 100)
            self.until(lambda: self.subscribed)
            self.tell(101)
            self.expect(heads, 101)
            self.until_unasked()
            yield heads

    def until_asked(self) -> None:
        """It was polled a few times."""
        asked = self.node.asked
        self.until(lambda: self.node.asked > asked + 3)

    def until_unasked(self) -> None:
        """Nobody polls any more."""

        def is_quiet() -> bool:
            asked = self.node.asked
            threading.Event().wait(0.05)
            return self.node.asked == asked

        self.until(is_quiet)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with ws_serving(lambda *_: None) as server:
        yield Stage(server)


def test_polling_tells_each_change_once(stage: Stage) -> None:
    with stage.following(is_told=False) as heads:
        stage.expect(heads, 100)
        assert heads.wait(0.05) is None
        stage.node.grow(103)
        stage.expect(heads, 103)
        stage.node.grow(103, "b")  # the same height on another side
        stage.expect(heads, 103)
        stage.node.grow(101, "b")  # and a lower one
        stage.expect(heads, 101)
        assert heads.wait(0.05) is None
    assert stage.server.connections == 0
    assert stage.notices == []


def test_a_node_that_cannot_be_asked_is_said_once_and_so_is_its_return(stage: Stage) -> None:
    with stage.following(is_told=False) as heads:
        stage.expect(heads, 100)
        for turn in (1, 2):
            stage.node.broken = NodeUnreachable("http://fake", "connection refused")
            stage.until_noticed("connection refused")
            stage.until_asked()
            assert heads.wait(0) is None
            stage.node.grow(100 + turn)
            stage.node.broken = None
            stage.expect(heads, 100 + turn)
            stage.until(lambda: len(stage.notices) == 2)
            assert "answers again, at block" in stage.notices[1]
            stage.notices.clear()


def test_another_chain_ends_it_for_good(stage: Stage) -> None:
    stage.node.broken = WrongChain("http://fake", 10, 1)
    with stage.following(is_told=False) as heads:
        for _ in range(2):
            with pytest.raises(WrongChain):
                heads.wait(PATIENCE_S)


def test_a_chain_that_stands_still_is_said_once_with_its_age(stage: Stage) -> None:
    with stage.following(is_told=False) as heads:
        stage.expect(heads, 100)
        stage.clock.now_s += 61
        stage.until_noticed("No new block for 61 s: the newest is still 100.")
        stage.clock.now_s += 500
        stage.until_asked()
        stage.node.grow(101)
        stage.expect(heads, 101)
        stage.until_noticed("Blocks come again: 101.")
    assert len(stage.notices) == 2


def test_a_websocket_tells_and_nobody_polls(stage: Stage) -> None:
    with stage.live() as heads:
        asked = stage.node.asked
        for number in (102, 103, 104):
            stage.tell(number)
            stage.expect(heads, number)
        stage.tell(104, "b")
        stage.expect(heads, 104)
        stage.tell(103, "b")
        stage.expect(heads, 103)
        assert stage.node.asked == asked
    assert stage.notices == []
    assert stage.server.connections == 1


def test_only_the_newest_is_kept(stage: Stage) -> None:
    with stage.live() as heads:
        for number in range(102, 160):
            stage.tell(number)
        stage.until(lambda: heads.wait(PATIENCE_S) == 159)
        assert heads.wait(0) is None


def test_a_cut_websocket_is_polled_for_and_comes_back(stage: Stage) -> None:
    with stage.live() as heads:
        stage.server.refusals = [(503, "")] * 3
        stage.server.cut()
        stage.until_noticed("No new blocks over the websocket")
        stage.node.grow(102)
        stage.expect(heads, 102)
        stage.until(lambda: stage.subscribed == 2)
        stage.tell(103)
        stage.expect(heads, 103)
        stage.until_noticed("tells of new blocks again")
        stage.until_unasked()
    assert len(stage.notices) == 2
    assert "the connection was closed" in stage.notices[0]


def test_an_open_but_silent_websocket_is_polled_for_and_subscribed_anew(stage: Stage) -> None:
    with stage.live(stall_s=0.5) as heads:
        stage.node.grow(102)
        stage.clock.now_s += 1
        stage.expect(heads, 102)
        stage.until_noticed("is open but silent while blocks come")
        stage.until(lambda: stage.subscribed == 2)
        stage.node.grow(103)
        stage.expect(heads, 103)  # still polled for: nothing has come over the new one
        stage.tell(104)
        stage.expect(heads, 104)
        stage.until_noticed("tells of new blocks again")
    assert len(stage.notices) == 2


def test_a_chain_that_stands_still_is_not_blamed_on_the_websocket(stage: Stage) -> None:
    with stage.live(stall_s=0.5) as heads:
        stage.clock.now_s += 1
        stage.until_noticed("No new block for 1 s: the newest is still 101.")
        stage.until(lambda: stage.subscribed == 2)
        assert heads.wait(0) is None
    assert len(stage.notices) == 1


def test_a_websocket_that_never_tells_anything_is_polled_for(stage: Stage) -> None:
    with stage.following() as heads:
        stage.until(lambda: stage.subscribed)
        stage.expect(heads, 100)
        stage.node.grow(101)
        stage.expect(heads, 101)


@pytest.mark.parametrize("code", [-32601, -32000])
def test_a_provider_without_subscriptions_is_polled_for_good(stage: Stage, code: int) -> None:
    stage.refusal = RpcFailure(code, "notifications not supported")
    with stage.following() as heads:
        stage.expect(heads, 100)
        stage.until_noticed("takes no subscription to new blocks (notifications not supported)")
        stage.until(lambda: not stage.server.connected())
        stage.node.grow(101)
        stage.expect(heads, 101)
    assert len(stage.notices) == 1
    assert stage.server.connections == 1


def test_a_subscription_refused_for_now_is_asked_again(stage: Stage) -> None:
    stage.refusal = RpcFailure(-32005, "rate limit exceeded")
    with stage.following() as heads:
        stage.expect(heads, 100)
        stage.until_noticed("too many requests")
        stage.refusal = None
        stage.until(lambda: stage.subscribed)
        stage.tell(101)
        stage.expect(heads, 101)


def test_a_websocket_of_another_chain_ends_it_for_good(stage: Stage) -> None:
    stage.chain_id = "0xa"
    with stage.following() as heads:
        with pytest.raises(WrongChain, match="serves chain 10"):
            stage.until(lambda: heads.wait(PATIENCE_S) is None)
        with pytest.raises(WrongChain):
            heads.wait(PATIENCE_S)
    assert stage.subscribed == 0


OTHERS: tuple[Any, ...] = ([], {}, {"id": 7, "result": {}}, {"method": "eth_subscription"}, {"params": 1})


def test_what_else_comes_is_passed_over(stage: Stage) -> None:
    with stage.live() as heads:
        header = {"number": hex(102), "hash": hash_of(102)}
        stage.server.tell("0xother", header)
        stage.server.tell(SUBSCRIPTION, header, method="eth_somethingElse")
        for connection in stage.server.connected():
            for other in OTHERS:
                connection.send(json.dumps(other))
        stage.tell(103)
        stage.expect(heads, 103)
    assert stage.notices == []


MALFORMED: tuple[Any, ...] = (
    None,
    "0x66",
    {},
    {"number": 102, "hash": hash_of(102)},
    {"number": "0x66"},
    {"number": "0x66", "hash": "0xab"},
    {"number": "0x" + "f" * 64, "hash": hash_of(102)},
)


@pytest.mark.parametrize("header", MALFORMED)
def test_a_malformed_block_breaks_the_connection_off(stage: Stage, header: Any) -> None:
    with stage.live() as heads:
        stage.server.tell(SUBSCRIPTION, header)
        stage.until_noticed("No new blocks over the websocket")
        stage.until(lambda: stage.subscribed == 2)
        stage.tell(102)
        stage.expect(heads, 102)
        stage.until_noticed("tells of new blocks again")


@pytest.mark.parametrize("junk", ["{", "null", "", b"\xff", "x" * (1 << 21)])
def test_junk_and_huge_messages_break_the_connection_off(stage: Stage, junk: str | bytes) -> None:
    with stage.live() as heads:
        for connection in stage.server.connected():
            connection.send(junk)
        stage.until_noticed("No new blocks over the websocket")
        stage.until(lambda: stage.subscribed == 2)
        stage.tell(102)
        stage.expect(heads, 102)
    assert all("\n" not in notice for notice in stage.notices)


@pytest.mark.parametrize("name", [None, 7, "", "0x" + "0" * 200, {"a": 1}])
def test_a_subscription_without_a_usable_name_is_none(stage: Stage, name: Any) -> None:
    stage.server.answer = lambda method, _: "0x1" if method == "eth_chainId" else name
    with stage.following() as heads:
        stage.until_noticed("without a usable name")
        stage.expect(heads, 100)


@pytest.mark.parametrize("chain_id", [None, 1, "1", "", []])
def test_a_websocket_that_names_no_chain_is_not_listened_to(stage: Stage, chain_id: Any) -> None:
    stage.chain_id = chain_id
    with stage.following() as heads:
        stage.until_noticed("as chain id")
        stage.expect(heads, 100)
    assert stage.subscribed == 0


@pytest.mark.parametrize("number", [10**9, 2**63 - 1, 0])
def test_a_block_that_is_far_away_is_asked_of_the_node(stage: Stage, number: int) -> None:
    with stage.live() as heads:
        asked = stage.node.asked
        stage.server.tell(SUBSCRIPTION, {"number": hex(number), "hash": hash_of(number)})
        stage.until(lambda: stage.node.asked > asked)
        stage.tell(102)
        stage.expect(heads, 102)


def test_a_silent_handshake_or_answer_is_not_waited_for(stage: Stage) -> None:
    stage.server.always = lambda connection, body: None
    with stage.following() as heads:
        stage.expect(heads, 100)
        stage.until_noticed("no answer within 2 s")
        stage.node.grow(101)
        stage.expect(heads, 101)


def test_a_node_and_a_websocket_that_are_both_gone_are_said_once_each(stage: Stage) -> None:
    with stage.live() as heads:
        stage.server.refusals = [(503, "")] * 20
        stage.node.broken = NodeUnreachable("http://fake", "connection refused")
        stage.server.cut()
        stage.until(lambda: len(stage.server.refusals) < 10)
        assert heads.wait(0) is None
        assert len(stage.notices) == 2


def test_no_secret_of_the_websocket_is_noticed(stage: Stage) -> None:
    stage.server.refusals = [(401, "bad key tokentoken")] * 50
    heads = follow_heads(
        stage.node,
        ws_url=f"ws://user:hunter2secret@127.0.0.1:{stage.server.port}/v2/abcdef0123456789?k=tokentoken",
        poll_s=0.005,
        stall_s=STALL_S,
        on_notice=stage.notices.append,
        clock=stage.clock,
    )
    try:
        stage.until_noticed("is the key valid")
    finally:
        heads.close()
    shown = " ".join(stage.notices)
    assert not [secret for secret in ("hunter2secret", "abcdef0123456789", "tokentoken") if secret in shown]


def test_what_is_no_websocket_url_is_refused_at_once(stage: Stage) -> None:
    for url in ("http://127.0.0.1:1", "", "ws://"):
        with pytest.raises(BadUrl):
            follow_heads(stage.node, ws_url=url, poll_s=1, stall_s=1, on_notice=stage.notices.append)


def test_a_url_that_a_websocket_cannot_have_ends_it(stage: Stage) -> None:
    heads = follow_heads(
        stage.node, ws_url="ws://user@127.0.0.1:1", poll_s=1, stall_s=1, on_notice=stage.notices.append
    )
    try:
        with pytest.raises(BadUrl):
            stage.until(lambda: heads.wait(PATIENCE_S) is None)
    finally:
        heads.close()


def own_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "defiliq-heads"]


@pytest.mark.parametrize("is_told", [True, False])
def test_closing_wakes_whoever_waits_and_leaves_no_thread(stage: Stage, is_told: bool) -> None:
    before = set(own_threads())
    with stage.following(is_told=is_told, poll_s=PATIENCE_S) as heads:
        stage.expect(heads, 100)
        assert set(own_threads()) - before
        seen: list[int | None] = []
        waiting = threading.Thread(target=lambda: seen.append(heads.wait(10 * PATIENCE_S)))
        waiting.start()
        heads.close()
        waiting.join(PATIENCE_S)
        assert seen == [None]
    assert not set(own_threads()) - before
    stage.until(lambda: not stage.server.connected())


def test_a_mistake_in_a_thread_is_not_silence() -> None:
    """What ends a thread ends the wait; the thread's own error goes where unhandled ones go."""
    node = Chain(broken=ZeroDivisionError())
    seen: list[type[BaseException]] = []
    hook, threading.excepthook = threading.excepthook, lambda args: seen.append(args.exc_type)
    try:
        heads = follow_heads(node, ws_url=None, poll_s=0.005, stall_s=1, on_notice=lambda _: None)
        with pytest.raises(NodeUnreachable, match="internal error"):
            heads.wait(PATIENCE_S)
        heads.close()
    finally:
        threading.excepthook = hook
    assert seen == [ZeroDivisionError]


def test_newest_keeps_one_block_and_its_age() -> None:
    clock = Clock()
    newest = Newest(clock)
    assert (newest.number, newest.wait(0)) == (None, None)
    assert newest.tell(5, "a")
    clock.now_s += 7
    assert not newest.tell(5, "a")
    assert (newest.number, newest.age_s) == (5, 7)
    assert newest.tell(6, "b")
    assert newest.tell(5, "a")
    assert (newest.wait(0), newest.wait(0)) == (5, None)
    newest.close()
    assert newest.wait(PATIENCE_S) is None


@pytest.mark.lab
@pytest.mark.parametrize("is_told", [True, False])
def test_blocks_of_a_real_node_are_seen_as_they_are_mined(lab_v36: Lab, is_told: bool) -> None:
    notices: list[str] = []
    with connect(lab_v36.url) as node, lab_v36.rewinding():
        heads = follow_heads(
            node,
            ws_url=lab_v36.url.replace("http:", "ws:") if is_told else None,
            poll_s=0.01,
            stall_s=STALL_S,
            on_notice=notices.append,
        )
        try:
            number = node.block("latest").number
            assert heads.wait(PATIENCE_S) == number
            for _ in range(10):
                lab_v36.rpc("evm_mine")
                number += 1
                assert heads.wait(PATIENCE_S) == number
        finally:
            heads.close()
    assert notices == []
