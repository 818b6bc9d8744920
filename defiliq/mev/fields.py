"""The economics of a liquidation as fields: of events, of tables, of their documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from defiliq.mev.profit import Profit
from defiliq.types import Market


class EconomicsField(NamedTuple):
    """One field: its name, what JSON it is (`?` where it may be null), and what it means."""

    name: str
    form: str
    meaning: str


ECONOMICS: Final = (
    EconomicsField("pays", "string", "who earns: `liquidator`, `storefront buyer` or `insurance fund`"),
    EconomicsField("seize_asset", "string", "symbols of what the earner is handed, joined by `+`"),
    EconomicsField("repay_asset", "string", "symbol of what the earner pays"),
    EconomicsField(
        "seized_raw",
        "string",
        "base units of each seized asset that reach the earner, after the protocol's fee, joined by `+`",
    ),
    EconomicsField("repaid_raw", "integer string", "base units that the earner pays"),
    EconomicsField(
        "debt_to_cover", "integer string?", "what the call is to be asked for; null where it takes no amount"
    ),
    EconomicsField("seized_usd", "number", "what is handed over, at oracle prices"),
    EconomicsField("repaid_usd", "number", "what is paid, at oracle prices"),
    EconomicsField("bonus_usd", "number", "the difference, before any cost"),
    EconomicsField("protocol_fee_usd", "number", "collateral that the protocol keeps, at oracle prices"),
    EconomicsField("flash_fee_raw", "integer string?", "premium of the flash loan, in the repaid token"),
    EconomicsField(
        "gas_units", "integer?", "gas of all calls together, as measured; null where never measured"
    ),
    EconomicsField("gas_price_wei", "integer string?", "the next block's base fee and the priority fee"),
    EconomicsField("gas_usd", "number?", "both multiplied, at the native coin's price"),
    EconomicsField("exit", "string", "the pools that the collateral is sold to"),
    EconomicsField(
        "exit_out_raw",
        "integer string?",
        "base units of the repaid token that are left in hand; null without an exit",
    ),
    EconomicsField(
        "slippage_usd",
        "number?",
        "what is sold less what it brings, both at oracle prices: fees of pools and their distance from the "
        "oracle are in it",
    ),
    EconomicsField(
        "net_raw", "integer string?", "base units of the repaid token that remain; null: see `lacks`"
    ),
    EconomicsField("net_usd", "number?", "the same at oracle prices"),
    EconomicsField("lacks", "string", "why the net is not known; empty where it is"),
    EconomicsField("note", "string", "what else one should know of it"),
)
"""What `economics` says, in order. `_usd` counts the market's base currency, as everywhere."""


def economics(found: Profit, market: Market) -> Mapping[str, object]:
    """A profit as the fields of ECONOMICS."""
    deal, unit = found.deal, market.base_unit
    repay = market.reserves[deal.paid_reserve]
    return {
        "pays": deal.earner,
        "seize_asset": "+".join(market.reserves[got.reserve].symbol for got in deal.got),
        "repay_asset": repay.symbol,
        "seized_raw": "+".join(str(got.amount) for got in deal.got),
        "repaid_raw": str(deal.paid),
        "debt_to_cover": _text(deal.debt_to_cover),
        "seized_usd": sum(got.base for got in deal.got) / unit,
        "repaid_usd": deal.paid_base / unit,
        "bonus_usd": deal.bonus_base / unit,
        "protocol_fee_usd": deal.protocol_fee_base / unit,
        "flash_fee_raw": _text(found.flash_fee),
        "gas_units": found.gas_units,
        "gas_price_wei": _text(found.gas_price_wei),
        "gas_usd": _money(found.gas_base, unit),
        "exit": "; ".join(sale.name for sale in found.sales),
        "exit_out_raw": _text(found.exit_out),
        "slippage_usd": _money(found.slippage_base, unit),
        "net_raw": _text(found.net),
        "net_usd": _money(found.net_base, unit),
        "lacks": found.lacks,
        "note": found.remark,
    }


def _text(amount: int | None) -> str | None:
    return None if amount is None else str(amount)


def _money(base: int | None, unit: int) -> float | None:
    return None if base is None else base / unit
