"""The instants at which interest alone breaks accounts, asked of the Comptroller: safe one tick before."""

from __future__ import annotations

import random

import pytest

from defiliq.pipeline.eta import DEFAULT_HORIZON_S, find_etas
from defiliq.protocols.compound_v2 import take
from defiliq.types import Liquidation
from tests.lab import CompoundV2Lab
from tests.lab.compound_v2 import Failure
from tests.lab.compound_v2.listing import NATIVE
from tests.protocols.compound_v2.stage import Stage, World, ask_comptroller, open_stage, said_of
from tests.takings import cover, sole

pytestmark = pytest.mark.lab
MINED = 3
"""So many accounts are really liquidated: a block takes a hundredth of a second."""


@pytest.fixture(scope="module")
def stage(lab_compound_v2: CompoundV2Lab) -> Stage:
    return open_stage(lab_compound_v2, 0, uncounted=True)


@pytest.fixture(scope="module")
def breaking(stage: Stage) -> list[tuple[int, int]]:
    """(row, instant) of those that time breaks, the soonest first."""
    etas = find_etas(stage.book)
    assert etas.unresolved == []
    found = [(each.at, row) for row, each in etas.found.items() if each.outcome == "time" and each.at]
    return [(row, at) for at, row in sorted(found)]


def disagreements(stage: Stage, asked: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    """(row, second, verdict) that the Comptroller does not share at the block of that second, or not to 1."""
    worlds = [World(stage.book.owner(row), {}, stage.market.tick_at(at)) for row, at, _ in asked]
    return [
        claim
        for claim, said in zip(asked, ask_comptroller(stage.lab, worlds), strict=True)
        if (said.shortfall > 0) != claim[2]
        or said != said_of(stage.book.account(claim[0]), stage.market.at_time(claim[1]))
    ]


def test_every_instant_and_the_tick_before(stage: Stage, breaking: list[tuple[int, int]]) -> None:
    """The second before lies in the block before, or the account would have broken there."""
    draw, market = random.Random(6), stage.market
    assert len(breaking) >= 100
    asked = [(row, at, True) for row, at in breaking]
    for row, at in breaking:
        assert market.tick_at(at - 1) == market.tick_at(at) - 1
        before = {at - 1, at - 1 - 3_600, draw.randrange(market.timestamp, at)}
        asked += [(row, second, False) for second in sorted(before) if second >= market.timestamp]
    assert disagreements(stage, asked) == []


def test_never_and_already(stage: Stage) -> None:
    now, etas = stage.market.timestamp, find_etas(stage.book)
    already = [row for row, found in etas.found.items() if found.outcome == "already"]
    never = [row for row, found in etas.found.items() if found.outcome == "never"]
    assert len(already) >= 10
    assert len(never) >= 20
    asked = [(row, now, True) for row in already]
    asked += [(row, at, False) for row in never for at in (now, now + DEFAULT_HORIZON_S)]
    assert disagreements(stage, asked) == []


def test_a_real_call_is_refused_a_block_before_and_taken_at_the_block(
    stage: Stage, breaking: list[tuple[int, int]]
) -> None:
    """Of the soonest; each block is really mined."""
    lab, market, done = stage.lab, stage.market, 0
    names = {address: symbol for symbol, address in lab.markets.items()}
    with lab.rewinding():
        for row, at in breaking:
            there, account = market.at_time(at), stage.book.account(row)
            ours, ahead = take(account, there), market.tick_at(at) - lab.chain.height()
            if not isinstance(ours, Liquidation) or ahead < 2 or done == MINED:
                continue
            if ahead > 2:
                lab.chain.mine_many(ahead - 2)
            pair = [names[there.reserves[k].c_token] for k in (ours.repay_reserve, sole(ours).reserve)]
            assert pair[0] != NATIVE
            before, then = (
                lab.liquidate(
                    account.owner,
                    debt=pair[0],
                    collateral=pair[1],
                    repay=cover(ours),
                    blocks_ahead=blocks,
                    accrue_all=True,
                )
                for blocks in (1, 2)
            )
            assert then.block_number == before.block_number + 1 == market.tick_at(at)
            assert (before.success, before.failure) == (False, Failure(3, 18, 3))
            moved = then.success, then.repaid, then.received_tokens
            assert moved == (True, ours.repaid, sole(ours).received)
            done += 1
    assert done == MINED
