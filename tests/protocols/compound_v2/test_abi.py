"""The signatures in code and the trimmed ABIs say the same."""

from __future__ import annotations

import numpy as np
import pytest

from defiliq.chain.node import Logs
from defiliq.errors import DecodeError
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.discover import borrower
from tests.abis import AbiFolder

ABIS = AbiFolder("compound_v2")
USED = {
    "Comptroller": abi.COMPTROLLER,
    "VenusComptroller": abi.VENUS,
    "VAIController": abi.VENUS_DEBTS,
    "CToken": abi.CTOKEN,
    "TimedCToken": abi.TIMED_CTOKEN,
    "ERC20": abi.ERC20,
    "PriceOracle": abi.PRICE_ORACLE,
    "ChainlinkOracle": abi.CHAINLINK_ORACLE,
}


@pytest.mark.parametrize("contract", sorted(USED))
def test_code_calls_exactly_what_the_abi_holds(contract: str) -> None:
    assert sorted(ABIS.entries(contract)) == sorted(USED[contract])


def test_every_abi_file_is_used() -> None:
    assert ABIS.names() == set(USED)


def test_selectors_and_topic() -> None:
    assert abi.calldata(abi.GET_ALL_MARKETS).hex() == "b0772d0b"
    assert abi.calldata(abi.GET_ACCOUNT_LIQUIDITY)[:4].hex() == "5ec88c79"
    assert abi.keccak(abi.BORROW_EVENT).hex() == (
        "13ed6866d4e1ee6da46f845c46d7e54120883d75c5ea9a2dacc1c4ca8984ab80"
    )


def logs(*data: bytes) -> Logs:
    return Logs(np.zeros((len(data), 4, 32), np.uint8), np.arange(len(data), dtype=np.int64), data)


def test_the_borrow_event_names_the_borrower_first_and_indexes_nothing() -> None:
    (event,) = (entry for entry in ABIS.entries("CToken").values() if entry["name"] == "Borrow")
    assert event["inputs"][0]["name"] == "borrower"
    assert not any(part["indexed"] for part in event["inputs"])
    owner = bytes(range(1, 21))
    found = borrower(logs(bytes(12) + owner + bytes(96), bytes(12) + owner[::-1] + b"\xff" * 96))
    assert found.tolist() == [list(owner), list(owner[::-1])]
    assert borrower(logs()).shape == (0, 20)


@pytest.mark.parametrize(
    "data", [b"", bytes(96), bytes(129), b"\1" + bytes(127), bytes(11) + b"\1" + bytes(116)]
)
def test_a_malformed_event_is_an_error(data: bytes) -> None:
    with pytest.raises(DecodeError, match="Borrow"):
        borrower(logs(bytes(12) + bytes(range(20)) + bytes(96), data))
