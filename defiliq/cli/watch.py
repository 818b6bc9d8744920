"""`defiliq watch`: blocks as they come, or of the past, and what they change."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from defiliq.cli.cost_options import CostOptions, cost_options
from defiliq.cli.options import Source, followed_options
from defiliq.cli.printing import INCOMPLETE
from defiliq.cli.talk import Talk
from defiliq.cli.watch_options import Blocks, Told, Wanted, block_options, told_options, wanted_options
from defiliq.cli.watch_outlets import live_board, meters, outlets_of, stopped_by_signals
from defiliq.errors import BadUrl, InputError

if TYPE_CHECKING:
    from defiliq.chain.node import AnyNode
    from defiliq.index import Index
    from defiliq.pipeline.watch_live import Followed
    from defiliq.types import Head, Listing, Market
    from defiliq.watch.fleet import Outcome
    from defiliq.watch.judge import Valuer
    from defiliq.watch.metrics import Meter


@click.command(short_help="Follow blocks, tell what changes.")
@followed_options
@click.option(
    "--blocks",
    "span",
    metavar="A:B",
    help="Run over blocks of the past instead, by the same code: A:B, A: up to the newest, -1000: for the "
    "last 1,000. They begin with what held after the block before.",
)
@wanted_options
@block_options
@cost_options
@told_options
@click.option("-o", "--output", metavar="FILE.jsonl", help="Append the events there, each exactly once.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["table", "jsonl"]),
    help="On stdout: a table that is drawn again and again, or events as JSON lines.  "
    "[default: table on a terminal, else jsonl; nothing with -o off a terminal]",
)
@click.pass_context
def watch(
    ctx: click.Context,
    source: Source,
    span: str | None,
    wanted: Wanted,
    pacing: Blocks,
    cost: CostOptions,
    told: Told,
    output: str | None,
    shape: str | None,
) -> None:
    """Follow the blocks of markets, judge every account at each, and tell what changes as events.

    Events are JSON lines, see docs/watch.md: accounts that approach their level, become liquidatable, recover
    or are liquidated, bad debt, changed parameters, oracle updates, gaps and reorganisations. An event's id
    depends on what it says alone: a restart, a repetition or another observer gives the same.

    What was told is kept in --state; the next run goes on where this one ended, and catches up. A
    reorganisation takes events back by their ids. Ctrl-C or SIGTERM ends after the block under way. Exit code
    3: something could not be read, or blocks were passed over.
    """
    if output is not None and not output.casefold().endswith(".jsonl"):
        raise click.UsageError(f"Events are written as .jsonl, not to {output}.")
    asked = Asked(source, wanted, pacing, cost, Talk(quiet=source.quiet))
    is_all = _follow(asked, told, output, shape) if span is None else _replay(asked, span, output)
    if not is_all:
        ctx.exit(INCOMPLETE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say of markets and of what is worth telling."""

    source: Source
    wanted: Wanted
    pacing: Blocks
    cost: CostOptions
    talk: Talk

    def index(self) -> Index:
        """The account index, opened for the thread that asks."""
        from defiliq.cli.opening import open_index

        return open_index(self.source)

    def node(self, listing: Listing) -> Any:
        """The node of a market, opened."""
        from defiliq.cli.opening import open_node

        return open_node(listing.protocol, listing.chain_id, listing.endpoint, self.source)

    def valuer(self, node: AnyNode, listing: Listing) -> Callable[[Head, Market], Valuer]:
        """What values liquidations of a market block by block."""
        from defiliq.pipeline.valuing import valuer

        return valuer(node, listing, self.cost.terms())


def _replay(asked: Asked, span: str, output: str | None) -> bool:
    """Blocks of the past; whether everything could be read."""
    from defiliq.cli.events import parse_blocks
    from defiliq.pipeline.watching import replay_blocks

    blocks = parse_blocks(span)
    if asked.source.replay is not None or asked.source.record is not None:
        raise click.UsageError("A recording holds the answers at one block only.")
    policy, pace, is_complete = asked.wanted.policy(), asked.pacing.pace(), True
    found = _told_apart(asked)
    with _written(output) as write:
        for listing in found:
            with asked.node(listing) as node, asked.index() as index, asked.talk.progress("Blocks") as tell:
                asked.talk.say(f"Replaying {listing.protocol} {listing.name} from {node.label}")
                done = replay_blocks(
                    node,
                    listing,
                    blocks.first,
                    blocks.last,
                    policy=policy,
                    pace=pace,
                    valuer=asked.valuer(node, listing),
                    index=index,
                    on_event=lambda event: write(event.line()),
                    on_progress=lambda done, total: tell(done, total, "blocks"),
                    notice=asked.talk.warn,
                )
                asked.talk.say(f"Evaluated blocks {done.first} to {done.last}: {done.events} events")
                is_complete = is_complete and done.is_complete
    return is_complete


