"""The same state read the usual way: web3.py contract objects, one call at a time or through Multicall3."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from web3 import Web3
from web3.contract import Contract

from defiliq.chain.multicall import MULTICALL3
from defiliq.protocols.aave_v3.market import AaveReserve

ABIS = Path(__file__).resolve().parents[2] / "abis" / "aave_v3"
BATCH = 500
AGGREGATE3 = {
    "type": "function",
    "name": "aggregate3",
    "stateMutability": "payable",
    "inputs": [
        {
            "name": "calls",
            "type": "tuple[]",
            "components": [
                {"name": "target", "type": "address"},
                {"name": "allowFailure", "type": "bool"},
                {"name": "callData", "type": "bytes"},
            ],
        }
    ],
    "outputs": [
        {
            "name": "returnData",
            "type": "tuple[]",
            "components": [{"name": "success", "type": "bool"}, {"name": "returnData", "type": "bytes"}],
        }
    ],
}

Legs: TypeAlias = dict[int, tuple[int, int]]
"""Position of a reserve to scaled balances: collateral where it is flagged, debt where it is flagged."""


@dataclass(frozen=True, slots=True)
class State:
    """One account as the contracts hold it, balances of zero left out."""

    mode: int
    legs: Legs


@dataclass(frozen=True, slots=True)
class Wanted:
    """One balance that a flag points at."""

    owner: int
    reserve: int
    is_debt: bool


class Web3Reader:
    """Contract objects made once, as a careful user of web3.py would."""

    def __init__(self, url: str, pool: str, reserves: Sequence[AaveReserve], block: int) -> None:
        self._w3 = Web3(Web3.HTTPProvider(url))
        self._block = block
        self._reserves = reserves
        self._pool = self._contract(pool, _abi("Pool"))
        token = _abi("ScaledBalanceToken")
        self._supplies = [self._contract(reserve.a_token, token) for reserve in reserves]
        self._debts = [self._contract(reserve.variable_debt_token, token) for reserve in reserves]
        self._multicall = self._contract(MULTICALL3, [AGGREGATE3])
        self._w3.eth.get_block_number()  # the connection is made outside of any clock

    def one_by_one(self, owners: Sequence[str]) -> list[State]:
        """One request after the other."""
        return [self._state(owner) for owner in owners]

    def by_multicall(self, owners: Sequence[str]) -> list[State]:
        """Flags and modes of everyone, then the balances that flags point at, so many calls per request."""
        pool = self._pool
        flags = [(pool, pool.encode_abi("getUserConfiguration", args=[owner])) for owner in owners]
        modes = [(pool, pool.encode_abi("getUserEMode", args=[owner])) for owner in owners]
        answers = self._aggregate([*flags, *modes])
        wanted = [Wanted(row, *leg) for row in range(len(owners)) for leg in self._flagged(answers[row])]
        tokens = [self._token(leg.reserve, is_debt=leg.is_debt) for leg in wanted]
        calls = [
            (token, token.encode_abi("scaledBalanceOf", args=[owners[leg.owner]]))
            for token, leg in zip(tokens, wanted, strict=True)
        ]
        legs: list[Legs] = [{} for _ in owners]
        for leg, balance in zip(wanted, self._aggregate(calls), strict=True):
            _add(legs[leg.owner], leg.reserve, balance, is_debt=leg.is_debt)
        return [State(mode, found) for mode, found in zip(answers[len(owners) :], legs, strict=True)]

    def _state(self, owner: str) -> State:
        block = self._block
        (flags,) = self._pool.functions.getUserConfiguration(owner).call(block_identifier=block)
        mode = self._pool.functions.getUserEMode(owner).call(block_identifier=block)
        legs: Legs = {}
        for reserve, is_debt in self._flagged(flags):
            token = self._token(reserve, is_debt=is_debt)
            balance = token.functions.scaledBalanceOf(owner).call(block_identifier=block)
            _add(legs, reserve, balance, is_debt=is_debt)
        return State(mode, legs)

    def _aggregate(self, calls: Sequence[tuple[Contract, Any]]) -> list[int]:
        found = []
        for start in range(0, len(calls), BATCH):
            batch = [(to.address, False, data) for to, data in calls[start : start + BATCH]]
            answers = self._multicall.functions.aggregate3(batch).call(block_identifier=self._block)
            found += [self._w3.codec.decode(["uint256"], data)[0] for _, data in answers]
        return found

    def _flagged(self, flags: int) -> list[tuple[int, bool]]:
        """(position of the reserve, whether its debt is meant) of every flag."""
        return [
            (position, is_debt)
            for position, reserve in enumerate(self._reserves)
            for is_debt, bit in ((False, 2 * reserve.id + 1), (True, 2 * reserve.id))
            if flags >> bit & 1
        ]

    def _token(self, reserve: int, *, is_debt: bool) -> Contract:
        return self._debts[reserve] if is_debt else self._supplies[reserve]

    def _contract(self, address: str, abi: list[Any]) -> Contract:
        return self._w3.eth.contract(address=self._w3.to_checksum_address(address), abi=abi)


def _abi(name: str) -> list[Any]:
    found: list[Any] = json.loads((ABIS / f"{name}.json").read_text())
    return found


def _add(legs: Legs, reserve: int, balance: int, *, is_debt: bool) -> None:
    if balance:
        supplied, owed = legs.get(reserve, (0, 0))
        legs[reserve] = (supplied, balance) if is_debt else (balance, owed)
