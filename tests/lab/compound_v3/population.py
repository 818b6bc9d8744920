"""The population for real: sends what the plans say to both markets, while time passes unevenly."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab.chain import BATCH, DEPLOYER, MAX_UINT256, MULTICALL3, Chain, Tx
from tests.lab.compound_v3.comet import Comet, Comets, set_stage
from tests.lab.compound_v3.plan import Plan
from tests.lab.liquidation import LIQUIDATOR

PROVIDER = to_checksum_address(keccak(text="defiliq lab comet provider")[-20:])
"""Supplies the base asset that is lent."""
DEPOT = to_checksum_address(keccak(text="defiliq lab comet depot")[-20:])
"""Hands collateral on inside of the Comet, and takes base that is transferred."""
STEPS_S = (12, 13, 61, 3_607, 40_009, 100_003)
"""Seconds between two blocks of one stage."""
REST_S = (5 * 86_400, 9 * 86_400 + 7, 3_601)
"""Seconds between two stages."""
PURSE = 10**15
"""Whole tokens of each base asset that a liquidator buys collateral with."""
Plans = Mapping[str, Sequence[Plan]]


def populate(chain: Chain, comets: Comets, plans: Plans, seed: int) -> None:
    """Everything the plans say, up to the final prices, which are left to the caller."""
    rnd = random.Random(seed + 1)
    senders = {
        PROVIDER,
        DEPOT,
        MULTICALL3,
        LIQUIDATOR,
        *(plan.owner for each in plans.values() for plan in each),
    }
    chain.rpc.batch([("anvil_setBalance", (each, hex(10**21))) for each in sorted(senders)])
    for name, comet in comets.markets.items():
        _supply(chain, comet, plans[name], rnd)
    chain.wait(REST_S[0])
    for name, comet in comets.markets.items():
        _borrow(chain, comet, plans[name], rnd)
    chain.wait(REST_S[1])
    for name, comet in comets.markets.items():
        _settle(chain, comet, plans[name], rnd)
    set_stage(chain, comets, "crash")
    for name, comet in comets.markets.items():
        doomed = [plan.owner for plan in plans[name] if plan.absorbed]
        chain.send(comet.contract, "absorb", LIQUIDATOR, doomed, sender=LIQUIDATOR)
        _fund(chain, comet)
    chain.wait(REST_S[2])


def _supply(chain: Chain, comet: Comet, plans: Sequence[Plan], rnd: random.Random) -> None:
    """Base and collateral, all sent by Multicall3, so that no event's sender is its account."""
    comes = [
        (DEPOT if symbol in plan.received else plan.owner, symbol, amount)
        for plan in plans
        for symbol, amount in plan.collateral.items()
    ]
    base = [
        (PROVIDER, _liquidity(comet, plans)),
        *((plan.owner, plan.supply) for plan in plans if plan.supply),
    ]
    total: Counter[str] = Counter()
    for _, symbol, amount in comes:
        total[symbol] += amount
    tokens = [(comet.base, sum(amount for _, amount in base))]
    tokens += [(comet.tokens[symbol], amount) for symbol, amount in total.items()]
    mints = [Tx(DEPLOYER, token, "mint", (MULTICALL3, amount)) for token, amount in tokens]
    approvals = [
        Tx(MULTICALL3, token, "approve", (comet.contract.address, MAX_UINT256)) for token, _ in tokens
    ]
    chain.send_all([*mints, *approvals])
    calls = [(owner, comet.base, amount) for owner, amount in base]
    calls += [(owner, comet.tokens[symbol], amount) for owner, symbol, amount in comes]
    size = max(50, len(calls) // 5)
    for start in range(0, len(calls), size):
        chain.through_multicall(
            [
                (comet.contract, "supplyTo", (owner, token.address, amount))
                for owner, token, amount in calls[start : start + size]
            ]
        )
        chain.wait(rnd.choice(STEPS_S))
    handed = [
        Tx(DEPOT, comet.contract, "transferAsset", (plan.owner, comet.tokens[symbol].address, amount))
        for plan in plans
        for symbol, amount in plan.collateral.items()
        if symbol in plan.received
    ]
    _send(chain, rnd, handed)


def _liquidity(comet: Comet, plans: Sequence[Plan]) -> int:
    """How much the provider must add so that the market ends near its utilization."""
    stays = sum(plan.borrow for plan in plans if plan.owes)
    supplied = sum(plan.supply for plan in plans) + sum(plan.borrow for plan in plans if plan.by_transfer)
    supplied += sum(max(0, plan.repay - plan.borrow) for plan in plans)
    wanted = stays * 10_000 // comet.spec.utilization_bps - supplied
    return max(wanted, sum(plan.borrow for plan in plans) - stays + comet.spec.borrow_min)


def _borrow(chain: Chain, comet: Comet, plans: Sequence[Plan], rnd: random.Random) -> None:
    contract, base = comet.contract, comet.base.address
    drawn = [
        Tx(plan.owner, contract, "transfer", (DEPOT, plan.borrow))
        if plan.by_transfer
        else Tx(plan.owner, contract, "withdraw", (base, plan.borrow))
        for plan in plans
        if plan.borrow
    ]
    rnd.shuffle(drawn)
    _send(chain, rnd, drawn)


def _settle(chain: Chain, comet: Comet, plans: Sequence[Plan], rnd: random.Random) -> None:
    """Paying back, and taking collateral out."""
    contract, base = comet.contract, comet.base
    payers = [plan for plan in plans if plan.repay or plan.repays_all]
    chain.send_in_blocks([Tx(DEPLOYER, base, "mint", (plan.owner, 2 * plan.borrow)) for plan in payers])
    chain.send_in_blocks(
        [Tx(plan.owner, base, "approve", (contract.address, MAX_UINT256)) for plan in payers]
    )
    _send(
        chain,
        rnd,
        [
            Tx(
                plan.owner,
                contract,
                "supply",
                (base.address, MAX_UINT256 if plan.repays_all else plan.repay),
            )
            for plan in payers
        ],
    )
    taken = [
        Tx(plan.owner, contract, "withdraw", (comet.tokens[symbol].address, amount))
        for plan in plans
        for symbol, amount in plan.withdrawn.items()
    ]
    _send(chain, rnd, taken)


def _fund(chain: Chain, comet: Comet) -> None:
    """Give the liquidator plenty of base, approved to the Comet."""
    amount = PURSE * comet.spec.base.unit
    approval = (comet.contract.address, MAX_UINT256)
    chain.send_all(
        [
            Tx(DEPLOYER, comet.base, "mint", (LIQUIDATOR, amount)),
            Tx(LIQUIDATOR, comet.base, "approve", approval),
        ]
    )


def _send(chain: Chain, rnd: random.Random, transactions: Sequence[Tx]) -> None:
    """In several blocks, some time apart, so that accounts come in at different indices."""
    size = max(1, min(BATCH, len(transactions) // 4))
    for start in range(0, len(transactions), size):
        chain.send_all(transactions[start : start + size])
        chain.wait(rnd.choice(STEPS_S))
