"""Liquidations that happened: the pool's LiquidationCall, and DeficitCreated of the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.protocols.aave_v3 import abi
from defiliq.protocols.aave_v3.fees import Fees
from defiliq.protocols.aave_v3.fetch import BALANCE_OF_DEBT_REVISION, fetch_contracts
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.happened import Log, OnEvents, each_log, places, search_logs, worth_at
from defiliq.types import Block, Happening, Listing, Worth
from defiliq.units import mul_div_down, mul_div_up

FIRST_DEFICIT_REVISION = BALANCE_OF_DEBT_REVISION
"""v3.3: debt without collateral is written off, and an event says how much."""


def search_events(
    node: Node, listing: Listing, at: Block, first: int, last: int, on_events: OnEvents
) -> None:
    """Hand over the liquidations in blocks `first` to `last`. The pool is the one that the provider names
    after block `at`; it is a proxy, so it was the same before.
    """
    pool = fetch_contracts(node, listing, at).pool
    fees = Fees(node, pool, at)
    topics = abi.keccak(abi.LIQUIDATION_EVENT), abi.keccak(abi.DEFICIT_EVENT)

    def decode(logs: Logs) -> list[Happening]:
        return list(fees.told(decode_events(logs)))

    search_logs(node, LogFilter((pool,), topics, traced=True), decode, first, last, on_events)


def decode_events(logs: Logs) -> list[Happening]:
    """The liquidation calls, each with what the same transaction wrote off for the same account.

    A call that leaves an account without collateral writes off all its debts, and emits this before its own
    event (LiquidationLogic.executeLiquidationCall). So a deficit belongs to the next call on the account.
    """
    found: list[Happening] = []
    waiting: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for log in each_log(logs):
        if log.topics[0] == abi.keccak(abi.DEFICIT_EVENT):
            (amount,) = log.words(abi.DEFICIT_EVENT, 1)
            key = log.transaction, log.address_at(abi.DEFICIT_EVENT, 1)
            waiting.setdefault(key, []).append((log.address_at(abi.DEFICIT_EVENT, 2), amount))
        else:
            call = _liquidation_call(log)
            deficits = waiting.pop((call.transaction, call.account), [])
            found.append(replace(call, written_off=tuple(deficits)))
    return found


def _liquidation_call(log: Log) -> Happening:
    event = abi.LIQUIDATION_EVENT
    repaid, seized, liquidator, takes_a_token = log.words(event, 4)
    if takes_a_token > 1:
        raise log.malformed(event, "a truth that is neither")
    return Happening(
        block=log.block,
        block_hash=log.block_hash,
        transaction=log.transaction,
        log_index=log.log_index,
        kind="liquidation",
        account=log.address_at(event, 3),
        liquidator=log.as_address(event, liquidator),
        seize_asset=log.address_at(event, 1),
        seized=seized,
        repay_asset=log.address_at(event, 2),
        repaid=repaid,
    )


def event_worth(events: Sequence[Happening], market: AaveMarket) -> list[Worth]:
    """What liquidations of one block were worth at its prices, rounded as liquidation calls round.

    Before revision 7 nothing says what bad debt a call left.
    """

    def down(reserve: int, amount: int) -> int:
        return mul_div_down(amount, market.price_of(reserve), market.reserves[reserve].unit)

    def up(reserve: int, amount: int) -> int:
        return mul_div_up(amount, market.price_of(reserve), market.reserves[reserve].unit)

    place_of = places(market)
    told = market.revision >= FIRST_DEFICIT_REVISION
    return [
        worth_at(event if told else replace(event, written_off=None), market, place_of, down, up)
        for event in events
    ]
