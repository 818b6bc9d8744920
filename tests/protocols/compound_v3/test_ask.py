"""The Comet's own word in pretended worlds: other prices, other times, stored indices and accrued."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from defiliq.chain.node import Node
from defiliq.errors import BadResponse, CallReverted
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.verify import verify
from defiliq.pricing.graph import Input
from defiliq.protocols.compound_v3 import Answer, CometMarket, ask_many, health
from defiliq.protocols.compound_v3.ask import pins
from defiliq.types import Account, Question
from tests.protocols.compound_v3.conftest import Deaf, Scene

pytestmark = pytest.mark.lab


def agrees(answer: Answer | CallReverted, account: Account, market: CometMarket) -> bool:
    ours = health(account, market)
    return isinstance(answer, Answer) and all(
        getattr(ours, name) == theirs for name, theirs in answer.said.items()
    )


def ask(node: Node, accounts: list[Account], market: CometMarket, spot: CometMarket) -> None:
    """Everybody in one world, held against the law."""
    answers = ask_many(node, [Question(market, account.owner) for account in accounts], spot)
    assert [
        a.owner for a, answer in zip(accounts, answers, strict=True) if not agrees(answer, a, market)
    ] == []


def test_as_the_chain_has_it(scene: Scene) -> None:
    book = scene.book()
    accounts = list(book.accounts())
    for market in (book.market, book.market.as_stored()):
        ask(scene.node, accounts, market, book.market)
    answers = ask_many(
        scene.node, [Question(book.market, account.owner) for account in accounts], book.market
    )
    debts = [answer.debt_base for answer in answers if isinstance(answer, Answer)]
    assert any(debt for debt in debts)
    assert any(isinstance(answer, Answer) and answer.liquidatable for answer in answers)


def test_stored_indices_say_nothing_of_a_balance_that_accrues_by_itself(scene: Scene) -> None:
    book = scene.book()
    stored = book.market.as_stored()
    (answer,) = ask_many(scene.node, [Question(stored, scene.lab.borrowers(scene.name)[0])], book.market)
    assert isinstance(answer, Answer)
    assert set(answer.said) == {"liquidatable"}


def test_at_other_prices_and_times_the_law_agrees(scene: Scene) -> None:
    book = scene.book()
    draw = random.Random(4)
    for _ in range(3):
        prices = tuple(price * draw.randint(700, 1300) // 1000 for price in book.market.prices)
        moved = replace(book.market.at_time(book.market.timestamp + draw.randint(0, 10**7)), prices=prices)
        for market in (moved, moved.as_stored()):
            ask(scene.node, list(book.accounts()), market, book.market)


def test_accrual_decides_and_is_asked_for(scene: Scene) -> None:
    """So much later that interest has brought somebody down whom stored indices still call safe."""
    book = scene.book()
    later = book.market.at_time(book.market.timestamp + 10**7)
    down = next(
        account.owner
        for account in book.accounts()
        if health(account, later).liquidatable and not health(account, later.as_stored()).liquidatable
    )
    answers = ask_many(scene.node, [Question(later, down), Question(later.as_stored(), down)], book.market)
    assert [isinstance(a, Answer) and a.liquidatable for a in answers] == [True, False]


def test_many_worlds_keep_their_order(scene: Scene) -> None:
    book = scene.book()
    draw = random.Random(5)
    asked, accounts = [], []
    for _ in range(60):
        account = book.account(draw.randrange(len(book)))
        prices = tuple(price * draw.choice([900, 1000]) // 1000 for price in book.market.prices)
        market = replace(book.market, prices=prices)
        asked.append(Question(draw.choice([market, market.as_stored()]), account.owner))
        accounts.append(account)
    answers = ask_many(scene.node, asked, book.market)
    assert all(
        agrees(answer, account, question.market)
        for answer, account, question in zip(answers, accounts, asked, strict=True)
    )


def test_a_driver_is_moved_at_its_own_aggregator(scene: Scene) -> None:
    """Only ETH/USD answers otherwise; the feeds over it make their prices of that themselves."""
    book = scene.book()
    ether = find_driver(book.market, "ETH/USD")
    at = ether.spot * 9 // 10
    (position,) = (position for position, _ in ether.inputs)
    moved = book.market.at_inputs(ether.moved_inputs(at))
    assert len([k for k in range(len(moved.prices)) if moved.prices[k] != book.market.prices[k]]) > 1
    source = book.market.graph.quantities[position]
    assert isinstance(source, Input)
    asked = [Question(moved, account.owner, {source.source: (at, 8)}) for account in book.accounts()]
    answers = ask_many(scene.node, asked, book.market)
    assert all(agrees(a, account, moved) for a, account in zip(answers, book.accounts(), strict=True))


def test_nothing_is_pinned_where_the_chain_has_it_so(scene: Scene) -> None:
    market = scene.book().market
    assert pins(market, market) == {}
    later = market.at_time(market.timestamp + 1)
    assert set(pins(later, market)) == {feed.source for feed in market.feeds}


def test_nobody_asked(scene: Scene) -> None:
    assert ask_many(scene.node, [], scene.book().market) == []


def test_a_comet_that_reverts_says_so(usdc: Scene) -> None:
    """Without a base price it has no word about debtors; whoever owes nothing is safe at any."""
    book = usdc.book()
    with usdc.lab.rewinding():
        usdc.lab.set_driver("USDC/USD", 0)
        market = replace(book.market, block=usdc.latest())
        (answer,) = ask_many(usdc.node, [Question(market, usdc.lab.borrowers("usdc")[0])], market)
    assert isinstance(answer, CallReverted)
    assert "getPrice(address) and isLiquidatable(address) reverts" in str(answer)


def test_a_node_that_ignores_overrides_is_refused(scene: Scene) -> None:
    book = scene.book()
    for market in (book.market, book.market.as_stored(), book.market.at_prices({0: 1})):
        with pytest.raises(BadResponse, match="ignores state or time overrides"):
            ask_many(Deaf(scene.node), [Question(market, book.owner(0))], book.market)


@pytest.mark.parametrize("is_stored", [False, True])
def test_verify_agrees_with_everything(scene: Scene, is_stored: bool) -> None:
    """Every account, and both neighbours of every level: at drivers' own contracts, and pinned."""
    book = scene.book()
    if is_stored:
        book = replace(book, market=book.market.as_stored())
    found = verify(scene.node, book, levels=True)
    assert found.agrees, found.disagreements
    assert found.agreed == found.asked == len(book)
    assert found.price_agreed == found.neighbour_agreed == found.levels_asked > 100
    assert found.levels_at_source is not None
    assert 0 < found.levels_at_source < found.levels_asked
    assert found.unresolved == ()
