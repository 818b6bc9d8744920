"""What every lab is: a running node with a market and its population, which can be rewound and closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


class Running(Generic[U]):
    """A running node with a market and its population. Close it, or use it as a context."""

    def __init__(self, node: Anvil, chain: Chain, users: tuple[U, ...]) -> None:
        self._node, self.chain, self.users = node, chain, users
        self.chain_id = CHAIN_ID

    @property
    def url(self) -> str:
        """Where the node listens."""
        return self._node.url

    @property
    def rpc(self) -> Rpc:
        """Raw JSON-RPC: `lab.rpc("eth_blockNumber")`, `lab.rpc.batch([("eth_call", (what, "latest"))])`."""
        return self._node.rpc

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

    @contextmanager
    def rewinding(self) -> Iterator[None]:
        """Whatever happens to the chain inside is undone at the end."""
        with self.chain.rewinding():
            yield

    def close(self) -> None:
        """Stop the node."""
        self._node.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
