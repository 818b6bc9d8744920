"""The seconds at which interest alone breaks accounts of Solo, asked of SoloMargin: safe just before."""

from __future__ import annotations

import random

import pytest

from defiliq.book import Book
from defiliq.pipeline.eta import DEFAULT_HORIZON_S, find_etas
from defiliq.protocols.dydx_solo import SoloMarket, take
from defiliq.types import Eta, Liquidation
from tests.lab import SoloLab
from tests.lab.dydx_solo.lab import UNLIQUIDATABLE
from tests.solo_stage import World, ask_solo, info_of, open_book, said_of
from tests.stages import spread
from tests.takings import cover, sole

pytestmark = pytest.mark.lab
Claim = tuple[int, int, bool]
"""Row, second, verdict."""


@pytest.fixture(scope="module")
def book(lab_dydx_solo: SoloLab) -> Book[SoloMarket]:
    return open_book(lab_dydx_solo, 0)


@pytest.fixture(scope="module")
def etas(book: Book[SoloMarket]) -> dict[int, Eta]:
    found = find_etas(book)
    assert found.unresolved == []
    return dict(found.found)


def breaking(etas: dict[int, Eta]) -> list[tuple[int, int]]:
    """(row, second) of those that time breaks, the soonest first."""
    found = [(each.at, row) for row, each in etas.items() if each.outcome == "time" and each.at]
    return [(row, at) for at, row in sorted(found)]


def disagreements(lab: SoloLab, book: Book[SoloMarket], claims: list[Claim]) -> list[Claim]:
    """Claims that SoloMargin does not share at that second, or not to the integer."""
    worlds = [World(info_of(book.owner(row)), {}, at) for row, at, _ in claims]
    return [
        claim
        for claim, said in zip(claims, ask_solo(lab, worlds), strict=True)
        if said.liquidatable != claim[2]
        or said != said_of(book.account(claim[0]), book.market.at_time(claim[1]))
    ]


def test_every_second_and_the_one_before(
    lab_dydx_solo: SoloLab, book: Book[SoloMarket], etas: dict[int, Eta]
) -> None:
    draw, claims = random.Random(6), []
    for row, at in breaking(etas):
        before = {at - 1, draw.randrange(book.market.timestamp, at)}
        claims += [(row, at, True), *((row, second, False) for second in sorted(before))]
    assert len(claims) >= 200
    assert disagreements(lab_dydx_solo, book, claims) == []


def test_never_and_already(lab_dydx_solo: SoloLab, book: Book[SoloMarket], etas: dict[int, Eta]) -> None:
    now = book.market.timestamp
    already = [(row, now, True) for row, each in etas.items() if each.outcome == "already"]
    never = [row for row, each in etas.items() if each.outcome == "never"]
    claims = [(row, at, False) for row in never for at in (now, now + DEFAULT_HORIZON_S)]
    assert len(already) >= 50
    assert len(never) >= 20
    assert disagreements(lab_dydx_solo, book, already + claims) == []


def test_a_real_liquidation_is_refused_a_second_before_and_taken_then(
    lab_dydx_solo: SoloLab, book: Book[SoloMarket], etas: dict[int, Eta]
) -> None:
    lab, done = lab_dydx_solo, 0
    for row, at in spread(breaking(etas), 15):
        account = book.account(row)
        ours = take(account, book.market.at_time(at))
        if not isinstance(ours, Liquidation) or at - 1 <= book.market.timestamp:
            continue
        owed, held = (book.market.reserves[k].symbol for k in (ours.repay_reserve, sole(ours).reserve))
        before, then = (
            lab.liquidate(info_of(account.owner), owed=owed, held=held, amount=cover(ours), timestamp=second)
            for second in (at - 1, at)
        )
        assert before.error.startswith(UNLIQUIDATABLE)
        assert (then.success, then.repaid, then.seized) == (True, ours.repaid, sole(ours).amount)
        done += 1
    assert done >= 10
