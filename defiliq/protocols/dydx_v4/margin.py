"""dYdX v4's rule as lines in prices, for the engine's screen. The law is in rules.py."""

from __future__ import annotations

import numpy as np

from defiliq.book import Book, MarginTerms
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.values import beyond_columns
from defiliq.units import PPM

_ROUNDINGS_PER_TERM = 16
"""More than a leg's term has: two in the amount, and a few in scale, margin fraction and price."""
_STEP = 4
"""A notional loses less than 1, weighted by at most 2, and its margin is rounded up by less than 2."""


def margin(book: Book[DydxMarket]) -> MarginTerms:
    """What a quantum of each leg counts per price integer: notional less margin if long, plus it if short."""
    reserves = book.market.reserves
    scale = np.array([10.0**reserve.quantum_exponent for reserve in reserves])
    required = np.array(
        [r.initial_margin_ppm / PPM * (r.maintenance_fraction_ppm / PPM) for r in reserves], dtype=np.float64
    )
    feed_of = np.array([reserve.feed for reserve in reserves], dtype=np.intp)
    place = book.reserves
    credit = book.collateral.to_float() * (scale * (1.0 - required)).take(place)
    debit = book.debt.to_float() * (scale * (1.0 + required)).take(place)
    most_legs = int(np.max(np.diff(book.first_leg), initial=0))
    return MarginTerms(
        first_leg=book.first_leg,
        account_of_leg=book.account_of_leg,
        feeds=feed_of.take(place),
        credit=credit,
        credit_floor=credit,
        debit=debit,
        step=np.where(place == 0, 0.0, (np.sign(credit) + np.sign(debit)) * _STEP),
        # Sizes are whole quantums: no price is multiplied with anything that was rounded.
        grain=np.zeros(len(book.market.feeds)),
        relative_error=(most_legs + _ROUNDINGS_PER_TERM) * 2.0**-53,
        law_only=beyond_columns(book),
    )
