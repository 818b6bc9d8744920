"""The exact things: frozen, slotted, ints. Many things are columns instead: see `book`.

A price lives in a *feed*: one source contract as one market asks it, shared by all reserves that have the
same one. A *driver* (see `pricing`) moves one or more feeds, each by an integer function of one integer.
"""

from defiliq.types.account import Account, Leg, StableDebt
from defiliq.types.backing import Backing, Balances, SharedOut, Shortfall
from defiliq.types.chain import Block, ChainId, Head, Listing, Receipt, checksum
from defiliq.types.happening import Happening, HappeningKind, Worth
from defiliq.types.health import (
    NO_DEBT_FACTOR,
    Backstop,
    Health,
    Liquidation,
    Refusal,
    Seizure,
    Taking,
    Untold,
)
from defiliq.types.level import Eta, EtaOutcome, Level, Outcome, Question, Rule, Side, TimeRule
from defiliq.types.market import Feed, Market, Reserve

__all__ = [
    "NO_DEBT_FACTOR",
    "Account",
    "Backing",
    "Backstop",
    "Balances",
    "Block",
    "ChainId",
    "Eta",
    "EtaOutcome",
    "Feed",
    "Happening",
    "HappeningKind",
    "Head",
    "Health",
    "Leg",
    "Level",
    "Liquidation",
    "Listing",
    "Market",
    "Outcome",
    "Question",
    "Receipt",
    "Refusal",
    "Reserve",
    "Rule",
    "Seizure",
    "SharedOut",
    "Shortfall",
    "Side",
    "StableDebt",
    "Taking",
    "TimeRule",
    "Untold",
    "Worth",
    "checksum",
]
