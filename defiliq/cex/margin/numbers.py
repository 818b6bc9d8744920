"""What callers give as numbers, as exact fractions."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import NoReturn, TypeAlias

from defiliq.errors import InputError

Number: TypeAlias = int | str | float | Decimal | Fraction
"""What is exact, or read as the decimal that it is printed as: 0.1 is one tenth."""


def exact(value: Number, what: str) -> Fraction:
    """A number as a fraction; InputError where it is none, or not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        _refuse(value, what)
    try:
        return Fraction(repr(float(value))) if isinstance(value, float) else Fraction(value)
    except (ValueError, OverflowError, TypeError, ZeroDivisionError):
        _refuse(value, what)


def above_zero(value: Number, what: str) -> Fraction:
    """The same of a number that must be above 0."""
    number = exact(value, what)
    if number <= 0:
        raise InputError(f"{what} is {value}. Give a number above 0.")
    return number


def leverage_of(value: Number) -> Fraction:
    """The same of a leverage, which is at least 1."""
    number = exact(value, "leverage")
    if number < 1:
        raise InputError(f"a leverage of {value} is below 1. Give 1 or more.")
    return number


def _refuse(value: object, what: str) -> NoReturn:
    raise InputError(f"{what} is {value!r}, which is no finite number. Give one.") from None
