"""Tier tables: what falls into which row, and what contradicts itself."""

from __future__ import annotations

from fractions import Fraction

import pytest

from defiliq.cex.tiers import CONTRACTS, TierRow, TierTable, build_table
from defiliq.errors import BadFile, InputError

F = Fraction


def head(unit: str = "USDT", contract_size: F | None = None) -> TierTable:
    return TierTable("binance", "BTC/USDT:USDT", unit, "2024-10-24", "by hand", (), contract_size)


def row(floor: str, cap: str | None, rate: str, leverage: str = "10", cum: str | None = None) -> TierRow:
    return (
        F(floor),
        None if cap is None else F(cap),
        F(rate),
        F(leverage),
        None if cum is None else F(cum),
    )


FIRST = row("0", "50000", "0.004", "125", "0")
SECOND = row("50000", "600000", "0.005", "100", "50")
THIRD = row("600000", "3000000", "0.0065", "75", "950")


def test_cum_by_hand() -> None:
    made = build_table(head(), [FIRST, SECOND, THIRD], deducts=True)
    # 50,000 * 0.001, and 600,000 * 0.0015 more.
    assert [tier.cum for tier in made.tiers] == [0, 50, 950]


def test_a_deduction_leaves_no_step() -> None:
    made = build_table(head(), [FIRST, SECOND, THIRD], deducts=True)
    for before, after in zip(made.tiers, made.tiers[1:], strict=False):
        edge = after.floor
        assert edge * before.maintenance_rate - before.cum == edge * after.maintenance_rate - after.cum


def test_a_notional_at_a_cap_is_in_the_row_that_it_closes() -> None:
    made = build_table(head(), [FIRST, SECOND], deducts=True)
    assert made.tier_at(F(0)) is made.tiers[0]
    assert made.tier_at(F(50_000)) is made.tiers[0]
    assert made.tier_at(F(50_000) + F(1, 10**9)) is made.tiers[1]
    assert made.tier_at(F(600_000)) is made.tiers[1]


def test_beyond_the_last_cap_there_is_no_row() -> None:
    made = build_table(head(), [FIRST, SECOND], deducts=True)
    with pytest.raises(InputError, match="the last one known ends at 600,000"):
        made.tier_at(F(600_001))
    with pytest.raises(InputError, match="below nothing"):
        made.tier_at(F(-1))
    endless = build_table(head(), [row("0", None, "0.01")], deducts=True)
    assert endless.tier_at(F(10**15)) is endless.tiers[0]


def test_without_a_deduction_every_cum_is_zero() -> None:
    made = build_table(head(), [row("0", "10", "0.01"), row("10", "20", "0.02")], deducts=False)
    assert [tier.cum for tier in made.tiers] == [0, 0]
    with pytest.raises(BadFile, match=r"row 2 of BTC/USDT:USDT: it deducts 50"):
        build_table(head(), [FIRST, SECOND], deducts=False)


@pytest.mark.parametrize("floor", ["1000", "1000.01", "1001"])
def test_contracts_are_counted_whole_or_in_hundredths(floor: str) -> None:
    rows = [row("0", "1000", "0.004"), row(floor, "5000", "0.005")]
    made = build_table(head(CONTRACTS, F("0.01")), rows, deducts=False)
    assert made.tiers[1].floor == 1000
    assert made.contract_size == F("0.01")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "has no tiers"),
        ([row("1", "50", "0.01")], "row 1 .* begins at 1, the one before ends at 0"),
        ([FIRST, row("50001", "60000", "0.005")], "row 2 .* begins at 50001"),
        ([FIRST, row("40000", "60000", "0.005")], "row 2 .* begins at 40000"),
        ([row("0", "0", "0.01")], "cap 0 is not above its floor"),
        ([FIRST, row("50000", "600000", "0.003")], "row 2 .* below that of the row before"),
        ([row("0", "50", "1")], "not within 0 and 1"),
        ([row("0", "50", "-0.01")], "not within 0 and 1"),
        ([row("0", "50", "0.01", "0.9")], "below 1"),
        ([FIRST, row("50000", "600000", "0.005", "100", "49")], "it deducts 49, floors and rates make 50"),
        ([row("0", None, "0.01"), row("5", "10", "0.02")], "follows a row without a cap"),
    ],
)
def test_rows_that_contradict_each_other_are_named(rows: list[TierRow], words: str) -> None:
    with pytest.raises(BadFile, match=words):
        build_table(head(), rows, deducts=True, where="tiers.json")


def test_what_is_counted_must_be_known() -> None:
    for unit in ("USDC", "USD", "BTC"):
        build_table(head(unit), [row("0", "50", "0.01")], deducts=False)
    for unit in ("ETH", "EUR", ""):
        with pytest.raises(BadFile, match="neither dollars, contracts nor its own coins"):
            build_table(head(unit), [row("0", "50", "0.01")], deducts=False)


def test_contracts_need_a_size() -> None:
    for size in (None, F(0)):
        with pytest.raises(BadFile, match="does not say what one is worth"):
            build_table(head(CONTRACTS, size), [row("0", "50", "0.01")], deducts=False)
