"""What a node says of blocks and transactions, decoded strictly: every field is checked before it is used."""

from __future__ import annotations

from typing import Final

from defiliq.chain.quantity import Malformed, hex_bytes, quantity
from defiliq.chain.transport import Json
from defiliq.types import Block, Head, Receipt

HASH_LENGTH: Final = 66
"""Of a hash as text, its 0x included."""
HASH_BYTES: Final = 32
LARGEST_NUMBER: Final = 2**63 - 1
"""Of blocks and of seconds: both are kept as signed integers of 64 bits."""
LARGEST_GAS: Final = 2**64 - 1
"""Gas is an unsigned integer of 64 bits (geth's core/types.Header)."""
LARGEST_PRICE: Final = 2**128 - 1
"""Of one unit of gas in wei; more than all money there is."""
STATUSES: Final = {0: False, 1: True}
"""EIP-658: whether a transaction succeeded."""


def decode_block(header: Json, tag: int | str, chain_id: int) -> Block:
    """The block of eth_getBlockByNumber or ...ByHash; Malformed if it is none, or not the one asked for."""
    number, block_hash = decode_name(header)
    is_other = (
        number != tag if isinstance(tag, int) else len(tag) == HASH_LENGTH and block_hash != tag.lower()
    )
    if is_other:
        raise Malformed(f"block {number} with hash {block_hash} when asked for {tag}")
    timestamp = _bounded(header.get("timestamp"), "block timestamp", LARGEST_NUMBER)
    return Block(chain_id, number, block_hash, timestamp)


def decode_name(header: Json) -> tuple[int, str]:
    """Number and hash of a block, of which nothing else is looked at; Malformed if it is none."""
    if not isinstance(header, dict):
        raise Malformed("a block that is no object")
    return _bounded(header.get("number"), "block number", LARGEST_NUMBER), _hash(
        header.get("hash"), "block hash"
    )


def decode_head(header: Json, tag: int | str, chain_id: int) -> Head:
    """The same with what a follower needs besides. A base fee may be absent: before London there was none."""
    block = decode_block(header, tag, chain_id)
    fee = header.get("baseFeePerGas")
    return Head(
        block,
        _hash(header.get("parentHash"), "parent hash"),
        None if fee is None else _bounded(fee, "base fee", LARGEST_PRICE),
        _bounded(header.get("gasUsed"), "gas used", LARGEST_GAS),
        _bounded(header.get("gasLimit"), "gas limit", LARGEST_GAS),
    )


def decode_receipt(answer: Json, asked: str) -> Receipt:
    """The receipt of eth_getTransactionReceipt; Malformed if it is none, or another transaction's.

    One without a block is of a transaction that is in none: no receipt of what has happened.
    """
    if not isinstance(answer, dict):
        raise Malformed("a receipt that is no object")
    transaction = _hash(answer.get("transactionHash"), "transaction hash")
    if transaction != asked.lower():
        raise Malformed(f"the receipt of {transaction} when asked for {asked}")
    _hash(answer.get("blockHash"), "block hash of a receipt")
    status = quantity(answer.get("status"), "status")
    if status not in STATUSES:
        raise Malformed(f"{status} as status")
    return Receipt(
        transaction,
        STATUSES[status],
        _bounded(answer.get("gasUsed"), "gas used", LARGEST_GAS),
        _bounded(answer.get("effectiveGasPrice"), "gas price", LARGEST_PRICE),
    )


def _bounded(value: Json, what: str, largest: int) -> int:
    number = quantity(value, what)
    if number > largest:
        raise Malformed(f"a {what} beyond any real one")
    return number


def _hash(value: Json, what: str) -> str:
    decoded = hex_bytes(value, what)
    if len(decoded) != HASH_BYTES:
        raise Malformed(f"{len(decoded)} bytes as {what}")
    return f"0x{decoded.hex()}"
