"""Nodes and the account index, opened as the options say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from defiliq.cli.nodes import node_url
from defiliq.cli.options import Source
from defiliq.errors import InputError

if TYPE_CHECKING:
    from defiliq.chain.cosmos import CosmosNode
    from defiliq.chain.evm import EvmNode
    from defiliq.index import Index
    from defiliq.types import ChainId


def open_node(protocol: str, chain_id: ChainId, endpoint: str, source: Source) -> EvmNode | CosmosNode:
    """The same, to be closed by whoever asks for it."""
    from defiliq.protocols import PROTOCOLS

    if PROTOCOLS[protocol].node_kind == "cosmos":
        return _cosmos_node(chain_id, endpoint, source)
    return evm_node(chain_id, endpoint, source)


def evm_node(chain_id: ChainId, endpoint: str, source: Source) -> EvmNode:
    """A node of an EVM chain, recorded or replayed as the options say."""
    if source.replay is not None:
        from defiliq.chain.replay import replay

        return replay(source.replay)
    url = node_url(chain_id, source.rpc_url or endpoint)
    if source.record is not None:
        from defiliq.chain.replay import record

        return record(url, source.record)
    from defiliq.chain.evm import connect

    return connect(url, concurrency=source.concurrency)


def _cosmos_node(chain_id: ChainId, endpoint: str, source: Source) -> CosmosNode:
    """A node of a Cosmos chain; pages of a read that is interrupted are kept, unless nothing shall be."""
    from platformdirs import user_cache_dir

    from defiliq.chain.cosmos import connect_cosmos
    from defiliq.chain.cosmos_spool import PageStore

    if source.replay is not None or source.record is not None:
        raise InputError(
            "a recording holds answers of EVM nodes only. Keep a snapshot of this market instead."
        )
    store = None if source.no_index else PageStore(Path(user_cache_dir("defiliq")) / "pages")
    return connect_cosmos(node_url(chain_id, source.rpc_url or endpoint), store=store)


def open_index(source: Source) -> Index:
    """The account index; in memory for --no-index and for recordings, which must hold every request."""
    from platformdirs import user_data_dir

    from defiliq.index import Index

    if source.no_index or source.record is not None or source.replay is not None:
        return Index(":memory:")
    path = Path(user_data_dir("defiliq")) / "accounts.sqlite" if source.index is None else Path(source.index)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot keep accounts in {path}: {error.strerror}. Use --index or --no-index."
        ) from None
    return Index(path)
