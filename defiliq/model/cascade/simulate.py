"""The simulation: a shock, what liquidators take, its sale, the oracles' answer, until all is quiet.

One round is one set of oracle prices: every account that breaks there is liquidated as often as its protocol
lets it be, however many blocks that takes. What was seized less what was repaid is sold (or bought) along
each driver in one go, into depth that nobody refills. The market's price is then where the depth is left; an
oracle follows it once it is past its deviation, or when its heartbeat comes. No interest accrues meanwhile,
nobody adds collateral or repays, and nothing but these trades moves a price.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from defiliq.depth.venue import Depth
from defiliq.errors import InputError
from defiliq.model.cascade.cascade import Cascade, Cause, Ended
from defiliq.model.cascade.stage import Followed, OracleRule, Settled, Stage

ROUND_S = 12
"""The time from one round to the next, for heartbeats: a block of Ethereum's."""
MOST_ROUNDS = 1_000


def simulate(
    stages: Sequence[Stage],
    shock: Mapping[str, Fraction],
    depths: Mapping[str, Depth],
    *,
    round_s: int = ROUND_S,
    rule: OracleRule | None = None,
    most_rounds: int = MOST_ROUNDS,
) -> Cascade:
    """What a shock leads to in some markets at once: driver to the share of spot that it is put to.

    Every driver that is shocked needs a depth; drivers with a depth that are not shocked move when what is
    seized hangs on them. With a `rule` every oracle keeps that instead of its own. `stages` are used up.
    """
    missing = [name for name in shock if name not in depths]
    if missing:
        own = f"--depth {missing[0]}=impact:1.2B"
        raise InputError(f"no depth is known for {', '.join(missing)}. Give each its own, such as {own}.")
    run = _Run(stages, depths, rule)
    run.settle("already")
    run.shock(shock)
    ended: Ended | None = None
    cause: Cause = "shock"
    while ended is None:
        run.settle(cause)
        if run.is_dry:
            ended = "depth ran dry"
        elif run.number >= most_rounds:
            ended = "round limit"
        else:
            found = run.follow(round_s)
            if found is None:
                ended = "quiet"
            else:
                cause = found
    return run.cascade(shock, ended)


@dataclass(slots=True)
class _Quote:
    """One market's oracle on one driver."""

    stage: int
    driver: str
    answer: int
    rule: OracleRule
    answered_s: int = 0

    @property
    def beat_s(self) -> int | None:
        """When it answers at the latest; None where nothing is known of that."""
        return None if self.rule.heartbeat_s is None else self.answered_s + self.rule.heartbeat_s

    def answer_at(self, clock_s: int, market: int) -> None:
        """Let it follow the market if it has a reason to by now."""
        is_over = self.beat_s is not None and self.beat_s <= clock_s
        if self.rule.is_due(self.answer, market) or (is_over and market != self.answer):
            self.answer, self.answered_s = market, clock_s
        elif is_over and self.rule.heartbeat_s:
            # It has said the same again at each of its beats so far.
            self.answered_s = clock_s - (clock_s - self.answered_s) % self.rule.heartbeat_s


@dataclass(slots=True)
class _Venue:
    """One driver's market: its depth, and where it stood when the shock had passed."""

    depth: Depth
    shock: Fraction = Fraction(1)
    anchor: Fraction = Fraction(0)
    """The depth's own price at the shock; only what happens to it since counts."""

    @property
    def ratio(self) -> Fraction:
        """The market's price as a share of spot."""
        return self.shock * self.depth.price / self.anchor


class _Trade(NamedTuple):
    """What was sold along a driver, or bought where negative, in whole tokens."""

    amount: Fraction
    unfilled: Fraction = Fraction(0)
    """What the depth could not take."""
    worse: Fraction | None = None
    """By which share its mean price was worse than the market's before, fees included; None without one."""


