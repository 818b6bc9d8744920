"""A short history of a market on a local node, and what an undisturbed watch tells of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import LAB_SEED, LAB_USERS
from tests.lab import Lab, LabError, start_lab
from tests.watch.history import History
from tests.watch.process import Watching, watching
from tests.watch.proxy import Proxy, proxied

COMMON_BLOCKS, OWN_BLOCKS = 20, 14
MAIN_SEEDS, OTHER_SEEDS = (7, 3), (7, 2)


@dataclass(frozen=True)
class Played:
    """A chain that was played to its end: blocks from `first` to `last` are watched."""

    lab: Lab
    first: int
    """Right after the block at which a watch begins."""
    forks_after: int
    """The last block that both branches have."""
    last: int

    @property
    def port(self) -> int:
        """Where its node listens."""
        port = urlsplit(self.lab.url).port
        assert port is not None
        return port

    def broken(self) -> set[str]:
        """The accounts that the contract lets be liquidated after the last block."""
        owners = {log["topics"][2] for log in self._borrows()}
        named = [f"0x{topic[-40:]}" for topic in sorted(owners)]
        answers = self.lab.chain.call_many(
            self.lab.market.pool, "getUserAccountData", [[each] for each in named]
        )
        return {owner for owner, said in zip(named, answers, strict=True) if said[5] < 10**18 and said[1]}

    def _borrows(self) -> list[dict[str, list[str]]]:
        asked = {"fromBlock": "0x0", "toBlock": hex(self.last), "address": self.lab.pool, "topics": [BORROW]}
        found: list[dict[str, list[str]]] = self.lab.rpc("eth_getLogs", asked)
        return found


BORROW = "0xb3d084820fb1a9decffb176436bd02558d15fac9b0ddfed8c465bc7359d7dce0"
"""Borrow(address,address,address,uint256,uint8,uint256,uint16)"""


@pytest.fixture(scope="session")
def played() -> Iterator[Played]:
    """The chain as it stays. Nobody adds blocks to it."""
    yield from _played(MAIN_SEEDS)


@pytest.fixture(scope="session")
def other_branch() -> Iterator[Played]:
    """The same chain up to a block, and others after it, on a node of its own."""
    yield from _played(OTHER_SEEDS)


@pytest.fixture
def proxy(played: Played) -> Iterator[Proxy]:
    """A proxy before the chain, which shows no more than the block before the first."""
    with proxied(played.port, played.first - 1) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def undisturbed(played: Played, tmp_path_factory: pytest.TempPathFactory) -> Watching:
    """A watch that has followed the chain from the first block to the last with nothing in its way."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with (
        proxied(played.port, played.first - 1) as proxy,
        watching(folder, *arguments(played, proxy, folder)) as watch,
    ):
        watch.start()
        walk(watch, proxy, played.last)
        assert watch.wait() == 0, watch.said()
    return watch


def arguments(played: Played, proxy: Proxy, folder: Path, *more: str) -> list[str]:
    """What a watch of the chain through a proxy is called with."""
    market = played.lab.market_file(folder / "market.json")
    where = ["--market-file", str(market), "-r", proxy.url, "--ws", proxy.ws_url]
    pace = ["--poll", "0.1", "--stall", "1.5", "--cooldown", "60s", "--stop-at", str(played.last)]
    return [*where, *pace, *more]


def walk(watch: Watching, proxy: Proxy, last: int) -> None:
    """Show the blocks up to `last` one by one, each once the one before was evaluated."""
    shown = proxy.pretence.view.ceiling
    assert shown is not None
    watch.until_block(shown)
    for number in range(shown + 1, last + 1):
        proxy.show(number)
        watch.until_block(number)


def _played(seeds: tuple[int, int]) -> Iterator[Played]:
    if os.environ.get("DEFILIQ_NO_LAB") == "1":
        pytest.skip("DEFILIQ_NO_LAB=1: the local node is left out")
    try:
        lab = start_lab("v3.6", users=LAB_USERS, seed=LAB_SEED)
    except LabError as error:
        pytest.fail(f"{error} (or set DEFILIQ_NO_LAB=1 to skip)", pytrace=False)
    with lab:
        history = History(lab)
        history.play(COMMON_BLOCKS, seeds[0])
        forks_after = history.last
        history.play(OWN_BLOCKS, seeds[1])
        yield Played(lab, history.first, forks_after, history.last)
