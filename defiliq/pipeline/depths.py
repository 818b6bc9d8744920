"""Depth as people name it: pools of a node, a pair, a file, or the square-root law."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from defiliq.chain.evm import EvmNode
from defiliq.chain.node import Node
from defiliq.depth.combined import Venue, combined
from defiliq.depth.curve import load_curve
from defiliq.depth.factories import token_address
from defiliq.depth.files import load_pools
from defiliq.depth.impact import DEFAULT_VOLATILITY_PPM, square_root_impact
from defiliq.depth.naming import base_first, is_or_wraps
from defiliq.depth.read import Pool, find_pools, read_pools
from defiliq.depth.route import route
from defiliq.depth.venue import Depth, Token
from defiliq.errors import InputError
from defiliq.pipeline.chains import chain_name
from defiliq.types import Block, ChainId

CURVE_DECIMALS = 18
_AMOUNT = re.compile(r"(?P<number>[0-9]{1,30}(?:\.[0-9]{1,30})?)(?P<size>[kKmMbBtT]?)")
_VOLATILITY = re.compile(r"(?P<number>[0-9]{1,4}(?:\.[0-9]{1,6})?)%?")
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


class Law(NamedTuple):
    """The two parameters of the square-root law."""

    daily_volume: Fraction
    """In the quote currency."""
    volatility_ppm: int

    def at(self, base: str, quote: str, price: Fraction) -> Venue:
        """The law for a pair at a price, both as people write them."""
        sold, paid = Token(base, CURVE_DECIMALS), Token(quote, CURVE_DECIMALS)
        volume = int(self.daily_volume * 10**CURVE_DECIMALS)
        try:
            return square_root_impact(sold, paid, price, volume, self.volatility_ppm)
        except ValueError as error:
            raise InputError(f"no square-root impact for {base}/{quote}: {error}.") from None


def read_law(text: str) -> Law:
    """VOLUME[,VOLATILITY%], such as 1.2B,4%; the volatility is a day's."""
    volume, comma, volatility = text.partition(",")
    found = _VOLATILITY.fullmatch(volatility.strip()) if comma else None
    if comma and found is None:
        raise InputError(f"{volatility.strip()!r} is no volatility. Write a day's in percent: 1.2B,4%.")
    amount = read_amount(volume)
    ppm = DEFAULT_VOLATILITY_PPM if found is None else int(Fraction(found["number"]) * 10**4)
    if amount == 0 or ppm == 0:
        raise InputError(f"{text!r} is no square-root impact: both numbers must be above 0.")
    return Law(amount, ppm)


