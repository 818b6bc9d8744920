"""Calls as bytes, many at once, and the addresses in what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defiliq.errors import DecodeError
from defiliq.types import checksum

NOWHERE: Final = "0x" + "0" * 40
"""The zero address: nothing there, or nothing meant."""


@lru_cache(maxsize=256)
def keccak(signature: str) -> bytes:
    """The hash that selectors and event topics are cut from."""
    from eth_utils.crypto import keccak as hashed  # here: its import is slow and --help needs none

    return bytes(hashed(text=signature))


def calldata(signature: str, *arguments: str | int) -> bytes:
    """A call with arguments of one word each: addresses as hex text, numbers as ints."""
    words = [
        argument.to_bytes(32, "big") if isinstance(argument, int) else _raw(argument).rjust(32, b"\0")
        for argument in arguments
    ]
    return keccak(signature)[:4] + b"".join(words)


def call_rows(signature: str, *addresses: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 4 + 32 k) calls of a function of k addresses, which are k columns of (n, 20)."""
    rows = np.zeros((len(addresses[0]), 4 + 32 * len(addresses)), dtype=np.uint8)
    rows[:, :4] = np.frombuffer(keccak(signature)[:4], dtype=np.uint8)
    for k, column in enumerate(addresses):
        rows[:, 16 + 32 * k : 36 + 32 * k] = column
    return rows


def number_rows(signature: str, numbers: Sequence[int]) -> NDArray[np.uint8]:
    """(n, 36) calls of a function of one integer, signed or not."""
    raw = b"".join(keccak(signature)[:4] + (number % 2**256).to_bytes(32, "big") for number in numbers)
    return np.frombuffer(raw, dtype=np.uint8).reshape(len(numbers), 36)


def signed(word: bytes) -> int:
    """A word as a signed integer."""
    return int.from_bytes(word, "big", signed=True)


def packed(addresses: list[str]) -> NDArray[np.uint8]:
    """(n, 20) addresses of their spellings."""
    raw = b"".join(_raw(address) for address in addresses)
    return np.frombuffer(raw, dtype=np.uint8).reshape(len(addresses), 20)


def address_of(word: bytes) -> str | None:
    """The EIP-55 address in a word; None where its upper bytes are not zero."""
    return None if any(word[:12]) else checksum(word[12:32])


def address_in(word: int, what: str) -> str:
    """The EIP-55 address in a word; DecodeError of `what` where its upper bytes are not zero."""
    address = address_of(word.to_bytes(32, "big"))
    if address is None:
        raise DecodeError(what, "a word that is no address")
    return address


def _raw(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))
