"""The first liquidation calls on many accounts at once, each account at prices of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defiliq.calls import Calls, CallTerms, Standing


def first_calls(terms: CallTerms, rows: NDArray[np.intp], leg_price: NDArray[np.float64]) -> Calls:
    """The call that pays best on each of the accounts `rows`, as the protocol's `take` chooses it.

    `leg_price` holds an oracle price per leg of those accounts, in their order (`calls.legs_of` names them),
    so each account may stand at prices of its own. That they break there is taken for granted.
    """
    return terms.rule.calls(Standing.apart(terms, rows, leg_price))
