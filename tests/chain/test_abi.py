"""Single calls: encoding equals the ABI's, and no malformed answer gets through or raises a foreign error."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.chain.abi import decode, encode_call
from defiliq.errors import DecodeError

ADDRESS = "0x" + "ab" * 20


def test_known_selectors() -> None:
    assert encode_call("decimals()").hex() == "313ce567"
    assert encode_call("balanceOf(address)", ADDRESS).hex() == "70a08231" + "00" * 12 + "ab" * 20


def test_tuples_and_arrays_in_a_signature() -> None:
    signature = "f((address,uint256[])[],bool,(uint8,(bytes,bytes32)))"
    arguments = ([(ADDRESS, [1, 2])], True, (7, (b"xyz", bytes(32))))
    types = ["(address,uint256[])[]", "bool", "(uint8,(bytes,bytes32))"]
    assert encode_call(signature, *arguments) == keccak(text=signature)[:4] + encode(types, arguments)


@settings(deadline=None)
@given(st.integers(0, 2**256 - 1), st.text(max_size=80), st.booleans())
def test_what_was_encoded_is_decoded(number: int, text: str, flag: bool) -> None:
    types = ["uint256", "string", "bool"]
    assert decode(types, encode(types, (number, text, flag)), "x") == (number, text, flag)


@pytest.mark.parametrize(
    ("types", "data", "seen"),
    [
        (["uint256"], b"", "no contract there"),
        (["uint256"], bytes(31), "31 bytes"),
        (["uint256", "uint256"], bytes(32), "32 bytes"),
        (["uint256"], bytes(64), "not the length"),
        (["bool"], bytes(31) + b"\x02", "not"),
        (["address"], b"\x01" + bytes(31), "not"),
        (["uint8"], bytes(30) + b"\x01\x00", "not"),
        (["string"], encode(["string"], ["abc"])[:-32], "not"),
        (["string"], encode(["bytes"], [b"\xff\xfe"]), "not"),
        (["uint256[]"], (32).to_bytes(32, "big") + (2**255).to_bytes(32, "big"), "not"),
        (["bytes"], (2**200).to_bytes(32, "big"), "not"),
        (["uint256[]"], bytes(32), "that are not"),
    ],
)
def test_malformed_answers_are_refused_by_name(types: list[str], data: bytes, seen: str) -> None:
    with pytest.raises(DecodeError, match=seen) as caught:
        decode(types, data, "Pool.getReserveData")
    assert str(caught.value).startswith("cannot decode Pool.getReserveData")


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_foreign_error_escapes(data: bytes) -> None:
    types: list[Any] = ["(uint256,string)[]", "bytes", "address"]
    try:
        values = decode(types, data, "x")
    except DecodeError:
        return
    assert len(encode(types, values)) == len(data)
