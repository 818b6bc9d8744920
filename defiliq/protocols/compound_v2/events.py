"""Liquidations that happened: LiquidateBorrow, which the cToken of the debt emits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from defiliq.chain.node import LogFilter, Logs, Node
from defiliq.protocols.compound_v2 import abi
from defiliq.protocols.compound_v2.fetch import fetch_comptroller
from defiliq.protocols.compound_v2.legs import underlying
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.protocols.happened import Log, OnEvents, each_log, search_logs, worth_at
from defiliq.types import Block, Happening, Listing, Worth
from defiliq.units import WAD, mul_div_down


def search_events(
    node: Node, listing: Listing, at: Block, first: int, last: int, on_events: OnEvents
) -> None:
    """Hand over the liquidations in blocks `first` to `last`, of the cTokens listed after block `at`.

    A cToken that a fork had removed by then is not searched.
    """
    c_tokens = fetch_comptroller(node, listing, at).c_tokens
    wanted = LogFilter(c_tokens, (abi.keccak(abi.LIQUIDATE_EVENT),), traced=True)
    search_logs(node, wanted, decode_events, first, last, on_events)


def decode_events(logs: Logs) -> list[Happening]:
    """The liquidations, in cTokens of the collateral and base units of the debt's underlying."""
    return [_liquidation(log) for log in each_log(logs)]


def _liquidation(log: Log) -> Happening:
    event = abi.LIQUIDATE_EVENT
    liquidator, borrower, repaid, collateral, seized = log.words(event, 5)
    return Happening(
        block=log.block,
        block_hash=log.block_hash,
        transaction=log.transaction,
        log_index=log.log_index,
        kind="liquidation",
        account=log.as_address(event, borrower),
        liquidator=log.as_address(event, liquidator),
        seize_asset=log.as_address(event, collateral),
        seized=seized,
        repay_asset=log.address,
        repaid=repaid,
    )


def event_worth(events: Sequence[Happening], market: CompoundMarket) -> list[Worth]:
    """What liquidations of one block were worth, seized cTokens as the underlying that they then redeem for.

    Of the seized cTokens the protocol keeps its share (protocolSeizeShareMantissa). What an account is left
    with no event says, so bad debt is not known.
    """
    place_of = {reserve.c_token: k for k, reserve in enumerate(market.reserves)}

    def worth(reserve: int, amount: int) -> int:
        return mul_div_down(amount, market.price_of(reserve), WAD)

    return [worth_at(_as_underlying(one, market, place_of), market, place_of, worth, worth) for one in events]


def _as_underlying(event: Happening, market: CompoundMarket, place_of: dict[str, int]) -> Happening:
    """The same in the units of the ladder: what the liquidator got, and the protocol's share as a fee."""
    place = place_of.get(event.seize_asset)
    if place is None:
        return event
    reserve = market.reserves[place]
    kept = mul_div_down(event.seized, reserve.seize_share_wad, WAD)
    return replace(
        event,
        seized=underlying(event.seized - kept, reserve.exchange_rate_now_wad),
        fees=((event.seize_asset, underlying(kept, reserve.exchange_rate_now_wad)),),
    )
