"""A node of an EVM chain over any transport."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from defiliq.chain.headers import HASH_LENGTH, decode_block, decode_head, decode_receipt
from defiliq.chain.log_columns import decode_logs
from defiliq.chain.node import Call, LogFilter, Logs, Override
from defiliq.chain.quantity import Malformed, hex_bytes, quantity
from defiliq.chain.transport import Failure, Json, Reply, Request, Transport
from defiliq.chain.wording import (
    means_lost_history,
    means_no_block,
    means_no_receipt,
    means_range,
    means_rate_limit,
    means_revert,
    revert_data,
    suggested_last,
)
from defiliq.errors import (
    BadResponse,
    BlockChanged,
    BlockNotFound,
    CallReverted,
    HistoryUnavailable,
    NodeError,
    NodeTimeout,
    RangeTooLarge,
    RateLimited,
    RpcError,
    TooLarge,
    WrongChain,
)
from defiliq.types import Block, Head, Receipt

MAX_RESPONSE_BYTES: Final = 128 << 20
MAX_BATCH: Final = 64
MAX_REQUEST_BYTES: Final = 128 * 1024
WORD_BYTES: Final = 32
LONGEST_MESSAGE: Final = 300


def connect(
    url: str,
    *,
    timeout_s: int = 30,
    retries: int = 5,
    concurrency: int = 4,
    max_response_bytes: int = MAX_RESPONSE_BYTES,
) -> EvmNode:
    """A node at an http, https, ws or wss URL. A dead one is noticed at the first read, not yet."""
    from defiliq.chain.connecting import open_transport  # here: a replayed node needs no network
    from defiliq.chain.rpc import Patience

    transport = open_transport(
        url,
        timeout_s=timeout_s,
        max_response_bytes=max_response_bytes,
        patience=Patience(retries),
    )
    return EvmNode(transport, concurrency=concurrency)


class EvmNode:
    """Implements `Node`. Close it, or use it in a `with`, to give its connections back."""

    def __init__(self, transport: Transport, *, concurrency: int = 1, max_batch: int = MAX_BATCH) -> None:
        self._transport = transport
        self._max_batch = max_batch
        self._concurrency = concurrency
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._chain_id: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EvmNode({self.label})"

    def close(self) -> None:
        """Stop the threads and close the connections."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._transport.close()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    @property
    def label(self) -> str:
        """The URL without secrets, or the recording's path."""
        return self._transport.label

    @property
    def chain_id(self) -> int:
        """What eth_chainId says; asked once."""
        if self._chain_id is None:
            with self._decoding():
                self._chain_id = quantity(self._ask("eth_chainId"), "chain id")
        return self._chain_id

    def expect_chain(self, chain_id: int) -> None:
        """Raise WrongChain unless the node serves this chain."""
        if self.chain_id != chain_id:
            raise WrongChain(self.label, self.chain_id, chain_id)

    def block(self, tag: int | str) -> Block:
        """The block of a number, a tag (latest, safe, finalized, earliest) or a hash."""
        header = self._header(tag)
        with self._decoding():
            return decode_block(header, tag, self.chain_id)

    def head(self, tag: int | str) -> Head:
        """The same with its parent and what gas cost."""
        header = self._header(tag)
        with self._decoding():
            return decode_head(header, tag, self.chain_id)

    def check_block(self, block: Block) -> None:
        """Raise BlockChanged if the chain has meanwhile put another block at this height."""
        seen = self.block(block.number)
        if seen.hash != block.hash:
            raise BlockChanged(block.number, block.hash, seen.hash)

    def code(self, address: str, at: Block) -> bytes:
        """The code at an address; empty where there is no contract."""
        reply = self._send_one(Request("eth_getCode", (address, hex(at.number))))
        if reply.failure is not None:
            raise self._state_error("eth_getCode", reply.failure, at)
        with self._decoding():
            return hex_bytes(reply.result, "code")

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        """The answers of view calls at a block, in order; a revert is an answer, anything else raises.

        `timestamp` and `number` override the block's own. All overrides need a node that takes them, and one
        that silently ignores a parameter would answer as if there were none: probe before relying on it.
        """
        header = {"time": timestamp, "number": number}
        block = {name: hex(value) for name, value in header.items() if value is not None}
        extra: tuple[Json, ...] = ()
        if overrides is not None or block:
            extra = (_override_json(overrides if overrides is not None else {}),)
        if block:
            extra += (block,)
        requests = [
            Request("eth_call", ({"to": call.to, "data": f"0x{call.data.hex()}"}, hex(at.number), *extra))
            for call in calls
        ]
        replies = self._send(requests, [len(call.data) for call in calls])
        with self._decoding():
            return [self._called(call.to, reply, at) for call, reply in zip(calls, replies, strict=True)]

    def storage(self, asked: Sequence[tuple[str, int]], at: Block) -> list[int]:
        """The words of (contract, slot) pairs at a block, in order."""
        requests = [
            Request("eth_getStorageAt", (contract, f"0x{slot:064x}", hex(at.number)))
            for contract, slot in asked
        ]
        words = []
        for reply in self._send(requests, [WORD_BYTES] * len(requests)):
            if reply.failure is not None:
                raise self._state_error("eth_getStorageAt", reply.failure, at)
            with self._decoding():
                word = hex_bytes(reply.result, "a word of storage")
                if len(word) > WORD_BYTES:
                    raise Malformed(f"a word of storage of {len(word)} bytes")
                words.append(int.from_bytes(word, "big"))
        return words

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        """The logs of blocks `first` to `last`, both included, by one request; RangeTooLarge if refused.

        A node that hangs or answers more than the size limit counts as refusing, while there is more than
        one block to ask about.
        """
        by_number = {"fromBlock": hex(first), "toBlock": hex(last)}
        asked = {
            "address": _one_or_many(wanted.addresses),
            "topics": [_one_or_many([f"0x{topic.hex()}" for topic in wanted.topics])],
            **(by_number if wanted.of_block is None else {"blockHash": wanted.of_block}),
        }
        can_split = last > first
        try:
            reply = self._send_one(Request("eth_getLogs", (asked,), repeat_timeout=not can_split))
        except (NodeTimeout, TooLarge) as error:
            if not can_split:
                raise
            raise RangeTooLarge(first, last, error.seen) from None
        if reply.failure is not None:
            raise self._logs_error(reply.failure, first, last)
        with self._decoding():
            return decode_logs(reply.result, wanted, first, last)

    def receipts(self, hashes: Sequence[str]) -> list[Receipt | None]:
        """What became of transactions, in order; None where the node has no receipt, yet or any more."""
        method = "eth_getTransactionReceipt"
        replies = self._send([Request(method, (each,)) for each in hashes], [HASH_LENGTH] * len(hashes))
        found: list[Receipt | None] = []
        for asked, reply in zip(hashes, replies, strict=True):
            if reply.failure is not None and means_no_receipt(reply.failure):
                found.append(None)
                continue
            answer = self._result(method, reply)
            with self._decoding():
                found.append(None if answer is None else decode_receipt(answer, asked))
        return found

    def _logs_error(self, failure: Failure, first: int, last: int) -> NodeError:
        message = failure.message[:LONGEST_MESSAGE]
        if means_rate_limit(failure):
            return RateLimited(self.label, 1)
        if means_lost_history(failure) and not means_range(failure):
            return HistoryUnavailable(first, message)
        if means_range(failure):
            return RangeTooLarge(first, last, message, suggested_last(failure, first, last))
        if means_no_block(failure):
            return BlockNotFound(f"{first} to {last}", self._head())
        return RpcError("eth_getLogs", failure.code, message)

    def _called(self, to: str, reply: Reply, at: Block) -> bytes | CallReverted:
        if reply.failure is None:
            return hex_bytes(reply.result, "answer of a call")
        if means_revert(reply.failure):
            message = reply.failure.message[:LONGEST_MESSAGE]
            return CallReverted(to, revert_data(reply.failure.data), message)
        raise self._state_error("eth_call", reply.failure, at)

    def _state_error(self, method: str, failure: Failure, at: Block) -> NodeError:
        message = failure.message[:LONGEST_MESSAGE]
        if means_lost_history(failure):
            return HistoryUnavailable(at.number, message)
        if means_no_block(failure):
            # The header came from this very node, so a node that has no such block now has lost it.
            head = self._head()
            if head is not None and head >= at.number:
                return HistoryUnavailable(at.number, message)
            return BlockNotFound(str(at.number), head)
        return RpcError(method, failure.code, message)

    def _header(self, tag: int | str) -> Json:
        by_hash = isinstance(tag, str) and len(tag) == HASH_LENGTH
        if isinstance(tag, int) and tag < 0:
            raise BlockNotFound(str(tag), self._head())
        asked = hex(tag) if isinstance(tag, int) else tag
        method = "eth_getBlockByHash" if by_hash else "eth_getBlockByNumber"
        reply = self._send_one(Request(method, (asked, False)))
        if reply.failure is not None and means_no_block(reply.failure):
            raise BlockNotFound(str(tag), self._head())
        header = self._result(method, reply)
        if header is None:
            raise BlockNotFound(str(tag), self._head())
        return header

    def _head(self) -> int | None:
        try:
            return quantity(self._ask("eth_blockNumber"), "block number")
        except (NodeError, Malformed):
            return None

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        try:
            yield
        except Malformed as error:
            raise BadResponse(self.label, str(error)) from None

    def _ask(self, method: str, *params: Json) -> Json:
        return self._result(method, self._send_one(Request(method, params)))

    def _result(self, method: str, reply: Reply) -> Json:
        if reply.failure is not None:
            raise RpcError(method, reply.failure.code, reply.failure.message[:LONGEST_MESSAGE])
        return reply.result

    def _send_one(self, request: Request) -> Reply:
        return self._transport.send([request])[0]

    def _send(self, requests: Sequence[Request], sizes: Sequence[int]) -> list[Reply]:
        """The replies in order, asked in parts over the threads."""
        parts = [requests[start:end] for start, end in _parts(sizes, self._max_batch)]
        if len(parts) < 2 or self._concurrency < 2:
            return [reply for part in parts for reply in self._transport.send(part)]
        with self._lock:  # whoever reads several blocks at a time asks from several threads
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="defiliq-node")
            futures = [self._pool.submit(self._transport.send, part) for part in parts]
        try:
            return [reply for future in futures for reply in future.result()]
        finally:
            for future in futures:
                future.cancel()


def _parts(sizes: Sequence[int], max_batch: int) -> list[tuple[int, int]]:
    """Where to cut requests into batches: by number, and by bytes so that none grows too large to post."""
    cuts, start, size = [], 0, 0
    for i, more in enumerate(sizes):
        if i > start and (i - start >= max_batch or size + more > MAX_REQUEST_BYTES):
            cuts.append((start, i))
            start, size = i, 0
        size += more
    return [*cuts, (start, len(sizes))] if len(sizes) else []


def _one_or_many(texts: Sequence[str]) -> Json:
    """A single text stands alone: that is how most clients write it, and every node reads it."""
    return texts[0] if len(texts) == 1 else list(texts)


def _override_json(overrides: Mapping[str, Override]) -> Json:
    return {
        address: {
            **({} if override.code is None else {"code": f"0x{override.code.hex()}"}),
            **(
                {}
                if override.storage is None
                else {"stateDiff": {f"0x{k:064x}": f"0x{v:064x}" for k, v in override.storage.items()}}
            ),
        }
        for address, override in overrides.items()
    }
