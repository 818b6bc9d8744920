"""The trimmed ABI files, as signatures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ABIS = Path(__file__).parents[1] / "abis"


@dataclass(frozen=True)
class AbiFolder:
    """The files of one protocol."""

    protocol: str

    def names(self) -> set[str]:
        """The contracts, as their files are called."""
        return {path.stem for path in (ABIS / self.protocol).glob("*.json")}

    def entries(self, contract: str) -> dict[str, Any]:
        """Its functions and events by signature."""
        found = json.loads((ABIS / self.protocol / f"{contract}.json").read_text())
        return {f"{each['name']}({','.join(map(kind, each['inputs']))})": each for each in found}


def kind(parameter: Mapping[str, Any]) -> str:
    """The canonical type of one parameter."""
    if not parameter["type"].startswith("tuple"):
        return str(parameter["type"])
    return f"({','.join(map(kind, parameter['components']))}){parameter['type'][5:]}"


def word_count(parameter: Mapping[str, Any]) -> int:
    """How many words a parameter of fixed size has."""
    return sum(map(word_count, parameter.get("components", ()))) or 1
