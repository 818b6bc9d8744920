"""How often chains make blocks, and what follows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from defiliq.chain.rhythm import BLOCK_MS, Rhythm, rhythm_of
from defiliq.errors import BlockNotFound, NodeError
from defiliq.pipeline.chains import CHAINS
from defiliq.types import Block, ChainId
from tests.nodes import SilentNode


@dataclass
class Clockwork(SilentNode):
    """A chain that makes blocks in even steps."""

    chain_id: ChainId = 12_345
    label: str = "http://fake"
    step_s: int = 3
    newest: int = 1_000
    broken: NodeError | None = None

    def block(self, tag: int | str) -> Block:
        if self.broken is not None:
            raise self.broken
        number = self.newest if tag == "latest" else tag
        assert isinstance(number, int)
        return Block(self.chain_id, number, "0x", self.step_s * number)


def test_known_chains_have_a_name() -> None:
    assert set(BLOCK_MS) <= set(CHAINS.values())


@pytest.mark.parametrize(
    ("chain_id", "rhythm"),
    [(1, Rhythm(2, 60)), (42161, Rhythm(0.25, 30)), (8453, Rhythm(1, 30)), (143, Rhythm(0.25, 30))],
)
def test_a_known_chain_is_not_measured(chain_id: ChainId, rhythm: Rhythm) -> None:
    assert rhythm_of(Clockwork(chain_id, broken=BlockNotFound("latest", None))) == rhythm


@pytest.mark.parametrize(
    ("step_s", "newest", "rhythm"),
    [
        (3, 1_000, Rhythm(1.5, 30)),
        (3, 7, Rhythm(1.5, 30)),
        (30, 1_000, Rhythm(2, 150)),
        (0, 1_000, Rhythm(2, 30)),
        (3, 0, Rhythm(2, 30)),
        (100_000, 1_000, Rhythm(2, 30)),
        (-5, 1_000, Rhythm(2, 30)),
    ],
)
def test_an_unknown_chain_is_measured(step_s: int, newest: int, rhythm: Rhythm) -> None:
    assert rhythm_of(Clockwork(step_s=step_s, newest=newest)) == rhythm


def test_an_unknown_chain_that_says_nothing_is_asked_every_two_seconds() -> None:
    assert rhythm_of(Clockwork(broken=BlockNotFound("latest", None))) == Rhythm(2, 30)
