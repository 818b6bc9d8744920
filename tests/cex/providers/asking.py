"""How the tests ask: a provider on loopback, the three hours of its documented answers, made-up keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from defiliq.cex.history import History
from defiliq.cex.providers import Kind, fetch
from tests.cex.providers.standin import (
    FIRST_AT,
    KEYS,
    STEP_S,
    UNTIL_AT,
    Slept,
    StandIn,
    documented,
    replay,
    serving,
)


@contextmanager
def standing_in(provider: str, changed: dict[str, Any] | None = None) -> Iterator[StandIn]:
    """The provider with its documented answers, some of them replaced."""
    with serving(replay({**documented(provider), **(changed or {})})) as server:
        yield server


def ask(server: StandIn, provider: str, kind: Kind, **options: Any) -> History | pd.DataFrame:
    """The three hours of BTC, unless told otherwise. Waits are not waited."""
    told: dict[str, Any] = {
        "since_at": FIRST_AT,
        "until_at": UNTIL_AT,
        "step_s": STEP_S,
        "environment": KEYS,
        "base_url": server.url,
        "sleep": Slept(),
        **options,
    }
    return fetch(provider, kind, told.pop("asset", "BTC"), **told)


def ask_history(server: StandIn, provider: str, **options: Any) -> History:
    """The same of a history."""
    found = ask(server, provider, "history", **options)
    assert isinstance(found, History)
    return found


def ask_table(server: StandIn, provider: str, kind: Kind, **options: Any) -> pd.DataFrame:
    """The same of a table."""
    found = ask(server, provider, kind, **options)
    assert isinstance(found, pd.DataFrame)
    return found
