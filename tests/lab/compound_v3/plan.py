"""Who holds and owes what in a Comet, drawn from a seed, before anything is sent.

Amounts are chosen so that each account arrives near a drawn health factor at the final prices; what the
Comet would not have lent at the early prices is cut to what it would.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab.compound_v3.specs import COMETS, CometSpec, Stage

Draft: TypeAlias = "Callable[[random.Random, CometSpec], Plan]"
LENT_BPS = 9_970
"""How much of the Comet's limit an account borrows at most: the rest is for rounding and interest."""
VALUE = 10**8
"""One of the market's currency, as values are counted."""
BITS = 16
"""How many collaterals have their bit in assetsIn; those behind have it in the reserved byte."""
SIZES = {"usdc": (3_000, 900_000), "weth": (2, 400)}
"""Of a usual holding, in the market's currency."""
WHALE = 4 * 10**11
"""In the market's currency: as a value of 8 decimals, past 2**64."""


@dataclass(slots=True)
class Plan:
    """One account to be. Amounts are base units of tokens."""

    shape: str
    collateral: dict[str, int] = field(default_factory=dict)
    """By symbol."""
    borrow: int = 0
    """Base asset drawn beyond what it supplied."""
    supply: int = 0
    """Base asset supplied."""
    by_transfer: bool = False
    """It gets its debt by transferring base that it does not have."""
    received: tuple[str, ...] = ()
    """Collateral that comes as a transfer inside of the Comet."""
    repay: int = 0
    """Base asset supplied after borrowing."""
    repays_all: bool = False
    withdrawn: dict[str, int] = field(default_factory=dict)
    """Collateral taken out after all that."""
    absorbed: bool = False
    """Absorbed in a crash, before the end."""
    owner: str = ""

    @property
    def owes(self) -> bool:
        """Whether it ends with a debt."""
        return self.borrow > 0 and not (self.repays_all or self.absorbed or self.repay >= self.borrow)


def draw(name: str, users: int, seed: int) -> list[Plan]:
    """Plans for so many users of one market: every shape once as far as they go, then by weight."""
    spec, rnd = COMETS[name], random.Random(f"{seed} {name}")
    names = list(SHAPES)
    weights = [SHAPES[shape][0] for shape in names]
    chosen = [*names, *rnd.choices(names, weights, k=max(0, users - len(names)))][:users]
    plans = [SHAPES[shape][1](rnd, spec) for shape in chosen]
    for position, plan in enumerate(plans):
        digest = keccak(text=f"defiliq lab compound v3 {name} {seed} {position}")
        plan.owner = to_checksum_address(digest[-20:])
    return plans


def backing(plan: Plan, spec: CometSpec, stage: Stage, factor: int) -> int:
    """What the collateral counts for: 0 to borrow against, 1 against liquidation."""
    total = 0
    for symbol, amount in plan.collateral.items():
        listed = spec.collateral(symbol)
        total += amount * listed.price(stage) // listed.unit * listed.factors_bps[factor] // 10_000
    return total


