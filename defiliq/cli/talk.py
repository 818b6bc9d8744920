"""What is said beside the data: notes, warnings and progress, all on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import click

Tell: TypeAlias = Callable[[int, int, str], None]
"""(done, total, note)"""


def printable(text: str) -> str:
    """Text as one line that does nothing to a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


class Talk:
    """Says things on stderr, or nothing when quiet. Warnings are always said."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet

    def say(self, text: str) -> None:
        """A line of talk. Text from a chain or a file may be in it, so it is made printable."""
        if not self.quiet:
            click.echo(printable(text), err=True)

    def warn(self, text: str) -> None:
        """A line that must not be missed, made printable, too."""
        click.secho(f"Warning: {printable(text)}", err=True, fg="yellow")

    def warn_of_unresolved(self, pairs: Sequence[Sequence[str]]) -> None:
        """Count the (account, driver) pairs whose level rounding alone decides, if there are any."""
        if pairs:
            account, driver = pairs[0]
            self.warn(
                f"INCOMPLETE: {len(pairs)} levels are decided by rounding alone and are left out, "
                f"such as {account} on {driver}"
            )

    def warn_of_unresolved_etas(self, owners: Sequence[str]) -> None:
        """Count the accounts whose instant rounding alone decides, if there are any."""
        if owners:
            self.warn(
                f"INCOMPLETE: {len(owners)} instants are decided by rounding alone and are left out, "
                f"such as that of {owners[0]}"
            )

    def warn_of_unknown_etas(self, owners: Sequence[str]) -> None:
        """Count the accounts with a reserve whose interest is known at the block alone, if there are any."""
        if owners:
            self.warn(
                f"INCOMPLETE: {len(owners)} instants are not known and are left out, such as that of "
                f"{owners[0]}: a reserve of it accrues interest in its own way"
            )

    @contextmanager
    def progress(self, label: str) -> Iterator[Tell]:
        """A bar with the time left on a terminal; without one, nothing until it is done."""
        if self.quiet or not sys.stderr.isatty():
            yield _silent
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        bars = Progress(
            *columns,
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with bars:
            task = bars.add_task(label, total=None, note="")

            def tell(done: int, total: int, note: str) -> None:
                bars.update(task, completed=done, total=total, note=note)

            yield tell


def _silent(done: int, total: int, note: str) -> None:
    """Progress that nobody watches."""
