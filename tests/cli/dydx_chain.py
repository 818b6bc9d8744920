"""A dYdX v4 chain behind a URL, and the market file that names both, for command lines to read."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from tests.chain.cosmos_standin import SERVING, StandIn
from tests.dydx.population import Population, population
from tests.dydx.standin import CHAIN_ID, HEIGHT, dydx_standin

WAYS = tuple(SERVING)
COUNT = 80


@dataclass(frozen=True)
class Place:
    """A chain that is served, and the file that names it."""

    model: StandIn
    url: str
    file: Path

    @property
    def options(self) -> tuple[str, ...]:
        """What names it on a command line: its own endpoint is used."""
        return "--market-file", str(self.file)


@cache
def held() -> Population:
    """Some subaccounts and the house; do not change them."""
    return population(COUNT, seed=11)


def standin() -> StandIn:
    """A chain of them that a test may change."""
    return dydx_standin(held())


def names() -> list[str]:
    """Every subaccount, as it is named."""
    return [f"{each.id.owner}/{each.id.number}" for each in held().subaccounts]


@contextmanager
def placed(model: StandIn, folder: Path, way: str = "grpc") -> Iterator[Place]:
    """The chain over one of the two ways."""
    with SERVING[way](model) as url:
        yield Place(model, url, market_file(folder, url))


def market_file(folder: Path, endpoint: str = "", chain_id: str = CHAIN_ID) -> Path:
    """A market file, with an endpoint if there is one."""
    path = folder / f"dydx-{len(list(folder.glob('dydx-*.json')))}.json"
    fields = {"protocol": "dydx-v4", "name": "Local", "chain_id": chain_id}
    path.write_text(json.dumps(fields | ({"endpoint": endpoint} if endpoint else {})), encoding="utf-8")
    return path


def rows(text: str) -> pd.DataFrame:
    """CSV as it was printed, every cell as text."""
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


__all__ = ["CHAIN_ID", "HEIGHT", "WAYS", "Place", "held", "market_file", "names", "placed", "rows", "standin"]
