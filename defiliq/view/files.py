"""Tables as CSV, Parquet, JSON and Markdown; the suffix of a file's name chooses."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from defiliq.errors import InputError


def render_csv(table: pd.DataFrame) -> str:
    """Comma-separated rows; truth is written true or false, absence is empty, floats round-trip."""
    return str(_lower_truth(table).to_csv(index=False, lineterminator="\n"))


def render_json(table: pd.DataFrame) -> str:
    """One JSON object per row, in an array, one row per line; absence is null."""
    lines = _json_objects(table)
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def render_json_lines(table: pd.DataFrame) -> str:
    """The same objects, a line each, without an array around them: for tables that go on."""
    return "".join(f"{line}\n" for line in _json_objects(table))


def _json_objects(table: pd.DataFrame) -> list[str]:
    import orjson

    rows = table.astype(object).where(table.notna(), None).to_dict(orient="records")
    return [orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY).decode() for row in rows]


def render_markdown(table: pd.DataFrame) -> str:
    """A pipe table; a '|' inside a cell is escaped."""
    shown = _lower_truth(table).astype(object).where(table.notna(), "")
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    for row in shown.itertuples(index=False):
        cells = [" ".join(str(cell).replace("|", "\\|").splitlines()) for cell in row]
        lines += ["| " + " | ".join(cells) + " |"]
    return "\n".join(lines) + "\n"


def write_table(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a table in the format of the path's suffix, whole or not at all."""
    target = Path(path)
    write = _WRITERS.get(table_format(target))
    if write is None:
        raise InputError(f"cannot write {target}: unknown format. Use {', '.join(_WRITERS)}.")
    replace_file(target, lambda beside: write(table, beside))
    return target


def table_format(path: str | Path) -> str:
    """The suffix that names a format, in lower case."""
    return Path(path).suffix.lower()


def replace_file(target: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `target`, then put it in the target's place.

    A reader never sees half a file, and an interrupted run leaves the old one as it was.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}. Choose another --output.") from None
    os.close(handle)
    beside = Path(name)
    try:
        write(beside)
        beside.chmod(0o666 & ~_umask())
        beside.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}. Choose another --output.") from None
    finally:
        beside.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _lower_truth(table: pd.DataFrame) -> pd.DataFrame:
    truths = table.select_dtypes(["bool", "boolean"]).columns
    return table.assign(**{column: table[column].map({True: "true", False: "false"}) for column in truths})


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, engine="pyarrow", compression="zstd", index=False)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".csv": lambda table, path: path.write_text(render_csv(table), encoding="utf-8"),
    ".parquet": _write_parquet,
    ".json": lambda table, path: path.write_text(render_json(table), encoding="utf-8"),
    ".md": lambda table, path: path.write_text(render_markdown(table), encoding="utf-8"),
}
