"""The population for real: sends what the plans say, lets time pass unevenly, and moves the prices."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab.chain import BATCH, DEPLOYER, MAX_UINT256, MULTICALL3, Chain, Tx
from tests.lab.contract import Contract
from tests.lab.market import Market, set_stage
from tests.lab.plan import Plan
from tests.lab.reserves import BY_SYMBOL, GHO_MODE, RESERVES, dollars

PROVIDER = to_checksum_address(keccak(text="defiliq lab liquidity provider")[-20:])
DELEGATE = to_checksum_address(keccak(text="defiliq lab delegate")[-20:])
STEPS_S = (12, 13, 61, 3_607, 40_009, 100_003)
"""Seconds between two blocks of one stage."""
REST_S = (11 * 86_400, 86_401, 17 * 86_400 + 7, 3_601, 5 * 86_400)
"""Seconds between two stages."""
VARIABLE, STABLE = 2, 1
CROWDED = "USDT"
"""Lent out beyond its optimal usage, where the steep part of the rate begins."""


def populate(chain: Chain, market: Market, plans: Sequence[Plan], seed: int) -> None:
    """Everything the plans say, up to the prices of the last stage, which are left to the caller."""
    rnd = random.Random(seed + 1)
    chain.rpc.batch([("anvil_setBalance", (each, hex(10**21))) for each in _senders(plans)])
    _supply(chain, market, plans, rnd)
    chain.wait(REST_S[0])
    _choose_modes(chain, market, plans)
    chain.wait(REST_S[1])
    _borrow(chain, market, [plan for plan in plans if plan.fear == "falling"], rnd)
    chain.wait(REST_S[2])
    set_stage(chain, market, "rising")
    _borrow(chain, market, [plan for plan in plans if plan.fear == "rising"], rnd)
    chain.wait(REST_S[3])
    _repay(chain, market, [plan for plan in plans if plan.repays], rnd)
    chain.wait(REST_S[4])


def _senders(plans: Sequence[Plan]) -> list[str]:
    return [*(plan.owner for plan in plans), PROVIDER, DELEGATE, MULTICALL3]


def _supply(chain: Chain, market: Market, plans: Sequence[Plan], rnd: random.Random) -> None:
    liquidity = _liquidity(plans, rnd)
    wanted = [
        (plan.owner, symbol, amount)
        for plan in plans
        for symbol, amount in plan.supplies.items()
        if symbol not in plan.received
    ]
    needed = Counter(liquidity)
    for _, symbol, amount in wanted:
        needed[symbol] += amount
    for symbol, amount in needed.items():
        chain.send(market.tokens[symbol], "mint(address,uint256)", MULTICALL3, amount)
        chain.send(market.tokens[symbol], "approve", market.pool.address, MAX_UINT256, sender=MULTICALL3)

    def supply(owner: str, symbol: str, amount: int) -> tuple[Contract, str, tuple[object, ...]]:
        return market.pool, "supply", (market.tokens[symbol].address, amount, owner, 0)

    chain.through_multicall([supply(PROVIDER, symbol, amount) for symbol, amount in liquidity.items()])
    calls = [supply(*each) for each in wanted]
    size = max(50, len(calls) // 10)
    for start in range(0, len(calls), size):
        chain.through_multicall(calls[start : start + size])
        chain.wait(rnd.choice(STEPS_S))
    _send(
        chain,
        rnd,
        [
            Tx(PROVIDER, market.a_tokens[symbol], "transfer", (plan.owner, plan.supplies[symbol]))
            for plan in plans
            for symbol in plan.received
        ],
    )


def _liquidity(plans: Sequence[Plan], rnd: random.Random) -> dict[str, int]:
    """How much the provider must add so that each reserve ends near its optimal usage."""
    lent: Counter[str] = Counter()
    supplied: Counter[str] = Counter()
    for plan in plans:
        lent.update(plan.debts)
        supplied.update(
            {symbol: plan.supplies[symbol] for symbol in plan.supplies if symbol not in plan.received}
        )
    found = {}
    for reserve in RESERVES:
        usage = reserve.rates[0] * (103 if reserve.symbol == CROWDED else rnd.randint(60, 96)) // 100
        largest = max((plan.debts.get(reserve.symbol, 0) for plan in plans), default=0)
        received = sum(plan.supplies[reserve.symbol] for plan in plans if reserve.symbol in plan.received)
        floor = 10**6 * reserve.unit * 10**8 // dollars(reserve.symbol, "final")
        stable = max((plan.debts.get(reserve.symbol, 0) for plan in plans if plan.stable_rate), default=0)
        gap = lent[reserve.symbol] * 10_000 // usage - supplied[reserve.symbol]
        found[reserve.symbol] = max(gap, largest // 10, 6 * stable, 2 * received, floor)
    return found


def _choose_modes(chain: Chain, market: Market, plans: Sequence[Plan]) -> None:
    chosen = [Tx(plan.owner, market.pool, "setUserEMode", (plan.emode,)) for plan in plans if plan.emode]
    switched = [
        Tx(plan.owner, market.pool, "setUserUseReserveAsCollateral", (market.tokens[symbol].address, use))
        for plan in plans
        for symbols, use in ((plan.unflagged, False), (_to_flag(plan), True))
        for symbol in symbols
    ]
    chain.send_in_blocks(chosen)
    chain.send_in_blocks(switched)


def _to_flag(plan: Plan) -> tuple[str, ...]:
    """What does not become collateral by itself: received aTokens (v3.6), and what only an eMode counts."""
    in_mode_only = (symbol for symbol in GHO_MODE.collaterals if not BY_SYMBOL[symbol].threshold)
    return (*plan.received, *(symbol for symbol in in_mode_only if plan.emode == GHO_MODE.id))


def _borrow(chain: Chain, market: Market, plans: Sequence[Plan], rnd: random.Random) -> None:
    for plan in plans:
        if (
            plan.stable_rate
        ):  # first, while much can be lent; one by one, since each moves the rate of the next
            for symbol, amount in plan.debts.items():
                asset = market.tokens[symbol].address
                chain.send(market.pool, "borrow", asset, amount, STABLE, 0, plan.owner, sender=plan.owner)
            chain.wait(rnd.choice(STEPS_S))
    delegated = [plan for plan in plans if plan.delegated]
    _send(
        chain,
        rnd,
        list(_each_debt(delegated, lambda plan, symbol, amount: _delegation(market, plan, symbol, amount))),
    )
    _send(
        chain,
        rnd,
        list(
            _each_debt(
                [plan for plan in plans if not plan.stable_rate],
                lambda plan, symbol, amount: Tx(
                    DELEGATE if plan.delegated else plan.owner,
                    market.pool,
                    "borrow",
                    (market.tokens[symbol].address, amount, VARIABLE, 0, plan.owner),
                ),
            )
        ),
    )


def _delegation(market: Market, plan: Plan, symbol: str, amount: int) -> Tx:
    return Tx(plan.owner, market.debt_tokens[symbol], "approveDelegation", (DELEGATE, 2 * amount))


def _repay(chain: Chain, market: Market, plans: Sequence[Plan], rnd: random.Random) -> None:
    """All debt back, with the interest, which needs some money more than was borrowed."""
    pool = market.pool.address
    chain.through_multicall(
        [
            (market.tokens[symbol], "mint(address,uint256)", (plan.owner, amount))
            for plan in plans
            for symbol, amount in plan.debts.items()
        ]
    )
    _send(
        chain,
        rnd,
        list(
            _each_debt(
                plans,
                lambda plan, symbol, _: Tx(plan.owner, market.tokens[symbol], "approve", (pool, MAX_UINT256)),
            )
        ),
    )
    _send(
        chain,
        rnd,
        list(
            _each_debt(
                plans,
                lambda plan, symbol, _: Tx(
                    plan.owner,
                    market.pool,
                    "repay",
                    (market.tokens[symbol].address, MAX_UINT256, VARIABLE, plan.owner),
                ),
            )
        ),
    )


def _each_debt(plans: Iterable[Plan], make: Callable[[Plan, str, int], Tx]) -> Iterable[Tx]:
    return (make(plan, symbol, amount) for plan in plans for symbol, amount in plan.debts.items())


def _send(chain: Chain, rnd: random.Random, transactions: Sequence[Tx]) -> None:
    """In several blocks, some time apart: a few however small the population, so that indices differ."""
    size = max(1, min(BATCH, len(transactions) // 6))
    for start in range(0, len(transactions), size):
        chain.send_all(transactions[start : start + size])
        chain.wait(rnd.choice(STEPS_S))


def cut_ltv(chain: Chain, market: Market, symbol: str) -> None:
    """Take a reserve's LTV away after it was borrowed against, as risk stewards do."""
    reserve = BY_SYMBOL[symbol]
    limits = (0, reserve.threshold, reserve.bonus)
    chain.send(market.configurator, "configureReserveAsCollateral", market.tokens[symbol].address, *limits)


def fund(chain: Chain, market: Market, owner: str) -> None:
    """Give an account plenty of every token, approved to the pool."""
    chain.rpc("anvil_setBalance", owner, hex(10**21))
    amounts = {reserve.symbol: 10**13 * reserve.unit for reserve in RESERVES}
    mints = [
        Tx(DEPLOYER, market.tokens[symbol], "mint(address,uint256)", (owner, amounts[symbol]))
        for symbol in amounts
    ]
    approvals = [
        Tx(owner, market.tokens[symbol], "approve", (market.pool.address, MAX_UINT256)) for symbol in amounts
    ]
    chain.send_all([*mints, *approvals])
