"""What a real absorb and a real buyCollateral did, read from their receipts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab.compound_v3.comet import Comet
from tests.lab.contract import Contract, topic
from tests.lab.receipts import words_of

ABSORB_DEBT = topic("AbsorbDebt(address,address,uint256,uint256)")
ABSORB_COLLATERAL = topic("AbsorbCollateral(address,address,address,uint256,uint256)")
BUY_COLLATERAL = topic("BuyCollateral(address,address,uint256,uint256)")


@dataclass(frozen=True, slots=True)
class Absorption:
    """The answer of a Comet to absorb with one account."""

    success: bool
    error: str
    """The custom error's name, "NotLiquidatable"; empty on success."""
    timestamp: int
    """Of the block that held the transaction."""
    base_paid_out: int
    """AbsorbDebt: base that the Comet's reserves gave for the collateral."""
    base_value: int
    """AbsorbDebt: its value, in 8 decimals."""
    collateral: Mapping[str, tuple[int, int]]
    """AbsorbCollateral: amount and value, by symbol."""
    principal_after: int
    balance_after: int
    """A supply of base that is left to the account."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """The answer of a Comet to buyCollateral."""

    success: bool
    error: str
    base_amount: int = 0
    """BuyCollateral: what the buyer was to pay …"""
    collateral_amount: int = 0
    """… and to get."""
    paid: int = 0
    """What really left the buyer, …"""
    received: int = 0
    """… and what really reached it."""


def absorption(
    comet: Comet, receipt: Mapping[str, Any], error: str, at: int, principal: int, balance: int
) -> Absorption:
    """Read the receipt of an absorb."""
    symbols = {token.address: symbol for symbol, token in comet.tokens.items()}
    paid, value, seized = 0, 0, {}
    for log in receipt["logs"]:
        if log["topics"][0] == ABSORB_DEBT:
            paid, value = words_of(log["data"])
        elif log["topics"][0] == ABSORB_COLLATERAL:
            amount, worth = words_of(log["data"])
            seized[symbols[to_checksum_address("0x" + log["topics"][3][-40:])]] = (amount, worth)
    success = int(receipt["status"], 16) == 1
    return Absorption(success, error, at, paid, value, seized, principal, balance)


def purchase(
    receipt: Mapping[str, Any], error: str, before: tuple[int, int], after: tuple[int, int]
) -> Purchase:
    """Read the receipt of a buyCollateral; `before` and `after` are the buyer's base and collateral."""
    if int(receipt["status"], 16) != 1:
        return Purchase(False, error)
    log = next(log for log in receipt["logs"] if log["topics"][0] == BUY_COLLATERAL)
    base, collateral = words_of(log["data"])
    return Purchase(True, "", base, collateral, before[0] - after[0], after[1] - before[1])


def error_name(contract: Contract, reason: str) -> str:
    """The name of a custom error by its selector; the reason itself where it is none."""
    for item in contract.abi:
        if item["type"] == "error":
            types = ",".join(entry["type"] for entry in item["inputs"])
            if "0x" + keccak(text=f"{item['name']}({types})")[:4].hex() == reason:
                return str(item["name"])
    return reason
