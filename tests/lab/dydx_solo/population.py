"""The population of the Solo market for real: what the plans say, as operations over some months."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab.chain import BATCH, DEPLOYER, MAX_UINT256, MULTICALL3, Chain, Tx
from tests.lab.dydx_solo.actions import (
    NOTHING,
    Action,
    Info,
    buy,
    deposit,
    liquidate,
    operate,
    sell,
    trade,
    transfer,
    vaporize,
    wei,
    withdraw,
)
from tests.lab.dydx_solo.plan import Plan
from tests.lab.dydx_solo.solo import Solo, close_markets, deploy, set_stage, to_plain
from tests.lab.dydx_solo.specs import DOLLAR, IDS, MARKETS, MIN_BORROWED_VALUE
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.population import PROVIDER

DAY = 86_400
TRUSTED = to_checksum_address(keccak(text="defiliq lab trusted operator")[-20:])
"""A global operator, as dYdX's proxies were: it acts for every account and pays what they deposit."""
USED_BPS = {"WETH": 4_500, "SAI": 7_200, "USDC": 8_100, "DAI": 9_300, "WBTC": 3_100, "REP": 6_000}
"""How much of each market is lent out."""
SOLID: Info = (LIQUIDATOR, 0)
LENDER: Info = (PROVIDER, 1)
RICH = 2**124
AT_ONCE = ("received", "bought", "sold", "traded")
"""Supply and debt come in one action."""
LITTLE_PPM = 100_000


def build(plans: Sequence[Plan], seed: int, chain: Chain) -> dict[str, Any]:
    """The market with its population on an empty chain; the addresses of its contracts."""
    solo = deploy(chain)
    populate(chain, solo, plans, random.Random(seed + 1))
    return to_plain(solo)


def populate(chain: Chain, solo: Solo, plans: Sequence[Plan], rnd: random.Random) -> None:
    """Everything the plans say, up to the final prices."""
    _prepare(chain, solo, plans)
    _lend(chain, solo, plans, rnd)
    early = [plan for plan in plans if plan.fate not in ("giant", "last", *AT_ONCE)]
    _send(chain, rnd, [_supply(solo, plan) for plan in early])
    chain.wait(9 * DAY)
    _send(chain, rnd, [_borrow(solo, plan) for plan in early if plan.debts and plan.fear == "falling"])
    for plan in plans:
        if plan.fate in AT_ONCE:
            _open(chain, solo, plan)
    chain.wait(17 * DAY)
    set_stage(chain, solo, "rising")
    _send(chain, rnd, [_borrow(solo, plan) for plan in early if plan.debts and plan.fear == "rising"])
    chain.wait(23 * DAY)
    set_stage(chain, solo, "crash")
    _take(chain, solo, plans)
    set_stage(chain, solo, "rising")
    _send(chain, rnd, [_leave(solo, plan) for plan in plans if plan.fate in ("emptied", "repaid")])
    chain.wait(11 * DAY)
    for plan in plans:
        if plan.fate == "giant":
            chain.send_all([_supply(solo, plan)])
            chain.send_all([_borrow(solo, plan)] if plan.debts else [])
    close_markets(chain, solo)
    chain.send(solo.margin, "ownerSetMinBorrowedValue", (MIN_BORROWED_VALUE,))


def _prepare(chain: Chain, solo: Solo, plans: Sequence[Plan]) -> None:
    """Coins for gas, tokens, and leave to act."""
    people = {*(plan.owner for plan in plans), PROVIDER, LIQUIDATOR, TRUSTED, MULTICALL3}
    chain.rpc.batch([("anvil_setBalance", (each, hex(10**24))) for each in sorted(people)])
    for who in (TRUSTED, DEPLOYER, solo.trader.address, solo.proxy.address):
        chain.send(solo.margin, "ownerSetGlobalOperator", who, True)
    both = [(token, who) for token in solo.tokens.values() for who in (TRUSTED, LIQUIDATOR)]
    chain.through_multicall([(token, "mint", (who, RICH)) for token, who in both])
    allow = (solo.margin.address, MAX_UINT256)
    chain.send_all([Tx(who, token, "approve", allow) for token, who in both])


