"""Texts of contracts: found in raw answers, and made safe to show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from defiliq.errors import CallReverted

MAX_TEXT_BYTES = 1024
"""Longer texts are cut before they are read: no symbol or label is a page."""
MAX_SHOWN = 32
MARKUP = frozenset("[]<>\"'`,;|=\\")
"""Characters that tables, spreadsheets or shells would take for more than text."""


def text_of(answer: bytes) -> bytes | None:
    """The bytes of an ABI string, or of a bytes32 as old tokens answer; None where it is neither."""
    if len(answer) == 32:
        return answer.rstrip(b"\0")
    return text_at(answer, int.from_bytes(answer[:32], "big"))


def text_at(answer: bytes, start: int) -> bytes | None:
    """The bytes of an ABI string that starts at byte `start`; None where it leaves the answer."""
    if start > len(answer) - 32:
        return None
    length = int.from_bytes(answer[start : start + 32], "big")
    if length > len(answer) - start - 32:
        return None
    return answer[start + 32 : start + 32 + min(length, MAX_TEXT_BYTES)]


def clean_text(raw: bytes | None, fallback: str, longest: int = MAX_SHOWN) -> str:
    """A contract's text made safe to show: printable, without markup or runs of space, bounded in length."""
    if raw is None:
        return fallback
    text = raw.decode("utf-8", errors="replace").replace("\N{REPLACEMENT CHARACTER}", "")
    kept = "".join(c if c.isprintable() and c not in MARKUP else " " for c in text)
    shown = " ".join(kept.split())[:longest].strip()
    return shown if shown else fallback


def symbol_of(answer: bytes | CallReverted, fallback: str) -> str:
    """A token's symbol, safe to show; `fallback` where it gives none."""
    return clean_text(None if isinstance(answer, CallReverted) else text_of(answer), fallback)


def unique_symbols(answers: Sequence[bytes | CallReverted], assets: Sequence[str]) -> tuple[str, ...]:
    """One symbol per asset; where several share one, each gets the start of its address."""
    names = [
        symbol_of(answer, f"{asset[:6]}..{asset[-4:]}") for answer, asset in zip(answers, assets, strict=True)
    ]
    shared = {name for name, times in Counter(names).items() if times > 1}
    suffixed = [
        f"{name}.{asset[2:10]}" if name in shared else name for name, asset in zip(names, assets, strict=True)
    ]
    # Addresses with a common start, or a symbol that imitates a suffixed one: the whole address decides.
    clashing = {name for name, times in Counter(suffixed).items() if times > 1}
    return tuple(
        f"{name}.{asset}" if name in clashing else name for name, asset in zip(suffixed, assets, strict=True)
    )
