"""Whatever happens between a watch and its node, it tells what an undisturbed one tells."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.watch.conftest import Played, arguments, walk
from tests.watch.process import Watching, assert_same, standing, told_broken, until, watching
from tests.watch.proxy import Proxy

pytestmark = pytest.mark.lab

SHORT_S = 0.4
"""How long a disturbance lasts. Nothing is asserted of it."""
SEED = 5


@pytest.fixture
def watch(played: Played, proxy: Proxy, tmp_path: Path) -> Iterator[Watching]:
    """A watch that runs, and stands at the block before the first."""
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        watch.start()
        watch.until_block(played.first - 1)
        yield watch


def test_an_undisturbed_watch_has_something_to_tell(played: Played, undisturbed: Watching) -> None:
    kinds = Counter(event["event"] for event in undisturbed.events())
    expected = (
        "approaching",
        "liquidatable",
        "recovered",
        "liquidated",
        "oracle_updated",
        "parameter_changed",
    )
    assert not [kind for kind in expected if not kinds[kind]], kinds
    assert "gap" not in kinds
    assert "reorg" not in kinds
    assert undisturbed.blocks() == list(range(played.first, played.last + 1))
    assert told_broken(undisturbed.events()) == played.broken()


def test_catching_up_in_one_go_tells_the_same(
    played: Played, proxy: Proxy, watch: Watching, undisturbed: Watching
) -> None:
    proxy.show(played.last)
    assert watch.wait() == 0
    assert_same(watch.events(), undisturbed.events())


def test_a_websocket_that_is_cut(
    played: Played, proxy: Proxy, watch: Watching, undisturbed: Watching
) -> None:
    for number in range(played.first + 5, played.last, 7):
        walk(watch, proxy, number)
        until(lambda: proxy.is_subscribed, "a subscription")
        proxy.cut()
    walk(watch, proxy, played.last)
    assert watch.wait() == 0
    assert_same(watch.events(), undisturbed.events())
    assert proxy.asked["eth_subscribe"] > 2


def test_a_websocket_that_falls_silent(
    played: Played, proxy: Proxy, watch: Watching, undisturbed: Watching
) -> None:
    """It stands, and answers pings, but no block is announced any more: the node is asked by another way."""
    walk(watch, proxy, played.first + 3)
    proxy.holds_heads = True
    walk(watch, proxy, played.first + 8)
    proxy.holds_heads = False
    walk(watch, proxy, played.last)
    assert watch.wait() == 0
    assert_same(watch.events(), undisturbed.events())


def test_a_node_that_stalls_and_flows_again(
    played: Played, proxy: Proxy, watch: Watching, undisturbed: Watching
) -> None:
    for number in (played.first + 4, played.first + 20):
        walk(watch, proxy, number)
        proxy.stall()
        proxy.show(number + 3)
        time.sleep(SHORT_S)
        proxy.flow()
    walk(watch, proxy, played.last)
    assert watch.wait() == 0
    assert_same(watch.events(), undisturbed.events())


def test_a_node_that_stalls_until_it_is_restarted(
    played: Played, proxy: Proxy, watch: Watching, undisturbed: Watching
) -> None:
    walk(watch, proxy, played.first + 4)
    proxy.stall()
    proxy.show(played.first + 6)
    time.sleep(SHORT_S)
    proxy.down()
    proxy.flow()
    proxy.up()
    walk(watch, proxy, played.last)
    assert watch.wait() == 0
    assert_same(watch.events(), undisturbed.events())


def test_a_node_that_is_restarted(
    played: Played, proxy: Proxy, watch: Watching, undisturbed: Watching
) -> None:
    for number in (played.first + 2, played.first + 17):
        walk(watch, proxy, number)
        proxy.down()
        proxy.show(number + 4)
        time.sleep(SHORT_S)
        proxy.up()
    walk(watch, proxy, played.last)
    assert watch.wait() == 0
    assert_same(watch.events(), undisturbed.events())


def test_blocks_that_are_not_announced(
    played: Played, proxy: Proxy, watch: Watching, undisturbed: Watching
) -> None:
    rnd = random.Random(SEED)
    dropped = {number for number in range(played.first, played.last) if rnd.random() < 0.6}
    proxy.drops_head = lambda number: number in dropped
    for number in range(played.first, played.last + 1):
        proxy.show(number)
        if number not in dropped and number < played.last:
            watch.until_block(number)
    assert watch.wait() == 0
    assert_same(watch.events(), undisturbed.events())
    assert watch.blocks() == undisturbed.blocks()


def test_a_provider_without_subscriptions(
    played: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching
) -> None:
    proxy.pretence.change(refused=frozenset({"eth_subscribe"}))
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        watch.start()
        walk(watch, proxy, played.last)
        assert watch.wait() == 0
        assert_same(watch.events(), undisturbed.events())
        assert proxy.asked["eth_subscribe"] > 0


def test_a_node_that_answers_slowly_while_blocks_go_on(
    played: Played, proxy: Proxy, watch: Watching, undisturbed: Watching
) -> None:
    proxy.delay_s = 0.02
    for number in range(played.first, played.last + 1):
        proxy.show(number)
        time.sleep(0.02)
    proxy.delay_s = 0.0
    assert watch.wait() == 0
    assert_same(watch.events(), undisturbed.events())


def test_a_node_whose_head_steps_back_and_forth(
    played: Played, proxy: Proxy, watch: Watching, undisturbed: Watching
) -> None:
    """As behind a load balancer whose nodes are not at the same block: no reorganisation is told of."""
    for number in range(played.first + 4, played.last, 6):
        walk(watch, proxy, number)
        proxy.pretence.change(ceiling=number - 3)
        time.sleep(SHORT_S / 4)
        proxy.pretence.change(ceiling=number)
    walk(watch, proxy, played.last)
    assert watch.wait() == 0
    assert_same(watch.events(), undisturbed.events())


def test_states_that_are_gone_become_a_gap(played: Played, proxy: Proxy, tmp_path: Path) -> None:
    """The watch was away for longer than the node keeps states: said, and what holds then is told."""
    stopped_at, back_at = played.first + 9, played.last - 6
    more = ("--cooldown", "0")
    with watching(tmp_path, *arguments(played, proxy, tmp_path, *more)) as watch:
        watch.start()
        walk(watch, proxy, stopped_at)
        assert watch.terminate() == 0
        proxy.pretence.change(depth=4, ceiling=back_at)
        watch.start()
        watch.until_block(back_at)
        walk(watch, proxy, played.last)
        assert watch.wait() == 3, watch.said()
        gaps = [event for event in watch.events() if event["event"] == "gap"]
        assert [(gap["first_block"], gap["last_block"]) for gap in gaps] == [(stopped_at + 1, back_at)]
        assert "missing trie node" in gaps[0]["reason"]
        assert "INCOMPLETE" in watch.said()
        assert told_broken(watch.events()) == played.broken()
        assert standing(watch.events()) == watch.events()


def test_more_missed_blocks_than_wanted_are_a_gap(played: Played, proxy: Proxy, tmp_path: Path) -> None:
    with watching(tmp_path, *arguments(played, proxy, tmp_path, "--max-gap", "10")) as watch:
        watch.start()
        walk(watch, proxy, played.first + 2)
        assert watch.terminate() == 0
        proxy.show(played.last)
        assert watch.finish() == 3
        (gap,) = [event for event in watch.events() if event["event"] == "gap"]
        assert (gap["first_block"], gap["last_block"]) == (played.first + 3, played.last)
        assert "more than 10" in gap["reason"]
