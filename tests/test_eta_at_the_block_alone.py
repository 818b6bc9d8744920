"""Accounts with a reserve that is known at the block alone: when interest breaks them is not told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import defiliq
from defiliq.book import Book
from defiliq.errors import BadFile, NoLaterTime
from defiliq.pipeline.eta import with_eta
from defiliq.pipeline.position import position_json
from defiliq.protocols.compound_v2 import CompoundMarket
from defiliq.units import WAD
from tests.builders import NOW, address
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner

SAFE, BROKEN, PLAIN = (address(k) for k in (1, 2, 3))


@pytest.fixture
def there() -> Book[CompoundMarket]:
    own = ctoken(
        *(0, "DAI"),
        accrues_plainly=False,
        exchange_rate_at_block_wad=2 * WAD,
        borrow_index_at_block_wad=3 * WAD,
    )
    market = comptroller([own, ctoken(1, "B")], [WAD, WAD]).at_time(NOW)
    legs = {
        SAFE: holds(0, 100 * WAD, 40 * WAD),
        BROKEN: holds(0, 100 * WAD, 60 * WAD),
        PLAIN: holds(1, 100 * WAD, 40 * WAD),
    }
    return Book.build(market, [replace(owner(leg), owner=name) for name, leg in legs.items()])


def test_a_later_time_is_refused_in_words(there: Book[CompoundMarket]) -> None:
    with pytest.raises(NoLaterTime, match=r"DAI .* in its own way. Leave out --at"):
        defiliq.at_time(there, NOW + 60)


def test_a_snapshot_of_a_later_time_is_no_whole_one(there: Book[CompoundMarket], tmp_path: Path) -> None:
    path = tmp_path / "later.parquet"
    defiliq.save_snapshot(replace(there, market=replace(there.market, timestamp=NOW + 60)), path)
    with pytest.raises(BadFile, match="judged after its block, where DAI accrues in its own way"):
        defiliq.load_snapshot(path)


def test_those_that_are_not_known_are_named(there: Book[CompoundMarket]) -> None:
    table = defiliq.eta(there)
    assert dict(zip(table["account"], table["outcome"], strict=True)) == {BROKEN: "already", PLAIN: "never"}
    assert (table.attrs["unknown"], table.attrs["unresolved"]) == ([SAFE], [])


def test_a_ladder_leaves_theirs_empty(there: Book[CompoundMarket]) -> None:
    rungs = with_eta(defiliq.ladder(there, include_never=True), there)
    assert rungs.loc[rungs["account"] == SAFE, "eta_at"].isna().all()
    assert rungs.attrs["unknown_eta"] == [SAFE]


def test_a_position_is_explained_without_it(there: Book[CompoundMarket]) -> None:
    found = defiliq.position(there, SAFE)
    assert (found.eta, found.is_eta_unknown) == (None, True)
    about = json.loads(position_json(found))
    assert about["eta"] is None
    assert not about["health"]["liquidatable"]
    assert not defiliq.position(there, PLAIN).is_eta_unknown
