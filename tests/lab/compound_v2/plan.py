"""Who holds and owes what in the Compound v2 market, drawn from a seed, before anything is sent.

As in `tests.lab.plan`: each account is to arrive near a drawn health factor at the final prices, and borrows
while prices stand at the other end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.lab.compound_v2.listing import BY_SYMBOL, DOLLAR, NATIVE
from tests.lab.plan import LENT_BPS, Fear, pick, target
from tests.lab.reserves import Stage

Draft: TypeAlias = "Callable[[random.Random], Plan]"
VOLATILE = (NATIVE, "WETH", "WBTC", "LINK")
STABLE = ("USDC", "USDT")
COLLATERALS = (*VOLATILE, *STABLE)
BACKS_NOTHING = "COMP"
"""Listed with a collateral factor of 0."""
EDGE_DEBT = "USDT"
"""What is borrowed up to the limit by the accounts at the edge. Nobody touches its market afterwards."""


@dataclass(slots=True)
class Plan:
    """One account to be."""

    shape: str
    supplies: dict[str, int]
    """Base units by symbol of the underlying."""
    debts: dict[str, int] = field(default_factory=dict)
    fear: Fear = "falling"
    """The price move that would hurt it: it borrows while prices stand at the other end."""
    unentered: tuple[str, ...] = ()
    """Supplied, and never entered."""
    exits: tuple[str, ...] = ()
    """Entered, and left again once the debts are drawn."""
    received: tuple[str, ...] = ()
    """Supplies that come as a transfer of the market's own token."""
    again_bps: int = 0
    """This part of every debt is borrowed some time after the rest."""
    repaid_bps: int = 0
    """This part of every debt is paid back; 10,000 is all of it, with the interest."""
    seized_bps: int = 0
    """A liquidator repays this part of its first debt and takes its first collateral for it."""
    slack_ppm: int = 0
    """If not 0: borrows last, as much as it may at the final prices, but for this part."""
    owner: str = ""