def _told_apart(asked: Asked) -> list[Listing]:
    """The markets that are named; InputError where events would not tell two of them apart.

    What nobody can use of owners and exits is refused here, too, before a node is asked.
    """
    from defiliq.cli.sources import check_accounts, listings

    asked.cost.terms()
    found = listings(asked.source)
    check_accounts(sorted(asked.wanted.policy().owners or ()), found)
    names = Counter((one.protocol, one.chain_id, one.name) for one in found)
    for (protocol, chain_id, name), count in names.items():
        if count > 1:
            raise InputError(
                f"{count} markets are called {protocol} {name} on chain {chain_id}: their events would have "
                "the same ids. Give each market file another name."
            )
    return found


@contextmanager
def _written(output: str | None) -> Iterator[Callable[[str], None]]:
    """Writes lines to stdout, or to a file that is begun anew."""
    if output is None:
        yield click.echo
        return
    try:
        with Path(output).open("w", encoding="utf-8") as file:
            yield lambda line: print(line, file=file)
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror}.") from None


def _follow(asked: Asked, told: Told, output: str | None, shape: str | None) -> bool:
    """Blocks as they come; whether everything could be read."""
    from defiliq.pipeline.watch_live import follow_markets

    if asked.source.replay is not None or asked.source.record is not None:
        raise click.UsageError("A recording brings no new blocks.")
    found = _told_apart(asked)
    is_table = (sys.stdout.isatty() and output is None) if shape is None else shape == "table"
    is_lines = shape == "jsonl" or (shape is None and output is None and not is_table)
    stopping = threading.Event()
    with ExitStack() as stack:
        board = stack.enter_context(live_board()) if is_table else None
        outlets = outlets_of(told, output, board, stack, prints_lines=is_lines)
        meter_of = meters(told, stack, asked.talk)
        markets = [_followed(asked, listing, meter_of) for listing in found]
        for market in markets:
            asked.talk.say(f"Following {market.name}")
        with stopped_by_signals(stopping):
            notice = asked.talk.warn if board is None else board.notice
            outcomes = follow_markets(markets, outlets, stopping, notice)
    return _ended(outcomes)


def _socket(url: str | None) -> str | None:
    """The websocket to listen to, tried for its form before anything is asked."""
    from defiliq.chain.url import SOCKETS, Endpoint

    if url is not None:
        try:
            Endpoint.of(url, SOCKETS)
        except BadUrl as error:
            raise InputError(f"--ws cannot be used: {error.seen}. Give one like wss://host/path.") from None
    return url


def _ended(outcomes: Sequence[Outcome]) -> bool:
    """Whether all was read; the error of a market that could not be followed is raised."""
    failed = [one for one in outcomes if one.error is not None]
    if failed and len(outcomes) == len(failed):
        raise failed[0].error or RuntimeError(failed[0].name)
    return all(one.is_complete for one in outcomes)


def _followed(asked: Asked, listing: Listing, meter_of: Callable[[str], Meter]) -> Followed:
    from defiliq.pipeline.chains import chain_name
    from defiliq.pipeline.watch_live import Followed

    name = f"{listing.protocol} {listing.name} on {chain_name(listing.chain_id)}"
    return Followed(
        listing=listing,
        name=name,
        connect=lambda: asked.node(listing),
        open_index=asked.index,
        valuer=asked.valuer,
        policy=asked.wanted.policy(),
        pace=asked.pacing.pace(),
        poll_s=asked.pacing.poll,
        stall_s=asked.pacing.stall,
        ws_url=_socket(asked.pacing.ws or os.environ.get(f"WS_URL_{listing.chain_id}") or None),
        meter=meter_of(name),
    )
