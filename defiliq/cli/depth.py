"""`defiliq depth`: how much moves a price, and what a trade does to it."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from defiliq.cli.depth_options import check_addresses
from defiliq.cli.options import Source, format_option, node_options, output_option
from defiliq.cli.printing import (
    SHAPES,
    TABLES,
    default_shape,
    print_table,
    require_format,
    write_output,
)
from defiliq.cli.talk import Talk
from defiliq.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from defiliq.depth.combined import Venue
    from defiliq.types import Block

PICTURES = ".png .svg"


@click.command(short_help="What trades do to a price.")
@click.option(
    "--pool",
    "pools",
    multiple=True,
    metavar="ADDR",
    help="A pool of Uniswap v3, v2 or a fork with the same arithmetic. Several are traded as one, also those "
    "of two pairs that meet in a third token.",
)
@click.option(
    "--pair",
    metavar="BASE/QUOTE",
    help="All pools of a pair, by symbols or addresses: WETH/USDC; WBTC/WETH/USDC is a way over WETH.",
)
@click.option("--file", "path", metavar="FILE", help="Pools from --save, or a depth curve as CSV.")
@click.option("--impact", metavar="VOLUME[,VOL%]", help="The square-root law instead; it needs --price.")
@click.option("--price", metavar="X", help="Where the market is: all pools are brought there first.")
@click.option("--base", metavar="SYMBOL", help="Which token is sold.  [default: the one that is no dollar]")
@click.option("--sell", "sells", multiple=True, metavar="X", help="Sell so much, and buy it back: 1500, 2k.")
@click.option("--buy", "buys", multiple=True, metavar="X", help="Buy so much, and sell it again.")
@click.option(
    "--save", metavar="FILE", help="Keep the pools in a JSON file, for --file and --depth file:FILE."
)
@node_options
@output_option(f"{TABLES}, or a picture: {PICTURES}")
@format_option(SHAPES)
def depth(
    source: Source,
    pools: tuple[str, ...],
    pair: str | None,
    path: str | None,
    impact: str | None,
    price: str | None,
    base: str | None,
    sells: tuple[str, ...],
    buys: tuple[str, ...],
    save: str | None,
    output: str | None,
    shape: str | None,
) -> None:
    """How much one can sell or buy until a price has moved by 0.5, 1, 2, 5 and 10%, and what trades give.

    Exact: the pools' own arithmetic over their liquidity at one block, with their fees. Nobody reacts. A way
    back tells what a trade and its reverse cost.
    """
    require_format(output, f"{TABLES} {PICTURES}")
    given = [name for name in (pools, pair, path, impact) if name]
    if len(given) != 1:
        raise click.UsageError("Name one of --pool, --pair, --file and --impact.")
    if save is not None and not (pools or pair):
        raise click.UsageError("--save keeps pools that are read from a node: name them by --pool or --pair.")
    check_addresses(pools)
    from defiliq.pipeline.depths import read_amount
    from defiliq.view.depth_table import depth_table

    amounts = [[read_amount(text) for text in side] for side in (sells, buys)]
    talk = Talk(quiet=source.quiet)
    block: Block | None
    if pools or pair:
        market, block = _of_node(source, pools, pair, base, save, talk)
    else:
        market, block = _of_file(path, base) if path is not None else _of_law(str(impact), price, base)
    market = market if price is None else _at_price(market, read_amount(price))
    _show(depth_table(market, *amounts, at=block), market, output, shape, talk)


def _show(table: pd.DataFrame, market: Venue, output: str | None, shape: str | None, talk: Talk) -> None:
    """A picture, rows in a file, a table for people, or rows on stdout."""
    if output is not None and Path(output).suffix.lower() in PICTURES.split():
        _draw(market, output, talk)
    elif output is not None:
        write_output(table, output, talk)
    if default_shape(shape) == "table" and (output is None or shape is not None):
        from defiliq.view.depth_table import print_depth

        print_depth(table, market)
    elif output is None or shape is not None:
        talk.say(market.name)
        print_table(table, default_shape(shape))


def _draw(market: Venue, output: str, talk: Talk) -> None:
    """What a trade from here does to the price, on both sides; money is the quote token's."""
    from defiliq.view.cascade_charts import draw_depth
    from defiliq.view.chart_frame import Caption
    from defiliq.view.charts import write_picture
    from defiliq.view.depth_curve import depth_curve
    from defiliq.view.depth_table import human

    spot = human(market.price, market)
    title = f"Depth of {market.base.symbol}/{market.quote.symbol} at {spot:,.8g}"
    figure = draw_depth(depth_curve(market, spot), Caption(title, (market.name,)), market.quote.symbol)
    talk.say(f"Wrote {write_picture(figure, output)}")


def _of_node(
    source: Source, pools: Sequence[str], pair: str | None, base: str | None, save: str | None, talk: Talk
) -> tuple[Venue, Block]:
    """Pools of a node and the block that they were read at, and kept where that was asked."""
    from defiliq.cli.sources import block_tag, evm_node
    from defiliq.pipeline.chains import chain_id_of
    from defiliq.pipeline.depths import pools_at, pools_of_pair, together, tokens_of

    if source.chain is None:
        raise click.UsageError("Name the --chain that the pools are on.")
    chain_id = chain_id_of(source.chain)
    if not isinstance(chain_id, int):
        raise InputError(f"{source.chain} is no EVM chain, so there are no such pools on it.")
    if pair is not None:
        tokens_of(pair, chain_id)
    with closing(evm_node(chain_id, "", source)) as node:
        node.expect_chain(chain_id)
        block = node.block(block_tag(source.block, chain_id))
        talk.say(f"Reading pools from {node.label} at block {block.number}")
        found = pools_at(node, pools, block) if pair is None else pools_of_pair(node, pair, block)
    market = together(found, base)
    if save is not None:
        from defiliq.depth.files import save_pools

        talk.say(f"Wrote {len(found)} pools to {save_pools(found, block, save)}")
    return market, block


def _of_file(path: str, base: str | None) -> tuple[Venue, Block | None]:
    from defiliq.pipeline.depths import load_dated_depth

    return load_dated_depth(path, base)


def _of_law(impact: str, price: str | None, base: str | None) -> tuple[Venue, None]:
    from defiliq.pipeline.depths import read_amount, read_law

    if price is None:
        raise click.UsageError("--impact needs a --price to start from.")
    return read_law(impact).at("base" if base is None else base, "USD", read_amount(price)), None


def _at_price(market: Venue, price: Fraction) -> Venue:
    """The market at a price as people write it."""
    if price <= 0:
        raise InputError("a price is above 0.")
    return market.at_price(price * Fraction(10**market.quote.decimals, 10**market.base.decimals))
