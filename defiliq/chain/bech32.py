"""Account addresses of Cosmos chains: bytes as text with a checksum (BIP-173)."""

from __future__ import annotations

import re
from functools import lru_cache, reduce
from operator import xor
from typing import Final

from defiliq.errors import InputError

ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
CHECKSUM_LETTERS: Final = 6
LONGEST: Final = 90
"""Letters of a whole text: beyond it the checksum promises less."""
PRINTABLE: Final = re.compile(r"[\x21-\x7e]*")
DIGITS: Final = b"0123456789abcdefghijklmnopqrstuv".ljust(256, b"?")
"""How Python writes a number in base 32."""
NONE: Final = 0xFF
VALUES: Final = bytes(
    ALPHABET.index(chr(code)) if code and chr(code) in ALPHABET else NONE for code in range(256)
)
"""What each letter stands for."""
FOLDED: Final = tuple(
    reduce(xor, (generator for bit, generator in enumerate(GENERATORS) if top >> bit & 1), 0)
    for top in range(32)
)
"""What the checksum's five uppermost bits come to when they are shifted out."""


class NotBech32(InputError):
    """A text that is no bech32 address. The text itself is not repeated: who asks knows how to name it."""

    def __init__(self, seen: str) -> None:
        self.seen = seen
        super().__init__(f"not a bech32 address: {seen}. Check its spelling.")


def decode_address(text: str, prefix: str) -> bytes:
    """The bytes of an account's text; NotBech32 where it is misspelt or another chain's."""
    found, values = decode_bech32(text)
    if found != prefix:
        raise NotBech32(f"it begins with {found!r}, not with {prefix!r}")
    size, over = divmod(5 * len(values), 8)
    if not size:
        raise NotBech32("it holds no bytes")
    number = int(values.translate(DIGITS), 32)
    if over >= 5 or number & (1 << over) - 1:
        raise NotBech32("its last letters leave bits over")
    return (number >> over).to_bytes(size, "big")


def encode_address(raw: bytes, prefix: str) -> str:
    """The text of an account's bytes, in small letters."""
    size = -(-8 * len(raw) // 5)
    number = int.from_bytes(raw, "big") << 5 * size - 8 * len(raw)
    values = bytes(number >> 5 * k & 31 for k in reversed(range(size)))
    rest = _polymod(values + bytes(CHECKSUM_LETTERS), _after(prefix)) ^ 1
    check = bytes(rest >> 5 * k & 31 for k in reversed(range(CHECKSUM_LETTERS)))
    return f"{prefix}1{''.join(ALPHABET[value] for value in values + check)}"


def decode_bech32(text: str) -> tuple[str, bytes]:
    """The prefix in small letters and the five-bit values of a bech32 text; NotBech32 where it is none."""
    if len(text) > LONGEST:
        raise NotBech32(f"it has {len(text)} letters, more than {LONGEST}")
    if not PRINTABLE.fullmatch(text):
        raise NotBech32("it holds a character that no address can hold")
    small = text.lower()
    if text not in (small, text.upper()):
        raise NotBech32("it mixes small and capital letters")
    prefix, separator, data = small.rpartition("1")
    if not separator or not prefix:
        raise NotBech32("it has no prefix before a 1")
    if len(data) < CHECKSUM_LETTERS:
        raise NotBech32("its checksum is too short")
    values = data.encode("ascii").translate(VALUES)
    if NONE in values:
        raise NotBech32("it holds a letter that is none of bech32's")
    if _polymod(values, _after(prefix)) != 1:
        raise NotBech32("its checksum is wrong")
    return prefix, values[:-CHECKSUM_LETTERS]


@lru_cache(maxsize=16)
def _after(prefix: str) -> int:
    """The checksum once it has seen the prefix: the upper bits of each letter, a zero, the lower bits."""
    codes = prefix.encode("ascii")
    return _polymod(bytes([*(code >> 5 for code in codes), 0, *(code & 31 for code in codes)]), 1)


def _polymod(values: bytes, remainder: int) -> int:
    """The remainder of more values as a polynomial over GF(32) by BIP-173's generator."""
    for value in values:
        remainder = (remainder & 0x1FFFFFF) << 5 ^ value ^ FOLDED[remainder >> 25]
    return remainder
