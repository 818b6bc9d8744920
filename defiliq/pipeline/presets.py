"""Named scenarios, as data with their sources: what once happened, as moves of drivers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import orjson

from defiliq.errors import InputError
from defiliq.pipeline.shocks import Shock, parse_shock


@dataclass(frozen=True, slots=True)
class Preset:
    """One scenario of `scenarios.json`."""

    name: str
    date: str
    title: str
    moves: tuple[str, ...]
    """As `parse_shock` reads them. Drivers are named generically; a market need not have all of them."""
    description: str
    sources: tuple[str, ...]
    """Pages that the numbers are from."""

    @property
    def shocks(self) -> tuple[Shock, ...]:
        """The moves for `stress`; those of drivers that a market does not have are left out there."""
        return tuple(replace(parse_shock(move), is_optional=True) for move in self.moves)


@cache
def presets() -> tuple[Preset, ...]:
    """Every named scenario."""
    rows = orjson.loads(files("defiliq.pipeline").joinpath("scenarios.json").read_bytes())
    return tuple(
        Preset(
            name=row["name"],
            date=row["date"],
            title=row["title"],
            moves=tuple(row["moves"]),
            description=row["description"],
            sources=tuple(row["sources"]),
        )
        for row in rows
    )


def preset(name: str) -> Preset:
    """One scenario by name, such as eth-43."""
    found = next((each for each in presets() if each.name == name.strip().casefold()), None)
    if found is None:
        known = ", ".join(each.name for each in presets())
        raise InputError(
            f"no preset {name!r}. Known: {known}. `defiliq stress --list-presets` explains them."
        )
    return found
