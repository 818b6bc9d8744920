"""A market with known positions: traders open, close, add margin and are liquidated; only sums are published.

In every candle each side's openings less its closings are the same change of open interest, so longs equal
shorts to the coin, as at a venue. The price is drawn beforehand: liquidations do not move it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from defiliq.cex.history import EXECUTED_COLUMNS, Floats, History, Instrument, Int64s
from defiliq.cex.population.book import (
    Bools,
    Positions,
    close_some,
    first_hits,
    first_hits_after,
    no_positions,
    rescue,
)
from defiliq.cex.population.path import PricePath, lately, price_path
from defiliq.cex.population.rules import LiquidationRule, flat_rule
from defiliq.cex.population.truth import SIMULATED, Population, Truth, truth_of
from defiliq.cex.population.world import World
from defiliq.cex.priors import Prior
from defiliq.errors import InputError
from defiliq.model.heat import SIDES
from defiliq.types import Side

SOURCE = "simulated market, no real data"
_FUNDING_S = 28_800
_BASE_FUNDING = 1e-4
_FUNDING_LEAN = 2e-4
"""What the takers' lean adds to a funding rate at most."""
_FUNDING_NOISE = 3e-5
_ROUND_TRIP_NOISE = 0.3
_CROWD_LEAN = 0.2
"""How much the mood adds to the logarithm of how many accounts go long, and takes from that of shorts."""
_STOPS = (0.2, 0.9)
"""How far on the way from entry to level stop orders lie."""
_REBUILT_DAYS = 2.0
"""In how many days half of what liquidations took out is opened again."""


def simulate(
    seed: int,
    world: World | None = None,
    *,
    prior: Prior,
    instrument: Instrument = SIMULATED,
    rule: LiquidationRule | None = None,
    path: PricePath | None = None,
    moments: Sequence[int] = (),
) -> Population:
    """Run a market. The same arguments give the same market, bit by bit.

    `path` is a price drawn before (see `price_path`), so that several venues share one. `moments` are numbers
    of published candles, at whose ends the truth is kept beside that at the end.
    """
    world = world or World()
    if instrument.is_inverse:
        raise InputError("a simulated market is linear: its contracts are coins, settled in dollars.")
    rng = np.random.default_rng(seed)
    drawn = price_path(rng, world)
    market = _Market(rng, world, prior, rule or flat_rule(), path or drawn)
    truths = market.run(frozenset(moments))
    return Population(seed, world, prior, market.history(instrument), truths, market.lasting_share)


