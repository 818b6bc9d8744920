"""The dependency rule holds, and the checks that say so fail on a tree that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import (
    MAY_IMPORT,
    Source,
    broad_excepts,
    broken_imports,
    cycles,
    floats,
    sources,
    too_long,
)

ROOT = Path(__file__).parent.parent / "defiliq"
CHECKS: tuple[Callable[[list[Source]], list[str]], ...] = (
    broken_imports,
    cycles,
    floats,
    broad_excepts,
    too_long,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_defiliq_keeps_its_rules(check: Callable[[list[Source]], list[str]]) -> None:
    assert check(sources(ROOT)) == []


def test_every_room_of_the_table_exists() -> None:
    assert {source.room for source in sources(ROOT)} == set(MAY_IMPORT)


def tree(folder: Path, **files: str) -> list[Source]:
    """A package of files by dotted path with '__' for a slash: engine__solve="..." """
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return sources(folder)


@pytest.mark.parametrize(
    ("name", "text", "seen"),
    [
        ("engine__solve", "from defiliq.protocols import PROTOCOLS", "engine imports protocols"),
        ("engine__solve", "def f():\n    import defiliq.chain.evm", "engine imports chain"),
        (
            "ladder",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from defiliq.protocols import x",
            "ladder imports protocols",
        ),
        ("view__files", "from defiliq import pipeline", "view imports pipeline"),
        ("types", "from defiliq.book import Book", "types imports book"),
        ("engine__solve", "from . import screen", "relative import"),
        ("ladder", "import web3", "ladder imports web3"),
        ("engine__solve", "import scipy.optimize", "scipy, which has no room"),
        ("view__files", "import urllib.request", "view imports urllib"),
        ("somewhere", "from defiliq.types import Leg", "somewhere is not in the table"),
    ],
)
def test_a_forbidden_import_is_seen(tmp_path: Path, name: str, text: str, seen: str) -> None:
    files = {"pipeline": "", "book": "", "types": "", name: text}
    (line,) = broken_imports(tree(tmp_path, **files))
    assert seen in line


def test_an_allowed_import_is_not_seen(tmp_path: Path) -> None:
    text = (
        "import json\nimport numpy as np\nfrom defiliq.types import Leg\nfrom defiliq.engine.solve import x"
    )
    assert broken_imports(tree(tmp_path, engine__screen=text, engine__solve="")) == []


def test_a_cycle_is_seen_even_when_one_side_is_hidden_in_a_function(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        engine__a="from defiliq.engine import b",
        engine__b="def f():\n    from defiliq.engine.c import x",
        engine__c="from defiliq.engine.a import y",
        engine__d="import defiliq.engine.a",
    )
    assert cycles(found) == ["defiliq.engine.a", "defiliq.engine.b", "defiliq.engine.c"]


@pytest.mark.parametrize("line", ["x = 1 / 2", "x = 1.5", "x /= 2", "x = 1e18", "x = float(3)"])
def test_a_float_left_of_the_ladder_is_seen(tmp_path: Path, line: str) -> None:
    assert len(floats(tree(tmp_path / "left", protocols__p__rules=f"x = 1\n{line}"))) == 1
    assert floats(tree(tmp_path / "right", ladder=f"x = 1\n{line}")) == []


def test_only_the_named_functions_of_the_amounts_may_use_floats(tmp_path: Path) -> None:
    found = tree(tmp_path, amounts="def to_float():\n    return 1 / 2\ndef other():\n    return 1 / 2")
    assert floats(found) == ["amounts.py:4: float arithmetic"]


@pytest.mark.parametrize(
    ("handler", "broken"),
    [
        ("except:\n    pass", True),
        ("except Exception:\n    raise", True),
        ("except (ValueError, Exception) as e:\n    pass", True),
        ("except BaseException:\n    pass", True),
        ("except BaseException:\n    x = 1\n    raise", False),
        ("except ValueError:\n    pass", False),
    ],
)
def test_a_broad_except_is_seen(tmp_path: Path, handler: str, broken: bool) -> None:
    found = tree(tmp_path, chain__evm=f"try:\n    x = 1\n{handler}")
    assert bool(broad_excepts(found)) is broken


def test_long_files_and_functions_are_seen(tmp_path: Path) -> None:
    body = "\n".join(["    x = 1"] * 45)
    found = tree(tmp_path, ladder=f"def f():\n{body}\n" + "x = 1\n" * 310, book=f"def g():\n{body[:-10]}\n")
    assert too_long(found) == ["ladder.py: 356 lines", "ladder.py:1: f has 46 lines"]
