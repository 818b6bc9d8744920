"""Uniswap v3 and v2: the contracts of npm's packages, with pools of every shape."""

from tests.lab.uniswap_v3.lab import Asked, Swapped, UniswapLab, start_uniswap_v3

__all__ = ["Asked", "Swapped", "UniswapLab", "start_uniswap_v3"]
