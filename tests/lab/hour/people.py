"""What borrowers do in the hour: each act is drawn, tried by a call, and sent if it would go through."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.lab.chain import Tx
from tests.lab.hour.mining import Planned
from tests.lab.hour.stage import Stage, named, opening
from tests.lab.lab import AccountData
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.reserves import BY_SYMBOL

OWED = ("USDC", "USDT", "WETH")
HELD = ("WETH", "wstETH", "WBTC", "LINK", "USDC")
SMALL_BASE = 10**6 * 10**8
"""Whales with more debt than that stay out of it."""
TRIES = 12
NEAR, NEAR_WAD = 0.5, 103 * 10**16
"""So many of the acts are of accounts whose health factor is below that, broken ones included."""


@dataclass
class People:
    """Everybody who may act, and a draw."""

    stage: Stage
    draw: random.Random
    born: int = 0

    def acts(self, found: Mapping[str, AccountData | None], at: int, count: int) -> list[Planned]:
        """So many acts for a block of this second, of accounts that were found to owe something."""
        able = [
            owner for owner, data in found.items() if data is not None and 0 < data.debt_base < SMALL_BASE
        ]
        near = [owner for owner in able if _is_near(found[owner])]
        planned: list[Planned] = []
        busy: set[str] = set()
        for _ in range(TRIES * count):
            if len(busy) >= count:
                break
            owner = self.draw.choice(near if near and self.draw.random() < NEAR else able)
            data = found[owner]
            if data is None or owner in busy:
                continue
            act = self.draw.choice(ACTS)(self, owner, data)
            if act is not None and self._goes(act.tx, at):
                planned.append(act)
                busy.add(owner)
        return planned

    def arrival(self) -> tuple[str, list[Planned]]:
        """Somebody new, who supplies and borrows close to the limit."""
        owner, lab = named(f"new {self.born}"), self.stage.lab
        self.born += 1
        held, owed = self.draw.choice((("WETH", "USDC"), ("WBTC", "USDC"), ("WETH", "USDT")))
        usd_base = self.draw.randrange(5_000, 80_000) * 10**8
        supply = usd_base * BY_SYMBOL[held].unit // lab.price(held)
        debt = usd_base * (BY_SYMBOL[held].ltv - 30) // 10_000 * BY_SYMBOL[owed].unit // lab.price(owed)
        txs = opening(lab, owner, {held: supply}, {owed: debt})
        return owner, [Planned(tx, f"{tx.function} by somebody new", (owner,)) for tx in txs]

    def _goes(self, tx: Tx, at: int) -> bool:
        request = {
            "from": tx.sender,
            "to": tx.contract.address,
            "data": tx.contract.data(tx.function, *tx.arguments),
        }
        return self.stage.lab.chain.reason(request, at) == ""

    def _balance(self, owner: str, symbol: str) -> int:
        lab = self.stage.lab
        return int(lab.chain.call(lab.market.a_tokens[symbol], "balanceOf", owner))

    def _of_pool(self, owner: str, sender: str, function: str, *arguments: object, what: str) -> Planned:
        return Planned(Tx(sender, self.stage.lab.market.pool, function, arguments), what, (owner,))


def _is_near(data: AccountData | None) -> bool:
    return data is not None and data.factor_wad < NEAR_WAD


Act = Callable[[People, str, AccountData], Planned | None]


def _borrow(people: People, owner: str, data: AccountData) -> Planned | None:
    symbol, lab = people.draw.choice(OWED), people.stage.lab
    base = data.available_borrows_base * people.draw.randint(10, 95) // 100
    amount = base * BY_SYMBOL[symbol].unit // lab.price(symbol)
    given = (lab.tokens[symbol], amount, 2, 0, owner)
    return people._of_pool(owner, owner, "borrow", *given, what=f"borrow {symbol}") if amount else None


def _repay(people: People, owner: str, data: AccountData) -> Planned | None:
    symbol, lab = people.draw.choice(OWED), people.stage.lab
    debt = int(lab.chain.call(lab.market.debt_tokens[symbol], "balanceOf", owner))
    amount = debt * people.draw.choice((5, 20, 50, 110)) // 100
    given = (lab.tokens[symbol], amount, 2, owner)
    return people._of_pool(owner, LIQUIDATOR, "repay", *given, what=f"repay {symbol}") if amount else None


def _supply(people: People, owner: str, data: AccountData) -> Planned | None:
    symbol, lab = people.draw.choice(HELD), people.stage.lab
    base = data.debt_base * people.draw.randint(1, 15) // 100
    amount = base * BY_SYMBOL[symbol].unit // lab.price(symbol)
    given = (lab.tokens[symbol], amount, owner, 0)
    return people._of_pool(owner, LIQUIDATOR, "supply", *given, what=f"supply {symbol}") if amount else None


def _withdraw(people: People, owner: str, data: AccountData) -> Planned | None:
    symbol, lab = people.draw.choice(HELD), people.stage.lab
    amount = people._balance(owner, symbol) * people.draw.randint(1, 10) // 100
    given = (lab.tokens[symbol], amount, owner)
    return people._of_pool(owner, owner, "withdraw", *given, what=f"withdraw {symbol}") if amount else None


def _toggle(people: People, owner: str, data: AccountData) -> Planned | None:
    symbol, lab, use = people.draw.choice(HELD), people.stage.lab, people.draw.random() < 0.4
    if not people._balance(owner, symbol):
        return None
    what = f"{'use' if use else 'do not use'} {symbol} as collateral"
    given = (lab.tokens[symbol], use)
    return people._of_pool(owner, owner, "setUserUseReserveAsCollateral", *given, what=what)


def _choose_mode(people: People, owner: str, data: AccountData) -> Planned | None:
    mode = people.draw.choice((0, 0, 1, 2))
    lab = people.stage.lab
    if int(lab.chain.call(lab.market.pool, "getUserEMode", owner)) == mode:
        return None
    return people._of_pool(owner, owner, "setUserEMode", mode, what=f"eMode {mode}")


def _transfer(people: People, owner: str, data: AccountData) -> Planned | None:
    symbol, lab = people.draw.choice(HELD), people.stage.lab
    amount = people._balance(owner, symbol) * people.draw.randint(1, 8) // 100
    to = people.draw.choice(people.stage.accounts)
    if not amount or to == owner:
        return None
    tx = Tx(owner, lab.market.a_tokens[symbol], "transfer", (to, amount))
    return Planned(tx, f"transfer a{symbol}", (owner, to))


ACTS: tuple[Act, ...] = (_borrow, _repay, _supply, _withdraw, _toggle, _choose_mode, _transfer)
