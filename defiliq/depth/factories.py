"""Where pools are found, as data: factories and tokens by chain."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

from defiliq.errors import InputError
from defiliq.types import ChainId, checksum

ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Factory:
    """A contract that knows the pools of a pair."""

    name: str
    kind: Literal["fee", "spacing", "pair"]
    """What it is asked: getPool with a fee, getPool with a tick spacing, or getPair."""
    address: str
    keys: tuple[int, ...] = ()
    """The fees or tick spacings to ask for."""
    fee_pips: int = 3_000
    """What its pairs charge, which they cannot be asked."""


@lru_cache(maxsize=64)
def factories(chain_id: ChainId) -> tuple[Factory, ...]:
    """The factories that are known on a chain."""
    rows = _data("factories.json")["factories"].get(str(chain_id), ())
    return tuple(
        Factory(
            row["name"], row["kind"], row["address"], tuple(row.get("keys", ())), row.get("fee_pips", 3_000)
        )
        for row in rows
    )


@lru_cache(maxsize=64)
def token_addresses(chain_id: ChainId) -> Mapping[str, str]:
    """The tokens that have a symbol here, on a chain."""
    found: Mapping[str, str] = _data("tokens.json")["tokens"].get(str(chain_id), {})
    return found


def token_address(named: str, chain_id: ChainId) -> str:
    """The address of a token given by address or symbol; InputError where nobody here knows it."""
    if ADDRESS.fullmatch(named):
        return checksum(bytes.fromhex(named[2:]))
    known = token_addresses(chain_id)
    fits = [address for symbol, address in known.items() if symbol.casefold() == named.casefold()]
    if len(fits) != 1:
        if named.lower().startswith("0x"):
            raise InputError(f"{named[:60]!r} is no address of a token. Write 0x and 40 hex digits.")
        raise InputError(f"no token {named!r} is known on chain {chain_id}. Give its address.")
    return fits[0]


def _data(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files("defiliq.depth").joinpath(name).read_text(encoding="utf-8"))
    return found
