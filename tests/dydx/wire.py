"""What a chain writes and defiliq only reads: integers and addresses, encoded without its code."""

from __future__ import annotations

LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def encode_gob_int(value: int) -> bytes:
    """The bytes of an integer, as Go's `big.Int.GobEncode` writes them: no leading zeros, 0x02 for zero."""
    size = abs(value)
    return bytes((3 if value < 0 else 2,)) + size.to_bytes((size.bit_length() + 7) // 8, "big")


def encode_address(prefix: str, raw: bytes) -> str:
    """The text of an account's bytes, in small letters (BIP-173)."""
    bits = "".join(f"{byte:08b}" for byte in raw)
    bits += "0" * (-len(bits) % 5)
    values = [int(bits[k : k + 5], 2) for k in range(0, len(bits), 5)]
    codes = prefix.encode("ascii")
    check = (
        _polymod([*(code >> 5 for code in codes), 0, *(code & 31 for code in codes), *values, *[0] * 6]) ^ 1
    )
    values += [check >> 5 * (5 - k) & 31 for k in range(6)]
    return f"{prefix}1{''.join(LETTERS[value] for value in values)}"


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(GENERATORS):
            check ^= generator if top >> bit & 1 else 0
    return check
