"""The answer of eth_getLogs as columns, checked: what a node sends is not yet what was asked for."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.node import LogFilter, Logs, Traces
from defiliq.chain.quantity import Malformed, hex_bytes, quantity
from defiliq.chain.transport import Json

MAX_TOPICS: Final = 4
WORD: Final = 32
ADDRESS: Final = 20
WORD_TEXT: Final = 2 + 2 * WORD


def no_logs(*, traced: bool = False) -> Logs:
    """Nothing, as columns."""
    none = np.zeros(0, np.int64)
    words = np.zeros((0, WORD), np.uint8)
    traces = Traces(np.zeros((0, ADDRESS), np.uint8), words, words, none) if traced else None
    return Logs(np.zeros((0, MAX_TOPICS, WORD), np.uint8), none, (), traces)


def decode_logs(answer: Json, wanted: LogFilter, first: int, last: int) -> Logs:
    """Columns in chain order; Malformed if a log is malformed or is not one of those asked for."""
    if not isinstance(answer, list):
        raise Malformed("no list of logs")
    if not answer:
        return no_logs(traced=wanted.traced)
    try:
        addresses = {log["address"].lower() for log in answer}
        removed = any(log.get("removed", False) for log in answer)
        topic_texts = [log["topics"] for log in answer]
        block_texts = [log["blockNumber"] for log in answer]
        index_texts = [log["logIndex"] for log in answer]
        data_texts = [log["data"] for log in answer]
    except (KeyError, TypeError, AttributeError):
        raise Malformed("a log without address, topics, blockNumber, logIndex or data") from None
    if not addresses <= {address.lower() for address in wanted.addresses}:
        raise Malformed("logs of another contract than the one asked for")
    if removed:
        raise Malformed("logs marked as removed from the chain")
    blocks, indices = _quantities(block_texts), _quantities(index_texts)
    if int(blocks.min()) < first or int(blocks.max()) > last:
        raise Malformed(f"logs outside of blocks {first} to {last}")
    topics = _topics(topic_texts)
    asked = [topics[:, 0] == np.frombuffer(topic, np.uint8) for topic in wanted.topics]
    if not np.any([same.all(axis=1) for same in asked], axis=0).all():
        raise Malformed("logs of another event than the one asked for")
    data = [_bytes(text) for text in data_texts]
    traces = _traces(answer, blocks, indices) if wanted.traced else None
    order = np.lexsort((indices, blocks))
    if (order == np.arange(len(order))).all():
        return Logs(topics, blocks, tuple(data), traces)
    return Logs(topics[order], blocks[order], tuple(data[i] for i in order), _ordered(traces, order))


def _traces(answer: list[Json], blocks: NDArray[np.int64], indices: NDArray[np.int64]) -> Traces:
    """Where each log comes from; Malformed where two claim one place, or one block has two hashes."""
    hashes = _column([log.get("blockHash") for log in answer], WORD, "the hash of a log's block")
    if len(np.unique(np.stack([blocks, indices]), axis=1).T) < len(blocks):
        raise Malformed("two logs of one number in one block")
    if len({row.tobytes() for row in hashes}) != len(np.unique(blocks)):
        raise Malformed("logs of one block under several hashes")
    return Traces(
        addresses=_column([log["address"] for log in answer], ADDRESS, "the contract of a log"),
        transactions=_column([log.get("transactionHash") for log in answer], WORD, "a log's transaction"),
        block_hashes=hashes,
        indices=indices,
    )


def _ordered(traces: Traces | None, order: NDArray[np.int64]) -> Traces | None:
    if traces is None:
        return None
    return Traces(
        traces.addresses[order],
        traces.transactions[order],
        traces.block_hashes[order],
        traces.indices[order],
    )


def _column(texts: list[Json], width: int, what: str) -> NDArray[np.uint8]:
    """(n, width) bytes of texts in hex."""
    rows = [hex_bytes(text, what) for text in texts]
    if any(len(row) != width for row in rows):
        raise Malformed(f"{what} that has another length")
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), width)


def _quantities(texts: list[Json]) -> NDArray[np.int64]:
    known: dict[Json, int] = {}
    try:
        for text in set(texts):
            known[text] = quantity(text, "a block number or log index")
        return np.array([known[text] for text in texts], dtype=np.int64)
    except (TypeError, OverflowError):
        raise Malformed("a block number or index that is none") from None


def _topics(texts: list[Json]) -> NDArray[np.uint8]:
    """(n, 4, 32), decoded at one go: every text has the same length, so their joint is cut by position."""
    try:
        counts = np.array([len(each) for each in texts], dtype=np.int64)
        flat = [text for each in texts for text in each]
        well_formed = {len(text) for text in flat} <= {WORD_TEXT} and all(t.startswith("0x") for t in flat)
    except (TypeError, AttributeError):
        raise Malformed("topics that are no list of texts") from None
    if not well_formed or int(counts.min()) < 1 or int(counts.max()) > MAX_TOPICS:
        raise Malformed("a log without topics, or with a topic that is no word")
    words = np.frombuffer(_joined(flat), np.uint8).reshape(len(flat), WORD)
    topics = np.zeros((len(texts), MAX_TOPICS, WORD), np.uint8)
    rows = np.repeat(np.arange(len(texts)), counts)
    starts = np.cumsum(counts) - counts
    topics[rows, np.arange(len(flat)) - starts[rows]] = words
    return topics


def _joined(texts: list[str]) -> bytes:
    try:
        joint = bytes.fromhex("".join(text[2:] for text in texts))
    except ValueError:
        joint = b""
    # fromhex skips spaces, so only the length tells that there were none.
    if len(joint) != WORD * len(texts):
        raise Malformed("a topic that is not hex")
    return joint


def _bytes(text: Json) -> bytes:
    return hex_bytes(text, "data of a log")
