"""JSON-RPC's hex, both ways and strictly: what is not exactly hex is an error, never a guess."""

from __future__ import annotations

import re

from defiliq.chain.transport import Json

QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
HEX_LIKE = re.compile(r"(0x[0-9a-fA-F]*)?")
SHOWN = 40


class Malformed(ValueError):
    """A node sent something that is not what JSON-RPC promises; whoever knows the node gives it a name."""


def quantity(value: Json, what: str) -> int:
    """A hex quantity as int; Malformed for anything else."""
    if not isinstance(value, str) or not QUANTITY.fullmatch(value):
        raise Malformed(f"{_shown(value)} as {what}")
    return int(value, 16)


def hex_bytes(value: Json, what: str) -> bytes:
    """Hex as bytes; Malformed for odd digits, spaces, or no 0x in front."""
    if isinstance(value, str) and value[:2] == "0x":
        try:
            decoded = bytes.fromhex(value[2:])
        except ValueError:
            decoded = None
        # fromhex skips spaces, so the length tells whether there were any.
        if decoded is not None and 2 * len(decoded) + 2 == len(value):
            return decoded
    raise Malformed(f"{_shown(value)} as {what}")


def _shown(value: Json) -> str:
    """A value for a message. Other text than hex is not repeated: an endpoint may answer with its own key."""
    if isinstance(value, str):
        start = value[:SHOWN]
        if HEX_LIKE.fullmatch(start) is None:
            return f"a text of {len(value)} letters"
        return repr(value) if start == value else f"{start!r}..."
    return repr(value) if isinstance(value, int | float | None) else f"a {type(value).__name__}"
