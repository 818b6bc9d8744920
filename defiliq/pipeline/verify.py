"""Ask the contract itself: about accounts as they stand, and at each level and its safe neighbour."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from defiliq.book import Book
from defiliq.chain.node import AnyNode
from defiliq.errors import BlockChanged, CallReverted, WrongChain
from defiliq.ladder import IDENTITY, identity
from defiliq.pipeline.judge import choose_drivers
from defiliq.pipeline.solving import Counter, solve_book
from defiliq.pricing.graph import Input
from defiliq.protocols import PROTOCOLS, Answered
from defiliq.types import Health, Level, Question

DISAGREEMENT_COLUMNS = (
    *IDENTITY,
    "account",
    "check",
    "driver",
    "price_raw",
    "what",
    "ours",
    "contract",
)

LEVELS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Verification:
    """How often the contract said what defiliq computed."""

    against: str
    """Whose answers it was compared with."""
    seed: int
    accounts: int
    """Accounts in the book."""
    asked: int
    agreed: int
    levels_asked: int
    levels_at_source: int | None
    """Levels for which not the reserves' prices but the driver's own contracts were moved; None where nothing
    can be moved on the chain, not even for a question."""
    price_agreed: int
    """Levels whose account the contract calls liquidatable at p*."""
    neighbour_agreed: int
    """Levels whose account the contract calls safe one integer nearer to spot."""
    unresolved: tuple[tuple[str, str], ...]
    """(account, driver) where rounding alone decides: no level, so nothing to ask about."""
    disagreements: pd.DataFrame

    @property
    def agrees(self) -> bool:
        """Whether the contract agreed with everything that it was asked."""
        return self.disagreements.empty


def verify(
    node: AnyNode,
    book: Book[Any],
    *,
    sample: int | None = None,
    levels: bool = False,
    seed: int = 0,
    drivers: Sequence[str] = (),
    groups: Sequence[str] = (),
    on_progress: Counter | None = None,
) -> Verification:
    """Compare a random sample of a book, or all of it, with the contract's own answers at the book's block.

    Every number that the contract says of an account must be equal, not only the verdict. With `levels`, each
    level of the sampled accounts goes to the contract twice, by override: at p* it must be liquidatable,
    one integer nearer to spot it must not. A driver that is price aggregators is moved there, so that the
    chain's own adapters make the prices; where it is not, the reserves' price sources are pinned.
    """
    _require_same_chain(node, book)
    rows = sorted(_sample(len(book), sample, seed))
    wrong: list[dict[str, object]] = []
    agreed = _compare(node, book, rows, wrong)
    chosen = choose_drivers(book.market, drivers, groups) if levels else ()
    solved = solve_book(book, chosen, rows=rows)
    found = [level for level in solved.levels if level.outcome == "price"]
    hits = neighbours = 0
    for first in range(0, len(found), LEVELS_AT_ONCE):
        some = found[first : first + LEVELS_AT_ONCE]
        hits += _ask_levels(node, book, some, 0, wrong)
        neighbours += _ask_levels(node, book, some, 1, wrong)
        if on_progress is not None:
            on_progress(first + len(some), len(found))
    return Verification(
        against=PROTOCOLS[book.market.protocol].verdicts_of,
        seed=seed,
        accounts=len(book),
        asked=len(rows),
        agreed=agreed,
        levels_asked=len(found),
        levels_at_source=_at_source(book, found),
        price_agreed=hits,
        neighbour_agreed=neighbours,
        unresolved=solved.unresolved,
        disagreements=_as_table(wrong),
    )


def _as_table(wrong: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Disagreements with one dtype per column, whether or not there are any."""
    text = dict.fromkeys(DISAGREEMENT_COLUMNS[len(IDENTITY) :], "str")
    return pd.DataFrame(list(wrong), columns=list(DISAGREEMENT_COLUMNS)).astype(text)


def _require_same_chain(node: AnyNode, book: Book[Any]) -> None:
    """A snapshot can only be verified where its block is still that block."""
    block = book.market.block
    if node.chain_id != block.chain_id:
        raise WrongChain(node.label, node.chain_id, block.chain_id)
    seen = node.block(block.number)
    if seen.hash != block.hash:
        raise BlockChanged(block.number, block.hash, seen.hash)


