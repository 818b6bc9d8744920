"""The root of the tree."""

from __future__ import annotations


class DefiliqError(Exception):
    """Base of all expected errors."""

    exit_code = 1
