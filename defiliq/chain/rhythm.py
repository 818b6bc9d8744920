"""How often a chain makes a block, and what follows for how often to ask it and when to wonder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from defiliq.chain.node import AnyNode
from defiliq.errors import NodeError
from defiliq.types import ChainId

BLOCK_MS: Final[Mapping[ChainId, int]] = {
    1: 12_000,
    10: 2_000,
    56: 750,
    100: 5_000,
    130: 1_000,
    137: 2_000,
    143: 400,
    1284: 6_000,
    1868: 2_000,
    2020: 3_000,
    5000: 2_000,
    8453: 2_000,
    42161: 250,
    42220: 1_000,
    43114: 2_000,
    57073: 1_000,
    59144: 2_000,
    1666600000: 2_000,
    "dydx-mainnet-1": 1_000,
    "dydx-testnet-4": 1_000,
}
"""Milliseconds from block to block by chain id, roughly and without a source: they only decide how often is
asked. A chain that is not here is measured."""
UNKNOWN_BLOCK_MS: Final = 4_000
LONGEST_BLOCK_MS: Final = 600_000
"""Whatever is measured to be slower makes blocks when it likes, as development chains do."""
MEASURED_BLOCKS: Final = 100
SHORTEST_POLL_MS: Final = 250
LONGEST_POLL_MS: Final = 2_000
SHORTEST_STALL_MS: Final = 30_000
MISSED_BLOCKS: Final = 5
"""So many blocks late is no accident of a slot or two without a proposer."""
SECOND_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When to ask for a chain's newest block, and when to say that none comes; in seconds."""

    poll_s: float
    """Half the time from block to block, within a quarter of a second and two seconds."""
    stall_s: float
    """Five blocks, and at least half a minute."""


def rhythm_of(node: AnyNode) -> Rhythm:
    """What suits a node's chain, by its id or else its last blocks. NodeError if it tells no chain id."""
    known_ms = BLOCK_MS.get(node.chain_id)
    block_ms = known_ms if known_ms is not None else _measured_ms(node)
    poll_ms = min(max(block_ms // 2, SHORTEST_POLL_MS), LONGEST_POLL_MS)
    return Rhythm(_seconds(poll_ms), _seconds(max(MISSED_BLOCKS * block_ms, SHORTEST_STALL_MS)))


def _measured_ms(node: AnyNode) -> int:
    """Of the last blocks; what is assumed of an unknown chain where they tell nothing."""
    try:
        newest = node.block("latest")
        blocks = min(MEASURED_BLOCKS, newest.number)
        earlier = node.block(newest.number - blocks)
    except NodeError:
        return UNKNOWN_BLOCK_MS
    measured_ms = (newest.timestamp - earlier.timestamp) * SECOND_MS // max(blocks, 1)
    return measured_ms if 0 < measured_ms <= LONGEST_BLOCK_MS else UNKNOWN_BLOCK_MS


def _seconds(milliseconds: int) -> float:
    return timedelta(milliseconds=milliseconds).total_seconds()
