"""Compile Solidity with npm's solc, once: the answer is kept under a hash of all that went in."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.cache import LabError, cache_dir, locked, write_atomic
from tests.lab.contract import Artifact
from tests.lab.packages import node_modules

HERE = Path(__file__).parent
OUTPUTS = ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences"]
IMPORT = re.compile(r"""^\s*import\s+(?:[^'";]*?from\s+)?["']([^"']+)["']""", re.MULTILINE)


def aave_v36() -> dict[str, Artifact]:
    """Every contract of an Aave v3.6 market, by name. The first time takes some 20 seconds."""
    recipe: dict[str, Any] = json.loads((HERE / "compile_aave_v36.json").read_text())
    modules = node_modules()
    roots = {prefix: modules / folder for prefix, folder in recipe["remappings"].items()}
    roots[""] = modules / recipe["root"]
    return _compiled("aave-v3.6", recipe["entries"], roots, recipe["settings"])


def own() -> dict[str, Artifact]:
    """The lab's own feeds, price adapters and prober, by name."""
    settings = {"optimizer": {"enabled": True, "runs": 200}, "evmVersion": "shanghai"}
    folder = HERE / "solidity"
    entries = sorted(path.name for path in folder.glob("*.sol"))
    return _compiled("own", entries, {"": folder}, settings)


def _compiled(
    name: str, entries: Sequence[str], roots: Mapping[str, Path], settings: Mapping[str, object]
) -> dict[str, Artifact]:
    selection = {entry: {"*": OUTPUTS} for entry in entries}
    standard = json.dumps(
        {
            "language": "Solidity",
            "sources": _sources(entries, roots),
            "settings": {**settings, "outputSelection": selection},
        },
        sort_keys=True,
    ).encode()
    solc = node_modules() / "solc" / "soljson.js"
    key = hashlib.sha256(standard + (solc.parent / "package.json").read_bytes()).hexdigest()[:16]
    path = cache_dir() / "artifacts" / f"{name}-{key}.json"
    if not path.is_file():
        with locked(f"compile-{name}"):
            if not path.is_file():
                write_atomic(path, json.dumps(_run(solc, standard)).encode())
    return {contract: Artifact.of(entry) for contract, entry in json.loads(path.read_bytes()).items()}


def _sources(entries: Sequence[str], roots: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Every file that the entries reach, under the names that imports give them."""
    found: dict[str, dict[str, str]] = {}
    waiting = list(entries)
    prefixes = sorted(roots, key=len, reverse=True)
    while waiting:
        unit = waiting.pop()
        if unit in found:
            continue
        prefix = next(prefix for prefix in prefixes if unit.startswith(prefix))
        text = (roots[prefix] / unit.removeprefix(prefix)).read_text()
        found[unit] = {"content": text}
        for path in IMPORT.findall(text):
            inside = path.startswith(".")
            waiting.append(
                posixpath.normpath(posixpath.join(posixpath.dirname(unit), path)) if inside else path
            )
    return found


def _run(solc: Path, standard: bytes) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        raise LabError("node is missing: install Node.js 18 or newer")
    command = [node, str(HERE / "compile.js"), str(solc)]
    done = subprocess.run(command, input=standard, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode().strip().splitlines()
        raise LabError(f"the Solidity compiler did not run: {said[-1] if said else done.returncode}")
    answer = json.loads(done.stdout)
    wrong = [entry["formattedMessage"] for entry in answer.get("errors", []) if entry["severity"] == "error"]
    if wrong:
        raise LabError(f"the Solidity compiler refused: {wrong[0]}")
    return {
        name: {
            "abi": contract["abi"],
            "bytecode": contract["evm"]["bytecode"]["object"],
            "linkReferences": contract["evm"]["bytecode"]["linkReferences"],
        }
        for contracts in answer["contracts"].values()
        for name, contract in contracts.items()
    }
