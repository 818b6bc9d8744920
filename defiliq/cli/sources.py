"""From options to books: resolve the market, open the node, read, and say what was read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from defiliq.cli.horizon import LONGEST_S, seconds_in
from defiliq.cli.opening import evm_node as evm_node
from defiliq.cli.opening import open_index, open_node
from defiliq.cli.options import Source
from defiliq.cli.talk import Talk
from defiliq.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from defiliq.book import Book
    from defiliq.chain.cosmos import CosmosNode
    from defiliq.chain.evm import EvmNode
    from defiliq.chain.node import AnyNode
    from defiliq.errors import MissingPrice
    from defiliq.pipeline.reading import Step
    from defiliq.types import Block, ChainId, Listing, Market

_PLAIN = re.compile(r"[0-9]{1,12}")
_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True, slots=True)
class Opened:
    """A book, and the node that it came from; a snapshot needs none."""

    book: Book[Any]
    node: AnyNode | None
    unpriced: tuple[MissingPrice, ...] = ()
    """Reserves that were left out for want of a price, where the market alone was read."""


@contextmanager
def opened(
    source: Source, talk: Talk, account: str | None = None, *, need_node: bool = False
) -> Iterator[list[Opened]]:
    """Every book that the options name, read at one block each; nodes are closed at the end.

    With the name of an `account`, a node is asked for that alone.
    """
    with ExitStack() as stack:
        if source.snapshot:
            check_files(source)
            yield [_load(path, source, talk, stack, need_node) for path in source.snapshot]
        else:
            named = listings(source)
            check_accounts(() if account is None else (account,), named)
            yield [_read(found, source, talk, stack, account) for found in named]


@contextmanager
def opened_markets(source: Source, talk: Talk) -> Iterator[list[Opened]]:
    """Every market that the options name, without accounts unless it comes from a snapshot."""
    with ExitStack() as stack:
        if source.snapshot:
            check_files(source)
            yield [_load(path, source, talk, stack, need_node=False) for path in source.snapshot]
        else:
            yield [_read_market(found, source, talk, stack) for found in listings(source)]


@contextmanager
def opened_one(
    source: Source, talk: Talk, account: str | None = None, *, need_node: bool = False
) -> Iterator[Opened]:
    """The one book that the options name."""
    with opened(source, talk, account, need_node=need_node) as books:
        if len(books) != 1:
            raise click.UsageError(f"This command takes one market, and {len(books)} were named.")
        yield books[0]


def listings(source: Source) -> list[Listing]:
    """The markets that the options name: without --market the chain's main one, and with `all` every one."""
    from defiliq.pipeline.listings import check_protocol, market, market_from_file, markets

    protocol = source.protocol
    if protocol is not None and protocol != "all":
        check_protocol(protocol)
    if source.market_file:
        found = [market_from_file(path) for path in source.market_file]
        for listing in found:
            require_protocol(protocol, listing.protocol)
        return found
    if protocol is None:
        raise click.UsageError("Name a PROTOCOL, a --market-file, or a snapshot with --from.")
    if source.chain is None:
        where = sorted({found.chain for found in markets(None if protocol == "all" else protocol)})
        raise click.UsageError(
            f"Name a --chain ({', '.join(where)}) or a --market-file. "
            "`defiliq markets` lists the bundled ones."
        )
    if protocol == "all":
        return list(markets(chain=source.chain))
    if source.market == "all":
        return list(markets(protocol, source.chain))
    return [market(protocol, source.chain, source.market)]


def check_files(source: Source) -> None:
    """Refuse what a file does not ask: it is of its own market at its own block."""
    for option, is_given in (
        ("--chain", source.chain is not None),
        ("--market", source.market is not None),
        ("--market-file", bool(source.market_file)),
        ("--block", source.block is not None),
    ):
        if is_given:
            raise click.UsageError(f"{option} does nothing with --from: a file is of a market at a block.")


