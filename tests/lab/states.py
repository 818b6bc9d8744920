"""A chain that is built once: its state is kept in the cache, and every start brings a fresh node to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.cache import cache_dir, locked, write_atomic
from tests.lab.chain import Chain, install_multicall3
from tests.lab.node import Anvil
from tests.lab.packages import anvil, node_modules

HERE = Path(__file__).parent
COMMON = (
    "chain.py",
    "compile.js",
    "compile.py",
    "contract.py",
    "node.py",
    "packages.json",
    "packages.py",
    "states.py",
)
"""What shapes every chain."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one chain comes to be."""

    name: str
    """What it is and how large: "v3.6-300-7"."""
    sources: tuple[str, ...]
    """Files of this folder, besides the common ones, whose change makes another chain."""
    build: Callable[[Chain], Mapping[str, Any]]
    """Sends everything; answers with what a later start must know: the addresses, fit for JSON."""


def start(recipe: Recipe, port: int | None) -> tuple[Anvil, Chain, dict[str, Any]]:
    """A node with the chain, and what was kept about it; from the cache where it was built before.

    A loaded node answers calls at no block older than the one it loaded: mine what must be answerable.
    """
    path = _path(recipe)
    if not path.is_file():
        with locked(recipe.name):
            if not path.is_file():
                _build(recipe, path)
    kept: dict[str, Any] = json.loads(path.read_bytes())
    node = Anvil(anvil(), port=port)
    try:
        node.rpc("anvil_loadState", kept["state"])
        return node, Chain(node.rpc), kept["market"]
    except BaseException:
        node.stop()
        raise


def _build(recipe: Recipe, path: Path) -> None:
    with Anvil(anvil()) as node:
        chain = Chain(node.rpc)
        install_multicall3(chain, node_modules())
        market = recipe.build(chain)
        state = node.rpc("anvil_dumpState")
    for old in path.parent.glob(f"{recipe.name}-*"):
        old.unlink(missing_ok=True)
    write_atomic(path, json.dumps({"state": state, "market": market}).encode())


def _path(recipe: Recipe) -> Path:
    """Where a built state lies; the name changes with every source that shapes it."""
    digest = hashlib.sha256()
    for source in sorted({*COMMON, *recipe.sources}):
        digest.update((HERE / source).read_bytes())
    return cache_dir() / "states" / f"{recipe.name}-{digest.hexdigest()[:12]}.json"
