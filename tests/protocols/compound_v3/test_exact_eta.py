"""The instants at which interest alone breaks accounts, asked of the Comets: safe one second before."""

from __future__ import annotations

import random

import pytest

from defiliq.pipeline.eta import DEFAULT_HORIZON_S, find_etas
from defiliq.protocols.compound_v3 import rule_over_time
from tests.lab import CometLab
from tests.protocols.compound_v3.stage import Stage, World, ask_comet, open_stage

pytestmark = pytest.mark.lab
MINED = 12
LEAST = {"usdc": 120, "weth": 120}


@pytest.fixture(scope="module", params=["usdc", "weth"])
def stage(request: pytest.FixtureRequest, lab_compound_v3: CometLab) -> Stage:
    return open_stage(lab_compound_v3, request.param, 0)


def breaking(stage: Stage) -> list[tuple[int, int]]:
    """(row, instant) of those that time breaks, the soonest first."""
    etas = find_etas(stage.book)
    assert etas.unresolved == []
    found = [(each.at, row) for row, each in etas.found.items() if each.outcome == "time" and each.at]
    return [(row, at) for at, row in sorted(found)]


def disagreements(stage: Stage, asked: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    """(row, second, verdict) that the Comet does not share."""
    worlds = [World(stage.book.owner(row), {}, at) for row, at, _ in asked]
    said = ask_comet(stage.lab, stage.name, worlds)
    return [claim for claim, answer in zip(asked, said, strict=True) if answer != claim[2]]


def test_every_instant_and_the_seconds_before(stage: Stage) -> None:
    draw, found, now = random.Random(6), breaking(stage), stage.market.timestamp
    asked = [(row, at, True) for row, at in found]
    for row, at in found:
        before = {at - 1, at - 2, at - 3_600, draw.randrange(now, at)}
        asked += [(row, second, False) for second in sorted(before) if second >= now]
    assert len(found) >= LEAST[stage.name]
    assert disagreements(stage, asked) == []


def test_never_and_already(stage: Stage) -> None:
    now, etas = stage.market.timestamp, find_etas(stage.book)
    already = [row for row, found in etas.found.items() if found.outcome == "already"]
    never = [row for row, found in etas.found.items() if found.outcome == "never"]
    assert len(already) >= 5
    assert len(never) >= 10
    asked = [(row, now, True) for row in already]
    asked += [(row, at, False) for row in never for at in (now, now + DEFAULT_HORIZON_S)]
    assert disagreements(stage, asked) == []


def test_a_real_absorb_is_refused_before_and_goes_through_at_the_second(stage: Stage) -> None:
    found = [each for each in breaking(stage) if each[1] - 1 > stage.market.timestamp]
    for row, at in found[:MINED]:
        owner = stage.book.owner(row)
        before, then = (stage.lab.absorb(stage.name, owner, timestamp=second) for second in (at - 1, at))
        assert (before.success, before.error, before.timestamp) == (False, "NotLiquidatable", at - 1)
        assert (then.success, then.timestamp) == (True, at)
    assert len(found) >= MINED


def test_as_stored_nothing_ever_happens(stage: Stage) -> None:
    """Until somebody writes the interest down, isLiquidatable says at any time what it says now."""
    stored = stage.market.as_stored()
    for row, at in breaking(stage)[:40]:
        law = rule_over_time(stage.book.account(row), stored)
        assert law.verdict_over(stored.timestamp, at) is False
        assert not stage.lab.is_liquidatable(stage.name, stage.book.owner(row), timestamp=at)