def check_accounts(names: Iterable[str], markets: Iterable[Listing]) -> None:
    """Refuse what no account of some markets can be called, before a node is asked."""
    from defiliq.protocols import PROTOCOLS

    kinds = [PROTOCOLS[market.protocol].market_type for market in markets]
    for name in names:
        for kind in kinds:
            kind.check_typed(name)


def require_protocol(wanted: str | None, seen: str) -> None:
    """Refuse a market of another protocol than was named."""
    if wanted not in (None, "all", seen):
        raise InputError(
            f"the market is of {seen}, not of {wanted}. Leave PROTOCOL out, or name the right one."
        )


def _load(path: str, source: Source, talk: Talk, stack: ExitStack, need_node: bool) -> Opened:
    from defiliq.pipeline.snapshot import load_snapshot

    book = load_snapshot(path)
    require_protocol(source.protocol, book.market.protocol)
    _warn(book, talk)
    market = book.market
    node = node_for(market.protocol, market.block.chain_id, "", source, stack) if need_node else None
    return Opened(_narrowed(book, source, talk), node)


def _read(listing: Listing, source: Source, talk: Talk, stack: ExitStack, account: str | None) -> Opened:
    """Discover and read one market; accounts that could not be read are said at once.

    Where an `account` was asked for, the command itself says what is wrong with it.
    """
    from defiliq.pipeline.reading import read

    node = node_for(listing.protocol, listing.chain_id, listing.endpoint, source, stack)
    index = stack.enter_context(open_index(source))
    talk.say(f"Reading {listing.protocol} {listing.name} from {node.label}")
    with talk.progress("Reading") as tell:

        def step(step: Step) -> None:
            unit = "blocks" if step.stage == "discover" else "accounts"
            tell(step.done, step.total, f"{unit}, {step.accounts} accounts found")

        book = read(
            node,
            listing,
            _resumed(node, listing, source, talk)
            if account is None
            else block_tag(source.block, listing.chain_id),
            index=index,
            owners=None if account is None else _key(listing.protocol, account),
            uncounted=account is not None,
            on_progress=step,
        )
    _warn(book, talk, tell_failed=account is None)
    return Opened(_narrowed(book, source, talk), node)


def _key(protocol: str, account: str) -> NDArray[np.uint8]:
    """(1, K) an account's name as a market of this protocol keeps it."""
    import numpy as np

    from defiliq.protocols import PROTOCOLS

    key = PROTOCOLS[protocol].market_type.account_key(account)
    return np.frombuffer(key, dtype=np.uint8).reshape(1, len(key))


def _read_market(listing: Listing, source: Source, talk: Talk, stack: ExitStack) -> Opened:
    """Read one market without its accounts; reserves that have no price are said at once."""
    from defiliq.book import Book
    from defiliq.pipeline.reading import read_market

    node = node_for(listing.protocol, listing.chain_id, listing.endpoint, source, stack)
    talk.say(f"Reading {listing.protocol} {listing.name} from {node.label}")
    unpriced: list[MissingPrice] = []
    block = block_tag(source.block, listing.chain_id)
    market = read_market(node, listing, block, on_missing=unpriced.append)
    for lost in unpriced:
        talk.warn(f"INCOMPLETE: {lost.symbol} ({lost.asset}) is left out, it has no price: {lost.seen}")
    book: Book[Any] = Book.build(market, [])
    _warn(book, talk)
    return Opened(_narrowed(book, source, talk), node, tuple(unpriced))


def node_for(protocol: str, chain_id: ChainId, endpoint: str, source: Source, stack: ExitStack) -> AnyNode:
    """The node to ask: the one named by hand, the market file's own, or the one that is set for the chain."""
    node: EvmNode | CosmosNode = open_node(protocol, chain_id, endpoint, source)
    stack.callback(node.close)
    return node


