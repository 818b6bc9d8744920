"""Blocks that the chain replaces are taken back, and what is left is what the final chain has to tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

import pytest

from tests.watch.conftest import Played, arguments, walk
from tests.watch.process import Watching, assert_same, standing, told_broken, until, watching
from tests.watch.proxy import Proxy

pytestmark = pytest.mark.lab

DEPTH = 5
CUTS = (1, 2, 3, 5, 7, 9, 12, 17, 24, 35)
"""Which request of a reorganisation fails."""


def _kinds(watch: Watching, kind: str) -> list[dict[str, Any]]:
    return [event for event in watch.events() if event["event"] == kind]


def _has(watch: Watching, before: int, number: int) -> bool:
    """Whether a block was evaluated after so many others."""
    return number in watch.blocks()[before:]


def _by_block(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """In the order of the chain: what comes back after two reorganisations comes late in the file."""
    return sorted(events, key=lambda event: int(event["block_number"]))


@pytest.mark.parametrize("announced", ["every block anew", "the newest alone", "nothing"])
def test_five_blocks_are_replaced(
    played: Played,
    other_branch: Played,
    proxy: Proxy,
    tmp_path: Path,
    undisturbed: Watching,
    announced: str,
) -> None:
    forks_after = played.forks_after
    proxy.show(played.first - 1, other_branch.port)
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        watch.start()
        walk(watch, proxy, forks_after + DEPTH)
        proxy.holds_heads = announced == "nothing"
        if announced == "every block anew":
            for number in range(forks_after + 1, forks_after + DEPTH + 1):
                proxy.pretence.change(ceiling=number)
                proxy.show(number, played.port)
        proxy.show(forks_after + DEPTH + 1, played.port)
        watch.until_block(forks_after + DEPTH + 1)
        walk(watch, proxy, played.last)
        assert watch.wait() == 0
        (reorg,) = _kinds(watch, "reorg")
        assert (reorg["depth"], reorg["ancestor_number"]) == (DEPTH, forks_after)
        assert reorg["retracted"]
        assert_same(standing(watch.events()), undisturbed.events())


def test_a_block_is_replaced_by_one_of_the_same_height(
    played: Played, other_branch: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching
) -> None:
    number = played.forks_after + 1
    proxy.show(played.first - 1, other_branch.port)
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        watch.start()
        walk(watch, proxy, number)
        proxy.show(number, played.port)
        until(lambda: watch.blocks().count(number) == 2, "the new block of the same height")
        walk(watch, proxy, played.last)
        assert watch.wait() == 0
        assert [reorg["depth"] for reorg in _kinds(watch, "reorg")] == [1]
        assert_same(standing(watch.events()), undisturbed.events())


def test_blocks_are_replaced_while_nobody_watches(
    played: Played, other_branch: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching
) -> None:
    proxy.show(played.first - 1, other_branch.port)
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        watch.start()
        walk(watch, proxy, played.forks_after + DEPTH)
        assert watch.terminate() == 0
        proxy.show(played.forks_after + DEPTH + 2, played.port)
        watch.start()
        watch.until_block(played.forks_after + DEPTH + 2)
        walk(watch, proxy, played.last)
        assert watch.wait() == 0
        assert [reorg["depth"] for reorg in _kinds(watch, "reorg")] == [DEPTH]
        assert_same(standing(watch.events()), undisturbed.events())


def test_the_node_fails_in_the_midst_of_a_reorganisation(
    played: Played, other_branch: Played, proxy: Proxy, tmp_path: Path, undisturbed: Watching
) -> None:
    """Over and over the chain changes its mind, and another request on the way fails each time."""
    height, branches = played.forks_after + DEPTH, (other_branch.port, played.port)
    with watching(tmp_path, *arguments(played, proxy, tmp_path)) as watch:
        watch.start()
        walk(watch, proxy, height)
        for turn, cut_at in enumerate(CUTS):
            height += turn % 2
            failing = sum(proxy.asked.values()) + cut_at
            proxy.fails = partial(eq, failing)
            before = len(watch.blocks())
            proxy.show(height, branches[turn % 2])
            until(partial(_has, watch, before, height), f"block {height}")
        proxy.show(height + 1, played.port)
        watch.until_block(height + 1)
        walk(watch, proxy, played.last)
        assert watch.wait() == 0
        assert_same(_by_block(standing(watch.events())), undisturbed.events())


def test_more_is_replaced_than_is_kept(
    played: Played, other_branch: Played, proxy: Proxy, tmp_path: Path
) -> None:
    """A watch that began after the fork has no block to go back to: a gap, and what holds is told anew."""
    began, left = played.forks_after + 2, played.forks_after + DEPTH
    proxy.pretence.change(ceiling=began)
    proxy.show(began, other_branch.port)
    with watching(tmp_path, *arguments(played, proxy, tmp_path, "--cooldown", "0")) as watch:
        watch.start()
        walk(watch, proxy, left)
        proxy.show(left + 1, played.port)
        watch.until_block(left + 1)
        walk(watch, proxy, played.last)
        assert watch.wait() == 3
        (gap,) = _kinds(watch, "gap")
        assert gap["last_block"] == left + 1
        orphaned = [event for event in standing(watch.events()) if began < event["block_number"] <= left]
        assert orphaned == []
        assert told_broken(watch.events()) == played.broken()
