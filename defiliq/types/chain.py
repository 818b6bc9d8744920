"""Where things are: the pinned block, and a market before anything is read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

ChainId: TypeAlias = int | str
"""An EIP-155 number, or the name that a Cosmos chain has, which is never all digits."""


@lru_cache(maxsize=1 << 16)
def checksum(address: bytes) -> str:
    """The EIP-55 spelling of a 20-byte address."""
    from eth_utils.address import to_checksum_address  # here: its import is slow and many commands need none

    return str(to_checksum_address(address))


@dataclass(frozen=True, slots=True)
class Block:
    """The one block that a read is pinned to."""

    chain_id: ChainId
    number: int
    hash: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class Head:
    """A block with what whoever follows its chain needs to know besides."""

    block: Block
    parent_hash: str
    """The hash of the block before; '' where the chain never replaces a block."""
    base_fee_wei: int | None = None
    """What one unit of gas cost at least; None where the chain has no such fee."""
    gas_used: int = 0
    gas_limit: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one transaction."""

    transaction: str
    succeeded: bool
    gas_used: int
    gas_price_wei: int
    """What each unit of gas really cost (effectiveGasPrice)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A market as data: where it lives, before anything is read from it."""

    protocol: str
    name: str
    chain_id: ChainId
    from_block: int
    """The first block that can hold an event of the market."""
    addresses: Mapping[str, str]
    version: str = ""
    """The protocol version as far as it is known without asking; the chain decides."""
    chain: str = ""
    """The chain's short name; empty where only its id is known."""
    endpoint: str = ""
    """Where its node is, where the market file says so; a URL given by hand comes first."""
