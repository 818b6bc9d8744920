"""Markets as data: the bundled ones, and those that a market file names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from defiliq.errors import BadFile, InputError, UnknownMarket
from defiliq.pipeline.chains import chain_id_of, chain_name
from defiliq.protocols import PROTOCOLS, NodeKind
from defiliq.types import ChainId, Listing, checksum

MARKET_COLUMNS = ("protocol", "chain_id", "chain", "name", "version", "from_block", "addresses")

_FIELDS = {"protocol", "name", "chain_id", "from_block", "addresses", "version", "endpoint"}
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_MAX_BYTES = 1 << 20


def protocol_names() -> tuple[str, ...]:
    """The protocols that can be read, sorted."""
    return tuple(sorted(PROTOCOLS))


def markets(protocol: str | None = None, chain: str | int | None = None) -> tuple[Listing, ...]:
    """The bundled markets, of one protocol or chain where they are given."""
    if protocol is not None:
        check_protocol(protocol)
    wanted = None if chain is None else chain_id_of(chain)
    return tuple(
        listing
        for name in protocol_names()
        if protocol is None or name == protocol
        for listing in PROTOCOLS[name].load_listings()
        if wanted is None or listing.chain_id == wanted
    )


def market(protocol: str, chain: str | int, name: str | None = None) -> Listing:
    """One bundled market. Without a name it is the chain's main one: of the shortest names the first listed.

    A name may leave out the chain that it begins with: `Lido` is `EthereumLido` on Ethereum.
    """
    on_chain = sorted(markets(protocol, chain), key=lambda found: len(found.name))
    named = [found for found in on_chain if name is None or name.casefold() in _names(found)]
    if not named:
        known = [found.name for found in on_chain] or [
            f"{found.name} on {chain_name(found.chain_id)}" for found in markets(protocol)
        ]
        raise UnknownMarket(protocol, f"{name or 'main'} on {chain}", known)
    return named[0]


def _names(listing: Listing) -> set[str]:
    """What a market may be called."""
    name = listing.name.casefold()
    return {name, name.removeprefix(chain_name(listing.chain_id))}


def check_protocol(protocol: str) -> None:
    """Refuse a protocol that cannot be read, and say which can."""
    if protocol not in PROTOCOLS:
        raise InputError(f"no protocol {protocol!r}. Known here: {', '.join(protocol_names())}.")


def market_from_file(path: str | Path) -> Listing:
    """A market that is not bundled, a fork, or one on a local chain, from a JSON file.

    `from_block` may be left out: 0 then, which misses nothing and takes longer.
    """
    shown = str(path)
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise BadFile(shown, error.strerror or str(error)) from None
    if len(text) > _MAX_BYTES:
        raise BadFile(shown, "it is larger than 1 MiB, too large for a market file")
    try:
        fields = orjson.loads(text)  # it bounds the depth, where json overflows the stack on 100,000 brackets
    except orjson.JSONDecodeError as error:
        raise BadFile(shown, f"it is not JSON ({error})") from None
    return _listing(shown, fields)


def _listing(path: str, fields: Any) -> Listing:
    """Check a market file's content field by field."""
    if not isinstance(fields, dict):
        raise BadFile(path, "a market file holds one JSON object")
    unknown = sorted(set(fields) - _FIELDS)
    if unknown:
        raise BadFile(path, f"unknown field {unknown[0]!r}; a market has {', '.join(sorted(_FIELDS))}")
    protocol = _text(path, fields, "protocol")
    if protocol not in PROTOCOLS:
        raise BadFile(path, f"protocol {protocol!r} is not one of {', '.join(protocol_names())}")
    root = PROTOCOLS[protocol].root_address
    return Listing(
        protocol=protocol,
        name=_text(path, fields, "name"),
        chain_id=_chain_id(path, fields, PROTOCOLS[protocol].node_kind),
        from_block=_whole(path, fields, "from_block") if "from_block" in fields else 0,
        addresses=_addresses(path, fields, root) if root or "addresses" in fields else {},
        version=_text(path, fields, "version") if "version" in fields else "",
        endpoint=_text(path, fields, "endpoint") if "endpoint" in fields else "",
    )


def _chain_id(path: str, fields: dict[str, Any], kind: NodeKind) -> ChainId:
    """A positive number; for a Cosmos chain its name, such as dydx-mainnet-1, or the number that it is."""
    if kind == "cosmos" and isinstance(fields.get("chain_id"), str):
        name = _text(path, fields, "chain_id")
        return int(name) if re.fullmatch("[0-9]{1,18}", name) else name
    chain_id = _whole(path, fields, "chain_id")
    if chain_id == 0:
        raise BadFile(path, "chain_id must be positive")
    return chain_id


def _text(path: str, fields: dict[str, Any], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise BadFile(path, f"{key!r} must be a text, and is {_shown(fields, key)}")
    return value.strip()


def _whole(path: str, fields: dict[str, Any], key: str) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise BadFile(path, f"{key!r} must be a whole number, and is {_shown(fields, key)}")
    return value


def _addresses(path: str, fields: dict[str, Any], root: str) -> dict[str, str]:
    """The addresses, checksummed; a mixed-case one must carry its own checksum."""
    given = fields.get("addresses")
    if not isinstance(given, dict) or (root and root not in given):
        raise BadFile(path, f"'addresses' must be an object with {root!r}")
    addresses = {}
    for key, value in given.items():
        if not isinstance(value, str) or _ADDRESS.fullmatch(value) is None:
            raise BadFile(path, f"address {key!r} must be 0x and 40 hex digits, and is {_shown(given, key)}")
        spelled = checksum(bytes.fromhex(value[2:]))
        digits = value[2:]
        if value != spelled and digits not in (digits.lower(), digits.upper()):
            raise BadFile(path, f"address {key!r} fails its checksum; {spelled} would pass it")
        addresses[key] = spelled
    return addresses


def _shown(fields: dict[str, Any], key: str) -> str:
    """A wrong value as JSON, cut short; 'missing' where there is none."""
    if key not in fields:
        return "missing"
    text = json.dumps(fields[key])
    return text if len(text) <= 60 else f"{text[:57]}..."


def markets_table(listings: Sequence[Listing]) -> pd.DataFrame:
    """Listings as rows; the addresses of one market share a cell."""
    rows = [
        {
            "protocol": found.protocol,
            "chain_id": found.chain_id,
            "chain": chain_name(found.chain_id),
            "name": found.name,
            "version": found.version or "read on chain",
            "from_block": found.from_block,
            "addresses": " ".join(f"{name}={address}" for name, address in found.addresses.items())
            or found.endpoint,
        }
        for found in listings
    ]
    return pd.DataFrame(rows, columns=list(MARKET_COLUMNS))
