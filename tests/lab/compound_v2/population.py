"""The population of the Compound v2 market for real: what the plans say, sent in a thousand blocks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.lab.chain import BATCH, MAX_UINT256, MULTICALL3, Chain, Tx
from tests.lab.compound_v2.listing import DOLLAR, MARKETS, NATIVE
from tests.lab.compound_v2.market import Market, deploy, refuse_failures, set_stage, to_plain
from tests.lab.compound_v2.plan import EDGE_DEBT, Plan
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.population import PROVIDER

WAD = 10**18
STEPS = (1, 2, 3, 5, 9, 17)
"""Blocks between two of one stage."""
RESTS = (101, 83, 211, 127, 173)
"""Blocks between two stages."""
RICH_WEI = 10**32
CROWDED_BPS = {"USDT": 9_200, "COMP": 8_300}
"""Lent out beyond their kinks."""
LATE_SYMBOLS = (NATIVE, "USDC")
"""Markets that somebody accrues shortly before the end: the others are stale by then."""


def build(plans: Sequence[Plan], seed: int, chain: Chain) -> dict[str, Any]:
    """The market with its population on an empty chain; the addresses of its contracts."""
    market = deploy(chain)
    populate(chain, market, plans, seed)
    return to_plain(market)


def populate(chain: Chain, market: Market, plans: Sequence[Plan], seed: int) -> None:
    """Everything the plans say, up to the final prices."""
    rnd = random.Random(seed + 1)
    people = [*(plan.owner for plan in plans), PROVIDER, LIQUIDATOR, MULTICALL3]
    chain.rpc.batch([("anvil_setBalance", (each, hex(RICH_WEI))) for each in people])
    _supply(chain, market, plans, rnd)
    _enter(chain, market, plans)
    chain.mine_many(RESTS[0])
    _borrow(chain, market, [plan for plan in plans if plan.fear == "falling"], rnd)
    chain.mine_many(RESTS[1])
    set_stage(chain, market, "rising")
    _borrow(chain, market, [plan for plan in plans if plan.fear == "rising"], rnd)
    chain.mine_many(RESTS[2])
    _liquidate(chain, market, [plan for plan in plans if plan.seized_bps])
    chain.mine_many(RESTS[3])
    _repay(chain, market, [plan for plan in plans if plan.repaid_bps], rnd)
    set_stage(chain, market, "final")
    _borrow_to_the_edge(chain, market, [plan for plan in plans if plan.slack_ppm])
    chain.mine_many(RESTS[4])
    for symbol in LATE_SYMBOLS:
        chain.send(market.markets[symbol], "accrueInterest")
        chain.mine_many(STEPS[2])
    refuse_failures(chain)


def _supply(chain: Chain, market: Market, plans: Sequence[Plan], rnd: random.Random) -> None:
    wanted = [
        (plan.owner, symbol, amount)
        for plan in plans
        for symbol, amount in plan.supplies.items()
        if symbol not in plan.received
    ]
    wanted += [(PROVIDER, symbol, amount) for symbol, amount in _liquidity(plans, rnd).items()]
    tokens = [each for each in wanted if each[1] != NATIVE]
    spare = [(LIQUIDATOR, spec.symbol, 10**15 * spec.unit) for spec in MARKETS if spec.symbol != NATIVE]
    allocate(chain, market, [*tokens, *spare])
    approvals = {(owner, symbol): approval(market, owner, symbol) for owner, symbol, _ in [*tokens, *spare]}
    chain.send_in_blocks(list(approvals.values()))
    _send(chain, rnd, [_mint(market, *each) for each in wanted])
    received = [(plan, symbol) for plan in plans for symbol in plan.received]
    rates = {symbol: chain.call(market.markets[symbol], "exchangeRateStored") for _, symbol in received}
    _send(
        chain,
        rnd,
        [
            Tx(
                PROVIDER,
                market.markets[symbol],
                "transfer",
                (plan.owner, plan.supplies[symbol] * WAD // rates[symbol]),
            )
            for plan, symbol in received
        ],
    )


def _liquidity(plans: Sequence[Plan], rnd: random.Random) -> dict[str, int]:
    """How much the provider must add so that every market can lend what is asked, and is well used."""
    lent: Counter[str] = Counter()
    supplied: Counter[str] = Counter()
    received: Counter[str] = Counter()
    for plan in plans:
        lent.update(plan.debts)
        for symbol, amount in plan.supplies.items():
            (received if symbol in plan.received else supplied)[symbol] += amount
    found = {}
    for spec in MARKETS:
        usage_bps = CROWDED_BPS.get(spec.symbol, rnd.randint(3_000, 7_500))
        gap = lent[spec.symbol] * 10_000 // usage_bps - supplied[spec.symbol]
        floor = 10_000 * spec.unit * DOLLAR // spec.final + rnd.randrange(spec.unit)
        found[spec.symbol] = max(gap, received[spec.symbol] * 21 // 20, floor)
    return found


def _enter(chain: Chain, market: Market, plans: Sequence[Plan]) -> None:
    entries = []
    for plan in plans:
        entered = [market.markets[symbol].address for symbol in plan.supplies if symbol not in plan.unentered]
        if entered:
            entries.append(Tx(plan.owner, market.comptroller, "enterMarkets", (entered,)))
    chain.send_in_blocks(entries)


def _borrow(chain: Chain, market: Market, plans: Sequence[Plan], rnd: random.Random) -> None:
    """The debts, some of them in two parts; then some markets are left."""

    def later(plan: Plan, amount: int) -> int:
        return amount * plan.again_bps // 10_000

    def first(plan: Plan, symbol: str, amount: int) -> Tx:
        return Tx(plan.owner, market.markets[symbol], "borrow", (amount - later(plan, amount),))

    def second(plan: Plan, symbol: str, amount: int) -> Tx:
        return Tx(plan.owner, market.markets[symbol], "borrow", (later(plan, amount),))

    early = [plan for plan in plans if not plan.slack_ppm]
    _send(chain, rnd, list(_each_debt(early, first)))
    _send(chain, rnd, list(_each_debt([plan for plan in early if plan.again_bps], second)))
    chain.send_in_blocks(
        [
            Tx(plan.owner, market.comptroller, "exitMarket", (market.markets[symbol].address,))
            for plan in plans
            for symbol in plan.exits
        ]
    )


def _liquidate(chain: Chain, market: Market, plans: Sequence[Plan]) -> None:
    for plan in plans:
        debt, collateral = next(iter(plan.debts)), next(iter(plan.supplies))
        repay = plan.debts[debt] * plan.seized_bps // 10_000
        ends = plan.owner, repay, market.markets[collateral].address
        chain.send(market.markets[debt], "liquidateBorrow", *ends, sender=LIQUIDATOR)


def _repay(chain: Chain, market: Market, plans: Sequence[Plan], rnd: random.Random) -> None:
    """Part of the debts back, or all, with the interest: that wants some money more than was borrowed."""
    in_tokens = [(plan, symbol) for plan in plans for symbol in plan.debts if symbol != NATIVE]
    allocate(chain, market, [(plan.owner, symbol, plan.debts[symbol]) for plan, symbol in in_tokens])
    chain.send_in_blocks([approval(market, plan.owner, symbol) for plan, symbol in in_tokens])

    def repayment(plan: Plan, symbol: str, amount: int) -> Tx:
        part = amount * plan.repaid_bps // 10_000
        if symbol == NATIVE:
            return Tx(plan.owner, market.markets[symbol], "repayBorrow", (), part)
        whole = MAX_UINT256 if plan.repaid_bps == 10_000 else part
        return Tx(plan.owner, market.markets[symbol], "repayBorrow", (whole,))

    def in_whole_coins(plan: Plan) -> bool:
        return plan.repaid_bps == 10_000 and NATIVE in plan.debts

    _send(chain, rnd, list(_each_debt([plan for plan in plans if not in_whole_coins(plan)], repayment)))
    for plan in plans:
        if in_whole_coins(plan):
            _repay_all_coins(chain, market, plan)
            others = [symbol for symbol in plan.debts if symbol != NATIVE]
            for symbol in others:
                chain.send(market.markets[symbol], "repayBorrow", MAX_UINT256, sender=plan.owner)


def _repay_all_coins(chain: Chain, market: Market, plan: Plan) -> None:
    """All of a debt in the native coin, to the last unit as of the next block: no number says "all" here."""
    native = market.markets[NATIVE]
    owed = chain.call(native, "borrowBalanceCurrent", plan.owner, number=chain.height() + 1)
    chain.send_all([Tx(plan.owner, native, "repayBorrow", (), owed)])


def _borrow_to_the_edge(chain: Chain, market: Market, plans: Sequence[Plan]) -> None:
    price = chain.call(market.oracle, "getUnderlyingPrice", market.markets[EDGE_DEBT].address)
    for plan in plans:
        _, liquidity, _ = chain.call(market.comptroller, "getAccountLiquidity", plan.owner)
        amount = liquidity * (10**6 - plan.slack_ppm) // 10**6 * WAD // price
        chain.send(market.markets[EDGE_DEBT], "borrow", amount, sender=plan.owner)


def allocate(chain: Chain, market: Market, wanted: Sequence[tuple[str, str, int]]) -> None:
    """Give tokens to owners."""
    chain.through_multicall(
        [(market.tokens[symbol], "allocateTo", (owner, amount)) for owner, symbol, amount in wanted]
    )


def approval(market: Market, owner: str, symbol: str) -> Tx:
    """Let the market of a token take all of it."""
    return Tx(owner, market.tokens[symbol], "approve", (market.markets[symbol].address, MAX_UINT256))


def _mint(market: Market, owner: str, symbol: str, amount: int) -> Tx:
    if symbol == NATIVE:
        return Tx(owner, market.markets[symbol], "mint", (), amount)
    return Tx(owner, market.markets[symbol], "mint", (amount,))


def _each_debt(plans: Iterable[Plan], make: Callable[[Plan, str, int], Tx]) -> Iterable[Tx]:
    return (make(plan, symbol, amount) for plan in plans for symbol, amount in plan.debts.items())


def _send(chain: Chain, rnd: random.Random, transactions: Sequence[Tx]) -> None:
    """In several blocks, some blocks apart: a few however small the population, so that indices differ."""
    size = max(1, min(BATCH, len(transactions) // 8))
    for start in range(0, len(transactions), size):
        chain.send_all(transactions[start : start + size])
        chain.mine_many(rnd.choice(STEPS))
