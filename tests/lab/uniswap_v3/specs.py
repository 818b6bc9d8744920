"""Which pools the Uniswap lab has, and where liquidity lies in them: drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

MIN_TICK, MAX_TICK = -887272, 887272

Position: TypeAlias = tuple[int, int, int]
"""Lower tick, upper tick, liquidity."""


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """A token and what one of it is worth, in cents."""

    symbol: str
    decimals: int
    cents: int


TOKENS = {
    spec.symbol: spec
    for spec in (
        TokenSpec("WETH", 18, 250_000),
        TokenSpec("USDC", 6, 100),
        TokenSpec("WBTC", 8, 6_000_000),
        TokenSpec("DAI", 18, 100),
    )
}


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """One pool of the lab."""

    tokens: tuple[str, str]
    """In any order; their addresses decide which is token0."""
    fee_pips: int
    tick_spacing: int
    shape: str
    """What its liquidity is an example of: see SHAPES."""


POOLS: Mapping[str, PoolSpec] = {
    "WETH/USDC 0.01%": PoolSpec(("WETH", "USDC"), 100, 1, "narrow"),
    "WETH/USDC 0.05%": PoolSpec(("WETH", "USDC"), 500, 10, "deep"),
    "WETH/USDC 0.3%": PoolSpec(("WETH", "USDC"), 3000, 60, "wide"),
    "WETH/USDC 1%": PoolSpec(("WETH", "USDC"), 10000, 200, "gaps"),
    "WBTC/WETH 0.3%": PoolSpec(("WBTC", "WETH"), 3000, 60, "deep"),
    "DAI/USDC 0.01%": PoolSpec(("DAI", "USDC"), 100, 1, "touching"),
}
PAIR_RESERVES = {"WETH": 4_000 * 10**18, "USDC": 10_000_000 * 10**6}
"""Of the one pair of Uniswap v2."""

Draw: TypeAlias = Callable[[random.Random, int, int, int], list[Position]]


def draw_positions(spec: PoolSpec, tick: int, unit: int, seed: int) -> list[Position]:
    """The positions of a pool whose price is at `tick`; `unit` is a moderate liquidity in it."""
    rng = random.Random(f"{seed} {spec}")
    return SHAPES[spec.shape](rng, tick // spec.tick_spacing * spec.tick_spacing, spec.tick_spacing, unit)


def _deep(rng: random.Random, here: int, spacing: int, unit: int) -> list[Position]:
    """A full range, and many ranges of all widths around the price."""
    found = [_full(spacing, unit)]
    for _ in range(60):
        lower = here + rng.randint(-120, 60) * spacing
        found.append((lower, lower + rng.randint(1, 200) * spacing, rng.randint(1, 20 * unit)))
    return found


def _wide(rng: random.Random, here: int, spacing: int, unit: int) -> list[Position]:
    """A full range, and ranges far from the price, over many words of the bitmap."""
    found = [_full(spacing, unit)]
    for _ in range(40):
        lower = here + rng.randint(-3000, 2000) * spacing
        found.append((lower, lower + rng.randint(1, 900) * spacing, rng.randint(1, 5 * unit)))
    return found


def _narrow(rng: random.Random, here: int, spacing: int, unit: int) -> list[Position]:
    """Ranges of a few ticks next to each other, and one that reaches over several words."""
    found = [(here - 2000, here + 2000, unit)]
    for _ in range(80):
        lower = here + rng.randint(-300, 300) * spacing
        found.append((lower, lower + rng.randint(1, 12) * spacing, rng.randint(1, 300 * unit)))
    return found


def _gaps(rng: random.Random, here: int, spacing: int, unit: int) -> list[Position]:
    """Islands without anything between them, and nothing beyond the last: it runs dry."""
    found = [(here - spacing, here + spacing, unit)]
    islands = [here + step * spacing for step in (-40, -11, -3, 3, 9, 30)]
    return found + [(lower, lower + 2 * spacing, rng.randint(unit, 9 * unit)) for lower in islands]


def _touching(rng: random.Random, here: int, spacing: int, unit: int) -> list[Position]:
    """Ranges of one liquidity end to end, so that ticks are initialized and change nothing."""
    ends = [here + step * 8 * spacing for step in range(-12, 13)]
    found = [(lower, upper, 100 * unit) for lower, upper in pairwise(ends)]
    return [*found, (here - 500 * spacing, here + 500 * spacing, rng.randint(1, unit))]


def _full(spacing: int, unit: int) -> Position:
    return -(MAX_TICK // spacing) * spacing, MAX_TICK // spacing * spacing, unit


SHAPES: Mapping[str, Draw] = {
    "deep": _deep,
    "wide": _wide,
    "narrow": _narrow,
    "gaps": _gaps,
    "touching": _touching,
}
