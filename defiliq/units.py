"""Scales and named roundings of the integers that contracts compute with.

The rounding is part of a protocol's rule, so it is part of every function's name: `_down` floors,
`_up` ceils, `_half_up` rounds halves up, `_trunc` rounds towards zero. Ports call these and never a
bare `//`, except where flooring is all a line is about.
"""

from __future__ import annotations

WAD = 10**18
HALF_WAD = WAD // 2
RAY = 10**27
HALF_RAY = RAY // 2
BPS = 10**4
HALF_BPS = BPS // 2
PPM = 10**6
MAX_UINT256 = 2**256 - 1
HIGHEST_PRICE = 2**128 - 1
"""The largest oracle integer that is searched. Far above any feed, and low enough that price times balance
stays inside uint256 in the contracts."""


def mul_div_down(x: int, y: int, d: int) -> int:
    """x * y / d for non-negative integers, rounded down."""
    return x * y // d


def mul_div_up(x: int, y: int, d: int) -> int:
    """x * y / d for non-negative integers, rounded up (Aave MathUtils.mulDivCeil)."""
    return -(-x * y // d)


def mul_div_half_up(x: int, y: int, d: int) -> int:
    """x * y / d for non-negative integers, halves up."""
    return (x * y + d // 2) // d


def mul_div_trunc(x: int, y: int, d: int) -> int:
    """x * y / d rounded towards zero, as Solidity divides signed integers; `d` is positive."""
    n = x * y
    return n // d if n >= 0 else -(-n // d)


def wad_div_half_up(a: int, b: int) -> int:
    """a / b as a wad, halves up (Aave WadRayMath.wadDiv)."""
    return (a * WAD + b // 2) // b


def ray_mul_half_up(a: int, b: int) -> int:
    """a * b / 1e27, halves up (Aave WadRayMath.rayMul)."""
    return (a * b + HALF_RAY) // RAY


def ray_mul_down(a: int, b: int) -> int:
    """a * b / 1e27, rounded down (Aave WadRayMath.rayMulFloor)."""
    return a * b // RAY


def ray_mul_up(a: int, b: int) -> int:
    """a * b / 1e27, rounded up (Aave WadRayMath.rayMulCeil)."""
    return -(-a * b // RAY)


def ray_div_half_up(a: int, b: int) -> int:
    """a * 1e27 / b, halves up (Aave WadRayMath.rayDiv)."""
    return (a * RAY + b // 2) // b


def ray_div_up(a: int, b: int) -> int:
    """a * 1e27 / b, rounded up (Aave WadRayMath.rayDivCeil)."""
    return -(-a * RAY // b)


def ray_div_down(a: int, b: int) -> int:
    """a * 1e27 / b, rounded down (Aave WadRayMath.rayDivFloor)."""
    return a * RAY // b


def share_bps(part: int, whole: int) -> int:
    """Part / whole in bps, rounded down; 0 where the whole is 0."""
    return 0 if whole == 0 else mul_div_down(part, BPS, whole)


def percent_mul_half_up(value: int, bps: int) -> int:
    """Value * bps / 1e4, halves up (Aave PercentageMath.percentMul)."""
    return (value * bps + HALF_BPS) // BPS


def percent_mul_down(value: int, bps: int) -> int:
    """Value * bps / 1e4, rounded down (Aave PercentageMath.percentMulFloor)."""
    return value * bps // BPS


def percent_mul_up(value: int, bps: int) -> int:
    """Value * bps / 1e4, rounded up (Aave PercentageMath.percentMulCeil)."""
    return -(-value * bps // BPS)


def percent_div_half_up(value: int, bps: int) -> int:
    """Value * 1e4 / bps, halves up (Aave PercentageMath.percentDiv)."""
    return (value * BPS + bps // 2) // bps


def percent_div_down(value: int, bps: int) -> int:
    """Value * 1e4 / bps, rounded down (Aave PercentageMath.percentDivFloor)."""
    return value * BPS // bps


def percent_div_up(value: int, bps: int) -> int:
    """Value * 1e4 / bps, rounded up (Aave PercentageMath.percentDivCeil)."""
    return -(-value * BPS // bps)
