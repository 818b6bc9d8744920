"""Liquidations that happened: LogLiquidate and LogVaporize.

Both name markets by number, and say of each account how many tokens moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from defiliq.chain.calldata import keccak
from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.protocols.dydx_solo import abi
from defiliq.protocols.dydx_solo.fetch import fetch_root
from defiliq.protocols.dydx_solo.market import SoloMarket
from defiliq.protocols.happened import WORD, Log, OnEvents, each_log, search_logs, worth_at
from defiliq.types import Block, Happening, Listing, Worth

HEAD_WORDS: Final = 4
"""The numbers of both accounts, and both markets."""
UPDATE_WORDS: Final = 4
"""BalanceUpdate: sign and size of the tokens that moved, sign and size of the par after."""


def search_events(
    node: Node, listing: Listing, at: Block, first: int, last: int, on_events: OnEvents
) -> None:
    """Hand over the liquidations in blocks `first` to `last`."""
    solo, _ = fetch_root(node, listing, at)
    topics = keccak(abi.LIQUIDATE_EVENT), keccak(abi.VAPORIZE_EVENT)
    search_logs(node, LogFilter((solo,), topics, traced=True), decode_events, first, last, on_events)


def decode_events(logs: Logs) -> list[Happening]:
    """Liquidations, and vaporizations of accounts that have nothing left to give."""
    return [_liquidation(log) for log in each_log(logs)]


def _liquidation(log: Log) -> Happening:
    """In both events the owed tokens of the account come last; a liquidation's held ones stand before them.

    What a vaporization hands over comes from the contract's surplus, which first repays what it can itself
    (OperationImpl._vaporizeUsingExcess); so all of its debt is bad, and the account that repays is handed
    tokens for its own part alone.
    """
    is_liquidation = log.topics[0] == keccak(abi.LIQUIDATE_EVENT)
    event = abi.LIQUIDATE_EVENT if is_liquidation else abi.VAPORIZE_EVENT
    count = 4 if is_liquidation else 3
    words = log.words(event, HEAD_WORDS + count * UPDATE_WORDS)
    moved = [_moved(log, event, words, k) for k in range(count)]
    held, repaid, paid = moved[0], moved[-1], -moved[1]
    if min(held, repaid, paid) < 0 or (is_liquidation and (moved[2] != -held or repaid != paid)):
        raise log.malformed(event, "tokens that moved the other way")
    owed = f"market {words[3]}"
    return Happening(
        block=log.block,
        block_hash=log.block_hash,
        transaction=log.transaction,
        log_index=log.log_index,
        kind="liquidation" if is_liquidation else "vaporization",
        account=_account(log, event, 2, words[1]),
        liquidator=_account(log, event, 1, words[0]),
        seize_asset=f"market {words[2]}",
        seized=held,
        repay_asset=owed,
        repaid=repaid,
        paid=paid,
        written_off=None if is_liquidation else ((owed, repaid),),
    )


def _account(log: Log, event: str, topic: int, number: int) -> str:
    owner = log.address_at(event, topic)
    return SoloMarket.account_name(bytes.fromhex(owner[2:]) + number.to_bytes(WORD, "big"))


def _moved(log: Log, event: str, words: Sequence[int], update: int) -> int:
    """The tokens that one update says came to an account, negative where they left."""
    sign, amount = words[HEAD_WORDS + update * UPDATE_WORDS :][:2]
    if sign > 1:
        raise log.malformed(event, "a sign that is none")
    return amount if sign else -amount


def event_worth(events: Sequence[Happening], market: SoloMarket) -> list[Worth]:
    """What liquidations of one block were worth. What one leaves an account with no event says."""
    place_of = {f"market {reserve.id}": k for k, reserve in enumerate(market.reserves)}

    def worth(reserve: int, amount: int) -> int:
        return amount * market.price_of(reserve)

    return [worth_at(event, market, place_of, worth, worth) for event in events]
