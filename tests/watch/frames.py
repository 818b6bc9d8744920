"""The server's side of a websocket (RFC 6455), no more than JSON-RPC needs."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import BinaryIO, Final, NamedTuple

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
FINAL: Final = 0x80
MASKED: Final = 0x80
GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Frame(NamedTuple):
    """One whole message, or one control frame."""

    opcode: int
    payload: bytes


def accept_key(key: str) -> str:
    """What a server answers to Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()).decode()


def read_message(stream: BinaryIO) -> Frame | None:
    """The client's next message, put together from its fragments, or control frame; None at the end."""
    whole, opcode = b"", 0
    while True:
        head = stream.read(2)
        if len(head) < 2:
            return None
        size = head[1] & 0x7F
        if size > 125:
            form = ">H" if size == 126 else ">Q"
            size = struct.unpack(form, stream.read(struct.calcsize(form)))[0]
        mask = stream.read(4) if head[1] & MASKED else bytes(4)
        payload = stream.read(size)
        if len(mask) < 4 or len(payload) < size:
            return None
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        kind = head[0] & 0x0F
        if kind >= CLOSE:
            return Frame(kind, payload)
        whole, opcode = whole + payload, kind or opcode
        if head[0] & FINAL:
            return Frame(opcode, whole)


def frame(opcode: int, payload: bytes) -> bytes:
    """One unmasked frame, as servers send them."""
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 2**16:
        length = b"\x7e" + struct.pack(">H", size)
    else:
        length = b"\x7f" + struct.pack(">Q", size)
    return bytes([FINAL | opcode]) + length + payload
