"""How far ahead time is searched, and how long it takes, in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_SECONDS = {"y": 365 * 86_400, "d": 86_400, "h": 3_600, "min": 60, "s": 1}
_LONG = {"y": "years", "d": "days", "h": "hours", "min": "minutes", "s": "seconds"}
_SPELLED = re.compile(r"([0-9]{1,12})\s*(y|d|h|min|s)")
LONGEST_S = 1000 * _SECONDS["y"]


def horizon_option(command: F) -> F:
    """--horizon, handed over as `horizon_s`."""
    return click.option(
        "--horizon",
        "horizon_s",
        default="10y",
        show_default=True,
        metavar="T",
        callback=lambda _ctx, _param, text: parse_horizon(text),
        help="How far ahead to look for what interest alone breaks: 10y, 30d or 12h.",
    )(command)


def parse_horizon(text: str) -> int:
    """A time such as 10y, 30d, 12h, 5min or 90s in seconds; a year has 365 days."""
    seconds = seconds_in(text)
    if seconds is None or not 0 < seconds <= LONGEST_S:
        raise click.BadParameter(
            f"{text!r} is no time ahead. Write one such as 10y, 30d or 12h, up to 1000y.",
            param_hint="'--horizon'",
        )
    return seconds


def seconds_in(text: str) -> int | None:
    """A spelled time, such as 12h, in seconds; None for what is none."""
    found = _SPELLED.fullmatch(text.strip())
    return None if found is None else int(found[1]) * _SECONDS[found[2]]


def lasting(seconds: int) -> str:
    """A time in its two largest units, cut: 3 d 4 h."""
    parts = []
    for unit, size in _SECONDS.items():
        count, seconds = divmod(seconds, size)
        parts.append((count, unit))
    first = next((k for k, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def horizon_in_words(horizon_s: int) -> str:
    """A horizon in the largest unit that it is a whole number of: 10 years."""
    unit = next(unit for unit, size in _SECONDS.items() if horizon_s % size == 0)
    count = horizon_s // _SECONDS[unit]
    return f"{count} {_LONG[unit] if count != 1 else _LONG[unit][:-1]}"
