"""Whether a block still stands after all that was asked at it."""

from __future__ import annotations

from defiliq.chain.node import Node
from defiliq.errors import BlockChanged
from defiliq.types import Block


def require_unchanged(node: Node, at: Block) -> None:
    """The same block must still stand at the pinned height, or answers may belong to two chains."""
    seen = node.block(at.number)
    if seen.hash != at.hash:
        raise BlockChanged(at.number, at.hash, seen.hash)
