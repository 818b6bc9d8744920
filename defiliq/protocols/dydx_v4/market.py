"""What the law of dYdX v4 needs to know of the chain beside prices: perpetuals, tiers, liquidations."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, TypeAlias

from defiliq.chain.bech32 import NotBech32, decode_address
from defiliq.errors import InputError
from defiliq.types import Market, Reserve

QUOTE_DECIMALS = 6
"""A quote quantum is 10**-6 USDC, and the chain counts a USDC as a dollar (QuoteCurrencyAtomicResolution)."""

OWNER_BYTES = 64
"""Letters of an address: 63 where it stands for 32 bytes, 43 where for 20."""
NUMBER_BYTES = 4
MOST_SUBACCOUNTS = 2**32
_NAME = re.compile(r"(?P<owner>[a-z0-9]{3,64})(/(?P<number>[0-9]{1,10}))?")

ClobStatus: TypeAlias = Literal[
    "none", "active", "paused", "cancel_only", "post_only", "initializing", "final_settlement"
]
"""What the order book of a perpetual does; `none` where it has no book."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Perpetual(Reserve):
    """USDC, which everything is quoted in, or a perpetual with its liquidity tier and its order book.

    `id` is the asset's or the perpetual's own. `decimals` is minus the atomic resolution, so it is negative
    where a quantum is more than one whole: nothing here asks for `unit`.
    """

    highest_id: ClassVar[int] = 2**32 - 1

    atomic_resolution: int
    """A quantum is 10**atomic_resolution of the asset."""
    exponent: int
    """A price integer is 10**exponent dollars."""
    funding_index: int = 0
    """What a quantum has paid as funding since the beginning, in millionths of a quote quantum; signed."""
    open_interest: int = 0
    """Base quantums that are long, which is also what is short."""
    initial_margin_ppm: int = 0
    maintenance_fraction_ppm: int = 0
    """Of the initial margin."""
    open_interest_lower_cap: int = 0
    """Quote quantums of open interest from which on the initial margin grows ..."""
    open_interest_upper_cap: int = 0
    """... up to the whole notional here; 0 where it never grows."""
    is_isolated: bool = False
    """Whether it has a collateral pool and insurance fund of its own, and excludes every other position."""
    clob_status: ClobStatus = "none"
    step_base_quantums: int = 0
    """Orders are multiples of it."""
    subticks_per_tick: int = 0
    """Prices of orders are multiples of it, in subticks."""
    quantum_conversion_exponent: int = 0
    """A subtick is 10**it quote quantums per base quantum."""

    @property
    def quantum_exponent(self) -> int:
        """Quote quantums are base quantums times a price integer times 10 to this (BaseToQuoteQuantums)."""
        return self.exponent + self.atomic_resolution + QUOTE_DECIMALS


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationsConfig:
    """What a liquidation may take, in quote quantums and millionths (clob LiquidationsConfig)."""

    max_liquidation_fee_ppm: int
    min_position_notional_liquidated: int
    max_position_portion_liquidated_ppm: int
    max_notional_liquidated: int
    """Of one subaccount in one block."""
    max_quantums_insurance_lost: int
    """By one subaccount in one block."""
    bankruptcy_adjustment_ppm: int
    spread_to_maintenance_margin_ratio_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InsuranceFund:
    """What one insurance fund has: it gets the fees of liquidations and pays what subaccounts cannot."""

    place: int
    """In the market's reserves: of the isolated perpetual that it is of, or USDC's for the common one."""
    quote_quantums: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DydxMarket(Market):
    """The chain's perpetuals at one height. `reserves[0]` is USDC, the perpetuals follow in their order."""

    account_bytes: ClassVar[int] = OWNER_BYTES + NUMBER_BYTES
    joint_driver: ClassVar[str] = "ALL"
    unforeseen: ClassVar[str] = "funding"

    reserves: tuple[Perpetual, ...]
    liquidations: LiquidationsConfig
    insurance_funds: tuple[InsuranceFund, ...] | None = None
    """By place; None where they were not read, or the node does not tell. An isolated perpetual's that nobody
    trades is left out."""

    @staticmethod
    def account_name(key: bytes) -> str:
        """The owner and the number of a subaccount: dydx1.../0."""
        owner, number = key[:OWNER_BYTES].rstrip(b"\0"), key[OWNER_BYTES:]
        return f"{owner.decode('ascii')}/{int.from_bytes(number, 'big')}"

    @staticmethod
    def account_key(name: str) -> bytes:
        """The bytes of a subaccount's name, whose number is 0 where it has none; InputError where it is none.

        The owner is taken as the chain keeps it, as text: whether its checksum is right only matters where a
        person typed it.
        """
        match = _NAME.fullmatch(name)
        number = int(match["number"] or "0") if match else MOST_SUBACCOUNTS
        if match is None or number >= MOST_SUBACCOUNTS:
            raise InputError(f"{name!r} is no subaccount. Write an owner and a number, such as dydx1.../0.")
        return match["owner"].encode().ljust(OWNER_BYTES, b"\0") + number.to_bytes(NUMBER_BYTES, "big")

    @classmethod
    def check_typed(cls, name: str) -> None:
        """Refuse a name that a person mistyped: the owner's checksum must be right."""
        cls.account_key(name)
        try:
            decode_address(name.partition("/")[0], "dydx")
        except NotBech32 as error:
            raise InputError(f"{name!r} is no subaccount: its owner is {error}") from None

    def at_time(self, timestamp: int) -> Self:
        """The same market at `timestamp`: nothing accrues that is known ahead, because votes set funding."""
        if timestamp < self.block.timestamp:
            raise ValueError(f"timestamp {timestamp} lies before the block's own {self.block.timestamp}")
        return replace(self, timestamp=timestamp)
