"""Small encoding and decoding for single calls; bulk reads have their own way in `multicall`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from defiliq.errors import DecodeError


def encode_call(signature: str, *arguments: object) -> bytes:
    """Calldata of a function given as `name(type,type)`."""
    from eth_abi.abi import encode  # here: eth_abi is slow to import and bulk reads need none of it
    from eth_utils.crypto import keccak

    inside = signature[signature.index("(") + 1 : -1]
    return keccak(text=signature)[:4] + encode(_split(inside), arguments)


def decode(types: Sequence[str], data: bytes, what: str) -> tuple[Any, ...]:
    """The values in an answer, exactly: DecodeError when it is empty, short, malformed or too long."""
    from eth_abi.abi import decode as abi_decode
    from eth_abi.abi import encode
    from eth_abi.exceptions import DecodingError

    if not data:
        raise DecodeError(what, "an empty answer: no contract there?")
    try:
        values = tuple(abi_decode(list(types), data))
        is_exact = len(encode(list(types), values)) == len(data)
    except (DecodingError, UnicodeError, OverflowError, ValueError) as error:
        raise DecodeError(
            what, f"{len(data)} bytes that are not ({','.join(types)}): {type(error).__name__}"
        ) from None
    if not is_exact:
        raise DecodeError(what, f"{len(data)} bytes, not the length of ({','.join(types)})")
    return values


def _split(inside: str) -> list[str]:
    """The types between the outer brackets, split at commas outside of tuples."""
    types, depth, start = [], 0, 0
    for i, letter in enumerate(inside):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            types.append(inside[start:i])
            start = i + 1
    return [*types, inside[start:]] if inside else []
