"""How many digits stand behind the point of each quantity of a price graph, as far as that follows."""

from __future__ import annotations

from collections.abc import Sequence

from defiliq.pricing.graph import Discount, Fraction, Input, Least, PriceGraph, Quantity
from defiliq.types import Market


def power_of_ten(number: int) -> int | None:
    """k where the number is 10**k; None where it is no power of ten."""
    text = str(number)
    return len(text) - 1 if text[0] == "1" and not text.strip("10") and text.count("1") == 1 else None


def price_decimals(market: Market) -> list[int | None]:
    """The decimals of each feed's price; None where its unit is no power of ten."""
    return [power_of_ten(market.price_unit(feed)) for feed in range(len(market.feeds))]


def decimals_of(graph: PriceGraph, priced_in: Sequence[int | None]) -> list[int | None]:
    """The decimals of every quantity: a computed feed has its price's, a cap those of what it limits.

    `priced_in` are those of the feeds' prices. None where constants that are no powers of ten hide them.
    """
    priced = dict(zip(graph.feeds, priced_in, strict=False))
    found: list[int | None] = []
    for position, quantity in enumerate(graph.quantities):
        is_answer = position in priced and not isinstance(quantity, Input)
        found.append(priced[position] if is_answer else _own(quantity, found))
    for position in reversed(range(len(found))):
        quantity = graph.quantities[position]
        if isinstance(quantity, Least):
            for part in quantity.of:
                found[part] = found[position] if found[part] is None else found[part]
    return found


def _own(quantity: Quantity, found: Sequence[int | None]) -> int | None:
    """What follows from the quantity itself and from those before it."""
    if isinstance(quantity, Input):
        return quantity.decimals
    if isinstance(quantity, Discount):
        return power_of_ten(quantity.whole)
    if isinstance(quantity, Least):
        return next((found[k] for k in quantity.of if found[k] is not None), None)
    if isinstance(quantity, Fraction):
        return _of_fraction(quantity, found)
    return None


def _of_fraction(quantity: Fraction, found: Sequence[int | None]) -> int | None:
    raised, lowered = power_of_ten(quantity.numerator), power_of_ten(quantity.denominator)
    over, under = [found[k] for k in quantity.over], [found[k] for k in quantity.under]
    gains, losses = [raised, *over], [lowered, *under]
    if None in gains or None in losses:
        return None
    left = sum(k for k in gains if k is not None) - sum(k for k in losses if k is not None)
    return left if left >= 0 else None
