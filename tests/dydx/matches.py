"""`match` events as a full node of dYdX v4 writes them, in answers to block_results."""

from __future__ import annotations

from typing import Any


def match(
    taker: str,
    maker: str,
    *,
    perpetual: int,
    base: int,
    quote: int,
    fund: int = 0,
    maker_fee: int = 0,
    is_liquidation: bool = False,
    is_deleverage: bool = False,
) -> dict[str, Any]:
    """One fill: the taker's position moves by `base` quantums and `quote` is what the fill came to.

    The taker of a liquidation pays no fee, but what the insurance fund takes, and gets what that pays
    (x/clob keeper process_single_match.go, persistMatchedOrders).
    """
    (taker_owner, taker_number), (maker_owner, maker_number) = taker.split("/"), maker.split("/")
    fill = -quote if base > 0 else quote
    attributes = {
        "taker_subaccount": taker_owner,
        "taker_subaccount_number": taker_number,
        "maker_subaccount": maker_owner,
        "maker_subaccount_number": maker_number,
        "taker_order_fee_quote_quantums": "0",
        "maker_order_fee_quote_quantums": str(maker_fee),
        "maker_quote_balance_delta_quote_quantums": str(-fill - maker_fee),
        "taker_quote_balance_delta_quote_quantums": str(fill - fund),
        "maker_perpetual_quantums_delta_base_quantums": str(-base),
        "taker_perpetual_quantums_delta_base_quantums": str(base),
        "insurance_fund_delta_quote_quantums": str(fund),
        "is_liquidation": str(is_liquidation).lower(),
        "is_deleverage": str(is_deleverage).lower(),
        "perpetual_id": str(perpetual),
        "taker_builder_address": "",
        "maker_builder_address": "",
        "taker_builder_fee_quantums": "0",
        "maker_builder_fee_quantums": "0",
    }
    return event("match", attributes)


def event(kind: str, attributes: dict[str, str]) -> dict[str, Any]:
    """An event of a transaction's message; empty values may be left out, as protobuf's JSON has it."""
    said = [*attributes.items(), ("msg_index", "0")]
    listed: list[dict[str, Any]] = [{"key": key, "value": value, "index": True} for key, value in said]
    return {"type": kind, "attributes": [one if one["value"] else {"key": one["key"]} for one in listed]}


def executed(*events: dict[str, Any], code: int = 0) -> dict[str, Any]:
    """What executing a transaction answered."""
    return {"code": code, "data": None, "log": "", "gas_wanted": "0", "gas_used": "0", "events": list(events)}
