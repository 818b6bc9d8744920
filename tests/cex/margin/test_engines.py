"""What venues do is told of the venues whose prices are computed."""

from __future__ import annotations

from dataclasses import astuple

from defiliq.cex.margin import ENGINES, RULES


def test_every_venue_with_a_rule_has_its_engine_told() -> None:
    assert list(ENGINES) == list(RULES)
    for venue, engine in ENGINES.items():
        assert engine.venue == venue
        assert all(len(words) > 20 for words in astuple(engine)[1:])


def test_the_trigger_is_the_price_at_which_the_rule_values() -> None:
    """Bybit values at entry, and still liquidates by the mark price: no venue goes by its last trade."""
    assert all(
        "mark price" in engine.trigger or "oracle price" in engine.trigger for engine in ENGINES.values()
    )
