"""What the law of Solo Margin needs to know of it beside prices: indices, rates, premiums, risk parameters.

An account is an owner's address and a number of the owner's choice, written "0x…/NUMBER"; an address alone
means its account 0. `Account.mode` is the account's status: 0 Normal, 1 Liquid, 2 Vapor. A leg is one of
Solo's markets: `Leg.collateral` is a positive par, `Leg.debt` the size of a negative one, never both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self

from defiliq.errors import InputError
from defiliq.protocols.dydx_solo.accrual import accrued_indices
from defiliq.types import Market, Reserve, checksum
from defiliq.units import MAX_UINT256

NORMAL: Final = 0
LIQUID: Final = 1
"""Somebody began to liquidate the account: it stays liquidatable, whatever its values, until an operation of
which it is a primary account finds it collateralized."""
VAPOR: Final = 2
"""Somebody began to vaporize the account: it has only debts."""
ADDRESS_BYTES: Final = 20
KEY_BYTES: Final = 52
"""An owner's address, and the account's number as 32 bytes, big endian."""
_NAME: Final = re.compile(r"(0x[0-9a-fA-F]{40})(?:/([0-9]{1,78}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoloReserve(Reserve):
    """One of Solo's markets; its id is the contract's own number of it."""

    oracle: str
    """The contract that Solo asks for the token's price."""
    total_borrow_par: int
    total_supply_par: int
    borrow_index_wad: int
    """As it was last written."""
    supply_index_wad: int
    """As it was last written."""
    accrued_at: int
    """When the indices were last written."""
    borrow_rate_wad: int
    """Per second, from the interest setter."""
    margin_premium_wad: int
    """Supplies count 1 + premium times less, debts so many times more."""
    spread_premium_wad: int
    """Liquidations that take or repay the token have a spread 1 + premium times larger."""
    is_closing: bool
    """Whether no operation may add to what is borrowed."""
    borrow_index_now_wad: int = 0
    """At the market's timestamp, or as stored; set by `at_time` and `as_stored`."""
    supply_index_now_wad: int = 0
    """At the market's timestamp, or as stored; set by `at_time` and `as_stored`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoloMarket(Market):
    """A Solo Margin contract at one block: the reserves are its markets, in their order.

    A price is that of one token base unit, with 36 decimals, so that amount * price is a value with no
    division in between, and 10**36 is a dollar.
    """

    account_bytes: ClassVar[int] = KEY_BYTES

    reserves: tuple[SoloReserve, ...]
    solo_margin: str
    margin_ratio_wad: int
    """What supplies must be worth above the debts, as a share of these."""
    liquidation_spread_wad: int
    """What a liquidator gets above the value of what is repaid, before spread premiums."""
    earnings_rate_wad: int
    """The share of borrowers' interest that suppliers get."""
    min_borrowed_value_base: int
    """No operation may leave an account with less debt than this, unless it leaves none."""

    @staticmethod
    def mode_name(mode: int) -> str:
        """The account's status; '' for Normal."""
        return {LIQUID: "status Liquid", VAPOR: "status Vapor"}.get(mode, "")

    @staticmethod
    def account_name(key: bytes) -> str:
        """An account's name from 52 bytes: its owner, EIP-55, and its number."""
        return f"{checksum(key[:ADDRESS_BYTES])}/{int.from_bytes(key[ADDRESS_BYTES:], 'big')}"

    @staticmethod
    def account_key(name: str) -> bytes:
        """The 52 bytes of an account's name in any spelling; InputError where it is none."""
        found = _NAME.fullmatch(name)
        number = 0 if found is None or found[2] is None else int(found[2])
        if found is None or number > MAX_UINT256:
            raise InputError(
                f"{name!r} is no account. Write OWNER/NUMBER, with an owner of 0x and 40 hex digits, "
                "or the owner alone for its account 0."
            )
        return bytes.fromhex(found[1][2:]) + number.to_bytes(32, "big")

    def at_time(self, timestamp: int) -> Self:
        """The same market at `timestamp`, at or after the block's own: interest accrued, caps grown.

        At the block's own timestamp the indices are those that getMarketCurrentIndex answers.
        """
        if timestamp < self.block.timestamp:
            raise ValueError(f"timestamp {timestamp} lies before the block's own {self.block.timestamp}")
        reserves = []
        for reserve in self.reserves:
            borrow, supply = accrued_indices(reserve, self.earnings_rate_wad, timestamp)
            reserves.append(replace(reserve, borrow_index_now_wad=borrow, supply_index_now_wad=supply))
        return replace(
            self,
            timestamp=timestamp,
            prices=self.prices_at(timestamp),
            stored=False,
            reserves=tuple(reserves),
        )

    def as_stored(self) -> Self:
        """The same market with indices as they were last written.

        getAccountValues and getAdjustedAccountValues answer by those, whereas `operate` accrues first.
        """
        reserves = tuple(
            replace(
                reserve,
                borrow_index_now_wad=reserve.borrow_index_wad,
                supply_index_now_wad=reserve.supply_index_wad,
            )
            for reserve in self.reserves
        )
        return replace(self, stored=True, reserves=reserves)
