"""The law of Solo against SoloMargin's own getters: every account, index and verdict, now and later."""

from __future__ import annotations

from collections import Counter

import pytest

from defiliq.chain.evm import connect
from defiliq.pipeline.reading import read
from defiliq.protocols.dydx_solo import health, rule, rule_over_time
from defiliq.protocols.dydx_solo.legs import owed_balance, supplied_balance
from tests.lab import SoloLab
from tests.lab.dydx_solo.lab import UNLIQUIDATABLE
from tests.lab.dydx_solo.population import LENDER, SOLID
from tests.lab.dydx_solo.specs import IDS
from tests.solo_stage import World, ask_solo, info_of, listing_of, open_book, said_of

pytestmark = pytest.mark.lab
LATER_S = (0, 1, 1_234_567)


@pytest.fixture
def lab(lab_dydx_solo: SoloLab) -> SoloLab:
    return lab_dydx_solo


@pytest.mark.parametrize("seconds", LATER_S)
def test_every_index(lab: SoloLab, seconds: int) -> None:
    market = open_book(lab, seconds).market
    ours = {r.symbol: (r.borrow_index_now_wad, r.supply_index_now_wad) for r in market.reserves}
    at = lab.time() + seconds
    said = {symbol: lab.ask("getMarketCurrentIndex", k, timestamp=at)[:2] for symbol, k in IDS.items()}
    assert ours == said
    stored = {r.symbol: (r.borrow_index_wad, r.supply_index_wad) for r in market.reserves}
    assert stored == {symbol: lab.ask("getMarketCachedIndex", k)[:2] for symbol, k in IDS.items()}
    assert sum(ours[symbol] != stored[symbol] for symbol in IDS) >= (3 if seconds == 0 else 5)


@pytest.mark.parametrize("seconds", LATER_S)
def test_every_balance(lab: SoloLab, seconds: int) -> None:
    """Par as it lies there, and tokens with interest up to the time: getAccountWei accrues by itself."""
    book = open_book(lab, seconds)
    legs = 0
    for row, user in enumerate(lab.users):
        account = book.account(row)
        pars, tokens = {}, {}
        for leg in account.legs:
            reserve = book.market.reserves[leg.reserve]
            pars[reserve.symbol] = leg.collateral - leg.debt
            tokens[reserve.symbol] = supplied_balance(leg, reserve) - owed_balance(leg, reserve)
        assert account.mode == lab.status(user.info)
        if seconds == 0:
            assert pars == lab.pars(user.info)
        held = lab.held(user.info, timestamp=lab.time() + seconds)
        assert {symbol: amount for symbol, amount in tokens.items() if amount} == held
        legs += len(pars)
    assert legs >= 700


@pytest.mark.parametrize("seconds", [None, *LATER_S])
def test_every_value_and_verdict(lab: SoloLab, seconds: int | None) -> None:
    """All four values of each account to the integer."""
    book = open_book(lab, seconds)
    at = None if seconds is None else lab.time() + seconds
    said = ask_solo(lab, [World(user.info, {}, at) for user in lab.users])
    now = open_book(lab, None if seconds is None else 0).market
    broken: Counter[str] = Counter()
    for row, (user, answer) in enumerate(zip(lab.users, said, strict=True)):
        account = book.account(row)
        assert said_of(account, book.market) == answer, user
        found = health(account, book.market)
        assert found.liquidatable is answer.liquidatable
        assert rule(account, book.market).liquidatable(book.market.prices) is answer.liquidatable
        assert rule_over_time(account, now).health(book.market.timestamp) == found
        broken[user.shape] += answer.liquidatable
    assert sum(broken.values()) >= 50
    assert min(broken[shape] for shape in ("sunk", "vapor", "liquidated", "exact-short", "short")) >= 1


def test_an_operation_comes_to_the_same_verdict(lab: SoloLab) -> None:
    """A liquidation of nothing asks the question and no more: of everybody, accrued to the block."""
    book = open_book(lab, 0)
    verdicts: Counter[bool] = Counter()
    for row, user in enumerate(lab.users):
        ours = health(book.account(row), book.market)
        if ours.debt_base:
            refused = lab.refusal(user.info).startswith(UNLIQUIDATABLE)
            assert refused is not ours.liquidatable, user
            verdicts[ours.liquidatable] += 1
    assert min(verdicts.values()) >= 60


def test_whoever_owes_is_found_in_the_logs(lab: SoloLab) -> None:
    with connect(lab.url, retries=0) as node:
        found = read(node, listing_of(lab), "latest")
    assert not found.failed
    names = {found.owner(row) for row in range(len(found))}
    known = {user.name for user in lab.users}
    owing = {user.name for user in lab.users if any(par < 0 for par in lab.pars(user.info).values())}
    assert owing <= names
    assert {"received", "bought", "sold", "traded"} <= {u.shape for u in lab.users if u.name in owing}
    assert {info_of(name) for name in names - known} == {SOLID, LENDER}
