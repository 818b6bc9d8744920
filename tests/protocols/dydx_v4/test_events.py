"""Matches of the chain: what a liquidated position gave and got, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from defiliq.chain.cosmos_transport import ChainEvent
from defiliq.errors import DecodeError
from defiliq.protocols.dydx_v4 import event_worth
from defiliq.protocols.dydx_v4.events import decode_event, is_deleverage, is_liquidation
from tests.dydx.matches import match
from tests.protocols.dydx_v4.states import chain, perpetual

TAKER, MAKER = "dydx1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnqm6q8v/3", "dydx1" + "q" * 38 + "/128"


def seen(**fields: Any) -> ChainEvent:
    said = match(TAKER, MAKER, **{"perpetual": 0, "base": -10, "quote": 95, "is_liquidation": True, **fields})
    attributes = {one["key"]: one.get("value", "") for one in said["attributes"]}
    return ChainEvent("AB" * 32, 4, attributes)


def test_a_long_gives_its_position_for_what_the_fill_comes_to() -> None:
    event = decode_event(seen(fund=2, maker_fee=1), 9, "0xhash")
    assert (event.kind, event.account, event.liquidator) == ("liquidation", TAKER, MAKER)
    assert (event.block, event.block_hash, event.transaction, event.log_index) == (9, "0xhash", "AB" * 32, 4)
    assert (event.seize_asset, event.seized) == ("perpetual 0", 10)
    assert (event.repay_asset, event.repaid) == ("USDC", 95)
    (worth,) = event_worth([event], chain([perpetual(1)], [10]))
    assert (worth.seized_base, worth.repaid_base, worth.bonus_base) == (100, 95, 5)
    assert (worth.fee_base, worth.bad_debt_base) == (2, 0)


def test_a_short_gives_dollars_and_the_fund_pays_what_is_missing() -> None:
    event = decode_event(seen(base=10, quote=107, fund=-3), 9, "0xhash")
    assert (event.seize_asset, event.seized) == ("USDC", 107)
    assert (event.repay_asset, event.repaid) == ("perpetual 0", 10)
    (worth,) = event_worth([event], chain([perpetual(1)], [10]))
    assert (worth.seized_base, worth.repaid_base, worth.bonus_base) == (107, 100, 7)
    assert (worth.fee_base, worth.bad_debt_base) == (0, 3)


def test_deleveraging_can_cost_whoever_is_offset() -> None:
    one = seen(is_liquidation=False, is_deleverage=True, quote=108)
    assert (is_liquidation(one), is_deleverage(one)) == (False, True)
    event = decode_event(one, 9, "0xhash")
    (worth,) = event_worth([event], chain([perpetual(1)], [10]))
    assert (event.kind, worth.bonus_base, worth.bad_debt_base) == ("deleveraging", -8, 0)


def test_a_perpetual_without_a_price_has_no_worth() -> None:
    (worth,) = event_worth([decode_event(seen(perpetual=7), 9, "0xhash")], chain([perpetual(1)], [10]))
    assert (worth.seize_reserve, worth.seized_base, worth.repaid_base, worth.bonus_base) == (
        None,
        None,
        95,
        None,
    )


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("taker_perpetual_quantums_delta_base_quantums", "ten", "no number as taker_perpetual"),
        ("taker_quote_balance_delta_quote_quantums", "", "no number as taker_quote"),
        ("insurance_fund_delta_quote_quantums", "1" * 61, "no number as insurance_fund"),
        ("taker_perpetual_quantums_delta_base_quantums", "10", "paid for and given away"),
        ("taker_subaccount", "nobody else", "no subaccount as taker"),
        ("maker_subaccount_number", "4294967296", "no subaccount as maker"),
        ("is_deleverage", "maybe", "no truth as is_deleverage"),
    ],
)
def test_malformed_matches_name_their_transaction(key: str, value: str, said: str) -> None:
    event = seen()
    spoiled = ChainEvent(event.transaction, event.index, {**event.attributes, key: value})
    with pytest.raises(DecodeError, match=said) as caught:
        decode_event(spoiled, 9, "0xhash")
    assert f"transaction {'AB' * 32}" in str(caught.value)


def test_a_match_must_say_whether_it_is_a_liquidation() -> None:
    event = seen()
    less = {key: value for key, value in event.attributes.items() if key != "is_liquidation"}
    with pytest.raises(DecodeError, match="no truth as is_liquidation"):
        is_liquidation(ChainEvent(event.transaction, 0, less))
