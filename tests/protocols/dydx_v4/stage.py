"""Stand-in chains that are read through a real connection, and books that are compared in every column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from v4_proto.dydxprotocol.subaccounts.asset_position_pb2 import AssetPosition
from v4_proto.dydxprotocol.subaccounts.perpetual_position_pb2 import PerpetualPosition
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import Subaccount, SubaccountId

from defiliq.book import Book
from defiliq.chain.cosmos import CosmosNode
from defiliq.errors import DefiliqError
from defiliq.protocols.dydx_v4 import DydxMarket, read
from defiliq.types import Listing
from tests.chain.cosmos_standin import SERVING, StandIn
from tests.chain.test_cosmos import connect
from tests.dydx.population import Population, owner, population
from tests.dydx.standin import CHAIN_ID, HEIGHT, dydx_standin
from tests.dydx.wire import encode_gob_int

LISTING = Listing("dydx-v4", "dydx-v4", CHAIN_ID, 0, {})
WAYS = tuple(SERVING)
BTC, ETH, PEPE, ISOLATED = 0, 1, 28, 300
"""Ids of perpetuals in fixtures/dydx_v4."""

OnProgress = Callable[[int, int], None]


@contextmanager
def opened(model: StandIn, way: str = "grpc", **options: Any) -> Iterator[CosmosNode]:
    """A node of a stand-in chain, over one of the two ways."""
    with SERVING[way](model) as url, connect(url, **options) as node:
        yield node


def read_from(
    model: StandIn,
    way: str = "grpc",
    *,
    owners: NDArray[np.uint8] | None = None,
    at: int = HEIGHT,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> Book[DydxMarket]:
    """The book of a stand-in chain at one height."""
    with opened(model, way, **options) as node:
        return read(node, LISTING, owners, node.block(at), on_progress)


def refused(kind: type[DefiliqError], ask: Callable[[], object]) -> str:
    """What is said of a read that must fail, in one line."""
    with pytest.raises(kind) as caught:
        ask()
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert len(said) < 400
    return said


def keys_of(names: Sequence[str]) -> NDArray[np.uint8]:
    """(N, account_bytes) keys of named subaccounts."""
    keys = b"".join(DydxMarket.account_key(name) for name in names)
    return np.frombuffer(keys, dtype=np.uint8).reshape(len(names), DydxMarket.account_bytes)


def subaccount(
    who: int, *positions: tuple[int, int], usdc: int = 0, number: int = 0, index: int = 0, quote: int = 0
) -> Any:
    """A subaccount's message: USDC, and (perpetual id, quantums) of each position."""
    held = [
        PerpetualPosition(
            perpetual_id=perpetual,
            quantums=encode_gob_int(quantums),
            funding_index=encode_gob_int(index),
            quote_balance=encode_gob_int(quote),
        )
        for perpetual, quantums in positions
    ]
    assets = [AssetPosition(asset_id=0, quantums=encode_gob_int(usdc))] if usdc else []
    identity = SubaccountId(owner=owner(who), number=number)
    return Subaccount(id=identity, asset_positions=assets, perpetual_positions=held)


def name_of(message: Any) -> str:
    """How a subaccount is named here."""
    return f"{message.id.owner}/{message.id.number}"


def holding_only(*subaccounts: Any) -> Population:
    """Real parameters with no funding and just these subaccounts; open interest is what they are long."""
    held = population(0)
    longs: dict[int, int] = {}
    for each in subaccounts:
        for position in each.perpetual_positions:
            size = decoded(position.quantums)
            longs[position.perpetual_id] = longs.get(position.perpetual_id, 0) + max(0, size)
    for perpetual in held.perpetuals:
        perpetual.funding_index = b""
        perpetual.open_interest = encode_gob_int(longs.get(perpetual.params.id, 0))
    held.subaccounts = [each.FromString(each.SerializeToString()) for each in subaccounts]
    return held


def decoded(raw: bytes) -> int:
    """Go's GobEncode of a big.Int, read here once more: a byte of sign and the magnitude."""
    magnitude = int.from_bytes(raw[1:], "big")
    return -magnitude if raw[:1] == b"\x03" else magnitude


def chain_of(*subaccounts: Any) -> StandIn:
    """A stand-in chain of just these subaccounts on real parameters."""
    return dydx_standin(holding_only(*subaccounts))


def assert_same_book(one: Book[Any], other: Book[Any]) -> None:
    """Equal in everything, columns and their types included."""
    assert one.market == other.market
    assert dict(one.failed) == dict(other.failed)
    for name in ("owners", "modes", "first_leg", "reserves", "counted"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.dtype == theirs.dtype, name
        assert np.array_equal(mine, theirs), name
    for name in ("collateral", "debt"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert np.array_equal(mine.high, theirs.high), name
        assert np.array_equal(mine.low, theirs.low), name
    assert (one.funding_index is None) == (other.funding_index is None)
    if one.funding_index is not None and other.funding_index is not None:
        assert np.array_equal(one.funding_index.below_zero, other.funding_index.below_zero)
        assert np.array_equal(one.funding_index.size.high, other.funding_index.size.high)
        assert np.array_equal(one.funding_index.size.low, other.funding_index.size.low)
    # A file without legs cannot tell whether there was such a column.
    assert all(book.debt_index is None or not book.legs for book in (one, other))
    assert dict(one.stable) == dict(other.stable) == {}
