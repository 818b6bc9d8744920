"""`cascade` on a dYdX v4 chain whose insurance fund has an end: as it is read, and as one is given."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
import pytest

import defiliq
from defiliq.protocols.dydx_v4.insurance import fund_address
from tests.chain.cosmos_standin import StandIn
from tests.cli.conftest import Run
from tests.cli.dydx_chain import WAYS, held, placed
from tests.dydx.standin import BALANCE, dydx_standin

FALL = ("cascade", "--driver", "ALL", "--shock", "-30%", "--impact", "1B,4%", "-q")
BY_MARKET = ("--by", "market", "--format", "csv")
FUND = 20_000 * 10**6


def chain() -> StandIn:
    return dydx_standin(held(), balances={(fund_address(None), held().assets[0].denom): FUND})


def table(out: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(out))


@pytest.mark.parametrize("way", WAYS)
def test_the_fund_as_it_is_read(run: Run, tmp_path: Path, way: str) -> None:
    with placed(chain(), tmp_path, way) as place:
        code, out, err = run(*FALL, *place.options, *BY_MARKET)
    assert (code, err) == (0, "")
    rounds = table(out)
    assert rounds["deleveraged_usd"].sum() > 0
    left = [FUND / 10**6, *rounds["fund_left_usd"]]
    assert min(left) >= 0
    # Fees come in as well: what is left is never less than what was there, less what was paid.
    assert all(
        now >= before - spent - 1e-6
        for before, now, spent in zip(left, left[1:], rounds["fund_spent_usd"], strict=False)
    )
    assert rounds["bad_debt_usd"].sum() == pytest.approx(rounds["fund_spent_usd"].sum(), abs=1e-6)


def test_a_fund_that_is_given_instead(run: Run, tmp_path: Path) -> None:
    with placed(chain(), tmp_path) as place:
        market = defiliq.market_from_file(place.file)
        with defiliq.connect(place.url, market) as node:
            book = defiliq.read(node, market)
    path = defiliq.save_snapshot(book, tmp_path / "chain.parquet")
    told = {
        fund: table(run(*FALL, "--from", path, *BY_MARKET, "--insurance-fund", fund)[1])
        for fund in ("0", "20000", "1000000000000", "unlimited")
    }
    empty, same, full, no_end = told.values()
    pd.testing.assert_frame_equal(same, table(run(*FALL, "--from", path, *BY_MARKET)[1]))
    shared = [one["deleveraged_usd"].sum() for one in (empty, same, full, no_end)]
    assert shared[0] > shared[1] > shared[2] >= shared[3] == 0
    assert no_end["fund_left_usd"].isna().all()
    words = run(*FALL, "--from", path, "--format", "table", "--insurance-fund", "0")[1]
    assert re.search(r"insurance funds paid \$?[\d.,]+\w?.* taken over by opposite positions", words)
    assert (
        "insurance fund"
        not in run(*FALL, "--from", path, "--format", "table", "--insurance-fund", "unlimited")[1]
    )


def test_a_node_without_a_bank(run: Run, tmp_path: Path) -> None:
    model = chain()
    model.handlers = {name: one for name, one in model.handlers.items() if name != BALANCE}
    with placed(model, tmp_path) as place:
        _, out, err = run(*FALL[:-1], *place.options, *BY_MARKET)
    assert "the insurance funds' balances are not known" in err
    assert table(out)["fund_left_usd"].isna().all()


def test_what_is_no_fund(run: Run, tmp_path: Path, snapshot: Path) -> None:
    code, _, err = run(*FALL, "--from", snapshot, "--insurance-fund", "much")
    assert code == 2
    assert "'much' is no amount. Write dollars" in err
    code, _, err = run("cascade", "--sweep", "--impact", "1B,4%", "--from", snapshot, "--insurance-fund", "5")
    assert code == 2
    assert "--insurance-fund does nothing without --shock" in err
    code, _, err = run(
        *("cascade", "--shock", "-5%", "--impact", "1B,4%", "--from", snapshot, "--insurance-fund", "5")
    )
    assert code == 2
    assert "none of these markets has an insurance fund" in err
