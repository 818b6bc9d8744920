"""Integers as Go's big.Int writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.chain.gob import LONGEST_MAGNITUDE, decode_gob_int
from defiliq.errors import DecodeError
from tests.dydx.wire import encode_gob_int


@pytest.mark.parametrize(
    ("value", "raw"),
    [(0, "02"), (1, "0201"), (-1, "0301"), (256, "020100"), (-(1 << 64), "03010000000000000000")],
)
def test_what_the_chain_writes(value: int, raw: str) -> None:
    assert encode_gob_int(value).hex() == raw
    assert decode_gob_int(bytes.fromhex(raw)) == value


@given(st.integers(-(1 << 512) + 1, (1 << 512) - 1))
def test_there_and_back(value: int) -> None:
    assert decode_gob_int(encode_gob_int(value)) == value


@pytest.mark.parametrize(("raw", "value"), [("", 0), ("03", 0), ("020005", 5), ("03000000", 0)])
def test_what_go_reads_though_it_never_writes_it(raw: str, value: int) -> None:
    assert decode_gob_int(bytes.fromhex(raw)) == value


@pytest.mark.parametrize("first", [0x00, 0x01, 0x04, 0x05, 0x30, 0xFF])
def test_another_version_is_refused(first: int) -> None:
    with pytest.raises(DecodeError, match=f"0x{first:02x}"):
        decode_gob_int(bytes((first, 1)))


def test_an_absurd_length_is_refused() -> None:
    assert decode_gob_int(b"\x02" + bytes(LONGEST_MAGNITUDE)) == 0
    with pytest.raises(DecodeError, match="65 bytes"):
        decode_gob_int(b"\x02" + bytes(LONGEST_MAGNITUDE + 1))
