"""Days of liquidations: counted back from the end, each with what happened in it."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from defiliq.ladder import EVENT_COLUMNS, as_table
from defiliq.model.days import DAY_COLUMNS, daily_metrics, day_table, last_day
from defiliq.model.metrics import DAY_S, liquidation_metrics

START = 1_700_000_000


def liquidation(at: int, usd: float, side: str = "long", **more: Any) -> dict[str, object]:
    texts = dict.fromkeys(EVENT_COLUMNS, "")
    whole = {"chain_id": 1, "block_number": at, "block_timestamp": at, "log_index": 0}
    money = dict.fromkeys(("price_usd", "bonus_usd", "bad_debt_usd", "fee_usd"), math.nan)
    sizes = {"seized_usd": usd, "repaid_usd": usd, "side": side, "transaction": str(at), "account": f"0x{at}"}
    return {**texts, **whole, **money, **sizes, "base_symbol": "USD", **more}


def happened(*rows: dict[str, object]) -> pd.DataFrame:
    return as_table(rows, EVENT_COLUMNS)


def test_days_are_counted_back_from_the_end_and_the_oldest_is_shorter() -> None:
    end = START + 2 * DAY_S + 600
    table = happened(
        liquidation(START + 1, 1.0),
        liquidation(START + 600, 2.0),
        liquidation(START + 601, 4.0, "short"),
        liquidation(end, 8.0),
    )
    days = daily_metrics(table, START, end)
    assert [(day.since_at, day.until_at) for day in days] == [
        (end - DAY_S, end),
        (end - 2 * DAY_S, end - DAY_S),
        (START, START + 600),
    ]
    assert [day.total_usd for day in days] == [8.0, 4.0, 3.0]
    assert [day.short_usd for day in days] == [0.0, 4.0, 0.0]
    assert [day.state is None for day in days] == [False, False, True]
    assert sum(day.liquidations for day in days) == liquidation_metrics(table, START, end).liquidations == 4


def test_a_day_among_others_is_that_day_alone() -> None:
    """Liquidations of several events, of events without a size, and days without any."""
    end = START + 5 * DAY_S
    rows = [
        liquidation(
            START + DAY_S * (k % 4) + 7, 10.0 + k, "short" if k % 3 else "long", transaction=f"{k % 8}"
        )
        | {"log_index": k, "account": f"0x{k % 8}", "market": "ab"[k % 4 // 2], "driver": f"{k % 5}"}
        for k in range(40)
    ]
    table = happened(*rows, liquidation(START + 9, math.nan, base_symbol=""))
    together = daily_metrics(table, START, end)
    seen = table["block_timestamp"]
    for day in together:
        mine = table[(seen > day.since_at) & (seen <= day.until_at)]
        alone = liquidation_metrics(mine, day.since_at, day.until_at)
        pd.testing.assert_frame_equal(day_table([day], "USD"), day_table([alone], "USD"))
        pd.testing.assert_frame_equal(day.by_venue, alone.by_venue)
    assert [day.liquidations for day in together] == [0, 4, 4, 4, 5]
    assert together[-1].untold == 1


def test_the_last_day_is_only_told_where_it_was_searched_whole() -> None:
    table = happened(liquidation(START + DAY_S, 6e8))
    day = last_day(table, START, START + DAY_S)
    assert day is not None
    assert day.state is not None
    assert (day.total_usd, day.state.label) == (6e8, "high")
    assert last_day(table, START + 1, START + DAY_S) is None


@pytest.mark.parametrize(("base", "state"), [("USD", "extreme"), ("ETH", "")])
def test_days_as_rows_are_called_something_in_dollars_alone(base: str, state: str) -> None:
    table = happened(liquidation(START + 5, 2e9))
    (row,) = day_table(daily_metrics(table, START, START + DAY_S), base).to_dict("records")
    assert (row["state"], row["base_symbol"], row["largest_usd"]) == (state, base, 2e9)
    assert (row["largest_account"], row["liquidations"]) == (f"0x{START + 5}", 1)


@pytest.mark.parametrize(("side", "squeezed"), [("long", "longs"), ("short", "shorts"), (None, "")])
def test_days_as_rows_say_which_side_was_squeezed(side: str | None, squeezed: str) -> None:
    table = happened() if side is None else happened(liquidation(START + 5, 1.0, side))
    (row,) = day_table(daily_metrics(table, START, START + DAY_S), "USD").to_dict("records")
    assert row["squeezed"] == squeezed


def test_days_without_anything_have_the_same_columns_and_types() -> None:
    quiet = day_table(daily_metrics(happened(), START, START + DAY_S), "USD")
    busy = day_table(daily_metrics(happened(liquidation(START + 5, 1.0)), START, START + DAY_S), "USD")
    assert list(quiet.columns) == list(DAY_COLUMNS)
    assert list(quiet.dtypes) == list(busy.dtypes)
    assert quiet["total_usd"].tolist() == [0.0]
    assert quiet["largest_usd"].isna().all()
