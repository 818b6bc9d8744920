"""Liquidations that a fund of limited means backs, and what is shared out where it cannot pay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from defiliq.types.account import Account
from defiliq.types.health import Liquidation, Taking


@dataclass(frozen=True, slots=True)
class Shortfall:
    """The fund behind a position cannot pay for its liquidation: opposite positions are to take it over."""

    reserve: int
    amount: int
    """Token base units with the sign of what closes it: negative where a long is shared out."""


class SharedOut(NamedTuple):
    """What came of sharing a position out. Nothing is sold or bought."""

    account: Account
    others: Mapping[int, Account]
    """Who took a part, by the position in the order asked, and what it is then."""
    closed: int
    """Token base units that were taken over."""
    closed_base: int
    """The same at oracle prices."""
    market: Any
    """The market afterwards: open interest has shrunk."""


Balances: TypeAlias = Mapping[int, int]
"""Fund to what it has, in units of the base currency; one that is not in it is taken to pay always."""


class Backing(NamedTuple):
    """What a protocol says of funds that back its liquidations, as functions. It numbers its funds itself."""

    balances: Callable[[Any], Balances]
    """What the market's funds have."""
    with_balance: Callable[[Any, int | None], Any]
    """The market with so much in the fund that most positions share; None where no fund is to have an end."""
    order: Callable[[Account, Any], Any]
    """What is placed to liquidate an account, or a Refusal: the same until the account or prices move."""
    in_order: Callable[[Sequence[Any], Any], Sequence[int]]
    """Such orders, as positions in what is given, as they come one after another."""
    take: Callable[[Any, Any, Balances], Taking | Shortfall]
    """What an order takes where funds have no more than they have."""
    paid: Callable[[Any, Liquidation], tuple[int, int]]
    """(fund, what the liquidation gives it), in units of the base currency; negative where it pays."""
    key: Callable[[str], bytes]
    """Accounts that could take a position over are asked in the order of this of their names."""
    share_out: Callable[[Account, Iterator[Account], Any, Shortfall], SharedOut]
    """One position among others, asked in order until nothing of it is left."""
