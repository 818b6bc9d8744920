"""What is bundled of venues is whole, sourced and dated."""

from __future__ import annotations

import re

from defiliq.cex.differences import (
    DIFFERENCE_COLUMNS,
    difference_table,
    differences_of,
    venue_differences,
)


def test_every_venue_is_told_of_once_with_date_and_source() -> None:
    found = venue_differences()
    assert [one.venue for one in found] == ["binance", "bybit", "okx", "dydx", "hyperliquid"]
    for one in found:
        assert re.fullmatch(r"20\d\d-\d\d-\d\d|undated", one.as_of)
        assert one.sources
        assert all(source.startswith("https://") and " " not in source for source in one.sources)
        assert one.trigger_price in ("mark", "oracle")
        for text in (one.engine, one.partial_rule, one.insurance, one.key_feature):
            assert len(text) > 10
            assert not text.endswith(".")


def test_the_features_that_tell_them_apart() -> None:
    by_venue = {one.venue: one for one in venue_differences()}
    assert "Tiered partial" in by_venue["okx"].engine
    assert "insurance fund" in by_venue["binance"].key_feature
    assert "Auto-deleveraging" in by_venue["bybit"].key_feature
    assert by_venue["dydx"].engine.startswith("On chain")
    assert by_venue["dydx"].trigger_price == "oracle"


def test_those_of_some_venues() -> None:
    assert [one.venue for one in differences_of(["okx", "kraken", "binance", "okx"])] == ["okx", "binance"]
    table = difference_table(differences_of(["okx"]))
    assert list(table) == list(DIFFERENCE_COLUMNS)
    assert table["sources"][0].count("https://") == 3
    assert difference_table([]).empty
