"""A node that refuses, or silently ignores, what not every provider offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from defiliq.chain.node import Call, Override
from defiliq.errors import CallReverted, RpcError
from defiliq.types import Block
from tests.nodes import PassingNode

Overrides: TypeAlias = Literal["refused", "ignored", "of state alone"]


@dataclass
class Refusing(PassingNode):
    """The lab's node without overrides, or with a chain that changes while it is read."""

    overrides: Overrides = "refused"
    changes_after: int | None = None
    """After so many questions, blocks have another hash."""
    answers_at: Block | None = None
    """The block that all questions are answered at, whichever they name."""
    asked: int = field(default=0)

    @property
    def label(self) -> str:
        return "http://refusing"

    def block(self, tag: int | str) -> Block:
        block = self.node.block(tag)
        is_changed = self.changes_after is not None and self.asked > self.changes_after
        return replace(block, hash="0x" + "77" * 32) if is_changed else block

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        self.asked += len(calls)
        pretends = bool(overrides) or timestamp is not None or number is not None
        if self.overrides == "refused" and pretends:
            raise RpcError("eth_call", -32602, "too many arguments, want at most 2")
        where = at if self.answers_at is None else self.answers_at
        return self.node.call(
            calls, where, overrides=overrides if self.overrides == "of state alone" else None
        )
