"""Pools as a JSON file, with the block that they were read at: what needs a node once, and none later.

    {"format": "defiliq-pools", "version": 1, "block": {…}, "pools": [{"kind": "v3", …}, {"kind": "v2", …}]}

Integers beyond 2 ** 53 are decimal texts, so that every reader of JSON keeps them exactly.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from defiliq.depth.constant_product import PoolV2
from defiliq.depth.read import Pool
from defiliq.depth.uniswap_v3 import pool_v3
from defiliq.depth.venue import Token
from defiliq.errors import BadFile, InputError
from defiliq.types import Block

FORMAT: Final = "defiliq-pools"
VERSION: Final = 1
MAX_BYTES: Final = 64 << 20
MAX_POOLS: Final = 64
MAX_DECIMALS: Final = 36
_INTEGER: Final = re.compile(r"-?[0-9]{1,80}")

Json: TypeAlias = Mapping[str, Any]


def save_pools(pools: Sequence[Pool], block: Block, path: str | Path) -> Path:
    """Write pools that were read at one block, whole or not at all; loaded ones are equal to them."""
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    document = {
        "format": FORMAT,
        "version": VERSION,
        "block": {
            "chain_id": block.chain_id,
            "number": block.number,
            "hash": block.hash,
            "timestamp": block.timestamp,
        },
        "pools": [_pool_json(pool) for pool in pools],
    }
    try:
        beside.write_bytes(orjson.dumps(document) + b"\n")
        beside.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}. Choose another file.") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return target


def load_pools(path: str | Path) -> tuple[Block, tuple[Pool, ...]]:
    """The pools of a file and the block they were read at; BadFile where it is damaged or none."""
    target = Path(path)
    try:
        if target.stat().st_size > MAX_BYTES:
            raise BadFile(str(path), f"it is larger than {MAX_BYTES >> 20} MB")
        document = orjson.loads(target.read_bytes())
    except OSError as error:
        raise BadFile(str(path), error.strerror or "it cannot be read") from None
    except ValueError:
        raise BadFile(str(path), "it is not JSON") from None
    try:
        return _decoded(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise BadFile(str(path), f"it holds no sound pools: {what}") from None


def _decoded(document: Json) -> tuple[Block, tuple[Pool, ...]]:
    if document["format"] != FORMAT or document["version"] != VERSION:
        raise ValueError(f"it is not of format {FORMAT}, version {VERSION}")
    entries = document["pools"]
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_POOLS:
        raise ValueError(f"it should list 1 to {MAX_POOLS} pools")
    block = document["block"]
    numbers = [_int(block[name]) for name in ("chain_id", "number", "timestamp")]
    if min(numbers) < 0:
        raise ValueError("its block has a number below 0")
    chain_id, number, timestamp = numbers
    pools = tuple(_pool(entry) for entry in entries)
    addresses = [pool.address.casefold() for pool in pools if pool.address]
    if len(set(addresses)) < len(addresses):
        raise ValueError("a pool is there twice")
    return Block(chain_id, number, _text(block["hash"]), timestamp), pools


def _pool_json(pool: Pool) -> dict[str, Any]:
    shared = {
        "name": pool.name,
        "address": pool.address,
        "base": pool.base._asdict(),
        "quote": pool.quote._asdict(),
        "fee_pips": pool.fee_pips,
    }
    if isinstance(pool, PoolV2):
        reserves = {"base_reserve": str(pool.base_reserve), "quote_reserve": str(pool.quote_reserve)}
        return {"kind": "v2", **shared, **reserves}
    return {
        "kind": "v3",
        **shared,
        "base_is_token0": pool.base_is_token0,
        "sqrt_price_x96": str(pool.sqrt_price_x96),
        "tick": pool.tick,
        "liquidity": str(pool.liquidity),
        "tick_spacing": pool.tick_spacing,
        "ticks": [[tick, str(net)] for tick, net in zip(pool.ticks, pool.liquidity_net, strict=True)],
    }


def _pool(entry: Json) -> Pool:
    base, quote = _token(entry["base"]), _token(entry["quote"])
    if base == quote:
        raise ValueError("both tokens of a pool are the same")
    name, address, fee_pips = _text(entry["name"]), _text(entry["address"]), _int(entry["fee_pips"])
    if entry["kind"] == "v2":
        reserves = _int(entry["base_reserve"]), _int(entry["quote_reserve"])
        return PoolV2(name, base, quote, *reserves, fee_pips, address)
    if entry["kind"] != "v3":
        raise ValueError("a pool is of no known kind")
    base_is_token0 = entry["base_is_token0"]
    if not isinstance(base_is_token0, bool):
        raise TypeError("base_is_token0 is neither true nor false")
    ticks = [(_int(tick), _int(net)) for tick, net in entry["ticks"]]
    if len({tick for tick, _ in ticks}) != len(ticks):
        raise ValueError("a tick is there twice")
    return pool_v3(
        name,
        (base, quote) if base_is_token0 else (quote, base),
        base,
        sqrt_price_x96=_int(entry["sqrt_price_x96"]),
        tick=_int(entry["tick"]),
        liquidity=_int(entry["liquidity"]),
        fee_pips=fee_pips,
        tick_spacing=_int(entry["tick_spacing"]),
        ticks=dict(ticks),
        address=address,
    )


def _token(entry: Json) -> Token:
    decimals = _int(entry["decimals"])
    if not 0 <= decimals <= MAX_DECIMALS:
        raise ValueError(f"a token has {decimals} decimals")
    return Token(_text(entry["symbol"]), decimals, _text(entry["address"]))


def _int(value: object) -> int:
    """An integer, written as a number or as a text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    raise ValueError(f"{str(value)[:40]!r} is no integer")


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise ValueError(f"{str(value)[:40]!r} is no name")
    return value
