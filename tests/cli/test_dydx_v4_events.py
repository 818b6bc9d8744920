"""`defiliq events` on dYdX v4: from a CometBFT endpoint, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import defiliq
from defiliq.pipeline.events import events
from tests.chain.cosmos_standin import StandIn, blocks_at
from tests.cli.conftest import Run
from tests.cli.dydx_chain import HEIGHT, Place, names, placed, rows, standin
from tests.dydx.matches import event, executed, match

FIRST = HEIGHT - 60
PROPOSED = b"the operations that the proposer put into the block"
LONG, SHORT, LEFT = 992, 993, 994
"""Blocks with a long that is liquidated, a short, and a position that is deleveraged."""


@pytest.fixture
def model() -> StandIn:
    chain = standin()
    chain.blocks = blocks_at(*range(FIRST, HEIGHT + 1))
    taker, maker = names()[:2]
    btc: dict[str, Any] = {"perpetual": 0}
    plain = match(taker, maker, **btc, base=10**9, quote=5 * 10**9)
    sold = match(taker, maker, **btc, base=-(10**9), quote=4 * 10**9, fund=10**7, is_liquidation=True)
    bought = match(taker, maker, **btc, base=2 * 10**9, quote=10**9, fund=-3 * 10**6, is_liquidation=True)
    left = match(maker, taker, **btc, base=-5, quote=1, is_deleverage=True)
    chain.executed[LONG] = [(PROPOSED, executed(event("message", {"action": "x"}), plain, sold))]
    chain.executed[SHORT] = [
        (b"refused", executed(bought, code=11)),
        (PROPOSED, executed(bought)),
    ]
    chain.executed[LEFT] = [(PROPOSED, executed(left))]
    return chain


@pytest.fixture
def place(model: StandIn, tmp_path: Path) -> Iterator[Place]:
    with placed(model, tmp_path, "comet") as found:
        yield found


def test_matches_of_liquidations_alone_become_rows(run: Run, place: Place) -> None:
    code, out, err = run("events", *place.options, "--blocks", f"{FIRST}:", "--format", "csv")
    assert (code, f"liquidations in blocks {FIRST} to {HEIGHT}: 3" in err) == (0, True)
    table = rows(out)
    taker, maker = names()[:2]
    assert list(table["block_number"]) == [str(number) for number in (LONG, SHORT, LEFT)]
    assert list(table["kind"]) == ["liquidation", "liquidation", "deleveraging"]
    assert list(table["account"]) == [taker, taker, maker]
    assert list(table["liquidator"]) == [maker, maker, taker]
    assert list(table["side"]) == ["long", "short", "long"]
    assert set(table["driver"]) == {"BTC/USD"}
    assert list(table["seized_raw"]) == [str(10**9), str(10**9), "5"]
    assert list(table["repaid_raw"]) == [str(4 * 10**9), str(2 * 10**9), "1"]
    assert list(table["seize_asset"]) == ["BTC-USD", "USDC", "BTC-USD"]
    assert list(table["fee_usd"].map(float)) == [10.0, 0.0, 0.0]
    assert list(table["bad_debt_usd"].map(float)) == [0.0, 3.0, 0.0]
    assert list(table["log_index"]) == ["2", "1", "0"]
    assert set(table["transaction"]) == {sha256(PROPOSED).hexdigest().upper()}
    price = float(table["price_usd"][0])
    assert float(table["seized_usd"][0]) == pytest.approx(price * 0.1)
    assert float(table["repaid_usd"][0]) == 4_000.0


def test_ranges_are_asked_for_block_by_block_and_leave_nothing_out(place: Place) -> None:
    market = defiliq.market_from_file(place.file)
    with defiliq.connect(place.url, market) as node:
        for first in (FIRST, LONG, SHORT, HEIGHT):
            table = events(node, market, first)
            seen = [number for number in (LONG, SHORT, LEFT) if number >= first]
            assert list(table["block_number"]) == seen
        assert list(events(node, market, LONG, SHORT)["block_number"]) == [LONG, SHORT]


def test_grpc_says_what_to_use_instead(run: Run, model: StandIn, tmp_path: Path) -> None:
    with placed(model, tmp_path, "grpc") as place:
        code, out, err = run("events", *place.options, "--blocks", "-5:", "-q")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "cannot tell what happened in past blocks: its gRPC has no service for that" in err
    assert "Use the node's CometBFT endpoint, http://host:port" in err


def test_pruned_results_are_one_line(run: Run, place: Place) -> None:
    place.model.lowest_results = HEIGHT - 10
    code, out, err = run("events", *place.options, "--blocks", f"{FIRST}:", "-q")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "could not find results for height" in err


def test_pruned_states_leave_money_out(run: Run, place: Place) -> None:
    place.model.lowest_state = LEFT
    code, out, err = run("events", *place.options, "--blocks", f"{FIRST}:", "--format", "csv")
    table = rows(out)
    assert (code, list(table["seized_usd"].eq(""))) == (3, [True, True, False])
    assert list(table["seize_asset_address"])[:2] == ["perpetual 0", "USDC"]
    assert "INCOMPLETE: 2 of 3 liquidations are without money" in err


def test_a_malformed_match_names_its_transaction(run: Run, place: Place) -> None:
    broken = match(*names()[:2], perpetual=0, base=-5, quote=1, is_liquidation=True)
    broken["attributes"][9]["value"] = "lots"
    place.model.executed[LEFT] = [(PROPOSED, executed(broken))]
    code, out, err = run("events", *place.options, "--blocks", f"{LEFT}:{LEFT}", "-q")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"a match in transaction {sha256(PROPOSED).hexdigest().upper()}: no number as " in err
