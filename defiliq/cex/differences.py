"""How venues differ in what they do with a position that is liquidated: data with date and source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import pandas as pd

DIFFERENCE_COLUMNS = (
    *("venue", "engine", "is_partial", "partial_rule", "trigger_price", "insurance", "key_feature"),
    *("as_of", "sources"),
)


@dataclass(frozen=True, slots=True)
class VenueDifference:
    """One venue's way to liquidate, in sentences for people."""

    venue: str
    engine: str
    """What takes a position over, in order."""
    is_partial: bool
    """Whether a position may be reduced and live on. Then less than its whole size trades at its level."""
    partial_rule: str
    trigger_price: str
    """mark or oracle: which price has to reach the level."""
    insurance: str
    key_feature: str
    as_of: str
    """ISO date of the newest source that has one, else `undated`."""
    sources: tuple[str, ...]
    """URLs"""


@lru_cache(maxsize=1)
def venue_differences() -> tuple[VenueDifference, ...]:
    """What is known of each venue, as bundled."""
    text = files("defiliq.cex").joinpath("venue_differences.json").read_text(encoding="utf-8")
    rows = json.loads(text)["venues"]
    return tuple(VenueDifference(**(row | {"sources": tuple(row["sources"])})) for row in rows)


def differences_of(venues: Sequence[str]) -> tuple[VenueDifference, ...]:
    """Those of some venues, in the order given; one of which nothing is known is left out."""
    known = {one.venue: one for one in venue_differences()}
    return tuple(known[venue] for venue in dict.fromkeys(venues) if venue in known)


def difference_table(differences: Sequence[VenueDifference]) -> pd.DataFrame:
    """DIFFERENCE_COLUMNS: a row per venue; several sources are parted by spaces."""
    rows = [
        {name: getattr(one, name) for name in DIFFERENCE_COLUMNS} | {"sources": " ".join(one.sources)}
        for one in differences
    ]
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))
