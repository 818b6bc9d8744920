"""The signatures in code and the trimmed ABIs say the same, and hostile texts come out harmless."""

from __future__ import annotations

import numpy as np
import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from defiliq.chain.node import Logs
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.discover import on_behalf_of
from tests.abis import AbiFolder

ABIS = AbiFolder("aave_v3")
USED = {
    "PoolAddressesProvider": abi.PROVIDER,
    "Pool": (*abi.POOL, *abi.POOL_EVENTS),
    "AaveOracle": abi.ORACLE,
    "ScaledBalanceToken": abi.SCALED_TOKEN,
    "StableDebtToken": abi.STABLE_TOKEN,
    "PriceOracleSentinel": abi.SENTINEL,
    "ERC20": abi.ERC20,
}


@pytest.mark.parametrize("contract", sorted(USED))
def test_code_calls_exactly_what_the_abi_holds(contract: str) -> None:
    assert sorted(ABIS.entries(contract)) == sorted(USED[contract])


def test_every_abi_file_is_used() -> None:
    assert ABIS.names() == set(USED)


def test_selectors_and_topic() -> None:
    assert abi.calldata(abi.GET_POOL).hex() == "026b1d5f"
    assert abi.keccak(abi.BORROW_EVENT).hex() == (
        "b3d084820fb1a9decffb176436bd02558d15fac9b0ddfed8c465bc7359d7dce0"
    )


def test_the_borrow_event_names_the_debtor_second() -> None:
    (event,) = (entry for entry in ABIS.entries("Pool").values() if entry["name"] == "Borrow")
    assert [part["name"] for part in event["inputs"] if part["indexed"]][1] == "onBehalfOf"
    topics = np.zeros((1, 4, 32), np.uint8)
    topics[0, 2, 12:] = range(20)
    logs = Logs(topics, np.array([1], dtype=np.int64), (b"",))
    assert on_behalf_of(logs).tolist() == [list(range(20))]


def test_rows_equal_single_calls() -> None:
    addresses = ["0x" + f"{k:02x}" * 20 for k in (1, 0xAB, 0xFF)]
    rows = abi.call_rows(abi.GET_USER_EMODE, abi.packed(addresses))
    assert [row.tobytes() for row in rows] == [abi.calldata(abi.GET_USER_EMODE, one) for one in addresses]
    ids = abi.id_rows(abi.GET_EMODE_CONFIG, [1, 255])
    assert [row.tobytes() for row in ids] == [abi.calldata(abi.GET_EMODE_CONFIG, k) for k in (1, 255)]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("USDC", "USDC"),
        ("USD₮0", "USD₮0"),
        ("PT-sUSDE-25SEP2025", "PT-sUSDE-25SEP2025"),
        ("\x1b[31mred\x1b[0m", "31mred 0m"),
        ("[bold]x[/bold]", "bold x /bold"),
        ("a\nb\r\tc", "a b c"),
        ("=cmd|' /C calc'!A0", "cmd /C calc !A0"),
        ("\u202eCDSU", "CDSU"),
        ("\0\0", "?"),
        ("", "?"),
        ("   ", "?"),
        ("x" * 500, "x" * 32),
    ],
)
def test_hostile_texts(said: str, shown: str) -> None:
    answer = encode(["string"], [said])
    assert abi.clean_text(abi.text_of(answer), "?") == shown


def test_bytes32_symbols() -> None:
    assert abi.clean_text(abi.text_of(b"MKR".ljust(32, b"\0")), "?") == "MKR"


def test_text_that_is_no_utf8() -> None:
    assert abi.clean_text(abi.text_of(encode(["bytes"], [b"A\xff\xfeB"])), "?") == "AB"


@given(st.binary(max_size=300))
def test_any_answer_gives_a_short_printable_name(answer: bytes) -> None:
    name = abi.clean_text(abi.text_of(answer), "?")
    assert name
    assert len(name) <= abi.MAX_SHOWN
    assert name.isprintable()
    assert not set(name) & abi.MARKUP


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_lengths_that_lie(start: int, length: int) -> None:
    answer = start.to_bytes(32, "big") + length.to_bytes(32, "big") + b"A" * 32
    text = abi.text_of(answer)
    assert text is None or len(text) <= 96


def test_addresses_with_dirty_high_bytes_are_none() -> None:
    assert abi.address_of(b"\x01" + b"\0" * 31) is None
    assert abi.address_of(b"\0" * 12 + b"\x11" * 20) == "0x" + "11" * 20
