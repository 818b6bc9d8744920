"""One step of a Uniswap v3 swap, within one range of constant liquidity: SqrtPriceMath and SwapMath.

Amounts are of token0 and token1 in base units, square roots of prices in Q64.96. Where the contracts would
overflow, so do these functions, with the contract's own way around it or with SwapReverts.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from defiliq.units import MAX_UINT256, PPM, mul_div_down, mul_div_up

Q96: Final = 1 << 96
MAX_UINT160: Final = (1 << 160) - 1


class SwapReverts(ArithmeticError):
    """The contract would revert here: an amount or a price beyond what its integers hold."""


class Step(NamedTuple):
    """What one step moved."""

    sqrt_price_x96: int
    amount_in: int
    """Without the fee."""
    amount_out: int
    fee: int


def amount0_up(lower: int, upper: int, liquidity: int) -> int:
    """Token0 between two prices, rounded up (SqrtPriceMath.getAmount0Delta)."""
    return -(-mul_div_up(liquidity << 96, upper - lower, upper) // lower)


def amount0_down(lower: int, upper: int, liquidity: int) -> int:
    """Token0 between two prices, rounded down (SqrtPriceMath.getAmount0Delta)."""
    return mul_div_down(liquidity << 96, upper - lower, upper) // lower


def amount1_up(lower: int, upper: int, liquidity: int) -> int:
    """Token1 between two prices, rounded up (SqrtPriceMath.getAmount1Delta)."""
    return -(-liquidity * (upper - lower) >> 96)


def amount1_down(lower: int, upper: int, liquidity: int) -> int:
    """Token1 between two prices, rounded down (SqrtPriceMath.getAmount1Delta)."""
    return liquidity * (upper - lower) >> 96


def price_after_input(sqrt_price_x96: int, liquidity: int, amount: int, zero_for_one: bool) -> int:
    """The price once `amount` came in (SqrtPriceMath.getNextSqrtPriceFromInput)."""
    if zero_for_one:
        if amount == 0:
            return sqrt_price_x96
        numerator, product = liquidity << 96, amount * sqrt_price_x96
        if product <= MAX_UINT256 and numerator + product <= MAX_UINT256:
            return mul_div_up(numerator, sqrt_price_x96, numerator + product)
        return -(-numerator // (numerator // sqrt_price_x96 + amount))
    return _as_price(sqrt_price_x96 + (amount << 96) // liquidity)


def price_after_output(sqrt_price_x96: int, liquidity: int, amount: int, zero_for_one: bool) -> int:
    """The price once `amount` went out (SqrtPriceMath.getNextSqrtPriceFromOutput)."""
    if zero_for_one:
        moved = -(-(amount << 96) // liquidity)
        if sqrt_price_x96 <= moved:
            raise SwapReverts("more token1 goes out than the range holds")
        return sqrt_price_x96 - moved
    if amount == 0:
        return sqrt_price_x96
    numerator, product = liquidity << 96, amount * sqrt_price_x96
    if product > MAX_UINT256 or numerator <= product:
        raise SwapReverts("more token0 goes out than the range holds")
    return _as_price(mul_div_up(numerator, sqrt_price_x96, numerator - product))


def compute_swap_step(current: int, target: int, liquidity: int, remaining: int, fee_pips: int) -> Step:
    """One step from `current` towards `target` (SwapMath.computeSwapStep).

    `remaining` is what is still to come in, or, below zero, what is still to go out.
    """
    if remaining >= 0:
        return _step_of_input(current, target, liquidity, remaining, fee_pips)
    return _step_of_output(current, target, liquidity, -remaining, fee_pips)


def _step_of_input(current: int, target: int, liquidity: int, remaining: int, fee_pips: int) -> Step:
    zero_for_one = current >= target
    less_fee = mul_div_down(remaining, PPM - fee_pips, PPM)
    amount_in = _input_between(current, target, liquidity, zero_for_one)
    if less_fee >= amount_in:
        reached = target
    else:
        reached = price_after_input(current, liquidity, less_fee, zero_for_one)
        if reached != target:
            amount_in = _input_between(current, reached, liquidity, zero_for_one)
    amount_out = _output_between(current, reached, liquidity, zero_for_one)
    if reached != target:
        # The rest is too small to move the price any further, so it goes to the fee.
        return Step(reached, amount_in, amount_out, remaining - amount_in)
    return Step(reached, amount_in, amount_out, mul_div_up(amount_in, fee_pips, PPM - fee_pips))


def _step_of_output(current: int, target: int, liquidity: int, remaining: int, fee_pips: int) -> Step:
    zero_for_one = current >= target
    amount_out = _output_between(current, target, liquidity, zero_for_one)
    if remaining >= amount_out:
        reached = target
    else:
        reached = price_after_output(current, liquidity, remaining, zero_for_one)
        if reached != target:
            amount_out = min(remaining, _output_between(current, reached, liquidity, zero_for_one))
        else:
            amount_out = min(remaining, amount_out)
    amount_in = _input_between(current, reached, liquidity, zero_for_one)
    return Step(reached, amount_in, amount_out, mul_div_up(amount_in, fee_pips, PPM - fee_pips))


def _input_between(current: int, reached: int, liquidity: int, zero_for_one: bool) -> int:
    if zero_for_one:
        return amount0_up(reached, current, liquidity)
    return amount1_up(current, reached, liquidity)


def _output_between(current: int, reached: int, liquidity: int, zero_for_one: bool) -> int:
    if zero_for_one:
        return amount1_down(reached, current, liquidity)
    return amount0_down(current, reached, liquidity)


def _as_price(value: int) -> int:
    if value > MAX_UINT160:
        raise SwapReverts("the price does not fit 160 bits")
    return value
