"""Books written to a file and read back: what a protocol could have made is loaded, all else refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from defiliq.book import Book
from defiliq.errors import BadFile
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.types import Account, Market


@dataclass(frozen=True)
class Reloading:
    """A folder for the file, and the account that a book holds where no others are named."""

    folder: Path
    plain: Account

    def loaded(self, market: Market, accounts: Sequence[Account] = ()) -> Book[Any]:
        book = Book.build(market, accounts or [self.plain])
        return load_snapshot(save_snapshot(book, self.folder / "book.parquet"))

    def refused(self, market: Market, accounts: Sequence[Account] = ()) -> str:
        """Why, in one line."""
        with pytest.raises(BadFile) as caught:
            self.loaded(market, accounts)
        assert "\n" not in str(caught.value)
        return str(caught.value)
