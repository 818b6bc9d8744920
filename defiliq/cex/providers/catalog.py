"""All providers, and the one way to ask them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from defiliq.cex.history import History
from defiliq.cex.providers import coinalyze, coinglass, defillama, hyblock, laevitas, okx
from defiliq.cex.providers.client import Client, Sleep
from defiliq.cex.providers.keys import keys_of
from defiliq.cex.providers.provider import KINDS, Kind, Provider, Query
from defiliq.errors import InputError

ASSET: Final = re.compile(r"[A-Z0-9]{1,20}")
MOST_CANDLES: Final = 500_000
"""Five years of 5-minute candles. More is a mistake, or needs more than one question."""

Fetcher = Callable[[Client, Query], History | pd.DataFrame]


def _nothing(_: Client, __: tuple[str, ...]) -> None:
    """Most providers are asked at once."""


@dataclass(frozen=True, slots=True)
class _Adapter:
    provider: Provider
    headers: Callable[[tuple[str, ...]], Mapping[str, str]]
    fetchers: Mapping[Kind, Fetcher]
    sign_in: Callable[[Client, tuple[str, ...]], None] = _nothing
    """What is done once before the question."""


ADAPTERS: Final = {
    adapter.provider.name: adapter
    for adapter in (
        _Adapter(
            coinglass.PROVIDER,
            coinglass.headers,
            {
                "history": coinglass.fetch_history,
                "liquidations": coinglass.fetch_liquidations,
                "levels": coinglass.fetch_levels,
                "heatmap": coinglass.fetch_heatmap,
                "funding": coinglass.fetch_funding,
            },
        ),
        _Adapter(
            coinalyze.PROVIDER,
            coinalyze.headers,
            {
                "history": coinalyze.fetch_history,
                "liquidations": coinalyze.fetch_liquidations,
                "funding": coinalyze.fetch_funding,
            },
        ),
        _Adapter(
            hyblock.PROVIDER,
            hyblock.headers,
            {"history": hyblock.fetch_history, "levels": hyblock.fetch_levels},
            hyblock.sign_in,
        ),
        _Adapter(
            laevitas.PROVIDER,
            laevitas.headers,
            {"history": laevitas.fetch_history, "liquidations": laevitas.fetch_liquidations},
        ),
        _Adapter(defillama.PROVIDER, defillama.headers, {"levels": defillama.fetch_levels}),
        _Adapter(okx.PROVIDER, okx.headers, {"history": okx.fetch_history, "funding": okx.fetch_funding}),
    )
}


def providers() -> list[Provider]:
    """All providers that can be asked. None is asked unless `fetch` names it."""
    return [adapter.provider for adapter in ADAPTERS.values()]


def fetch(
    provider: str,
    kind: Kind,
    asset: str,
    since_at: int,
    until_at: int,
    step_s: int,
    environment: Mapping[str, str] = os.environ,
    base_url: str | None = None,
    sleep: Sleep = time.sleep,
    venue: str | None = None,
) -> History | pd.DataFrame:
    """Ask one provider about the USDT perpetual of an asset on one venue, from `since_at` up to `until_at`.

    `history` gives a History whose columns are NaN where the provider has none; the other kinds give a table
    with the columns that `provider.py` names. `levels` and `heatmap` are estimates of the provider's own.
    `base_url` replaces the provider's address; keys only ever go to https:// or to this machine.

    Raises InputError (an unknown provider, kind, venue or interval), NoKey, NoSuchContract, VenueUnreachable,
    VenueRefused, VenueRateLimited, BadVenueAnswer.
    """
    adapter = ADAPTERS.get(provider)
    if adapter is None:
        raise InputError(f"no provider {provider!r}. There are: {', '.join(ADAPTERS)}.")
    about = adapter.provider
    query = _query(about, kind, asset, since_at, until_at, step_s, venue)
    keys = keys_of(about, environment)
    with Client(
        about.name,
        about.url if base_url is None else base_url,
        headers=adapter.headers(keys),
        secrets=keys,
        sleep=sleep,
    ) as client:
        adapter.sign_in(client, keys)
        return adapter.fetchers[kind](client, query)


def _query(
    about: Provider, kind: str, asset: str, since_at: int, until_at: int, step_s: int, venue: str | None
) -> Query:
    if kind not in about.offers:
        offered = ", ".join(about.offers)
        unknown = "" if kind in KINDS else f" ({kind!r} is not known at all)"
        raise InputError(f"{about.name} gives no {kind} here{unknown}. It gives: {offered}.")
    if not ASSET.fullmatch(asset):
        raise InputError(f"{asset!r} is no asset. Name one like BTC.")
    if until_at <= since_at:
        raise InputError(f"the stretch from {since_at} to {until_at} is empty.")
    if about.intervals and step_s not in about.intervals:
        steps = ", ".join(str(each) for each in about.intervals)
        raise InputError(f"{about.name} has no candles of {step_s} s. It has: {steps}.")
    if step_s <= 0 or (until_at - since_at) / step_s > MOST_CANDLES:
        raise InputError(f"a stretch may have {MOST_CANDLES} candles at most.")
    if venue is not None and venue not in about.venues:
        known = ", ".join(about.venues) or "none"
        raise InputError(f"{about.name} cannot be asked about {venue!r}. Venues here: {known}.")
    chosen = venue if venue is not None else next(iter(about.venues), "")
    return Query(asset, chosen, since_at, until_at, step_s, int(time.time()))
