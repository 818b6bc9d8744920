"""The last blocks of the Solo chain, on every start anew: a loaded node knows no state older than its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.lab.cache import LabError
from tests.lab.chain import Chain
from tests.lab.dydx_solo.actions import deposit, exactly, operate, withdraw
from tests.lab.dydx_solo.plan import LAST_UNIT, SHAPE_OF_EDGE, Plan
from tests.lab.dydx_solo.population import TRUSTED
from tests.lab.dydx_solo.solo import Solo, priced, set_stage
from tests.lab.dydx_solo.specs import BY_SYMBOL, IDS, MARGIN_RATIO, WAD
from tests.lab.node import BLOCK_SECONDS

UNACCRUED_S = 20 * 86_400 + 11
"""Since most markets were last written to: what is stored and what accrued tell some accounts apart."""
HELD, OWED = "USDC", "DAI"
"""Of the accounts made in the last block: these two markets are accrued there, the others are not."""
FRIENDLY_BPS = 8_000
"""At this part of its price the debt is borrowed."""


def finish(chain: Chain, solo: Solo, plans: Sequence[Plan]) -> None:
    """Final prices; time; a block in which some accounts end exactly at their threshold, or next to it."""
    chain.wait(BLOCK_SECONDS)
    set_stage(chain, solo, "final")
    chain.wait(UNACCRUED_S)
    at = chain.now() + BLOCK_SECONDS
    supply_index = _indices(chain, solo, HELD, at)[1]
    borrow_index = _indices(chain, solo, OWED, at)[0]
    price = BY_SYMBOL[OWED].price("final")
    friendly, final = (
        replace(priced(solo, OWED, each), sender=TRUSTED) for each in (price * FRIENDLY_BPS // 10_000, price)
    )
    sent = [friendly]
    for plan in plans:
        if plan.fate == "last":
            held, owed = _balances(plan, supply_index, borrow_index)
            actions = [
                deposit(0, HELD, exactly(held), TRUSTED),
                withdraw(0, OWED, exactly(-owed), plan.owner),
            ]
            sent.append(operate(solo.margin, TRUSTED, (plan.info,), actions))
    chain.send_all([*sent, final], at)  # in this order, because one sender sends all


def _indices(chain: Chain, solo: Solo, symbol: str, at: int) -> tuple[int, int]:
    """Borrow and supply index at a time, before anything moves in that block."""
    borrow, supply, _ = chain.call(solo.margin, "getMarketCurrentIndex", IDS[symbol], timestamp=at)
    return int(borrow), int(supply)


def _balances(plan: Plan, supply_index: int, borrow_index: int) -> tuple[int, int]:
    """Par to hold and par to owe."""
    (debt,) = plan.debts.values()
    held, owed = _at_threshold(debt, supply_index, borrow_index)
    if plan.shape == "edge":
        return held * (10**6 + plan.slack_ppm) // 10**6, owed
    return held + SHAPE_OF_EDGE[plan.shape], owed + (plan.shape == "exact-owing")


def _at_threshold(debt: int, supply_index: int, borrow_index: int) -> tuple[int, int]:
    """Par held and owed that are worth exactly what the margin asks, from some debt on.

    Not every amount of tokens is some par's: the search goes on until both are.
    """
    for more in range(10_000):
        owed = debt + more * LAST_UNIT
        value = owed * BY_SYMBOL[OWED].price("final")
        held, rest = divmod(value + value * MARGIN_RATIO // WAD, BY_SYMBOL[HELD].price("final"))
        owed_par, held_par = owed * WAD // borrow_index, -(-held * WAD // supply_index)
        borrowed = -(-owed_par * borrow_index // WAD)
        if rest == 0 and borrowed == owed and held_par * supply_index // WAD == held:
            return held_par, owed_par
    raise LabError("no debt in reach has an exact threshold: were the indices reset?")
