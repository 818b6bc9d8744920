"""Exchanges read side by side: one that fails stops no other, and what is estimated is told whole."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from defiliq.cex.history import VenueData
from defiliq.cex.margin import distance_factors
from defiliq.cex.priors import LOW, MID
from defiliq.cex.tiers import Tier, TierTable, bundled_tiers, load_tiers
from defiliq.errors import (
    BadFile,
    InputError,
    NoSuchContract,
    NoVenueAnswers,
    UnknownTiers,
    VenueRefused,
)
from defiliq.pipeline.cex_files import load_sample, load_venue_tiers, load_venues, save_venues
from defiliq.pipeline.cex_tiers import tiers_as_json, tiers_from_json
from defiliq.pipeline.exchanges import (
    Assumptions,
    Exchanges,
    chosen,
    estimate_of,
    estimates,
    factors_of,
    over_time_of,
    read_exchanges,
    tiers_of,
)
from tests.cex.stub import Fault, Urls, stub
from tests.cli.cex_stage import (
    INTO_S,
    NOW,
    SPAN_S,
    STEP_S,
    VENUES,
    WORLDS,
    Clock,
    config_for,
    tiers_at,
    world,
)


def read(urls: Urls, venues: tuple[str, ...] = VENUES, asset: str = "BTC", **options: object) -> Exchanges:
    return read_exchanges(
        asset,
        venues,
        since_at=NOW + INTO_S - SPAN_S,
        until_at=NOW + INTO_S,
        step_s=STEP_S,
        config=config_for(urls, Clock()),
        **options,  # type: ignore[arg-type]
    )


def test_each_exchange_is_read_in_the_order_asked_for_with_its_tiers() -> None:
    done: list[tuple[int, int]] = []
    with stub(WORLDS, Clock().now_ms) as urls:
        found = read(urls, ("okx", "binance"), on_progress=lambda k, total, _: done.append((k, total)))
        assert [one.history.instrument.venue for one in found.data] == ["okx", "binance"]
        assert found.tiers == {key: table for key, table in tiers_at(urls).items() if key[0] == "okx"}
        assert found.missing == ()
        assert done[-1] == (2, 2)
        urls.heal()
        again = read(urls, tiers=found.tiers)
        assert [path for _, path, _ in urls.asked if "position-tiers" in path] == []
        assert again.tiers == tiers_at(urls), "Bybit's were not known yet"


def test_those_that_fail_are_missing_and_if_all_do_the_error_names_each() -> None:
    with stub([WORLDS[0]], Clock().now_ms) as urls:
        found = read(urls)
        assert [(one.name, type(one.error)) for one in found.missing] == [
            ("bybit", NoSuchContract),
            ("okx", NoSuchContract),
        ]
        with pytest.raises(NoSuchContract):
            read(urls, ("bybit", "okx"))
        urls.fail("binance", Fault(status=451))
        with pytest.raises(VenueRefused):
            read(urls, ("binance",))
        with pytest.raises(NoVenueAnswers) as raised:
            read(urls)
    assert raised.value.venue == "binance, bybit, okx"
    assert [type(one) for one in raised.value.failures] == [VenueRefused, NoSuchContract, NoSuchContract]
    assert raised.value.exit_code == 1


def test_tiers_that_cannot_be_read_now_are_missing_and_the_bundled_ones_stand_in() -> None:
    with stub(WORLDS, Clock().now_ms) as urls:
        urls.fail("okx", Fault(path="position-tiers", status=502))
        found = read(urls, ("okx",))
    assert [one.name for one in found.missing] == ["the margin tiers of okx as they are now"]
    assert tiers_of(found.data[0].history.instrument, Assumptions(tiers=found.tiers)) == (
        load_tiers("okx", "BTC"),
        (),
    )


def unpriced(one: VenueData) -> VenueData:
    """No open interest is known, and it says why."""
    unknown = np.full(len(one.history), np.nan)
    name = f"{one.history.instrument.venue} {one.history.instrument.symbol}"
    faults = (f"{name}: no open interest: the venue is asleep.",)
    return replace(one, history=replace(one.history, open_interest=unknown, faults=faults))


def test_a_contract_that_allows_no_estimate_says_why() -> None:
    made, without = estimates([WORLDS[0], unpriced(WORLDS[2])])
    assert [one.instrument.venue for one in made] == ["binance"]
    assert [one.name for one in without] == ["okx BTC/USDT:USDT"]
    assert str(without[0].error).endswith("no open interest. no open interest: the venue is asleep.")
    with pytest.raises(InputError, match="the venue is asleep"):
        estimates([unpriced(WORLDS[2])])
    with pytest.raises(UnknownTiers):
        estimates([world("okx", "DOGE/USDT:USDT")])


def test_the_way_there_is_of_the_middle_prior_and_ends_where_the_estimate_stands() -> None:
    history = WORLDS[0].history
    way = over_time_of(history, Assumptions(priors=(MID, LOW)))
    there = estimate_of(history, Assumptions(priors=(MID,)))
    assert way.at[-1] == there.at
    assert way.long_usd[-1].sum() == pytest.approx(there.long_usd[0].sum())


def test_futures_that_end_take_the_perpetuals_tiers_which_is_a_fault() -> None:
    dated = next(one for one in load_sample("BTC") if one.history.instrument.expires_at is not None)
    tiers, fault = tiers_of(dated.history.instrument, Assumptions())
    assert tiers == load_tiers("binance", "BTC")
    assert "those of the perpetual stand in" in fault[0]
    instrument = dated.history.instrument
    own = replace(tiers, symbol=instrument.symbol)
    assert tiers_of(instrument, Assumptions(tiers={("binance", instrument.symbol): own})) == (own, ())


def test_what_is_chosen_of_what_was_read_before() -> None:
    held = load_sample("BTC")
    found = chosen("btc", held, ("okx", "binance"), "linear", "here")
    assert [one.history.instrument.venue for one in found.data] == ["binance", "okx"]
    assert found.missing == ()
    both = chosen("BTC", held, VENUES, "quarterly", "here")
    assert [one.name for one in both.missing] == ["bybit", "okx"]
    with pytest.raises(InputError, match=r"there is no DOGE in here. There is: BTC."):
        chosen("DOGE", held, VENUES, "linear", "here")
    with pytest.raises(InputError, match=r"no inverse contract of BTC of okx in here. There is: binance BTC"):
        chosen("BTC", held, ("okx",), "inverse", "here")
    with pytest.raises(InputError, match="is in here more than once"):
        chosen("BTC", [*held, held[0]], VENUES, "all", "here")
    with pytest.raises(InputError, match="There is: nothing"):
        chosen("BTC", [], VENUES, "all", "here")


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx", "hyperliquid"])
def test_tiers_come_back_from_a_file_as_they_were(tmp_path: Path, venue: str) -> None:
    """All that are bundled: with and without deductions, in dollars, coins and contracts, open at the end."""
    tables = [*bundled_tiers(venue).values(), *bundled_tiers("bybit").values()]
    kept = save_venues([WORLDS[0]], tmp_path / "kept.parquet", source="x", made_at=0, tiers=tables)
    assert load_venue_tiers(kept) == {(table.venue, table.symbol): table for table in tables}
    assert len(load_venues(kept)) == 1
    bare = save_venues([WORLDS[0]], tmp_path / "bare.parquet", source="x", made_at=0)
    assert load_venue_tiers(bare) == {}


def test_tiers_of_somebodys_file_are_not_trusted(tmp_path: Path) -> None:
    tier = Tier(Fraction(0), None, Fraction(1, 3), Fraction(2), Fraction(0))
    table = TierTable("okx", "BTC/USDT:USDT", "USDT", "2026", "a test", (tier,))
    told = tiers_as_json([table])
    assert tiers_from_json(told, "it") == {("okx", "BTC/USDT:USDT"): table}
    told[0]["tables"]["BTC/USDT:USDT"]["tiers"][0][2] = "4/3"
    with pytest.raises(BadFile, match="not within 0 and 1"):
        tiers_from_json(told, "it")
    wrongs: tuple[object, ...] = ({}, [1], [{"tables": 3}], [[]])
    for wrong in wrongs:
        with pytest.raises(BadFile):
            tiers_from_json(wrong, "it")
    text = tmp_path / "text.parquet"
    text.write_text("none")
    with pytest.raises(BadFile, match="cannot be read"):
        load_venue_tiers(text)


def test_tiers_that_count_contracts_are_chosen_at_the_last_price() -> None:
    """At another price the same dollars are more contracts, of a tier that allows less leverage."""
    history = next(
        one.history
        for one in load_sample("BTC")
        if one.history.instrument.symbol == "BTC/USDT:USDT" and one.history.instrument.venue == "okx"
    )
    tiers = load_tiers("okx", "BTC")
    found = factors_of(history, MID, tiers, Assumptions())
    for price, is_same in ((float(history.close_usd[-1]), True), (1.0, False)):
        longs = distance_factors("okx", "long", MID.leverages, MID.position_usd, tiers, entry_usd=price)
        shorts = distance_factors("okx", "short", MID.leverages, MID.position_usd, tiers, entry_usd=price)
        assert np.array_equal(found.long, longs, equal_nan=True) == is_same
        assert np.array_equal(found.short, shorts, equal_nan=True) == is_same
