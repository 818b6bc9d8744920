"""Liquidations that happened: the chain's `match` events, from what executing each block answered.

Written from x/clob: process_single_match.go emits one for every fill of a liquidation order, whose taker is
the liquidated subaccount, and deleveraging.go for every offsetting position. Deleveraging also closes the
positions of markets in final settlement.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from defiliq.chain.cosmos import CosmosNode
from defiliq.chain.cosmos_transport import ChainEvent
from defiliq.errors import DecodeError, InputError
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.risk import quote_quantums
from defiliq.protocols.dydx_v4.settle import USDC
from defiliq.protocols.happened import OnEvents, worth_at
from defiliq.types import Block, Happening, Listing, Worth

MATCH: Final = "match"
BLOCKS_AT_A_TIME: Final = 16
USDC_ASSET: Final = "USDC"
_INTEGER: Final = re.compile(r"-?[0-9]{1,60}")


def search_events(
    node: CosmosNode, listing: Listing, at: Block, first: int, last: int, on_events: OnEvents
) -> None:
    """Hand over the liquidations in blocks `first` to `last`, which are asked for one by one."""
    for begin in range(first, last + 1, BLOCKS_AT_A_TIME):
        end = min(begin + BLOCKS_AT_A_TIME - 1, last)
        found: list[Happening] = []
        for number, events in node.events(range(begin, end + 1), MATCH):
            wanted = [event for event in events if is_liquidation(event) or is_deleverage(event)]
            if wanted:
                block_hash = node.block(number).hash
                found += [decode_event(event, number, block_hash) for event in wanted]
        on_events(begin, end, found)


def is_liquidation(event: ChainEvent) -> bool:
    """Whether a match fills a liquidation order."""
    return _truth(event, "is_liquidation")


def is_deleverage(event: ChainEvent) -> bool:
    """Whether a match offsets a position against one of the other side."""
    return _truth(event, "is_deleverage")


def decode_event(event: ChainEvent, number: int, block_hash: str) -> Happening:
    """One match: a long gives base quantums for USDC, a short USDC for base quantums.

    The USDC is what the fill came to: what the subaccount's balance moved by, without what the insurance fund
    took or gave.
    """
    size = _integer(event, "taker_perpetual_quantums_delta_base_quantums")
    fund_delta = _integer(event, "insurance_fund_delta_quote_quantums")
    quote = _integer(event, "taker_quote_balance_delta_quote_quantums") + fund_delta
    quote += _integer(event, "taker_order_fee_quote_quantums")
    if size * quote > 0:
        raise _malformed(event, "a position that is paid for and given away")
    perpetual = f"perpetual {_integer(event, 'perpetual_id')}"
    given, got = (perpetual, abs(size)), (USDC_ASSET, abs(quote))
    (seize_asset, seized), (repay_asset, repaid) = (given, got) if size < 0 else (got, given)
    return Happening(
        block=number,
        block_hash=block_hash,
        transaction=event.transaction,
        log_index=event.index,
        kind="deleveraging" if is_deleverage(event) else "liquidation",
        account=_subaccount(event, "taker"),
        liquidator=_subaccount(event, "maker"),
        seize_asset=seize_asset,
        seized=seized,
        repay_asset=repay_asset,
        repaid=repaid,
        fees=((USDC_ASSET, max(0, fund_delta)),),
        written_off=((USDC_ASSET, max(0, -fund_delta)),),
    )


def event_worth(events: Sequence[Happening], market: DydxMarket) -> list[Worth]:
    """What liquidations of one block were worth: positions at the oracle's price, USDC as it is.

    Bad debt is what the insurance fund paid. Deleveraging pays at the bankruptcy price: whoever is offset
    bears the difference to the oracle's, which is a bonus below zero.
    """
    place_of: Mapping[str, int] = {
        USDC_ASSET: USDC,
        **{f"perpetual {one.id}": k for k, one in enumerate(market.reserves) if k != USDC},
    }

    def worth(reserve: int, amount: int) -> int:
        if reserve == USDC:
            return amount
        return quote_quantums(amount, market.price_of(reserve), market.reserves[reserve])

    return [worth_at(event, market, place_of, worth, worth) for event in events]


def _truth(event: ChainEvent, key: str) -> bool:
    said = event.attributes.get(key)
    if said not in ("true", "false"):
        raise _malformed(event, f"no truth as {key}")
    return said == "true"


def _integer(event: ChainEvent, key: str) -> int:
    said = event.attributes.get(key, "")
    if _INTEGER.fullmatch(said) is None:
        raise _malformed(event, f"no number as {key}")
    return int(said)


def _subaccount(event: ChainEvent, role: str) -> str:
    owner = event.attributes.get(f"{role}_subaccount", "")
    name = f"{owner}/{_integer(event, f'{role}_subaccount_number')}"
    try:
        DydxMarket.account_key(name)
    except InputError:
        raise _malformed(event, f"no subaccount as {role}") from None
    return name


def _malformed(event: ChainEvent, seen: str) -> DecodeError:
    return DecodeError(f"a match in transaction {event.transaction}", seen)
