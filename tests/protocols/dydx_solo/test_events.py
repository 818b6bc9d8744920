"""LogLiquidate and LogVaporize from their logs: whose tokens moved which way, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from defiliq.errors import DecodeError
from defiliq.protocols.dydx_solo import abi, event_worth
from defiliq.protocols.dydx_solo.events import decode_events
from tests.builders import address
from tests.protocols.dydx_solo.states import listed, solo
from tests.traced import One, logs_of

SOLID, LIQUID = address(0x10), address(0x11)


def update(moved: int, par: int = 0) -> tuple[int, ...]:
    return (int(moved > 0), abs(moved), int(par > 0), abs(par))


def liquidation(updates: Sequence[int] = (60, -50, -60, 50), **changes: Sequence[int]) -> One:
    """The solid account 3 gives 50 of market 1 for 60 of market 0."""
    data = [3, 2**255, 0, 1, *(word for moved in updates for word in update(moved))]
    return One(abi.LIQUIDATE_EVENT, (SOLID, LIQUID), changes.get("data", data))


def vaporization(held: int, paid: int, repaid: int) -> One:
    data = [3, 4, 0, 1, *update(held), *update(-paid), *update(repaid)]
    return One(abi.VAPORIZE_EVENT, (SOLID, LIQUID), data)


def test_a_liquidation() -> None:
    (event,) = decode_events(logs_of(liquidation()))
    assert (event.kind, event.account, event.liquidator) == (
        "liquidation",
        f"{LIQUID}/{2**255}",
        f"{SOLID}/3",
    )
    assert (event.seize_asset, event.seized) == ("market 0", 60)
    assert (event.repay_asset, event.repaid, event.paid, event.written_off) == ("market 1", 50, 50, None)


def test_a_vaporization_is_all_bad_debt_of_which_the_surplus_repays_a_part() -> None:
    (event,) = decode_events(logs_of(vaporization(held=20, paid=30, repaid=50)))
    assert (event.kind, event.seized, event.repaid, event.paid) == ("vaporization", 20, 50, 30)
    market = solo([listed(0), listed(1)], [3, 2])
    (worth,) = event_worth([event], market)
    assert (worth.seized_base, worth.repaid_base, worth.bonus_base) == (60, 100, 60 - 60)
    assert (worth.bad_debt_base, worth.fee_base) == (100, None)


def test_a_vaporization_by_the_surplus_alone() -> None:
    (event,) = decode_events(logs_of(vaporization(held=0, paid=0, repaid=50)))
    assert (event.seized, event.repaid, event.paid) == (0, 50, 0)


def test_markets_are_found_by_their_number() -> None:
    market = solo([listed(1, feed=0), listed(0, feed=1)], [2, 3])
    (worth,) = event_worth(decode_events(logs_of(liquidation())), market)
    assert (worth.seize_reserve, worth.repay_reserve) == (1, 0)
    assert (worth.seized_base, worth.repaid_base, worth.bonus_base) == (180, 100, 80)
    assert worth.bad_debt_base is None
    (worth,) = event_worth(decode_events(logs_of(liquidation())), solo([listed(1, feed=0)], [2]))
    assert (worth.seized_base, worth.repaid_base, worth.bonus_base) == (None, 100, None)


@pytest.mark.parametrize(
    ("spoiled", "seen"),
    [
        (liquidation((-60, -50, 60, 50)), "moved the other way"),
        (liquidation((60, 50, -60, 50)), "moved the other way"),
        (liquidation((60, -50, -61, 50)), "moved the other way"),
        (liquidation((60, -50, -60, 51)), "moved the other way"),
        (liquidation((60, -50, -60, -50)), "moved the other way"),
        (liquidation(data=[0] * 19), "608 bytes of data, not 640"),
        (liquidation(data=[3, 4, 0, 1, 2, *[0] * 15]), "a sign that is none"),
        (vaporization(held=-1, paid=0, repaid=1), "moved the other way"),
    ],
)
def test_malformed_logs_name_their_transaction(spoiled: One, seen: str) -> None:
    with pytest.raises(DecodeError, match=seen) as caught:
        decode_events(logs_of(spoiled))
    assert f"in transaction 0x{1:064x}" in str(caught.value)
