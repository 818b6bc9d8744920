"""LiquidateBorrow from its log: cTokens become what they redeem for, and what is refused."""

from __future__ import annotations

import pytest

from defiliq.errors import DecodeError
from defiliq.protocols.compound_v2 import abi, event_worth
from defiliq.protocols.compound_v2.events import decode_events
from defiliq.units import WAD
from tests.builders import address
from tests.protocols.compound_v2.ctokens import comptroller, ctoken
from tests.traced import One, logs_of

LIQUIDATOR, USER = address(0x10), address(0x11)
HELD, OWED = (
    ctoken(k, f"T{k}", 18, seize_share_wad=28 * 10**15, exchange_rate_now_wad=3 * WAD + 1) for k in (0, 1)
)


def liquidation(collateral: str, *, repaid: int = 5, seized: int = 1_001) -> One:
    data = (LIQUIDATOR, USER, repaid, collateral, seized)
    return One(abi.LIQUIDATE_EVENT, data=data, address=int(OWED.c_token, 16))


def test_the_debt_is_of_the_ctoken_that_emits() -> None:
    (event,) = decode_events(logs_of(liquidation(HELD.c_token)))
    assert (event.account, event.liquidator) == (USER, LIQUIDATOR)
    assert (event.seize_asset, event.seized) == (HELD.c_token, 1_001)
    assert (event.repay_asset, event.repaid) == (OWED.c_token, 5)


def test_ctokens_are_told_as_underlying_and_the_protocols_share_as_a_fee() -> None:
    """Of 1,001 cTokens the protocol keeps 2.8%, cut to 28."""
    market = comptroller([HELD, OWED], [2 * WAD, 7 * WAD])
    (worth,) = event_worth(decode_events(logs_of(liquidation(HELD.c_token))), market)
    seized, kept = 973 * (3 * WAD + 1) // WAD, 28 * (3 * WAD + 1) // WAD
    assert (worth.seized, worth.seized_base, worth.fee_base) == (seized, 2 * seized, 2 * kept)
    assert (worth.repaid_base, worth.bonus_base) == (35, 2 * seized - 35)
    assert (worth.seize_reserve, worth.repay_reserve, worth.bad_debt_base) == (0, 1, None)


def test_a_ctoken_without_a_price_stays_in_ctokens() -> None:
    market = comptroller([HELD, OWED], [2 * WAD, 7 * WAD])
    (worth,) = event_worth(decode_events(logs_of(liquidation(address(0xBEEF)))), market)
    assert (worth.seized, worth.seized_base, worth.fee_base, worth.bonus_base) == (1_001, None, None, None)
    assert worth.repaid_base == 35


@pytest.mark.parametrize(
    ("spoiled", "seen"),
    [
        (One(abi.LIQUIDATE_EVENT, data=(LIQUIDATOR, USER, 1, HELD.c_token)), "128 bytes of data, not 160"),
        (One(abi.LIQUIDATE_EVENT, data=(1 << 160, USER, 1, HELD.c_token, 1)), "no address"),
        (One(abi.LIQUIDATE_EVENT, data=(LIQUIDATOR, 1 << 255, 1, HELD.c_token, 1)), "no address"),
        (One(abi.LIQUIDATE_EVENT, data=(LIQUIDATOR, USER, 1, 1 << 160, 1)), "no address"),
    ],
)
def test_malformed_logs_name_their_transaction(spoiled: One, seen: str) -> None:
    with pytest.raises(DecodeError, match=seen) as caught:
        decode_events(logs_of(spoiled))
    assert f"LiquidateBorrow in transaction 0x{1:064x}" in str(caught.value)
