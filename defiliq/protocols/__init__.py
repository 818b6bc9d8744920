"""What a lending protocol must offer, and the table of those that do. A protocol is a folder and one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book, MarginTerms, ValueTerms
from defiliq.calls import CallTerms
from defiliq.chain.node import LogFilter, Logs
from defiliq.errors import CallReverted, MissingPrice
from defiliq.protocols import aave_v3, compound_v2, compound_v3, dydx_solo, dydx_v4
from defiliq.protocols.explained import LegValue
from defiliq.protocols.happened import OnEvents
from defiliq.protocols.touching import Touching
from defiliq.types import (
    Account,
    Backing,
    Block,
    Happening,
    Health,
    Liquidation,
    Listing,
    Market,
    Question,
    Rule,
    Taking,
    TimeRule,
    Worth,
)

NodeKind: TypeAlias = Literal["evm", "cosmos"]


class Answered(Protocol):
    """The contract's own word about an account."""

    @property
    def said(self) -> Mapping[str, int | bool]:
        """What it says, under the names of `types.Health`; a contract need not say all of it."""
        ...


class LendingProtocol(Protocol):
    """A folder under `protocols`: its module satisfies this, and mypy checks it.

    A market goes back only into the protocol that read it, so each takes its own subclass of `Market`, and
    asks its own kind of node: `Any` stands for both here.
    """

    @property
    def name(self) -> str:
        """As users type it."""
        ...

    @property
    def node_kind(self) -> NodeKind:
        """What kind of node it is read from."""
        ...

    @property
    def verdicts_of(self) -> str:
        """Whose verdicts `ask_many` brings, for people: the contract's, or whoever answers in its place."""
        ...

    @property
    def root_address(self) -> str:
        """The one address that a market file must give; '' where the chain itself is the market."""
        ...

    @property
    def backing(self) -> Backing | None:
        """The law of the funds behind its liquidations; None where no fund decides what goes through."""
        ...

    @property
    def market_type(self) -> type[Market]:
        """The subclass of Market that its books hold."""
        ...

    def load_listings(self) -> tuple[Listing, ...]:
        """The markets known by name."""
        ...

    def discovery(
        self, node: Any, listing: Listing, at: Block
    ) -> tuple[LogFilter, Callable[[Logs], NDArray[np.uint8]]] | None:
        """The logs that name every account, and whom each log names; None where the chain lists accounts."""
        ...

    def read_market(
        self,
        node: Any,
        listing: Listing,
        at: Block,
        on_missing: Callable[[MissingPrice], None] | None = None,
    ) -> Market:
        """The market alone, without any account.

        A reserve without a price is left out and told to `on_missing`; without one it is raised.
        """
        ...

    def read(
        self,
        node: Any,
        listing: Listing,
        owners: Any,
        at: Block,
        on_progress: Callable[[int, int], None] | None = None,
        *,
        uncounted: bool = False,
    ) -> Book[Any]:
        """The state of accounts at one block; with `uncounted`, also supplies that back nothing.

        `owners` are (N, account_bytes) keys of accounts; None stands for all where `discovery` gives None.
        """
        ...

    def search_events(
        self, node: Any, listing: Listing, at: Block, first: int, last: int, on_events: OnEvents
    ) -> None:
        """Hand over the liquidations in blocks `first` to `last`, range by range, in the order of the chain.

        Contracts are looked up after block `at`. What is handed over stays found if a later range fails.
        """
        ...

    def event_worth(self, events: Sequence[Happening], market: Any) -> Sequence[Worth]:
        """What the liquidations of one block were worth in the market as it was after it."""
        ...

    def health(self, account: Account, market: Any) -> Health:
        """The law."""
        ...

    def rule(self, account: Account, market: Any) -> Rule:
        """The law with everything but prices settled."""
        ...

    def rule_over_time(self, account: Account, market: Any) -> TimeRule:
        """The law from the market's timestamp on, where nothing moves but time."""
        ...

    def margin(self, book: Book[Any]) -> MarginTerms:
        """The same, linear, for the engine's screen."""
        ...

    def values(self, book: Book[Any]) -> ValueTerms | None:
        """The same, exact, for the engine's columns; None where the rule is not a sum of rounded values."""
        ...

    def take(self, account: Account, market: Any) -> Taking:
        """What a liquidation takes, or why there is none."""
        ...

    def call_terms(self, book: Book[Any]) -> CallTerms:
        """The same in float columns, for sweeps over whole books."""
        ...

    def after(self, account: Account, market: Any, taken: Liquidation) -> Account:
        """The account right after `taken`, which `take` said of it in this market, has gone through.

        In the units that books keep, as `read` with `uncounted` would give it back.
        """
        ...

    def touching(self, market: Any) -> Touching | None:
        """The logs that change what `read` reads of accounts; None where no logs tell.

        Its addresses are the market's: where a later one has other reserves, all accounts are read anew.
        """
        ...

    def unaccounted(self, node: Any, book: Book[Any], since: Block | None = None) -> tuple[int, ...]:
        """What the contracts' own totals at the book's block hold beyond its accounts; empty where none tell.

        A book that is carried on by logs alone lacks something where this changes from block to block. Where
        the book before was of block `since`, what can't have moved after that need not be asked.
        """
        ...

    def parameters(self, market: Any) -> Mapping[str, str]:
        """What governs who is liquidatable, how much is taken and whether it goes through, by dotted names.

        Nothing that moves by itself: no price, index, rate or balance. The order is fixed.
        """
        ...

    def explain(self, account: Account, market: Any) -> Sequence[LegValue]:
        """The account's legs with balances and values."""
        ...

    def remarks(self, account: Account, market: Any) -> Sequence[str]:
        """What a person should know of an account that its numbers do not say, one sentence each."""
        ...

    def unsound(self, book: Book[Any]) -> str:
        """Why no contract could have made a book from a file; '' where nothing speaks against it."""
        ...

    def ask_many(self, node: Any, asked: Sequence[Question], spot: Any) -> Sequence[Answered | CallReverted]:
        """The contract's own answer to each question, where `spot` is the market as the chain has it."""
        ...


PROTOCOLS: Final[Mapping[str, LendingProtocol]] = {
    aave_v3.name: aave_v3,
    compound_v2.name: compound_v2,
    compound_v3.name: compound_v3,
    dydx_solo.name: dydx_solo,
    dydx_v4.name: dydx_v4,
}
"""Every protocol that defiliq reads, by name."""