def _sample(accounts: int, sample: int | None, seed: int) -> Sequence[int]:
    if sample is None or sample >= accounts:
        return range(accounts)
    return random.Random(seed).sample(range(accounts), sample)  # noqa: S311 - a sample, not a secret


def _compare(node: AnyNode, book: Book[Any], rows: Sequence[int], wrong: list[dict[str, object]]) -> int:
    """Ask about accounts as they stand; the number that agree."""
    protocol, market = PROTOCOLS[book.market.protocol], book.market
    answers = protocol.ask_many(node, [Question(market, book.owner(row)) for row in rows], market)
    agreed = 0
    for row, answer in zip(rows, answers, strict=True):
        ours = protocol.health(book.account(row), market)
        wrong_here = _differences(ours, answer)
        agreed += not wrong_here
        wrong += [_disagreement(book, row, ("health", "", ""), difference) for difference in wrong_here]
    return agreed


def _ask_levels(
    node: AnyNode, book: Book[Any], levels: Sequence[Level], nearer: int, wrong: list[dict[str, object]]
) -> int:
    """Ask at each level, or `nearer` integers closer to spot; how often the contract says what we say."""
    protocol = PROTOCOLS[book.market.protocol]
    prices = [_price(level, nearer) for level in levels]
    moved = [
        book.market.at_prices(level.driver.prices(price)) for level, price in zip(levels, prices, strict=True)
    ]
    asked = [
        Question(market, book.owner(level.account), _sources(book, level, nearer))
        for market, level in zip(moved, levels, strict=True)
    ]
    answers = protocol.ask_many(node, asked, book.market)
    agreed = 0
    for level, price, market, answer in zip(levels, prices, moved, answers, strict=True):
        ours = protocol.health(book.account(level.account), market)
        differences = _differences(ours, answer)
        if not differences and ours.liquidatable is (nearer != 0):
            differences = [("liquidatable", str(nearer == 0), str(ours.liquidatable))]
        check = ("neighbour" if nearer else "p*", level.driver.name, str(price))
        wrong += [_disagreement(book, level.account, check, difference) for difference in differences]
        agreed += not differences
    return agreed


def _at_source(book: Book[Any], found: Sequence[Level]) -> int | None:
    """How many levels are asked about by moving the driver's own contracts; None where there are none."""
    if PROTOCOLS[book.market.protocol].node_kind != "evm":
        return None
    return sum(bool(_sources(book, level, 0)) for level in found)


def _sources(book: Book[Any], level: Level, nearer: int) -> dict[str, tuple[int, int]]:
    """The driver's own contracts with (answer, decimals), where all of them are price aggregators."""
    quantities = book.market.graph.quantities
    moved = level.driver.moved_inputs(_price(level, nearer))
    sources: dict[str, tuple[int, int]] = {}
    for position, answer in moved.items():
        quantity = quantities[position]
        if not isinstance(quantity, Input) or quantity.kind != "aggregator":
            return {}
        sources[quantity.source] = answer, quantity.decimals
    return sources


def _price(level: Level, nearer: int) -> int:
    """A level's price, or an integer so much closer to spot."""
    if level.price is None:
        raise ValueError("a level without a price cannot be asked about")
    return level.price + (nearer if level.side == "long" else -nearer)


def _differences(ours: Health, answer: Answered | CallReverted) -> list[tuple[str, str, str]]:
    """(what, ours, the contract's) for every number that differs."""
    if isinstance(answer, CallReverted):
        return [("answer", "a health", str(answer))]
    pairs = [(name, getattr(ours, name), theirs) for name, theirs in answer.said.items()]
    return [(name, str(mine), str(theirs)) for name, mine, theirs in pairs if mine != theirs]


def _disagreement(
    book: Book[Any], row: int, check: tuple[str, str, str], difference: tuple[str, str, str]
) -> dict[str, object]:
    said = dict(zip(DISAGREEMENT_COLUMNS[len(IDENTITY) + 1 :], (*check, *difference), strict=True))
    return identity(book.market) | {"account": book.owner(row)} | said
