"""An account of a Comptroller right after one liquidateBorrow (CToken.repayBorrowFresh, seizeInternal)."""

from __future__ import annotations

from dataclasses import replace

from defiliq.protocols.compound_v2.legs import owed_balance
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.protocols.compound_v2.take import seize_tokens
from defiliq.types import Account, Leg, Liquidation


def after(account: Account, market: CompoundMarket, taken: Liquidation) -> Account:
    """The account once `taken` went through, which `take` said of it at this market's prices and time.

    The repaid debt is settled: its principal is what was owed less what was repaid, its index the market's of
    now. A debt of nothing has the index 0, as `read` gives it, for it asks for no snapshot then. Legs with
    nothing left are gone. What the account has entered stays entered.
    """
    market = market.as_accrued() if market.stored else market
    (seizure,) = taken.seizures
    seized = seize_tokens(market, taken.repay_reserve, seizure.reserve, taken.repaid)
    if seized is None:
        raise ValueError(f"no liquidation seizes {market.reserves[seizure.reserve].c_symbol} at these prices")
    legs = []
    for leg in account.legs:
        if leg.reserve == taken.repay_reserve:
            leg = _repaid(leg, market, taken.repaid)
        if leg.reserve == seizure.reserve:
            leg = replace(leg, collateral=leg.collateral - seized)
        if leg.collateral or leg.debt:
            legs.append(leg)
    return replace(account, legs=tuple(legs))


def _repaid(leg: Leg, market: CompoundMarket, repaid: int) -> Leg:
    """A debt that is settled at the market's borrow index."""
    reserve = market.reserves[leg.reserve]
    owed = owed_balance(leg, reserve) - repaid
    return replace(leg, debt=owed, debt_index=reserve.borrow_index_now_wad if owed else 0)
