"""Tables on stdout, and where files went."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from defiliq.cli.talk import Talk
from defiliq.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd

TABLES = ".csv .parquet .json .md"
"""What a table can be written as."""

SHAPES = ("table", "csv", "json")

INCOMPLETE = 3

_DRAWN = {
    ".png": ("a picture", "matplotlib"),
    ".svg": ("a picture", "matplotlib"),
    ".html": ("an HTML report", "plotly"),
}
"""What needs a package of the extra `plots`, by suffix."""


def print_table(table: pd.DataFrame, shape: str) -> None:
    """Rows on stdout as CSV or JSON."""
    from defiliq.view.files import render_csv, render_json

    click.echo(render_json(table) if shape == "json" else render_csv(table), nl=False)


def write_output(table: pd.DataFrame, output: str, talk: Talk) -> None:
    """Rows into a file, and a word about it."""
    from defiliq.view.files import write_table

    path = write_table(table, output)
    talk.say(f"Wrote {len(table)} rows to {path}")


def write_text(text: str, output: str, talk: Talk) -> None:
    """A text into a file, whole or not at all."""
    from defiliq.view.files import replace_file

    replace_file(Path(output), lambda beside: beside.write_text(text, encoding="utf-8"))
    talk.say(f"Wrote {output}")


def require_format(output: str | None, formats: str, option: str = "-o") -> None:
    """Refuse a suffix, and one that needs an extra which is not installed, before the work, not after it."""
    hint = f"'{option}'"
    if output is not None and Path(output).suffix.lower() not in formats.split():
        raise click.BadParameter(f"{output!r} has an unknown format. End it in {formats}.", param_hint=hint)
    if output is not None and not Path(output).resolve().parent.is_dir():
        raise click.BadParameter(f"the folder of {output!r} does not exist.", param_hint=hint)
    what, package = _DRAWN.get("" if output is None else Path(output).suffix.lower(), ("", ""))
    if package and find_spec(package) is None:
        raise MissingExtra(what, package, "plots")


def require_use(ctx: click.Context, option: str, *, is_used: bool, needed: str) -> None:
    """Refuse an option that was given where nothing reads it."""
    given = ctx.get_parameter_source(option) is ParameterSource.COMMANDLINE
    if given and not is_used:
        shown = next(param.opts[0] for param in ctx.command.params if param.name == option)
        raise click.UsageError(f"{shown} does nothing without {needed}.")


def default_shape(shape: str | None) -> str:
    """What was asked for; else a table for people on a terminal, and CSV for programs."""
    if shape is not None:
        return shape
    return "table" if sys.stdout.isatty() else "csv"
