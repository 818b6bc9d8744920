"""What the fold over blocks asks of the rest of defiliq, as functions: it knows no solver and no protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.types import Account, Head, Level, Liquidation, Market

Valuer: TypeAlias = Callable[[Account, Market, Liquidation], Mapping[str, object]]
"""What a liquidation is worth to a liquidator in the very block, as the economics fields of an event."""


class Judge(NamedTuple):
    """Verdicts, levels and values, as functions."""

    liquidatable: Callable[[Book[Any]], NDArray[np.bool_]]
    """(N,) the exact verdict on every account of a book."""
    near: Callable[[Book[Any], float, Sequence[str] | None], Sequence[Level]]
    """The exact levels within so many percent of spot of accounts that are not liquidatable, along the named
    drivers or all oracle inputs: `outcome` is `price` in each. Names that the market lacks have none."""
    valuer: Callable[[Head, Market], Valuer]
    """The valuer of one block, with the market after it: where a liquidation is valued at other prices, pools
    move as far from what they were as the oracle does. It may ask a node for the pools of that block, once
    something is valued."""
    gas_usd: Callable[[int, Market], float | None] = lambda wei, market: None
    """So many wei of the chain's coin in the market's base currency; None where no price is known."""
