"""What a liquidationCall leaves of an account: scaled balances, flags, written-off debts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from defiliq.protocols import aave_v3
from defiliq.protocols.aave_v3 import AaveMarket, after, take
from defiliq.protocols.aave_v3.legs import FIRST_DIRECTED_REVISION, owed_balance, supplied_balance
from defiliq.protocols.aave_v3.rules_take import FIRST_FLOORED_SEIZURE_REVISION, FIRST_WHOLE_DEBT_REVISION
from defiliq.types import Account, Leg, Liquidation, StableDebt
from defiliq.units import MAX_UINT256, RAY
from tests.builders import NOW, account, market, plain_market, plain_reserve, tokens
from tests.protocols.aave_v3.states import ALL_REVISIONS, accounts, markets
from tests.takings import in_a_row, sole

MANY = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
LAST_STABLE_REVISION = 4
MOST_IN_A_ROW = 600
"""Halves of up to five debts of a hundred bits."""


def taken_of(one: Account, at: AaveMarket) -> Liquidation:
    found = take(one, at)
    assert isinstance(found, Liquidation), found
    return found


def left_of(one: Account, at: AaveMarket) -> tuple[Leg, ...]:
    return after(one, at, taken_of(one, at)).legs


@st.composite
def indebted(draw: st.DrawFn, at: AaveMarket) -> Account:
    """An account of which a part of the debts, where the revision knows such, is at a stable rate."""
    one = draw(accounts(at))
    if at.revision > LAST_STABLE_REVISION:
        return one
    stable = st.builds(
        StableDebt, st.integers(1, 10**24), st.integers(0, RAY // 3), st.integers(NOW - 10**7, NOW)
    )
    legs = tuple(replace(leg, stable=draw(st.none() | stable)) for leg in one.legs)
    return replace(one, legs=legs)


def balances(one: Account, at: AaveMarket) -> dict[int, tuple[int, int]]:
    """(supplied, owed) tokens by reserve."""
    return {
        leg.reserve: (
            supplied_balance(leg, at.reserves[leg.reserve].income_ray, at.revision),
            owed_balance(leg, at.reserves[leg.reserve].debt_ray, at.revision, at.timestamp),
        )
        for leg in one.legs
    }


@pytest.mark.parametrize("revision", ALL_REVISIONS)
def test_half_of_a_debt_goes(revision: int) -> None:
    """1 WETH at 2,400 for 2,000 USDC: indices of one, so that nothing is rounded."""
    at, one = market(revision=revision, WETH=2400 * 10**8), account(WETH=(10, 0), USDC=(0, 20_000))
    supply, debt = left_of(one, at)
    taken = taken_of(one, at)
    assert taken.repaid == tokens("USDC", 10_000)
    assert debt == replace(one.legs[1], debt=tokens("USDC", 10_000))
    assert supply.collateral == tokens("WETH", 10) - sole(taken).amount - sole(taken).protocol_fee
    assert supply.counted


@pytest.mark.parametrize("revision", ALL_REVISIONS)
def test_a_collateral_that_is_all_gone_leaves_its_debt_until_it_is_written_off(revision: int) -> None:
    at = market(revision=revision, WETH=1000 * 10**8)
    one = account(WETH=(1, 0), USDC=(0, 2000), DAI=(0, 10))
    left = left_of(one, at)
    if revision >= FIRST_WHOLE_DEBT_REVISION:
        assert left == ()
    else:
        assert [leg.reserve for leg in left] == [3, 4]
        assert left[0].debt == tokens("USDC", 2000) - taken_of(one, at).repaid


def test_a_debt_in_a_reserve_that_is_not_active_is_not_written_off() -> None:
    at = market(revision=10, WETH=1000 * 10**8, reserves={"DAI": {"is_active": False}})
    one = account(WETH=(1, 0), USDC=(0, 2000), DAI=(0, 10))
    assert left_of(one, at) == (one.legs[2],)


def test_with_other_collateral_nothing_is_written_off() -> None:
    """The same asset on both sides: its leg stays for what is owed of it, and counts no more."""
    at = market(revision=10, WETH=1000 * 10**8)
    one = account(WETH=(1, 0.4), WBTC=(0.002, 0), USDC=(0, 2000))
    assert sole(taken_of(one, at)).reserve == 0
    left = left_of(one, at)
    assert left[0] == replace(one.legs[0], collateral=0, counted=False)
    assert left[1] == one.legs[1]
    assert left[2].debt == tokens("USDC", 2000) - taken_of(one, at).repaid


@pytest.mark.parametrize("revision", [1, 4])
def test_stable_debt_is_repaid_after_variable(revision: int) -> None:
    """Of 1,000 variable and 3,000 stable, half is 2,000; what is left of the stable debt is settled now."""
    at = market(revision=revision, WETH=2400 * 10**8)
    stable = StableDebt(tokens("USDC", 3000), RAY // 10, NOW)
    supply, debt = account(WETH=(2, 0), USDC=(0, 1000)).legs
    one = Account(account().owner, 0, (supply, replace(debt, stable=stable)))
    later = at.at_time(NOW + 86_400)
    taken = taken_of(one, later)
    left = left_of(one, later)[1]
    assert taken.repaid > tokens("USDC", 2000)
    assert left.debt == 0
    assert left.stable is not None
    assert (left.stable.rate_ray, left.stable.updated_at) == (RAY // 10, NOW + 86_400)
    whole = owed_balance(one.legs[1], RAY, revision, later.timestamp)
    assert left.stable.principal == whole - taken.repaid
    sunk = at.at_prices({0: 2300 * 10**8})
    assert [leg.reserve for leg in left_of(one, sunk)] == [0]
    small = Account(one.owner, 0, (supply, replace(debt, debt=tokens("USDC", 5000), stable=stable)))
    partly = at.at_prices({0: 4700 * 10**8})
    assert left_of(small, partly)[1] == replace(small.legs[1], debt=tokens("USDC", 1000))


@pytest.mark.parametrize("revision", [1, 4])
def test_stable_debt_is_not_touched_where_variable_debt_is_enough(revision: int) -> None:
    """Half of 2,000 and 2,000 is just all that is variable."""
    at = market(revision=revision, WETH=2400 * 10**8)
    stable = StableDebt(tokens("USDC", 2000), 0, NOW - 100)
    supply, debt = account(WETH=(2, 0), USDC=(0, 2000)).legs
    one = Account(account().owner, 0, (supply, replace(debt, stable=stable)))
    assert left_of(one, at)[1] == replace(debt, debt=0, stable=stable)


@pytest.mark.parametrize(("revision", "owed"), [(7, 550), (8, 550), (9, 551), (10, 551), (11, 551)])
def test_debt_is_burnt_down_from_the_directed_revisions_on(revision: int, owed: int) -> None:
    """At an index of 3.5, half of 3,854 is 1,927, which is 550.57 of 1,101 scaled units."""
    reserves = [
        plain_reserve(0, "A", 0, liquidation_threshold_bps=8000, liquidation_bonus_bps=10_500),
        plain_reserve(1, "B", 0, variable_borrow_index_ray=7 * RAY // 2),
    ]
    at = plain_market(reserves, [10**8, 10**8], revision=revision)
    one = Account(account().owner, 0, (Leg(0, 4700, 0, True), Leg(1, 0, 1101, False)))
    assert taken_of(one, at).repaid == 1927
    assert left_of(one, at)[1] == Leg(1, 0, owed, False)


@pytest.mark.parametrize("revision", [7, 9, 10, 11])
def test_a_rest_that_is_worth_nothing_is_no_collateral_left(revision: int) -> None:
    """5 wei stay: every debt is written off, and from v3.7 on the rest counts no more."""
    at = market(revision=revision, WETH=1000 * 10**8)
    supply, *debts = account(WETH=(0.9996, 0), USDC=(0, 952), DAI=(0, 10)).legs
    rest = Leg(0, 5, 0, revision < FIRST_FLOORED_SEIZURE_REVISION)
    supply = replace(supply, collateral=supply.collateral + 5)
    assert left_of(Account(account().owner, 0, (supply, *debts)), at) == (rest,)


def coarse(revision: int, index_ray: int, fee_bps: int, bonus_bps: int) -> AaveMarket:
    """Tokens of a dollar without decimals: A at an index, B to owe, and C besides."""
    many = {"liquidation_threshold_bps": 8000, "liquidation_bonus_bps": bonus_bps}
    reserves = [
        plain_reserve(0, "A", 0, liquidity_index_ray=index_ray, liquidation_protocol_fee_bps=fee_bps, **many),
        plain_reserve(1, "B", 0),
        plain_reserve(2, "C", 0, liquidation_threshold_bps=8000, liquidation_bonus_bps=10_001),
    ]
    return plain_market(reserves, [10**8, 10**8, 10**8], revision=revision)


def owing_b(supplied: int, owed: int, beside: int) -> Account:
    """Some of A, of which 2 are owed as well, against B, and some of C."""
    legs = (Leg(0, supplied, 2, True), Leg(1, 0, owed, False), Leg(2, beside, 0, True))
    return Account(account().owner, 0, legs)


@pytest.mark.parametrize(("revision", "supplied"), [(6, 1), (8, 1), (9, 0), (10, 0), (11, 0)])
def test_the_last_unit_can_outlive_its_flag_where_halves_go_up(revision: int, supplied: int) -> None:
    """At an index of 1.1, 21 scaled units are 23 tokens: 17 and 6 are 15 and 5, or 16 and what is left."""
    at, one = coarse(revision, 11 * RAY // 10, 5_000, 20_000), owing_b(21, 400, 9)
    seized = sole(taken_of(one, at))
    assert (seized.reserve, seized.amount, seized.protocol_fee) == (0, 17, 6 if supplied else 5)
    assert left_of(one, at)[0] == Leg(0, supplied, 2, False)


@pytest.mark.parametrize(("revision", "counted"), [(9, True), (10, True), (11, False)])
def test_the_flag_can_outlive_the_last_unit_until_units_decide(revision: int, counted: bool) -> None:
    """At an index of 3, 20 scaled units are 60 tokens, and so are 58 of them in two parts, rounded up."""
    at, one = coarse(revision, 3 * RAY, 2_000, 12_000), owing_b(20, 48, 1)
    seized = sole(taken_of(one, at))
    assert seized.amount + seized.protocol_fee < 60
    assert left_of(one, at)[0] == Leg(0, 0, 2, counted)


def test_less_than_the_close_factor_is_taken_as_it_was_asked_for() -> None:
    """Half of 2,100 would leave less than 1,000 of the collateral, so `take` asks for less: that is burnt."""
    at = market(revision=10, WETH=2050 * 10**8)
    one = account(WETH=(1, 0), WBTC=(0.0073, 0), USDC=(0, 2100))
    taken = taken_of(one, at)
    assert taken.debt_to_cover == taken.repaid < tokens("USDC", 1050)
    supply, _, debt = left_of(one, at)
    assert debt.debt == tokens("USDC", 2100) - taken.repaid
    assert 1000 * 10**18 // 2050 <= supply.collateral < 1001 * 10**18 // 2050


@MANY
@given(st.data())
def test_what_is_lost_is_what_is_taken(data: st.DataObject) -> None:
    """Up to what tokens round: two burns of a scaled unit each on the collateral, one on the debt.

    From v3.5 on always against the account: no less collateral, and no more debt than it is told.
    """
    at = data.draw(markets())
    one = data.draw(indebted(at))
    taken = take(one, at)
    if not isinstance(taken, Liquidation):
        return
    held, debt = sole(taken).reserve, taken.repay_reserve
    left = after(one, at, taken)
    was, now = balances(one, at), balances(left, at)
    lost = was[held][0] - now.get(held, (0, 0))[0] - sole(taken).amount - sole(taken).protocol_fee
    income = -(-at.reserves[held].income_ray // RAY)
    is_directed = at.revision >= FIRST_DIRECTED_REVISION
    assert (0 if is_directed else -income - 1) <= lost <= 2 * income + 1
    is_written_off = taken.bad_debt_base > 0 and at.revision >= FIRST_WHOLE_DEBT_REVISION
    event(f"revision {at.revision}, {'written off' if is_written_off else 'owed'}")
    if is_written_off:
        assert all(leg.debt == 0 for leg in left.legs)
    else:
        paid = was[debt][1] - now.get(debt, (0, 0))[1] - taken.repaid
        index = -(-at.reserves[debt].debt_ray // RAY)
        assert -index - 1 <= paid <= (0 if is_directed else index + 1)
    for leg in left.legs:
        (before,) = (each for each in one.legs if each.reserve == leg.reserve)
        assert leg.counted == before.counted or (before.counted and leg.reserve == held)
        if leg.reserve not in (held, debt):
            assert leg == before or (is_written_off and leg == replace(before, debt=0))


@MANY
@given(st.data())
def test_it_comes_to_an_end(data: st.DataObject) -> None:
    at = data.draw(markets())
    done = in_a_row(aave_v3, data.draw(indebted(at)), at, MOST_IN_A_ROW)
    assert len(done) < MOST_IN_A_ROW
    event(f"{min(len(done), 4)} liquidations")
    assert all(taken.debt_to_cover == MAX_UINT256 or taken.debt_to_cover for _, taken in done)
