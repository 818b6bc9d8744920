"""Signed integers as dYdX v4 sends them: `dtypes.SerializableInt` marshals by Go's `big.Int.GobEncode`."""

from __future__ import annotations

from typing import Final

from defiliq.errors import DecodeError

POSITIVE: Final = 0x02
NEGATIVE: Final = 0x03
LONGEST_MAGNITUDE: Final = 64
"""Far beyond what balances, prices and funding can come to; a longer one is no amount."""


def decode_gob_int(raw: bytes) -> int:
    """The integer of its bytes; no bytes at all are zero.

    As `big.Int.GobDecode`: a byte of version and sign, then the magnitude, big endian. Go takes leading zeros
    and a negative zero too, though `GobEncode` writes neither.
    """
    if not raw:
        return 0
    sign = raw[0]
    if sign not in (POSITIVE, NEGATIVE):
        raise DecodeError("an integer of the chain", f"its first byte is 0x{sign:02x}, not 0x02 or 0x03")
    if len(raw) - 1 > LONGEST_MAGNITUDE:
        raise DecodeError("an integer of the chain", f"it has {len(raw) - 1} bytes")
    magnitude = int.from_bytes(raw[1:], "big")
    return magnitude if sign == POSITIVE else -magnitude
