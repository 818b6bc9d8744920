"""Presets, priors from text, and what is no prior."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.cex.priors import HIGH, LOW, MID, PRIORS, Prior, mid_of, parse_prior, prior_named
from defiliq.errors import InputError


def test_presets_go_from_little_leverage_to_much() -> None:
    assert [prior.name for prior in PRIORS] == ["low", "mid", "high"]
    means = [prior.mean_leverage for prior in PRIORS]
    assert means == sorted(means)
    assert all(math.fsum(prior.weights) == pytest.approx(1, abs=1e-12) for prior in PRIORS)
    assert all(prior.about for prior in PRIORS)


def test_the_high_preset_agrees_with_what_bitmex_said() -> None:
    """Mean leverage from 22x to 30x, weighted; four fifths at 47x to 54x or less."""
    mean = math.fsum(w * lev for lev, w in zip(HIGH.leverages, HIGH.weights, strict=True))
    assert 22 <= mean <= 30
    reached = 0.0
    for leverage, weight in zip(HIGH.leverages, HIGH.weights, strict=True):
        reached += weight
        if reached >= 0.8:
            assert 47 <= leverage <= 54
            break
    assert max(LOW.leverages) == 20


def test_a_prior_from_text() -> None:
    prior = parse_prior("5:0.2, 10:0.4,25:0.3,100:0.1")
    assert prior == Prior("5:0.2,10:0.4,25:0.3,100:0.1", (5, 10, 25, 100), (0.2, 0.4, 0.3, 0.1))
    assert parse_prior("desk=25x:60%,5x:40%", position_usd=1e6) == Prior("desk", (5, 25), (0.4, 0.6), 1e6)
    assert parse_prior(" Mid ") == MID == prior_named("mid")
    assert parse_prior("high", position_usd=1e6).position_usd == 1e6


@given(st.lists(st.integers(1, 200), min_size=1, max_size=8, unique=True), st.integers(1, 50))
def test_what_a_prior_says_of_itself_is_the_prior(leverages: list[int], heavier: int) -> None:
    leverages.sort()
    first = round(heavier / 100, 2)
    rest = [round((1 - first) / max(len(leverages) - 1, 1), 6)] * (len(leverages) - 1)
    weights = (first, *rest) if rest else (1.0,)
    prior = Prior("drawn", tuple(leverages), weights)
    assert parse_prior(f"drawn={prior}") == prior


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no leverage prior"),
        ("bold", "Known are low, mid, high"),
        ("5:0.2,10:0.4", "come to 0.6"),
        ("5:0.5,5:0.5", "named once"),
        ("0.5:1", "1 or more"),
        ("inf:1", "1 or more"),
        ("5:-0.5,10:1.5", "no share"),
        ("5:nan", "no share"),
        ("5:x", "no leverage with its share"),
        ("5:0.5,,10:0.5", "no leverage with its share"),
        (":", "no leverage with its share"),
    ],
)
def test_what_is_no_prior_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_prior(text)


def test_a_prior_needs_a_weight_for_each_leverage_and_a_position() -> None:
    with pytest.raises(InputError, match="a weight for every leverage"):
        Prior("none", (), ())
    with pytest.raises(InputError, match="a weight for every leverage"):
        Prior("two", (1, 2), (1.0,))
    with pytest.raises(InputError, match="typical position"):
        Prior("empty", (1,), (1.0,), position_usd=0)


def test_the_middle_of_a_band() -> None:
    own = [Prior(str(k), (k,), (1.0,)) for k in (1, 2, 3, 4)]
    assert mid_of(PRIORS) == 1
    assert mid_of([LOW, HIGH]) == 0
    assert mid_of(own) == 1
    assert mid_of(own[:3]) == 1
    assert mid_of([own[0], own[1], MID]) == 2
