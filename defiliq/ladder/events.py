"""Liquidations that happened as rows: exact integers as text, and what they were worth."""

from __future__ import annotations

import math

from defiliq.ladder.columns import identity, to_usd
from defiliq.pricing.driver import Driver
from defiliq.types import Block, Happening, Listing, Market, Side, Worth

UNKNOWN_VALUES = ("price_usd", "seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd", "fee_usd")


def event_row(
    event: Happening, worth: Worth, market: Market, side: Side, driver: Driver | None
) -> dict[str, object]:
    """One liquidation at the prices of the market as it was after the block."""
    values = {
        "seized_usd": worth.seized_base,
        "repaid_usd": worth.repaid_base,
        "bonus_usd": worth.bonus_base,
        "bad_debt_usd": worth.bad_debt_base,
        "fee_usd": worth.fee_base,
    }
    return {
        **_told(event),
        **identity(market),
        **{name: math.nan if base is None else to_usd(base, market) for name, base in values.items()},
        **_asset("seize", market, worth.seize_reserve, event.seize_asset),
        **_asset("repay", market, worth.repay_reserve, event.repay_asset),
        "seized_raw": str(worth.seized) if event.seize_asset else "",
        "side": side,
        "driver": "" if driver is None else driver.name,
        "price_usd": math.nan if driver is None else driver.spot / driver.unit,
    }


def unvalued_row(event: Happening, listing: Listing, block: Block) -> dict[str, object]:
    """One liquidation of which only the log is known: no side, no money."""
    return {
        **_told(event),
        "chain_id": block.chain_id,
        "block_number": block.number,
        "block_hash": block.hash,
        "block_timestamp": block.timestamp,
        "protocol": listing.protocol,
        "market": listing.name,
        "version": listing.version,
        **dict.fromkeys(UNKNOWN_VALUES, math.nan),
        **dict.fromkeys(("side", "driver", "seize_asset", "repay_asset", "base_symbol"), ""),
        "seized_raw": str(event.seized) if event.seize_asset else "",
        "seize_asset_address": event.seize_asset,
        "repay_asset_address": event.repay_asset,
    }


def _told(event: Happening) -> dict[str, object]:
    return {
        "transaction": event.transaction,
        "log_index": event.log_index,
        "kind": event.kind,
        "account": event.account,
        "liquidator": event.liquidator,
        "repaid_raw": str(event.repaid),
    }


def _asset(role: str, market: Market, reserve: int | None, named: str) -> dict[str, object]:
    """The asset as the market lists it, or as the log names it."""
    found = None if reserve is None else market.reserves[reserve]
    return {
        f"{role}_asset": "" if found is None else found.symbol,
        f"{role}_asset_address": named if found is None else found.asset,
    }
