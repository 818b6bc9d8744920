"""Options that several commands share, as one frozen object per group."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Source:
    """Which market, from which node or file, at which block."""

    chain: str | None
    rpc_url: str | None
    record: str | None
    replay: str | None
    concurrency: int
    quiet: bool
    protocol: str | None = None
    market: str | None = None
    market_file: tuple[str, ...] = ()
    block: str | None = None
    snapshot: tuple[str, ...] = ()
    at: str | None = None
    index: str | None = None
    no_index: bool = False
    min_debt_usd: str | None = None
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """Along which drivers, and on which side."""

    drivers: tuple[str, ...]
    groups: tuple[str, ...]
    side: Literal["both", "long", "short"]


_WHERE = (
    click.option("--chain", metavar="C", help="Chain of a bundled market, by name or id."),
    click.option("--market", metavar="NAME", help="Market on that chain, or all; its main one if left out."),
    click.option(
        "--market-file", multiple=True, metavar="FILE", help="A market that is not bundled, as a JSON file."
    ),
    click.option(
        "-r",
        "--rpc-url",
        metavar="URL",
        help="JSON-RPC endpoint; for dYdX v4 grpc://host:port or http://host:port (CometBFT). "
        "Else the market file's endpoint, RPC_URL_<chain id>, ETH_RPC_URL, or the config file.",
    ),
)

_BLOCK = click.option(
    "--block",
    metavar="B",
    help="Block number, latest, safe or finalized.  [default: finalized; latest on a development chain]",
)

_WHEN = (
    _BLOCK,
    click.option(
        "--from",
        "snapshot",
        multiple=True,
        metavar="FILE",
        help="A snapshot, instead of reading from a node.",
    ),
)

_ASKING = (
    click.option("--record", metavar="FILE", help="Keep the node's answers in a file."),
    click.option("--replay", metavar="FILE", help="Take the answers from such a file, instead of a node."),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 64),
        default=4,
        show_default=True,
        metavar="N",
        help="Requests at a time.",
    ),
)

_AT = click.option(
    "--at",
    metavar="T",
    help="Accrue interest to a later instant: a unix time, or +12s, +5h or +30d after the block.",
)

_QUIET = click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")

_MARKET = (*_WHERE, *_WHEN, *_ASKING, _AT, _QUIET)

_INDEX = (
    click.option("--index", metavar="FILE", help="Where found accounts are kept between runs."),
    click.option("--no-index", is_flag=True, help="Search or read all anew, and keep nothing."),
)

_ACCOUNTS = (
    *_INDEX,
    click.option("--min-debt-usd", metavar="X", help="Leave out accounts that owe less."),
    click.option(
        "--stored",
        is_flag=True,
        help="Judge by indices as they were last written, as Compound's and Solo's views do.",
    ),
)

_PROTOCOL = click.argument("protocol", required=False)

_AXES = (
    click.option(
        "--driver",
        "drivers",
        multiple=True,
        metavar="D",
        help="What moves: ETH/USD, wstETH/ETH, a symbol, an address, a group. "
        "Every one that breaks someone if left out.",
    ),
    click.option(
        "--group",
        "groups",
        multiple=True,
        metavar="SPEC",
        help="Feeds that move together: NAME=LEAD,FOLLOWER[:NUM/DEN],...",
    ),
)


def source_options(command: F) -> F:
    """PROTOCOL and everything that says where a book comes from, handed over as `source`."""
    return collected(command, "source", Source, [_PROTOCOL, *_MARKET, *_ACCOUNTS])


def market_options(command: F) -> F:
    """PROTOCOL and everything that says where a market comes from, without what concerns its accounts."""
    return collected(command, "source", Source, [_PROTOCOL, *_MARKET])


def node_options(command: F) -> F:
    """Which node at which block, and no market; handed over as `source`."""
    chain = click.option("--chain", metavar="C", help="The chain, by name or id.")
    url = click.option(
        "-r",
        "--rpc-url",
        metavar="URL",
        help="JSON-RPC endpoint. Else RPC_URL_<chain id>, ETH_RPC_URL, or the config file.",
    )
    return collected(command, "source", Source, [chain, url, _BLOCK, *_ASKING, _QUIET])


def log_options(command: F) -> F:
    """PROTOCOL and everything that says which market's logs are searched, at no block of their own."""
    return collected(command, "source", Source, [_PROTOCOL, *_WHERE, *_ASKING, _QUIET])


def followed_options(command: F) -> F:
    """PROTOCOL and everything that says which markets are followed, at whatever block; as `source`."""
    return collected(command, "source", Source, [_PROTOCOL, *_WHERE, *_ASKING, *_INDEX, _QUIET])


def axes_options(command: F) -> F:
    """Drivers, groups and sides, handed over as `axes`."""
    side = click.option(
        "--side",
        type=click.Choice(["both", "long", "short"]),
        default="both",
        show_default=True,
        help="long: breaks as the driver falls. short: as it rises.",
    )
    return collected(command, "axes", Axes, [*_AXES, side])


def output_option(formats: str) -> Callable[[F], F]:
    """-o FILE; the suffix chooses the format."""
    return click.option(
        "-o", "--output", metavar="FILE", help=f"Write a file; its suffix says how: {formats}."
    )


def format_option(formats: Sequence[str]) -> Callable[[F], F]:
    """--format of what goes to stdout."""
    return click.option(
        "--format",
        "shape",
        type=click.Choice(formats),
        help="What to print on stdout.",
    )


def collected(command: F, name: str, kind: type[Any], decorators: Sequence[Callable[[Any], Any]]) -> F:
    """Gather the decorators' values into one object of `kind`, passed on as `name`."""

    @functools.wraps(command)
    def gathering(*args: Any, **values: Any) -> Any:
        fields = {field: values.pop(field) for field in kind.__slots__ if field in values}
        return command(*args, **{name: kind(**fields)}, **values)

    for decorate in reversed(decorators):
        gathering = decorate(gathering)
    return gathering  # type: ignore[return-value]
