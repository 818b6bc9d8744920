"""The report card of a watch: of the liquidations that happened, how many it had announced, and how well.

It is made of events alone, in the order in which they were told. Nothing of what a reorganisation took back
counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, get_args

import pandas as pd

from defiliq.watch.fields import MissReason
from defiliq.watch.schema import Event

MARKET = ("chain_id", "protocol", "market")
REASONS: Final[tuple[str, ...]] = get_args(MissReason)
MISSED: Final = "missed"
PREDICTIONS: Final = ("liquidatable", "approaching", MISSED)
MOST_USD: Final = 1e100
MOST_DIGITS: Final = 100
"""Whatever an event claims beyond these is no value and no price."""
ALL: Final = "all"
"""The protocol and market of the row that counts every market."""
_RELEVANT = frozenset({"liquidated", "liquidatable", "approaching", "recovered", "gap"})

SCORE_COLUMNS = (
    *MARKET,
    *("liquidations", "announced_liquidatable", "announced_approaching", "missed", "announced_pct"),
    *("seized_usd", "announced_usd_pct", "unvalued"),
    *("errors", "error_zero_pct", "error_min", "error_median", "error_p90", "error_max"),
    *("lead_blocks_median", "lead_blocks_min", "lead_s_median"),
    *("told_liquidatable", "lapsed", "standing", "gaps", "gap_blocks"),
    *(f"missed: {reason}" for reason in REASONS),
    "base_symbol",
)
"""A row per market, and one of all where there are several. `error_*` is how far the announced level was from
the one that the account broke at, either way, in integers of its oracle, as text. `told_liquidatable` counts
announcements, `lapsed` those after which the account recovered without a liquidation, `standing` those that
still hold at the end. `lead_*` ends at the liquidation's own block; that block's time is only known where the
block was evaluated."""


class Kept(NamedTuple):
    """What is kept of one event."""

    id: str
    kind: str
    market: tuple[str, str, str]
    facts: Mapping[str, object]


@dataclass(slots=True)
class Reader:
    """Takes in events one by one."""

    lines: int = 0
    duplicates: int = 0
    retracted: int = 0
    unknown_retractions: int = 0
    """Ids that were taken back though nothing here had told them."""
    _seen: set[str] = field(default_factory=set)
    _kept: dict[str, Kept] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """The next event; ValueError where it is none of the schema's."""
        _check(event)
        self.lines += 1
        is_known = event.id in self._seen
        self.duplicates += is_known
        self._seen.add(event.id)
        if event.kind == "reorg":
            # Also one that is told twice: what it takes back may have been told twice before it.
            self._take_back(event.facts["retracted"], is_known=is_known)
        elif is_known:
            return
        elif event.kind in _RELEVANT:
            market = str(event.facts["chain_id"]), str(event.facts["protocol"]), str(event.facts["market"])
            self._kept[event.id] = Kept(event.id, event.kind, market, _needed(event))

    def _take_back(self, ids: object, *, is_known: bool) -> None:
        for one in ids if isinstance(ids, list) else ():
            if one in self._seen:
                # The chain may come back to the block, and the event with it.
                self._seen.discard(one)
                self._kept.pop(one, None)
                self.retracted += 1
            elif not is_known:
                self.unknown_retractions += 1

    def table(self) -> pd.DataFrame:
        """SCORE_COLUMNS of what was taken in."""
        tallies: dict[tuple[str, str, str], _Tally] = {}
        for one in self._kept.values():
            tallies.setdefault(one.market, _Tally()).take(one)
        rows = [dict(zip(MARKET, market, strict=True)) | tallies[market].row() for market in sorted(tallies)]
        if len(tallies) != 1:
            every = _Tally()
            for market in sorted(tallies):
                every.join(tallies[market])
            rows.append(dict.fromkeys(MARKET, ALL) | every.row())
        return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


_NEEDED = (
    *("account", "was", "cause", "seized_usd", "repaid_usd", "base_symbol", "predicted", "miss_reason"),
    *("error_units", "block_number", "block_timestamp", "happened_block", "announced_block", "announced_at"),
    *("first_block", "last_block"),
)


def _needed(event: Event) -> dict[str, object]:
    return {name: event.facts[name] for name in _NEEDED if name in event.facts}


def _check(event: Event) -> None:
    """ValueError where the fields of an event contradict each other, or cannot be summed."""
    facts = event.facts
    if event.kind == "gap" and _integer(facts["last_block"]) < _integer(facts["first_block"]):
        raise ValueError("gap: it ends before it begins")
    if event.kind != "liquidated":
        return
    is_missed = facts["predicted"] == MISSED
    if facts["predicted"] not in PREDICTIONS or is_missed != (facts["miss_reason"] in REASONS):
        raise ValueError(f"liquidated: {facts['predicted']!r} because of {facts['miss_reason']!r}"[:200])
    if any((facts[name] is None) != is_missed for name in ("announced_block", "announced_at")):
        raise ValueError("liquidated: it does not say when it was announced, or says so of what was not")
    sums = [facts[name] for name in ("seized_usd", "repaid_usd")]
    if any(isinstance(value, int | float) and abs(value) > MOST_USD for value in sums):
        raise ValueError("liquidated: more than there is")
    if len(str(facts["error_units"])) > MOST_DIGITS:
        raise ValueError("liquidated: error_units is too long")


