"""What people say of the costs of a liquidation: gas, flash loan, exits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final, Literal, NamedTuple, TypeAlias

from defiliq.depth.read import pool_address
from defiliq.errors import InputError
from defiliq.pipeline.depths import read_law
from defiliq.units import BPS

GWEI: Final = 10**9
_EXIT: Final = re.compile(r"(?P<sold>[^/=]+)/(?P<bought>[^/=]+)=(?P<kind>pool|pair|file|impact):(?P<what>.+)")
_BPS: Final = re.compile(r"[0-9]{1,5}")

FlashSource: TypeAlias = Literal["aave", "none"] | int
"""The pool's own premium, none because funds are at hand, or basis points by hand."""


class ExitSpec(NamedTuple):
    """One --exit: SOLD/BOUGHT=KIND:WHAT."""

    sold: str
    bought: str
    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class CostTerms:
    """How costs are reckoned, where the chain does not say."""

    priority_wei: int = 0
    """What is paid beyond the base fee, per unit of gas."""
    gas_price_wei: int | None = None
    """The whole price of a unit of gas; None takes the next block's base fee and `priority_wei`."""
    gas_units: int | None = None
    """Of one liquidation with all that belongs to it; None takes what was measured."""
    flash: FlashSource | None = None
    """None: the pool's own in Aave v3, own funds elsewhere."""
    native_usd: Fraction | None = None
    """The price of the native coin in the market's base currency; None takes the market's own oracle."""
    exits: tuple[ExitSpec, ...] = ()
    auto: bool = True
    """Whether pools of known factories are looked for where no exit is given."""


def read_terms(
    *,
    priority_gwei: str = "0",
    gas_gwei: str | None = None,
    gas_units: int | None = None,
    flash: str | None = None,
    native_usd: str | None = None,
    exits: tuple[str, ...] = (),
) -> CostTerms:
    """The same from texts; InputError for what cannot be read. `exits` may hold `auto` and `none`."""
    words = [text.strip() for text in exits]
    specs = tuple(read_exit(text) for text in words if text not in ("auto", "none"))
    pairs = [(spec.sold.casefold(), spec.bought.casefold()) for spec in specs]
    if len(set(pairs)) < len(pairs):
        raise InputError("an exit is given twice. Join pools with '+': pool:0x..+0x..")
    if "auto" in words and "none" in words:
        raise InputError("--exit auto and --exit none contradict each other.")
    native = None if native_usd is None else _number(native_usd, "a price of the native coin")
    if native == 0:
        raise InputError("a price of the native coin is above 0.")
    return CostTerms(
        priority_wei=_wei(priority_gwei),
        gas_price_wei=None if gas_gwei is None else _wei(gas_gwei),
        gas_units=gas_units,
        flash=None if flash is None else _flash(flash),
        native_usd=native,
        exits=specs,
        auto="auto" in words or not words,
    )


def read_exit(text: str) -> ExitSpec:
    """SOLD/BOUGHT=KIND:WHAT in its parts."""
    found = _EXIT.fullmatch(text)
    if found is None:
        raise InputError(
            f"{text[:80]!r} is no exit. Write WETH/USDC=pool:0x.., WETH/USDC=pair:WETH/USDC, "
            "WETH/USDC=file:PATH, WETH/USDC=impact:1.2B,4%, auto or none."
        )
    spec = ExitSpec(*(found[name].strip() for name in ("sold", "bought", "kind", "what")))
    if spec.kind == "pool":
        for address in spec.what.split("+"):
            pool_address(address.strip())
    elif spec.kind == "impact":
        read_law(spec.what)
    return spec


def _flash(text: str) -> FlashSource:
    if text in ("aave", "none"):
        return "aave" if text == "aave" else "none"
    if _BPS.fullmatch(text) is None or int(text) > BPS:
        raise InputError(f"{text[:20]!r} is no flash loan. Write aave, none, or basis points such as 5.")
    return int(text)


def _wei(gwei: str) -> int:
    """Gwei as people write it, in wei; cut below one."""
    return int(_number(gwei, "an amount of gwei") * GWEI)


def _number(text: str, what: str) -> Fraction:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal(-1)
    if not (number.is_finite() and 0 <= number < 10**12) or len(text) > 40:
        raise InputError(f"{text[:40]!r} is not {what}. Write a number such as 2.5.")
    return Fraction(number)
