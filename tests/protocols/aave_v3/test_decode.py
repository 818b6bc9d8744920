"""Bitmaps, words and columns, decoded from made-up answers; the real ones are in test_read."""

from __future__ import annotations

import numpy as np
import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from defiliq.chain.multicall import Words
from defiliq.chain.text import unique_symbols
from defiliq.errors import CallReverted, DecodeError, NotAMarket
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.columns import Flags
from defiliq.protocols.aave_v3.decode import (
    Configuration,
    Priced,
    decode_category,
    decode_price,
    share_feeds,
)
from defiliq.protocols.aave_v3.fetch import decode_assets

bps = st.integers(0, 0xFFFF)
A, B, C = ("0x" + f"{k:02x}" * 20 for k in (0x11, 0x22, 0x33))


def words(*values: int, ok: bool = True) -> Words:
    raw = b"".join(value.to_bytes(32, "big") for value in values)
    return Words(np.full(len(values), ok), np.frombuffer(raw, np.uint8).reshape(len(values), 1, 32))


@given(bps, bps, bps, st.integers(0, 255), st.lists(st.booleans(), min_size=4, max_size=4), bps, bps)
def test_the_configuration_bitmap(
    ltv: int, threshold: int, bonus: int, decimals: int, flags: list[bool], fee: int, noise: int
) -> None:
    active, frozen, borrowing, paused = flags
    data = ltv | threshold << 16 | bonus << 32 | decimals << 48
    data |= active << 56 | frozen << 57 | borrowing << 58 | paused << 60 | fee << 152
    data |= (noise & 0xFF) << 168
    # Bits that say nothing here: stable borrowing, isolation, siloed, flash loans, factors and caps.
    data |= noise << 64 | noise << 80 | noise << 116 | (noise & 1) << 59 | (noise & 7) << 61
    seen = Configuration.of(data)
    assert (seen.ltv_bps, seen.liquidation_threshold_bps, seen.liquidation_bonus_bps) == (
        ltv,
        threshold,
        bonus,
    )
    assert (seen.decimals, seen.liquidation_protocol_fee_bps) == (decimals, fee)
    assert [seen.is_active, seen.is_frozen, seen.borrowing_enabled, seen.is_paused] == flags
    assert seen.emode_category == noise & 0xFF


@given(
    st.lists(st.integers(0, 2**256 - 1), min_size=1, max_size=20), st.lists(st.integers(0, 127), min_size=1)
)
def test_the_user_bitmap(bitmaps: list[int], ids: list[int]) -> None:
    """UserConfiguration.isBorrowing and isUsingAsCollateral, bit by bit."""
    raw = words(*bitmaps).words[:, 0]
    owners = np.zeros((len(bitmaps), 20), np.uint8)
    bits, modes = np.unpackbits(raw, axis=1)[:, ::-1], np.zeros(len(bitmaps), np.uint8)
    flags = Flags(owners=owners, bits=bits, modes=modes)
    wanted: NDArray[np.intp] = np.array(ids, dtype=np.intp)
    assert flags.borrows(wanted).tolist() == [[bool(b >> (2 * k) & 1) for k in ids] for b in bitmaps]
    assert flags.collateralises(wanted).tolist() == [
        [bool(b >> (2 * k + 1) & 1) for k in ids] for b in bitmaps
    ]
    for k in set(ids):
        assert flags.touches(k).tolist() == [bool(b >> (2 * k) & 3) for b in bitmaps]


def test_prices() -> None:
    assert decode_price(words(5), words(int(A, 16)), 0, "X") == Priced("X", A, 5)
    assert "answers 0" in str(decode_price(words(0), words(0), 0, "X"))
    assert "reverts" in str(decode_price(words(5, ok=False), words(0), 0, "X"))
    assert "above" in str(decode_price(words(2**128), words(0), 0, "X"))
    with pytest.raises(DecodeError):
        decode_price(words(5), words(1 << 200), 0, "X")


def test_feeds_are_shared_by_source_and_price() -> None:
    priced = [
        Priced("USDC", A, 100),
        Priced("WETH", B, 2000),
        Priced("USDC.e", A, 100),
        Priced("GHO", abi.NOWHERE, 100),
        Priced("AMPL", abi.NOWHERE, 100),
        Priced("odd", A, 101),
    ]
    feeds, prices, feed_of = share_feeds(priced)
    assert [feed.name for feed in feeds] == ["USDC+USDC.e", "WETH", "GHO", "AMPL", "odd"]
    assert prices == (100, 2000, 100, 100, 101)
    assert feed_of == (0, 1, 0, 2, 3, 4)


def test_symbols_become_unique() -> None:
    usdc, weth = encode(["string"], ["USDC"]), encode(["string"], ["WETH"])
    refused = CallReverted(C, b"")
    assert unique_symbols([usdc, weth, refused], [A, B, C]) == ("USDC", "WETH", f"{C[:6]}..{C[-4:]}")
    assert unique_symbols([usdc, usdc, weth], [A, B, C]) == ("USDC.11111111", "USDC.22222222", "WETH")


@given(st.lists(st.sampled_from(["USDC", "USDC.11111111", "", "X"]), min_size=1, max_size=6))
def test_symbols_are_unique_whatever_they_say(said: list[str]) -> None:
    assets = ["0x11111111" + f"{k:032x}" for k in range(len(said))]
    names = unique_symbols([encode(["string"], [one]) for one in said], assets)
    assert len(set(names)) == len(names)


def test_a_category_of_v30() -> None:
    answer = encode(["(uint16,uint16,uint16,address,string)"], [(9000, 9300, 10100, A, "ETH [x]")])
    emode, source = decode_category(answer, 3, 0b101)
    assert (emode.id, emode.ltv_bps, emode.liquidation_threshold_bps, emode.liquidation_bonus_bps) == (
        3,
        9000,
        9300,
        10100,
    )
    assert (emode.label, emode.collateral_bitmap, source) == ("ETH x", 0b101, A)
    for broken in (b"", answer[:100], CallReverted(A, b""), (1 << 255).to_bytes(32, "big") + answer[32:]):
        with pytest.raises(DecodeError):
            decode_category(broken, 3, 0)


def test_a_category_whose_label_lies_about_its_length() -> None:
    answer = bytearray(encode(["(uint16,uint16,uint16,address,string)"], [(1, 2, 3, A, "ETH")]))
    answer[160:192] = (2**255).to_bytes(32, "big")
    assert decode_category(bytes(answer), 7, 0)[0].label == "eMode 7"


def test_the_list_of_reserves() -> None:
    assert decode_assets(encode(["address[]"], [[A, B]]), C) == (A, B)
    with pytest.raises(NotAMarket):
        decode_assets(b"", C)
    with pytest.raises(NotAMarket):
        decode_assets(CallReverted(C, b""), C)
    for broken in (
        encode(["address[]"], [[]]),
        encode(["address[]"], [[A, A]]),
        encode(["uint256[]"], [[1 << 200]]),
        encode(["address[]"], [[A, B]])[:-32],
        encode(["address[]"], [[f"0x{k:040x}" for k in range(1, 130)]]),
        (32).to_bytes(32, "big") + (2**255).to_bytes(32, "big"),
    ):
        with pytest.raises(DecodeError):
            decode_assets(broken, C)
