"""docs/lift.md is current as far as a few seconds can tell; `scripts/lift --check` measures all of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defiliq.cex.daily import DAY_S
from tests.cex.lift.__main__ import PAGE
from tests.cex.lift.measure import ESTIMATOR, REAL, SEEDS, on_real_days, real_predictors, simulated
from tests.cex.lift.page import HEAD, REAL_HEAD, SIMULATED_HEAD, asset_row


@pytest.mark.parametrize("asset", ["BTC", "SOL"])
def test_an_asset_is_on_the_page_as_measured(asset: str) -> None:
    found = on_real_days("median", ESTIMATOR, (asset,), replace(REAL, horizons_s=(DAY_S,)))
    assert f"| {' | '.join(asset_row(found, asset))} |\n" in PAGE.read_text(encoding="utf-8")


def test_the_words_are_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.startswith(HEAD.format(resamples=REAL.resamples, draws=REAL.draws))
    assert REAL_HEAD in text
    assert SIMULATED_HEAD.format(seeds=len(SEEDS)) in text


def test_every_predictor_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| {name} |" in text for name in real_predictors())


def test_simulated_markets_keep_the_truth_of_every_start() -> None:
    first = next(simulated())
    starts = [truth.at for truth in first.truths]
    assert len(starts) == len(set(starts)) == 51
    assert all((at - int(first.history.at[0])) % DAY_S == 0 for at in starts)
