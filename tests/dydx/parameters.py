"""The real parameters in fixtures/dydx_v4 as the chain's own messages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from v4_proto.dydxprotocol.assets.asset_pb2 import Asset
from v4_proto.dydxprotocol.clob.clob_pair_pb2 import ClobPair
from v4_proto.dydxprotocol.clob.liquidations_config_pb2 import LiquidationsConfig
from v4_proto.dydxprotocol.perpetuals.perpetual_pb2 import LiquidityTier, Perpetual, PerpetualParams
from v4_proto.dydxprotocol.prices.market_param_pb2 import MarketParam
from v4_proto.dydxprotocol.prices.market_price_pb2 import MarketPrice

PATH = Path(__file__).parents[2] / "fixtures" / "dydx_v4" / "parameters.json"
ISOLATED = 2
"""PERPETUAL_MARKET_TYPE_ISOLATED."""
QUOTE_DECIMALS = 6


@cache
def facts() -> dict[str, Any]:
    """The file as it stands."""
    read: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return read


def scaled(value: int, exponent: int) -> int:
    """A value times a power of ten, rounded down."""
    power: int = 10 ** abs(exponent)
    return value * power if exponent >= 0 else value // power


@dataclass(frozen=True)
class Contract:
    """A perpetual as arithmetic needs it."""

    id: int
    ticker: str
    price: int
    scale: int
    """A quantum is worth price * 10**scale quote quantums."""
    step: int
    imf_ppm: int
    mf_ppm: int
    is_isolated: bool

    def notional(self, quantums: int) -> int:
        """Quote quantums, towards zero."""
        size = scaled(abs(quantums) * self.price, self.scale)
        return -size if quantums < 0 else size

    def quantums(self, notional: int) -> int:
        """About so many quantums are worth a notional."""
        return scaled(notional, -self.scale) // self.price

    def maintenance(self, quantums: int) -> int:
        """The maintenance margin at open interest 0, rounded up twice as the chain does."""
        initial = (abs(self.notional(quantums)) * self.imf_ppm + 999_999) // 1_000_000
        return (initial * self.mf_ppm + 999_999) // 1_000_000


def contracts() -> list[Contract]:
    """Every perpetual of the file."""
    prices = {each["id"]: each for each in facts()["market_prices"]}
    tiers = {each["id"]: each for each in facts()["liquidity_tiers"]}
    steps = {each["perpetual_id"]: each["step_base_quantums"] for each in facts()["clob_pairs"]}
    return [
        Contract(
            each["id"],
            each["ticker"],
            prices[each["market_id"]]["price"],
            prices[each["market_id"]]["exponent"] + each["atomic_resolution"] + QUOTE_DECIMALS,
            steps[each["id"]],
            tiers[each["liquidity_tier"]]["initial_margin_ppm"],
            tiers[each["liquidity_tier"]]["maintenance_fraction_ppm"],
            each["market_type"] == ISOLATED,
        )
        for each in facts()["perpetuals"]
    ]


def perpetual(params: dict[str, Any], funding_index: bytes, open_interest: bytes) -> Any:
    """One perpetual's message."""
    return Perpetual(
        params=PerpetualParams(**params), funding_index=funding_index, open_interest=open_interest
    )


def liquidity_tiers() -> list[Any]:
    """LiquidityTier messages."""
    return [LiquidityTier(**each) for each in facts()["liquidity_tiers"]]


def market_params() -> list[Any]:
    """MarketParam messages, without the exchanges."""
    return [MarketParam(**each) for each in facts()["market_params"]]


def market_prices() -> list[Any]:
    """MarketPrice messages."""
    return [MarketPrice(**each) for each in facts()["market_prices"]]


def clob_pairs() -> list[Any]:
    """ClobPair messages, each for its perpetual."""
    pairs = []
    for each in facts()["clob_pairs"]:
        given = {name: value for name, value in each.items() if name != "perpetual_id"}
        pair = ClobPair(**given)
        # Zero is a perpetual too, so the message must be there even if it is empty.
        pair.perpetual_clob_metadata.SetInParent()
        pair.perpetual_clob_metadata.perpetual_id = each["perpetual_id"]
        pairs.append(pair)
    return pairs


def assets() -> list[Any]:
    """Asset messages."""
    return [Asset(**{**each, "denom_exponent": int(each["denom_exponent"])}) for each in facts()["assets"]]


def liquidations_config() -> Any:
    """The LiquidationsConfig message."""
    return LiquidationsConfig(**facts()["liquidations_config"])
