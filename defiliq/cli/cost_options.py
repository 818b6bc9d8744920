"""--priority-gwei, --gas-gwei, --gas-units, --flash, --native-usd, --exit: what liquidating costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from defiliq.cli.options import collected

if TYPE_CHECKING:
    from defiliq.pipeline.cost_terms import CostTerms

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class CostOptions:
    """What the options say; `terms` reads it."""

    priority_gwei: str = "0"
    gas_gwei: str | None = None
    gas_units: int | None = None
    flash: str | None = None
    native_usd: str | None = None
    exits: tuple[str, ...] = ()

    def terms(self) -> CostTerms:
        """The same, read; InputError for what cannot be used. Pools and files are read later."""
        from defiliq.pipeline.cost_terms import read_terms

        return read_terms(
            priority_gwei=self.priority_gwei,
            gas_gwei=self.gas_gwei,
            gas_units=self.gas_units,
            flash=self.flash,
            native_usd=self.native_usd,
            exits=self.exits,
        )


def cost_options(command: F) -> F:
    """What liquidating costs, handed over as `cost`."""
    options = (
        click.option(
            "--exit",
            "exits",
            multiple=True,
            metavar="SPEC",
            help="How collateral is sold for what is repaid: SOLD/BOUGHT=pool:0x..[+0x..], =pair:WETH/USDC "
            "(all its pools), =file:PATH (saved pools, or a curve as CSV) or =impact:VOLUME[,VOL%]; auto "
            "looks for pools of known factories, also over WETH and USDC; none does not. Repeatable.  "
            "[default: auto]",
        ),
        click.option(
            "--flash",
            metavar="aave|none|BPS",
            help="Premium of the flash loan: the pool's own, none (own funds), or basis points.  "
            "[default: aave in Aave v3, none elsewhere]",
        ),
        click.option(
            "--priority-gwei",
            default="0",
            show_default=True,
            metavar="X",
            help="Paid beyond the base fee of the next block, per unit of gas.",
        ),
        click.option(
            "--gas-gwei",
            metavar="X",
            help="The whole price of a unit of gas, instead of base fee and priority.",
        ),
        click.option(
            "--gas-units",
            type=click.IntRange(min=0),
            metavar="N",
            help="Gas of one liquidation with its exit, instead of what was measured.",
        ),
        click.option(
            "--native-usd",
            metavar="X",
            help="Price of the coin that gas is paid in, instead of the market's own oracle.",
        ),
    )
    return collected(command, "cost", CostOptions, options)
