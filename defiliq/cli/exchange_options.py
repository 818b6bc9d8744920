"""Which exchanges, from where, and under which assumptions: options that several commands share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from defiliq.cli.options import collected
from defiliq.cli.talk import Talk
from defiliq.cli.times import seconds_of
from defiliq.cli.venue_config import LIVE, SAMPLE, venue_settings
from defiliq.errors import InputError

if TYPE_CHECKING:
    from defiliq.cex.history import Instrument, VenueData
    from defiliq.cex.levels import Estimate
    from defiliq.cex.venues.cache import Cache
    from defiliq.cex.venues.contracts import Wanted
    from defiliq.pipeline.exchanges import Assumptions, Exchanges

F = TypeVar("F", bound=Callable[..., Any])
KNOWN = ("binance", "bybit", "okx")
ALL = "all"
OBSERVED = (*KNOWN, "hyperliquid", "dydx")
"""Those whose margin rule is known; what the last two hold is public, so nothing is estimated of them."""


@dataclass(frozen=True, slots=True)
class VenueSource:
    """Which exchanges' data, and where they come from."""

    venues: tuple[str, ...]
    live: bool
    sample: bool
    venue_file: tuple[str, ...]
    span: str
    candles: str
    contracts: Wanted
    no_cache: bool
    save: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """The exchanges that are asked for, each once, in the order of KNOWN."""
        return KNOWN if ALL in self.venues else tuple(name for name in KNOWN if name in self.venues)


@dataclass(frozen=True, slots=True)
class Guess:
    """What an estimate assumes."""

    priors: tuple[str, ...]
    position_usd: float
    half_life: str
    churn: float
    margin: str
    wallet: float | None
    tiers_file: tuple[str, ...]


_VENUES = (
    click.option(
        "--venue",
        "venues",
        type=click.Choice([*KNOWN, ALL]),
        multiple=True,
        default=[ALL],
        show_default=True,
        help="Which exchanges. With all, one that is missing makes the exit code 3.",
    ),
    click.option(
        "--live", is_flag=True, help="Ask the exchanges. DEFILIQ_CEX=live or the config file do the same."
    ),
    click.option("--sample", is_flag=True, help="Take the bundled sample, which is simulated and says so."),
    click.option(
        "--span", default="30d", show_default=True, metavar="T", help="How far back to ask the exchanges."
    ),
    click.option(
        "--candles", default="1h", show_default=True, metavar="T", help="Which to ask for: 5min, 1h, 1d."
    ),
    click.option(
        "--contracts",
        type=click.Choice(["linear", "inverse", "perpetual", "quarterly", "all"]),
        default="linear",
        show_default=True,
        help="Which futures: perpetuals settled in dollars, in the asset, or both; those that end; or all.",
    ),
    click.option("--no-cache", is_flag=True, help="Ask the exchanges for everything anew, and keep nothing."),
    click.option(
        "--save", metavar="FILE.parquet", help="Keep what the exchanges answered, to be read again."
    ),
)

_GUESS = (
    click.option(
        "--prior",
        "priors",
        multiple=True,
        metavar="P",
        help="Who trades with which leverage: low, mid, high, or 5:20%,10:50%,25:30%. Several make a band.  "
        "[default: low, mid and high]",
    ),
    click.option(
        "--position-usd",
        type=click.FloatRange(0, min_open=True),
        default=50_000.0,
        show_default=True,
        metavar="X",
        help="A typical position, which picks the margin tier.",
    ),
    click.option(
        "--half-life",
        default="90min",
        show_default=True,
        metavar="T",
        help="How fast a level's score ages unless fresh open interest renews it; off for never.",
    ),
    click.option(
        "--churn",
        type=click.FloatRange(0, 1),
        default=0.25,
        show_default=True,
        metavar="S",
        help="The share of the volume by which positions that last are opened and closed.",
    ),
    click.option(
        "--margin",
        type=click.Choice(["isolated", "cross", "simple"]),
        default="isolated",
        show_default=True,
        help="How liquidation prices are found; simple is entry * (1 -/+ 1/leverage +/- rate).",
    ),
    click.option(
        "--wallet",
        type=click.FloatRange(1),
        metavar="N",
        help="With --margin cross: the wallet holds N times the position's margin.",
    ),
    click.option(
        "--tiers",
        "tiers_file",
        multiple=True,
        metavar="FILE",
        help="Margin tiers of your own, in the form of docs/cex.md.",
    ),
)


def venue_options(from_option: str) -> Callable[[F], F]:
    """Exchanges and where their data are from, handed over as `venue_source`; files come by `from_option`."""
    files = click.option(
        from_option,
        "venue_file",
        multiple=True,
        metavar="FILE",
        help="What exchanges answered before, as --save keeps it.",
    )
    return lambda command: collected(
        command, "venue_source", VenueSource, (*_VENUES[:3], files, *_VENUES[3:])
    )


def guess_options(command: F) -> F:
    """What an estimate assumes, handed over as `guess`."""
    return collected(command, "guess", Guess, _GUESS)


