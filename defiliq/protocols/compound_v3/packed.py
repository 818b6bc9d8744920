"""userBasic of many accounts from the Comet's storage: one word each, where a view answers five.

The slots are CometStorage's, and nothing of them is taken on trust: the totals must lie where the Comet's own
view says, and every debtor, with a sample of all others, must read as its view does. Else views it is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.calldata import call_rows, packed
from defiliq.chain.multicall import OnProgress, fetch_words
from defiliq.chain.node import Node, Override
from defiliq.chain.slots import fetch_slots
from defiliq.chain.words import WORD, Words
from defiliq.protocols.compound_v3 import abi
from defiliq.types import Block

USER_BASIC_SLOT: Final = 5
TOTALS_WIDTHS: Final = ((8, 8, 8, 8), (13, 13, 5, 1))
"""Bytes of each field of totalsBasic in the two words from slot 0 on, from the lowest."""
FIELDS: Final = ((0, 13), (13, 8), (21, 8), (29, 2), (31, 1))
"""userBasic: first byte from the lowest, and bytes, of principal, two of rewards, assetsIn, _reserved."""
LOOKS_UP: Final = bytes.fromhex(f"60003560005260{USER_BASIC_SLOT:02x}602052604060002054" + "60005260206000f3")
"""Code that answers the word of a mapping at USER_BASIC_SLOT for the key that the call is; without PUSH0."""
WITNESSES: Final = 256
"""How many accounts without debt are asked by their view too."""
FEWEST: Final = 1_000
"""Of fewer accounts the views alone are as quick."""


def fetch_packed(
    node: Node,
    comet: str,
    totals: tuple[int, ...],
    owners: NDArray[np.uint8],
    at: Block,
    on_progress: OnProgress | None,
) -> Words | None:
    """userBasic of all accounts as its view answers; None where the storage does not prove to be that.

    `totals` is what totalsBasic answers.
    """
    if len(owners) < FEWEST or not _totals_lie_there(node, comet, at, totals):
        return None
    keys = np.zeros((len(owners), WORD), np.uint8)
    keys[:, 12:] = owners
    pretended = {comet: Override(code=LOOKS_UP)}
    stored = fetch_words(
        node, _repeated(comet, len(owners)), keys, at, on_progress=on_progress, pretended=pretended
    )
    if not stored.ok.all():
        return None
    found = unpack(stored.words[:, 0])
    asked = found.words[:, 0, 0] >= 0x80  # debtors: a negative principal
    asked[:: max(1, len(owners) // WITNESSES)] = True
    rows = np.flatnonzero(asked)
    seen = fetch_words(
        node,
        _repeated(comet, len(rows)),
        call_rows(abi.USER_BASIC, owners[rows]),
        at,
        words=abi.USER_BASIC_WORDS,
    )
    is_proven = seen.ok.all() and np.array_equal(seen.words, found.words[rows])
    return found if is_proven else None


def unpack(stored: NDArray[np.uint8]) -> Words:
    """Packed words (n, 32) as the five words of the view, the principal with its sign."""
    words = np.zeros((len(stored), len(FIELDS), WORD), np.uint8)
    for k, (first, count) in enumerate(FIELDS):
        words[:, k, WORD - count :] = stored[:, WORD - first - count : WORD - first]
    principal_bytes = FIELDS[0][1]
    is_debt = words[:, 0, WORD - principal_bytes] >= 0x80
    words[is_debt, 0, : WORD - principal_bytes] = 0xFF
    return Words(np.ones(len(stored), np.bool_), words)


def _totals_lie_there(node: Node, comet: str, at: Block, totals: tuple[int, ...]) -> bool:
    slots = np.zeros((1, WORD), np.uint8)
    (words,) = fetch_slots(node, packed([comet]), slots, at, words=len(TOTALS_WIDTHS)).words
    seen: list[int] = []
    for word, widths in zip(words, TOTALS_WIDTHS, strict=True):
        left = word.tobytes()[::-1]
        for width in widths:
            seen.append(int.from_bytes(left[:width], "little"))
            left = left[width:]
    return tuple(seen) == totals


def _repeated(comet: str, count: int) -> NDArray[np.uint8]:
    return np.repeat(packed([comet]), count, axis=0)
