"""A liquidator's contract, `solidity/LiquidationBot.sol`: what it would keep, and what it really kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab import compile as solidity
from tests.lab.cache import LabError
from tests.lab.chain import GAS, Chain, Overrides, Tx
from tests.lab.contract import Contract, topic
from tests.lab.market import ZERO, Market
from tests.lab.receipts import words_of

OPERATOR = str(to_checksum_address(keccak(text="defiliq lab bot's operator")[-20:]))
"""Who sends the bot's transactions and pays their gas."""
REALISED = topic("Liquidated(address,address,address,(uint256,uint256,uint256,uint256,int256))")


class Job(NamedTuple):
    """One liquidation as the contract takes it."""

    lender: str
    borrower: str
    collateral: str
    debt: str
    debt_to_cover: int
    exit: str
    """The Uniswap v3 pool of collateral and debt; the zero address leaves what is received unsold."""
    loan: int
    """How much of the debt asset is borrowed by flash loan; 0 takes the bot's own."""


@dataclass(frozen=True, slots=True)
class Realised:
    """What one job moved: base units of the debt asset, but for `received`."""

    repaid: int
    received: int
    """Of the collateral."""
    proceeds: int
    """Of selling it."""
    premium: int
    """For the flash loan."""
    kept: int
    """What the bot has more than before; below 0 what it has less."""
    gas_used: int = 0
    """Of the whole transaction; 0 for a call that was only tried."""
    gas_price_wei: int = 0
    """What a unit cost: base fee and priority fee."""
    hash: str = ""


class Bot:
    """The deployed contract on one Aave market. The debt asset's flash loans must be enabled there."""

    def __init__(self, chain: Chain, market: Market, contract: Contract) -> None:
        self.chain, self.market, self.contract = chain, market, contract

    @classmethod
    def deploy(cls, chain: Chain, market: Market) -> Bot:
        """A new contract, and an operator with coins for gas."""
        chain.rpc("anvil_setBalance", OPERATOR, hex(10**22))
        return cls(chain, market, chain.deploy(solidity.own()["LiquidationBot"]))

    def job(
        self, borrower: str, collateral: str, debt: str, debt_to_cover: int, pool: str, loan: int = 0
    ) -> Job:
        """A job in this market; tokens by symbol, `pool` '' to keep the collateral."""
        sold, owed = (self.market.tokens[symbol].address for symbol in (collateral, debt))
        return Job(self.market.pool.address, borrower, sold, owed, debt_to_cover, pool or ZERO, loan)

    def ask(
        self,
        job: Job,
        *,
        block: int | str = "latest",
        timestamp: int | None = None,
        overrides: Overrides | None = None,
    ) -> Realised:
        """What the job would realise on the state after a block, at its or another time: RpcError if none."""
        said = self.chain.call(
            self.contract, "run", job, block=block, timestamp=timestamp, overrides=overrides
        )
        repaid, received, proceeds, premium, kept = map(int, said)
        return Realised(repaid, received, proceeds, premium, kept)

    def transaction(self, job: Job) -> Tx:
        """The job as a transaction."""
        return Tx(OPERATOR, self.contract, "run", (job,))

    def liquidate(self, job: Job) -> Realised:
        """Do it for real, in a block of its own: LabError with the reason if it reverts."""
        request = {**self.chain.request(self.transaction(job)), "gas": hex(GAS)}
        (receipt,) = self.chain.mine_all([request])
        found = realised(receipt)
        if found is None:
            raise LabError(f"{job} reverted: {self.chain.reason(request)}")
        return found


def realised(receipt: Mapping[str, Any]) -> Realised | None:
    """What a mined job did; None where it reverted or is none."""
    for log in receipt["logs"]:
        if log["topics"][0] == REALISED:
            repaid, received, proceeds, premium, kept = words_of(log["data"])[2:]
            signed = kept - (1 << 256) if kept >> 255 else kept
            gas, price = int(receipt["gasUsed"], 16), int(receipt["effectiveGasPrice"], 16)
            return Realised(
                repaid, received, proceeds, premium, signed, gas, price, receipt["transactionHash"]
            )
    return None
