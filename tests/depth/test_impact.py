"""The square-root law by hand, its cap, and its name."""

from __future__ import annotations

from fractions import Fraction

import pytest

from defiliq.depth.impact import square_root_impact
from defiliq.depth.venue import LONGEST_BITS, Token
from tests.depth.pools import USDC, WETH

PRICE = Fraction(2_000 * 10**6, 10**18)
DAY = 1_000_000 * 10**18
"""A day's volume in WETH, at 2,000 dollars."""
LAW = square_root_impact(WETH, USDC, PRICE, 2_000_000_000 * 10**6, 40_000)


def test_a_64th_of_a_day_moves_an_eighth_of_the_volatility() -> None:
    fill, after = LAW.sell(DAY // 64)
    assert LAW.daily_base == DAY
    assert after.price == PRICE * Fraction(995, 1000)
    # A root's mean is two thirds of its end.
    assert fill == (DAY // 64, 2_000 * 10**6 * 15_625 * (3000 - 10) // 3000, 0)
    assert LAW.buy(DAY // 64)[1].price == PRICE * Fraction(1005, 1000)
    assert (
        LAW.sale_to(PRICE * Fraction(995, 1000)).given
        == LAW.purchase_to(PRICE * Fraction(1005, 1000)).got
        == DAY // 64
    )


def test_parts_add_up_to_the_whole() -> None:
    whole, after = LAW.sell(10**22)
    first, between = LAW.sell(4 * 10**21)
    second, same = between.sell(6 * 10**21)
    assert same == after
    assert 0 <= whole.got - first.got - second.got <= 1
    back, there = after.buy(10**22)
    assert there == LAW
    assert whole.got <= back.given <= whole.got + 1


def test_no_move_goes_beyond_everything_and_sales_end_there() -> None:
    cap = DAY * 625
    fill, after = LAW.sell(2 * cap)
    assert (fill.given, fill.left) == (cap, cap)
    assert after.price == 0
    assert fill.got == LAW.sell(cap)[0].got == cap * 2_000 * 10**6 // 3 // 10**18
    fill, after = LAW.buy(2 * cap)
    assert after.price == 2 * PRICE
    assert fill.given - LAW.buy(cap)[0].given == cap * 4_000 * 10**6 // 10**18
    assert LAW.sell(2 * cap)[1].at_price(PRICE) == LAW


def test_what_was_traded_stays_traded_when_the_market_moves() -> None:
    after = LAW.sell(DAY // 64)[1].at_price(PRICE / 2)
    assert after.price == PRICE / 2
    assert after.net == -DAY // 64
    further = after.sell(DAY * 3 // 64)[1]
    assert further.price / after.price == Fraction(990, 995)


def test_prices_do_not_grow_longer_with_every_trade() -> None:
    depth = LAW
    for k in range(1, 60):
        depth = depth.sell(10**18 + k)[1].at_price(depth.price * Fraction(999, 1000))
    assert depth.anchor.denominator.bit_length() <= 2 * LONGEST_BITS
    assert depth == depth.at_price(depth.price)


@pytest.mark.parametrize(
    ("volume", "volatility_ppm", "quote", "name"),
    [
        (1_200_000_000, 40_000, "USD", "square-root impact, 1.2B a day, 4%"),
        (350_500_000, 25_000, "USDC", "square-root impact, 350.5M a day, 2.5%"),
        (12_500, 1_000_000, "ETH", "square-root impact, 12.5k ETH a day, 100%"),
        (80, 5, "USD", "square-root impact, 80 a day, 0.0005%"),
    ],
)
def test_the_name_tells_its_parameters(volume: int, volatility_ppm: int, quote: str, name: str) -> None:
    law = square_root_impact(WETH, Token(quote, 6), PRICE, volume * 10**6, volatility_ppm)
    assert law.name == name


@pytest.mark.parametrize(
    ("price", "volume", "volatility_ppm", "said"),
    [
        (Fraction(0), 10**9, 40_000, "no price"),
        (PRICE, 0, 40_000, "less than a base unit"),
        (PRICE, 10**9, 0, "not above 0"),
    ],
)
def test_what_is_no_law(price: Fraction, volume: int, volatility_ppm: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        square_root_impact(WETH, USDC, price, volume, volatility_ppm)
