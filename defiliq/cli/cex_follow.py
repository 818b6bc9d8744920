"""`defiliq cex levels --follow`: the same rows round after round, at the market's own pace."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from defiliq.cli.exchange_options import (
    Guess,
    VenueSource,
    ask_venues,
    estimates_of,
    live_urls,
)
from defiliq.cli.printing import INCOMPLETE
from defiliq.cli.talk import Talk
from defiliq.errors import DefiliqError, InputError

if TYPE_CHECKING:
    from defiliq.cex.levels import Estimate
    from defiliq.cex.tiers import TierTable
    from defiliq.pipeline.exchanges import Exchanges

Draw = Callable[["Exchanges", Sequence["Estimate"]], None]
"""Shows a round on the screen."""

_sleep, _clock = time.sleep, time.monotonic


@dataclass(slots=True)
class Following:
    """What is asked in every round, and what the rounds have come to so far."""

    asset: str
    venue_source: VenueSource
    guess: Guess
    urls: Mapping[str, str]
    talk: Talk
    draw: Draw | None
    """None writes rows as JSON lines."""
    tiers: dict[tuple[str, str], TierTable] = field(default_factory=dict)
    """What exchanges said of theirs in the first round; asked once."""
    has_rows: bool = False
    is_incomplete: bool = False
    failure: DefiliqError | None = None
    """Why the last round gave nothing."""

    def look(self, number: int) -> Mapping[str, float]:
        """One round. What fails is told, and the next one goes on; what can never work ends the first."""
        from defiliq.pipeline.following import price_now

        try:
            found = ask_venues(self.asset, self.venue_source, self.urls, self.talk, self.tiers)
            if self.draw is not None:
                click.clear()
            made, lacks = estimates_of(found, self.guess, self.talk)
        except DefiliqError as error:
            if isinstance(error, InputError) and not self.has_rows:
                raise
            self.failure, self.is_incomplete = error, True
            self.talk.warn(f"INCOMPLETE: round {number} gives nothing: {error}")
            return {}
        self.tiers.update(found.tiers)
        self.has_rows, self.is_incomplete = True, self.is_incomplete or lacks
        prices = {one.history.instrument: price_now(one) for one in found.data}
        if self.draw is not None:
            self.draw(found, made)
        else:
            _write_lines(made, number)
        return {f"{one.instrument.venue} {one.instrument.symbol}": prices[one.instrument] for one in made}


def follow_levels(
    asset: str, venue_source: VenueSource, guess: Guess, rounds: int | None, draw: Draw | None, talk: Talk
) -> int:
    """Rounds until they are over or interrupted; the exit code, 3 where any of them lacked something.

    The error of the last round is raised where none gave a row.
    """
    from defiliq.pipeline.following import follow

    urls = live_urls(venue_source)
    if urls is None:
        raise click.UsageError("--follow asks the exchanges again and again. Add --live.")
    following = Following(asset, venue_source, guess, urls, talk, draw)

    def wait(seconds: float) -> None:
        talk.say(f"Asking again in {seconds:.0f} s (Ctrl-C ends)")
        _sleep(seconds)

    follow(following.look, rounds=rounds, sleep=wait, clock=_clock)
    if following.failure is not None and not following.has_rows:
        raise following.failure
    return INCOMPLETE if following.is_incomplete else 0


def _write_lines(made: Sequence[Estimate], number: int) -> None:
    """The rows of a round, one JSON object per line, out at once for whoever reads them."""
    import pandas as pd

    from defiliq.view.files import render_json_lines

    table = pd.concat([one.table() for one in made], ignore_index=True)
    table.insert(0, "round", number)
    click.echo(render_json_lines(table), nl=False)
    sys.stdout.flush()
