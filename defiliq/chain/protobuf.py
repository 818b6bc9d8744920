"""As much of protobuf's wire format as paging needs: messages are handed on as bytes, whatever they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
LONGEST_VARINT: Final = 10


class Unreadable(Exception):
    """Bytes that are no protobuf message; says why."""


class Field(NamedTuple):
    """One field of a message, as it stands on the wire."""

    number: int
    value: int
    """What a varint says; 0 for other kinds."""
    start: int
    end: int
    """Where the payload of a length-delimited field lies; both 0 for other kinds."""


def fields(raw: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields between two positions, in order; Unreadable where the bytes are no message."""
    position, end = start, len(raw) if end is None else end
    while position < end:
        tag, position = _varint(raw, position, end)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise Unreadable("a field without a number")
        if kind == BYTES:
            length, position = _varint(raw, position, end)
            if length > end - position:
                raise Unreadable(f"field {number} is cut short")
            yield Field(number, 0, position, position + length)
            position += length
        elif kind == VARINT:
            value, position = _varint(raw, position, end)
            yield Field(number, value, 0, 0)
        elif kind in (FIXED64, FIXED32):
            position += 8 if kind == FIXED64 else 4
            if position > end:
                raise Unreadable(f"field {number} is cut short")
            yield Field(number, 0, 0, 0)
        else:
            raise Unreadable(f"field {number} is of the unknown kind {kind}")


def varint(value: int) -> bytes:
    """A number of at least zero on the wire."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def varint_field(number: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, payload: bytes) -> bytes:
    """A field that holds bytes, a text or a message."""
    return varint(number << 3 | BYTES) + varint(len(payload)) + payload


def _varint(raw: bytes, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * LONGEST_VARINT, 7):
        if position >= end:
            raise Unreadable("a number is cut short")
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise Unreadable("a number of more than ten bytes")
