"""Laws of the fold: neither a restart nor the order of accounts changes anything, and what is told holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import event as seen
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.types import Account
from defiliq.watch.fold import resume
from defiliq.watch.memory import memory_from_json, memory_json
from defiliq.watch.policy import Policy
from defiliq.watch.rejudge import is_within, urgencies
from defiliq.watch.schema import Event, check
from tests.builders import account, address, market
from tests.watch.blocks import JUDGE, POLICY, Watch, about, glance_at, happening

PEOPLE = (1, 2, 3, 4)


@dataclass(frozen=True)
class Scripted:
    """One block of a made-up history."""

    prices: dict[str, Any]
    changed: dict[int, Account]
    threshold_bps: int
    liquidated: tuple[int, ...]
    failed: tuple[int, ...]
    after: int

    @property
    def market(self) -> Any:
        return market(reserves={"WETH": {"liquidation_threshold_bps": self.threshold_bps}}, **self.prices)


@st.composite
def people(draw: st.DrawFn, number: int) -> Account:
    weth, usdc = draw(st.sampled_from([(0, 0), (1, 0), (0.5, 0.02)])), draw(st.sampled_from([0, 1, 8, 9]))
    legs: dict[str, Any] = {"WETH": (weth[0], 0.0), "WBTC": (weth[1], 0.0), "USDC": (0.0, 250.0 * usdc)}
    return account(number, **{name: leg for name, leg in legs.items() if any(leg)})


@st.composite
def blocks(draw: st.DrawFn) -> Scripted:
    changed = draw(st.lists(st.sampled_from(PEOPLE), unique=True, max_size=2))
    liquidated = draw(st.lists(st.sampled_from(PEOPLE), unique=True, max_size=2))
    lost = draw(st.lists(st.sampled_from([k for k in PEOPLE if k not in changed]), unique=True, max_size=1))
    return Scripted(
        prices={
            "WETH": draw(st.sampled_from([2400, 2430, 2450, 2700, 2750, 3000])) * 10**8,
            "WBTC": draw(st.sampled_from([57_000, 60_000])) * 10**8,
        },
        changed={number: draw(people(number)) for number in changed},
        threshold_bps=draw(st.sampled_from([8250, 8250, 8250, 8000])),
        liquidated=tuple(liquidated),
        failed=tuple(lost) if draw(st.integers(0, 4)) == 0 else (),
        after=draw(st.sampled_from([1, 1, 1, 3])),
    )


@dataclass
class Told:
    """A watch that follows a script, in an order of accounts of its own, and may be restarted."""

    watch: Watch
    order: Sequence[int]
    accounts: dict[int, Account] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    last: Scripted | None = None

    def start(self, first: Scripted) -> None:
        self.accounts = {k: first.changed.get(k, account(k, WETH=(1, 0), USDC=(0, 2000))) for k in PEOPLE}
        self.watch.start([self.accounts[k] for k in self.order], at=first.market)
        self.last = first

    def see(self, block: Scripted) -> None:
        self.last = block
        self.accounts |= block.changed
        failed = {address(k): "it is odd" for k in block.failed}
        self.failed = {
            name: why
            for name, why in {**self.failed, **failed}.items()
            if name not in {address(k) for k in block.changed}
        }
        number = self.watch.number + block.after
        self.watch.see(
            *(block.changed[k] for k in self.order if k in block.changed),
            at=block.market,
            after=block.after,
            failed=failed,
            happened=[happening(k, number, log_index=k) for k in block.liquidated],
        )

    def restart(self) -> None:
        state, last = self.watch.state, self.last
        assert state is not None
        assert last is not None
        every = [self.accounts[k] for k in self.order if address(k) not in self.failed]
        glance = glance_at(self.watch.number, last.market, every, is_whole=True, failed=self.failed)
        memory = memory_from_json(memory_json(state.memory))
        self.watch.state = resume(glance, self.watch.policy, JUDGE, memory)


def follow(script: Sequence[Scripted], policy: Policy, order: Sequence[int], restarts: bool) -> Watch:
    told = Told(Watch(policy), order)
    told.start(script[0])
    for block in script[1:]:
        if restarts:
            told.restart()
        told.see(block)
    return told.watch


POLICIES = st.sampled_from(
    [
        POLICY,
        replace(POLICY, cooldown_s=0, min_debt_usd=300.0),
        replace(POLICY, cooldown_s=24, drivers=frozenset({"WETH/USD"})),
        replace(POLICY, owners=frozenset({address(1), address(2)}), min_profit_usd=1.0),
    ]
)


@settings(deadline=None, max_examples=20)
@given(st.lists(blocks(), min_size=2, max_size=6), POLICIES, st.permutations(PEOPLE))
def test_neither_restarts_nor_the_order_of_accounts_change_what_is_told(
    script: list[Scripted], policy: Policy, order: list[int]
) -> None:
    plain = follow(script, policy, PEOPLE, restarts=False)
    for other in (
        follow(script, policy, PEOPLE, restarts=True),
        follow(script, policy, order, restarts=False),
        follow(script, policy, order, restarts=True),
    ):
        assert [event.line() for event in other.events] == [event.line() for event in plain.events]
        assert plain.state is not None
        assert other.state is not None
        assert memory_json(other.state.memory) == memory_json(plain.state.memory)
    for event in plain.events:
        seen(event.kind)
        check(event)


@settings(deadline=None, max_examples=20)
@given(st.lists(blocks(), min_size=2, max_size=6))
def test_without_filters_and_cooldown_what_is_told_is_what_holds(script: list[Scripted]) -> None:
    policy = replace(POLICY, cooldown_s=0)
    told = Told(Watch(policy), PEOPLE)
    told.start(script[0])
    stands: dict[str, str] = {}
    done = 0
    for block in script[1:]:
        told.see(block)
        stands |= {who: kind for kind, who in about(told.watch.events[done:])}
        done = len(told.watch.events)
        state = told.watch.state
        assert state is not None
        for k in PEOPLE:
            row = state.book.find(address(k))
            if row is None:
                continue  # it could not be read
            was = stands.get(address(k), "recovered")
            alone = state.book.pick(np.array([row]))
            (now,) = urgencies(alone, policy, JUDGE, were_told=was != "recovered").tolist()
            assert ("recovered", "approaching", "liquidatable").index(was) == now


def test_the_state_after_a_restart_is_that_before_it() -> None:
    told = Told(Watch(), PEOPLE)
    plain = Scripted({"WETH": 2450 * 10**8}, {}, 8250, (), (), 1)
    told.start(plain)
    told.see(replace(plain, prices={"WETH": 2440 * 10**8}))
    before = told.watch.state
    told.restart()
    after = told.watch.state
    assert before is not None
    assert after is not None
    assert (after.head, after.memory) == (before.head, before.memory)
    assert np.array_equal(after.liquidatable, before.liquidatable)
    assert after.nearest == before.nearest
    assert all(is_within(level, POLICY.leave) for level in after.nearest.values())


def test_ids_tell_events_of_other_blocks_and_markets_apart() -> None:
    def ids(watch: Watch) -> list[Event]:
        watch.start([account(1, WETH=(1, 0), USDC=(0, 2000))], WETH=2400 * 10**8)
        return watch.events

    (one,), (later,) = ids(Watch()), ids(Watch(number=121))
    assert one.id != later.id
    assert one.id == ids(Watch())[0].id
