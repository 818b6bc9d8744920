"""Margin tiers as venues publish them now; the bundled ones are dated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final, TypeAlias

from defiliq.cex.tiers import CONTRACTS, TierRow, TierTable, build_table
from defiliq.cex.venues.client import Client
from defiliq.cex.venues.config import MS, Say, VenueConfig, say_nothing
from defiliq.cex.venues.contracts import Contract, asset_of, contracts_of
from defiliq.cex.venues.read import MARKET_TYPES
from defiliq.cex.venues.rows import items_of
from defiliq.errors import BadFile, BadVenueAnswer, InputError

Json: TypeAlias = Any

MAX_TIERS: Final = 500
_DECIMAL: Final = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")


def read_tiers(
    venue: str, asset: str, *, config: VenueConfig | None = None, on_progress: Say = say_nothing
) -> list[TierTable]:
    """The tiers of an asset's perpetuals as Bybit or OKX publish them at this moment.

    Binance tells its own to holders of a key alone: InputError. BadVenueAnswer where rows contradict each
    other; NoSuchContract where the venue lists no contract of the asset.
    """
    if venue not in READERS:
        raise InputError(
            f"{venue} does not publish its tiers without a key. Published: {', '.join(READERS)}; the bundled "
            "ones hold for others."
        )
    settings = config if config is not None else VenueConfig()
    wanted = asset_of(asset)
    client = Client(venue, settings, MARKET_TYPES[venue])
    try:
        found = contracts_of(venue, client.markets(), wanted, "perpetual")
        tables = []
        for contract in found:
            on_progress(f"{venue}: tiers of {contract.instrument.symbol}")
            tables.append(READERS[venue](client, contract))
        return tables
    finally:
        client.close()


def _bybit(client: Client, contract: Contract) -> TierTable:
    """GET /v5/market/risk-limit: caps in dollars (linear) or coins (inverse), with what is deducted."""
    asked = {"category": contract.category, "symbol": contract.market_id}
    items = items_of("bybit", "tiers", client.ask("publicGetV5MarketRiskLimit", asked), "result", "list")
    rows: list[TierRow] = []
    floor = Fraction(0)
    for item in sorted(items, key=lambda item: _number("bybit", item, "riskLimitValue")):
        cap, rate, leverage = (
            _number("bybit", item, name) for name in ("riskLimitValue", "maintenanceMargin", "maxLeverage")
        )
        cum = _number("bybit", item, "mmDeduction") if item.get("mmDeduction") else None
        rows.append((floor, cap, rate, leverage, cum))
        floor = cap
    instrument = contract.instrument
    unit = instrument.asset if contract.is_inverse else instrument.settle
    return _table(client, contract, unit, rows, deducts=True)


def _okx(client: Client, contract: Contract) -> TierTable:
    """GET /api/v5/public/position-tiers of isolated positions: floors and caps in contracts."""
    asked = {"instType": contract.kind, "tdMode": "isolated", "instFamily": contract.family}
    items = items_of("okx", "tiers", client.ask("publicGetPublicPositionTiers", asked), "data")
    rows: list[TierRow] = []
    floor = Fraction(0)
    for item in sorted(items, key=lambda item: _number("okx", item, "maxSz")):
        cap, rate, leverage = (_number("okx", item, name) for name in ("maxSz", "mmr", "maxLever"))
        rows.append((floor, cap, rate, leverage, None))
        floor = cap
    return _table(client, contract, CONTRACTS, rows, deducts=False)


READERS: Final[Mapping[str, Callable[[Client, Contract], TierTable]]] = {"bybit": _bybit, "okx": _okx}


def _table(
    client: Client, contract: Contract, unit: str, rows: Sequence[TierRow], *, deducts: bool
) -> TierTable:
    """The rows as a checked table of today."""
    venue, symbol = client.venue, contract.instrument.symbol
    if len(rows) > MAX_TIERS:
        raise BadVenueAnswer(venue, f"{len(rows)} tiers of {symbol}")
    for _, _, rate, leverage, _ in rows:
        # A rate above the initial margin would be a percentage that is read as a share.
        if leverage * rate > 1:
            raise BadVenueAnswer(venue, f"tiers of {symbol} that keep more margin than they begin with")
    head = TierTable(
        venue=venue,
        symbol=symbol,
        unit=unit,
        as_of=datetime.fromtimestamp(client.config.now_ms() // MS, UTC).strftime("%Y-%m-%d"),
        source=client.source,
        tiers=(),
        contract_size=Fraction(contract.size) if unit == CONTRACTS else None,
        is_inverse=contract.is_inverse,
    )
    try:
        return build_table(head, rows, deducts=deducts, where=f"the tiers that {venue} sent")
    except BadFile as error:
        raise BadVenueAnswer(venue, f"tiers of {symbol} in which {error.seen}") from None


def _number(venue: str, item: Json, name: str) -> Fraction:
    """A decimal field, exact; BadVenueAnswer where it is none."""
    told = item.get(name) if isinstance(item, dict) else None
    if isinstance(told, bool) or not _DECIMAL.fullmatch(str(told)):
        raise BadVenueAnswer(venue, f"tiers with a {name} that is no number")
    return Fraction(str(told))
