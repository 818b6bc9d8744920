"""Whether a book from a file is one that a pool could have made."""

from __future__ import annotations

from typing import Any

import numpy as np

from defiliq.book import Book


def unsound(book: Book[Any]) -> str:
    """Why no contract could have made a book, '' where nothing speaks against it."""
    if not {int(mode) for mode in np.unique(book.modes)} <= {0, *book.market.emodes}:
        return "an account uses an eMode that the market does not have"
    return ""
