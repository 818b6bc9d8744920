"""Where to ask exchanges, and whether to: [cex] and [venues] of the config file, and the environment."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from defiliq.cli.nodes import config_path
from defiliq.errors import BadFile, InputError

LIVE, SAMPLE = "live", "sample"
SOURCE_VARIABLE, URL_VARIABLE = "DEFILIQ_CEX", "VENUE_URL_"
ASKED = ("binance", "bybit", "okx", "hyperliquid")


@dataclass(frozen=True, slots=True)
class VenueSettings:
    """What a user has set up once."""

    source: str
    """`live` asks the venues, `sample` takes the bundled file; `sample` where nobody says."""
    urls: Mapping[str, str]
    """Venue to the base URL that is asked instead of its own: a proxy, or a stand-in."""


def venue_settings(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> VenueSettings:
    """The settings of this machine. DEFILIQ_CEX wins over [cex] source, VENUE_URL_<NAME> over [venues]."""
    path = config_path() if path is None else path
    tables = _read(path)
    source = environment.get(SOURCE_VARIABLE, "").strip() or _text(tables["cex"].get("source", SAMPLE), path)
    if source not in (LIVE, SAMPLE):
        raise InputError(f"{SOURCE_VARIABLE} or [cex] source is {source!r}. Set it to live or to sample.")
    urls = {name.lower(): _text(url, path) for name, url in tables["venues"].items()}
    for variable, url in environment.items():
        if variable.startswith(URL_VARIABLE) and url.strip():
            urls[variable.removeprefix(URL_VARIABLE).lower()] = url.strip()
    for name in urls:
        if name not in ASKED:
            shown = f"{name!r} in [venues] or {URL_VARIABLE}{name.upper()}"
            raise InputError(f"{shown} is no exchange that is asked. Those are {', '.join(ASKED)}.")
    return VenueSettings(source, urls)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The two tables of the config file, empty where there are none."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        settings = {}
    except OSError as error:
        raise BadFile(str(path), error.strerror or "it cannot be read") from None
    except ValueError as error:
        raise BadFile(str(path), f"it is not TOML ({error})") from None
    tables = {name: settings.get(name, {}) for name in ("cex", "venues")}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise BadFile(str(path), f"[{name}] must be a table")
    return tables


def _text(value: object, path: Path) -> str:
    if not isinstance(value, str):
        raise BadFile(str(path), f"{value!r} must be a text")
    return value
