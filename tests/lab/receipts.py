"""Logs of receipts as numbers."""

from __future__ import annotations


def words_of(data: str) -> list[int]:
    """The words of a log's data."""
    return [int(data[start : start + 64], 16) for start in range(2, len(data), 64)]
