"""Exchanges read side by side, and what is estimated of each contract. One that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event

from defiliq.cex.estimate import estimate, estimate_over_time, spot_at
from defiliq.cex.history import Floats, History, Instrument, VenueData
from defiliq.cex.levels import Estimate, EstimateOverTime
from defiliq.cex.margin import Charges, MarginMode, distance_factors
from defiliq.cex.openings import Factors
from defiliq.cex.priors import PRIORS, Prior, mid_of
from defiliq.cex.tiers import TierTable, load_tiers
from defiliq.cex.venues.cache import Cache
from defiliq.cex.venues.config import VenueConfig
from defiliq.cex.venues.contracts import Wanted, is_wanted
from defiliq.cex.venues.read import read_venue
from defiliq.cex.venues.tiers import READERS, read_tiers
from defiliq.cex.walk import EstimateSettings
from defiliq.errors import DefiliqError, InputError, NoSuchContract, NoVenueAnswers, UnknownTiers, VenueError
from defiliq.types import Side

Tell = Callable[[int, int, str], None]
"""(done, total, what)"""


def _unwatched(_done: int, _total: int, _what: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Missing:
    """An exchange, or a contract of it, that the result goes on without."""

    name: str
    error: DefiliqError


@dataclass(frozen=True, slots=True)
class Exchanges:
    """What some exchanges publish of one asset."""

    data: tuple[VenueData, ...]
    missing: tuple[Missing, ...]
    tiers: Mapping[tuple[str, str], TierTable] = field(default_factory=dict)
    """(venue, symbol) to margin tiers that the exchange itself published with the data."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What an estimate takes to be so, because no exchange says it."""

    priors: tuple[Prior, ...] = PRIORS
    settings: EstimateSettings = field(default_factory=EstimateSettings)
    mode: MarginMode = "isolated"
    wallet_multiple: float | None = None
    """How many times its margin the wallet of a cross position holds."""
    charges: Charges = field(default_factory=Charges)
    tiers: Mapping[tuple[str, str], TierTable] = field(default_factory=dict)
    """(venue, symbol) to tiers that go before the bundled ones."""


def read_exchanges(
    asset: str,
    venues: Sequence[str],
    *,
    since_at: int,
    until_at: int,
    step_s: int,
    contracts: Wanted = "perpetual",
    config: VenueConfig | None = None,
    cache: Cache | None = None,
    tiers: Mapping[tuple[str, str], TierTable] | None = None,
    on_progress: Tell = _unwatched,
) -> Exchanges:
    """What each exchange publishes of an asset, all asked at once; those that fail are `missing`.

    `tiers` are what exchanges said of theirs before, which are not asked for again. Where none answers: its
    own VenueError of a single one, NoSuchContract where none lists the asset, else NoVenueAnswers.
    """
    known = {} if tiers is None else tiers
    span = partial(read_venue, asset=asset, since_at=since_at, until_at=until_at, step_s=step_s)
    ask = partial(span, contracts=contracts, config=config, cache=cache)
    done: list[str] = []

    def read(venue: str, is_over: Event) -> _Answer:
        def tell(what: str) -> None:
            if is_over.is_set():
                raise _Over
            on_progress(len(done), len(venues), what)

        try:
            data = ask(venue, on_progress=tell)
            said = {key: table for key, table in known.items() if key[0] == venue}
            return _Answer(data, *((said, ()) if said else _tiers_of_now(venue, asset, config, tell)))
        except VenueError as error:
            return _Answer([], {}, (Missing(venue, error),))
        finally:
            done.append(venue)
            on_progress(len(done), len(venues), venue)

    return _together(_all_at_once(read, venues))


def _all_at_once(read: Callable[[str, Event], _Answer], venues: Sequence[str]) -> list[_Answer]:
    """An answer of each, in their order. The event tells readers that nobody waits any more: without it an
    interrupted command would go on until every exchange has sent all of its pages.
    """
    is_over = Event()
    with ThreadPoolExecutor(max(1, len(venues))) as pool:
        try:
            return list(pool.map(read, venues, [is_over] * len(venues)))
        except BaseException:
            is_over.set()
            raise


class _Over(Exception):
    """Nobody waits for this exchange any more."""


def _together(answers: Sequence[_Answer]) -> Exchanges:
    """What all said, in their order."""
    found = tuple(one for answer in answers for one in answer.data)
    missing = tuple(one for answer in answers for one in answer.missing)
    if missing and not found:
        raise _none_of(missing)
    return Exchanges(
        found, missing, {key: table for answer in answers for key, table in answer.tiers.items()}
    )


def _none_of(missing: Sequence[Missing]) -> DefiliqError:
    """Why no exchange gives anything."""
    failures = [one.error for one in missing if isinstance(one.error, VenueError)]
    if len(failures) == 1 or all(isinstance(one, NoSuchContract) for one in failures):
        return failures[0]
    return NoVenueAnswers(failures)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one exchange said."""

    data: list[VenueData]
    tiers: Mapping[tuple[str, str], TierTable]
    missing: tuple[Missing, ...]


def _tiers_of_now(
    venue: str, asset: str, config: VenueConfig | None, tell: Callable[[str], None]
) -> tuple[Mapping[tuple[str, str], TierTable], tuple[Missing, ...]]:
    """The perpetuals' tiers where an exchange publishes them; without an answer the bundled ones stand in."""
    if venue not in READERS:
        return {}, ()
    try:
        tables = read_tiers(venue, asset, config=config, on_progress=tell)
    except VenueError as error:
        return {}, (Missing(f"the margin tiers of {venue} as they are now", error),)
    return {(venue, table.symbol): table for table in tables}, ()


