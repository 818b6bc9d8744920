"""The names that `import defiliq` offers: complete, sorted, documented, cheap, and none of them a module."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import defiliq

SOURCE = ast.parse(Path(str(defiliq.__file__)).read_text(encoding="utf-8"))
IN_THE_SPEC = {
    "connect",
    "market",
    "market_from_file",
    "markets",
    "read",
    "health",
    "levels",
    "ladder",
    "position",
    "feeds",
    "verify",
    "save_snapshot",
    "load_snapshot",
}


def test_all_is_sorted_and_every_name_is_typed_and_found() -> None:
    assert sorted(defiliq.__all__) == defiliq.__all__
    assert set(defiliq.__all__) == set(defiliq._HOME)
    typed = {
        alias.name for node in ast.walk(SOURCE) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert set(defiliq.__all__) == typed - {"annotations", "import_module", "ModuleType", "TYPE_CHECKING"}
    assert set(defiliq.__all__) <= set(dir(defiliq))


def test_the_promised_names_are_there() -> None:
    assert set(defiliq.__all__) >= IN_THE_SPEC


@pytest.mark.parametrize("name", defiliq.__all__)
def test_every_name_is_documented_and_no_module(name: str) -> None:
    value = getattr(defiliq, name)
    assert not isinstance(value, ModuleType)
    assert callable(value)
    assert inspect.getdoc(value)


def test_typed_homes_are_the_real_ones() -> None:
    for node in ast.walk(SOURCE):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("defiliq."):
            for alias in node.names:
                assert defiliq._HOME[alias.name] == node.module.removeprefix("defiliq.")
                assert alias.asname == alias.name


def test_a_submodule_never_hides_the_function_of_its_name() -> None:
    code = "import defiliq.ladder; from defiliq.ladder import bin_ladder; print(defiliq.ladder.__module__)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "defiliq.pipeline.judge\n"


def test_importing_it_costs_nothing() -> None:
    code = "import sys, defiliq; print(sorted(name for name in sys.modules if name.startswith('defiliq.')))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        defiliq.nonsense  # noqa: B018


def public_functions(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    """Public functions, classes and methods of a module."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


def test_every_public_function_and_class_says_what_it_means() -> None:
    silent = []
    for path in sorted(Path(str(defiliq.__file__)).parent.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nested = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            or (isinstance(node, ast.ClassDef) and node.name.startswith("_"))
            for inner in ast.walk(node)
            if inner is not node
        }
        silent += [
            f"{path.name}:{node.lineno}: {node.name}"
            for node in public_functions(tree)
            if id(node) not in nested and ast.get_docstring(node) is None
        ]
    assert silent == []


def test_the_version_is_the_project_s() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert project["project"]["version"] == defiliq.__version__