def read_amount(text: str) -> Fraction:
    """An amount as people write it: 1500, 0.25, 1.2B, 350M, 20k."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text.strip()[:40]!r} is no amount. Write a number such as 1500, 0.25 or 1.2M.")
    return Fraction(found["number"]) * _SIZES[found["size"].lower()]


def pools_at(node: Node, addresses: Sequence[str], at: Block) -> tuple[Pool, ...]:
    """The pools at some addresses, which `together` makes one depth of. One named twice counts once."""
    named = {address.strip().casefold(): address.strip() for address in addresses}
    pools = read_pools(node, list(named.values()), at)
    _check(node, at)
    return pools


def pools_of_pair(node: Node, pair: str, at: Block) -> tuple[Pool, ...]:
    """All pools of BASE/QUOTE that the known factories have, or of both legs of BASE/MIDDLE/QUOTE."""
    pools: list[Pool] = []
    for sold, paid in pairwise(tokens_of(pair, at.chain_id)):
        found = find_pools(node, sold, paid, at)
        if not found:
            raise InputError(f"no known factory has a pool of {pair} with liquidity at block {at.number}.")
        pools += read_pools(node, found, at, base=sold)
    _check(node, at)
    return tuple(pools)


def tokens_of(pair: str, chain_id: ChainId) -> tuple[str, ...]:
    """The addresses of the tokens of BASE/QUOTE, or of BASE/MIDDLE/QUOTE; InputError for what is no pair."""
    named = [side.strip() for side in pair.split("/")]
    if not 2 <= len(named) <= 3 or not all(named):
        raise InputError(f"{pair!r} is no pair. Write BASE/QUOTE, such as WETH/USDC or two addresses.")
    return tuple(token_address(side, chain_id) for side in named)


def load_depth(path: str | Path, base: str | None = None, *, like: str = "") -> Venue:
    """A file of pools, or a curve as CSV; `base` and `like` as for `together`. A curve names no tokens.

    Pools say in their name when and where they were read: that may be another block, or chain, than a
    market is of.
    """
    return load_dated_depth(path, base, like=like)[0]


def load_dated_depth(
    path: str | Path, base: str | None = None, *, like: str = ""
) -> tuple[Venue, Block | None]:
    """The same, and the block that the pools of the file were read at; a curve is of none."""
    if Path(path).suffix.lower() == ".csv":
        sold = Token(base if base is not None else like if like else "base", CURVE_DECIMALS)
        return load_curve(path, sold, Token("quote", CURVE_DECIMALS)), None
    block, pools = load_pools(path)
    read_at = f"as of block {block.number} of {chain_name(block.chain_id)}"
    dated = [replace(pool, name=f"{pool.name} {read_at}") for pool in pools]
    return together(dated, base, like=like), block


def together(pools: Sequence[Pool], base: str | None = None, *, like: str = "") -> Venue:
    """Pools as one depth in which `base` is sold: of one pair, or of two pairs that meet in a third token.

    Without a `base` it is the first pool's token that is called `like` or wraps it, else the one that was
    sold there. Where pools of BASE/QUOTE stand beside a way over a third token, they are one depth, too.
    """
    sold = _token_of(pools, base) if base is not None else _likely(pools[0], like)
    first = [_selling(pool, sold) for pool in pools if sold in (pool.base, pool.quote)]
    rest = [pool for pool in pools if sold not in (pool.base, pool.quote)]
    try:
        if not rest:
            return combined(first)
        return _over_a_third(first, rest)
    except ValueError as error:
        raise InputError(f"these pools cannot be combined: {error}.") from None


def check_sold(depth: Depth, driver: str) -> None:
    """InputError where pools sell another asset than a driver is of. A curve, or a law, names no token."""
    asset, base = driver.partition("/")[0].strip(), depth.base
    if base.address and not is_or_wraps(base.symbol, asset):
        raise InputError(
            f"{depth.name} sells {base.symbol}, and {driver} is of {asset}. "
            f"Write SPEC@{base.symbol} where that is the same."
        )


def _over_a_third(first: Sequence[Pool], rest: Sequence[Pool]) -> Venue:
    """Pools of base for a third token, then those of it for quote; and those of base for quote, if any."""
    reached = {pool.quote for pool in first}
    middle, quote = base_first(rest[0].base, rest[0].quote)
    if middle not in reached:
        middle, quote = quote, middle
    onward = [_selling(pool, middle) for pool in rest if middle in (pool.base, pool.quote)]
    if middle not in reached or len(onward) < len(rest):
        raise ValueError("they are of more than two pairs, or of two that do not meet")
    way = route(combined([pool for pool in first if pool.quote == middle]), combined(onward))
    return combined([*(pool for pool in first if pool.quote != middle), way])


def _token_of(pools: Sequence[Pool], named: str) -> Token:
    """The token of some pools that goes by a symbol or an address."""
    tokens = dict.fromkeys(token for pool in pools for token in (pool.base, pool.quote))
    wanted = named.strip().casefold()
    for token in tokens:
        if wanted in (token.symbol.casefold(), token.address.casefold()):
            return token
    raise InputError(f"these pools trade {', '.join(token.symbol for token in tokens)}, not {named}.")


def _likely(pool: Pool, like: str) -> Token:
    """The token that somebody means who says ETH where WETH is traded."""
    fits = [token for token in (pool.base, pool.quote) if is_or_wraps(token.symbol, like)]
    return fits[0] if len(fits) == 1 else pool.base


def _selling(pool: Pool, token: Token) -> Pool:
    return pool if pool.base == token else pool.turned()


def _check(node: Node, at: Block) -> None:
    """That the block is still the one that was read, where a node is one."""
    if isinstance(node, EvmNode):
        node.check_block(at)
