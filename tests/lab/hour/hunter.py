"""What a liquidator's bot sees and chooses: the contract's own verdicts, and jobs tried by a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from eth_abi.abi import decode

from tests.lab.bot import Job, Realised
from tests.lab.chain import Overrides
from tests.lab.contract import Contract
from tests.lab.hour.stage import PAIRS, Stage
from tests.lab.lab import AccountData, Lab
from tests.lab.node import RpcError
from tests.lab.reserves import BY_SYMBOL

WAD = 10**18
DOLLAR = 10**8
LEAST_BASE, MOST_BASE = 150 * DOLLAR, 400_000 * DOLLAR
"""Debts that the bot cares for."""
HELD = tuple(dict.fromkeys(pair[0] for pair in (*PAIRS, ("USDC", "WETH"))))
OWED = tuple(dict.fromkeys(pair[1] for pair in PAIRS))


class Choice(NamedTuple):
    """A job that would go through, with its tokens' symbols."""

    job: Job
    collateral: str
    debt: str
    expected: Realised
    """By the call that tried it."""


def survey(
    lab: Lab,
    accounts: Sequence[str],
    *,
    block: int | str = "latest",
    timestamp: int | None = None,
    overrides: Overrides | None = None,
) -> dict[str, AccountData | None]:
    """Pool.getUserAccountData of everybody; None where it reverts, as it does without a price."""
    pool = lab.market.pool
    calls = [(pool, "getUserAccountData", (owner,)) for owner in accounts]
    answers = _asked(lab, calls, block, timestamp, overrides)
    return {
        owner: None if raw is None else AccountData(*decode(["uint256"] * 6, raw))
        for owner, raw in zip(accounts, answers, strict=True)
    }


def broken(found: Mapping[str, AccountData | None]) -> list[str]:
    """Who may be liquidated, by the contract."""
    return [owner for owner, data in found.items() if data is not None and data.factor_wad < WAD]


def choose(stage: Stage, owner: str, at: int, overrides: Overrides, *, flash: bool) -> Choice | None:
    """The most valuable job on an account that goes through in a block of this second; None if none does."""
    lab, bot = stage.lab, stage.bot
    held, owed = _balances(stage, owner, at)
    prices = {symbol: Fraction(lab.price(symbol), BY_SYMBOL[symbol].unit) for symbol in (*HELD, *OWED)}

    def worth(pair: tuple[str, str]) -> Fraction:
        return min(held[pair[0]] * prices[pair[0]], owed[pair[1]] * prices[pair[1]])

    pairs = [pair for pair in stage.pools if held.get(pair[0]) and owed.get(pair[1])]
    for collateral, debt in sorted(pairs, key=worth, reverse=True):
        exit_at = stage.pools[collateral, debt].address
        own = bot.job(owner, collateral, debt, owed[debt] * 2, exit_at)
        try:
            repaid = bot.ask(own, timestamp=at, overrides=overrides).repaid
            job = own._replace(debt_to_cover=repaid, loan=repaid if flash else 0)
            return Choice(job, collateral, debt, bot.ask(job, timestamp=at, overrides=overrides))
        except RpcError:
            continue
    return None


def _balances(stage: Stage, owner: str, at: int) -> tuple[dict[str, int], dict[str, int]]:
    market = stage.lab.market
    calls = [
        *((market.a_tokens[symbol], "balanceOf", (owner,)) for symbol in HELD),
        *((market.debt_tokens[symbol], "balanceOf", (owner,)) for symbol in OWED),
    ]
    answers = _asked(stage.lab, calls, "latest", at, None)
    amounts = [0 if raw is None else int.from_bytes(raw) for raw in answers]
    return dict(zip(HELD, amounts, strict=False)), dict(zip(OWED, amounts[len(HELD) :], strict=True))


def _asked(
    lab: Lab,
    calls: Sequence[tuple[Contract, str, tuple[object, ...]]],
    block: int | str,
    timestamp: int | None,
    overrides: Overrides | None,
) -> list[bytes | None]:
    """Many answers in one call; None for one that reverts."""
    packed = [
        (contract.address, True, bytes.fromhex(contract.data(name, *arguments)[2:]))
        for contract, name, arguments in calls
    ]
    answers = lab.chain.call(
        lab.chain.multicall, "aggregate3", packed, block=block, timestamp=timestamp, overrides=overrides
    )
    return [bytes(raw) if went else None for went, raw in answers]
