"""Addresses, by the vectors of BIP-173."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.chain.bech32 import NotBech32, decode_address, decode_bech32
from defiliq.errors import InputError
from tests.dydx.wire import encode_address

VALID = (
    "A12UEL5L",
    "a12uel5l",
    "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
    "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
    f"11{'q' * 82}c8247j",
    "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
    "?1ezyfcl",
)
INVALID = (
    ("\x201nwldj5", "character"),
    ("\x7f1axkwrx", "character"),
    ("\x801eym55h", "character"),
    (
        "an84characterslonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1569pvx",
        "91 letters",
    ),
    ("pzry9x0s0muk", "no prefix"),
    ("1pzry9x0s0muk", "no prefix"),
    ("x1b4n0q5v", "none of bech32's"),
    ("li1dgmt3", "too short"),
    ("de1lg7wt\xff", "character"),
    ("A1G7SGD8", "checksum"),
    ("10a06t8", "no prefix"),
    ("1qzzfhee", "no prefix"),
    ("a12UEL5L", "mixes"),
    ("", "no prefix"),
)


@pytest.mark.parametrize("text", VALID)
def test_valid_texts(text: str) -> None:
    prefix, values = decode_bech32(text)
    assert text.lower().startswith(prefix)
    assert len(values) == len(text) - len(prefix) - 7


@pytest.mark.parametrize(("text", "why"), INVALID)
def test_invalid_texts(text: str, why: str) -> None:
    with pytest.raises(NotBech32, match=why) as caught:
        decode_bech32(text)
    assert isinstance(caught.value, InputError)
    assert len(str(caught.value).splitlines()) == 1


def test_the_values_of_the_whole_alphabet() -> None:
    assert decode_bech32("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw") == ("abcdef", bytes(range(32)))


def test_a_known_account_of_the_chain() -> None:
    # Alice of v4-chain's own tests (testutil/constants).
    alice = "dydx199tqg4wdlnu4qjlxchpd7seg454937hjrknju4"
    raw = decode_address(alice, "dydx")
    assert len(raw) == 20
    assert encode_address("dydx", raw) == alice


@given(st.binary(min_size=1, max_size=40))
def test_there_and_back(raw: bytes) -> None:
    text = encode_address("dydx", raw)
    assert decode_address(text, "dydx") == raw
    assert decode_address(text.upper(), "dydx") == raw


@given(st.binary(min_size=20, max_size=20), st.data())
def test_one_wrong_letter_never_passes(raw: bytes, data: st.DataObject) -> None:
    text = encode_address("dydx", raw)
    place = data.draw(st.integers(5, len(text) - 1))
    letter = data.draw(st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l").filter(lambda c: c != text[place]))
    with pytest.raises(NotBech32, match="checksum"):
        decode_address(text[:place] + letter + text[place + 1 :], "dydx")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (encode_address("cosmos", bytes(20)), "begins with 'cosmos', not with 'dydx'"),
        (encode_address("dydx", b""), "no bytes"),
    ],
)
def test_addresses_that_are_none_of_this_chain(text: str, why: str) -> None:
    with pytest.raises(NotBech32, match=why):
        decode_address(text, "dydx")


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        # BIP-173's non-zero padding, and twenty zero bytes with a letter too many; both checksums are right.
        ("tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3pjxtptv", "tb"),
        ("dydx1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqz7ksnz", "dydx"),
    ],
)
def test_letters_that_leave_bits_over(text: str, prefix: str) -> None:
    with pytest.raises(NotBech32, match="bits over"):
        decode_address(text, prefix)