def owe(plan: Plan, spec: CometSpec, target_bps: int) -> Plan:
    """Give a plan a debt so that its health factor ends near `target_bps`."""
    grown = target_bps * (10_000 + spec.growth_bps) // 10_000
    wanted = backing(plan, spec, "final", 1) * 10_000 // grown
    limit = backing(plan, spec, "early", 0) * LENT_BPS // 10_000
    value = min(wanted, limit)
    plan.borrow = max(value * spec.base.unit // base_price(spec), spec.borrow_min)
    return plan


def base_price(spec: CometSpec) -> int:
    """About what the base asset costs."""
    return spec.base.price("final")


def worth(rnd: random.Random, spec: CometSpec, symbol: str, low: int, high: int) -> int:
    """An amount whose value lies between two figures, drawn evenly over magnitudes."""
    listed = spec.collateral(symbol)
    value = int(low * VALUE * (high / low) ** rnd.random())
    return value * listed.unit // listed.price("final")


def target(rnd: random.Random) -> int:
    """A health factor in basis points: a few below 1, many near it, some far away."""
    bands = [(9_000, 9_990), (9_990, 10_080), (10_080, 11_000), (11_000, 15_000), (15_000, 105_000)]
    low, high = rnd.choices(bands, [4, 8, 20, 38, 30])[0]
    return rnd.randint(low, high)


def _lendable(spec: CometSpec) -> list[str]:
    return [each.symbol for each in spec.collaterals if each.factors_bps[0]]


def _held(rnd: random.Random, spec: CometSpec, symbols: list[str]) -> dict[str, int]:
    return {symbol: worth(rnd, spec, symbol, *SIZES[spec.name]) for symbol in symbols}


def _some(shape: str, least: int, most: int) -> Draft:
    """Owes against so many collaterals."""

    def draft(rnd: random.Random, spec: CometSpec) -> Plan:
        symbols = rnd.sample(_lendable(spec), min(rnd.randint(least, most), len(_lendable(spec))))
        return owe(Plan(shape, _held(rnd, spec, symbols)), spec, target(rnd))

    return draft


def _at(shape: str, low_bps: int, high_bps: int) -> Draft:
    """Owes so much that it ends in a band of health factors."""

    def draft(rnd: random.Random, spec: CometSpec) -> Plan:
        symbols = [each.symbol for each in spec.collaterals if _falls(spec, each.symbol)]
        held = _held(rnd, spec, rnd.sample(symbols, min(rnd.randint(1, 3), len(symbols))))
        return owe(Plan(shape, held), spec, rnd.randint(low_bps, high_bps))

    return draft


def _falls(spec: CometSpec, symbol: str) -> bool:
    """Whether its price falls far enough that who borrowed to the limit can end underwater."""
    listed = spec.collateral(symbol)
    borrow, liquidate, _ = listed.factors_bps
    grown = listed.price("early") * (10_000 + spec.growth_bps)
    return borrow * grown * LENT_BPS > liquidate * listed.price("final") * 9_900 * 10_000


def _all(rnd: random.Random, spec: CometSpec) -> Plan:
    symbols = [each.symbol for each in spec.collaterals]
    return owe(Plan("all", _held(rnd, spec, symbols)), spec, target(rnd))


def _last(rnd: random.Random, spec: CometSpec) -> Plan:
    """Only collaterals at the end of the list, where the bits are elsewhere in a long one."""
    last = [each.symbol for each in spec.collaterals][min(BITS, len(spec.collaterals) - 2) :]
    symbols = rnd.sample(last, rnd.randint(1, 2))
    return owe(Plan("last", _held(rnd, spec, symbols)), spec, target(rnd))


def _first_and_last(rnd: random.Random, spec: CometSpec) -> Plan:
    symbols = [each.symbol for each in spec.collaterals]
    chosen = [rnd.choice(_lendable(spec)[:-2]), symbols[-1]]
    return owe(Plan("first-and-last", _held(rnd, spec, chosen)), spec, target(rnd))


def _unlent(rnd: random.Random, spec: CometSpec) -> Plan:
    """Holds something that nothing is lent against, which still protects from liquidation."""
    unlent = [each.symbol for each in spec.collaterals if not each.factors_bps[0]]
    held = _held(rnd, spec, [rnd.choice(_lendable(spec)), *unlent])
    return owe(Plan("unlent", held), spec, target(rnd))


def _one_driver(rnd: random.Random, spec: CometSpec) -> Plan:
    """Several collaterals that hang on one driver."""
    moved = [each.symbol for each in spec.collaterals if "ETH / USD" in (*each.times, *each.divided_by)]
    return owe(Plan("one-driver", _held(rnd, spec, moved)), spec, target(rnd))


def _whale(rnd: random.Random, spec: CometSpec) -> Plan:
    symbol = rnd.choice(("WETH", "WBTC") if spec.name == "usdc" else ("wstETH", "cbETH"))
    held = {symbol: worth(rnd, spec, symbol, WHALE, 2 * WHALE)}
    return owe(Plan("whale", held), spec, rnd.randint(10_100, 13_000))


def _dust(rnd: random.Random, spec: CometSpec) -> Plan:
    """Borrows the least that can be borrowed, pays nearly all of it back and takes nearly all out."""
    symbol = rnd.choice(_lendable(spec))
    plan = Plan("dust", {symbol: 0}, spec.borrow_min)
    listed, debt = spec.collateral(symbol), spec.borrow_min * base_price(spec) // spec.base.unit
    plan.collateral[symbol] = 3 * debt * listed.unit // listed.price("final")
    plan.repay = plan.borrow - rnd.randint(1, 900)
    plan.withdrawn = {symbol: plan.collateral[symbol] * rnd.randint(92, 96) // 100}
    return plan


def _supplier(rnd: random.Random, spec: CometSpec) -> Plan:
    low, high = SIZES[spec.name]
    return Plan("supplier", supply=rnd.randint(low, high) * spec.base.unit + rnd.randint(0, 999))


def _supplier_with_collateral(rnd: random.Random, spec: CometSpec) -> Plan:
    plan = _supplier(rnd, spec)
    plan.shape, plan.collateral = "supplier-with-collateral", _held(rnd, spec, [rnd.choice(_lendable(spec))])
    return plan


def _idle(rnd: random.Random, spec: CometSpec) -> Plan:
    """Collateral, and never a debt."""
    return Plan("idle", _held(rnd, spec, rnd.sample(_lendable(spec), 2)))


def _changed(shape: str, **changes: object) -> Draft:
    """A borrower of one or two collaterals, with something particular about it."""

    def draft(rnd: random.Random, spec: CometSpec) -> Plan:
        plan = _some(shape, 1, 2)(rnd, spec)
        for name, value in changes.items():
            setattr(plan, name, value)
        return plan

    return draft


def _overpaid(rnd: random.Random, spec: CometSpec) -> Plan:
    """Pays back more than it owes: what is over is a supply."""
    plan = _some("overpaid", 1, 2)(rnd, spec)
    plan.repay = plan.borrow * 3 // 2
    return plan


def _received(rnd: random.Random, spec: CometSpec) -> Plan:
    """No SupplyCollateral names it."""
    plan = _some("received", 1, 2)(rnd, spec)
    plan.received = tuple(plan.collateral)
    return plan


def _partly_received(rnd: random.Random, spec: CometSpec) -> Plan:
    plan = _some("partly-received", 2, 3)(rnd, spec)
    plan.received = tuple(plan.collateral)[:1]
    return plan


def _exited(rnd: random.Random, spec: CometSpec) -> Plan:
    """Takes one of two collaterals out completely: its bit is cleared again."""
    stays, leaves = rnd.sample(_lendable(spec), 2)
    plan = owe(Plan("exited", _held(rnd, spec, [stays])), spec, rnd.randint(14_000, 30_000))
    plan.collateral |= _held(rnd, spec, [leaves])
    plan.withdrawn = {leaves: plan.collateral[leaves]}
    return plan


def _absorbed(rnd: random.Random, spec: CometSpec) -> Plan:
    plan = _at("absorbed", 10_020, 10_120)(rnd, spec)
    plan.absorbed = True
    return plan


SHAPES: dict[str, tuple[int, Draft]] = {
    "one": (22, _some("one", 1, 1)),
    "many": (18, _some("many", 2, 5)),
    "near": (8, _at("near", 9_965, 10_025)),
    "underwater": (4, _at("underwater", 9_000, 9_900)),
    "by-transfer": (5, _changed("by-transfer", by_transfer=True)),
    "received": (5, _received),
    "supplier": (3, _supplier),
    "supplier-with-collateral": (3, _supplier_with_collateral),
    "repaid": (3, _changed("repaid", repays_all=True)),
    "overpaid": (2, _overpaid),
    "dust": (4, _dust),
    "whale": (0, _whale),
    "last": (5, _last),
    "first-and-last": (4, _first_and_last),
    "all": (2, _all),
    "unlent": (3, _unlent),
    "one-driver": (4, _one_driver),
    "idle": (2, _idle),
    "partly-received": (3, _partly_received),
    "exited": (3, _exited),
    "absorbed": (2, _absorbed),
}
"""What accounts are examples of, and how often beside the first. Principals of 104 bits hold few whales."""