class _Market:
    """The state of one run."""

    def __init__(
        self, rng: np.random.Generator, world: World, prior: Prior, rule: LiquidationRule, path: PricePath
    ) -> None:
        self.rng, self.world, self.rule, self.path = rng, world, rule, path
        self.leverages, self.weights = np.array(prior.leverages), np.array(prior.weights)
        self.flow = lately(path.taker_buy_share - 0.5, world.step_days)
        returns = np.log(path.close_usd / path.open_usd)
        self.mood = self.flow if world.mood == "flow" else lately(returns, world.step_days)
        self.books: dict[Side, Positions] = {side: no_positions() for side in SIDES}
        self.t = world.warm_up + world.candles
        self.at = world.start_at + world.step_s * (np.arange(self.t, dtype=np.int64) - world.warm_up)
        self.appetite, self.missing, self.accounts = self._appetite(), 0.0, 0
        ranges = np.ptp(np.log(path.moves_usd), axis=1)
        self.liveliness = ranges / np.median(ranges)
        self.interest, self.ratio, self.volume_usd, self.lasting_usd = np.full((4, self.t), np.nan)
        self.executed: dict[Side, list[tuple[Int64s, Floats, Floats]]] = {side: [] for side in SIDES}

    def run(self, moments: frozenset[int]) -> tuple[Truth, ...]:
        """All candles. Truths at the ends of the published ones asked for, and of the last."""
        truths = []
        for i in range(self.t):
            self._candle(i)
            published = i - self.world.warm_up
            if published in moments or i == self.t - 1:
                spot, end = float(self.path.close_usd[i]), int(self.at[i]) + self.world.step_s
                truths.append(truth_of(end, spot, self.books["long"], self.books["short"]))
        return tuple(truths)

    def _candle(self, i: int) -> None:
        before = {side: self.books[side].total for side in SIDES}
        liquidated = {side: self._leave(side, i) for side in SIDES}
        change = self._change(i, before["long"], max(liquidated.values()))
        opened: dict[Side, float] = {}
        for side in SIDES:
            wanted = change + before[side] - self.books[side].total
            opened[side] = max(wanted, 0.0)
            close_some(self.rng, self.books[side], -wanted)
            self._open(side, i, opened[side])
        longs, shorts = self.books["long"], self.books["short"]
        # What was opened and liquidated at once is missing on one side: somebody of the other closes for it.
        close_some(self.rng, longs, longs.total - shorts.total)
        close_some(self.rng, shorts, shorts.total - longs.total)
        self._publish(i, opened["long"] + before["short"] + opened["short"] - shorts.total)

    def _leave(self, side: Side, i: int) -> float:
        """Close by choice and liquidate, whichever comes first. Liquidated coins."""
        book, world, moves = self.books[side], self.world, self.path.moves_usd[i]
        drawn = self.rng.random(len(book))
        rate = world.churn_daily * world.step_days * self.liveliness[i] ** world.hurry
        closing = np.flatnonzero(drawn < -np.expm1(-rate * book.eagerness))
        closes = np.full(len(book), world.moves)
        closes[closing] = self.rng.integers(0, world.moves, len(closing))
        closes = np.minimum(closes, first_hits(side, book.stop_usd, moves))
        hits = first_hits(side, book.level_usd, moves)
        is_liquidated = (hits < world.moves) & (hits < closes)
        coins = self._record(side, i, book, hits, is_liquidated)
        book.coins[drawn > 1.0 - world.halved_daily * world.step_days] /= 2
        book.keep(~is_liquidated & (closes == world.moves))
        rescue(side, book, float(moves.min() if side == "long" else moves.max()), self.rule)
        return coins

    def _change(self, i: int, interest: float, liquidated: float) -> float:
        """What the candle adds to the open interest: up to what traders would hold without liquidations, less
        what these took out and nobody has opened again yet.
        """
        if interest > 0:
            self.missing += (1.0 - self.world.liquidation_replaced) * liquidated / interest
        self.missing *= 0.5 ** (self.world.step_days / _REBUILT_DAYS)
        return float(self.appetite[i]) * math.exp(-self.missing) - interest

    def _appetite(self) -> Floats:
        """(t,) coins that traders would hold open, were none liquidated."""
        world = self.world
        noise = world.interest_noise_daily * np.sqrt(world.step_days) * self.rng.standard_normal(self.t)
        grown = world.growth * np.arange(self.t) / self.t
        coins: Floats = world.open_interest * np.exp(grown + np.cumsum(noise) - noise[0])
        return coins

    def _open(self, side: Side, i: int, coins: float) -> None:
        """Open positions of so many coins over the candle's moves; liquidate those it reaches at once."""
        if coins <= 0:
            return
        rng, world, moves = self.rng, self.world, self.path.moves_usd[i]
        keen = _sign(side) * (math.log(world.crowd) / 2 + _CROWD_LEAN * self.mood[i])
        many = math.ceil(coins * world.traders / world.open_interest * math.exp(keen))
        when = rng.choice(world.moves, many, p=self.path.traded[i])
        sizes = rng.lognormal(0.0, world.size_spread, many)
        weights = self.weights * self.leverages ** (world.lean * self.mood[i] * _sign(side))
        opened = Positions(
            account=self.accounts + np.arange(many, dtype=np.int64),
            opened_at=self._move_at(i, when),
            entry_usd=moves[when],
            coins=coins * sizes / sizes.sum(),
            leverage=rng.choice(self.leverages, many, p=weights / weights.sum()),
            level_usd=np.zeros(many),
            stop_usd=np.where(rng.random(many) < world.stopped, rng.uniform(*_STOPS, many), np.nan),
            eagerness=rng.lognormal(-(world.patience_spread**2) / 2, world.patience_spread, many),
            is_rescuable=rng.random(many) < world.rescued,
        )
        opened.level_usd = self.rule(side, opened.entry_usd, opened.leverage, opened.coins)
        opened.stop_usd = opened.entry_usd + opened.stop_usd * (opened.level_usd - opened.entry_usd)
        self.accounts += many
        hits = first_hits_after(side, opened, moves, when)
        self._record(side, i, opened, hits, hits < world.moves)
        opened.keep(hits == world.moves)
        self.books[side].add(opened)

    def _record(self, side: Side, i: int, book: Positions, hits: Int64s, chosen: Bools) -> float:
        """Write liquidations down. Their coins."""
        who = np.flatnonzero(chosen)
        if len(who) and i >= self.world.warm_up:
            price = book.level_usd[who]
            self.executed[side].append((self._move_at(i, hits[who]), price, price * book.coins[who]))
        return float(book.coins[who].sum())

    def _move_at(self, i: int, moves: Int64s) -> Int64s:
        """When some of a candle's moves happen: evenly through it, none at its very end."""
        at: Int64s = self.at[i] + moves * self.world.step_s // self.world.moves
        return at

    def _publish(self, i: int, coins: float) -> None:
        """Write down what the venue shows of a candle in which so many coins were bought to keep."""
        world, rng = self.world, self.rng
        interest = self.books["long"].total
        trips = world.round_trips_daily * world.step_days * interest * self.liveliness[i]
        trips *= rng.lognormal(0.0, _ROUND_TRIP_NOISE)
        mean_usd = float(self.path.moves_usd[i] @ self.path.traded[i])
        self.interest[i] = interest
        self.volume_usd[i] = (coins + trips) * mean_usd
        self.lasting_usd[i] = coins * mean_usd
        longs, shorts = len(self.books["long"]), len(self.books["short"])
        self.ratio[i] = longs / shorts if shorts else np.nan

    @property
    def lasting_share(self) -> float:
        """Of the published stretch's volume."""
        shown = slice(self.world.warm_up, None)
        return float(self.lasting_usd[shown].sum() / self.volume_usd[shown].sum())

    def history(self, instrument: Instrument) -> History:
        """What is public of the published stretch."""
        world, path = self.world, self.path
        shown = slice(world.warm_up, None)
        at = self.at[shown]
        return History(
            instrument=instrument,
            step_s=world.step_s,
            at=at,
            open_usd=path.open_usd[shown],
            high_usd=path.high_usd[shown],
            low_usd=path.low_usd[shown],
            close_usd=path.close_usd[shown],
            volume_usd=self.volume_usd[shown],
            open_interest=self.interest[shown],
            taker_buy_share=path.taker_buy_share[shown],
            funding_rate=self._funding(instrument)[shown],
            long_short_ratio=self.ratio[shown],
            executed=executed_table(self.executed),
            fetched_at=int(at[-1]) + world.step_s,
            source=SOURCE,
        )

    def _funding(self, instrument: Instrument) -> Floats:
        """(t,) what longs paid in each candle: at every eighth hour of the day; nothing before an expiry."""
        noise = self.rng.standard_normal(self.t) * _FUNDING_NOISE
        rates = _BASE_FUNDING + _FUNDING_LEAN * self.flow + noise
        settles = self.at // _FUNDING_S != (self.at - self.world.step_s) // _FUNDING_S
        paid: Floats = np.where(settles & (instrument.expires_at is None), rates, 0.0)
        return paid


def executed_table(parts: Mapping[Side, Sequence[tuple[Int64s, Floats, Floats]]]) -> pd.DataFrame:
    """EXECUTED_COLUMNS by time, of (at, price, dollars) by side; of one moment, longs first."""
    none = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
    tables = []
    for side in SIDES:
        at, price, size = (np.concatenate(column) for column in zip(none, *parts[side], strict=True))
        tables.append(pd.DataFrame({"at": at, "price_usd": price, "side": side, "size_usd": size}))
    joined = pd.concat(tables)[list(EXECUTED_COLUMNS)]
    return joined.sort_values("at", kind="stable", ignore_index=True)


def _sign(side: Side) -> float:
    return 1.0 if side == "long" else -1.0
