"""Whether a book from a file is one that the chain could have made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from defiliq.book import Book
from defiliq.protocols.dydx_v4.explain import CLOSED
from defiliq.protocols.dydx_v4.market import QUOTE_DECIMALS, DydxMarket, LiquidationsConfig, Perpetual
from defiliq.units import PPM

MAX_UINT32 = 2**32 - 1
MAX_UINT64 = 2**64 - 1
MOST_SUMMED = 2**128 - 1
"""Sums of positions and of funding, which the chain keeps as integers of any size, stay far below."""
WIDEST_EXPONENT = 64
"""Far beyond every resolution and price exponent that was ever listed."""


def unsound(book: Book[Any]) -> str:
    """Why the chain could not have made a book, '' where nothing speaks against it."""
    market: DydxMarket = book.market
    for reason in (
        *_odd_market(market),
        *(f"{held.symbol}: {why}" for held in market.reserves[1:] for why in odd_perpetual(held)),
        *odd_config(market.liquidations),
        *_odd_prices(market),
        *_odd_funds(market),
    ):
        return reason
    return _misplaced(book)


def _odd_market(market: DydxMarket) -> Iterator[str]:
    if not market.reserves or not _is_usdc(market.reserves[0]):
        yield "its first reserve is not USDC"
    ids = [reserve.id for reserve in market.reserves[1:]]
    if len(set(ids)) < len(ids):
        yield "two perpetuals of one id"
    if market.timestamp < market.block.timestamp:
        yield "it is judged before its own block"
    if market.base_unit != 10**QUOTE_DECIMALS:
        yield f"a base unit of {market.base_unit}"
    if market.stored:
        yield "the chain keeps no verdicts as stored"


def _is_usdc(reserve: Perpetual) -> bool:
    """Whether a reserve is what everything is quoted in: asset 0, with no book and no margin."""
    return reserve == Perpetual(
        id=0,
        asset=reserve.asset,
        symbol="USDC",
        decimals=QUOTE_DECIMALS,
        feed=0,
        atomic_resolution=-QUOTE_DECIMALS,
        exponent=-QUOTE_DECIMALS,
    )


def odd_tier(
    initial_margin_ppm: int,
    maintenance_fraction_ppm: int,
    open_interest_lower_cap: int = 0,
    open_interest_upper_cap: int = 0,
    impact_notional: int | None = None,
) -> str:
    """The chain's error about a liquidity tier, '' where it would take it (LiquidityTier.Validate).

    `impact_notional` is only judged where it is known: no law asks for it.
    """
    if not 0 <= initial_margin_ppm <= PPM:
        return "ErrInitialMarginPpmExceedsMax"
    if not 0 <= maintenance_fraction_ppm <= PPM:
        return "ErrMaintenanceFractionPpmExceedsMax"
    if impact_notional == 0:
        return "ErrImpactNotionalIsZero"
    if open_interest_lower_cap > open_interest_upper_cap:
        return "ErrOpenInterestLowerCapLargerThanUpperCap"
    return ""


def odd_perpetual(perpetual: Perpetual) -> Iterator[str]:
    """What of a perpetual the chain could not have set, first the worst."""
    tier = odd_tier(
        perpetual.initial_margin_ppm,
        perpetual.maintenance_fraction_ppm,
        perpetual.open_interest_lower_cap,
        perpetual.open_interest_upper_cap,
    )
    if tier:
        yield f"no liquidity tier: {tier}"
    if not 0 <= perpetual.id <= MAX_UINT32:
        yield f"an id of {perpetual.id}"
    if perpetual.decimals != -perpetual.atomic_resolution:
        yield f"{perpetual.decimals} decimals at a resolution of {perpetual.atomic_resolution}"
    exponents = perpetual.atomic_resolution, perpetual.exponent, perpetual.quantum_conversion_exponent
    if max(map(abs, exponents)) > WIDEST_EXPONENT:
        yield "an exponent beyond all range"
    caps = perpetual.open_interest_lower_cap, perpetual.open_interest_upper_cap
    if not all(0 <= cap <= MAX_UINT64 for cap in caps):
        yield "a cap of open interest beyond all range"
    if max(abs(perpetual.funding_index), perpetual.open_interest) > MOST_SUMMED:
        yield "a funding index or an open interest beyond all range"
    if perpetual.open_interest < 0:
        yield "a negative open interest"
    if perpetual.clob_status != "active" and perpetual.clob_status not in CLOSED:
        yield f"a book that is {perpetual.clob_status!r}"
    if perpetual.clob_status != "none" and not (
        0 < perpetual.step_base_quantums <= MAX_UINT64 and 0 < perpetual.subticks_per_tick <= MAX_UINT32
    ):
        yield "a book without steps or ticks"


def odd_config(config: LiquidationsConfig) -> Iterator[str]:
    """What the chain would refuse in a liquidations config (LiquidationsConfig.Validate)."""
    is_valid = (
        PPM <= config.bankruptcy_adjustment_ppm <= MAX_UINT32
        and 0 < config.spread_to_maintenance_margin_ratio_ppm <= MAX_UINT32
        and 0 < config.max_liquidation_fee_ppm <= PPM
        and 0 < config.max_position_portion_liquidated_ppm <= PPM
        and 0 <= config.min_position_notional_liquidated <= MAX_UINT64
        and 0 < config.max_notional_liquidated <= MAX_UINT64
        and 0 < config.max_quantums_insurance_lost <= MAX_UINT64
    )
    if not is_valid:
        yield "no liquidations config that the chain would take"


def _odd_prices(market: DydxMarket) -> Iterator[str]:
    """USDC is a dollar; a price of the oracle has 64 bits and is counted by its own exponent."""
    if market.price_of(0) != market.price_unit(0):
        yield f"USDC at a price of {market.price_of(0)} in units of {market.price_unit(0)}"
    for held in market.reserves[1:]:
        if not 0 < market.prices[held.feed] <= MAX_UINT64:
            yield f"{held.symbol}: a price of {market.prices[held.feed]}"
        if held.exponent > 0 or market.price_unit(held.feed) != 10**-held.exponent:
            yield f"{held.symbol}: a price in units of {market.price_unit(held.feed)}"


def _odd_funds(market: DydxMarket) -> Iterator[str]:
    """The common insurance fund is behind USDC's place, any other behind an isolated perpetual's."""
    funds = market.insurance_funds or ()
    own = {place for place, held in enumerate(market.reserves) if place == 0 or held.is_isolated}
    if not {fund.place for fund in funds} <= own or len({fund.place for fund in funds}) < len(funds):
        yield "an insurance fund of no market"
    if not all(0 <= fund.quote_quantums <= MOST_SUMMED for fund in funds):
        yield "an insurance fund beyond all range"


def _misplaced(book: Book[Any]) -> str:
    """A subaccount has one position in a perpetual, long or short, and nothing beside an isolated one."""
    market: DydxMarket = book.market
    collateral, debt = book.collateral.is_positive(), book.debt.is_positive()
    if np.any(collateral & debt):
        return "a leg that is both long and short"
    pairs = book.account_of_leg * len(market.reserves) + book.reserves
    if len(np.unique(pairs)) < len(pairs):
        return "two positions of an account in one reserve"
    is_perpetual = book.reserves != 0
    isolated = np.array([reserve.is_isolated for reserve in market.reserves])[book.reserves]
    positions = np.bincount(book.account_of_leg[is_perpetual], minlength=len(book))
    if np.any(positions[book.account_of_leg[isolated]] > 1):
        return "a position beside an isolated one"
    return ""
