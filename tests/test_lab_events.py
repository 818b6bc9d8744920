"""Liquidations that were sent to the contracts come back as rows, every amount as the receipt has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import defiliq
from defiliq.ladder import EVENT_COLUMNS
from defiliq.pipeline.events import events
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Liquidation, Listing, Market
from defiliq.units import WAD
from tests.lab import CometLab, CompoundV2Lab, Lab, SoloLab
from tests.lab.chain import DEPLOYER
from tests.lab.compound_v2.listing import NATIVE
from tests.lab.dydx_solo.actions import operate, vaporize, wei
from tests.lab.dydx_solo.outcome import HEAD_WORDS
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.receipts import words_of
from tests.lab.running import RunningNode
from tests.takings import cover, sole

pytestmark = pytest.mark.lab

MOST = 6
"""Liquidations per market."""
Send = Callable[[Account, Liquidation, Market], Any]


@contextmanager
def liquidated(
    lab: RunningNode, listing: Listing, send: Send, most: int = MOST
) -> Iterator[tuple[pd.DataFrame, dict[str, Any]]]:
    """What is said of some liquidations that stay mined for the time of a test, and what each of them did."""
    outcomes: dict[str, Any] = {}
    with defiliq.connect(lab.url) as node, lab.keeping():
        book = defiliq.read(node, listing, at="latest")
        first = lab.chain.height() + 1
        protocol = PROTOCOLS[listing.protocol]
        for row in range(len(book)):
            account = book.account(row)
            taken = protocol.take(account, book.market)
            if len(outcomes) < most and isinstance(taken, Liquidation) and taken.seizures:
                done = send(account, taken, book.market)
                if done is not None and done.success:
                    outcomes[account.owner] = done
        table = events(node, listing, first)
        assert len(outcomes) == most
        assert set(table["account"]) == set(outcomes)
        assert (table.attrs["stopped"], table.attrs["unpriced"]) == ("", 0)
        assert list(table.columns) == list(EVENT_COLUMNS)
        yield table, outcomes


def hashes(lab: RunningNode, number: int) -> list[str]:
    block = lab.rpc("eth_getBlockByNumber", hex(number), False)
    return [block["hash"], *block["transactions"]]


def rows_of(table: pd.DataFrame, account: str = "") -> list[Any]:
    return list((table if account == "" else table[table["account"] == account]).itertuples())


def only(table: pd.DataFrame, account: str = "") -> Any:
    (row,) = rows_of(table, account)
    return row


@pytest.fixture(params=["lab_v36", "lab_v30"])
def aave(request: pytest.FixtureRequest) -> Lab:
    lab = request.getfixturevalue(request.param)
    assert isinstance(lab, Lab)
    return lab


def aave_listing(lab: Lab, folder: Path) -> Listing:
    return defiliq.market_from_file(lab.market_file(folder / "aave.json"))


def test_aave_calls(aave: Lab, tmp_path: Path) -> None:
    pairs: dict[str, tuple[str, str]] = {}

    def send(account: Account, taken: Liquidation, market: Market) -> Any:
        named = market.reserves[sole(taken).reserve].symbol, market.reserves[taken.repay_reserve].symbol
        pairs[account.owner] = named
        return aave.liquidate(account.owner, collateral=named[0], debt=named[1], debt_to_cover=cover(taken))

    with liquidated(aave, aave_listing(aave, tmp_path), send) as (table, outcomes):
        for owner, outcome in outcomes.items():
            row, (collateral, debt) = only(table, owner), pairs[owner]
            assert [row.block_hash, row.transaction] == hashes(aave, row.block_number)
            assert row.block_timestamp == outcome.timestamp
            assert (row.kind, row.liquidator, row.base_symbol) == ("liquidation", LIQUIDATOR, "USD")
            assert (row.seize_asset, row.repay_asset) == (collateral, debt)
            assert row.seize_asset_address == aave.tokens[collateral]
            assert (row.seized_raw, row.repaid_raw) == (str(outcome.seized), str(outcome.repaid))
            seized = outcome.seized * aave.price(collateral, row.block_number) // unit(aave, collateral)
            repaid = -(-outcome.repaid * aave.price(debt, row.block_number) // unit(aave, debt))
            assert (row.seized_usd, row.repaid_usd) == (seized / 10**8, repaid / 10**8)
            assert row.bonus_usd == (seized - repaid) / 10**8
            fee = outcome.protocol_fee * aave.price(collateral, row.block_number) // unit(aave, collateral)
            assert row.fee_usd == fee / 10**8
            assert (row.bad_debt_usd == 0) == (aave.version == "v3.6")  # v3.0 tells nothing of it

        assert table["fee_usd"].max() > 0


def test_aave_fees_where_liquidators_take_a_tokens(aave: Lab, tmp_path: Path) -> None:
    fees: dict[str, tuple[str, int]] = {}

    def send(account: Account, taken: Liquidation, market: Market) -> Any:
        seized, repaid = (market.reserves[k].symbol for k in (sole(taken).reserve, taken.repay_reserve))
        done = aave.liquidate(
            account.owner, collateral=seized, debt=repaid, debt_to_cover=cover(taken), takes_a_token=True
        )
        fees[account.owner] = seized, done.protocol_fee
        return done

    with liquidated(aave, aave_listing(aave, tmp_path), send, 3) as (table, outcomes):
        for owner in outcomes:
            row, (symbol, fee) = only(table, owner), fees[owner]
            assert row.fee_usd == fee * aave.price(symbol, row.block_number) // unit(aave, symbol) / 10**8
        assert table["fee_usd"].max() > 0


def unit(lab: Lab, symbol: str) -> int:
    return int(10 ** lab.chain.call(lab.market.tokens[symbol], "decimals"))


def test_aave_writes_off_what_no_collateral_is_left_for(lab_v36: Lab, tmp_path: Path) -> None:
    """Ether at a tenth: whoever has nothing else is left with debts, which DeficitCreated says."""
    lab, low = lab_v36, lab_v36.price("WETH") // 10
    listing = aave_listing(lab, tmp_path)
    deficits: dict[str, dict[str, int]] = {}
    with defiliq.connect(lab.url) as node, lab.keeping():
        book = defiliq.read(node, listing, at="latest")
        first = lab.chain.height() + 1
        feed = book.market.reserves[symbols(book.market).index("WETH")].feed
        crashed = book.market.at_prices({feed: low})
        for row in range(len(book)):
            taken = PROTOCOLS["aave-v3"].take(book.account(row), crashed)
            if len(deficits) < 3 and isinstance(taken, Liquidation) and taken.bad_debt_base:
                named = [symbols(crashed)[k] for k in (sole(taken).reserve, taken.repay_reserve)]
                owner = book.account(row).owner
                done = lab.liquidate(
                    owner,
                    collateral=named[0],
                    debt=named[1],
                    debt_to_cover=cover(taken),
                    prices={"WETH": low},
                )
                if done.success and done.deficits:
                    deficits[owner] = dict(done.deficits)
        table = events(node, listing, first)
        assert len(deficits) == 3
        for owner, told in deficits.items():
            row = only(table, owner)
            worth = sum(
                -(-amount * lab.price(symbol, row.block_number) // unit(lab, symbol))
                for symbol, amount in told.items()
            )
            assert row.bad_debt_usd == worth / 10**8 > 0


def symbols(market: Market) -> list[str]:
    return [reserve.symbol for reserve in market.reserves]


def test_compound_v2_seizes_c_tokens_that_redeem_for_so_much(
    lab_compound_v2: CompoundV2Lab, tmp_path: Path
) -> None:
    lab = lab_compound_v2
    listing = defiliq.market_from_file(lab.market_file(tmp_path / "v2.json"))
    pairs: dict[str, tuple[str, str]] = {}

    def send(account: Account, taken: Liquidation, market: Market) -> Any:
        known = {reserve.c_token.lower(): symbol for symbol, reserve in named(market).items()}
        lab_symbols = {address.lower(): symbol for symbol, address in lab.markets.items()}
        reserves: list[Any] = [market.reserves[k] for k in (taken.repay_reserve, sole(taken).reserve)]
        assert all(reserve.c_token.lower() in known for reserve in reserves)
        debt, collateral = (lab_symbols[reserve.c_token.lower()] for reserve in reserves)
        pairs[account.owner] = debt, collateral
        return lab.liquidate(account.owner, debt=debt, collateral=collateral, repay=cover(taken))

    with liquidated(lab, listing, send) as (table, outcomes):
        for owner, outcome in outcomes.items():
            row, (debt, collateral) = only(table, owner), pairs[owner]
            assert [row.block_hash, row.transaction] == hashes(lab, row.block_number)
            assert row.block_number == outcome.block_number
            rate = int(
                lab.chain.call(lab.market.markets[collateral], "exchangeRateStored", block=row.block_number)
            )
            seized = outcome.received_tokens * rate // WAD
            assert (row.seized_raw, row.repaid_raw) == (str(seized), str(outcome.repaid))
            kept = (outcome.seize_tokens - outcome.received_tokens) * rate // WAD
            prices = {name: lab.price(name, block=row.block_number) for name in (debt, collateral)}
            assert row.seized_usd == (seized * prices[collateral] // WAD) / 10**18
            assert row.repaid_usd == (outcome.repaid * prices[debt] // WAD) / 10**18
            assert row.fee_usd == (kept * prices[collateral] // WAD) / 10**18
            assert (
                row.seize_asset_address.lower() == lab.tokens.get(collateral, row.seize_asset_address).lower()
            )
            assert pd.isna(row.bad_debt_usd)
    assert any(collateral != NATIVE for _, collateral in pairs.values())


def named(market: Any) -> dict[str, Any]:
    return {reserve.symbol: reserve for reserve in market.reserves}


@pytest.mark.parametrize("name", ["usdc", "weth"])
def test_absorptions_add_up_to_their_events(lab_compound_v3: CometLab, tmp_path: Path, name: str) -> None:
    lab = lab_compound_v3
    listing = defiliq.market_from_file(lab.market_file(name, tmp_path / "v3.json"))
    expected: dict[str, Liquidation] = {}

    def send(account: Account, taken: Liquidation, market: Market) -> Any:
        expected[account.owner] = taken
        return lab.absorb(name, account.owner)

    with liquidated(lab, listing, send) as (table, outcomes):
        for owner, outcome in outcomes.items():
            rows = table[table["account"] == owner]
            told = {row.seize_asset: (int(row.seized_raw), row.seized_usd) for row in rows_of(rows)}
            seen = {symbol: (amount, value / 10**8) for symbol, (amount, value) in outcome.collateral.items()}
            assert told == seen
            assert sum(map(int, rows["repaid_raw"])) == outcome.base_paid_out
            assert sum(round(value * 10**8) for value in rows["repaid_usd"]) == outcome.base_value
            assert set(rows["kind"]) == {"absorption"}
            assert set(rows["bonus_usd"]) == {0.0}
            bad_debt = sum(round(value * 10**8) for value in rows["bad_debt_usd"])
            assert bad_debt == pytest.approx(expected[owner].bad_debt_base, rel=1e-6, abs=2)
            assert [rows["block_hash"].iloc[0], rows["transaction"].iloc[0]] == hashes(
                lab, rows["block_number"].iloc[0]
            )
        assert (table["side"] == "long").all()
        assert (table["bad_debt_usd"].max() > 0) == (name == "usdc")


def test_solo_liquidations(lab_dydx_solo: SoloLab, tmp_path: Path) -> None:
    lab = lab_dydx_solo
    listing = defiliq.market_from_file(lab.market_file(tmp_path / "solo.json"))
    pairs: dict[str, tuple[str, str]] = {}

    def send(account: Account, taken: Liquidation, market: Market) -> Any:
        owner, _, number = account.owner.partition("/")
        owed = market.reserves[taken.repay_reserve].symbol
        held = market.reserves[sole(taken).reserve].symbol
        pairs[account.owner] = owed, held
        return lab.liquidate((owner, int(number)), owed=owed, held=held, amount=cover(taken))

    with liquidated(lab, listing, send) as (table, outcomes):
        for owner, outcome in outcomes.items():
            row, (owed, held) = only(table, owner), pairs[owner]
            assert [row.block_hash, row.transaction] == hashes(lab, row.block_number)
            assert (row.seize_asset, row.repay_asset) == (held, owed)
            assert (row.seized_raw, row.repaid_raw) == (str(outcome.seized), str(outcome.repaid))
            assert row.seized_usd == outcome.seized * lab.price(held) / 10**36
            assert row.repaid_usd == outcome.repaid * lab.price(owed) / 10**36
            assert row.liquidator == f"{lab.liquidator[0]}/{lab.liquidator[1]}"


def test_solo_vaporizes_what_is_all_bad_debt(lab_dydx_solo: SoloLab, tmp_path: Path) -> None:
    lab = lab_dydx_solo
    listing = defiliq.market_from_file(lab.market_file(tmp_path / "solo.json"))
    (sunk, *_) = (user for user in lab.users if user.shape == "sunk")
    with defiliq.connect(lab.url) as node, lab.keeping():
        first = lab.chain.height() + 1
        action = vaporize(0, 1, "DAI", "USDC", wei(10**30))
        lab.chain.send_all([operate(lab.solo.margin, DEPLOYER, (lab.liquidator, sunk.info), [action])])
        row = only(events(node, listing, first))
        filter_ = {"address": lab.solo_margin, "fromBlock": hex(first)}
        (log,) = (one for one in lab.rpc("eth_getLogs", filter_) if one["logIndex"] == hex(row.log_index))
        words = words_of(log["data"])
        held, paid, repaid = (words[HEAD_WORDS + 4 * k + 1] for k in range(3))
        assert (row.kind, row.account) == ("vaporization", sunk.name)
        assert (row.repay_asset, row.repaid_raw, row.seized_raw) == ("DAI", str(repaid), str(held))
        assert repaid > 0
        assert row.bad_debt_usd == row.repaid_usd == repaid * lab.price("DAI") / 10**36
        assert row.bonus_usd == (held * lab.price("USDC") - paid * lab.price("DAI")) / 10**36


def test_what_happened_before_the_node_knows_any_state_is_kept_without_money(
    lab_dydx_solo: SoloLab, tmp_path: Path
) -> None:
    """A loaded node answers no call about blocks from before, as one that is no archive."""
    lab = lab_dydx_solo
    listing = defiliq.market_from_file(lab.market_file(tmp_path / "solo.json"))
    with defiliq.connect(lab.url) as node:
        table = events(node, listing, 0)
    taken = {user.name for user in lab.users if user.shape in ("liquidated", "sunk", "vapor", "vaporized")}
    assert set(table["account"]) == taken
    assert {"liquidation", "vaporization"} == set(table["kind"])
    assert table.attrs["unpriced"] == len(table) > 10
    assert "no longer has the state of block" in table.attrs["unpriced_because"]
    for name in ("seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd", "price_usd"):
        assert table[name].isna().all()
    assert (table["repaid_raw"].map(int) > 0).all()
    assert set(table["side"]) == set(table["driver"]) == set(table["base_symbol"]) == {""}
    assert table["seize_asset_address"].str.fullmatch(r"market \d+").all()
