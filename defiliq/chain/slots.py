"""Words of contracts' storage in bulk: by code that loads them, where the node takes it, else one by one."""

from __future__ import annotations

from typing import Final

import numpy as np

from defiliq.chain.multicall import fetch_words
from defiliq.chain.node import Node, Override
from defiliq.chain.words import WORD, Bytes, Words
from defiliq.types import Block

ADDRESS: Final = 20


def loading_code(words: int) -> bytes:
    """Code that returns `words` words of its storage, from the slot that the call names; without PUSH0."""
    load = bytes.fromhex("600035")  # the slot
    for k in range(words):
        # The slot stays below: keep a copy, load it, store the word at 32 k, go on to the next slot.
        load += bytes.fromhex("8054") + b"\x60" + bytes([WORD * k]) + bytes.fromhex("52600101")
    return load + b"\x60" + bytes([WORD * words]) + bytes.fromhex("6000f3")


def fetch_slots(node: Node, contracts: Bytes, slots: Bytes, at: Block, *, words: int = 1) -> Words:
    """Words of storage of some contracts (n, 20), from some slots (n, 32) on: (n, words), all at one block.

    What a node answers that ignores overrides is no storage; whoever asks must hold the words against what
    the contract itself says.
    """
    pretended = {
        f"0x{contract.tobytes().hex()}": Override(code=loading_code(words))
        for contract in np.unique(contracts, axis=0)
    }
    found = fetch_words(node, contracts, slots, at, words=words, pretended=pretended)
    rest = np.flatnonzero(~found.ok)
    asked = [
        (f"0x{contracts[row].tobytes().hex()}", int.from_bytes(slots[row].tobytes(), "big") + k)
        for row in rest.tolist()
        for k in range(words)
    ]
    seen = node.storage(asked, at) if asked else []
    for k, row in enumerate(rest.tolist()):
        raw = b"".join(word.to_bytes(WORD, "big") for word in seen[k * words : (k + 1) * words])
        found.words[row] = np.frombuffer(raw, np.uint8).reshape(words, WORD)
        found.ok[row] = True
    return found
