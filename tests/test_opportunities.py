"""The opportunity ladder: what it says of an account is what the contracts do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import defiliq
from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.depth.constant_product import PoolV2
from defiliq.depth.factories import Factory
from defiliq.depth.files import save_pools
from defiliq.depth.read import find_pools
from defiliq.depth.uniswap_v3 import HIGHEST_LIMIT, LOWEST_LIMIT, PoolV3
from defiliq.errors import BlockChanged, InputError, NotAPool, UnsoundPool
from defiliq.mev.fields import ECONOMICS
from defiliq.mev.gas import measured_units
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.cost_terms import CostTerms, read_terms
from defiliq.pipeline.deals import deals
from defiliq.pipeline.exits import Found
from defiliq.pipeline.judge import ladder
from defiliq.pipeline.opportunities import OPPORTUNITY_COLUMNS, opportunities, ranked
from defiliq.pipeline.reading import read
from defiliq.pipeline.valuing import BlockCosts, gas_usd, valuer
from defiliq.protocols import PROTOCOLS, aave_v3
from defiliq.protocols.aave_v3.flash import read_flash_loans, rounds_premium_up
from defiliq.types import Account, Block, Head, Liquidation, Listing
from tests import builders
from tests.builders import account, address, book, market
from tests.lab import CometLab, CompoundV2Lab, Lab, SoloLab
from tests.lab.chain import Tx
from tests.lab.contract import Contract, topic
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import BLOCK_SECONDS
from tests.lab.receipts import words_of
from tests.mev.deals import WETH, pool
from tests.model.on_chain import BTC, ETH, Place, happened, seeded
from tests.protocols.compound_v2.stage import listing_of as compound_listing
from tests.protocols.compound_v3.stage import listing_of as comet_listing
from tests.solo_stage import listing_of as solo_listing

RECEIVER = "0x" + "f1" * 20
TRUE_RUNTIME = "0x600160005260206000f3"
"""A receiver of flash loans that answers every call with 1; it has approved the pool before."""
FLASH_LOAN = topic("FlashLoan(address,address,address,uint256,uint8,uint256,uint16)")


def listing_of(lab: Lab) -> Listing:
    return Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})


def lend(lab: Lab, premium_bps: int, *symbols: str) -> None:
    """Let the pool lend in a flash, as governance would."""
    configurator = lab.market.configurator
    for symbol in symbols:
        lab.chain.send(configurator, "setReserveFlashLoaning", lab.tokens[symbol], True)
    name = "updateFlashloanPremium" if lab.version == "v3.6" else "updateFlashloanPremiumTotal"
    lab.chain.send(configurator, name, premium_bps)


def premium_paid(lab: Lab, symbol: str, amount: int) -> int:
    """What a real flash loan costs; undone afterwards."""
    token, there = lab.market.tokens[symbol], lab.market.pool
    with lab.rewinding():
        lab.rpc("anvil_setBalance", RECEIVER, hex(10**20))
        lab.chain.send(token, "mint(address,uint256)", RECEIVER, 10**24)
        lab.chain.send(token, "approve", there.address, 2**255, sender=RECEIVER)
        lab.rpc("anvil_setCode", RECEIVER, TRUE_RUNTIME)
        given = (RECEIVER, token.address, amount, b"", 0)
        (receipt,) = lab.chain.mine_all([lab.chain.request(Tx(LIQUIDATOR, there, "flashLoanSimple", given))])
    assert int(receipt["status"], 16) == 1
    data = next(log["data"] for log in receipt["logs"] if log["topics"][0] == FLASH_LOAN)
    _, lent, _, premium = words_of(data)[:4]
    assert lent == amount
    return premium


def swap_of(place: Place, sold: str, amount: int) -> list[Tx]:
    """The liquidator sells so much of WETH or USDC into the pool of ETH/USD."""
    there = place.pools[ETH]
    zero_for_one = there.base_is_token0 == (sold == "WETH")
    limit = LOWEST_LIMIT if zero_for_one else HIGHEST_LIMIT
    transfer = Tx(LIQUIDATOR, place.lab.market.tokens[sold], "transfer", (place.trader.address, amount))
    return [transfer, place.swap(ETH, zero_for_one, amount, limit)]


@pytest.mark.lab
@pytest.mark.parametrize(("fixture", "seed"), [("lab_v36", 1), ("lab_v36", 3), ("lab_v30", 1)])
def test_what_is_predicted_is_what_the_contracts_do(
    request: pytest.FixtureRequest, fixture: str, seed: int
) -> None:
    """Longs and shorts at their level: the call, the sale of what it seizes and the premium, to the wei."""
    lab: Lab = request.getfixturevalue(fixture)
    seen = set()
    with lab.rewinding():
        place = seeded(lab, seed, [ETH])
        lend(lab, 7, "USDC", "WETH")
        there = place.pools[ETH]
        with connect(lab.url, retries=0) as node:
            now = read(node, listing_of(lab), "latest", owners=place.book.owners, uncounted=True)
            later = now.market.at_time(now.market.block.timestamp + BLOCK_SECONDS)
            place = replace(place, book=replace(now, market=later))
            terms = read_terms(exits=(f"WETH/USDC=pool:{there.address}",))
            table = opportunities(place.book, node, terms, within_pct=20, driver=ETH)
        for row in table[table["lacks"] == ""].to_dict("records"):
            if row["outcome"] != "price" or row["repay_asset"] not in ("USDC", "WETH"):
                continue
            seen.add(row["side"])
            price, amount = int(row["price_raw"]), int(row["seized_raw"])
            moved = there.at_price(there.price * Fraction(*_ratio(place, price)))
            tokens = lab.tokens[row["seize_asset"]], lab.tokens[row["repay_asset"]]
            call = (*tokens, row["account"], int(row["debt_to_cover"]), False)
            with lab.rewinding():
                done = happened(
                    place,
                    [
                        [*place.tell({ETH: price}), place.arbitrage(ETH, moved)],
                        [
                            Tx(LIQUIDATOR, lab.market.pool, "liquidationCall", call),
                            *swap_of(place, row["seize_asset"], amount),
                        ],
                    ],
                )
            (called,), swap = done[1].calls, done[1].swaps[there.address]
            assert (called.seized, str(called.repaid)) == (amount, row["repaid_raw"])
            assert max(swap.amount0, swap.amount1) == amount, "all of it was sold"
            assert str(-min(swap.amount0, swap.amount1)) == row["exit_out_raw"]
            assert str(premium_paid(lab, row["repay_asset"], called.repaid)) == row["flash_fee_raw"]
    assert seen == {"long", "short"}


def _ratio(place: Place, price: int) -> tuple[int, int]:
    """How many times higher the oracle has WETH against USDC with its driver at a price."""
    reserves, spot = place.book.market.reserves, place.book.market
    moved = place.at({ETH: price})
    weth, usdc = (next(k for k, one in enumerate(reserves) if one.symbol == s) for s in ("WETH", "USDC"))
    return (
        moved.price_of(weth) * spot.price_of(usdc),
        moved.price_of(usdc) * spot.price_of(weth),
    )


@pytest.mark.lab
@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
def test_premiums_are_those_of_the_pool(request: pytest.FixtureRequest, fixture: str) -> None:
    """Half up before v3.5, up since; and an asset that the pool does not lend is named."""
    lab: Lab = request.getfixturevalue(fixture)
    with lab.rewinding():
        lend(lab, 5, "USDC")
        with connect(lab.url, retries=0) as node:
            block = node.block("latest")
            there = aave_v3.read_market(node, listing_of(lab), block)
            loans = read_flash_loans(node, there, block)
            costs = BlockCosts(node, node.head("latest"), block, CostTerms(), Found())
            flash = costs.costs(there).flash
        assert loans.premium_bps == 5
        symbols = [reserve.symbol for reserve in there.reserves]
        assert loans.refused == frozenset(range(len(symbols))) - {symbols.index("USDC")}
        assert rounds_premium_up(there) == (fixture == "lab_v36")
        assert flash is not None
        amounts = (1, 999, 1_000, 1_001, 1_999, 2_000, 2_999, 123_456_789)
        assert [flash.fee(amount) for amount in amounts] == [
            premium_paid(lab, "USDC", amount) for amount in amounts
        ]


@pytest.mark.lab
def test_measured_gas_is_near_what_calls_take(lab_v36: Lab) -> None:
    lab = lab_v36
    with lab.rewinding():
        place = seeded(lab, 1, [ETH])
        there = place.pools[ETH]
        with connect(lab.url, retries=0) as node:
            terms = read_terms(exits=(f"WETH/USDC=pool:{there.address}",), flash="none")
            table = opportunities(place.book, node, terms, within_pct=20, driver=ETH, searched=0)
        row = table[table["side"] == "long"].iloc[0]
        lab.set_driver(ETH, int(row["price_raw"]))
        tokens = lab.tokens[row["seize_asset"]], lab.tokens[row["repay_asset"]]
        call = Tx(
            LIQUIDATOR,
            lab.market.pool,
            "liquidationCall",
            (*tokens, row["account"], int(row["debt_to_cover"]), False),
        )
        transactions = [call, *swap_of(place, row["seize_asset"], int(row["seized_raw"]))]
        receipts = lab.chain.mine_all([lab.chain.request(tx) for tx in transactions])
        called, _, swapped = (int(receipt["gasUsed"], 16) for receipt in receipts)
        assert abs(called + swapped - 21_000 - row["gas_units"]) < 0.15 * row["gas_units"]


@pytest.mark.lab
def test_exits_are_found_through_factories(lab_v36: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """WETH for USDC in its pool, and WETH for WBTC over USDC, where nobody says how."""
    lab = lab_v36
    with lab.rewinding():
        place = seeded(lab, 4, [ETH, BTC])
        factory = lab.chain.call(asked_for(place, "factory"), "factory")
        known = (Factory("Uniswap v3", "fee", factory, (3_000,)),)
        monkeypatch.setattr("defiliq.depth.read.factories", lambda chain_id: known)
        monkeypatch.setattr("defiliq.pipeline.exits.factories", lambda chain_id: known)
        monkeypatch.setattr(
            "defiliq.pipeline.exits.token_addresses", lambda chain_id: {"USDC": lab.tokens["USDC"]}
        )
        found = Found()
        with connect(lab.url, retries=0) as node:
            block = node.block("latest")
            costs = BlockCosts(node, node.head("latest"), block, read_terms(flash="none"), found)
            there = place.book.market
            position = {reserve.symbol: k for k, reserve in enumerate(there.reserves)}
            exits = costs._exits
            for pair in (("WETH", "USDC"), ("USDC", "WETH"), ("WETH", "WBTC"), ("GHO", "WBTC")):
                exits.look_up(there, *(position[symbol] for symbol in pair))
            assert find_pools(node, lab.tokens["WETH"], lab.tokens["USDC"], block) == (
                place.pools[ETH].address,
            )
        direct = exits.known[position["WETH"], position["USDC"]]
        assert direct.sell(10**18).got == place.pools[ETH].sell(10**18)[0].got
        back = exits.known[position["USDC"], position["WETH"]]
        assert back.sell(10**9).got == place.pools[ETH].turned().sell(10**9)[0].got
        over = exits.known[position["WETH"], position["WBTC"]]
        dollars = place.pools[ETH].sell(10**18)[0].got
        assert over.sell(10**18).got == place.pools[BTC].turned().sell(dollars)[0].got
        assert over.sell(10**18).swaps == 2
        assert exits.unknown[position["GHO"], position["WBTC"]] == (
            "no known factory has a pool of GHO/WBTC, nor a way over two"
        )
        assert found.unread == {}


def asked_for(place: Place, name: str) -> Contract:
    """A pool as a contract that answers one question without arguments with an address."""
    item = {"type": "function", "name": name, "inputs": [], "outputs": [{"type": "address"}]}
    return Contract(place.pools[ETH].address, [item])


def pools_file(folder: Path, *pools: PoolV2 | PoolV3) -> str:
    """Pools as a file that --exit takes."""
    return str(save_pools(pools or (pool(10**6, 3 * 10**9),), builders.BLOCK, folder / "pools.json"))


def terms_of(folder: Path, **changes: Any) -> CostTerms:
    """Deep pools of WETH and USDC, own funds, 10 gwei."""
    texts: dict[str, Any] = {
        "gas_gwei": "10",
        "flash": "none",
        "exits": (f"WETH/USDC=file:{pools_file(folder)}",),
    }
    return read_terms(**{**texts, **changes})


def borrower(debt: float, number: int = 1, weth: float = 1) -> Account:
    return account(number, WETH=(weth, 0), USDC=(0, debt))


def net_at(of: Book[Any], price: int, terms: CostTerms, number: int = 0) -> int | None:
    """Net profit with WETH at a price, from scratch."""
    driver = find_driver(of.market, "WETH/USD")
    there = of.market.at_prices(driver.prices(price))
    taken = PROTOCOLS["aave-v3"].take(of.account(number), there)
    costs = BlockCosts(None, None, of.market.block, terms, Found(), of.market)
    if not isinstance(taken, Liquidation):
        return None
    return costs.value(of.account(number), there, taken).net_base


@pytest.mark.parametrize("gas_gwei", ["0", "10", "300", "600", "1000", "1300"])
def test_a_break_even_pays_and_the_price_before_it_does_not(tmp_path: Path, gas_gwei: str) -> None:
    """The close factor jumps from half to all of the debt on the way, where gas between both is paid off."""
    of, terms = book([borrower(2_400)]), terms_of(tmp_path, gas_gwei=gas_gwei, gas_units=100_000)
    (row,) = opportunities(of, None, terms, driver="WETH/USD").to_dict("records")
    near, spot = int(row["price_raw"]), int(row["spot_raw"])
    assert near < spot
    net = net_at(of, near, terms)
    assert net is not None
    assert row["net_usd"] == net / 10**8
    if net >= 0:
        assert row["break_even_raw"] == row["price_raw"]
    elif row["break_even_raw"]:
        even = int(row["break_even_raw"])
        assert even < near
        assert (net_at(of, even, terms) or 0) >= 0 > (net_at(of, even + 1, terms) or 0)
    else:
        assert all((net_at(of, near - k * near // 100, terms) or -1) < 0 for k in range(55))
    peak = net_at(of, int(row["peak_raw"]), terms)
    assert peak is not None
    assert row["peak_net_usd"] == peak / 10**8
    assert peak >= max(net_at(of, near - k * near // 100, terms) or net for k in range(50))


def test_break_evens_of_all_three_kinds_were_seen(tmp_path: Path) -> None:
    """At the level, beyond it, and nowhere."""
    of = book([borrower(2_400)])
    seen = []
    for gwei in ("10", "300", "9000"):
        terms = terms_of(tmp_path, gas_gwei=gwei, gas_units=100_000)
        (row,) = opportunities(of, None, terms, driver="WETH/USD").to_dict("records")
        seen.append((row["break_even_raw"] == row["price_raw"], row["break_even_raw"] == ""))
    assert seen == [(True, False), (False, False), (False, True)]


def test_the_best_first_and_the_unknown_last(tmp_path: Path) -> None:
    owners = [borrower(2_350, 1), borrower(235_000, 2, 100), account(3, WBTC=(1, 0), USDC=(0, 44_000))]
    table = opportunities(book(owners), None, terms_of(tmp_path))
    assert list(table.columns) == list(OPPORTUNITY_COLUMNS)
    nets = table["net_usd"].tolist()
    known = [net for net in nets if not np.isnan(net)]
    assert nets[: len(known)] == sorted(known, reverse=True) == known
    assert table["account"].iloc[0] == address(2)
    unknown = table[table["net_usd"].isna()]
    assert set(unknown["account"]) == {address(3)}
    assert set(unknown["lacks"]) == {"no exit is given for WBTC/USDC: give --exit WBTC/USDC=file:PATH"}
    assert set(unknown["net_raw"]) == {""}
    assert (unknown["bonus_usd"] > 0).all()
    profitable = opportunities(book(owners), None, terms_of(tmp_path), min_profit_usd=1.0)
    assert set(profitable["account"]) == {address(1), address(2)}
    assert (profitable["net_usd"] >= 1).all()


def test_levels_are_those_of_the_ladder(tmp_path: Path) -> None:
    of = book([borrower(debt, k, 1) for k, debt in enumerate((2_000, 2_300, 2_450, 2_474), 1)])
    rungs = ladder(of)
    table = opportunities(of, None, terms_of(tmp_path), within_pct=5)
    near = rungs[rungs["distance_pct"].abs() <= 5]
    keys = ["account", "driver", "side", "price_raw", "bonus_usd", "repaid_usd", "seized_usd"]
    assert sorted(map(tuple, near[keys].to_numpy())) == sorted(map(tuple, table[keys].to_numpy()))
    assert table.attrs["beyond"] == len(rungs) - len(near) > 0
    spot = table["spot_raw"].map(int) + table["distance_units"].map(int)
    assert spot.map(str).tolist() == table["price_raw"].tolist()


def test_who_is_liquidatable_already_has_one_row(tmp_path: Path) -> None:
    of = book([account(1, WETH=(1, 0), USDC=(0, 2_600))])
    table = opportunities(of, None, terms_of(tmp_path))
    assert len(ladder(of)) > 1
    (row,) = table.to_dict("records")
    assert (row["outcome"], row["driver"], row["distance_pct"]) == ("already", "WETH/USD", 0.0)
    assert row["break_even_raw"] == row["spot_raw"]


def test_only_the_best_are_searched(tmp_path: Path) -> None:
    of = book([borrower(2_300 + k, k + 1) for k in range(4)])
    for searched, count in ((0, 0), (3, 3), (None, 8)):
        table = opportunities(of, None, terms_of(tmp_path), searched=searched)
        assert (table["peak_raw"] != "").sum() == count
        assert len(table) == 8, "falling WETH and rising USDC"


def test_another_pair_of_legs_nets_more(tmp_path: Path) -> None:
    """WETH pays the larger bonus and sells badly; WBTC is not sold at all without an exit."""
    of = book([account(1, WETH=(20, 0), wstETH=(20, 0), USDC=(0, 115_000))])
    there = of.market
    taken = aave_v3.take(of.account(0), there)
    assert isinstance(taken, Liquidation)
    wsteth = builders.SYMBOLS.index("wstETH")
    assert taken.seizures[0].reserve == wsteth
    choices = deals(of.account(0), there, taken)
    assert [deal.got[0].reserve for deal in choices] == [wsteth, WETH]
    shallow = pool(30, 108_000)
    token = shallow.base._replace(symbol="wstETH", address=there.reserves[wsteth].asset)
    bad = replace(shallow, base=token, address=address(7))
    both = (
        f"WETH/USDC=file:{pools_file(tmp_path)}",
        f"wstETH/USDC=file:{save_pools((bad,), builders.BLOCK, tmp_path / 'bad.json')}",
    )
    (row,) = opportunities(of, None, terms_of(tmp_path, exits=both), driver="WETH/USD").to_dict("records")
    assert (row["outcome"], row["seize_asset"]) == ("already", "WETH")
    assert row["bonus_usd"] < taken.bonus_base / 10**8
    (only,) = opportunities(of, None, terms_of(tmp_path), driver="WETH/USD").to_dict("records")
    assert only["seize_asset"] == "WETH", "the one whose net is known, and pays"
    (none,) = opportunities(of, None, terms_of(tmp_path, exits=()), driver="WETH/USD").to_dict("records")
    assert (none["seize_asset"], none["bonus_usd"]) == ("wstETH", taken.bonus_base / 10**8)
    assert np.isnan(none["net_usd"])


def test_a_snapshot_names_what_it_lacks(tmp_path: Path) -> None:
    (row,) = opportunities(book([borrower(2_400)]), driver="WETH/USD").to_dict("records")
    assert row["lacks"] == (
        "a snapshot has no flash premium: give --flash none, or basis points; "
        "no exit is given for WETH/USDC: give --exit WETH/USDC=file:PATH; "
        "no gas price is known: give --gas-gwei"
    )
    assert row["gas_units"] == (measured_units("aave-v3", "3.6", "liquidate", 2) or 0)
    assert row["peak_raw"] == ""


def test_refusals_are_rows_with_a_reason(tmp_path: Path) -> None:
    paused = market(reserves={"WETH": {"is_paused": True}})
    (row,) = opportunities(
        book([borrower(2_400)], paused), None, terms_of(tmp_path), driver="WETH/USD"
    ).to_dict("records")
    assert row["lacks"] == "ReservePaused: WETH"
    assert np.isnan(row["bonus_usd"])


def test_markets_are_ranked_together(tmp_path: Path) -> None:
    terms = terms_of(tmp_path)
    tables = [opportunities(book([borrower(debt, k)]), None, terms) for k, debt in ((1, 2_350), (2, 2_450))]
    table = ranked(tables)
    assert table["net_usd"].tolist() == sorted(
        (net for each in tables for net in each["net_usd"]), reverse=True
    )
    assert set(table["account"]) == {address(1), address(2)}


def test_from_python(tmp_path: Path) -> None:
    terms = defiliq.read_terms(gas_gwei="10", flash="none", exits=(f"WETH/USDC=file:{pools_file(tmp_path)}",))
    table = defiliq.opportunities(book([borrower(2_400)]), costs=terms)
    assert isinstance(table, pd.DataFrame)
    assert (table["lacks"] == "").all()
    with pytest.raises(InputError, match="no side"):
        defiliq.opportunities(book([borrower(2_400)]), side="left")  # type: ignore[arg-type]


@pytest.mark.lab
def test_another_block_is_refused(lab_v36: Lab) -> None:
    lab = lab_v36
    with connect(lab.url, retries=0) as node:
        there = aave_v3.read_market(node, listing_of(lab), node.block("latest"))
        orphaned = replace(there, block=replace(there.block, hash="0x" + "ee" * 32))
        with pytest.raises(BlockChanged):
            opportunities(Book.build(orphaned, []), node)


@pytest.mark.lab
@pytest.mark.parametrize("name", ["usdc", "weth"])
def test_a_storefront_sells_what_is_predicted(lab_compound_v3: CometLab, name: str) -> None:
    """absorb, then buyCollateral with what was predicted, for real."""
    lab = lab_compound_v3
    with connect(lab.url, retries=0) as node:
        of = read(node, comet_listing(lab, name), "latest")
        at = of.market.block.timestamp + 2
        of = replace(of, market=of.market.at_time(at))
        table = opportunities(of, node, read_terms(exits=("none",)), within_pct=60, searched=0)
    seen = 0
    base = of.market.reserves[0].symbol
    assert set(table["pays"]) <= {"storefront buyer", ""}
    for row in table.to_dict("records"):
        if (
            seen == 12
            or row["driver"] not in lab.drivers
            or "+" in row["seize_asset"]
            or not row["seize_asset"]
        ):
            continue
        assert row["repay_asset"] == base
        driver = {row["driver"]: int(row["price_raw"])}
        paid = int(row["repaid_raw"])
        _, bought = lab.buy(
            name, row["account"], row["seize_asset"], base_amount=paid, drivers=driver, timestamp=at
        )
        assert (bought.success, str(bought.received)) == (True, row["seized_raw"])
        assert bought.paid == paid
        seen += 1
    assert seen >= 3


@pytest.mark.lab
def test_ctokens_are_redeemed(lab_compound_v2: CompoundV2Lab) -> None:
    lab = lab_compound_v2
    with connect(lab.url, retries=0) as node:
        of = read(node, compound_listing(lab), "latest")
        terms = read_terms(exits=("none",))
        table = opportunities(of, node, terms, within_pct=15, searched=2)
    assert len(table) > 10
    rungs = ladder(of)
    merged = table.merge(rungs, on=["account", "driver", "side", "price_raw"], suffixes=("", "_rung"))
    assert len(merged) == len(table)
    unknown = merged["lacks"] != ""
    assert (merged["bonus_usd"] == merged["bonus_usd_rung"])[unknown].all()
    assert (merged["bonus_usd"] <= merged["bonus_usd_rung"]).all(), "another pair, whose net is known"
    steps = {step: measured_units("compound-v2", "2", step, 2) or 0 for step in ("liquidate", "redeem")}
    assert (table["gas_units"].dropna() >= sum(steps.values())).all()
    same = table[table["seize_asset"] == table["repay_asset"]]
    assert (same["lacks"] == "").all()


@pytest.mark.lab
def test_solo_nets_its_spread(lab_dydx_solo: SoloLab) -> None:
    lab = lab_dydx_solo
    with connect(lab.url, retries=0) as node:
        of = read(node, solo_listing(lab), "latest")
        table = opportunities(of, node, read_terms(exits=("WETH/DAI=impact:1B",)), within_pct=15, searched=1)
    sold = table[(table["seize_asset"] == "WETH") & (table["repay_asset"] == "DAI")]
    assert len(sold)
    assert (sold["lacks"] == "").all()
    assert (sold["net_usd"] < sold["bonus_usd"]).all()


def test_valuers_of_a_watch(tmp_path: Path) -> None:
    """Once per block; in a market at other prices, too."""
    of, head = book([borrower(2_600)]), _head(builders.BLOCK)
    value = valuer(None, Listing("aave-v3", "Local", 31337, 0, {}), terms_of(tmp_path))
    taken = aave_v3.take(of.account(0), of.market)
    assert isinstance(taken, Liquidation)
    fields = value(head, of.market)(of.account(0), of.market, taken)
    assert list(fields) == [field.name for field in ECONOMICS]
    assert fields["lacks"] == ""
    assert value(head, of.market)(of.account(0), of.market, taken) == fields
    lower = of.market.at_prices({0: 2_700 * 10**8})
    there = aave_v3.take(of.account(0), lower)
    assert isinstance(there, Liquidation)
    fallen = value(head, of.market)(of.account(0), lower, there)
    assert 0 < number(fallen["slippage_usd"]) < 1, "the pool has followed the oracle down"
    assert gas_usd(10**18, of.market) == 3_000.0
    assert gas_usd(10**18, replace(of.market, reserves=of.market.reserves[1:])) is None


def number(value: object) -> float:
    assert isinstance(value, float)
    return value


def _head(block: Block) -> Head:
    return Head(block, "0x" + "cd" * 32, 10**9, 15_000_000, 30_000_000)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exits": ("WETH/USDC",)}, "is no exit"),
        ({"exits": ("WETH=pool:0x1",)}, "is no exit"),
        ({"exits": ("WETH/USDC=pool:1", "weth/usdc=pool:2")}, "given twice"),
        ({"exits": ("auto", "none")}, "contradict"),
        ({"flash": "10001"}, "no flash loan"),
        ({"flash": "balancer"}, "no flash loan"),
        ({"gas_gwei": "-1"}, "no"),
        ({"gas_gwei": "nan"}, "an amount of gwei"),
        ({"priority_gwei": "1e99"}, "an amount of gwei"),
        ({"native_usd": "0"}, "above 0"),
        ({"native_usd": "much"}, "a price of the native coin"),
    ],
)
def test_what_cannot_be_used_is_refused(changes: Mapping[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_terms(**changes)


def test_terms_as_they_are_read() -> None:
    terms = read_terms(
        priority_gwei="0.1", flash="9", native_usd="2500.5", exits=("A/B=file:x.json", "auto"), gas_units=7
    )
    assert (terms.priority_wei, terms.flash, terms.auto, terms.gas_units) == (10**8, 9, True, 7)
    assert terms.native_usd == Fraction(5001, 2)
    assert terms.exits == (("A", "B", "file", "x.json"),)
    assert not read_terms(exits=("A/B=file:x.json",)).auto
    assert not read_terms(exits=("none",)).auto
    assert read_terms().auto


@pytest.mark.parametrize(
    ("exits", "said"),
    [
        (("WETH/USDC=pool:0x1",), "read from a node"),
        (("WETH/USDC=file:nowhere.json",), "nowhere.json"),
    ],
)
def test_exits_that_cannot_be_read(exits: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        opportunities(book([borrower(2_400)]), None, read_terms(exits=exits))


def test_curves_and_laws_as_exits(tmp_path: Path) -> None:
    curve = tmp_path / "curve.csv"
    curve.write_text("side,price,amount\nbid,2990,5\nbid,2900,50\nask,3010,50\n")
    of = book([borrower(2_400)])
    rows = {}
    for what in (f"file:{curve}", "impact:1B,4%"):
        terms = terms_of(tmp_path, exits=(f"WETH/USDC={what}",))
        (rows[what],) = opportunities(of, None, terms, driver="WETH/USD").to_dict("records")
        assert rows[what]["lacks"] == ""
        assert rows[what]["slippage_usd"] > 0
    terms = terms_of(tmp_path, exits=(f"USDC/WETH=file:{curve}",))
    with pytest.raises(InputError, match="not the other way"):
        opportunities(of, None, terms, driver="WETH/USD")


def test_pools_that_contradict_themselves_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three found pools two are bad: the third is the exit, and they are not asked for again."""
    good, asked = replace(pool(), address=address(3)), []

    def read_pools(node: Any, wanted: Any, at: Block, *, base: str) -> tuple[PoolV2, ...]:
        asked.append(list(wanted))
        for bad, fault in ((address(1), UnsoundPool), (address(2), NotAPool)):
            if bad in wanted:
                raise fault(bad, "it lies")
        return (good,)

    every = (address(1), address(2), address(3))
    monkeypatch.setattr("defiliq.pipeline.exits.find_pools", lambda *given: every)
    monkeypatch.setattr("defiliq.pipeline.exits.read_pools", read_pools)
    found = Found()
    node: Any = None
    tokens = good.base.address, good.quote.address
    assert found.pools(node, *tokens, builders.BLOCK) == (good,)
    assert found.pools(node, *tokens, builders.BLOCK) == (good,)
    assert [len(some) for some in asked] == [3, 2, 1, 1]
    assert set(found.unread) == set(every[:2])
    assert "contradicts itself: it lies" in found.unread[address(1)]
