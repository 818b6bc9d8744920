"""The storefront of a Comet as its buyer sees it: what to buy once an account is absorbed."""

from __future__ import annotations

from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.storefront import Purchase, best_sale, purchase, reserves
from defiliq.protocols.compound_v3.take import absorbed, after_absorb
from defiliq.types import Account


def purchases(account: Account, market: CometMarket) -> tuple[Purchase, ...]:
    """The calls of buyCollateral that gain most right after an account was absorbed, in their order.

    Those behind `take`'s bonus: of what was seized, as nearly as one call per asset can, while the reserves
    are below their target; none where buying is paused.
    """
    if market.buy_paused:
        return ()
    taken = absorbed(account, market)
    there = after_absorb(taken, market)
    offers = [purchase(there, seizure) for seizure in taken.seizures]
    worthwhile = [offer for offer in offers if offer is not None and offer.gain_base > 0]
    return tuple(best_sale(worthwhile, reserves(there), there.target_reserves))
