"""Account addresses of Cosmos chains: bytes as text with a checksum (BIP-173)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from defiliq.errors import InputError

ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
VALUES: Final = {letter: value for value, letter in enumerate(ALPHABET)}
GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
CHECKSUM_LETTERS: Final = 6
LONGEST: Final = 90
"""Letters of a whole text: beyond it the checksum promises less."""


class NotBech32(InputError):
    """A text that is no bech32 address. The text itself is not repeated: who asks knows how to name it."""

    def __init__(self, seen: str) -> None:
        self.seen = seen
        super().__init__(f"not a bech32 address: {seen}. Check its spelling.")


def encode_address(prefix: str, raw: bytes) -> str:
    """The text of an account's bytes, in small letters."""
    values = list(_regroup(raw, 8, 5, pad=True))
    checksum = _checksum(_expanded(prefix) + values)
    return f"{prefix}1{''.join(ALPHABET[value] for value in values + checksum)}"


def decode_address(text: str, prefix: str) -> bytes:
    """The bytes of an account's text; NotBech32 where it is misspelt or another chain's."""
    found, values = decode_bech32(text)
    if found != prefix:
        raise NotBech32(f"it begins with {found!r}, not with {prefix!r}")
    raw = bytes(_regroup(values, 5, 8, pad=False))
    if not raw:
        raise NotBech32("it holds no bytes")
    return raw


def decode_bech32(text: str) -> tuple[str, list[int]]:
    """The prefix in small letters and the five-bit values of a bech32 text; NotBech32 where it is none."""
    if len(text) > LONGEST:
        raise NotBech32(f"it has {len(text)} letters, more than {LONGEST}")
    if any(not 33 <= ord(letter) <= 126 for letter in text):
        raise NotBech32("it holds a character that no address can hold")
    if text != text.lower() and text != text.upper():
        raise NotBech32("it mixes small and capital letters")
    prefix, separator, data = text.lower().rpartition("1")
    if not separator or not prefix:
        raise NotBech32("it has no prefix before a 1")
    if len(data) < CHECKSUM_LETTERS:
        raise NotBech32("its checksum is too short")
    if any(letter not in VALUES for letter in data):
        raise NotBech32("it holds a letter that is none of bech32's")
    values = [VALUES[letter] for letter in data]
    if _polymod(_expanded(prefix) + values) != 1:
        raise NotBech32("its checksum is wrong")
    return prefix, values[:-CHECKSUM_LETTERS]


def _expanded(prefix: str) -> list[int]:
    """The prefix as the checksum sees it: the upper bits of each letter, a zero, the lower bits."""
    codes = prefix.encode("ascii")
    return [code >> 5 for code in codes] + [0] + [code & 31 for code in codes]


def _polymod(values: Sequence[int]) -> int:
    """The remainder of the values as a polynomial over GF(32) by BIP-173's generator."""
    remainder = 1
    for value in values:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(GENERATORS):
            if top >> bit & 1:
                remainder ^= generator
    return remainder


def _checksum(values: Sequence[int]) -> list[int]:
    remainder = _polymod([*values, *([0] * CHECKSUM_LETTERS)]) ^ 1
    return [remainder >> 5 * (CHECKSUM_LETTERS - 1 - k) & 31 for k in range(CHECKSUM_LETTERS)]


def _regroup(values: Iterable[int], width: int, wanted: int, *, pad: bool) -> Iterable[int]:
    """The same bits in groups of another width; without padding, what is left over must be few zeros."""
    kept, bits = 0, 0
    for value in values:
        kept, bits = kept << width | value, bits + width
        while bits >= wanted:
            bits -= wanted
            yield kept >> bits
            kept &= (1 << bits) - 1
    if pad and bits:
        yield kept << wanted - bits
    elif not pad and (bits >= width or kept):
        raise NotBech32("its last letters leave bits over")
