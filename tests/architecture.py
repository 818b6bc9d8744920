"""What the architecture test reads from source files: imports, cycles, float arithmetic, sizes."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "defiliq"
MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 45

BASE = {"errors", "units", "pricing", "types"}
EVERYTHING = {"*"}

MAY_IMPORT: Mapping[str, set[str]] = {
    "errors": set(),
    "units": set(),
    "pricing": {"errors", "units"},
    "types": {"errors", "units", "pricing"},
    "amounts": set(),
    "book": BASE | {"amounts"},
    "calls": BASE | {"amounts"},
    "chain": BASE,
    "oracle": BASE | {"chain"},
    "engine": BASE | {"amounts", "book", "calls"},
    "protocols": BASE | {"amounts", "book", "calls", "chain", "oracle"},
    "index": BASE | {"chain"},
    "ladder": BASE | {"book", "engine"},
    "depth": BASE | {"chain"},
    "model": BASE | {"amounts", "book", "calls", "depth", "engine", "ladder"},
    "cex": BASE | {"chain", "ladder", "model"},
    "mev": BASE | {"amounts", "book", "calls", "depth", "engine", "ladder", "model", "oracle"},
    "watch": BASE | {"book", "chain", "depth", "index", "ladder", "mev", "oracle", "protocols"},
    "view": BASE | {"cex", "depth", "ladder", "mev", "model", "watch"},
    "pipeline": EVERYTHING,
    "cli": EVERYTHING,
    "": EVERYTHING,
}
"""Room to the rooms it may import; '' is the package's own __init__."""

ONLY_IN: Mapping[str, set[str]] = {
    "web3": {"chain", "protocols", "oracle"},
    "eth_abi": {"chain", "protocols", "oracle"},
    "eth_typing": {"chain"},
    "eth_utils": {"chain", "protocols", "types"},
    "ccxt": {"cex/venues"},
    "requests": {"chain", "cex/providers", "watch/sinks"},
    "urllib3": {"chain", "cex/providers", "watch/sinks"},
    "websockets": {"chain"},
    "prometheus_client": {"watch"},
    "numpy": {
        "amounts",
        "book",
        "calls",
        "cex",
        "chain",
        "cli",
        "engine",
        "index",
        "ladder",
        "mev",
        "model",
        "pipeline",
        "protocols",
        "view",
        "watch",
    },
    "pandas": {"cex", "cli", "ladder", "mev", "model", "pipeline", "view", "watch"},
    "pyarrow": {"pipeline"},
    "orjson": {"cex", "chain", "depth", "pipeline", "view", "watch"},
    "click": {"cli"},
    "rich": {"cli", "view"},
    "platformdirs": {"cli"},
    "matplotlib": {"view"},
    "plotly": {"view"},
    "networkx": {"cli", "model", "oracle", "pipeline", "view"},
    "grpc": {"chain"},
    "v4_proto": {"chain", "protocols"},
    "google": {"chain", "protocols"},
    "http": {"chain", "watch"},
    "socket": {"chain", "watch/sinks"},
    "sqlite3": {"index", "watch"},
    "subprocess": set(),
    "urllib": {"chain", "cex/providers", "watch/sinks"},
}
"""What may be imported from outside, and where: in rooms, or in one folder of a room. Any other third party
is refused; so is a network module of the standard library outside of `chain`."""

