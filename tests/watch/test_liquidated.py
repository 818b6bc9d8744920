"""Liquidations that happened, held against what was announced: every prediction, every reason of a miss."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from defiliq.types import Account, Worth
from defiliq.units import RAY
from defiliq.watch.fields import MissReason
from defiliq.watch.fold import begin
from defiliq.watch.schema import Event
from tests.builders import account, account_in, address, graph_market, market
from tests.watch.blocks import (
    FIRST,
    POLICY,
    WORTH,
    Watch,
    about,
    glance_at,
    happening,
    head_at,
    of_kind,
    receipt,
)

LONG = account(1, WETH=(1, 0), USDC=(0, 2000))
LEVEL = 2424_24242424
LEFT = account(1, WETH=(0.2, 0), USDC=(0, 100))
"""What a liquidation leaves of it."""
NEAR, BROKEN, FAR = 2450_00000000, 2400_00000000, 3000_00000000


def liquidated(watch: Watch, *accounts: Account, who: int = 1, **block: Any) -> Event:
    happened = [happening(who, watch.number + block.get("after", 1))]
    (event,) = of_kind(watch.see(*accounts, happened=happened, **block), "liquidated")
    return event


def watching(*accounts: Account, **changes: Any) -> Watch:
    prices = {name: changes.pop(name) for name in list(changes) if name.isupper() or name == "at"}
    watch = Watch(replace(POLICY, **changes))
    watch.start(accounts or (LONG,), **prices)
    return watch


def test_one_that_was_announced_as_liquidatable() -> None:
    watch = watching()
    watch.see(WETH=NEAR)
    (announced,) = of_kind(watch.see(WETH=BROKEN), "liquidatable")
    event = liquidated(watch, LEFT, WETH=BROKEN)
    facts = event.facts
    assert (facts["predicted"], facts["miss_reason"]) == ("liquidatable", None)
    assert (facts["announced_id"], facts["announced_block"]) == (announced.id, FIRST + 2)
    assert facts["announced_at"] == head_at(FIRST + 2).block.timestamp
    assert (facts["driver"], facts["side"]) == ("WETH/USD", "long")
    assert (facts["announced_price_raw"], facts["exact_price_raw"]) == (str(LEVEL), str(LEVEL))
    assert facts["error_units"] == "0"
    assert (facts["spot_before_raw"], facts["spot_after_raw"]) == (str(NEAR), str(BROKEN))
    (well,) = of_kind(watch.see(WETH=BROKEN, after=9), "recovered")
    assert well.facts["cause"] == "liquidated"


def test_one_that_was_in_reach() -> None:
    watch = watching()
    (announced,) = of_kind(watch.see(WETH=NEAR), "approaching")
    facts = liquidated(watch, LEFT, WETH=BROKEN).facts
    assert (facts["predicted"], facts["announced_id"]) == ("approaching", announced.id)
    assert (facts["error_units"], facts["spot_after_raw"]) == ("0", str(BROKEN))


def test_what_the_cooldown_holds_back_is_no_announcement() -> None:
    """What was told held no more the block before, though nobody had been told that yet."""
    watch = watching(cooldown_s=3600)
    watch.see(WETH=NEAR)
    assert about(watch.see(WETH=FAR)) == []
    facts = liquidated(watch, LEFT, WETH=BROKEN).facts
    assert (facts["predicted"], facts["miss_reason"]) == ("missed", "moved too far in one block")
    assert (facts["announced_id"], facts["announced_block"], facts["announced_at"]) == (None, None, None)
    watch = watching(cooldown_s=3600, WETH=NEAR)
    (announced,) = of_kind(watch.see(WETH=BROKEN), "liquidatable")
    assert about(watch.see(WETH=NEAR)) == []
    facts = liquidated(watch, LEFT, WETH=BROKEN).facts
    assert (facts["predicted"], facts["announced_id"]) == ("approaching", announced.id)


def test_money_and_gas() -> None:
    watch = watching(WETH=BROKEN)
    facts = liquidated(watch, LEFT, WETH=BROKEN, receipts=receipt()).facts
    assert (facts["seize_asset"], facts["repay_asset"]) == ("WETH", "USDC")
    assert (facts["seized_raw"], facts["repaid_raw"]) == (str(10**18), str(2000 * 10**6))
    assert (facts["seized_usd"], facts["repaid_usd"], facts["bonus_usd"]) == (2400.0, 2000.0, 400.0)
    assert (facts["gas_used"], facts["gas_price_wei"], facts["gas_usd"]) == (400_000, "20000", 8.0)
    assert facts["profit_usd"] == 392.0


def test_what_nobody_knows_is_null() -> None:
    watch = watching(WETH=BROKEN)
    worth = Worth(
        seize_reserve=None,
        repay_reserve=None,
        seized=0,
        seized_base=None,
        repaid_base=None,
        bonus_base=None,
        bad_debt_base=None,
        fee_base=None,
    )
    facts = liquidated(watch, LEFT, WETH=BROKEN, worths=[worth]).facts
    for name in ("seized_usd", "bonus_usd", "bad_debt_usd", "gas_used", "gas_usd", "profit_usd"):
        assert facts[name] is None
    assert (facts["seize_asset"], facts["seize_asset_address"]) == ("", address(0xA000))


def growing(rate: int, **prices: Any) -> Any:
    return market(reserves={"USDC": {"variable_borrow_rate_ray": rate}}, **prices)


def test_interest_since_the_block_before_is_the_price_error() -> None:
    rate = 20 * RAY  # 2000% a year
    watch = watching(at=growing(rate, WETH=NEAR))
    watch.see(at=growing(rate, WETH=NEAR))
    facts = liquidated(watch, LEFT, at=growing(rate, WETH=BROKEN)).facts
    announced, exact = int(str(facts["announced_price_raw"])), int(str(facts["exact_price_raw"]))
    assert announced < exact
    assert facts["error_units"] == str(announced - exact)
    assert exact - announced < 10**7


def test_a_parameter_since_the_block_before_is_the_price_error_too() -> None:
    watch = watching(WETH=NEAR)
    lower = market(WETH=BROKEN, reserves={"WETH": {"liquidation_threshold_bps": 8200}})
    facts = liquidated(watch, LEFT, at=lower).facts
    assert facts["exact_price_raw"] == "243902439024"  # 2000 / 0.82, below
    assert facts["error_units"] == str(LEVEL - 243902439024)


def test_a_level_that_is_crossed_without_its_driver_moving_is_not_exact() -> None:
    watch = watching(WETH=NEAR)
    lower = market(WETH=NEAR, reserves={"WETH": {"liquidation_threshold_bps": 8100}})
    facts = liquidated(watch, LEFT, at=lower).facts
    assert (facts["exact_price_raw"], facts["error_units"]) == (None, None)
    assert facts["announced_price_raw"] == str(LEVEL)


def test_the_driver_that_moved_is_named_and_not_the_nearest() -> None:
    both = account(1, WETH=(0.5, 0), WBTC=(0.025, 0), USDC=(0, 2350))
    watch = watching(both)
    facts = liquidated(watch, LEFT, WETH=2800_00000000).facts
    assert (facts["driver"], facts["predicted"]) == ("WETH/USD", "missed")
    facts = liquidated(watching(both), LEFT, USDC=1_03000000).facts
    assert (facts["driver"], facts["side"]) == ("USDC/USD", "short")


def miss(watch: Watch, *accounts: Account, **block: Any) -> str:
    event = liquidated(watch, *accounts, **block)
    assert event.facts["predicted"] == "missed"
    assert event.facts["announced_id"] is None
    return str(event.facts["miss_reason"])


def after_a_gap() -> str:
    watch = watching()
    assert watch.state is not None
    glance = glance_at(
        200, market(), [LEFT], is_whole=True, happened=[happening(1, 190)], worths=[WORTH], first=FIRST + 1
    )
    _, events = begin(glance, watch.policy, watch.judge, watch.state.memory)
    (event,) = of_kind(events, "liquidated")
    assert event.facts["happened_block"] == 190
    return str(event.facts["miss_reason"])


def lost() -> str:
    watch = Watch()
    watch.start([])
    watch.see(failed={address(1): "too many legs"})
    return miss(watch, LEFT)


def by_interest() -> str:
    spot, rate = LEVEL + 100, 2 * RAY
    watch = watching(at=growing(rate, WETH=spot), within_pct=1e-9, leave_pct=2e-9)
    return miss(watch, LEFT, at=growing(rate, WETH=spot), after=50)


def by_an_index() -> str:
    """Debt that jumps by more than its rate: its index is written anew."""
    higher = market(WETH=NEAR, reserves={"USDC": {"variable_borrow_index_ray": RAY * 103 // 100}})
    return miss(watching(WETH=NEAR, within_pct=0.5, leave_pct=0.6), LEFT, at=higher)


def by_a_parameter() -> str:
    lower = market(reserves={"WETH": {"liquidation_threshold_bps": 6000}})
    return miss(watching(), LEFT, at=lower)


def by_all_together() -> str:
    lower = market(WETH=2441_00000000, reserves={"WETH": {"liquidation_threshold_bps": 8190}})
    watch = watching(WETH=2470_00000000, within_pct=0.5, leave_pct=0.6)
    return miss(watch, LEFT, at=lower)


MISSES = {
    "changed in the same block": [
        lambda: miss(watching(account(1, WETH=(1, 0), USDC=(0, 100))), LEFT, WETH=2800_00000000),
    ],
    "new account": [
        lambda: miss(watching(account(2, WETH=(1, 0), USDC=(0, 10))), LEFT),
        lambda: miss(watching(account(1, WETH=(1, 0))), LEFT),
    ],
    "parameter changed": [by_a_parameter],
    "moved too far in one block": [
        lambda: miss(watching(), LEFT, WETH=BROKEN),
        by_all_together,
    ],
    "interest": [by_interest, by_an_index],
    "filtered": [
        lambda: miss(watching(WETH=BROKEN, min_debt_usd=10_000.0), LEFT, WETH=BROKEN),
        lambda: miss(watching(WETH=NEAR, drivers=frozenset({"WBTC/USD"})), LEFT, WETH=BROKEN),
        lambda: miss(watching(WETH=NEAR, min_profit_usd=1e9), LEFT, WETH=BROKEN),
    ],
    "could not be read": [lost],
    "after a gap": [after_a_gap],
}


def test_of_accounts_that_are_not_asked_for_nothing_is_told() -> None:
    """Neither that they were liquidated, nor their bad debt, nor that they cannot be read."""
    for owners, kinds in (({address(9)}, set()), ({address(1)}, {"liquidated"})):
        watch = watching(WETH=NEAR, owners=frozenset(owners))
        happened = [happening(1, watch.number + 1)]
        seen = watch.see(LEFT, happened=happened, WETH=BROKEN, failed={address(5): "too many legs"})
        assert {event.kind for event in seen} - {"oracle_updated", "recovered"} == kinds


@pytest.mark.parametrize(
    ("reason", "case"), [(reason, case) for reason, cases in MISSES.items() for case in cases]
)
def test_every_miss_has_its_reason(reason: str, case: Any) -> None:
    assert case() == reason


def test_every_reason_is_reached() -> None:
    assert set(MISSES) == set(get_args(MissReason))


def test_the_level_of_a_miss_is_told_all_the_same() -> None:
    facts = liquidated(watching(), LEFT, WETH=BROKEN).facts
    assert (facts["announced_price_raw"], facts["error_units"]) == (str(LEVEL), "0")


def test_several_in_one_block_are_told_in_the_order_of_the_chain() -> None:
    watch = watching(WETH=BROKEN)
    number = FIRST + 1
    happened = [happening(1, number, log_index=k) for k in (9, 10, 2)]
    events = of_kind(watch.see(LEFT, WETH=BROKEN, happened=happened), "liquidated")
    assert [event.facts["log_index"] for event in events] == [2, 9, 10]
    assert {event.facts["predicted"] for event in events} == {"liquidatable"}
    assert len({event.id for event in events}) == 3


def test_blocks_between_are_held_against_the_last_one_evaluated() -> None:
    watch = watching(WETH=NEAR)
    happened = [happening(1, FIRST + 1, log_index=7), happening(1, FIRST + 3, log_index=7)]
    events = of_kind(watch.see(LEFT, WETH=BROKEN, after=4, happened=happened), "liquidated")
    assert [event.facts["happened_block"] for event in events] == [FIRST + 1, FIRST + 3]
    assert [event.facts["block_number"] for event in events] == [FIRST + 4] * 2
    assert [event.facts["predicted"] for event in events] == ["approaching"] * 2
    assert len({event.id for event in events}) == 2


def test_debt_that_is_written_off_is_told() -> None:
    watch = watching(WETH=1900_00000000)
    off = happening(1, FIRST + 1, written_off=((address(0xA003), 60 * 10**6),))
    worths = [replace(WORTH, bad_debt_base=60_00000000)]
    (event,) = of_kind(watch.see(account(1), WETH=1900_00000000, happened=[off], worths=worths), "bad_debt")
    assert (event.facts["how"], event.facts["amount_usd"]) == ("written off", 60.0)
    assert event.facts["debt_usd"] == 0.0


def test_levels_through_a_price_graph_are_compared_in_the_inputs_integers() -> None:
    at = graph_market()
    staked = account_in(at, 1, {"wstETH": (1, 0), "USDC": (0, 2400)})
    watch = watching(staked, at=at, within_pct=20.0, leave_pct=25.0, drivers=frozenset({"ETH/USD"}))
    (near,) = of_kind(watch.events, "approaching")
    lower = graph_market({"ETH/USD": 2400_00000000})
    facts = liquidated(watch, account_in(lower, 1, {"wstETH": (0.1, 0), "USDC": (0, 10)}), at=lower).facts
    assert (facts["driver"], facts["error_units"]) == ("ETH/USD", "0")
    assert facts["announced_price_raw"] == near.facts["price_raw"]
