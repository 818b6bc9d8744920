"""The population on paper: who holds and owes what, drawn from a seed, before anything is sent.

Amounts are chosen so that each account arrives near a drawn health factor at the final prices; what the
protocol would not have lent at the prices of the time is cut to what it would.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, TypeVar

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.lab.reserves import (
    BY_SYMBOL,
    DOLLAR,
    EMODES,
    ETH_MODE,
    GHO_MODE,
    STABLE_MODE,
    EModeSpec,
    Stage,
    dollars,
)


class Owned(Protocol):
    """An account to be, in any protocol."""

    owner: str


P = TypeVar("P", bound=Owned)
Fear: TypeAlias = Literal["falling", "rising"]
Draft: TypeAlias = "Callable[[random.Random], Plan]"
LENT_BPS = 9970
"""How much of the protocol's limit an account borrows at most: the rest is for interest of the meantime."""
COLLATERALS = ("WETH", "wstETH", "WBTC", "USDC", "USDT", "LINK", "CRV")
VOLATILE = ("WETH", "wstETH", "WBTC", "LINK", "CRV")
STABLE = ("USDC", "USDT", "GHO")


@dataclass(slots=True)
class Plan:
    """One account to be."""

    shape: str
    supplies: dict[str, int]
    """Base units by symbol."""
    debts: dict[str, int] = field(default_factory=dict)
    emode: int = 0
    fear: Fear = "falling"
    """The price move that would hurt it: it borrows while prices stand at the other end."""
    unflagged: tuple[str, ...] = ()
    """Supplied, and switched off as collateral."""
    received: tuple[str, ...] = ()
    """Collateral that comes as a transfer of aTokens."""
    repays: bool = False
    delegated: bool = False
    """Somebody else draws the debt, by credit delegation."""
    stable_rate: bool = False
    owner: str = ""


def draw(users: int, seed: int, shapes: Mapping[str, tuple[int, Callable[[random.Random], P]]]) -> list[P]:
    """Plans for so many users: every shape once as far as they go, then by weight."""
    rnd = random.Random(seed)
    names = list(shapes)
    weights = [shapes[name][0] for name in names]
    chosen = [*names, *rnd.choices(names, weights, k=max(0, users - len(names)))][:users]
    plans = [shapes[name][1](rnd) for name in chosen]
    for position, plan in enumerate(plans):
        plan.owner = to_checksum_address(keccak(text=f"defiliq lab {seed} {position}")[-20:])
    return plans


