"""Which logs change what is read of an account."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from defiliq.book import Book
from defiliq.chain.node import LogFilter, Node
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.protocols.touching import Names, Touching, addresses_in, topics_of
from defiliq.types import Block

EVENTS: Final[Mapping[str, Names]] = {
    abi.TRANSFER_EVENT: Names(topics=(1, 2)),
    abi.BORROW_EVENT: Names(words=(0,), data_words=4),
    abi.REPAY_EVENT: Names(words=(1,), data_words=5),
    abi.LIQUIDATE_EVENT: Names(words=(1,), data_words=5),
    abi.MARKET_ENTERED_EVENT: Names(words=(1,), data_words=2),
    abi.MARKET_EXITED_EVENT: Names(words=(1,), data_words=2),
    abi.MINT_VAI_EVENT: Names(words=(0,), data_words=2),
    abi.REPAY_VAI_EVENT: Names(words=(1,), data_words=3),
}
"""Events of cTokens, the Comptroller and Venus' VAIController, and where each names the account."""


def touching(market: CompoundMarket) -> Touching:
    """The logs after which an account may be another: what it entered, its cTokens, its borrow snapshots.

    Complete, because each of these is written in few places, all of which emit:

    - accountTokens: mintFresh, redeemFresh, transferTokens and seizeInternal of CToken, each with Transfer
      from whoever loses to whoever gains; the cToken itself stands for nobody.
    - accountBorrows: borrowFresh with Borrow and repayBorrowFresh, which liquidations pass through, with
      RepayBorrow. LiquidateBorrow says no more.
    - accountMembership and accountAssets: addToMarketInternal, which a first borrow calls too, with
      MarketEntered, and exitMarket with MarketExited.
    - mintedVAIs of Venus, whose debtors this law refuses: VAIController's mintVAI and repayVAIFresh, which
      liquidateVAI calls, with MintVAI and RepayVAI.

    The forks' own events (MintBehalf, RedeemFee) come beside these. Checked in the sources of Compound,
    Moonwell and Benqi, and in those of Venus, whose 0.4.1 has the same events.
    """
    contracts = [market.comptroller, *(reserve.c_token for reserve in market.reserves)]
    if market.vai_controller is not None:
        contracts.append(market.vai_controller)
    return Touching(LogFilter(tuple(contracts), topics_of(EVENTS)), partial(addresses_in, events=EVENTS))


def unaccounted(node: Node, book: Book[CompoundMarket], since: Block | None = None) -> tuple[int, ...]:
    """Nothing: totalBorrows is no sum of debts, for each is rounded by itself."""
    return ()
