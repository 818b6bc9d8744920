"""An account of a Comet right after it was absorbed (Comet.absorbInternal)."""

from __future__ import annotations

from defiliq.protocols.compound_v3.legs import backs_debt
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.storefront import BASE
from defiliq.protocols.compound_v3.take import absorbed
from defiliq.types import Account, Leg, Liquidation


def after(account: Account, market: CometMarket, taken: Liquidation) -> Account:
    """The account once `taken` went through, which `take` said of it at this market's prices and time.

    All that it is in is the Comet's, its debt is gone, and what it was credited beyond the debt is a positive
    principal. That leg backs nothing: `read` gives it back only with `uncounted`. Whether the storefront then
    sells what was seized changes nothing here.
    """
    principal = absorbed(account, market).new_principal
    base = (Leg(BASE, principal, 0, counted=False),) if principal else ()
    return Account(account.owner, account.mode, base + _kept(account, market))


def _kept(account: Account, market: CometMarket) -> tuple[Leg, ...]:
    """Collateral that the account is not in: an absorption does not see it."""
    return tuple(
        leg
        for leg in account.legs
        if leg.reserve != BASE and not backs_debt(leg, market.reserves[leg.reserve]) and leg.collateral
    )
