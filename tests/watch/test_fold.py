"""What is told of accounts, block by block: thresholds, hysteresis, cooldown, filters, causes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Account
from defiliq.units import RAY
from defiliq.watch.fold import begin, resume
from defiliq.watch.memory import Memory
from defiliq.watch.policy import Policy
from tests.builders import account, account_in, address, graph_market, market
from tests.watch.blocks import FIRST, JUDGE, POLICY, PROFIT_USD, Watch, about, glance_at, of_kind

LONG = account(1, WETH=(1, 0), USDC=(0, 2000))
"""Breaks at 2424.24242424: liquidatable there, safe at 2424.24242425."""
LEVEL = 2424_24242424
SHORT = account(2, USDC=(10_000, 0), WETH=(0, 2))
"""Breaks at 3900.00000001."""
FAR = 3000_00000000
NEAR = 2450_00000000
BROKEN = 2400_00000000


def told(number: int, kind: str) -> tuple[str, str]:
    return kind, address(number)


def test_an_account_approaches_breaks_and_recovers() -> None:
    watch = Watch()
    assert about(watch.start([LONG, SHORT])) == []
    assert about(watch.see(WETH=NEAR)) == [told(1, "approaching")]
    assert about(watch.see(WETH=NEAR)) == []
    assert about(watch.see(WETH=BROKEN)) == [told(1, "liquidatable")]
    assert about(watch.see(WETH=BROKEN)) == []
    assert about(watch.see(WETH=FAR, after=6)) == [told(1, "recovered")]
    near, broken, well = (event for event in watch.events if event.kind != "oracle_updated")
    assert near.facts["was"] == "quiet"
    assert near.facts["price_raw"] == str(LEVEL)
    assert near.facts["distance_units"] == str(LEVEL - NEAR)
    assert near.facts["health_factor"] == "1.010625000000000000"
    assert (near.facts["callable"], near.facts["net_usd"]) == (True, PROFIT_USD)
    assert broken.facts["was"] == "approaching"
    assert (broken.facts["price_raw"], broken.facts["driver"]) == (str(LEVEL), "WETH/USD")
    assert broken.facts["debt_usd"] == 2000.0
    assert (well.facts["was"], well.facts["cause"]) == ("liquidatable", "price")
    assert well.facts["price_raw"] == str(LEVEL)


def test_the_first_block_tells_of_accounts_but_not_of_prices_and_parameters() -> None:
    watch = Watch()
    assert about(watch.start([LONG, SHORT], WETH=BROKEN)) == [told(1, "liquidatable")]
    assert {event.kind for event in watch.events} == {"liquidatable"}


def spot_at(pct: str) -> int:
    """The lowest spot from which the level of LONG is exactly `pct` percent away, or a hair less."""
    return -(-LEVEL * 10**6 // (10**6 - int(float(pct) * 10**4)))


def test_within_is_exact_at_the_threshold() -> None:
    level, spot = 242424368606, 247371804700
    assert 98 * spot == 100 * level
    held = account(1, WETH=(1, 0), USDC=(0, 2000.001041))
    for price, expected in ((spot + 1, []), (spot, [told(1, "approaching")])):
        watch = Watch()
        watch.start([held])
        assert about(watch.see(WETH=price)) == expected
        assert all(event.facts.get("price_raw", str(level)) == str(level) for event in watch.events)


def test_within_takes_the_decimal_that_was_written() -> None:
    # A level at 970.00000000 is exactly 3% of 1000 away: 0.03 as a double is not what decides.
    held = account(1, WETH=(1, 0), USDC=(0, 800.25))  # 970 * 0.825, and safe there
    watch = Watch(replace(POLICY, within_pct=3.0, leave_pct=4.0))
    watch.start([held])
    assert about(watch.see(WETH=1000_00000000)) == []  # it breaks at 969.99999999
    assert about(watch.see(WETH=999_99999998)) == [told(1, "approaching")]


def test_who_approaches_stays_so_up_to_the_far_threshold() -> None:
    watch = Watch(replace(POLICY, cooldown_s=0))
    watch.start([LONG])
    between, beyond = spot_at("2.4"), spot_at("2.6")
    assert about(watch.see(WETH=between)) == []
    assert about(watch.see(WETH=spot_at("1.9"))) == [told(1, "approaching")]
    assert about(watch.see(WETH=between)) == []
    assert about(watch.see(WETH=beyond)) == [told(1, "recovered")]
    assert about(watch.see(WETH=between)) == []


def test_what_is_less_urgent_waits_for_the_cooldown_to_the_second() -> None:
    watch = Watch(replace(POLICY, cooldown_s=5 * 12))
    watch.start([LONG])
    watch.see(WETH=BROKEN)
    for _ in range(4):
        assert about(watch.see(WETH=FAR)) == []
    (well,) = of_kind(watch.see(WETH=FAR), "recovered")
    assert well.facts["cause"] == "price"
    assert about(watch.see(WETH=FAR)) == []


def test_one_second_before_the_cooldown_is_over_nothing_is_told() -> None:
    watch = Watch(replace(POLICY, cooldown_s=5 * 12 + 1))
    watch.start([LONG])
    watch.see(WETH=BROKEN)
    assert about(watch.see(WETH=FAR, after=5)) == []
    assert about(watch.see(WETH=FAR)) == [told(1, "recovered")]


def test_what_is_more_urgent_does_not_wait() -> None:
    watch = Watch(replace(POLICY, cooldown_s=10**6))
    watch.start([LONG])
    assert about(watch.see(WETH=NEAR)) == [told(1, "approaching")]
    assert about(watch.see(WETH=FAR)) == []
    assert about(watch.see(WETH=BROKEN)) == [told(1, "liquidatable")]


def test_what_was_held_back_and_holds_no_more_is_never_told() -> None:
    watch = Watch()
    watch.start([LONG])
    watch.see(WETH=BROKEN)
    assert about(watch.see(WETH=FAR)) == []
    assert about(watch.see(WETH=BROKEN)) == []
    assert about(watch.see(WETH=BROKEN, after=9)) == []


def test_less_urgent_but_near_is_told_as_approaching() -> None:
    watch = Watch(replace(POLICY, cooldown_s=0))
    watch.start([LONG])
    watch.see(WETH=BROKEN)
    (near,) = of_kind(watch.see(WETH=NEAR), "approaching")
    assert near.facts["was"] == "liquidatable"


def test_the_nearest_level_is_told_of_an_account_that_breaks_on_two_drivers() -> None:
    both = account(1, WETH=(0.5, 0), WBTC=(0.025, 0), USDC=(0, 2350))
    watch = Watch(replace(POLICY, within_pct=50.0, leave_pct=60.0))
    (event,) = of_kind(watch.start([both], WETH=3000_00000000), "approaching")
    assert event.facts["driver"] == "USDC/USD"
    assert abs(float(str(event.facts["distance_pct"]))) < 3


def test_filters_leave_out_whom_they_name() -> None:
    accounts = [LONG, replace(LONG, owner=address(5)), account(6, WETH=(10, 0), USDC=(0, 20_000))]
    cases: tuple[tuple[Policy, set[int]], ...] = (
        (replace(POLICY, owners=frozenset({address(5)})), {5}),
        (replace(POLICY, min_debt_usd=2000.0), {1, 5, 6}),
        (replace(POLICY, min_debt_usd=2000.01), {6}),
        (replace(POLICY, min_profit_usd=PROFIT_USD), {1, 5, 6}),
        (replace(POLICY, min_profit_usd=PROFIT_USD + 0.01), set()),
        (replace(POLICY, drivers=frozenset({"WETH/USD"})), {1, 5, 6}),
        (replace(POLICY, drivers=frozenset({"WBTC/USD"})), set()),
        (replace(POLICY, drivers=frozenset({"no such driver"})), set()),
    )
    for policy, expected in cases:
        for price in (NEAR, BROKEN):
            watch = Watch(policy)
            watch.start(accounts)
            assert {who for _, who in about(watch.see(WETH=price))} == {address(k) for k in expected}


def test_an_unknown_profit_is_not_told_where_a_profit_is_asked_for() -> None:
    watch = Watch(
        replace(POLICY, min_profit_usd=0.0), judge=JUDGE._replace(valuer=lambda head, market: _nothing)
    )
    watch.start([LONG])
    assert about(watch.see(WETH=BROKEN)) == []


def _nothing(*_: object) -> dict[str, object]:
    return {"net_usd": None}


def test_who_is_told_of_does_not_recover_because_gas_went_up() -> None:
    watch = Watch(replace(POLICY, min_profit_usd=PROFIT_USD, cooldown_s=0))
    watch.start([LONG])
    watch.see(WETH=BROKEN)
    watch.judge = JUDGE._replace(valuer=lambda head, market: _nothing)
    assert about(watch.see(WETH=BROKEN)) == []


def test_other_filters_after_a_restart_converge() -> None:
    watch = Watch(replace(POLICY, cooldown_s=0))
    watch.start([LONG, replace(LONG, owner=address(5))])
    watch.see(WETH=NEAR)
    watch.policy = replace(watch.policy, owners=frozenset({address(5)}))
    (left,) = of_kind(watch.see(WETH=NEAR), "recovered")
    assert (left.facts["account"], left.facts["cause"]) == (address(1), "filters")
    watch.policy = replace(watch.policy, owners=None)
    assert about(watch.see(WETH=NEAR)) == [told(1, "approaching")]


def test_other_drivers_after_a_restart_are_filters_too() -> None:
    watch = Watch(replace(POLICY, cooldown_s=0))
    watch.start([LONG])
    watch.see(WETH=NEAR)
    assert watch.state is not None
    watch.policy = replace(watch.policy, drivers=frozenset({"WBTC/USD"}))
    glance = glance_at(watch.number, market(WETH=NEAR), [LONG], is_whole=True)
    watch.state = resume(glance, watch.policy, watch.judge, watch.state.memory)
    (left,) = of_kind(watch.see(WETH=NEAR), "recovered")
    assert left.facts["cause"] == "filters"


def cause_of(watch: Watch, *accounts: Account, **block: Any) -> str:
    (event,) = of_kind(watch.see(*accounts, **block), "recovered")
    return str(event.facts["cause"])


def liquidatable_watch() -> Watch:
    watch = Watch(replace(POLICY, cooldown_s=0))
    watch.start([LONG], WETH=BROKEN)
    return watch


def test_causes_of_a_recovery() -> None:
    assert cause_of(liquidatable_watch(), WETH=FAR) == "price"
    repaid = account(1, WETH=(1, 0), USDC=(0, 1000))
    assert cause_of(liquidatable_watch(), repaid, WETH=BROKEN) == "account"
    gone = account(1)
    assert cause_of(liquidatable_watch(), gone, WETH=BROKEN) == "account"
    higher = market(WETH=BROKEN, reserves={"WETH": {"liquidation_threshold_bps": 9500}})
    assert cause_of(liquidatable_watch(), at=higher) == "parameters"


def test_both_a_price_and_a_repayment_that_would_do_alone_are_told_as_the_price() -> None:
    repaid = account(1, WETH=(1, 0), USDC=(0, 1000))
    assert cause_of(liquidatable_watch(), repaid, WETH=FAR) == "price"


def test_a_recovery_that_needs_both_price_and_repayment_is_the_accounts_own() -> None:
    less = account(1, WETH=(1, 0), USDC=(0, 1900))
    watch = Watch(replace(POLICY, cooldown_s=0, within_pct=0.01, leave_pct=0.02))
    watch.start([LONG], WETH=2300_00000000)
    assert cause_of(watch, less, WETH=2350_00000000) == "account"


def earning(**changes: int) -> AaveMarket:
    """WETH suppliers earn 300% a year."""
    return market(WETH=2424_24000000, reserves={"WETH": {"liquidity_rate_ray": 3 * RAY, **changes}})


def test_interest_may_make_an_account_recover() -> None:
    watch = Watch(replace(POLICY, cooldown_s=0, within_pct=0.0001, leave_pct=0.0002))
    watch.start([LONG], at=earning())
    assert about(watch.events) == [told(1, "liquidatable")]
    assert cause_of(watch, at=earning(), after=300) == "interest"


def test_a_recovery_in_blocks_that_were_not_evaluated_is_of_the_gap() -> None:
    watch = liquidatable_watch()
    assert watch.state is not None
    glance = glance_at(FIRST + 500, market(WETH=FAR), [LONG], is_whole=True)
    watch.state, events = begin(glance, watch.policy, watch.judge, watch.state.memory)
    assert {event.facts["cause"] for event in of_kind(events, "recovered")} == {"gap"}
    assert [event.facts["driver"] for event in of_kind(events, "oracle_updated")] == ["WETH/USD"]


def test_an_account_that_cannot_be_read_stands_as_it_was_told() -> None:
    watch = liquidatable_watch()
    (lost,) = watch.see(WETH=BROKEN, failed={address(1): "it has too many legs"})
    assert (lost.kind, lost.facts["reason"]) == ("unread", "it has too many legs")
    assert watch.see(WETH=BROKEN) == []
    (again,) = watch.see(LONG, WETH=BROKEN)
    assert (again.kind, again.facts["reason"]) == ("unread", "")


def test_an_account_that_owes_nothing_once_it_is_read_again_is_told_so() -> None:
    watch = liquidatable_watch()
    watch.see(WETH=BROKEN, failed={address(1): "it has too many legs"})
    unread, recovered = sorted(
        watch.see(account(1), WETH=BROKEN), key=lambda event: event.kind == "recovered"
    )
    assert (unread.kind, unread.facts["reason"]) == ("unread", "")
    assert (recovered.kind, recovered.facts["debt_usd"]) == ("recovered", 0.0)


def test_a_reserve_without_a_price_is_unread() -> None:
    watch = Watch()
    watch.start([LONG])
    (event,) = watch.see(missing={address(0xA009): "it answers 0"})
    assert (event.kind, event.facts["account"], event.facts["reason"]) == (
        "unread",
        address(0xA009),
        "it answers 0",
    )


def test_new_accounts_are_followed_once_they_owe() -> None:
    watch = Watch()
    watch.start([LONG])
    assert watch.state is not None
    watch.see(account(7, WETH=(1, 0)), account(8, WETH=(1, 0), USDC=(0, 10)))
    assert len(watch.state.book) == 2
    watch.see(account(8, WETH=(1, 0)))
    assert len(watch.state.book) == 2


def test_parameters_and_answers_that_change_are_told_one_by_one() -> None:
    watch = Watch()
    watch.start([LONG])
    changed = market(WETH=FAR + 1, reserves={"WETH": {"liquidation_threshold_bps": 8300}})
    parameter, oracle = watch.see(at=changed)
    assert (parameter.kind, oracle.kind) == ("parameter_changed", "oracle_updated")
    assert (parameter.facts["before"], parameter.facts["after"]) == ("8250", "8300")
    assert "WETH" in str(parameter.facts["parameter"])
    assert (oracle.facts["before_raw"], oracle.facts["after_raw"]) == (str(FAR), str(FAR + 1))
    assert oracle.facts["change_bps"] == pytest.approx(10_000 / FAR)
    assert watch.see(at=changed) == []


def test_the_same_answer_written_anew_is_an_update() -> None:
    watch = Watch()
    at = graph_market()
    watch.start([], at=at)
    position, quoted = at.graph.inputs[0]
    quantities = list(at.graph.quantities)
    assert quoted.updated_at is not None
    quantities[position] = replace(quoted, updated_at=quoted.updated_at + 3600)
    graph = replace(at.graph, quantities=tuple(quantities))
    (event,) = of_kind(watch.see(at=replace(at, graph=graph)), "oracle_updated")
    assert event.facts["change_bps"] == 0
    assert event.facts["previous_updated_at"] == quoted.updated_at
    assert event.facts["updated_at"] == quoted.updated_at + 3600
    assert (event.facts["heartbeat_s"], event.facts["deviation_bps"]) == (3600, 50)


def test_who_is_refused_is_told_as_liquidatable_and_why() -> None:
    paused = market(WETH=BROKEN, reserves={"WETH": {"is_paused": True}})
    watch = Watch()
    watch.start([LONG])
    (event,) = of_kind(watch.see(at=paused), "liquidatable")
    assert event.facts["callable"] is False
    assert event.facts["reason"]
    assert event.facts["net_usd"] is None


def test_bad_debt_is_told_once_until_it_is_gone() -> None:
    watch = Watch()
    watch.start([LONG])
    (event,) = of_kind(watch.see(WETH=1900_00000000), "bad_debt")
    assert (event.facts["how"], event.facts["amount_usd"]) == ("uncovered", 100.0)
    assert of_kind(watch.see(WETH=1800_00000000), "bad_debt") == []
    assert of_kind(watch.see(WETH=2000_00000000), "bad_debt") == []
    assert len(of_kind(watch.see(WETH=1999_99999999), "bad_debt")) == 1


def test_a_debtor_without_any_collateral_is_bad_debt() -> None:
    watch = Watch()
    (event,) = of_kind(watch.start([account(4, USDC=(0, 50))]), "bad_debt")
    assert event.facts["amount_usd"] == 50.0


def test_a_fold_begins_with_all_accounts() -> None:
    with pytest.raises(ValueError, match="all accounts"):
        begin(glance_at(FIRST, market(), [LONG]), POLICY, JUDGE)
    with pytest.raises(ValueError, match="all accounts"):
        resume(glance_at(FIRST, market(), [LONG]), POLICY, JUDGE, Memory())


def test_causes_where_prices_hang_on_a_graph() -> None:
    def seen(**inputs: int) -> AaveMarket:
        return graph_market({name.replace("_", "/"): value for name, value in inputs.items()})

    held = account_in(seen(), 1, {"wstETH": (1, 0), "USDC": (0, 2400)})
    watch = Watch(replace(POLICY, cooldown_s=0, drivers=frozenset({"ETH/USD"})))
    watch.start([held], at=seen(ETH_USD=2540_00000000))
    assert about(watch.events) == [told(1, "approaching")]
    assert cause_of(watch, at=seen(ETH_USD=2700_00000000)) == "price"
    assert about(watch.see(at=seen(ETH_USD=2540_00000000))) == [told(1, "approaching")]
    less = account_in(seen(), 1, {"wstETH": (1, 0), "USDC": (0, 100)})
    assert cause_of(watch, less, at=seen(ETH_USD=2540_00000000)) == "account"


def test_many_accounts_are_told_as_each_alone() -> None:
    people = [replace(LONG, owner=address(k)) for k in range(1, 13)]
    watch = Watch(replace(POLICY, cooldown_s=0))
    watch.start(people)
    for price, kind in ((BROKEN, "liquidatable"), (FAR, "recovered")):
        assert about(watch.see(WETH=price)) == sorted(told(k, kind) for k in range(1, 13))
    assert {event.facts["cause"] for event in of_kind(watch.events, "recovered")} == {"price"}
    assert {event.facts["price_raw"] for event in of_kind(watch.events, "recovered")} == {str(LEVEL)}
