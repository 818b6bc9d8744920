"""Ticks and prices of Uniswap v3: TickMath.

A tick t stands for the price 1.0001 ** t of token0 in token1. Prices are kept as square roots in Q64.96:
sqrt(price) * 2 ** 96.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

MIN_TICK: Final = -887272
MAX_TICK: Final = 887272
MIN_SQRT_RATIO: Final = 4295128739
"""getSqrtRatioAtTick(MIN_TICK)"""
MAX_SQRT_RATIO: Final = 1461446703485210103287273052203988822378723970342
"""getSqrtRatioAtTick(MAX_TICK); prices stay below it"""

_POWERS: Final = (
    0xFFFCB933BD6FAD37AA2D162D1A594001,
    0xFFF97272373D413259A46990580E213A,
    0xFFF2E50F5F656932EF12357CF3C7FDCC,
    0xFFE5CACA7E10E4E61C3624EAA0941CD0,
    0xFFCB9843D60F6159C9DB58835C926644,
    0xFF973B41FA98C081472E6896DFB254C0,
    0xFF2EA16466C96A3843EC78B326B52861,
    0xFE5DEE046A99A2A811C461F1969C3053,
    0xFCBE86C7900A88AEDCFFC83B479AA3A4,
    0xF987A7253AC413176F2B074CF7815E54,
    0xF3392B0822B70005940C7A398E4B70F3,
    0xE7159475A2C29B7443B29C7FA6E889D9,
    0xD097F3BDFD2022B8845AD8F792AA5825,
    0xA9F746462D870FDF8A65DC1F90E061E5,
    0x70D869A156D2A1B890BB3DF62BAF32F7,
    0x31BE135F97D08FD981231505542FCFA6,
    0x9AA508B5B7A84E1C677DE54F3E99BC9,
    0x5D6AF8DEDB81196699C329225EE604,
    0x2216E584F5FA1EA926041BEDFE98,
    0x48A170391F7DC42444E8FA2,
)
"""2 ** 128 / sqrt(1.0001) ** (2 ** i), as the contract has them: one for each bit of a tick's size."""

_LOG_SQRT10001: Final = 255738958999603826347141
"""2 ** 64 / log2(sqrt(1.0001)): from a logarithm to base 2 in Q64.64 to ticks in Q128.128."""
_ERROR_BELOW: Final = 3402992956809132418596140100660247210
_ERROR_ABOVE: Final = 291339464771989622907027621153398088495
"""How far the logarithm can be off, in ticks as Q128.128."""
_LOG_BITS: Final = 14
"""Binary places of the logarithm."""


@lru_cache(maxsize=1 << 16)
def sqrt_ratio_at_tick(tick: int) -> int:
    """sqrt(1.0001 ** tick) in Q64.96, rounded up (getSqrtRatioAtTick)."""
    size = abs(tick)
    if size > MAX_TICK:
        raise ValueError(f"tick {tick} is beyond {MAX_TICK}")
    ratio = 1 << 128
    for power in _POWERS:
        if size & 1:
            ratio = ratio * power >> 128
        size >>= 1
    if tick > 0:
        ratio = ((1 << 256) - 1) // ratio
    return -(-ratio >> 32)


def tick_at_sqrt_ratio(sqrt_price_x96: int) -> int:
    """The greatest tick whose ratio is not above the price (getTickAtSqrtRatio)."""
    if not MIN_SQRT_RATIO <= sqrt_price_x96 < MAX_SQRT_RATIO:
        raise ValueError(f"a square root of a price of {sqrt_price_x96} is out of range")
    ratio = sqrt_price_x96 << 32
    msb = ratio.bit_length() - 1
    r = ratio >> msb - 127 if msb >= 128 else ratio << 127 - msb
    log_2 = msb - 128 << 64
    for place in range(_LOG_BITS):
        r = r * r >> 127
        carry = r >> 128
        log_2 |= carry << 63 - place
        r >>= carry
    log = log_2 * _LOG_SQRT10001
    low = log - _ERROR_BELOW >> 128
    high = log + _ERROR_ABOVE >> 128
    return high if low == high or sqrt_ratio_at_tick(high) <= sqrt_price_x96 else low
