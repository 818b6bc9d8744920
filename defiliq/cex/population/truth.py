"""What is true of a simulated market, and what of it is public."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from defiliq.cex.history import Floats, History, Instrument, Int64s
from defiliq.cex.population.book import Bools, Positions
from defiliq.cex.population.world import World
from defiliq.cex.priors import Prior
from defiliq.types import Side

TRUTH_COLUMNS = (
    *("account", "side", "opened_at", "entry_usd", "coins", "leverage"),
    *("price_usd", "size_usd"),
)


@dataclass(frozen=True, slots=True)
class TrueLevels:
    """Where dollars are really liquidated, at one moment. Columns are (n,)."""

    at: int
    spot_usd: float
    is_long: Bools
    price_usd: Floats
    size_usd: Floats

    def side(self, side: Side) -> tuple[Floats, Floats]:
        """Prices and dollars of one side's levels."""
        chosen = self.is_long == (side == "long")
        return self.price_usd[chosen], self.size_usd[chosen]


@dataclass(frozen=True, slots=True)
class Truth:
    """Every position that is open at one moment, with where it is liquidated. All columns are (n,)."""

    at: int
    spot_usd: float
    account: Int64s
    opened_at: Int64s
    is_long: Bools
    entry_usd: Floats
    coins: Floats
    leverage: Floats
    """As chosen at the opening."""
    price_usd: Floats
    """Where it is liquidated; NaN where nowhere."""

    def __len__(self) -> int:
        return len(self.price_usd)

    @property
    def size_usd(self) -> Floats:
        """What its liquidation would put on the market: coins at the level's own price; NaN without one."""
        return self.coins * self.price_usd

    @property
    def levels(self) -> TrueLevels:
        """The positions that some price liquidates."""
        has = ~np.isnan(self.price_usd)
        columns = self.is_long[has], self.price_usd[has], self.size_usd[has]
        return TrueLevels(self.at, self.spot_usd, *columns)

    def side(self, side: Side) -> tuple[Floats, Floats]:
        """Prices and dollars of one side's levels."""
        return self.levels.side(side)

    def table(self) -> pd.DataFrame:
        """TRUTH_COLUMNS: the book as a venue on a chain shows it, a row per position."""
        columns = {name: getattr(self, name) for name in TRUTH_COLUMNS if name != "side"}
        columns["side"] = np.where(self.is_long, "long", "short")
        return pd.DataFrame(columns)[list(TRUTH_COLUMNS)]


@dataclass(frozen=True, slots=True)
class Population:
    """A simulated market: what everybody sees of it, and what nobody sees of a centralised venue."""

    seed: int
    world: World
    prior: Prior
    """The leverages that were drawn from."""
    history: History
    truths: tuple[Truth, ...]
    """At the moments that were asked for, and at the end, by time."""
    lasting_share: float
    """Of the published volume, what opened or closed a position that lasted beyond a candle: a secret too."""

    @property
    def truth(self) -> Truth:
        """At the end of the history."""
        return self.truths[-1]


def truth_of(at: int, spot_usd: float, longs: Positions, shorts: Positions) -> Truth:
    """Both sides' positions as they are now."""

    def both(name: str) -> Floats:
        joined: Floats = np.concatenate((getattr(longs, name), getattr(shorts, name)))
        return joined

    return Truth(
        at=at,
        spot_usd=spot_usd,
        account=both("account").astype(np.int64),
        opened_at=both("opened_at").astype(np.int64),
        is_long=np.arange(len(longs) + len(shorts)) < len(longs),
        entry_usd=both("entry_usd"),
        coins=both("coins"),
        leverage=both("leverage"),
        price_usd=both("level_usd"),
    )


SIMULATED = Instrument(
    venue="simulated", symbol="BTC/USDT:USDT", asset="BTC", settle="USDT", is_inverse=False, expires_at=None
)
