"""The instants of both labs, asked of the contracts: refused one second before, liquidatable at the second.

Nothing is overridden but the block's time: the pool accrues, and the staked token's cap grows by itself. In a
third world that cap binds, until it has grown past the ratio after some weeks.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import pytest

from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.pipeline.eta import DEFAULT_HORIZON_S, Etas, find_etas
from defiliq.pipeline.reading import read
from defiliq.pricing.graph import PriceGraph
from defiliq.protocols.aave_v3 import AaveMarket, rule, take
from defiliq.types import Liquidation, Listing
from tests.lab import Lab
from tests.lab.reserves import STAKED
from tests.protocols.aave_v3.conftest import packed
from tests.protocols.aave_v3.contract_says import WAD, World, ask_pool, data_of
from tests.protocols.aave_v3.stage import amounts_of, open_position, selector
from tests.takings import cover, sole

pytestmark = pytest.mark.lab
MINED = 12
"""So many accounts of each lab are really liquidated."""


class Timed(NamedTuple):
    """A lab as read, and when its accounts break."""

    lab: Lab
    book: Book[AaveMarket]
    etas: Etas
    is_capped: bool

    @property
    def now(self) -> int:
        return self.book.market.timestamp

    def breaking(self) -> list[tuple[int, int]]:
        """(row, instant) of those that time breaks, the soonest first."""
        found = [
            (e.at, row) for row, e in self.etas.found.items() if e.outcome == "time" and e.at is not None
        ]
        return [(row, at) for at, row in sorted(found)]


@pytest.fixture(scope="module", params=[("lab_v36", False), ("lab_v30", False), ("lab_v36", True)], ids=str)
def timed(request: pytest.FixtureRequest) -> Iterator[Timed]:
    name, is_capped = request.param
    lab: Lab = request.getfixturevalue(name)
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    with ExitStack() as stack:
        if is_capped:
            stack.enter_context(lab.rewinding())
            ratio = int(lab.chain.call(lab.market.ratio, "getRatio"))
            lab.set_cap(STAKED, ratio * 97 // 100, yearly_growth_bps=2_000)
        node = stack.enter_context(connect(lab.url, retries=0))
        book: Book[AaveMarket] = read(node, listing, "latest")
        yield Timed(lab, book, find_etas(book), is_capped)


def disagreements(timed: Timed, asked: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool, int]]:
    """(row, second, verdict) that the pool does not share, or whose numbers differ from ours."""
    lab, book = timed.lab, timed.book
    answers = ask_pool(lab, [World(book.owner(row), {}, at) for row, at, _ in asked])
    wrong = []
    for (row, at, liquidatable), said in zip(asked, answers, strict=True):
        there = book.market.at_time(at)
        ours = rule(book.account(row), there).health(there.prices)
        if data_of(ours) != said or (said.factor_wad < WAD) != liquidatable:
            wrong.append((row, at, liquidatable, said.factor_wad))
    return wrong


def test_every_instant_and_the_second_before(timed: Timed) -> None:
    assert timed.etas.unresolved == []
    breaking = timed.breaking()
    assert len(breaking) >= 40
    assert breaking[0][1] < timed.now + 86_400 * 200 < breaking[-1][1]
    asked = [(row, at, True) for row, at in breaking] + [(row, at - 1, False) for row, at in breaking]
    assert disagreements(timed, asked) == []


def test_no_second_on_the_way(timed: Timed) -> None:
    """The instant is a claim about every second before it; here some of each."""
    draw = random.Random(6)
    asked = []
    for row, at in timed.breaking():
        near = {at - back for back in (2, 3, 10, 3600, 86_400)}
        far = {draw.randrange(timed.now, at) for _ in range(10)}
        asked += [(row, second, False) for second in sorted(near | far) if second >= timed.now]
    assert len(asked) > 500
    assert disagreements(timed, asked) == []


def test_never_and_already(timed: Timed) -> None:
    draw, last = random.Random(7), timed.now + DEFAULT_HORIZON_S
    outcomes = {row: found.outcome for row, found in timed.etas.found.items()}
    already = [row for row, outcome in outcomes.items() if outcome == "already"]
    never = [row for row, outcome in outcomes.items() if outcome == "never"]
    asked = [(row, timed.now, True) for row in already]
    for row in never:
        seconds = (timed.now, last, *(draw.randrange(timed.now, last) for _ in range(6)))
        asked += [(row, second, False) for second in seconds]
    assert len(already) >= 5
    assert len(never) >= 20
    assert disagreements(timed, asked) == []


def test_time_moves_a_price_here(timed: Timed) -> None:
    """The staked token is an adapter under a growing cap: its accounts are judged through it."""
    market = timed.book.market
    graph = market.graph
    lifted = market.prices_at(timed.now + 86_400) != market.prices
    assert lifted == timed.is_capped
    moved = {k for k, position in enumerate(graph.feeds) if graph.is_timed(position)}
    assert moved
    reserves = {k for k, reserve in enumerate(market.reserves) if reserve.feed in moved}
    touched = [
        row
        for row, _ in timed.breaking()
        if any(leg.reserve in reserves for leg in timed.book.account(row).legs)
    ]
    assert touched


def test_a_real_call_is_refused_before_and_taken_at_the_second(timed: Timed) -> None:
    """Blocks mined at these very seconds; what is taken equals what we say, to the wei."""
    lab, book = timed.lab, timed.book
    refused = selector("HealthFactorNotBelowThreshold") if lab.revision >= 8 else "45"
    shapes = {user.owner: user.shape for user in lab.users}
    done = 0
    for row, at in timed.breaking()[: 2 * MINED]:
        owner, there = book.owner(row), book.market.at_time(at)
        taken = take(book.account(row), there)
        if not isinstance(taken, Liquidation) or done == MINED:
            continue
        symbols = [there.reserves[k].symbol for k in (sole(taken).reserve, taken.repay_reserve)]
        a_tokens = shapes.get(owner, "").startswith("whale")
        for second in (at - 1, at):
            outcome = lab.liquidate(
                owner,
                collateral=symbols[0],
                debt=symbols[1],
                debt_to_cover=cover(taken),
                timestamp=second,
                takes_a_token=a_tokens,
            )
            assert outcome.timestamp == second
            if second < at:
                assert (outcome.success, outcome.error) == (False, refused), (owner, second)
            else:
                assert outcome.success, (owner, second, outcome.error)
                assert amounts_of(outcome) == amounts_of(taken), (owner, second)
        done += 1
    assert done == MINED


def test_a_cap_that_grows_breaks_who_owes_what_it_holds_down(lab_v36: Lab) -> None:
    """Prices of all aggregators and the ratio stand still, interest would take years: the cap takes days."""
    lab, dollars = lab_v36, 10_000
    ratio = int(lab.chain.call(lab.market.ratio, "getRatio"))
    with lab.rewinding():
        lab.set_cap(STAKED, ratio * 90 // 100, yearly_growth_bps=10_000)
        owed = dollars * 10**8 * 74 * 10**18 // 100 // lab.price(STAKED)
        owner = open_position(lab, "short the capped", {"USDC": dollars * 10**6}, {STAKED: owed})
        listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
        with connect(lab.url, retries=0) as node:
            book: Book[AaveMarket] = read(node, listing, "latest", owners=packed((owner,)))
        timed = Timed(lab, book, find_etas(book), is_capped=True)
        ((row, at),) = timed.breaking()
        assert 86_400 < at - timed.now < 40 * 86_400
        assert disagreements(timed, [(row, at - 1, False), (row, at, True)]) == []
        before, then = (
            lab.liquidate(owner, collateral="USDC", debt=STAKED, timestamp=second) for second in (at - 1, at)
        )
        assert (before.success, before.error) == (False, selector("HealthFactorNotBelowThreshold"))
        assert then.success
        without = replace(book, market=replace(book.market, graph=PriceGraph()))
        (later,) = find_etas(without).found.values()
        assert later.at is None or later.at - timed.now > 365 * 86_400
