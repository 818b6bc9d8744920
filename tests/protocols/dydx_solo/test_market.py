"""Names of accounts, and indices by the contract's interest at any time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.errors import InputError
from defiliq.protocols.dydx_solo import SoloMarket, load_listings
from defiliq.units import WAD
from tests.builders import NOW, address
from tests.protocols.dydx_solo.states import listed, markets, solo
from tests.protocols.dydx_solo.told import index_at

MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
OWNER = address(0xABCDEF0123456789)


@given(st.binary(min_size=20, max_size=20), st.one_of(st.integers(0, 3), st.integers(0, 2**256 - 1)))
def test_a_name_and_its_key_are_the_same(owner: bytes, number: int) -> None:
    key = owner + number.to_bytes(32, "big")
    name = SoloMarket.account_name(key)
    assert name.endswith(f"/{number}")
    assert SoloMarket.account_key(name) == key
    assert SoloMarket.account_key(name.lower()) == key
    assert len(key) == SoloMarket.account_bytes


def test_an_owner_alone_means_account_0() -> None:
    assert SoloMarket.account_key(OWNER) == SoloMarket.account_key(f"{OWNER}/0")
    assert SoloMarket.account_key(f"{OWNER}/007") == SoloMarket.account_key(f"{OWNER}/7")


@pytest.mark.parametrize(
    "name",
    ["", "/1", OWNER[:-1], f"{OWNER}/", f"{OWNER}/-1", f"{OWNER}/1/2", f"{OWNER} /1", f"{OWNER}/{2**256}",
     f"{OWNER}/0x1", f"{OWNER}/\u0661", OWNER[2:], f"{OWNER}/1\n", "0x" + "g" * 40],
)  # fmt: skip
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="OWNER/NUMBER"):
        SoloMarket.account_key(name)


@MANY
@given(markets(), st.one_of(st.integers(0, 60), st.integers(0, 2**31)))
def test_indices_are_those_of_the_contracts_interest(market: SoloMarket, later: int) -> None:
    there = market.at_time(NOW + later)
    for k, reserve in enumerate(there.reserves):
        assert index_at(market, k, NOW + later)[:2] == (
            reserve.borrow_index_now_wad,
            reserve.supply_index_now_wad,
        )
    stored = there.as_stored()
    assert stored.stored
    for reserve in stored.reserves:
        assert reserve.borrow_index_now_wad == reserve.borrow_index_wad
        assert reserve.supply_index_now_wad == reserve.supply_index_wad
    assert stored.at_time(NOW + later) == there


def test_who_gets_how_much_interest() -> None:
    """One second at 1% per second, of which 90% are passed on, by what is borrowed and supplied."""
    one = {"borrow_rate_wad": WAD // 100, "accrued_at": NOW - 1}
    cases = {
        (1000, 2000): 45,
        (1000, 1000): 90,
        (2000, 1000): 90,  # no supplied token gets more than the share
        (1000, 0): 0,
        (0, 1000): 0,
    }
    for (borrowed, supplied), basis in cases.items():
        reserve = listed(0, total_borrow_par=borrowed, total_supply_par=supplied, **one)
        (now,) = solo([reserve], [1], earnings_rate_wad=9 * WAD // 10).reserves
        assert now.borrow_index_now_wad == WAD + WAD // 100
        assert now.supply_index_now_wad == WAD + basis * WAD // 10_000


def test_interest_is_one_line_from_the_last_update() -> None:
    """Not compounded: at the thousandth second a thousand times what is at the first."""
    market = solo([listed(0, borrow_rate_wad=10**12)], [1])
    at = [market.at_time(NOW + k).reserves[0].borrow_index_now_wad - WAD for k in (1, 1000)]
    assert at[1] == 1000 * at[0] > 0


def test_an_earlier_time_is_refused() -> None:
    with pytest.raises(ValueError, match="before the block's own"):
        solo([listed(0)], [1]).at_time(NOW - 1)


def test_the_one_that_is_known_by_name() -> None:
    (listing,) = load_listings()
    assert (listing.protocol, listing.chain_id, listing.chain) == ("dydx-solo", 1, "ethereum")
    assert listing.from_block == 7_280_000
    assert set(listing.addresses) == {"solo_margin"}


def test_a_price_is_that_of_a_token_base_unit() -> None:
    """A dollar is 10**30 for a token of six decimals; its unit says so."""
    market = solo([listed(0, 6), listed(1, 18)], [10**30, 200 * 10**18])
    assert [market.price_unit(k) for k in range(2)] == [10**30, 10**18]
    assert market.base_unit == 10**36