EXACT_ROOMS = BASE | {"amounts", "book", "chain", "depth", "engine", "index", "oracle", "protocols"}
FLOAT_BY_DESIGN = {
    "amounts.py": {"to_float", "mul_div", "_wide_quotient"},
    "engine/screen.py": {"*"},
    "engine/lines.py": {"*"},
    "engine/bulk.py": {"*"},
    "engine/calls.py": {"*"},
    "engine/float_levels.py": {"*"},
    "engine/liquidate.py": {"*"},
    "engine/sums.py": {"*"},
    "protocols/aave_v3/calls.py": {"*"},
    "protocols/aave_v3/close_factor.py": {"*"},
    "protocols/aave_v3/margin.py": {"*"},
    "protocols/compound_v2/calls.py": {"*"},
    "protocols/compound_v2/margin.py": {"*"},
    "protocols/compound_v3/calls.py": {"*"},
    "protocols/compound_v3/margin.py": {"*"},
    "protocols/dydx_solo/calls.py": {"*"},
    "protocols/dydx_solo/margin.py": {"*"},
    "protocols/dydx_v4/calls.py": {"*"},
    "protocols/dydx_v4/margin.py": {"*"},
}
"""Where floats are what the file, or that function of it, is about: they screen and never decide."""


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed module."""

    path: str
    """Below the package, with slashes."""
    module: str
    tree: ast.Module
    lines: int

    @property
    def room(self) -> str:
        """The first folder or file below the package."""
        return self.path.split("/")[0].removesuffix(".py").replace("__init__", "")


def sources(root: Path) -> list[Source]:
    """Every module below the package folder `root`."""
    found = []
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        below = path.relative_to(root).as_posix()
        dotted = below.removesuffix(".py").replace("/", ".").removesuffix("__init__").rstrip(".")
        module = f"{PACKAGE}.{dotted}" if dotted else PACKAGE
        found.append(Source(below, module, ast.parse(text), text.count("\n")))
    return found


def imports(source: Source, modules: set[str]) -> Iterator[tuple[int, str]]:
    """(line, module) of every import: at the top, in functions, and for type checking only."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            for alias in node.names:
                below = f"{origin}.{alias.name}"
                yield node.lineno, below if below in modules else origin


def broken_imports(found: list[Source]) -> list[str]:
    """Imports that the two tables do not allow."""
    modules = {source.module for source in found}
    wrong = []
    for source in found:
        for line, target in imports(source, modules):
            reason = _refusal(source, target)
            if reason:
                wrong.append(f"{source.path}:{line}: {reason}")
    return wrong


def _refusal(source: Source, target: str) -> str:
    room = source.room
    if target.startswith("."):
        return "relative import"
    top, _, rest = target.partition(".")
    if top == PACKAGE:
        wanted = rest.split(".")[0]
        allowed = MAY_IMPORT.get(room)
        if allowed is None:
            return f"room {room} is not in the table"
        return (
            "" if wanted == room or wanted in allowed or allowed == EVERYTHING else f"{room} imports {wanted}"
        )
    if top in ONLY_IN:
        rooms = {room, source.path.rpartition("/")[0]}
        return "" if rooms & ONLY_IN[top] else f"{room} imports {top}"
    return "" if top in sys.stdlib_module_names else f"{room} imports {top}, which has no room"


def cycles(found: list[Source]) -> list[str]:
    """Modules that reach themselves by imports, of any kind."""
    modules = {source.module for source in found}
    edges = {
        source.module: {target for _, target in imports(source, modules) if target in modules}
        - {source.module}
        for source in found
    }
    return sorted(module for module in edges if module in _reach(module, edges))


def _reach(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += edges[module]
    return seen


def floats(found: list[Source]) -> list[str]:
    """Float literals, true divisions and calls of float() left of the ladder."""
    wrong = []
    for source in found:
        exempt = FLOAT_BY_DESIGN.get(source.path, set())
        if source.room not in EXACT_ROOMS or "*" in exempt:
            continue
        skipped = {
            id(inner)
            for node in ast.walk(source.tree)
            if isinstance(node, ast.FunctionDef) and node.name in exempt
            for inner in ast.walk(node)
        }
        wrong += [
            f"{source.path}:{getattr(node, 'lineno', 0)}: float arithmetic"
            for node in ast.walk(source.tree)
            if id(node) not in skipped and _is_float(node)
        ]
    return wrong


def _is_float(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    if isinstance(node, ast.BinOp | ast.AugAssign):
        return isinstance(node.op, ast.Div)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"


def broad_excepts(found: list[Source]) -> list[str]:
    """Handlers that catch everything, unless they raise it again."""
    return [
        f"{source.path}:{node.lineno}: broad except"
        for source in found
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _reraises(node)
    ]


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        name is None or (isinstance(name, ast.Name) and name.id in ("Exception", "BaseException"))
        for name in names
    )


def _reraises(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    is_base = isinstance(handler.type, ast.Name) and handler.type.id == "BaseException"
    return is_base and isinstance(last, ast.Raise) and last.exc is None


def too_long(found: list[Source]) -> list[str]:
    """Files and functions beyond what one reads in one go."""
    wrong = [f"{source.path}: {source.lines} lines" for source in found if source.lines > MAX_FILE_LINES]
    for source in found:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    wrong.append(f"{source.path}:{node.lineno}: {node.name} has {length} lines")
    return wrong
