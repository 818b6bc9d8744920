"""Markets and accounts of the law as the contract's own state."""

from __future__ import annotations

from defiliq.protocols.dydx_solo.market import SoloMarket
from defiliq.types import Account
from tests.protocols.dydx_solo.contract_says import ZERO, Index, Signed, State, new_index


def index_at(market: SoloMarket, position: int, timestamp: int) -> Index:
    """A market's index, from what the contract has stored of it."""
    reserve = market.reserves[position]
    stored = Index(reserve.borrow_index_wad, reserve.supply_index_wad, reserve.accrued_at)
    return new_index(
        stored,
        reserve.borrow_rate_wad,
        reserve.total_borrow_par,
        reserve.total_supply_par,
        market.earnings_rate_wad,
        timestamp,
    )


def state_of(account: Account, market: SoloMarket) -> State:
    """At the market's prices, with all interest accrued to its time, or as stored."""
    balances = [ZERO] * len(market.reserves)
    for leg in account.legs:
        balances[leg.reserve] = Signed(leg.debt == 0, leg.collateral + leg.debt)
    return State(
        indices=[
            Index(r.borrow_index_wad, r.supply_index_wad, r.accrued_at)
            if market.stored
            else index_at(market, k, market.timestamp)
            for k, r in enumerate(market.reserves)
        ],
        prices=[market.price_of(k) for k in range(len(market.reserves))],
        margin_premiums=[r.margin_premium_wad for r in market.reserves],
        spread_premiums=[r.spread_premium_wad for r in market.reserves],
        margin_ratio=market.margin_ratio_wad,
        liquidation_spread=market.liquidation_spread_wad,
        min_borrowed_value=market.min_borrowed_value_base,
        balances=balances,
        status=account.mode,
    )
