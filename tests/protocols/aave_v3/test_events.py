"""Liquidation calls from their logs: which deficit belongs to which call, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from defiliq.chain.node import Call, LogFilter, Logs
from defiliq.errors import CallReverted, DecodeError
from defiliq.protocols.aave_v3 import abi, event_worth
from defiliq.protocols.aave_v3.events import decode_events
from defiliq.protocols.aave_v3.fees import Fees
from defiliq.types import Block
from tests.builders import BLOCK, address, market
from tests.nodes import SilentNode, words
from tests.traced import One, block_hash, logs_of

WETH, USDC, DAI = (address(0xA000 + k) for k in (0, 3, 4))
A_WETH, TREASURY = address(0xB000), address(0x77)
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


@dataclass
class Pool(SilentNode):
    """A pool that lists one asset, whose aToken moved in one block."""

    moves: Sequence[One] = ()
    label: str = "http://fake"
    chain_id: int = 31337
    asked: list[int] = field(default_factory=list)

    def block(self, tag: int | str) -> Block:
        raise AssertionError("nobody asks for a block")

    def call(self, calls: Sequence[Call], at: Block, **_: object) -> list[bytes | CallReverted]:
        lists_it = calls[0].data == abi.calldata(abi.GET_RESERVE_DATA, WETH)
        return [words(*[0] * 8, A_WETH, *[0] * 6) if lists_it else bytes(32 * 15)]

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        assert (first, wanted.addresses, wanted.topics) == (
            last,
            (A_WETH,),
            (abi.keccak(abi.TRANSFER_EVENT),),
        )
        self.asked.append(first)
        return logs_of(*self.moves)


def move(to: str, amount: int, sender: str = USER, **changes: object) -> One:
    plain = One(abi.TRANSFER_EVENT, (sender, to), (amount,), address=int(A_WETH, 16))
    return replace(plain, **changes)  # type: ignore[arg-type]


def fees(moves: Sequence[One], *calls: int) -> list[object]:
    """What is said of calls at these places in the block's logs; a move has its own place in `moves`."""
    (plain,) = decode_events(logs_of(call()))
    found = Fees(Pool(moves), address(0xE002), BLOCK).told([replace(plain, log_index=k) for k in calls])
    return [None if event.fees is None else event.fees[0] for event in found]


def test_the_fee_is_the_last_transfer_before_the_call_that_is_neither_burnt_nor_the_liquidators() -> None:
    assert fees([move(LIQUIDATOR, 700), move(TREASURY, 5)], 9) == [(WETH, 5)]
    assert fees([move(abi.NOWHERE, 700), move(TREASURY, 5)], 9) == [(WETH, 5)]
    assert fees([move(TREASURY, 5), move(abi.NOWHERE, 700)], 9) == [(WETH, 0)]
    assert fees([move(TREASURY, 5), move(LIQUIDATOR, 700)], 9) == [(WETH, 0)]
    assert fees([], 9) == [(WETH, 0)]


def test_only_transfers_of_the_same_call_count() -> None:
    assert fees([move(TREASURY, 5, transaction=2)], 9) == [(WETH, 0)]
    assert fees([move(TREASURY, 5, OTHER)], 9) == [(WETH, 0)]
    assert fees([move(OTHER, 1), move(TREASURY, 5), move(OTHER, 2)], 2) == [(WETH, 5)]
    assert fees([move(TREASURY, 5), move(OTHER, 1), move(TREASURY, 6)], 1, 3) == [(WETH, 5), (WETH, 6)]
    assert fees([move(TREASURY, 5)], 1, 3) == [(WETH, 5), (WETH, 0)]


def test_an_asset_that_the_pool_lists_no_more_has_no_known_fee() -> None:
    node = Pool([])
    (plain,) = decode_events(logs_of(call(topics=(address(0xBEEF), USDC, USER))))
    (event,) = Fees(node, address(0xE002), BLOCK).told([plain])
    assert (event.fees, node.asked) == (None, [])


def test_each_block_is_asked_once() -> None:
    node = Pool([])
    (plain,) = decode_events(logs_of(call()))
    calls = [replace(plain, block=number, log_index=k) for number, k in ((7, 1), (7, 2), (9, 1))]
    assert len(list(Fees(node, address(0xE002), BLOCK).told(calls))) == 3
    assert node.asked == [7, 9]


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
