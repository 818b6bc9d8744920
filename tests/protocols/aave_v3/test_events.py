"""Liquidation calls from their logs: which deficit belongs to which call, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defiliq.errors import DecodeError
from defiliq.protocols.aave_v3 import abi, event_worth
from defiliq.protocols.aave_v3.events import decode_events
from tests.builders import address, market
from tests.traced import One, block_hash, logs_of

WETH, USDC, DAI = (address(0xA000 + k) for k in (0, 3, 4))
USER, OTHER, LIQUIDATOR = address(0x11), address(0x12), address(0x13)


def call(user: str = USER, transaction: int = 1, **changes: object) -> One:
    plain = One(
        abi.LIQUIDATION_EVENT,
        (WETH, USDC, user),
        (2_000 * 10**6, 7 * 10**17, LIQUIDATOR, 0),
        transaction=transaction,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def deficit(user: str, asset: str, amount: int, transaction: int = 1) -> One:
    return One(abi.DEFICIT_EVENT, (user, asset), (amount,), transaction=transaction)


def test_a_call_is_read_word_by_word() -> None:
    (event,) = decode_events(logs_of(call()))
    assert (event.block, event.block_hash, event.transaction) == (7, block_hash(7), f"0x{1:064x}")
    assert (event.account, event.liquidator, event.kind) == (USER, LIQUIDATOR, "liquidation")
    assert (event.seize_asset, event.seized) == (WETH, 7 * 10**17)
    assert (event.repay_asset, event.repaid, event.written_off) == (USDC, 2_000 * 10**6, ())


def test_deficits_belong_to_the_next_call_on_the_account() -> None:
    logs = logs_of(
        call(OTHER),
        deficit(USER, USDC, 5),
        deficit(USER, DAI, 6),
        call(OTHER),
        call(USER),
        call(USER),
        deficit(USER, DAI, 9, transaction=2),
        call(USER, transaction=3),
    )
    told = [(event.account, event.written_off) for event in decode_events(logs)]
    assert told == [(OTHER, ()), (OTHER, ()), (USER, ((USDC, 5), (DAI, 6))), (USER, ()), (USER, ())]


@pytest.mark.parametrize(
    ("spoiled", "seen"),
    [
        (call(extra=b"\0"), "129 bytes of data, not 128"),
        (call(data=(1, 2, 3)), "96 bytes of data, not 128"),
        (call(data=(1, 2, 1 << 160, 0)), "a word that is no address"),
        (call(data=(1, 2, LIQUIDATOR, 2)), "a truth that is neither"),
        (call(topics=(WETH, USDC, 1 << 200)), "a word that is no address"),
        (One(abi.DEFICIT_EVENT, (USER, DAI), (1, 2)), "64 bytes of data, not 32"),
    ],
)
def test_malformed_logs_name_their_transaction(spoiled: One, seen: str) -> None:
    with pytest.raises(DecodeError, match=seen) as caught:
        decode_events(logs_of(call(), spoiled))
    assert f"in transaction 0x{1:064x}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_worth_is_rounded_as_calls_round() -> None:
    (event,) = decode_events(logs_of(call(data=(3, 10**10 + 1, LIQUIDATOR, 0)), deficit(OTHER, DAI, 1)))
    at = market(WETH=300_000_001, USDC=99_999_999)
    (worth,) = event_worth([replace(event, written_off=((DAI, 10**18 + 1), (USDC, 1)))], at)
    assert (worth.seized_base, worth.repaid_base) == (3, 300)
    assert worth.bonus_base == 3 - 300
    assert worth.bad_debt_base == 100_000_001 + 100
    assert (worth.fee_base, worth.seize_reserve, worth.repay_reserve) == (None, 0, 3)


def test_before_deficits_had_events_nothing_is_known_of_bad_debt() -> None:
    (event,) = decode_events(logs_of(call()))
    assert [event_worth([event], market(revision=k))[0].bad_debt_base for k in (6, 7)] == [None, 0]


def test_what_has_no_price_has_no_worth() -> None:
    (event,) = decode_events(logs_of(call(topics=(address(0xBEEF), USDC, USER))))
    (worth,) = event_worth([event], market())
    assert (worth.seize_reserve, worth.seized_base, worth.bonus_base) == (None, None, None)
    assert worth.repaid_base == 2_000 * 10**8
    (worth,) = event_worth([replace(event, written_off=((address(0xBEEF), 1),))], market())
    assert worth.bad_debt_base is None
