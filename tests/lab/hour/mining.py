"""Blocks whose transactions keep their order, whoever sends them, and fail where they fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.lab.cache import LabError
from tests.lab.chain import Chain, Tx

GWEI = 10**9
PRIORITY_WEI = GWEI // 10
MOST_WEI = 500 * GWEI


class Planned(NamedTuple):
    """A transaction to be, and what it is for people."""

    tx: Tx
    what: str
    accounts: tuple[str, ...] = ()


class Mined(NamedTuple):
    """A block as the node has it, and its receipts in order."""

    number: int
    hash: str
    timestamp: int
    receipts: list[dict[str, Any]]


def mine(chain: Chain, planned: Sequence[Planned], at: int, base_fee_wei: int) -> Mined:
    """One block of exactly these transactions in this order, at this second and base fee."""
    fees = {"maxFeePerGas": hex(MOST_WEI), "maxPriorityFeePerGas": hex(PRIORITY_WEI)}
    chain.rpc("evm_setAutomine", False)
    try:
        hashes = [chain.rpc("eth_sendTransaction", {**chain.request(each.tx), **fees}) for each in planned]
        chain.rpc("evm_setNextBlockTimestamp", at)
        chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee_wei))
        chain.rpc("evm_mine")
    finally:
        chain.rpc("evm_setAutomine", True)
    block = chain.rpc("eth_getBlockByNumber", "latest", False)
    if block["transactions"] != hashes or int(block["timestamp"], 16) != at:
        raise LabError(f"a block at {at} was not mined as it was planned")
    receipts = chain.rpc.batch([("eth_getTransactionReceipt", (each,)) for each in hashes])
    return Mined(int(block["number"], 16), block["hash"], at, receipts)
