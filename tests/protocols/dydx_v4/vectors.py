"""The chain's own table tests as markets, subaccounts and updates; see fixtures/vectors/dydx_v4/README.md."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from defiliq.protocols.dydx_v4.market import ClobStatus, DydxMarket, LiquidationsConfig, Perpetual
from defiliq.protocols.dydx_v4.settle import Position, Subaccount
from defiliq.protocols.dydx_v4.updates import PositionChange, Update
from tests.protocols.dydx_v4.states import CONFIG, chain, perpetual

FOLDER = Path(__file__).parents[3] / "fixtures" / "vectors" / "dydx_v4"
Case = Mapping[str, Any]

CLOB_PAIR_BTC = {"StepBaseQuantums": 5, "SubticksPerTick": 5, "QuantumConversionExponent": -8}
"""testutil/constants/clob_pair.go ClobPair_Btc, on perpetual 0."""
OWNER = "liquidations_test"
"""The owner that the keeper tests give their subaccount."""


def read_table(name: str) -> dict[str, Any]:
    """One file: provenance, and the cases with every recognised call resolved."""
    with gzip.open(FOLDER / f"{name}.json.gz", "rt") as text:
        table: dict[str, Any] = resolved(json.load(text))
    return table


def resolved(node: Any) -> Any:
    """A node with numbers for the calls that only spell a number, and names for errors and references."""
    if isinstance(node, list):
        return [resolved(part) for part in node]
    if isinstance(node, float):
        assert node.is_integer()  # as Go's untyped constants spell 1e3
        return int(node)
    if not isinstance(node, dict):
        return node
    if set(node) == {"$error"}:
        return node["$error"].split(".")[-1]
    if set(node) == {"$ref"}:
        return node["$ref"]
    if set(node) == {"num", "den"}:
        return Fraction(node["num"], node["den"])
    if node.get("$call") == "?":  # big.NewInt(x), or SetString(text, base) of an Int, or of a Rat
        first, *base = resolved(node["args"])
        if isinstance(node["args"][0], dict):  # Neg(SetString(…)), once: the last case of
            return -first  # liquidations_test.go TestGetPerpetualPositionToLiquidate
        return int(first, *base) if isinstance(first, str) else first
    return {key: resolved(part) for key, part in node.items()}


@cache
def constants() -> dict[str, Any]:
    """testutil/constants of the chain: prices, tiers, perpetuals."""
    with gzip.open(FOLDER / "_constants.json.gz", "rt") as text:
        found: dict[str, Any] = json.load(text)["constants"]
    return found


def market_of(
    perpetuals: Iterable[Case] = (),
    clobs: Sequence[Case] = (),
    config: Case | None = None,
    prices: Mapping[str, int] | None = None,
    default_open_interest: bool = False,
) -> DydxMarket:
    """A market as the keeper tests set theirs up: the default markets' prices and the default tiers."""
    quoted = {entry["Id"]: entry for entry in constants()["TestMarketPrices"]}
    listed, answers = [], []
    for position, entry in enumerate(perpetuals, start=1):
        params = entry["Params"]
        source = quoted[params["MarketId"]]
        clob = next(
            (c for c in clobs if c["Metadata"]["PerpetualClobMetadata"]["PerpetualId"] == params["Id"]), None
        )
        answers.append((prices or {}).get(str(params["MarketId"]), source["Price"]))
        # SetUpDefaultPerpOIsForTest (testutil/perpetuals): one BTC and one ETH are open
        open_interest = {0: 10**8, 1: 10**9}.get(params["Id"], 0) if default_open_interest else 0
        listed.append(
            replace(
                perpetual(position, atomic_resolution=params["AtomicResolution"]),
                id=params["Id"],
                symbol=params["Ticker"],
                exponent=source["Exponent"],
                # CreatePerpetual begins with an index and an open interest of 0, whatever the constant says
                open_interest=open_interest,
                is_isolated=params["MarketType"].endswith("ISOLATED"),
                **tier(params["LiquidityTier"]),
                **book_of(clob),
            )
        )
    return chain(listed, answers, liquidations=config_of(config))


def tier(tier_id: int) -> dict[str, Any]:
    """A default liquidity tier (constants.LiquidityTiers) as fields of a perpetual."""
    (found,) = (entry for entry in constants()["LiquidityTiers"] if entry["Id"] == tier_id)
    return {
        "initial_margin_ppm": found["InitialMarginPpm"],
        "maintenance_fraction_ppm": found.get("MaintenanceFractionPpm", 0),
        "open_interest_lower_cap": found.get("OpenInterestLowerCap", 0),
        "open_interest_upper_cap": found.get("OpenInterestUpperCap", 0),
    }


