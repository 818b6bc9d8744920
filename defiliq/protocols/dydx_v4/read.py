"""From a node to a book: the chain's perpetuals and subaccounts at one height."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.chain.bech32 import NotBech32, decode_address
from defiliq.chain.cosmos import CosmosNode
from defiliq.chain.gob import decode_gob_int
from defiliq.errors import DecodeError, InputError, MissingPrice, PagesMissing
from defiliq.protocols.dydx_v4.decode import Lost, Tally, decode_market, spoken, unknown_fields
from defiliq.protocols.dydx_v4.fetch import (
    Message,
    Subaccounts,
    Told,
    fetch_all,
    fetch_market,
    fetch_subaccount,
    has_unknown,
)
from defiliq.protocols.dydx_v4.insurance import read_funds
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.settle import Position, Subaccount, places_of, to_account, unjudged
from defiliq.protocols.priceless import tell_missing
from defiliq.types import Account, Block, Listing

OnProgress = Callable[[int, int], None]
"""Told how many subaccounts of about how many are read."""

_LETTERS: Final = bytes(sorted(b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
"""Those of addresses (bech32), in the order of a store's keys."""
_OWNER: Final = b"dydx1"
_LOOKED_AT: Final = 4
MOST: Final = 2**96
"""Sizes and indices stay far below ..."""
MOST_SETTLED: Final = 2**128
"""... and so does what settling makes of them, which is what columns of a book hold."""


def read_market(
    node: CosmosNode, listing: Listing, at: Block, on_missing: Callable[[MissingPrice], None] | None = None
) -> DydxMarket:
    """The market at one height.

    A perpetual without a price is left out and told to `on_missing`; without one, MissingPrice is raised.
    """
    market, lost = decode_market(fetch_market(node, at), listing, at)
    tell_missing(lost, on_missing)
    node.check_block(at)
    return market


def read(
    node: CosmosNode,
    listing: Listing,
    owners: NDArray[np.uint8] | None,
    at: Block,
    on_progress: OnProgress | None = None,
    *,
    uncounted: bool = False,
) -> Book[DydxMarket]:
    """All subaccounts at one height, or those of `owners` (N, account_bytes).

    In `Book.failed` by name: subaccounts that the chain itself would not judge, those with a position that
    has no price, and of `owners` those that the chain does not keep. Where all are read, also what nobody can
    name: subaccounts that the node counts and does not list, and every perpetual of which the positions do
    not sum to the chain's own open interest. Insurance funds are read with all only. `uncounted` changes
    nothing: whatever is held counts.
    """
    market, lost = decode_market(fetch_market(node, at), listing, at)
    if owners is None:
        market = read_funds(node, market, at)
    reader = _Reader(market, lost)
    if owners is None:
        book, unlisted = reader.whole(_told(fetch_all(node, at, reader.told), on_progress))
        told = {**unlisted, **reader.tally.gaps(market)}
    else:
        named = [market.account_name(key.tobytes()) for key in owners]
        found = {name: _fetch_named(node, name, at) for name in named}
        kept = [message for message in found.values() if _holds_something(message)]
        book = reader.book(Subaccounts(kept, b"", has_unknown=any(map(has_unknown, kept))))
        told = {name: _unkept(name) for name, message in found.items() if not _holds_something(message)}
    _require_apart(book)
    node.check_block(at)
    return reader.warned(replace(book, failed={**book.failed, **told}))


def decode_subaccount(message: Message) -> Subaccount:
    """One subaccount as the chain keeps it."""
    return Subaccount(
        owner=message.id.owner,
        number=message.id.number,
        assets=tuple((held.asset_id, decode_gob_int(held.quantums)) for held in message.asset_positions),
        positions=tuple(
            Position(
                held.perpetual_id,
                decode_gob_int(held.quantums),
                decode_gob_int(held.funding_index),
                decode_gob_int(held.quote_balance),
            )
            for held in message.perpetual_positions
        ),
        margin_enabled=message.margin_enabled,
    )