def _lend(chain: Chain, solo: Solo, plans: Sequence[Plan], rnd: random.Random) -> None:
    """What the market must hold beside the plans' own supplies, from the liquidator and from a lender."""
    supplied: Counter[str] = Counter()
    lent: Counter[str] = Counter()
    for plan in plans:
        if plan.fate != "giant":
            supplied.update(plan.supplies)
            lent.update(plan.debts)
    actions: list[Action] = []
    for spec in MARKETS:
        floor = 300_000 * spec.unit * DOLLAR // spec.final + rnd.randrange(spec.unit)
        gap = max(floor, lent[spec.symbol] * 10_000 // USED_BPS[spec.symbol] - supplied[spec.symbol])
        actions += [deposit(account, spec.symbol, wei(gap // 2), TRUSTED) for account in (0, 1)]
    chain.send_all([operate(solo.margin, TRUSTED, (SOLID, LENDER), actions)])


def _supply(solo: Solo, plan: Plan) -> Tx:
    actions = [deposit(0, symbol, wei(amount), TRUSTED) for symbol, amount in plan.supplies.items()]
    return operate(solo.margin, TRUSTED, (plan.info,), actions)


def _borrow(solo: Solo, plan: Plan) -> Tx:
    """Sent by the owner, to itself."""
    actions = [withdraw(0, symbol, wei(-amount), plan.owner) for symbol, amount in plan.debts.items()]
    return operate(solo.margin, plan.owner, (plan.info,), actions)


def _open(chain: Chain, solo: Solo, plan: Plan) -> None:
    if plan.fate == "received":
        chain.send_all([_receive(solo, plan)])
        return
    if plan.fate == "traded":
        _trade(chain, solo, plan)
        return
    (wanted, amount), (paid, price) = *plan.supplies.items(), *plan.debts.items()
    order = encode(("uint256", "uint256"), (price, amount))
    exchange = solo.exchange.address
    if plan.fate == "bought":
        action = buy(0, wanted, paid, wei(amount), exchange, order)
    else:
        action = sell(0, paid, wanted, wei(-price), exchange, order)
    chain.send_all([operate(solo.margin, plan.owner, (plan.info,), [action])])


def _receive(solo: Solo, plan: Plan) -> Tx:
    """All that it has comes from another account, all that it owes goes there."""
    actions = [transfer(1, 0, symbol, wei(-amount)) for symbol, amount in plan.supplies.items()]
    actions += [transfer(0, 1, symbol, wei(-amount)) for symbol, amount in plan.debts.items()]
    return operate(solo.margin, TRUSTED, (plan.info, LENDER), actions)


def _trade(chain: Chain, solo: Solo, plan: Plan) -> None:
    """It buys what it holds from another account, and owes the price."""
    (bought, amount), (paid, price) = *plan.supplies.items(), *plan.debts.items()
    key = int.from_bytes(keccak(text=f"{plan.info}"))
    chain.send(solo.trader, "setData", key, wei(price))
    data = key.to_bytes(32)
    action = trade(0, 1, bought, paid, wei(-amount), solo.trader.address, data)
    chain.send_all([operate(solo.margin, plan.owner, (plan.info, LENDER), [action])])


def _take(chain: Chain, solo: Solo, plans: Sequence[Plan]) -> None:
    """Liquidations: a part of a debt, or more than there is; and what is left without anything behind it."""
    taken = [plan for plan in plans if plan.fate in ("liquidated", "sunk", "vapor", "vaporized")]
    for plan in taken:
        ((debt, amount),) = plan.debts.items()
        part = amount * LITTLE_PPM // 10**6 if plan.fate == "liquidated" else amount * 2
        action = liquidate(0, 1, debt, next(iter(plan.supplies)), wei(part))
        chain.send_all([operate(solo.margin, LIQUIDATOR, (SOLID, plan.info), [action])])
    for plan in taken:
        if plan.fate == "vapor":
            _vaporize(chain, solo, plan, whole=False)
        elif plan.fate == "vaporized":
            _vaporize(chain, solo, plan, whole=True)


def _vaporize(chain: Chain, solo: Solo, plan: Plan, *, whole: bool) -> None:
    """With the surplus of its own market, which pays for all; or after the admin took that out."""
    owed = next(iter(plan.debts))
    action = vaporize(0, 1, owed, "USDC", wei(1_000 * 10**18))
    sent = operate(solo.margin, DEPLOYER, (SOLID, plan.info), [action])
    if whole:
        gift = plan.debts[owed] * 2
        chain.send(solo.tokens[owed], "transfer", solo.margin.address, gift, sender=TRUSTED)
        chain.send_all([sent])
        return
    touch = operate(solo.margin, DEPLOYER, ((DEPLOYER, 0),), [deposit(0, owed, wei(0), DEPLOYER)])
    emptied = Tx(DEPLOYER, solo.margin, "ownerWithdrawExcessTokens", (IDS[owed], TRUSTED))
    chain.send_all([touch, emptied, sent])  # in this order, because one sender sends all


def _leave(solo: Solo, plan: Plan) -> Tx:
    actions = [deposit(0, symbol, NOTHING, TRUSTED) for symbol in plan.debts]
    if plan.fate == "emptied":
        actions += [withdraw(0, symbol, NOTHING, plan.owner) for symbol in plan.supplies]
    return operate(solo.margin, TRUSTED, (plan.info,), actions)


def _send(chain: Chain, rnd: random.Random, transactions: Sequence[Tx]) -> None:
    """In several blocks, some hours apart: a few however small the population, so that indices differ."""
    size = max(1, min(BATCH, len(transactions) // 8))
    for start in range(0, len(transactions), size):
        chain.send_all(transactions[start : start + size])
        chain.wait(rnd.randrange(600, 30_000))
