"""Depth curves from CSV: by hand, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from defiliq.depth import curve as module
from defiliq.depth.curve import curve, curve_from_text, load_curve
from defiliq.depth.venue import Token
from defiliq.errors import BadFile

BASE, QUOTE = Token("ETH", 3), Token("USD", 2)
TEXT = """# a comment
side,price,amount
ask,2020,4
bid,1990,1
bid,1980,2

ask,2010,1.5
"""
UNIT = Fraction(10**2, 10**3)


def test_it_goes_in_straight_lines_through_the_levels() -> None:
    found = curve_from_text(TEXT, "some/book.csv", BASE, QUOTE)
    assert found.name == "depth curve book.csv"
    assert found.price == 2000 * UNIT
    # One at an average of 1995, then half of the two between 1990 and 1980, at an average of 1987.5.
    fill, after = found.sell(2_000)
    assert fill == (2_000, 199_500 + 198_750, 0)
    assert after.price == 1985 * UNIT
    fill, after = found.buy(1_500)
    assert fill == (300_750, 1_500, 0)
    assert after.price == 2010 * UNIT
    assert found.sale_to(1985 * UNIT) == found.sell(2_000)[0]
    assert found.purchase_to(2015 * UNIT) == found.buy(3_500)[0]


def test_cumulative_amounts_are_the_same_curve() -> None:
    text = "price, side ,cumulative\n2020,ask,5.5\n2010,ask,1.5\n1980,bid,3\n1990,bid,1\n"
    assert curve_from_text(text, "book.csv", BASE, QUOTE) == curve_from_text(TEXT, "book.csv", BASE, QUOTE)


def test_the_order_of_rows_does_not_matter() -> None:
    header, *rows = TEXT.split("\n")[1:]
    assert curve_from_text("\n".join([header, *reversed(rows)]), "book.csv", BASE, QUOTE) == curve_from_text(
        TEXT, "book.csv", BASE, QUOTE
    )


def test_beyond_the_last_level_it_is_dry() -> None:
    found = curve_from_text(TEXT, "book.csv", BASE, QUOTE)
    fill, after = found.sell(5_000)
    assert fill == (3_000, 199_500 + 2 * 198_500, 2_000)
    assert (after.price, after.bid) == (1980 * UNIT, None)
    assert after.sell(1) == ((0, 0, 1), after)
    assert after.buy(3_000)[0].given == fill.got
    assert found.buy(9_000)[0].left == 3_500


def test_it_moves_with_the_market_and_what_was_eaten_stays_eaten() -> None:
    found = curve_from_text(TEXT, "book.csv", BASE, QUOTE)
    after = found.sell(1_000)[1].at_price(3980 * UNIT)
    assert after.price == 3980 * UNIT
    assert after.sell(1_000)[0] == (1_000, 2 * 198_750, 0)
    assert after.sell(9_000)[0].left == 7_000


def test_a_side_may_be_empty_where_the_middle_is_named() -> None:
    found = curve_from_text("side,price,amount\nmid,2000,\nbid,1900,1\n", "b.csv", BASE, QUOTE)
    assert found.price == 2000 * UNIT
    assert found.buy(5) == ((0, 0, 5), found)
    assert found.sell(1_000)[0] == (1_000, 195_000, 0)


def test_levels_at_one_price_are_a_flat_stretch() -> None:
    found = curve_from_text("side,price,amount\nmid,2000,\nbid,2000,1\nbid,2000,1\n", "b.csv", BASE, QUOTE)
    fill, after = found.sell(2_000)
    assert fill == (2_000, 400_000, 0)
    assert after.price == found.price


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "header is not"),
        ("side,price\nbid,1\n", "header is not"),
        ("side,price,amount,cumulative\n", "header is not"),
        ("side,price,amount,amount\nbid,1,1,2\nask,4,1,2\n", "header is not"),
        ("side,price,amount\nmid,0,\nask,4,1\n", "line 2: '0' is no number above 0"),
        ("side,price,amount\n", "no row of side mid"),
        ("side,price,amount\nmid,5,\n", "it has no levels"),
        ("side,price,amount\nbid,1,1\n", "no row of side mid"),
        ("side,price,amount\nmid,1,\nmid,1,\nbid,1,1\n", "two rows of side mid"),
        ("side,price,amount\nmid,1,3\nbid,1,1\n", "mid has an amount"),
        ("side,price,amount\nbid,3,1\nask,2,1\n", "above the best ask"),
        ("side,price,amount\nmid,1,\nbid,3,1\nask,4,1\n", "above the middle"),
        ("side,price,amount\nbuy,3,1\n", "'buy' is not bid"),
        ("side,price,amount\nbid,x,1\nask,4,1\n", "'x' is no number"),
        ("side,price,amount\nbid,-1,1\nask,4,1\n", "'-1' is no number"),
        ("side,price,amount\nbid,nan,1\nask,4,1\n", "'nan' is no number"),
        ("side,price,amount\nbid,1e999999999,1\nask,4,1\n", "is no number"),
        ("side,price,amount\nbid,1,\nask,4,1\n", "'' is no number"),
        ("side,price,amount\nbid,1\nask,4,1\n", "'' is no number"),
        ("side,price,amount\nbid,1,0\nask,4,1\n", "'0' is no number above 0"),
        ("side,price,amount\nbid,0,1\nask,4,1\n", "'0' is no number above 0"),
        ("side,price,amount\n# wrong\n\nask,4,1\nbid,-1,1\n", "line 5: '-1' is no number above 0"),
        ("side,price,amount\nask,2,010,100\nbid,1,990,100\n", "line 2: more cells than the header has"),
        ("side,price,amount\nbid,1,0.0001\nask,4,1\n", "less than a base unit of ETH"),
        ("side,price,cumulative\nbid,3,5\nbid,2,5\nask,4,1\n", "do not grow"),
        ('side,price,amount\nbid,"3,5\n', "no depth curve"),
    ],
)
def test_what_is_no_curve_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(BadFile, match=said) as caught:
        curve_from_text(text, "b.csv", BASE, QUOTE)
    assert "\n" not in str(caught.value)


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "book.csv"
    path.write_text(TEXT)
    assert load_curve(path, BASE, QUOTE).price == 2000 * UNIT
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    with pytest.raises(BadFile, match="more than 3 rows"):
        load_curve(path, BASE, QUOTE)
    monkeypatch.setattr(module, "MAX_BYTES", 20)
    with pytest.raises(BadFile, match="larger than"):
        load_curve(path, BASE, QUOTE)
    with pytest.raises(BadFile, match="No such file"):
        load_curve(tmp_path / "none.csv", BASE, QUOTE)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(BadFile):
        load_curve(path, BASE, QUOTE)


@pytest.mark.parametrize(("price", "amount"), [(0, 1), (1, 0), (1, -1)])
def test_no_level_of_nothing(price: int, amount: int) -> None:
    with pytest.raises(ValueError, match="not above 0"):
        curve("c", BASE, QUOTE, [(Fraction(price), Fraction(amount))], [(Fraction(2), Fraction(1))])


def test_no_price_at_or_below_nothing() -> None:
    found = curve("c", BASE, QUOTE, [(Fraction(1), Fraction(1))], [(Fraction(2), Fraction(1))])
    with pytest.raises(ValueError, match="no price"):
        found.at_price(Fraction(0))