def read_venues(asset: str, venue_source: VenueSource, talk: Talk) -> Exchanges:
    """What the chosen exchanges publish of an asset, from files, the sample, or the exchanges themselves."""
    if sum((bool(venue_source.venue_file), venue_source.live, venue_source.sample)) > 1:
        raise click.UsageError("Data come from --live, from --sample or from a file: choose one.")
    settings = venue_settings()
    is_live = venue_source.live or (
        settings.source == LIVE and not venue_source.sample and not venue_source.venue_file
    )
    if venue_source.save is not None and not is_live:
        raise click.UsageError("--save keeps what exchanges answer. Add --live.")
    if is_live:
        return _ask(asset, venue_source, settings.urls, talk)
    if venue_source.venue_file:
        from defiliq.pipeline.cex_files import load_venues

        held = [one for path in venue_source.venue_file for one in load_venues(path)]
        return _chosen(asset, held, venue_source, "these files")
    from defiliq.pipeline.cex_files import load_sample

    talk.warn(f"the bundled {SAMPLE} is simulated, not real. Ask the exchanges with --live.")
    return _chosen(asset, load_sample(asset.upper()), venue_source, "the sample")


def _ask(asset: str, venue_source: VenueSource, urls: Any, talk: Talk) -> Exchanges:
    """Ask the exchanges, and keep the answers where that was asked for."""
    from defiliq.cex.venues.config import VenueConfig
    from defiliq.cli.printing import require_format
    from defiliq.pipeline.exchanges import read_exchanges

    require_format(venue_source.save, ".parquet")
    until_at = int(time.time())
    with talk.progress("Asking") as tell:
        found = read_exchanges(
            asset,
            venue_source.names,
            since_at=until_at - seconds_of(venue_source.span, "--span"),
            until_at=until_at,
            step_s=seconds_of(venue_source.candles, "--candles"),
            contracts=venue_source.contracts,
            config=VenueConfig(urls=urls),
            cache=None if venue_source.no_cache else _cache(talk),
            on_progress=tell,
        )
    if venue_source.save is not None:
        from defiliq.pipeline.cex_files import save_venues

        save_venues(list(found.data), venue_source.save, source="asked through ccxt", made_at=until_at)
        talk.say(f"Wrote {len(found.data)} contracts to {venue_source.save}")
    return found


def _chosen(asset: str, held: Sequence[VenueData], venue_source: VenueSource, where: str) -> Exchanges:
    """Those of the asset, the exchanges and the contracts that were asked for."""
    from defiliq.errors import NoSuchContract
    from defiliq.pipeline.exchanges import Exchanges, Missing

    wanted = [one for one in held if one.history.instrument.asset.casefold() == asset.casefold()]
    kept = [one for one in wanted if _is_chosen(one.history.instrument, venue_source)]
    have = {one.history.instrument.venue for one in kept}
    missing = [Missing(name, NoSuchContract(name, asset)) for name in venue_source.names if name not in have]
    if not kept:
        known = sorted({one.history.instrument.asset for one in held})
        raise InputError(
            f"{where} hold no {venue_source.contracts} futures of {asset}. "
            f"They hold {', '.join(known) or 'none'}."
        )
    return Exchanges(tuple(kept), tuple(missing))


def _is_chosen(instrument: Instrument, venue_source: VenueSource) -> bool:
    from defiliq.cex.venues.contracts import is_wanted

    is_dated, is_inverse = instrument.expires_at is not None, instrument.is_inverse
    is_kind = is_wanted(venue_source.contracts, is_dated=is_dated, is_inverse=is_inverse)
    return is_kind and instrument.venue in venue_source.names


def estimates_of(found: Exchanges, guess: Guess, talk: Talk) -> tuple[list[Estimate], bool]:
    """An estimate per contract, and whether anything that was asked for is missing, which is told."""
    from defiliq.pipeline.exchanges import estimates

    with talk.progress("Estimating") as tell:
        made, without = estimates(found.data, assumptions_of(guess, found), on_progress=tell)
    return made, tell_missing(found, made, without, talk)


def tell_missing(found: Exchanges, made: Sequence[Estimate], without: Sequence[Any], talk: Talk) -> bool:
    """Say what is missing, one line each; whether anything is."""
    lacking = [*found.missing, *without]
    for one in lacking:
        talk.warn(f"INCOMPLETE: without {one.name}: {one.error}")
    for estimate in made:
        name = f"{estimate.instrument.venue} {estimate.instrument.symbol}"
        for fault in estimate.faults:
            talk.warn(f"INCOMPLETE: {name}: {fault.removeprefix(f'{name}: ')}")
    return bool(lacking) or any(estimate.faults for estimate in made)


def assumptions_of(guess: Guess, found: Exchanges) -> Assumptions:
    """The options as the pipeline takes them; a user's tiers go before those that exchanges published."""
    from defiliq.cex.priors import PRIORS, parse_prior
    from defiliq.cex.tiers import load_tiers_file
    from defiliq.cex.walk import EstimateSettings
    from defiliq.pipeline.exchanges import Assumptions

    named = guess.priors or tuple(prior.name for prior in PRIORS)
    tables = [table for path in guess.tiers_file for table in load_tiers_file(path).values()]
    return Assumptions(
        priors=tuple(parse_prior(text, position_usd=guess.position_usd) for text in named),
        settings=EstimateSettings(half_life_s=_half_life(guess.half_life), churn=guess.churn),
        mode=guess.margin,  # type: ignore[arg-type]
        wallet_multiple=guess.wallet,
        tiers={**found.tiers, **{(table.venue, table.symbol): table for table in tables}},
    )


def _half_life(text: str) -> float:
    return float("inf") if text.strip().casefold() == "off" else float(seconds_of(text, "--half-life"))


def _cache(talk: Talk) -> Cache:
    from platformdirs import user_cache_dir

    from defiliq.cex.venues.cache import Cache

    return Cache(Path(user_cache_dir("defiliq")) / "cex", say=talk.say)
