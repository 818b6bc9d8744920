"""Colours that everybody tells apart, on white paper and on the page's dark one."""

from __future__ import annotations

import math
import re
from importlib.resources import files
from itertools import combinations

import pytest

from defiliq.view.heatmap_terminal import LONG_STYLE, SHORT_STYLE
from defiliq.view.palette import (
    BAD_DEBT,
    BAND_TINTS,
    CHAIN,
    DRIVERS,
    INDUCED,
    INITIAL,
    LONG,
    MIDDLE,
    SCALE_STOPS,
    SHORT,
    SIDED_STOPS,
    VENUES,
    tinted,
)

# Severe protanomaly, deuteranomaly and tritanomaly in linear light: Machado, Oliveira and Fernandes, 2009.
SIGHTS = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
PAIRS = [
    (LONG, SHORT),
    *combinations((INITIAL, INDUCED, BAD_DEBT), 2),
    *combinations(DRIVERS[:3], 2),
    *combinations((CHAIN, *VENUES), 2),
    *combinations((tinted(LONG, white) for white in BAND_TINTS), 2),
    *combinations((tinted(SHORT, white) for white in BAND_TINTS), 2),
]
PAPERS = ("#ffffff", "#14171a")


def linear(colour: str) -> list[float]:
    shares = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    return [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]


def seen(colour: str, sight: str) -> list[float]:
    light = linear(colour)
    sums = (math.fsum(k * part for k, part in zip(row, light, strict=True)) for row in SIGHTS[sight])
    return [min(1.0, max(0.0, value)) for value in sums]


def luminance(light: list[float]) -> float:
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(linear(one)), luminance(linear(other))))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    "colour", [LONG, SHORT, INITIAL, INDUCED, BAD_DEBT, MIDDLE, CHAIN, *DRIVERS, *VENUES]
)
@pytest.mark.parametrize("paper", PAPERS)
def test_marks_are_seen_on_both_papers(colour: str, paper: str) -> None:
    assert contrast(colour, paper) >= 3


def test_the_dark_paper_is_the_page_s() -> None:
    css = files("defiliq.view").joinpath("report.css").read_text(encoding="utf-8")
    assert tuple(re.findall(r"--paper: (#\w+);", css)) == PAPERS
    inks = re.findall(r"--(?:ink|faint): (#\w+);", css)
    assert len(inks) == 4
    for ink, paper in zip(inks, (PAPERS[0], PAPERS[0], PAPERS[1], PAPERS[1]), strict=True):
        assert contrast(ink, paper) >= 4.5


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("pair", PAIRS)
def test_what_stands_side_by_side_is_told_apart(pair: tuple[str, str], sight: str) -> None:
    one, other = (seen(colour, sight) for colour in pair)
    apart = math.dist([part ** (1 / 2.2) for part in one], [part ** (1 / 2.2) for part in other])
    assert apart > 0.15


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_scale_rises_for_every_sight(sight: str) -> None:
    lights = [luminance(seen(colour, sight)) for _, colour in SCALE_STOPS]
    assert lights == sorted(lights)
    assert lights[0] < 0.01
    assert lights[-1] > 0.8


@pytest.mark.parametrize("sight", SIGHTS)
def test_both_ends_of_the_scale_of_sides_rise_from_black_and_are_told_apart(sight: str) -> None:
    lights = [luminance(seen(colour, sight)) for _, colour in SIDED_STOPS]
    middle = len(lights) // 2
    assert lights[: middle + 1] == sorted(lights[: middle + 1], reverse=True)
    assert lights[middle:] == sorted(lights[middle:])
    assert lights[middle] < 0.01
    for (_, one), (_, other) in zip(SIDED_STOPS[:middle], SIDED_STOPS[:middle:-1], strict=True):
        gamma = [[part ** (1 / 2.2) for part in seen(colour, sight)] for colour in (one, other)]
        assert math.dist(*gamma) > 0.15


def test_longs_are_blue_and_shorts_red() -> None:
    middle = len(SIDED_STOPS) // 2
    for colour in (LONG, *(hue for _, hue in SIDED_STOPS[:middle])):
        red, _, blue = linear(colour)
        assert blue > 1.3 * red
    for colour in (SHORT, *(hue for _, hue in SIDED_STOPS[middle + 1 :])):
        red, _, blue = linear(colour)
        assert red > 1.3 * blue
    assert (LONG_STYLE, SHORT_STYLE) == ("blue", "red")


def test_a_tint_is_its_colour_with_white_in_it() -> None:
    assert tinted("#000080", 0.0) == "#000080"
    assert tinted("#000080", 0.5) == "#8080c0"
    assert tinted("#000080", 1.0) == "#ffffff"
