"""Times in options, such as 30d or 5min."""

from __future__ import annotations

import click

from defiliq.cli.horizon import seconds_in


def seconds_of(text: str, option: str) -> int:
    """A spelled time in seconds; a usage error that names the option where it is none."""
    seconds = seconds_in(text)
    if not seconds:
        raise click.BadParameter(
            f"{text!r} is no time. Write one such as 30d, 12h or 5min.", param_hint=f"'{option}'"
        )
    return seconds