def owe(plan: Plan, rnd: random.Random, symbols: tuple[str, ...], target_bps: int) -> Plan:
    """Give a plan debts in some assets so that its health factor ends near `target_bps`."""
    mode = next((mode for mode in (*EMODES, GHO_MODE) if mode.id == plan.emode), None)
    weighed = backing(plan, mode, "final", "threshold") * 10_000 // target_bps
    shares = [rnd.randint(1, 9) for _ in symbols]
    wanted = {
        symbol: weighed * share // sum(shares) * BY_SYMBOL[symbol].unit // dollars(symbol, "final")
        for symbol, share in zip(symbols, shares, strict=True)
    }
    limit = backing(plan, mode, plan.fear, "ltv") * LENT_BPS // 10_000
    asked = sum(
        amount * dollars(symbol, plan.fear) // BY_SYMBOL[symbol].unit for symbol, amount in wanted.items()
    )
    if asked > limit:
        wanted = {symbol: amount * limit // asked for symbol, amount in wanted.items()}
    plan.debts = {symbol: max(2, amount) for symbol, amount in wanted.items()}
    return plan


def backing(plan: Plan, mode: EModeSpec | None, stage: Stage, limit: Literal["ltv", "threshold"]) -> int:
    """Collateral times LTV or threshold, in base currency."""
    total = 0
    for symbol, amount in plan.supplies.items():
        if symbol in plan.unflagged:
            continue
        source = mode if mode is not None and symbol in mode.collaterals else BY_SYMBOL[symbol]
        factor = source.ltv if limit == "ltv" else source.threshold
        total += amount * dollars(symbol, stage) // BY_SYMBOL[symbol].unit * factor // 10_000
    return total


def worth(rnd: random.Random, symbol: str, low_usd: int, high_usd: int) -> int:
    """An amount of an asset whose value lies between two dollar figures, drawn evenly over magnitudes."""
    usd_base = int(low_usd * DOLLAR * (high_usd / low_usd) ** rnd.random())
    return usd_base * BY_SYMBOL[symbol].unit // dollars(symbol, "final")


def target(rnd: random.Random) -> int:
    """A health factor in basis points: a few below 1, many near it, some far away."""
    low, high = rnd.choices(
        [
            (8_800, 9_995),
            (9_995, 10_080),
            (10_080, 11_000),
            (11_000, 15_000),
            (15_000, 30_000),
            (30_000, 105_000),
        ],
        [4, 7, 15, 34, 25, 15],
    )[0]
    return rnd.randint(low, high)


def pick(rnd: random.Random, symbols: tuple[str, ...], least: int, most: int) -> tuple[str, ...]:
    return tuple(rnd.sample(symbols, rnd.randint(least, most)))


def _held(
    rnd: random.Random, symbols: tuple[str, ...], low_usd: int = 3_000, high_usd: int = 900_000
) -> dict[str, int]:
    return {symbol: worth(rnd, symbol, low_usd, high_usd) for symbol in symbols}


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
    plan = Plan("short", _held(rnd, pick(rnd, ("USDC", "USDT"), 1, 2)), fear="rising")
    return owe(plan, rnd, pick(rnd, (*VOLATILE, "AAVE"), 1, 3), target(rnd))


def _mixed(rnd: random.Random) -> Plan:
    plan = Plan("mixed", _held(rnd, pick(rnd, COLLATERALS, 2, 5)), fear=rnd.choice(("falling", "rising")))
    return owe(plan, rnd, pick(rnd, (*COLLATERALS, "GHO", "AAVE"), 2, 5), target(rnd))


def _same_asset(symbol: str) -> Draft:
    def draft(rnd: random.Random) -> Plan:
        other = pick(rnd, tuple(other for other in VOLATILE if other != symbol), 0, 1)
        plan = Plan(f"same-asset-{symbol}", _held(rnd, (symbol, *other)))
        return owe(plan, rnd, (symbol, *pick(rnd, ("USDT", "GHO"), 0, 1)), target(rnd))

    return draft


def _flag_off(rnd: random.Random) -> Plan:
    held = pick(rnd, COLLATERALS, 2, 3)
    plan = Plan("flag-off", _held(rnd, held), unflagged=held[1:])
    return owe(plan, rnd, pick(rnd, STABLE, 1, 1), target(rnd))


def _loop(rnd: random.Random) -> Plan:
    """Leverage on the staking ratio alone: the ETH price cannot break it."""
    plan = Plan("emode-eth", _held(rnd, ("wstETH",)), emode=ETH_MODE.id)
    return owe(plan, rnd, ("WETH",), min(target(rnd), 10_600 + rnd.randrange(2_000)))


def _emode_eth_mixed(rnd: random.Random) -> Plan:
    plan = Plan(
        "emode-eth-mixed",
        _held(rnd, ("wstETH", *pick(rnd, ("WBTC", "LINK", "USDC"), 1, 2))),
        emode=ETH_MODE.id,
    )
    return owe(plan, rnd, ("WETH",), target(rnd))


def _emode_stable(rnd: random.Random) -> Plan:
    plan = Plan("emode-stable", _held(rnd, pick(rnd, ("USDC", "USDT"), 1, 2)), emode=STABLE_MODE.id)
    return owe(plan, rnd, pick(rnd, STABLE, 1, 2), min(target(rnd), 13_000))


def _emode_stable_mixed(rnd: random.Random) -> Plan:
    held = (*pick(rnd, ("USDC", "USDT"), 1, 1), *pick(rnd, ("WETH", "WBTC", "CRV"), 1, 2))
    plan = Plan("emode-stable-mixed", _held(rnd, held), emode=STABLE_MODE.id)
    return owe(plan, rnd, pick(rnd, STABLE, 1, 3), target(rnd))


def _emode_only(rnd: random.Random) -> Plan:
    """Backed by an asset that is collateral in its eMode alone."""
    held = ("GHO", *pick(rnd, ("LINK", "WETH", "USDC"), 0, 2))
    plan = Plan("emode-only", _held(rnd, held), emode=GHO_MODE.id)
    return owe(plan, rnd, ("USDC",), target(rnd))


def _dust(rnd: random.Random) -> Plan:
    """A few base units, or a few cents."""
    if rnd.random() < 0.4:
        return Plan("dust", {"USDC": rnd.randint(40, 90)}, {"USDC": rnd.randint(3, 9)})
    symbol = rnd.choice(("WETH", "USDC", "LINK"))
    plan = Plan("dust", {symbol: worth(rnd, symbol, 1, 4) // rnd.randint(4, 90)})
    return owe(plan, rnd, (rnd.choice(STABLE),), target(rnd))


def _sized(shape: str, low_usd: int, high_usd: int) -> Draft:
    """Debts around the dollar limits of the close factor and of the dust rule."""

    def draft(rnd: random.Random) -> Plan:
        held = pick(rnd, ("WETH", "WBTC", "LINK", "CRV"), 1, 2)
        plan = Plan(shape, _held(rnd, held, low_usd, high_usd))
        return owe(
            plan,
            rnd,
            pick(rnd, STABLE, 1, 2),
            rnd.choice((*(target(rnd) for _ in range(3)), 9_200 + rnd.randrange(900))),
        )

    return draft


def _whale_long(rnd: random.Random) -> Plan:
    """Beyond 2**64 in base currency: more than 184 billion dollars."""
    plan = Plan("whale-long", {"WETH": worth(rnd, "WETH", 400_000_000_000, 700_000_000_000)})
    return owe(plan, rnd, ("USDC",), rnd.randint(10_050, 11_900))


def _whale_short(rnd: random.Random) -> Plan:
    plan = Plan("whale-short", {"USDC": worth(rnd, "USDC", 400_000_000_000, 700_000_000_000)}, fear="rising")
    return owe(plan, rnd, ("WETH",), rnd.randint(10_100, 11_900))


def _repaid(rnd: random.Random) -> Plan:
    plan = Plan("repaid", _held(rnd, pick(rnd, VOLATILE, 1, 2)), repays=True)
    return owe(plan, rnd, pick(rnd, STABLE, 1, 2), max(11_000, target(rnd)))


def _supplier(rnd: random.Random) -> Plan:
    return Plan("supplier", _held(rnd, pick(rnd, (*COLLATERALS, "AAVE"), 1, 3)))


def _received(rnd: random.Random) -> Plan:
    held = pick(rnd, ("WETH", "wstETH", "WBTC", "USDC"), 1, 2)
    plan = Plan("received", _held(rnd, held), received=held)
    return owe(plan, rnd, ("USDT",), target(rnd))


def _delegated(rnd: random.Random) -> Plan:
    plan = Plan("delegated", _held(rnd, pick(rnd, VOLATILE, 1, 2)), delegated=True)
    return owe(plan, rnd, pick(rnd, STABLE, 1, 1), target(rnd))


def _zero_threshold(rnd: random.Random) -> Plan:
    """Also holds an asset that backs nothing."""
    plan = Plan("zero-threshold", _held(rnd, ("AAVE", *pick(rnd, VOLATILE, 1, 1))))
    return owe(plan, rnd, pick(rnd, STABLE, 1, 2), target(rnd))


def _exact(rnd: random.Random) -> Plan:
    """To be set to a health factor of exactly 1 by the last price: it holds less than one whole token."""
    return Plan("exact", {"LINK": 9 * 10**17}, {"USDC": 10_560_000 + rnd.randrange(30_000)}, fear="falling")


def _stable_rate(rnd: random.Random) -> Plan:
    plan = Plan("stable-rate", _held(rnd, pick(rnd, VOLATILE, 1, 2)), stable_rate=True)
    return owe(plan, rnd, ("USDT",), target(rnd))


SHAPES: dict[str, tuple[int, Draft]] = {
    "plain": (16, _long("plain", (1, 1), (1, 1))),
    "sinking": (1, _aimed("sinking", 8_960, 9_300)),
    "distant": (1, _aimed("distant", 93_000, 99_000)),
    "whale-long": (0, _whale_long),
    "whale-short": (0, _whale_short),
    "exact": (0, _exact),
    "emode-eth": (8, _loop),
    "emode-eth-mixed": (4, _emode_eth_mixed),
    "emode-stable": (5, _emode_stable),
    "emode-stable-mixed": (4, _emode_stable_mixed),
    "many-collaterals": (7, _long("many-collaterals", (2, 4), (1, 1))),
    "many-debts": (6, _long("many-debts", (1, 1), (2, 3))),
    "mixed": (10, _mixed),
    "short": (8, _short),
    "same-asset-WETH": (4, _same_asset("WETH")),
    "same-asset-USDC": (3, _same_asset("USDC")),
    "flag-off": (3, _flag_off),
    "received": (3, _received),
    "repaid": (3, _repaid),
    "supplier": (3, _supplier),
    "dust": (4, _dust),
    "small": (5, _sized("small", 60, 2_400)),
    "medium": (5, _sized("medium", 1_300, 6_000)),
    "delegated": (2, _delegated),
    "zero-threshold": (3, _zero_threshold),
}
V30_SHAPES = {**SHAPES, "stable-rate": (4, _stable_rate)}
V36_SHAPES = {**SHAPES, "emode-only": (4, _emode_only)}