@dataclass(slots=True)
class _Tally:
    """One market's sums."""

    predicted: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    usd: list[float] = field(default_factory=list)
    announced_usd: list[float] = field(default_factory=list)
    unvalued: int = 0
    errors: list[int] = field(default_factory=list)
    lead_blocks: list[int] = field(default_factory=list)
    lead_s: list[int] = field(default_factory=list)
    told: int = 0
    lapsed: int = 0
    open: int = 0
    gaps: int = 0
    gap_blocks: int = 0
    symbols: set[str] = field(default_factory=set)
    _open: dict[str, bool] = field(default_factory=dict)
    """Account that was told to be liquidatable to whether it was liquidated since."""

    def take(self, event: Kept) -> None:
        """The next event of the market."""
        facts, account = event.facts, str(event.facts.get("account"))
        if event.kind == "gap":
            self.gaps += 1
            self.gap_blocks += _integer(facts["last_block"]) - _integer(facts["first_block"]) + 1
        elif event.kind == "liquidated":
            self._liquidated(facts)
            if account in self._open:
                self._open[account] = True
        else:
            if facts["was"] == "liquidatable" and account in self._open:
                was_taken = self._open.pop(account)
                self.lapsed += not was_taken and facts.get("cause") != "liquidated"
            if event.kind == "liquidatable":
                self.told += 1
                self._open[account] = False
        self.open = sum(not was_taken for was_taken in self._open.values())

    def _liquidated(self, facts: Mapping[str, object]) -> None:
        predicted = str(facts["predicted"])
        self.predicted[predicted] += 1
        self.symbols.add(str(facts["base_symbol"]))
        value = facts["seized_usd"] if facts["seized_usd"] is not None else facts["repaid_usd"]
        if isinstance(value, int | float):
            self.usd.append(float(value))
            if predicted != "missed":
                self.announced_usd.append(float(value))
        else:
            self.unvalued += 1
        if predicted == "missed":
            self.reasons[str(facts["miss_reason"])] += 1
        elif facts["announced_block"] is not None:
            happened = _integer(facts["happened_block"])
            self.lead_blocks.append(happened - _integer(facts["announced_block"]))
            if happened == facts["block_number"]:
                self.lead_s.append(_integer(facts["block_timestamp"]) - _integer(facts["announced_at"]))
        if facts["error_units"] is not None and predicted != "missed":
            self.errors.append(abs(int(str(facts["error_units"]))))

    def join(self, other: _Tally) -> None:
        """Add another market's sums."""
        self.predicted += other.predicted
        self.reasons += other.reasons
        for name in ("usd", "announced_usd", "errors", "lead_blocks", "lead_s"):
            getattr(self, name).extend(getattr(other, name))
        for name in ("unvalued", "told", "lapsed", "open", "gaps", "gap_blocks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.symbols |= other.symbols

    def row(self) -> dict[str, object]:
        """The sums as columns."""
        total, missed = self.predicted.total(), self.predicted["missed"]
        errors, is_one_money = sorted(self.errors), len(self.symbols) <= 1
        seized = math.fsum(self.usd) if is_one_money else math.nan
        return {
            "liquidations": total,
            "announced_liquidatable": self.predicted["liquidatable"],
            "announced_approaching": self.predicted["approaching"],
            "missed": missed,
            "announced_pct": _pct(total - missed, total),
            "seized_usd": seized,
            "announced_usd_pct": _pct(math.fsum(self.announced_usd), seized),
            "unvalued": self.unvalued,
            "errors": len(errors),
            "error_zero_pct": _pct(errors.count(0), len(errors)),
            **{f"error_{name}": _ranked(errors, pct) for name, pct in _RANKS.items()},
            "lead_blocks_median": _median(self.lead_blocks),
            "lead_blocks_min": min(self.lead_blocks) if self.lead_blocks else math.nan,
            "lead_s_median": _median(self.lead_s),
            "told_liquidatable": self.told,
            "lapsed": self.lapsed,
            "standing": self.open,
            "gaps": self.gaps,
            "gap_blocks": self.gap_blocks,
            **{f"missed: {reason}": self.reasons[reason] for reason in REASONS},
            "base_symbol": "+".join(sorted(self.symbols)),
        }


_RANKS: Final = {"min": 0, "median": 50, "p90": 90, "max": 100}


def _ranked(values: Sequence[int], pct: int) -> str:
    """The nearest rank of sorted integers; '' where there are none."""
    if not values:
        return ""
    return str(values[max(0, -(-len(values) * pct // 100) - 1)])


def _median(values: Sequence[int]) -> float:
    return float(sorted(values)[max(0, -(-len(values) // 2) - 1)]) if values else math.nan


def _pct(part: float, whole: float) -> float:
    return 100 * part / whole if whole else math.nan


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no integer")
    return value
