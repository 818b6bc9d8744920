"""The opportunity ladder on real contracts: what it says of an account is what they do."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.depth.factories import Factory
from defiliq.depth.read import find_pools
from defiliq.depth.uniswap_v3 import HIGHEST_LIMIT, LOWEST_LIMIT
from defiliq.errors import BlockChanged
from defiliq.mev.gas import measured_units
from defiliq.pipeline.cost_terms import CostTerms, read_terms
from defiliq.pipeline.exits import Found
from defiliq.pipeline.judge import ladder
from defiliq.pipeline.opportunities import opportunities
from defiliq.pipeline.reading import read
from defiliq.pipeline.valuing import BlockCosts
from defiliq.protocols import aave_v3
from defiliq.protocols.aave_v3.flash import read_flash_loans, rounds_premium_up
from defiliq.types import Listing
from tests.lab import CometLab, CompoundV2Lab, Lab, SoloLab
from tests.lab.bot import Bot, realised
from tests.lab.chain import Tx
from tests.lab.contract import Contract, topic
from tests.lab.liquidation import LIQUIDATOR
from tests.lab.node import BLOCK_SECONDS
from tests.lab.receipts import words_of
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


@pytest.mark.lab
@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
def test_a_bot_keeps_what_is_predicted(request: pytest.FixtureRequest, fixture: str) -> None:
    """One transaction with a flash loan: the tokens that remain are exact, and so is the base fee.

    Its whole transaction takes within a tenth of the gas that was measured for its parts.
    """
    lab: Lab = request.getfixturevalue(fixture)
    seen = set()
    with lab.rewinding():
        place = seeded(lab, 1, [ETH])
        lend(lab, 9, "USDC", "WETH")
        bot = Bot.deploy(lab.chain, lab.market)
        there = place.pools[ETH]
        with connect(lab.url, retries=0) as node:
            now = read(node, listing_of(lab), "latest", owners=place.book.owners, uncounted=True)
            later = now.market.at_time(now.market.block.timestamp + BLOCK_SECONDS)
            place = replace(place, book=replace(now, market=later))
            terms = read_terms(exits=(f"WETH/USDC=pool:{there.address}",))
            table = opportunities(place.book, node, terms, within_pct=20, driver=ETH, searched=0)
        for row in table[table["lacks"] == ""].to_dict("records"):
            price, loan = int(row["price_raw"]), int(row["repaid_raw"])
            moved = there.at_price(there.price * Fraction(*_ratio(place, price)))
            job = bot.job(
                row["account"],
                row["seize_asset"],
                row["repay_asset"],
                int(row["debt_to_cover"]),
                there.address,
                loan,
            )
            with lab.rewinding():
                sent = [*place.tell({ETH: price}), place.arbitrage(ETH, moved), bot.transaction(job)]
                lab.chain.send_all(sent, later.timestamp)
                block = lab.rpc("eth_getBlockByNumber", "latest", False)
                receipt = lab.rpc("eth_getTransactionReceipt", block["transactions"][-1])
            done = realised(receipt)
            assert done is not None
            gas_raw = int(row["exit_out_raw"]) - loan - int(row["flash_fee_raw"]) - int(row["net_raw"])
            assert done.kept == int(row["net_raw"]) + gas_raw
            assert (done.repaid, done.premium) == (loan, int(row["flash_fee_raw"]))
            assert (done.received, done.proceeds) == (int(row["seized_raw"]), int(row["exit_out_raw"]))
            assert int(block["baseFeePerGas"], 16) == int(row["gas_price_wei"])
            assert abs(done.gas_used - row["gas_units"]) < row["gas_units"] / 10
            seen.add(row["side"])
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
