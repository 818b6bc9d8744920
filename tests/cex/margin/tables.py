"""Tier tables for tests: by hand, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hypothesis import strategies as st

from defiliq.cex.tiers import TierRow, TierTable, build_table


def table(
    *rows: tuple[str | None, str, str],
    venue: str = "binance",
    unit: str = "USDT",
    deducts: bool = True,
    contract_size: str | None = None,
    is_inverse: bool = False,
) -> TierTable:
    """(cap, rate, highest leverage) from the first row up; floors follow."""
    symbol = "BTC/USD:BTC" if is_inverse else "BTC/USDT:USDT"
    size = None if contract_size is None else Fraction(contract_size)
    head = TierTable(venue, symbol, unit, "2026-01-01", "by hand", (), size, is_inverse)
    floors = [Fraction(0), *(Fraction(cap) for cap, _, _ in rows[:-1] if cap is not None)]
    made: list[TierRow] = [
        (floor, None if cap is None else Fraction(cap), Fraction(rate), Fraction(leverage), None)
        for floor, (cap, rate, leverage) in zip(floors, rows, strict=True)
    ]
    return build_table(head, made, deducts=deducts)


def flat(rate: str = "0.004", **more: str | bool | None) -> TierTable:
    """One tier without end, up to 125x."""
    return table((None, rate, "125"), **more)  # type: ignore[arg-type]


@st.composite
def drawn_tables(draw: st.DrawFn, *, is_inverse: bool = False) -> TierTable:
    """1 to 6 tiers whose rates do not fall, some equal, some 0, with and without a deduction."""
    steps = draw(st.lists(st.integers(1, 400), min_size=1, max_size=6))
    rates = sorted(draw(st.lists(st.integers(0, 700), min_size=len(steps), max_size=len(steps))))
    caps = _sums(steps)
    is_open = draw(st.booleans())
    rows: list[tuple[str | None, str, str]] = [
        (
            None if is_open and number == len(caps) - 1 else str(cap * 100),
            str(Fraction(rate, 1000)),
            "1000",
        )
        for number, (cap, rate) in enumerate(zip(caps, rates, strict=True))
    ]
    return table(
        *rows,
        deducts=draw(st.booleans()),
        is_inverse=is_inverse,
        unit="BTC" if is_inverse else "USDT",
    )


def _sums(steps: Sequence[int]) -> list[int]:
    return [sum(steps[: number + 1]) for number in range(len(steps))]
