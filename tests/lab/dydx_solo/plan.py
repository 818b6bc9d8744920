"""Who holds and owes what in the Solo market, drawn from a seed, before anything is sent.

As in `tests.lab.plan`: each account is to arrive near a drawn health factor at the final prices, and borrows
while prices stand at the other end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tests.lab.dydx_solo.specs import BY_SYMBOL, DOLLAR, MARGIN_RATIO, WAD, Stage
from tests.lab.plan import LENT_BPS, Fear, pick, target
from tests.lab.plan import draw as draw_from

Draft: TypeAlias = "Callable[[random.Random], Plan]"
Fate: TypeAlias = Literal[
    "",
    "emptied",
    "repaid",
    "received",
    "bought",
    "sold",
    "traded",
    "liquidated",
    "sunk",
    "vapor",
    "vaporized",
    "giant",
    "last",
]
VOLATILE = ("WETH", "WBTC", "REP")
STABLE = ("SAI", "USDC", "DAI")
ALL = tuple(BY_SYMBOL)
GIANT_PAR = 2**120
GIANT_DEBT = 2**115
NUMBERS = (0, 0, 0, 0, 1, 1, 2, 17, 2**200, 2**256 - 1)
SHARED_PERCENT = 25
"""So many of a hundred accounts are a further one of an owner that has one already."""
LAST_UNIT = 10**17
"""Debts of the last block are whole multiples of it, at least to begin with."""
SHAPE_OF_EDGE = {"exact": 0, "exact-rich": 1, "exact-short": -1, "exact-owing": 0, "edge": 0}
"""Accounts made in the very last block: by how many par the supply is off the threshold."""


@dataclass(slots=True)
class Plan:
    """One account to be."""

    shape: str
    supplies: dict[str, int]
    """Base units by symbol."""
    debts: dict[str, int] = field(default_factory=dict)
    fear: Fear = "falling"
    """The price move that would hurt it: it borrows while prices stand at the other end."""
    fate: Fate = ""
    """What becomes of it, or how it comes to be."""
    slack_ppm: int = 0
    """For `edge`: how far it ends from the threshold; above 0 is the safe side."""
    owner: str = ""
    number: int = 0

    @property
    def info(self) -> tuple[str, int]:
        """What the contract calls the account."""
        return self.owner, self.number


def draw(users: int, seed: int) -> list[Plan]:
    """Plans for so many accounts, some of them of one owner; each has another name."""
    plans = draw_from(users, seed, SHAPES)
    rnd = random.Random(seed + 2)
    taken: set[tuple[str, int]] = set()
    for position, plan in enumerate(plans):
        if position and rnd.randrange(100) < SHARED_PERCENT:
            plan.owner = plans[rnd.randrange(position)].owner
        plan.number = rnd.choice(NUMBERS)
        while plan.info in taken:
            plan.number = rnd.getrandbits(rnd.choice((3, 32, 256)))
        taken.add(plan.info)
    return plans


def owe(plan: Plan, rnd: random.Random, symbols: tuple[str, ...], target_bps: int) -> Plan:
    """Give a plan debts in some assets so that its health factor ends near `target_bps`."""
    weighed = _backing(plan, "final") * 10_000 // target_bps
    shares = [rnd.randint(1, 9) for _ in symbols]
    wanted = {
        symbol: weighed * share // sum(shares) * BY_SYMBOL[symbol].unit // _weight(symbol, "final")
        for symbol, share in zip(symbols, shares, strict=True)
    }
    limit = _backing(plan, plan.fear) * LENT_BPS // 10_000
    asked = sum(
        amount * _weight(symbol, plan.fear) // BY_SYMBOL[symbol].unit for symbol, amount in wanted.items()
    )
    if asked > limit:
        wanted = {symbol: amount * limit // asked for symbol, amount in wanted.items()}
    plan.debts = {symbol: max(1, amount) for symbol, amount in wanted.items()}
    return plan


def _backing(plan: Plan, stage: Stage) -> int:
    """What is held, less each market's premium, in dollars."""
    return sum(
        amount * BY_SYMBOL[symbol].dollars(stage) // BY_SYMBOL[symbol].unit * WAD
        // (WAD + BY_SYMBOL[symbol].margin_premium)
        for symbol, amount in plan.supplies.items()
    )  # fmt: skip


def _weight(symbol: str, stage: Stage) -> int:
    """How many dollars must be held for a whole token of debt."""
    spec = BY_SYMBOL[symbol]
    return spec.dollars(stage) * (WAD + spec.margin_premium) // WAD * (WAD + MARGIN_RATIO) // WAD


def _worth(rnd: random.Random, symbol: str, low_usd: int, high_usd: int) -> int:
    """An amount whose value lies between two dollar figures, drawn evenly over magnitudes."""
    dollars = int(low_usd * DOLLAR * (high_usd / low_usd) ** rnd.random())
    return dollars * BY_SYMBOL[symbol].unit // BY_SYMBOL[symbol].final


def _held(
    rnd: random.Random, symbols: tuple[str, ...], low_usd: int = 300, high_usd: int = 400_000
) -> dict[str, int]:
    return {symbol: _worth(rnd, symbol, low_usd, high_usd) for symbol in symbols}


def _long(shape: str, collaterals: tuple[str, ...], debts: tuple[str, ...], most: int = 1) -> Draft:
    """Fears a fall."""

    def draft(rnd: random.Random) -> Plan:
        held = pick(rnd, collaterals, 1, min(most, len(collaterals)))
        left = tuple(symbol for symbol in debts if symbol not in held)
        plan = Plan(shape, _held(rnd, held))
        return owe(plan, rnd, pick(rnd, left, 1, min(most, len(left))), target(rnd))

    return draft


