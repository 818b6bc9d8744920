"""What a real liquidation call did, read from its receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab.contract import topic
from tests.lab.market import TREASURY, Market

LIQUIDATOR = to_checksum_address(keccak(text="defiliq lab liquidator")[-20:])
LIQUIDATION_CALL = topic("LiquidationCall(address,address,address,uint256,uint256,address,bool)")
DEFICIT_CREATED = topic("DeficitCreated(address,address,uint256)")
TRANSFER = topic("Transfer(address,address,uint256)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer of the contracts to one liquidationCall."""

    success: bool
    error: str
    """What it reverted with: a text, or a custom error's selector; empty on success."""
    timestamp: int
    """Of the block that held the transaction."""
    repaid: int = 0
    seized: int = 0
    """Collateral for the liquidator, as the event says it."""
    protocol_fee: int = 0
    """Collateral for the treasury, as the aToken's transfer says it."""
    received: int = 0
    """What really reached the liquidator: of the underlying, or of the aToken if asked so."""
    deficits: Mapping[str, int] | None = None
    """Bad debt burnt, by symbol; None on failure, empty in versions that burn none."""
    account_after: tuple[int, ...] = ()
    """The account's data right after."""


def outcome(
    market: Market, receipt: Mapping[str, Any], timestamp: int, error: str, collateral: str
) -> Outcome:
    """Read a receipt."""
    if int(receipt["status"], 16) != 1:
        return Outcome(False, error, timestamp)
    logs = receipt["logs"]
    called = next(log for log in logs if log["topics"][0] == LIQUIDATION_CALL)
    repaid, seized = _words(called["data"])[:2]
    borrower = _address(called["topics"][3])
    takes_a_token = bool(_words(called["data"])[3])
    a_token, token = market.a_tokens[collateral].address, market.tokens[collateral].address
    symbols: dict[str, str] = {contract.address: symbol for symbol, contract in market.tokens.items()}
    return Outcome(
        True,
        "",
        timestamp,
        repaid,
        seized,
        _moved(logs, a_token, borrower, TREASURY),
        _moved(logs, a_token, borrower, LIQUIDATOR)
        if takes_a_token
        else _moved(logs, token, a_token, LIQUIDATOR),
        {
            symbols[_address(log["topics"][2])]: _words(log["data"])[0]
            for log in logs
            if log["topics"][0] == DEFICIT_CREATED
        },
    )


def _moved(logs: list[Mapping[str, Any]], token: str, sender: str, recipient: str) -> int:
    """How much of a token one transfer event moved; 0 where there is none."""
    for log in logs:
        if log["topics"][0] == TRANSFER and to_checksum_address(log["address"]) == token:
            ends = [_address(word) for word in log["topics"][1:3]]
            if ends == [sender, to_checksum_address(recipient)]:
                return _words(log["data"])[0]
    return 0


def _words(data: str) -> list[int]:
    return [int(data[start : start + 64], 16) for start in range(2, len(data), 64)]


def _address(word: str) -> str:
    return str(to_checksum_address("0x" + word[-40:]))
