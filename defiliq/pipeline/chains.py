"""Chains by name."""

from __future__ import annotations

from collections.abc import Mapping

from defiliq.errors import InputError
from defiliq.types import ChainId

DEVELOPMENT_CHAINS = (1337, 31337)
"""Ids of local nodes (Hardhat, Anvil, Geth's developer mode), where nothing is ever final."""

CHAINS: Mapping[str, ChainId] = {
    "ethereum": 1,
    "optimism": 10,
    "bnb": 56,
    "gnosis": 100,
    "unichain": 130,
    "polygon": 137,
    "monad": 143,
    "sonic": 146,
    "xlayer": 196,
    "zksync": 324,
    "metis": 1088,
    "moonbeam": 1284,
    "soneium": 1868,
    "ronin": 2020,
    "megaeth": 4326,
    "mantle": 5000,
    "base": 8453,
    "plasma": 9745,
    "local": 31337,
    "arbitrum": 42161,
    "celo": 42220,
    "avalanche": 43114,
    "ink": 57073,
    "linea": 59144,
    "scroll": 534352,
    "harmony": 1666600000,
    "fantom": 250,
    "dydx": "dydx-mainnet-1",
    "dydx-testnet": "dydx-testnet-4",
}
"""Name to EIP-155 chain id, or to the id of a Cosmos chain."""

_NAMES = {chain_id: name for name, chain_id in CHAINS.items()}


def chain_id_of(chain: str | int) -> ChainId:
    """The id of a chain given by name or id; `local` is the id that anvil and hardhat use."""
    text = str(chain).strip().casefold()
    if text.isdecimal():
        return int(text)
    if text in CHAINS.values():
        return text
    if text not in CHAINS:
        raise InputError(f"no chain {chain!r}. Use its id, or one of {', '.join(sorted(CHAINS))}.")
    return CHAINS[text]


def chain_name(chain_id: ChainId) -> str:
    """The name of a chain, or its id where it has no name here."""
    return _NAMES.get(chain_id, str(chain_id))


def default_block(chain_id: ChainId) -> str:
    """The block to read where none is named: finalized, but the newest on a local development chain.

    Such nodes put `finalized` a fixed number of blocks back, which would hide what was just done on them.
    """
    return "latest" if chain_id in DEVELOPMENT_CHAINS else "finalized"
