"""Options of `watch`: what is worth telling, which blocks, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from defiliq.cli.horizon import seconds_in
from defiliq.cli.options import collected
from defiliq.errors import BadFile

if TYPE_CHECKING:
    from defiliq.watch.pace import Pace
    from defiliq.watch.policy import Policy

F = TypeVar("F", bound=Callable[..., Any])

LEAVING = 1.25
"""An account has left once its level is so many times as far as it must be near to approach."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is worth telling, as typed."""

    within: str
    cooldown: str
    least_debt_usd: float
    min_profit_usd: float | None
    drivers: tuple[str, ...]
    owner: tuple[str, ...]
    owners: str | None

    def policy(self) -> Policy:
        """The same as a policy; drivers and owners are still as typed."""
        from defiliq.watch.policy import Policy

        within_pct = _percent(self.within)
        return Policy(
            within_pct=within_pct,
            leave_pct=LEAVING * within_pct,
            cooldown_s=_seconds(self.cooldown, "'--cooldown'"),
            min_debt_usd=self.least_debt_usd,
            min_profit_usd=self.min_profit_usd,
            drivers=frozenset(self.drivers) if self.drivers else None,
            owners=self._owners(),
        )

    def _owners(self) -> frozenset[str] | None:
        from defiliq.pipeline.watching import owners_in

        if self.owners is None:
            return frozenset(self.owner) if self.owner else None
        try:
            listed = owners_in(Path(self.owners).read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise BadFile(self.owners, getattr(error, "strerror", None) or "it is no text") from None
        if not listed and not self.owner:
            raise BadFile(self.owners, "it names no account. Write one per line")
        return listed | frozenset(self.owner)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Which blocks are evaluated, and how new ones are heard of."""

    ws: str | None
    poll: float | None
    stall: float | None
    every: int
    confirmations: int
    max_gap: int
    stop_at: int | None

    def pace(self) -> Pace:
        """The same as a pace."""
        from defiliq.watch.pace import Pace

        return Pace(
            every=self.every,
            confirmations=self.confirmations,
            max_gap=self.max_gap,
            stop_at=self.stop_at,
        )


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told, and where what was told is kept."""

    state: str | None
    no_state: bool
    webhook: str | None
    allow_private: bool
    metrics: int | None
    timings: str | None


_WANTED = (
    click.option(
        "--within",
        default="2%",
        show_default=True,
        metavar="PCT",
        help="An account approaches where its nearest level is within so much of the price.",
    ),
    click.option(
        "--cooldown",
        default="10min",
        show_default=True,
        metavar="T",
        help="After an event about an account, hold back less urgent ones about it for so long on the "
        "chain's clock: 0, 30s, 10min, 1h. What still holds then is told then.",
    ),
    click.option(
        "--min-debt-usd",
        "least_debt_usd",
        type=click.FloatRange(0),
        default=0.0,
        metavar="X",
        help="Tell only of accounts that owe at least so much.",
    ),
    click.option(
        "--min-profit-usd",
        type=float,
        metavar="X",
        help="Tell only of accounts whose liquidation nets so much. Needs --exit, or nets are not known.",
    ),
    click.option(
        "--driver",
        "drivers",
        multiple=True,
        metavar="D",
        help="Only accounts that hang on it: ETH/USD, a symbol. Repeatable.",
    ),
    click.option("--owner", multiple=True, metavar="ADDRESS", help="Only this account. Repeatable."),
    click.option("--owners", metavar="FILE", help="Only the accounts of a file, one per line."),
)

_BLOCKS = (
    click.option(
        "--ws",
        metavar="URL",
        help="Websocket that announces new blocks. Else WS_URL_<chain id>; without one the node is polled.",
    ),
    click.option(
        "--poll",
        type=click.FloatRange(0.05, 3600),
        metavar="S",
        help="Seconds between two looks for a new block.  [default: by the chain's pace]",
    ),
    click.option(
        "--stall",
        type=click.FloatRange(0.1, 86400),
        metavar="S",
        help="A silence of so many seconds is suspect: the node is asked by another way.  "
        "[default: by the chain's pace]",
    ),
    click.option(
        "--every",
        type=click.IntRange(1, 10_000),
        default=1,
        show_default=True,
        metavar="N",
        help="Evaluate only blocks whose number is a multiple of N (fast chains). No log is passed over.",
    ),
    click.option(
        "--confirmations",
        type=click.IntRange(0, 10_000),
        default=0,
        show_default=True,
        metavar="N",
        help="Evaluate a block once N more stand on it.",
    ),
    click.option(
        "--max-gap",
        type=click.IntRange(1),
        default=7_200,
        show_default=True,
        metavar="N",
        help="Catch up with at most N missed blocks one by one; beyond, tell of a gap.",
    ),
    click.option("--stop-at", type=click.IntRange(0), metavar="N", help="End after block N."),
)

_TOLD = (
    click.option(
        "--state",
        metavar="FOLDER",
        help="Where what was told is kept, so that a restart goes on.  [default: the user's state folder]",
    ),
    click.option("--no-state", is_flag=True, help="Keep nothing: begin at the newest block."),
    click.option(
        "--webhook",
        metavar="URL",
        help="POST events there, too, signed with the secret in DEFILIQ_WEBHOOK_SECRET.",
    ),
    click.option(
        "--allow-private", is_flag=True, help="Let the webhook be on this machine or in a private network."
    ),
    click.option(
        "--metrics",
        type=click.IntRange(0, 65535),
        metavar="PORT",
        help="Serve Prometheus metrics on 127.0.0.1.",
    ),
    click.option("--timings", metavar="FILE", help="Write how long each block took, as JSON lines."),
)


def wanted_options(command: F) -> F:
    """What is worth telling, handed over as `wanted`."""
    return collected(command, "wanted", Wanted, _WANTED)


def block_options(command: F) -> F:
    """Which blocks, handed over as `blocks`."""
    return collected(command, "pacing", Blocks, _BLOCKS)


def told_options(command: F) -> F:
    """Who is told, handed over as `told`."""
    return collected(command, "told", Told, _TOLD)


def _percent(text: str) -> float:
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 < value <= 50:
        raise click.BadParameter(
            f"{text!r} is no share of the price. Write 2%, above 0 and at most 50%.", param_hint="'--within'"
        )
    return value


def _seconds(text: str, option: str) -> int:
    if text.strip() == "0":
        return 0
    found = seconds_in(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no time. Write 0, 30s, 10min or 1h.", param_hint=option)
    return found
