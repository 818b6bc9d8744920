"""Stress beside the real contracts: sources and caps are moved on the chain, and everybody is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytest

from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.pipeline.presets import preset
from defiliq.pipeline.reading import read
from defiliq.pipeline.stress import stress
from defiliq.pipeline.stressed import StressResult
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Liquidation, Listing
from defiliq.units import WAD
from tests.lab import Lab
from tests.lab.lab import AccountData
from tests.lab.reserves import STAKED
from tests.takings import cover, sole

pytestmark = pytest.mark.lab

JOINT = (
    ("ETH/USD=-20%", "wstETH/ETH=-5%"),
    ("ETH/USD=+25%", "wstETH/ETH=+0.5%", "BTC/USD=-10%"),
    ("USDC/USD=0.877", "USDT/USD=1.01", "ETH/USD=-43%", "BTC/USD=-40%"),
    ("*=-7.3%",),
    ("wstETH/ETH=+30%",),
    ("ETH/USD=+0%",),
)
UNMOVED = (("ETH/USD=+0%",), ("wstETH/ETH=+30%",))
"""Nothing, and what a cap holds down: nobody breaks by it."""
CALLS = 8


@pytest.fixture(params=["lab_v36", "lab_v30"])
def lab(request: pytest.FixtureRequest) -> Lab:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Lab)
    return found


def book_of(lab: Lab) -> Book[AaveMarket]:
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    with connect(lab.url, retries=0) as node:
        book: Book[AaveMarket] = read(node, listing, "latest")
    return book


@contextmanager
def moved(lab: Lab, drivers: Mapping[str, int]) -> Iterator[None]:
    """Every source written into storage, and undone at the end."""
    with lab.rewinding():
        for name, value in drivers.items():
            lab.set_driver(name, value)
        yield


def everybody(lab: Lab) -> dict[str, AccountData]:
    return dict(zip(lab.owners, lab.all_account_data(), strict=True))


def check(lab: Lab, result: StressResult) -> None:
    """The contract at its present sources says of every account and price what the stress said."""
    said = everybody(lab)
    for k, reserve in enumerate(result.market.reserves):
        assert lab.price(reserve.symbol) == result.market.price_of(k), reserve.symbol
    owners = [result.book.owner(i) for i in range(len(result.book))]
    assert len(owners) == len(lab.borrowers)
    flags = {owner: bool(flag) for owner, flag in zip(owners, result.after, strict=True)}
    assert flags == {owner: said[owner].factor_wad < WAD for owner in owners}
    for each in result.broken:
        data = said[result.book.owner(each.account)]
        assert (each.collateral_base, each.debt_base) == (data.collateral_base, data.debt_base)
    broken = [said[owner] for owner in owners if flags[owner]]
    assert result.sums.debt_base == sum(data.debt_base for data in broken)
    assert result.sums.collateral_base == sum(data.collateral_base for data in broken)
    shortfalls = [data.debt_base - data.collateral_base for data in broken]
    assert result.sums.bad_debt_base == sum(max(0, shortfall) for shortfall in shortfalls)


def positions(result: StressResult) -> dict[str, int]:
    return {move.name: move.after for move in result.moves}


@pytest.mark.parametrize("shocks", JOINT, ids=lambda shocks: shocks[0])
def test_every_verdict_after_a_joint_move(lab: Lab, shocks: tuple[str, ...]) -> None:
    result = stress(book_of(lab), shocks)
    if shocks[0] == "*=-7.3%":
        assert set(positions(result)) == set(lab.drivers)
    with moved(lab, positions(result)):
        check(lab, result)
    assert result.after.any()
    if shocks not in UNMOVED:
        assert (result.after != result.before).any()


def test_a_cap_that_is_put_below_the_ratio(lab: Lab) -> None:
    """March 2026 replayed: sources stand still, and the contract's own cap is set."""
    result = stress(book_of(lab), preset("capo-2026").shocks)
    (cap,) = result.moves
    with lab.rewinding():
        lab.set_cap(STAKED, cap.after)
        check(lab, result)
    row = result.reserves.set_index("reserve").loc["wstETH"]
    assert not row["capped_at_spot"]
    assert row["capped"]
    assert row["change_pct"] == pytest.approx(-2.85, abs=1e-6)


def test_a_cap_and_drivers_together(lab: Lab) -> None:
    result = stress(book_of(lab), ["cap:wstETH=-2.85%", "ETH/USD=-11%", "cap:USDC=-3%", "USDC/USD=+2%"])
    caps = {move.name: move.after for move in result.moves if move.name.startswith("cap:")}
    sources = {name: value for name, value in positions(result).items() if name not in caps}
    with moved(lab, sources):
        lab.set_cap(STAKED, caps["cap:wstETH/ETH ratio"])
        lab.set_cap("USDC", caps["cap:USDC/USD"])
        check(lab, result)
    assert (result.after & ~result.before).any()


def test_a_cap_stops_a_rising_ratio(lab: Lab) -> None:
    result = stress(book_of(lab), "wstETH/ETH=+30%")
    row = result.reserves.set_index("reserve").loc["wstETH"]
    assert row["capped"]
    assert 0 < row["change_pct"] < 30


def test_first_calls_are_what_the_contract_lets_through(lab: Lab) -> None:
    """Real liquidations at the moved sources, each undone afterwards: to the wei."""
    book = book_of(lab)
    at = book.market.block.timestamp + 1000
    result = stress(replace(book, market=book.market.at_time(at)), JOINT[0])
    symbols = [reserve.symbol for reserve in result.market.reserves]
    shapes = {user.owner: user.shape for user in lab.users}
    done: Counter[str] = Counter()
    newly = [each for each in result.broken if not each.already and isinstance(each.taken, Liquidation)]
    for each in newly[:: max(1, len(newly) // CALLS)]:
        taken = each.taken
        assert isinstance(taken, Liquidation)
        owner = result.book.owner(each.account)
        seen = lab.liquidate(
            owner,
            collateral=symbols[sole(taken).reserve],
            debt=symbols[taken.repay_reserve],
            debt_to_cover=cover(taken),
            timestamp=at,
            drivers=positions(result),
            takes_a_token=shapes[owner].startswith("whale"),  # the pool does not hold enough to pay them out
        )
        assert seen.success, seen.error
        assert (seen.seized, seen.repaid) == (sole(taken).amount, taken.repaid)
        done[symbols[sole(taken).reserve]] += 1
    assert done.total() >= min(CALLS, len(newly)) > 3
