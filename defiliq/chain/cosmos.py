"""A node of a Cosmos chain, over gRPC or CometBFT's JSON-RPC: one interface, the same bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self, TypeVar

from defiliq.chain.cosmos_spool import PageStore
from defiliq.chain.cosmos_transport import (
    ChainEvent,
    CosmosTransport,
    Header,
    Pause,
    Refused,
    lowest_height,
    means_future,
    means_lost,
    means_too_much,
)
from defiliq.chain.http import http_transport
from defiliq.chain.rpc import SECOND_THOUGHTS, Patience, RpcTransport
from defiliq.chain.url import Endpoint
from defiliq.errors import (
    BadResponse,
    BlockChanged,
    BlockNotFound,
    HistoryUnavailable,
    NodeError,
    NodeTimeout,
    NodeUnreachable,
    RpcError,
    TooLarge,
    WrongChain,
)
from defiliq.types import Block, ChainId, Head

MAX_MESSAGE_BYTES: Final = 64 << 20
SCHEMES: Final = ("http", "https", "grpc", "grpcs")
NEWEST: Final = frozenset({"latest", "safe", "finalized"})
"""CometBFT never takes a committed block back, so all of them mean the newest."""
OLDEST: Final = "earliest"
NEAR: Final = 3
"""A node that is not more blocks behind will soon be there."""
LARGEST_MESSAGE_BYTES: Final = 1 << 30
CHAIN_ID: Final = re.compile(r"[0-9]{1,18}|(?![0-9]+$)[!-~]{1,50}")
"""CometBFT allows 50 letters (types/genesis.go MaxChainIDLen)."""
LAST_HEIGHT: Final = 2**63 - 1
"""Heights are signed integers of 64 bits."""
END_OF_TIME: Final = 253_402_300_800
"""The year 10000, which CometBFT cannot write down."""

T = TypeVar("T")


def connect_cosmos(
    url: str,
    *,
    timeout_s: int = 30,
    retries: int = 5,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    patience: Patience | None = None,
    store: PageStore | None = None,
) -> CosmosNode:
    """A node at a URL: grpc:// (plaintext), grpcs:// (TLS), http:// or https:// (CometBFT's JSON-RPC).

    Nothing is asked of it yet: a dead one is noticed at the first read. `patience` replaces `retries`; a
    limit of more than 1 GiB counts as 1 GiB. With a `store`, whoever reads long lists of pages may keep
    them there, so that an interrupted read can go on.
    """
    from defiliq.chain.cosmos_abci import CometTransport, response_limit
    from defiliq.chain.cosmos_grpc import GrpcTransport

    endpoint = Endpoint.of(url, SCHEMES)
    max_message_bytes = min(max_message_bytes, LARGEST_MESSAGE_BYTES)
    waits = patience if patience is not None else Patience(retries)
    if endpoint.scheme in ("grpc", "grpcs"):
        grpc = GrpcTransport(
            endpoint, timeout_s=timeout_s, max_message_bytes=max_message_bytes, patience=waits
        )
        return CosmosNode(grpc, waits, store)
    http: RpcTransport = http_transport(
        url, timeout_s=timeout_s, max_response_bytes=response_limit(max_message_bytes), patience=waits
    )
    return CosmosNode(CometTransport(http, max_message_bytes=max_message_bytes), waits, store)


class CosmosNode:
    """One node. Close it, or use it in a `with`, to give its connections back."""

    def __init__(
        self,
        transport: CosmosTransport,
        patience: Patience,
        store: PageStore | None = None,
    ) -> None:
        self._transport, self.store = transport, store
        self._retries, self._pause = patience.retries, Pause(patience)
        self._chain_id: ChainId | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CosmosNode({self.label})"

    def close(self) -> None:
        """Close the connections; what is under way ends with an error."""
        self._pause.close()
        self._transport.close()

    @property
    def label(self) -> str:
        """The URL without secrets."""
        return self._transport.label

    @property
    def chain_id(self) -> ChainId:
        """The chain that the node says it serves; asked once. A name of digits only is a number."""
        if self._chain_id is None:
            self._chain_id = self.block("latest").chain_id
        return self._chain_id

    def expect_chain(self, chain_id: ChainId) -> None:
        """Raise WrongChain unless the node serves this chain."""
        if self.chain_id != chain_id:
            raise WrongChain(self.label, self.chain_id, chain_id)

    def block(self, tag: int | str) -> Block:
        """The block of a height or a tag: latest, safe and finalized are the newest committed one.

        `earliest` is the oldest block that the node keeps; its state may be gone all the same.
        """
        if isinstance(tag, str) and tag != OLDEST and tag not in NEWEST:
            raise BlockNotFound(tag, self._head())
        number = self._oldest() if tag == OLDEST else tag if isinstance(tag, int) else None
        if number is not None and not 1 <= number <= LAST_HEIGHT:
            raise BlockNotFound(str(number), self._head())
        try:
            header = self._header(number)
        except Refused as refused:
            raise self._block_error(refused, number) from None
        if number is not None and header.number != number:
            raise BadResponse(self.label, f"block {header.number} when asked for block {number}")
        if not 0 <= header.timestamp < END_OF_TIME:
            raise BadResponse(self.label, "a block of a time that no calendar has")
        chain_id = self._chain_id_of(header.chain_id)
        block = Block(chain_id, header.number, f"0x{header.hash.hex()}", header.timestamp)
        if self._chain_id is None:
            self._chain_id = block.chain_id
        elif self._chain_id != block.chain_id:
            raise WrongChain(self.label, block.chain_id, self._chain_id)
        return block

    def head(self, tag: int | str) -> Head:
        """The same. It names no parent, because CometBFT never replaces a block, and no fee."""
        return Head(self.block(tag), "")

    def check_block(self, block: Block) -> None:
        """Raise BlockChanged if the node meanwhile has another block at this height."""
        seen = self.block(block.number)
        if seen.hash != block.hash:
            raise BlockChanged(block.number, block.hash, seen.hash)

    def query(self, method: str, request: bytes, at: Block) -> bytes:
        """The answer to a query about the state after a block, protobuf in and out.

        `method` is gRPC's full name with its slash in front: /package.Service/Method.
        """
        try:
            return self._patiently(lambda: self._transport.query(method, request, at.number), at.number)
        except Refused as refused:
            raise self._query_error(refused, at.number) from None

    def events(self, numbers: Sequence[int], kind: str) -> list[tuple[int, list[ChainEvent]]]:
        """(height, what its transactions emitted of one type) of some blocks.

        InputError where the node's transport cannot tell, HistoryUnavailable where the node has pruned it.
        """
        try:
            found = self._patiently(lambda: self._transport.events(numbers, kind), numbers[-1])
        except Refused as refused:
            raise self._block_error(refused, numbers[0]) from None
        return list(zip(numbers, found, strict=True))

    def unfinished(self, method: str) -> Block | None:
        """The newest block at which a kept read of this query was interrupted."""
        return None if self.store is None else self.store.unfinished(self.chain_id, method)

    def _header(self, number: int | None) -> Header:
        return self._patiently(lambda: self._transport.header(number), number)

    def _patiently(self, ask: Callable[[], T], number: int | None) -> T:
        """The answer, asked for once more if time ran out, and a few times while the node is a block behind.

        CometBFT names a block as soon as it is stored, a moment before the application has executed it; and
        of several nodes behind one address not all are equally far.
        """
        timeouts, behind = 0, 0
        if self._pause.is_over:
            raise NodeUnreachable(self.label, "the connection is closed")
        while True:
            try:
                return ask()
            except NodeTimeout:
                timeouts += 1
                if timeouts > min(1, self._retries) or self._pause.is_over:
                    raise
            except Refused as refused:
                behind += 1
                few = min(SECOND_THOUGHTS, self._retries)
                if not means_future(refused) or behind > few or self._pause.is_over:
                    raise
                head = self._head()
                if head is None or number is None or number > head + NEAR:
                    raise
            self._pause.wait(timeouts + behind)

    def _oldest(self) -> int:
        """The lowest height: a node that lacks block 1 says from which on it has them."""
        try:
            return self._header(1).number
        except Refused as refused:
            lowest = lowest_height(refused)
            if lowest is None:
                raise self._block_error(refused, 1) from None
            return lowest

    def _block_error(self, refused: Refused, number: int | None) -> NodeError:
        if number is not None and means_future(refused):
            return BlockNotFound(str(number), self._head())
        if number is not None and means_lost(refused):
            return HistoryUnavailable(number, refused.message)
        return self._refusal(refused)

    def _query_error(self, refused: Refused, number: int) -> NodeError:
        if means_future(refused):
            return BlockNotFound(str(number), self._head())
        if means_lost(refused):
            return HistoryUnavailable(number, refused.message)
        if means_too_much(refused):
            return TooLarge(self.label, "the query takes more gas than the node allows for one")
        return self._refusal(refused)

    def _refusal(self, refused: Refused) -> NodeError:
        if refused.is_unknown:
            service = refused.method.strip("/").partition("/")[0]
            said = f"it does not serve {service}: use a full node of the chain that has this service"
            return RpcError(refused.method, refused.code, said)
        return RpcError(refused.method, refused.code, refused.message)

    def _head(self) -> int | None:
        try:
            return self._transport.header(None).number
        except (NodeError, Refused):
            return None

    def _chain_id_of(self, name: str) -> ChainId:
        if CHAIN_ID.fullmatch(name) is None:
            raise BadResponse(self.label, "a chain of a name that none has")
        return int(name) if name.isdecimal() else name