def _short(rnd: random.Random) -> Plan:
    """Holds stablecoins, owes volatile assets."""
    plan = Plan("short", _held(rnd, pick(rnd, STABLE, 1, 2)), fear="rising")
    return owe(plan, rnd, pick(rnd, VOLATILE, 1, 2), target(rnd))


def _stale(rnd: random.Random) -> Plan:
    """Owes in a market that nobody has touched for a month, and fails by that month's interest if at all."""
    plan = Plan("stale", _held(rnd, ("USDC",)), fear="rising")
    return owe(plan, rnd, ("WBTC",), rnd.randint(10_000, 10_600))


def _everywhere(rnd: random.Random) -> Plan:
    """A balance in every market."""
    held = ("WETH", *pick(rnd, ALL[1:], 1, 3))
    plan = Plan("everywhere", _held(rnd, held))
    return owe(plan, rnd, tuple(symbol for symbol in ALL if symbol not in held), target(rnd))


def _premium_both(rnd: random.Random) -> Plan:
    """Both markets ask for more margin, and give more to the liquidator."""
    held, owed = rnd.sample(("WBTC", "REP"), 2)
    plan = Plan("premium-both", _held(rnd, (held,)), fear=rnd.choice(("falling", "rising")))
    return owe(plan, rnd, (owed,), target(rnd))


def _supply(rnd: random.Random) -> Plan:
    return Plan("supply", _held(rnd, pick(rnd, ALL, 1, 4)))


def _dust(rnd: random.Random) -> Plan:
    """A few base units against a few."""
    held, owed = rnd.sample(("WETH", "USDC", "DAI"), 2)
    few = {"WETH": 10**12, "USDC": 1_000, "DAI": 10**15}
    return Plan("dust", {held: few[held]}, {owed: rnd.randint(1, 3)})


def _one_wei(rnd: random.Random) -> Plan:
    return Plan("one-wei", {rnd.choice(ALL): 1})


def _fated(fate: Fate, low_bps: int, high_bps: int) -> Draft:
    """WETH against DAI, and then something happens."""

    def draft(rnd: random.Random) -> Plan:
        plan = Plan(fate, _held(rnd, ("WETH",), 3_000, 40_000), fate=fate)
        return owe(plan, rnd, ("DAI",), rnd.randint(low_bps, high_bps))

    return draft


def _left(fate: Fate) -> Draft:
    """Pays back, or takes out, all."""

    def draft(rnd: random.Random) -> Plan:
        plan = Plan(fate, _held(rnd, pick(rnd, VOLATILE, 1, 2)), fate=fate)
        return plan if fate == "emptied" else owe(plan, rnd, pick(rnd, STABLE, 1, 2), target(rnd))

    return draft


def _giant(rnd: random.Random) -> Plan:
    """Balances near what par can hold."""
    debts = {"REP": GIANT_DEBT + rnd.getrandbits(90)}
    return Plan("giant", {"SAI": GIANT_PAR + rnd.getrandbits(100)}, debts, fate="giant")


def _giant_lender(rnd: random.Random) -> Plan:
    return Plan("giant-lender", {"REP": GIANT_PAR + rnd.getrandbits(100)}, fate="giant")


def _last(shape: str) -> Draft:
    """Made in the last block: by how much is said there."""

    def draft(rnd: random.Random) -> Plan:
        slack = rnd.choice((-1, 1)) * int(10 ** (rnd.random() * 3)) if shape == "edge" else 0
        tokens = rnd.randint(100, 90_000) * LAST_UNIT
        return Plan(shape, {"USDC": 0}, {"DAI": tokens}, fate="last", slack_ppm=slack)

    return draft


SHAPES: dict[str, tuple[int, Draft]] = {
    "giant-lender": (0, _giant_lender),
    "giant": (0, _giant),
    **{shape: (8 if shape == "edge" else 3, _last(shape)) for shape in SHAPE_OF_EDGE},
    "sunk": (2, _fated("sunk", 9_000, 10_000)),
    "vapor": (2, _fated("vapor", 9_000, 10_000)),
    "vaporized": (1, _fated("vaporized", 9_000, 10_000)),
    "liquidated": (6, _fated("liquidated", 9_500, 13_000)),
    "received": (4, _fated("received", 10_200, 14_000)),
    "bought": (3, _fated("bought", 10_000, 13_500)),
    "sold": (3, _fated("sold", 10_000, 13_500)),
    "traded": (3, _fated("traded", 9_500, 12_500)),
    "emptied": (2, _left("emptied")),
    "repaid": (3, _left("repaid")),
    "dust": (4, _dust),
    "one-wei": (2, _one_wei),
    "supply": (12, _supply),
    "long": (40, _long("long", ("WETH",), ("USDC", "DAI"))),
    "long-many": (30, _long("long-many", VOLATILE, STABLE, 3)),
    "closing": (10, _long("closing", ("WETH", "USDC"), ("SAI",))),
    "closing-held": (6, _long("closing-held", ("SAI",), ("USDC", "DAI", "WETH"))),
    "premium-held": (14, _long("premium-held", ("WBTC", "REP"), ("USDC", "DAI", "WETH"), 2)),
    "premium-both": (10, _premium_both),
    "mixed": (20, _long("mixed", ALL, ALL, 3)),
    "everywhere": (6, _everywhere),
    "short": (26, _short),
    "stale": (8, _stale),
}
"""How often each shape is drawn, after one of each: the two giants are there once."""