@dataclass(slots=True)
class _Run:
    """A simulation under way."""

    stages: Sequence[Stage]
    depths: Mapping[str, Depth]
    rule: OracleRule | None
    number: int = -1
    clock_s: int = 0
    is_dry: bool = False
    quotes: list[_Quote] = field(default_factory=list)
    venues: dict[str, _Venue] = field(default_factory=dict)
    rounds: list[dict[str, object]] = field(default_factory=list)
    markets: list[dict[str, object]] = field(default_factory=list)
    untraded: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for name in sorted(self.depths):
            self.venues[name] = _Venue(self.depths[name], anchor=self.depths[name].price)
        for k, stage in enumerate(self.stages):
            for name, found in sorted(stage.drivers.items()):
                rule = found.rule if self.rule is None else self.rule
                self.quotes.append(_Quote(k, name, found.spot, rule))

    def shock(self, shock: Mapping[str, Fraction]) -> None:
        """Put drivers elsewhere: market, oracles, and depth as arbitrage leaves it."""
        for name, ratio in shock.items():
            venue = self.venues[name]
            venue.depth = venue.depth.at_price(venue.depth.price * ratio)
            venue.shock, venue.anchor = ratio, venue.depth.price
        for quote in self.quotes:
            if quote.driver in shock:
                quote.answer = self._market(quote)

    def settle(self, cause: Cause) -> None:
        """One round: liquidate at the oracles' prices, then trade. What breaks at spot is not traded."""
        self.number += 1
        self.refused.clear()
        before = {name: venue.ratio for name, venue in self.venues.items()}
        traded: dict[str, Fraction] = {name: Fraction(0) for name in self.venues}
        done = []
        for k, stage in enumerate(self.stages):
            settled = stage.settle({quote.driver: quote.answer for quote in self.quotes if quote.stage == k})
            done.append(settled)
            self._count(cause, stage, settled)
            for name, amount in settled.traded.items():
                if name in traded:
                    traded[name] += amount
        trades = {name: _Trade(amount) for name, amount in traded.items()}
        if cause != "already":
            for settled in done:
                self.untraded.update(settled.untraded_usd)
            trades = {name: self._trade(name, amount) for name, amount in traded.items()}
            self.is_dry = any(trade.unfilled for trade in trades.values())
        self._tell(cause, done, before, trades)

    def follow(self, round_s: int) -> Cause | None:
        """Let oracles answer; what made them, or None where none has anything new to say."""
        followed = [quote for quote in self.quotes if quote.driver in self.venues]
        behind = [quote for quote in followed if self._market(quote) != quote.answer]
        is_due = any(quote.rule.is_due(quote.answer, self._market(quote)) for quote in behind)
        beats = [quote.beat_s for quote in behind if quote.beat_s is not None]
        if not is_due and not beats:
            return None
        self.clock_s += round_s
        if not is_due:
            self.clock_s = max(self.clock_s, min(beats))
        for quote in followed:
            quote.answer_at(self.clock_s, self._market(quote))
        return "deviation" if is_due else "heartbeat"

    def _market(self, quote: _Quote) -> int:
        """The market's price in an oracle's integers."""
        return self.stages[quote.stage].drivers[quote.driver].at(self.venues[quote.driver].ratio)

    def _trade(self, name: str, amount: Fraction) -> _Trade:
        """Sell or buy along a driver."""
        venue = self.venues[name]
        unit = 10**venue.depth.base.decimals
        size = int(abs(amount) * unit)
        if size == 0:
            return _Trade(amount)
        before = venue.depth.price
        if amount > 0:
            fill, venue.depth = venue.depth.sell(size)
            worse = 1 - Fraction(fill.got) / (fill.given * before) if fill.given else None
        else:
            fill, venue.depth = venue.depth.buy(size)
            # Of a price that has fallen to nothing no purchase is so many times worse.
            worse = Fraction(fill.given) / (fill.got * before) - 1 if fill.got and before else None
        return _Trade(amount, Fraction(fill.left, unit), worse)

    def _count(self, cause: Cause, stage: Stage, settled: Settled) -> None:
        self.refused.update(settled.refused)
        self.markets.append(
            {
                **stage.identity,
                "round": self.number,
                "cause": cause,
                "accounts": settled.accounts,
                "calls": settled.calls,
                "seized_usd": settled.seized_usd,
                "repaid_usd": settled.repaid_usd,
                "bonus_usd": settled.bonus_usd,
                "bad_debt_usd": settled.bad_debt_usd,
                "refused": sum(settled.refused.values()),
                "deleveraged_usd": settled.deleveraged_usd,
                "fund_spent_usd": settled.fund_spent_usd,
                "fund_left_usd": settled.fund_left_usd,
            }
        )

    def _tell(
        self,
        cause: Cause,
        done: Sequence[Settled],
        before: Mapping[str, Fraction],
        trades: Mapping[str, _Trade],
    ) -> None:
        """The round as rows, one per driver."""
        sums = {
            name: math.fsum(getattr(settled, name) for settled in done)
            for name in ("seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd", "deleveraged_usd")
        }
        counts = {name: sum(getattr(settled, name) for settled in done) for name in ("accounts", "calls")}
        for name, venue in self.venues.items():
            spot, trade = self._spot(name), trades[name]
            row: dict[str, object] = {
                "round": self.number,
                "cause": cause,
                "at_s": self.clock_s,
                "driver": name,
                "oracle_usd": self._oracle_usd(name),
                "market_usd": float(spot * before[name]),
                "market_after_usd": float(spot * venue.ratio),
                "traded_usd": float(self._dollars(name, before) * trade.amount),
                "slippage_pct": math.nan if trade.worse is None else float(100 * trade.worse),
                "unfilled_usd": float(self._dollars(name, before) * trade.unfilled),
            }
            self.rounds.append(row | counts | sums)

    def _first(self, driver: str) -> Followed:
        """A driver as the first market that has it quotes it."""
        return next(stage.drivers[driver] for stage in self.stages if driver in stage.drivers)

    def _spot(self, driver: str) -> Fraction:
        """Where a driver stands in the first market that has it."""
        found = self._first(driver)
        return Fraction(found.spot, found.unit)

    def _dollars(self, driver: str, ratios: Mapping[str, Fraction]) -> Fraction:
        """What 1.0 of a driver is worth in the base currency with markets at these shares of spot."""
        worth, mover = self._first(driver).quoted
        return self._spot(driver) * ratios[driver] * worth * ratios.get(mover, Fraction(1))

    def _oracle_usd(self, driver: str) -> float:
        """The oracle's price: of several markets' the one furthest on the way that the market goes."""
        prices = [
            quote.answer / self.stages[quote.stage].drivers[driver].unit
            for quote in self.quotes
            if quote.driver == driver
        ]
        return min(prices) if self.venues[driver].ratio <= 1 else max(prices)

    def cascade(self, shock: Mapping[str, Fraction], ended: Ended) -> Cascade:
        """What happened."""
        unknown = {quote.driver for quote in self.quotes if quote.rule.deviation_bps is None}
        return Cascade(
            shock={name: shock.get(name, Fraction(1)) for name in self.venues},
            final={name: venue.ratio for name, venue in self.venues.items()},
            spot_usd={name: float(self._spot(name)) for name in self.venues},
            depth={name: depth.name for name, depth in self.depths.items()},
            followed_at_once=tuple(sorted(unknown & set(self.venues))),
            round_rows=self.rounds,
            market_rows=self.markets,
            untraded_usd=dict(sorted(self.untraded.items())),
            refused=dict(self.refused),
            ended=ended,
        )
