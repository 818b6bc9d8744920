"""When whole books break by interest alone, as tables."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import defiliq
from defiliq.engine import eta as engine
from defiliq.errors import InputError
from defiliq.ladder import ETA_COLUMNS, LADDER_COLUMNS
from defiliq.pipeline.eta import DEFAULT_HORIZON_S, YEAR_S, find_etas, with_eta
from defiliq.pipeline.position import position_json
from defiliq.protocols.aave_v3 import rule
from defiliq.types import Account, Leg, StableDebt
from defiliq.units import RAY
from tests.builders import NOW, account, address, book, graph_market, market

RATES = {
    "WETH": {"variable_borrow_rate_ray": RAY // 40},
    "USDC": {"liquidity_rate_ray": RAY // 25, "variable_borrow_rate_ray": RAY // 20},
    "DAI": {"variable_borrow_rate_ray": RAY // 15},
}


def test_one_row_per_account_with_the_instant_or_nothing() -> None:
    there = market(reserves=RATES)
    table = defiliq.eta(book(at=there))
    assert list(table.columns) == list(ETA_COLUMNS)
    assert table["account"].tolist() == [address(k) for k in range(1, 9)]
    assert table["outcome"].tolist() == [
        *("time", "never", "already", "never", "never", "time", "never", "time"),
    ]
    assert table["eta_s"].isna().tolist() == (table["outcome"] == "never").tolist()
    assert table["eta_at"].dtype == table["eta_s"].dtype == "Int64"
    assert table["eta_s"].tolist()[2] == 0
    assert (table["eta_at"] - table["eta_s"]).dropna().unique().tolist() == [NOW]
    accounts = book(at=there)
    for row, at in enumerate(table["eta_at"]):
        if at is not pd.NA and at > NOW:
            for second, expected in ((int(at), True), (int(at) - 1, False)):
                moved = there.at_time(second)
                assert rule(accounts.account(row), moved).liquidatable(moved.prices) is expected


def test_it_starts_where_interest_is_accrued_to() -> None:
    """Later by a day, every instant is the same and lies nearer by a day."""
    today = book(at=market(reserves=RATES))
    tomorrow = defiliq.at_time(today, NOW + 86_400)
    one, other = defiliq.eta(today), defiliq.eta(tomorrow)
    timed = one["outcome"] == "time"
    assert timed.any()
    assert one["eta_at"][timed].tolist() == other["eta_at"][timed].tolist()
    assert (one["eta_s"] - other["eta_s"])[timed].tolist() == [86_400] * int(timed.sum())
    assert set(other["evaluated_at"]) == {NOW + 86_400}


def test_a_later_instant_grows_caps_too() -> None:
    """weETH is held by its cap at the block: a day later it stands higher, and so does what breaks whom."""
    there = book([], graph_market())
    later = defiliq.at_time(there, NOW + 86_400)
    moved = {
        feed.name
        for feed, one, other in zip(there.market.feeds, there.market.prices, later.market.prices, strict=True)
        if other != one
    }
    assert moved == {"weETH", "PT-sUSDe"}
    assert all(other >= one for one, other in zip(there.market.prices, later.market.prices, strict=True))


def test_a_horizon_cuts_what_lies_beyond() -> None:
    there = book(at=market(reserves=RATES))
    seconds = defiliq.eta(there)["eta_s"].dropna()
    furthest = int(seconds.max())
    assert defiliq.eta(there, furthest)["eta_s"].max() == furthest
    assert (defiliq.eta(there, furthest - 1)["eta_s"].dropna() < furthest).all()
    with pytest.raises(InputError, match="in the past"):
        defiliq.eta(there, -1)


def test_who_owes_nothing_is_not_even_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    stable = StableDebt(100, RAY // 10, NOW)
    owing = Account(address(9), 0, (Leg(0, 0, 0, False, stable),))
    there = book([account(1, WETH=(1, 0)), owing, account(2, WETH=(1, 0), DAI=(0, 1))], market(revision=1))
    assert there.debtors.tolist() == [False, True, True]
    searched: list[int] = []
    find = engine.find_eta

    def watching(law: object, start: int, horizon_s: int) -> object:
        searched.append(start)
        return find(law, start, horizon_s)  # type: ignore[arg-type]

    monkeypatch.setattr("defiliq.pipeline.eta.find_eta", watching)
    assert sorted(find_etas(there).found) == [0, 1, 2]
    assert len(searched) == 2


def test_a_ladder_says_it_at_the_end_of_each_rung() -> None:
    there = book(at=market(reserves=RATES))
    rungs = defiliq.ladder(there, include_never=True)
    table = with_eta(rungs, there)
    assert list(table.columns) == [*LADDER_COLUMNS, "eta_at", "eta_s"]
    assert table.attrs["never"] == rungs.attrs["never"]
    assert table.attrs["unresolved_eta"] == []
    alone = defiliq.eta(there).set_index("account")
    for owner, at in zip(table["account"], table["eta_at"], strict=True):
        expected = alone.loc[owner, "eta_at"]
        assert (at is pd.NA and expected is pd.NA) or at == expected
    assert with_eta(rungs.iloc[:0], there).empty


def test_what_only_rounding_decides_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_LOOKS", 1)
    there = book(at=market(reserves=RATES))
    table = defiliq.eta(there)
    assert set(table["account"]) | set(table.attrs["unresolved"]) == {address(k) for k in range(1, 9)}
    assert address(1) in table.attrs["unresolved"]
    ladder = with_eta(defiliq.ladder(there), there)
    assert address(1) in ladder.attrs["unresolved_eta"]
    assert ladder.loc[ladder["account"] == address(1), "eta_at"].isna().all()
    about = json.loads(position_json(defiliq.position(there, address(1))))
    assert about["eta"] is None


def test_a_position_says_when_and_what_breaks_it_first() -> None:
    there = book(at=market(reserves=RATES))
    found = defiliq.position(there, address(6))
    distances = found.levels["distance_pct"].abs()
    priced = distances.dropna()
    assert len(priced) > 1
    assert priced.is_monotonic_increasing
    assert distances[len(priced) :].isna().all()
    assert found.nearest is not None
    assert found.nearest["driver"] == found.levels["driver"][0]
    about = json.loads(position_json(found))
    assert about["nearest"] == {
        name: found.levels[name][0] for name in ("driver", "side", "outcome", "distance_pct")
    }
    timed = json.loads(position_json(defiliq.position(there, address(1))))["eta"]
    row = defiliq.eta(there).iloc[0]
    assert timed == {
        "outcome": "time",
        "horizon_s": DEFAULT_HORIZON_S,
        "eta_at": int(row["eta_at"]),
        "eta_s": int(row["eta_s"]),
    }
    never = defiliq.position(there, address(5), horizon_s=YEAR_S)
    assert never.nearest is None
    assert json.loads(position_json(never))["eta"]["eta_at"] is None
