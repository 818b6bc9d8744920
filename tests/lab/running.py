"""What every lab is: a running node that can be rewound and closed; and one market's population on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from tests.lab.chain import Chain
from tests.lab.node import CHAIN_ID, Anvil, Rpc


@dataclass(frozen=True, slots=True)
class Member:
    """One account of a population."""

    owner: str
    shape: str
    """What it is an example of."""
    borrowed: bool
    """Whether a Borrow event names it, repaid or not."""


U = TypeVar("U", bound=Member)


class RunningNode:
    """A running node with a chain. Close it, or use it as a context."""

    def __init__(self, node: Anvil, chain: Chain) -> None:
        self._node, self.chain = node, chain
        self.chain_id = CHAIN_ID
        self._keeps = False

    @property
    def url(self) -> str:
        """Where the node listens."""
        return self._node.url

    @property
    def rpc(self) -> Rpc:
        """Raw JSON-RPC: `lab.rpc("eth_blockNumber")`, `lab.rpc.batch([("eth_call", (what, "latest"))])`."""
        return self._node.rpc

    def write_listing(self, path: Path | str, protocol: str, name: str, addresses: Mapping[str, str]) -> Path:
        """Write the file that names a market of this chain to defiliq."""
        listing = {
            "protocol": protocol,
            "name": name,
            "chain_id": CHAIN_ID,
            "from_block": 0,
            "addresses": dict(addresses),
        }
        Path(path).write_text(json.dumps(listing, indent=2) + "\n")
        return Path(path)

    @contextmanager
    def rewinding(self) -> Iterator[None]:
        """Whatever happens to the chain inside is undone at the end."""
        if self._keeps:
            yield
            return
        with self.chain.rewinding():
            yield

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """What methods would undo at once, such as `liquidate`, stays mined until the end of it all."""
        with self.rewinding():
            self._keeps = True
            try:
                yield
            finally:
                self._keeps = False

    def close(self) -> None:
        """Stop the node."""
        self._node.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Running(RunningNode, Generic[U]):
    """A running node with one market and its population."""

    def __init__(self, node: Anvil, chain: Chain, users: tuple[U, ...]) -> None:
        super().__init__(node, chain)
        self.users = users

    @property
    def owners(self) -> tuple[str, ...]:
        """Every account of the population, EIP-55."""
        return tuple(user.owner for user in self.users)

    @property
    def borrowers(self) -> tuple[str, ...]:
        """The accounts that discovery must find."""
        return tuple(user.owner for user in self.users if user.borrowed)

    def of_shape(self, shape: str) -> tuple[U, ...]:
        """The users of one shape."""
        return tuple(user for user in self.users if user.shape == shape)
