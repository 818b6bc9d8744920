"""Output whose encoding lacks the characters that tables and pictures in text are drawn with."""

from __future__ import annotations

import codecs
import io
import sys

_NAME = "defiliq"
_STRICT = ("strict", "surrogateescape")
"""What Python does by itself, the second where the locale is C; whoever asked for another way has it."""
_LOOK_ALIKES = {
    **dict.fromkeys("█▉▊▋▌▍▎▏", "#"),
    **dict.fromkeys("▓▒", "="),
    **dict.fromkeys("░─━╴╶—", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("►»→", ">"),
    "◆": "*",
    "⋮": ":",
    "…": "~",
}
"""One for one, so that columns stay columns; the two sides of a heatmap stay apart."""


def write_what_fits() -> None:
    """Let stdout write ASCII where its encoding lacks a character, as that of an old terminal or a pipe may.

    Python would end with a traceback. What is drawn here has a look-alike; anything else, a token's name for
    one, is written as its number (\\u2615), so that data stay whole.
    """
    codecs.register_error(_NAME, _look_alike)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in _STRICT:
        sys.stdout.reconfigure(errors=_NAME)


def _look_alike(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    written = (
        _LOOK_ALIKES.get(char) or char.encode("ascii", "backslashreplace").decode() for char in lacking
    )
    return "".join(written), error.end
