"""Where the lab keeps what it fetched and built: outside git, safe for two runs at once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]


class LabError(Exception):
    """The lab cannot be set up or run: one line saying what was seen and what to do."""


def cache_dir() -> Path:
    """The cache folder, made if absent: DEFILIQ_LAB_CACHE, else `.cache/lab` in the project."""
    chosen = os.environ.get("DEFILIQ_LAB_CACHE")
    folder = PROJECT_ROOT / ".cache" / "lab" if chosen is None else Path(chosen)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold one named lock of the cache, so that a second run waits and then finds the work done."""
    with (cache_dir() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that it is seen whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    draft.write_bytes(content)
    draft.replace(path)
