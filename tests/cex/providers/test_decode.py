"""Strict readers: what is no number is an error that names its field."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.cex.providers.decode import Field
from defiliq.errors import BadVenueAnswer


def _field(value: Any) -> Field:
    return Field(value, "/x", lambda seen: BadVenueAnswer("someone", seen))


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, [], {}, [1], "", " ", "1 ", "1_000", "0x10", "\uff11", "NaN", "nan", "inf"),
        *(
            "-inf",
            "1e999",
            1e100,
            "-1e200",
            "1,5",
            "+1",
            ".5",
            "1.",
            math.nan,
            math.inf,
            -math.inf,
            "Infinity",
        ),
    ],
)
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(BadVenueAnswer, match=r"/x\.a is .* instead of a number"):
        _field({"a": value}).at_key("a").signed()


@given(st.floats(-1e99, 1e99))
def test_numbers_and_their_texts_are_the_same(number: float) -> None:
    assert _field(number).signed() == number
    assert _field(repr(number)).signed() == number


@given(st.integers(-(10**18), 10**18))
def test_whole_numbers(number: int) -> None:
    assert _field(number).signed() == _field(str(number)).signed() == float(number)


@pytest.mark.parametrize("value", [-1, "-0.1", -1e-300])
def test_sizes_are_not_negative(value: object) -> None:
    with pytest.raises(BadVenueAnswer, match="at least 0"):
        _field(value).size()
    with pytest.raises(BadVenueAnswer, match="above 0"):
        _field(value).price()


def test_nothing_is_a_size_and_no_price() -> None:
    assert _field(0).size() == 0
    with pytest.raises(BadVenueAnswer):
        _field("0").price()


@pytest.mark.parametrize("value", [1.5, "2.5", -1])
def test_places_are_whole(value: object) -> None:
    with pytest.raises(BadVenueAnswer):
        _field(value).whole()


@pytest.mark.parametrize("value", [1_761_213_600_000, 0, 1_761_213_600.5, "x"])
def test_milliseconds_where_seconds_are_expected(value: object) -> None:
    with pytest.raises(BadVenueAnswer):
        _field(value).at_seconds()


@pytest.mark.parametrize("value", [1_761_213_600, "1761213600", -1_761_213_600_000])
def test_seconds_where_milliseconds_are_expected(value: object) -> None:
    with pytest.raises(BadVenueAnswer):
        _field(value).at_milliseconds()


def test_moments() -> None:
    assert _field("1761213600999").at_milliseconds() == 1_761_213_600
    assert _field(1_761_213_600).at_seconds() == 1_761_213_600


@pytest.mark.parametrize("value", [None, 1, "text", {"a": 1}])
def test_what_is_no_list(value: object) -> None:
    with pytest.raises(BadVenueAnswer, match="a list"):
        _field(value).items()
    if not isinstance(value, dict):
        with pytest.raises(BadVenueAnswer, match="an object"):
            _field(value).members()
        with pytest.raises(BadVenueAnswer, match="an object"):
            _field(value).at_key("a")
    with pytest.raises(BadVenueAnswer, match="a list"):
        _field(value).at_index(0)


def test_paths_lead_to_the_place() -> None:
    answer = _field({"data": [{"rows": [[1], [1, "x"]]}]})
    rows = answer.at_key("data").items()[0].at_key("rows").items()
    with pytest.raises(BadVenueAnswer, match=r"/x\.data\[0\]\.rows\[1\]\[1\] is 'x' instead of a number"):
        rows[1].at_index(1).signed()
    with pytest.raises(BadVenueAnswer, match=r"rows\[0\] has 1 values, and value 1 is needed"):
        rows[0].at_index(1)
    with pytest.raises(BadVenueAnswer, match=r"/x has no missing"):
        answer.at_key("missing")


def test_long_values_are_not_repeated() -> None:
    with pytest.raises(BadVenueAnswer) as raised:
        _field("x" * 10_000).signed()
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("value", [1, None, ["x"]])
def test_what_is_no_text(value: object) -> None:
    with pytest.raises(BadVenueAnswer, match="a text"):
        _field(value).text()


@pytest.mark.parametrize("value", [1, "true", None])
def test_what_is_no_flag(value: object) -> None:
    with pytest.raises(BadVenueAnswer, match="true or false"):
        _field(value).flag()