def owe(plan: Plan, rnd: random.Random, symbols: tuple[str, ...], target_bps: int) -> Plan:
    """Give a plan debts in some assets so that its health factor ends near `target_bps`."""
    weighed = _backing(plan, "final") * 10_000 // target_bps
    shares = [rnd.randint(1, 9) for _ in symbols]
    wanted = {
        symbol: weighed * share // sum(shares) * BY_SYMBOL[symbol].unit // BY_SYMBOL[symbol].final
        for symbol, share in zip(symbols, shares, strict=True)
    }
    limit = _backing(plan, plan.fear) * LENT_BPS // 10_000
    asked = sum(_value(symbol, amount, plan.fear) for symbol, amount in wanted.items())
    if asked > limit:
        wanted = {symbol: amount * limit // asked for symbol, amount in wanted.items()}
    plan.debts = {symbol: max(2, amount) for symbol, amount in wanted.items()}
    return plan


def _backing(plan: Plan, stage: Stage) -> int:
    """What counts as collateral, times its factor, in dollars."""
    counted = {s: n for s, n in plan.supplies.items() if s not in (*plan.unentered, *plan.exits)}
    return sum(
        _value(symbol, amount, stage) * BY_SYMBOL[symbol].collateral_bps // 10_000
        for symbol, amount in counted.items()
    )


def _value(symbol: str, amount: int, stage: Stage) -> int:
    return amount * BY_SYMBOL[symbol].price(stage) // BY_SYMBOL[symbol].unit


def _worth(rnd: random.Random, symbol: str, low_usd: int, high_usd: int) -> int:
    """An amount whose value lies between two dollar figures, drawn evenly over magnitudes."""
    dollars = int(low_usd * DOLLAR * (high_usd / low_usd) ** rnd.random())
    return dollars * BY_SYMBOL[symbol].unit // BY_SYMBOL[symbol].final


def _held(
    rnd: random.Random, symbols: tuple[str, ...], low_usd: int = 3_000, high_usd: int = 900_000
) -> dict[str, int]:
    return {symbol: _worth(rnd, symbol, low_usd, high_usd) for symbol in symbols}


def _long(shape: str, collaterals: tuple[int, int], debts: tuple[int, int]) -> Draft:
    """Holds volatile assets, owes stable ones."""

    def draft(rnd: random.Random) -> Plan:
        plan = Plan(shape, _held(rnd, pick(rnd, VOLATILE, *collaterals)))
        return owe(plan, rnd, pick(rnd, STABLE, *debts), target(rnd))

    return draft


def _aimed(shape: str, low_bps: int, high_bps: int) -> Draft:
    """Sure to end between two health factors."""

    def draft(rnd: random.Random) -> Plan:
        return owe(Plan(shape, _held(rnd, ("WETH",))), rnd, ("USDC",), rnd.randint(low_bps, high_bps))

    return draft


def _short(rnd: random.Random) -> Plan:
    """Holds stablecoins, owes volatile assets."""
    plan = Plan("short", _held(rnd, pick(rnd, STABLE, 1, 2)), fear="rising")
    return owe(plan, rnd, pick(rnd, (*VOLATILE, BACKS_NOTHING), 1, 3), target(rnd))


def _mixed(rnd: random.Random) -> Plan:
    fear: Fear = rnd.choice(("falling", "rising"))
    plan = Plan("mixed", _held(rnd, pick(rnd, COLLATERALS, 2, 5)), fear=fear)
    return owe(plan, rnd, pick(rnd, (*COLLATERALS, BACKS_NOTHING), 2, 5), target(rnd))


def _same_asset(symbol: str) -> Draft:
    def draft(rnd: random.Random) -> Plan:
        other = pick(rnd, tuple(other for other in VOLATILE if other != symbol), 0, 1)
        plan = Plan(f"same-asset-{symbol}", _held(rnd, (symbol, *other)))
        others = tuple(stable for stable in STABLE if stable != symbol)
        return owe(plan, rnd, (symbol, *pick(rnd, others, 0, 1)), target(rnd))

    return draft


def _one_driver(rnd: random.Random) -> Plan:
    """Collateral and debt hang on one aggregator: it cannot break the account."""
    first, second = rnd.choice(((NATIVE, "WETH"), ("WETH", NATIVE)))
    plan = Plan("one-driver", _held(rnd, (first,)))
    return owe(plan, rnd, (second,), max(10_150, target(rnd)))


def _native_debt(rnd: random.Random) -> Plan:
    plan = Plan("native-debt", _held(rnd, pick(rnd, ("WBTC", "LINK", *STABLE), 1, 2)), fear="rising")
    return owe(plan, rnd, (NATIVE,), target(rnd))


def _not_entered(rnd: random.Random) -> Plan:
    held = pick(rnd, COLLATERALS, 2, 3)
    plan = Plan("not-entered", _held(rnd, held), unentered=held[1:])
    others = tuple(symbol for symbol in (*STABLE, BACKS_NOTHING) if symbol not in held)
    return owe(plan, rnd, pick(rnd, others, 1, 1), target(rnd))


def _exited(rnd: random.Random) -> Plan:
    held = pick(rnd, VOLATILE, 2, 3)
    plan = Plan("exited", _held(rnd, held), exits=held[1:])
    return owe(plan, rnd, pick(rnd, STABLE, 1, 2), target(rnd))


def _received(rnd: random.Random) -> Plan:
    held = pick(rnd, COLLATERALS, 1, 2)
    plan = Plan("received", _held(rnd, held), received=held)
    return owe(plan, rnd, pick(rnd, STABLE, 1, 1), target(rnd))


def _zero_factor(rnd: random.Random) -> Plan:
    """Also entered the market that backs nothing, and may owe what it lends."""
    plan = Plan("zero-factor", _held(rnd, (BACKS_NOTHING, *pick(rnd, VOLATILE, 1, 1))))
    return owe(plan, rnd, pick(rnd, (*STABLE, BACKS_NOTHING), 1, 2), target(rnd))


def _borrowed_again(rnd: random.Random) -> Plan:
    plan = Plan("borrowed-again", _held(rnd, pick(rnd, VOLATILE, 1, 2)), again_bps=rnd.randint(500, 6_000))
    return owe(plan, rnd, pick(rnd, (*STABLE, BACKS_NOTHING), 1, 2), target(rnd))


def _repaid(rnd: random.Random) -> Plan:
    plan = Plan("repaid", _held(rnd, pick(rnd, VOLATILE, 1, 2)), repaid_bps=10_000)
    return owe(plan, rnd, pick(rnd, (*STABLE, NATIVE), 1, 2), max(11_000, target(rnd)))


def _partly_repaid(rnd: random.Random) -> Plan:
    plan = Plan("partly-repaid", _held(rnd, pick(rnd, VOLATILE, 1, 2)), repaid_bps=rnd.randint(500, 8_000))
    return owe(plan, rnd, pick(rnd, (*STABLE, NATIVE), 1, 2), target(rnd))


def _liquidated(rnd: random.Random) -> Plan:
    """Under water at the lowest prices, where a liquidator comes by."""
    plan = Plan("liquidated", _held(rnd, ("WETH",)), seized_bps=rnd.randint(2_000, 4_500))
    return owe(plan, rnd, ("USDC",), rnd.randint(9_100, 9_900))


def _supplier(rnd: random.Random) -> Plan:
    held = pick(rnd, (*COLLATERALS, BACKS_NOTHING), 1, 3)
    return Plan("supplier", _held(rnd, held), unentered=held if rnd.random() < 0.5 else ())


def _edge(rnd: random.Random) -> Plan:
    """So near its limit that some blocks of interest may carry it over."""
    plan = Plan("edge", _held(rnd, ("WBTC",)), slack_ppm=int(20 * 150 ** rnd.random()))
    return owe(plan, rnd, (EDGE_DEBT,), 10_000)


def _dust(rnd: random.Random) -> Plan:
    """A few base units, or a few cents."""
    if rnd.random() < 0.4:
        return Plan("dust", {"USDC": rnd.randint(40, 90)}, {"USDC": rnd.randint(3, 9)})
    symbol = rnd.choice((NATIVE, "WBTC", "USDC", "LINK"))
    plan = Plan("dust", {symbol: _worth(rnd, symbol, 1, 4) // rnd.randint(4, 90)})
    return owe(plan, rnd, (rnd.choice(STABLE),), target(rnd))


def _whale_long(rnd: random.Random) -> Plan:
    """Beyond 2**64 base units on both sides, and in the market's own tokens."""
    plan = Plan("whale-long", {"WETH": _worth(rnd, "WETH", 40 * 10**12, 70 * 10**12)})
    return owe(plan, rnd, ("USDC",), rnd.randint(10_050, 11_900))


def _whale_short(rnd: random.Random) -> Plan:
    plan = Plan("whale-short", {"USDC": _worth(rnd, "USDC", 40 * 10**12, 70 * 10**12)}, fear="rising")
    return owe(plan, rnd, ("WETH",), rnd.randint(10_100, 11_900))


SHAPES: dict[str, tuple[int, Draft]] = {
    "plain": (16, _long("plain", (1, 1), (1, 1))),
    "sinking": (1, _aimed("sinking", 8_960, 9_300)),
    "distant": (1, _aimed("distant", 93_000, 99_000)),
    "edge": (5, _edge),
    "whale-long": (0, _whale_long),
    "whale-short": (0, _whale_short),
    "many-collaterals": (7, _long("many-collaterals", (2, 4), (1, 1))),
    "many-debts": (6, _long("many-debts", (1, 1), (2, 2))),
    "mixed": (12, _mixed),
    "short": (9, _short),
    f"same-asset-{NATIVE}": (3, _same_asset(NATIVE)),
    "same-asset-USDC": (3, _same_asset("USDC")),
    "one-driver": (4, _one_driver),
    "native-debt": (4, _native_debt),
    "not-entered": (4, _not_entered),
    "exited": (4, _exited),
    "received": (3, _received),
    "zero-factor": (4, _zero_factor),
    "borrowed-again": (4, _borrowed_again),
    "repaid": (3, _repaid),
    "partly-repaid": (3, _partly_repaid),
    "liquidated": (0, _liquidated),
    "supplier": (4, _supplier),
    "dust": (4, _dust),
}
