"""Which exchanges, from where, and under which assumptions: options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from defiliq.cli.options import collected
from defiliq.cli.printing import require_format, require_use
from defiliq.cli.talk import Talk
from defiliq.cli.times import seconds_of
from defiliq.cli.venue_config import LIVE, SAMPLE, venue_settings

if TYPE_CHECKING:
    from defiliq.cex.levels import Estimate
    from defiliq.cex.tiers import TierTable
    from defiliq.cex.venues.cache import Cache
    from defiliq.cex.venues.config import VenueConfig
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
    urls = live_urls(venue_source)
    if urls is not None:
        return ask_venues(asset, venue_source, urls, talk)
    from defiliq.pipeline.cex_files import load_sample, load_venue_tiers, load_venues
    from defiliq.pipeline.exchanges import chosen

    wanted = venue_source.names, venue_source.contracts
    if venue_source.venue_file:
        paths = venue_source.venue_file
        held = [one for path in paths for one in load_venues(path)]
        tiers = {key: table for path in paths for key, table in load_venue_tiers(path).items()}
        return chosen(asset, held, *wanted, ", ".join(Path(path).name for path in paths), tiers)
    held = load_sample(asset)
    talk.warn(f"the bundled {SAMPLE} is simulated, not real. Ask the exchanges with --live.")
    return chosen(asset, held, *wanted, f"the bundled {SAMPLE}")


def live_urls(venue_source: VenueSource) -> Mapping[str, str] | None:
    """The configured addresses where the exchanges are to be asked, None where data come from elsewhere.

    A usage error for sources that contradict each other, and for options that only a question reads.
    """
    if sum((bool(venue_source.venue_file), venue_source.live, venue_source.sample)) > 1:
        raise click.UsageError("Data come from --live, from --sample or from a file: choose one.")
    settings = venue_settings()
    is_live = venue_source.live or (
        settings.source == LIVE and not venue_source.sample and not venue_source.venue_file
    )
    for option in ("span", "candles", "no_cache", "save"):
        require_use(click.get_current_context(), option, is_used=is_live, needed="--live")
    return settings.urls if is_live else None


def ask_venues(
    asset: str,
    venue_source: VenueSource,
    urls: Mapping[str, str],
    talk: Talk,
    tiers: Mapping[tuple[str, str], TierTable] | None = None,
) -> Exchanges:
    """Ask the exchanges, and keep the answers where that was asked for. `tiers` are not asked for again."""
    from defiliq.pipeline.exchanges import read_exchanges

    require_format(venue_source.save, ".parquet", "--save")
    config = venue_config(urls)
    until_at = config.now_ms() // 1000
    with talk.progress("Asking") as tell:
        found = read_exchanges(
            asset,
            venue_source.names,
            since_at=until_at - seconds_of(venue_source.span, "--span"),
            until_at=until_at,
            step_s=seconds_of(venue_source.candles, "--candles"),
            contracts=venue_source.contracts,
            config=config,
            cache=None if venue_source.no_cache else _cache(talk),
            tiers=tiers,
            on_progress=tell,
        )
    if venue_source.save is not None:
        from defiliq.pipeline.cex_files import save_venues

        save_venues(
            found.data,
            venue_source.save,
            source="asked through ccxt",
            made_at=until_at,
            tiers=found.tiers.values(),
        )
        talk.say(f"Wrote {len(found.data)} contracts to {venue_source.save}")
    return found


def venue_config(urls: Mapping[str, str]) -> VenueConfig:
    """How exchanges are asked."""
    from defiliq.cex.venues.config import VenueConfig

    return VenueConfig(urls=urls)


def estimates_of(found: Exchanges, guess: Guess, talk: Talk) -> tuple[list[Estimate], bool]:
    """An estimate per contract, and whether anything that was asked for is missing, which is told."""
    from defiliq.pipeline.exchanges import estimates

    assumptions = assumptions_of(guess, found)
    _tell_unused_tiers(guess, found, talk)
    with talk.progress("Estimating") as tell:
        made, without = estimates(found.data, assumptions, on_progress=tell)
    return made, tell_missing(found, made, without, talk)


def _tell_unused_tiers(guess: Guess, found: Exchanges, talk: Talk) -> None:
    """Warn of a file of tiers of which no contract is here: it changes nothing."""
    from defiliq.cex.tiers import load_tiers_file

    here = {(one.history.instrument.venue, one.history.instrument.symbol) for one in found.data}
    for path in guess.tiers_file:
        tables = load_tiers_file(path).values()
        if not any((table.venue, table.symbol) in here for table in tables):
            names = ", ".join(f"{table.venue} {table.symbol}" for table in tables)
            talk.warn(f"{path} changes nothing: it has tiers of {names or 'no contract'}.")


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


def assumptions_of(guess: Guess, found: Exchanges | None = None) -> Assumptions:
    """The options as the pipeline takes them; a user's tiers go before those that exchanges published.

    InputError, or a usage error, for what cannot be: worth knowing before anybody is asked.
    """
    from defiliq.cex.priors import PRIORS, parse_prior
    from defiliq.cex.tiers import load_tiers_file
    from defiliq.cex.walk import EstimateSettings
    from defiliq.pipeline.exchanges import Assumptions

    require_wallet(guess.margin, guess.wallet)
    named = guess.priors or tuple(prior.name for prior in PRIORS)
    tables = [table for path in guess.tiers_file for table in load_tiers_file(path).values()]
    return Assumptions(
        priors=tuple(parse_prior(text, position_usd=guess.position_usd) for text in named),
        settings=EstimateSettings(half_life_s=_half_life(guess.half_life), churn=guess.churn),
        mode=guess.margin,  # type: ignore[arg-type]
        wallet_multiple=guess.wallet,
        tiers={
            **({} if found is None else found.tiers),
            **{(table.venue, table.symbol): table for table in tables},
        },
    )


def require_wallet(margin: str, wallet: object) -> None:
    """Refuse a wallet that nothing reads, and a margin mode that lacks one."""
    if margin == "cross" and wallet is None:
        raise click.UsageError("--margin cross needs --wallet N: how much more than its margin backs it.")
    if margin != "cross" and wallet is not None:
        raise click.UsageError("--wallet does nothing without --margin cross.")


def _half_life(text: str) -> float:
    return float("inf") if text.strip().casefold() == "off" else float(seconds_of(text, "--half-life"))


def _cache(talk: Talk) -> Cache:
    from platformdirs import user_cache_dir

    from defiliq.cex.venues.cache import Cache

    return Cache(Path(user_cache_dir("defiliq")) / "cex", say=talk.say)