class _Reader:
    """Makes a book of each page, and keeps count of what all of them come to."""

    def __init__(self, market: DydxMarket, lost: Sequence[Lost]) -> None:
        self._market, self._places = market, places_of(market)
        self._priceless = {one.id: one for one in lost}
        self._has_unknown = False
        self._refused: set[str] = set()
        self.tally = Tally()
        self.told: Told = {}

    def book(self, page: Subaccounts) -> Book[DydxMarket]:
        """The accounts of one page, and why others of it cannot be judged."""
        self._has_unknown |= page.has_unknown
        accounts: list[Account] = []
        failed: dict[str, str] = {}
        for message in page.messages:
            name = _name(message)
            found = self._account(message)
            if isinstance(found, Account):
                accounts.append(found)
            elif name in self._refused:
                raise _twice()
            else:
                self._refused.add(name)
                failed[name] = found
        return Book.build(self._market, accounts, failed)

    def _account(self, message: Message) -> Account | str:
        """One account, or why it cannot be judged."""
        try:
            raw = decode_subaccount(message)
        except DecodeError as error:
            return str(error)
        for held in raw.positions:
            self.tally.add(held.perpetual_id, held.quantums)
        reason = self._unpriced(raw) or _beyond(raw) or unjudged(raw, self._market, self._places)
        reason = reason or self._mixed(raw)
        if reason:
            return reason
        account = to_account(raw, self._market, self._places)
        fits = all(max(leg.collateral, leg.debt) < MOST_SETTLED for leg in account.legs)
        return account if fits else "funding makes a number of it that is beyond all range"

    def whole(self, pages: Iterable[Subaccounts]) -> tuple[Book[DydxMarket], dict[str, str]]:
        """The accounts of all pages, and what is to be said of those that a node counts and does not list."""
        books = [Book.build(self._market, [])]
        unlisted: dict[str, str] = {}
        try:
            for page in pages:
                books.append(self.book(page))  # noqa: PERF401 - what came before an error is kept
        except PagesMissing as error:
            unlisted["subaccounts that the node did not list"] = error.seen
        return Book.joined(self._market, books), unlisted

    def warned(self, book: Book[DydxMarket]) -> Book[DydxMarket]:
        """The same, with a word on what the messages said beyond what is known here, or was not said."""
        graph = book.market.graph
        new = [unknown_fields(["subaccounts"])] if self._has_unknown else []
        warnings = (*graph.warnings, *new, *spoken(self.told))
        return replace(book, market=replace(book.market, graph=replace(graph, warnings=warnings)))

    def _mixed(self, raw: Subaccount) -> str:
        """Whether it has what the chain never lets anyone have together (isValidIsolatedPerpetualUpdates)."""
        held = [self._places[position.perpetual_id] for position in raw.positions if position.quantums]
        is_mixed = len(held) > 1 and any(self._market.reserves[place].is_isolated for place in held)
        return "it has a position beside an isolated one, which the chain never lets be" if is_mixed else ""

    def _unpriced(self, raw: Subaccount) -> str:
        for held in raw.positions:
            if held.perpetual_id in self._priceless:
                lost = self._priceless[held.perpetual_id]
                return f"its position in {lost.symbol} is without a price or a margin: {lost.seen}"
        return ""


def _name(message: Message) -> str:
    """Owner and number, where they are such: anything else would not be shown, nor kept, as it is."""
    name = f"{message.id.owner}/{message.id.number}"
    try:
        DydxMarket.account_key(name)
    except InputError:
        raise DecodeError("subaccounts", "one whose owner is no address") from None
    return name


def _fetch_named(node: CosmosNode, name: str, at: Block) -> Message:
    owner, _, number = name.rpartition("/")
    return fetch_subaccount(node, owner, int(number), at)


def _holds_something(message: Message) -> bool:
    return bool(message.asset_positions or message.perpetual_positions)


def _unkept(name: str) -> str:
    """Why nothing is known of a subaccount. The chain answers for any name, even one that nobody can have."""
    try:
        decode_address(name.rpartition("/")[0], "dydx")
    except NotBech32 as error:
        return f"the chain keeps no such subaccount, and it is {error}"
    return "the chain keeps no such subaccount. Isolated positions are in numbers from 128 on: dydx1.../128"


def _beyond(raw: Subaccount) -> str:
    """Whether a number is larger than what books hold, which no balance of the chain comes near."""
    numbers = [quantums for _, quantums in raw.assets]
    numbers += [n for held in raw.positions for n in (held.quantums, held.funding_index, held.quote_balance)]
    return "" if all(abs(n) < MOST for n in numbers) else "it holds a number beyond all range"


def _told(pages: Iterable[Subaccounts], on_progress: OnProgress | None) -> Iterator[Subaccounts]:
    """The same pages, each told to `on_progress` when it has been dealt with."""
    done = 0
    for page in pages:
        yield page
        done += len(page.messages)
        if on_progress is not None:
            on_progress(done, about_all(done, page.next_key))


def about_all(done: int, next_key: bytes) -> int:
    """About how many subaccounts there are, where so many lie before a key of the store.

    The keys are in the order of the owners' addresses, which are hashes and so spread evenly.
    """
    _, _, letters = next_key.partition(_OWNER)
    behind, of = 0, 1
    for letter in letters[:_LOOKED_AT]:
        behind, of = behind * len(_LETTERS) + max(0, _LETTERS.find(letter)), of * len(_LETTERS)
    return done * of // behind if behind else done


def _require_apart(book: Book[DydxMarket]) -> None:
    """No subaccount may come twice, be it as one that was read and as one that was not."""
    refused = [book.market.account_key(name) for name in book.failed]
    failed = np.frombuffer(b"".join(refused), dtype=np.uint8).reshape(-1, book.market.account_bytes)
    owners = np.concatenate([book.owners, failed])
    keys = owners.view(np.dtype((np.void, book.market.account_bytes))).ravel()
    if len(np.unique(keys)) < len(keys):
        raise _twice()


def _twice() -> DecodeError:
    return DecodeError("SubaccountAll", "a subaccount that comes twice: the node repeated a page")
