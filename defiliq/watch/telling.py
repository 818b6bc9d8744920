"""What events about accounts say: health, what sets the level off, and what a liquidation is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from defiliq.ladder import factor_text, to_usd
from defiliq.mev.triggers import trigger_fields
from defiliq.pricing.driver import Driver
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Level, Liquidation, Market, Side, Taking, Untold
from defiliq.watch.memory import Crossing, Told
from defiliq.watch.rejudge import with_driver_at
from defiliq.watch.scene import Scene, Standing, rows_in


def health_facts(account: Account | None, market: Market) -> dict[str, object]:
    """How an account stands; one that the book does not have any more has nothing."""
    said: dict[str, object] = {"base_symbol": market.base_symbol}
    if account is None:
        return said | {"health_factor": "", "collateral_usd": 0.0, "debt_usd": 0.0}
    judged = PROTOCOLS[market.protocol].health(account, market)
    return said | {
        "health_factor": factor_text(judged.factor_wad),
        "collateral_usd": to_usd(judged.collateral_base, market),
        "debt_usd": to_usd(judged.debt_base, market),
    }


def economics_of(scene: Scene, account: str, row: int, level: Level | None) -> dict[str, object]:
    """What the first liquidation takes and is worth: at the level, or now where there is none."""
    key = (account, "", 0) if level is None else (account, level.driver.name, level.price)
    if key not in scene.valued:
        scene.valued[key] = _economics(scene, row, level)
    return scene.valued[key]


def _economics(scene: Scene, row: int, level: Level | None) -> dict[str, object]:
    market, account = scene.book.market, scene.book.account(row)
    if level is not None and level.price is not None:
        market = with_driver_at(market, level.driver, level.price)
    taken: Taking = PROTOCOLS[market.protocol].take(account, market)
    if not isinstance(taken, Liquidation):
        return {"callable": isinstance(taken, Untold), "reason": taken.reason}
    said: dict[str, object] = {
        "callable": True,
        "reason": taken.remark,
        "bad_debt_usd": to_usd(taken.bad_debt_base, market),
    }
    return said | dict(scene.valuer(account, market, taken))


def trigger_of(
    scene: Scene, standing: Standing, known: Told | None, crossing: Crossing | None
) -> dict[str, object]:
    """The level that an account approaches; of one that is liquidatable, the level that its price crossed."""
    market = scene.book.market
    if standing.level is not None:
        return trigger_fields(market, standing.level)
    driver: Driver | None = None
    side, price = "long", None
    if crossing is not None:
        driver, side, price = scene.drivers.get(crossing.driver), crossing.side, crossing.exact
    elif known is not None:
        driver, side = scene.drivers.get(known.driver), known.side
    if driver is None:
        (side, driver), price = _by_legs(scene, standing.row), None
    if driver is None:
        return {}
    return trigger_fields(market, Level(standing.row, driver, _side(side), "already", price))


def _by_legs(scene: Scene, row: int) -> tuple[Side, Driver | None]:
    """By definition, where no level was seen to be crossed: see `oracle.movers.Movers`."""
    market = scene.book.market
    taken = PROTOCOLS[market.protocol].take(scene.book.account(row), market)
    if not isinstance(taken, Liquidation) or not taken.seizures:
        return "long", None
    return scene.movers.of_liquidation(taken.seizures[0].reserve, taken.repay_reserve)


def levels_left(scene: Scene, known: Mapping[str, Told]) -> dict[str, dict[str, object]]:
    """Where the levels of accounts now are that have recovered, each along the driver that it was told of."""
    by_driver: dict[str, list[str]] = {}
    for account, told in sorted(known.items()):
        if told.driver in scene.drivers:
            by_driver.setdefault(told.driver, []).append(account)
    found: dict[str, dict[str, object]] = {}
    for name, accounts in by_driver.items():
        rows = rows_in(scene.book, accounts)
        some = scene.book.pick(np.array(list(rows.values()), dtype=np.intp))
        levels = {(it.account, it.side): it for it in scene.judge.near(some, math.inf, [name])}
        place = {account: k for k, account in enumerate(rows)}
        for account in accounts:
            side = _side(known[account].side)
            never = Level(-1, scene.drivers[name], side, "never", None)
            there = levels.get((place.get(account, -1), side), never)
            found[account] = trigger_fields(scene.book.market, there)
    return found


def _side(side: str) -> Side:
    return "short" if side == "short" else "long"