def chosen(
    asset: str,
    held: Sequence[VenueData],
    venues: Sequence[str],
    contracts: Wanted,
    where: str,
    tiers: Mapping[tuple[str, str], TierTable] | None = None,
) -> Exchanges:
    """Those of the asset, the exchanges and the contracts that are asked for, of what was read before.

    `where` says from what, as in `the sample`. InputError, saying what there is, where there is none.
    """
    wanted = [one for one in held if one.history.instrument.asset.casefold() == asset.casefold()]
    if not wanted:
        known = sorted({one.history.instrument.asset for one in held})
        raise InputError(f"there is no {asset} in {where}. There is: {', '.join(known) or 'nothing'}.")
    kept = [one for one in wanted if _is_chosen(one.history.instrument, venues, contracts)]
    if not kept:
        symbols = sorted({_name(one.history.instrument) for one in wanted})
        raise InputError(
            f"there is no {contracts} contract of {asset} of {', '.join(venues)} in {where}. "
            f"There is: {', '.join(symbols)}."
        )
    names = [_name(one.history.instrument) for one in kept]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{twice[0]} is in {where} more than once. Leave one file out.")
    have = {one.history.instrument.venue for one in kept}
    lacking = [name for name in venues if name not in have]
    return Exchanges(
        tuple(kept),
        tuple(Missing(name, InputError(f"no such contract of it is in {where}.")) for name in lacking),
        {} if tiers is None else tiers,
    )


def _is_chosen(instrument: Instrument, venues: Sequence[str], contracts: Wanted) -> bool:
    is_dated, is_inverse = instrument.expires_at is not None, instrument.is_inverse
    return instrument.venue in venues and is_wanted(contracts, is_dated=is_dated, is_inverse=is_inverse)


def _name(instrument: Instrument) -> str:
    return f"{instrument.venue} {instrument.symbol}"


def estimates(
    data: Sequence[VenueData],
    assumptions: Assumptions | None = None,
    *,
    on_progress: Tell = _unwatched,
) -> tuple[list[Estimate], list[Missing]]:
    """An estimate per contract, and the contracts that allow none, with the reason.

    Where none allows one, the first reason is raised.
    """
    found: list[Estimate] = []
    missing: list[Missing] = []
    for number, one in enumerate(data, start=1):
        instrument = one.history.instrument
        try:
            found.append(estimate_of(one.history, assumptions))
        except InputError as error:
            missing.append(Missing(_name(instrument), _with_faults(error, one.history)))
        on_progress(number, len(data), _name(instrument))
    if missing and not found:
        raise missing[0].error
    return found, missing


def _with_faults(error: InputError, history: History) -> InputError:
    """An error with what was wrong with the data already, which may be why: nobody else would tell."""
    if not history.faults or isinstance(error, UnknownTiers):
        return error
    name = f"{_name(history.instrument)}: "
    return InputError(" ".join([str(error), *(fault.removeprefix(name) for fault in history.faults)]))


def estimate_of(history: History, assumptions: Assumptions | None = None) -> Estimate:
    """The liquidation levels of one contract at the end of its history, under every prior.

    UnknownTiers where no margin tiers of the contract are known.
    """
    taken = assumptions if assumptions is not None else Assumptions()
    tiers, fault = tiers_of(history.instrument, taken)
    factors = [factors_of(history, prior, tiers, taken) for prior in taken.priors]
    found = estimate(history, factors, taken.priors, taken.settings)
    return replace(found, faults=(*found.faults, *fault))


def over_time_of(history: History, assumptions: Assumptions | None = None) -> EstimateOverTime:
    """The same under the middle prior, at moments all along the history."""
    taken = assumptions if assumptions is not None else Assumptions()
    ordered = sorted(taken.priors, key=lambda prior: prior.mean_leverage)
    prior = ordered[mid_of(ordered)]
    tiers, _ = tiers_of(history.instrument, taken)
    return estimate_over_time(history, factors_of(history, prior, tiers, taken), prior, taken.settings)


def factors_of(history: History, prior: Prior, tiers: TierTable, assumptions: Assumptions) -> Factors:
    """How far from entry a prior's leverages are liquidated, by the contract's tiers and its venue's rule."""
    spot = spot_at(history, len(history) - 1)

    def away(side: Side) -> Floats:
        return distance_factors(
            history.instrument.venue,
            side,
            prior.leverages,
            prior.position_usd,
            tiers,
            mode=assumptions.mode,
            wallet_multiple=assumptions.wallet_multiple,
            charges=assumptions.charges,
            entry_usd=spot,
        )

    return Factors(prior.leverages, away("long"), away("short"))


def tiers_of(instrument: Instrument, assumptions: Assumptions) -> tuple[TierTable, tuple[str, ...]]:
    """The margin tiers of a contract, and what is wrong with them.

    A contract that expires and has no tiers of its own is judged by the perpetual's, which is a fault.
    """
    venue, symbol = instrument.venue, instrument.symbol
    given = assumptions.tiers.get((venue, symbol))
    if given is not None:
        return given, ()
    try:
        return load_tiers(venue, instrument.asset, symbol), ()
    except UnknownTiers:
        if instrument.expires_at is None:
            raise
    perpetual = symbol.rpartition("-")[0]
    tiers = assumptions.tiers.get((venue, perpetual)) or load_tiers(venue, instrument.asset, perpetual)
    return tiers, (f"No margin tiers of {symbol} are known: those of the perpetual stand in for them.",)