def block_tag(text: str | None, chain_id: ChainId) -> int | str:
    """--block as a number or a tag; the chain's default where none is named."""
    if text is None:
        from defiliq.pipeline.chains import default_block

        return default_block(chain_id)
    if text.isdecimal() and text.isascii():
        return int(text)
    if text not in ("latest", "safe", "finalized", "earliest"):
        raise click.BadParameter(f"{text!r} is no block. Use a number, latest, safe or finalized.")
    return text


def _resumed(node: AnyNode, listing: Listing, source: Source, talk: Talk) -> int | str:
    """The block to read; without --block, the one at which a read of the same was just interrupted."""
    if source.block is None:
        from defiliq.pipeline.reading import unfinished

        block = unfinished(node, listing)
        if block is not None:
            talk.say(f"Going on at block {block.number}, where a read was interrupted (--block latest: anew)")
            return block.number
    return block_tag(source.block, listing.chain_id)


def _narrowed(book: Book[Any], source: Source, talk: Talk) -> Book[Any]:
    """The book at --at, without the accounts that --min-debt-usd leaves out."""
    from defiliq.pipeline.judge import as_stored, at_time
    from defiliq.pipeline.reading import over_debt

    if source.stored and source.at is not None:
        raise click.UsageError("--stored looks at what was last written, and --at ahead: use one of them.")
    if source.stored:
        book = as_stored(book)
        talk.say("Verdicts use indices as they were last written: no interest is accrued since")
    if source.at is not None:
        book = at_time(book, evaluation_time(source.at, book.market.block.timestamp))
        talk.say(f"Interest is accrued to {moment(book.market.timestamp)}")
    if source.min_debt_usd is not None:
        before = len(book)
        book = over_debt(book, source.min_debt_usd)
        talk.say(
            f"Left out {before - len(book)} of {before} accounts that owe less than {source.min_debt_usd}"
        )
    return book


def evaluation_time(text: str, block_timestamp: int) -> int:
    """--at as a unix time: one as it is, or so much after the block."""
    later = text.removeprefix("+")
    number = int(later) if _PLAIN.fullmatch(later) else None
    if later != text:
        ahead = seconds_in(later) if number is None else number
        found = None if ahead is None else block_timestamp + ahead
    else:
        found = number
    if found is None or found > block_timestamp + LONGEST_S:
        raise click.BadParameter(
            f"{text!r} is no instant. Write a unix time, or +12s, +5h or +30d after the block, up to +1000y.",
            param_hint="'--at'",
        )
    return found


def _warn(book: Book[Any], talk: Talk, *, tell_failed: bool = True) -> None:
    """Say what is odd about the prices and what is missing, even when quiet."""
    for warning in book.market.graph.warnings:
        talk.warn(warning)
    if book.failed and tell_failed:
        owner, reason = next(iter(book.failed.items()))
        talk.warn(f"INCOMPLETE: {len(book.failed)} accounts could not be read, such as {owner}: {reason}")


def describe(book: Book[Any], talk: Talk) -> None:
    """Say on stderr which market at which block was read, and how completely."""
    talk.say(headline(book.market))
    talk.say(coverage(book))


def headline(market: Market) -> str:
    """The market and its pinned block in one line."""
    return headline_of(market.protocol, market.name, market.version, market.block)


def headline_of(protocol: str, name: str, version: str, block: Block) -> str:
    """The same of a market that is known by its name alone, as in a ladder file."""
    from defiliq.pipeline.chains import chain_name

    chain = chain_name(block.chain_id)
    where = chain if chain == str(block.chain_id) else f"{chain} ({block.chain_id})"
    at = f"{block.number} {block.hash}, {moment(block.timestamp)}"
    return f"{protocol} {name} {version} on {where}, block {at}"


def coverage(book: Book[Any]) -> str:
    """How many accounts were found, read and not read."""
    found = len(book) + len(book.failed)
    return f"accounts: {found} found, {len(book)} read, {len(book.failed)} failed"


def moment(timestamp: int) -> str:
    """A unix time as UTC; the number itself beyond what a calendar holds."""
    if timestamp >= _YEAR_10000:
        return f"unix time {timestamp}"
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