def book_of(clob: Case | None) -> dict[str, Any]:
    """An order book as fields of a perpetual."""
    if clob is None:
        return {"clob_status": "none", "step_base_quantums": 0, "subticks_per_tick": 0}
    status: ClobStatus = clob.get("Status", "STATUS_ACTIVE").split("STATUS_")[1].lower()
    return {
        "clob_status": status,
        "step_base_quantums": clob.get("StepBaseQuantums", 0),
        "subticks_per_tick": clob["SubticksPerTick"],
        "quantum_conversion_exponent": clob["QuantumConversionExponent"],
    }


def config_of(config: Case | None) -> LiquidationsConfig:
    """A liquidations config; the chain's default where a test leaves it out."""
    if config is None:
        return CONFIG
    position, subaccount = config["PositionBlockLimits"], config["SubaccountBlockLimits"]
    price = config["FillablePriceConfig"]
    return LiquidationsConfig(
        max_liquidation_fee_ppm=config["MaxLiquidationFeePpm"],
        min_position_notional_liquidated=position["MinPositionNotionalLiquidated"],
        max_position_portion_liquidated_ppm=position["MaxPositionPortionLiquidatedPpm"],
        max_notional_liquidated=subaccount["MaxNotionalLiquidated"],
        max_quantums_insurance_lost=subaccount["MaxQuantumsInsuranceLost"],
        bankruptcy_adjustment_ppm=price["BankruptcyAdjustmentPpm"],
        spread_to_maintenance_margin_ratio_ppm=price["SpreadToMaintenanceMarginRatioPpm"],
    )


def bare_market(params: Case, price: Case, liquidity: Case, open_interest: int = 0) -> DydxMarket:
    """A market of one perpetual that is spelled out, as the tests of x/perpetuals/lib have it."""
    return chain([bare_perpetual(params, price["Exponent"], liquidity, open_interest)], [price["Price"]])


def bare_perpetual(params: Case, exponent: int, liquidity: Case, open_interest: int = 0) -> Perpetual:
    """One perpetual that is spelled out."""
    return replace(
        perpetual(1, atomic_resolution=params["AtomicResolution"]),
        id=params.get("Id", 0),
        exponent=exponent,
        open_interest=open_interest,
        initial_margin_ppm=liquidity["InitialMarginPpm"],
        maintenance_fraction_ppm=liquidity["MaintenanceFractionPpm"],
        open_interest_lower_cap=liquidity.get("OpenInterestLowerCap", 0),
        open_interest_upper_cap=liquidity.get("OpenInterestUpperCap", 0),
    )


def market_of_infos(infos: Mapping[str, Case]) -> DydxMarket:
    """A market of the perpetuals that CreatePerpInfo (testutil/perpetuals) makes: margins of 10% and 5%."""
    margins = {"InitialMarginPpm": 100_000, "MaintenanceFractionPpm": 500_000}
    entries = [entry["$PerpInfo"] for entry in infos.values()]
    listed = [
        replace(
            bare_perpetual({"AtomicResolution": entry["atomicResolution"]}, entry["exponent"], margins),
            id=entry["id"],
            feed=position,
        )
        for position, entry in enumerate(entries, start=1)
    ]
    return chain(listed, [entry["price"] for entry in entries])


def subaccount(
    entry: Case | None = None, assets: Sequence[Case] | None = None, positions: Sequence[Case] | None = None
) -> Subaccount:
    """A subaccount as the JSON spells it, or one of the given positions."""
    found = entry or {}
    named = found.get("Id", {"Owner": OWNER, "Number": 0})
    owner, number = (named, 0) if isinstance(named, str) else (named["Owner"], named["Number"])
    held = found.get("AssetPositions") if assets is None else assets
    perpetuals = found.get("PerpetualPositions") if positions is None else positions
    return Subaccount(
        owner=owner,
        number=number,
        assets=tuple((asset["AssetId"], asset["Quantums"]) for asset in held or ()),
        positions=tuple(position_of(position) for position in perpetuals or ()),
    )


def position_of(entry: Case) -> Position:
    """One perpetual position."""
    return Position(entry["PerpetualId"], entry["Quantums"], entry["FundingIndex"], entry["QuoteBalance"])


def update_of(raw: Subaccount, assets: Sequence[Case] | None, positions: Sequence[Case] | None) -> Update:
    """An update of a subaccount as the JSON spells its changes."""
    return Update(
        raw,
        tuple((change["AssetId"], change["BigQuantumsDelta"]) for change in assets or ()),
        tuple(
            PositionChange(
                change["PerpetualId"], change["BigQuantumsDelta"], change.get("BigQuoteBalanceDelta", 0)
            )
            for change in positions or ()
        ),
    )
