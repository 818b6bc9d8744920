"""Logs that surely belong to the chain whose block ends their range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from defiliq.chain.node import Call, LogFilter, Logs, Node, Override
from defiliq.errors import BlockChanged, CallReverted
from defiliq.types import Block, ChainId, Head, Receipt


class SettledLogs:
    """A node whose logs belong to the block that ends their range: its hash is the same before and after.

    Otherwise logs of a chain that is gone could be stored under a hash of the one that replaced it, and no
    later look at that hash would tell.
    """

    def __init__(self, node: Node, at: Block) -> None:
        self._node, self._at = node, at
        self.end = at
        """The last block of the range that `logs` answered last."""

    @property
    def chain_id(self) -> ChainId:
        """The node's."""
        return self._node.chain_id

    @property
    def label(self) -> str:
        """The node's."""
        return self._node.label

    def block(self, tag: int | str) -> Block:
        """The node's."""
        return self._node.block(tag)

    def head(self, tag: int | str) -> Head:
        """The node's."""
        return self._node.head(tag)

    def receipts(self, hashes: Sequence[str]) -> list[Receipt | None]:
        """The node's."""
        return self._node.receipts(hashes)

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        """The node's."""
        return self._node.call(calls, at, overrides=overrides, timestamp=timestamp, number=number)

    def storage(self, asked: Sequence[tuple[str, int]], at: Block) -> list[int]:
        """The node's."""
        return self._node.storage(asked, at)

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        """The logs, or BlockChanged."""
        before = self._at if last == self._at.number else self._node.block(last)
        found = self._node.logs(wanted, first, last)
        after = self._node.block(last)
        if after.hash != before.hash:
            raise BlockChanged(last, before.hash, after.hash)
        self.end = after
        return found


class PinnedLogs(SettledLogs):
    """A node that is asked for the logs of one block by its hash, so that it cannot speak of another.

    Of several nodes behind one URL one may be behind: by number it would answer that there are no logs.
    """

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        """The logs; BlockNotFound where the node has not seen the block. Longer ranges as `SettledLogs`."""
        if first == last == self._at.number:
            return self._node.logs(replace(wanted, of_block=self._at.hash), first, last)
        return super().logs(wanted, first, last)
