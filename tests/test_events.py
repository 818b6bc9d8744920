"""Events over a node that refuses, forgets, reorganizes or dies: what was found is kept, the rest is said."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import defiliq
from defiliq.chain.calldata import keccak
from defiliq.chain.node import LogFilter, Logs
from defiliq.errors import (
    BlockChanged,
    BlockNotFound,
    HistoryUnavailable,
    InputError,
    MissingPrice,
    NodeUnreachable,
    NotAMarket,
    RangeTooLarge,
    WrongChain,
)
from defiliq.ladder import EVENT_COLUMNS
from defiliq.protocols import PROTOCOLS, aave_v3
from defiliq.protocols.aave_v3 import AaveMarket, abi
from defiliq.protocols.aave_v3.events import decode_events
from defiliq.protocols.happened import OnEvents, search_logs
from defiliq.types import Block, Listing
from tests.builders import address, market
from tests.nodes import SilentNode
from tests.traced import One, block_hash, logs_of

HEAD, GENESIS_AT, BLOCK_S = 100_000, 1_700_000_000, 12
LISTING = Listing("aave-v3", "Local", 31337, 50, {"pool_addresses_provider": address(0xE001)})
WANTED = LogFilter((address(0xC0),), (keccak(abi.LIQUIDATION_EVENT),), traced=True)
WETH, USDC = address(0xA000), address(0xA003)


@dataclass
class Chain(SilentNode):
    """Liquidations at some blocks, one each, and what goes wrong."""

    blocks: list[int]
    max_span: int = 10**9
    breaks_at: int = 10**9
    """Logs from here on can't be had."""
    reorganized: set[int] = field(default_factory=set)
    """Blocks that now have another hash than their logs say."""
    lost: Callable[[int], bool] = lambda number: False
    """Headers of which blocks are gone."""
    chain_id: int = 31337
    label: str = "http://fake"
    asked: list[tuple[int, int]] = field(default_factory=list)

    def block(self, tag: int | str) -> Block:
        number = HEAD if tag == "latest" else HEAD - 64 if tag == "finalized" else tag
        if not isinstance(number, int) or number > HEAD:
            raise BlockNotFound(str(tag), HEAD)
        if self.lost(number):
            raise NodeUnreachable(self.label, "it went away")
        seen = block_hash(number) if number not in self.reorganized else "0x" + "ee" * 32
        return Block(self.chain_id, number, seen, GENESIS_AT + BLOCK_S * number)

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        self.asked.append((first, last))
        if last - first >= self.max_span:
            raise RangeTooLarge(first, last, "too many blocks")
        if last >= self.breaks_at:
            raise NodeUnreachable(self.label, "it went away")
        calls = [
            One(
                abi.LIQUIDATION_EVENT,
                (WETH, USDC, address(number)),
                (2_000 * 10**6, 7 * 10**17, address(0x13), 0),
                block=number,
                transaction=number,
            )
            for number in self.blocks
            if first <= number <= last
        ]
        return logs_of(*calls)


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> dict[int, Exception]:
    """Reading the market at a block raises what this says of it, or of block 0 for every block."""
    failing: dict[int, Exception] = {}

    def search_events(
        node: Any, listing: Listing, at: Block, first: int, last: int, on_events: OnEvents
    ) -> None:
        assert at.number == HEAD
        search_logs(node, WANTED, decode_events, first, last, on_events)

    def read_market(node: Any, listing: Listing, at: Block, on_missing: Any) -> AaveMarket:
        failure = failing.get(at.number, failing.get(0))
        if isinstance(failure, MissingPrice):
            on_missing(failure)
            whole = market()
            return replace(whole, reserves=whole.reserves[1:], block=at)
        if failure is not None:
            raise failure
        return replace(market(), block=at)

    fake = SimpleNamespace(
        node_kind="evm",
        search_events=search_events,
        read_market=read_market,
        event_worth=aave_v3.event_worth,
    )
    monkeypatch.setitem(PROTOCOLS, "aave-v3", fake)
    return failing


def numbers(table: pd.DataFrame) -> list[int]:
    return [int(number) for number in table["block_number"]]


def test_all_is_found_whatever_ranges_the_node_takes() -> None:
    chain = Chain([60, 61, 9_000, 99_999], max_span=700)
    table = defiliq.events(chain, LISTING)
    assert numbers(table) == chain.blocks
    assert table.attrs == {
        "first": 50,
        "last": HEAD,
        "first_at": GENESIS_AT + BLOCK_S * 50,
        "covered": HEAD,
        "covered_hash": block_hash(HEAD),
        "covered_at": GENESIS_AT + BLOCK_S * HEAD,
        "stopped": "",
        "unpriced": 0,
        "unpriced_because": "",
    }
    assert list(table["block_hash"]) == [block_hash(number) for number in chain.blocks]
    assert set(table["seized_usd"]) == {2_100.0}
    assert set(table["driver"]) == {"WETH/USD"}
    assert set(table["price_usd"]) == {3_000.0}


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[int, int, int]] = []
    defiliq.events(Chain([60, 99_999]), LISTING, on_progress=lambda *seen: told.append(seen))
    assert told[0] == (2_000, HEAD - 49, 1)
    assert told[-1] == (HEAD - 49, HEAD - 49, 2)
    assert told == sorted(told)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (61, 62, [61]),
        (61, 61, [61]),
        (62, 63, []),
        (-1, 61, [61]),
        (-2, 61, [60, 61]),
        (-(10**9), 61, [60, 61]),
        (0, "finalized", [60, 61]),
        (-1, "latest", [HEAD]),
    ],
)
def test_both_ends_are_included_and_negative_ones_count_back(
    first: int, last: int | str, expected: list[int]
) -> None:
    table = defiliq.events(Chain([60, 61, HEAD]), LISTING, first, last)
    assert numbers(table) == expected
    assert list(table.columns) == list(EVENT_COLUMNS)


def test_no_liquidations_have_the_same_columns_and_types() -> None:
    full, empty = (defiliq.events(Chain(blocks), LISTING) for blocks in ([60], []))
    assert list(empty.dtypes) == list(full.dtypes)


@pytest.mark.parametrize(
    ("first", "last", "seen"),
    [
        (62, 61, "no blocks from 62 to 61"),
        (HEAD + 1, "latest", f"no blocks from {HEAD + 1} to {HEAD}"),
        (0, HEAD + 1, f"the node has no block {HEAD + 1} yet: its newest is {HEAD}"),
    ],
)
def test_ranges_that_are_none(first: int, last: int, seen: str) -> None:
    with pytest.raises(InputError, match=seen):
        defiliq.events(Chain([60]), LISTING, first, last)


def test_before_the_market_begins_nothing_happened_and_nothing_is_asked() -> None:
    chain = Chain([10, 60])
    table = defiliq.events(chain, LISTING, 0, 49)
    assert (len(table), chain.asked) == (0, [])
    assert (table.attrs["covered"], table.attrs["stopped"]) == (49, "")
    assert table.attrs["first_at"] == table.attrs["covered_at"] == GENESIS_AT + BLOCK_S * 49


def test_another_chain_is_refused() -> None:
    with pytest.raises(WrongChain):
        defiliq.events(Chain([60], chain_id=1), LISTING)


def test_a_search_that_breaks_keeps_what_it_found() -> None:
    table = defiliq.events(Chain([60, 61, 9_000, 50_000], breaks_at=10_000, max_span=2_000), LISTING)
    assert numbers(table) == [60, 61]
    assert 61 <= table.attrs["covered"] < 10_000
    assert table.attrs["covered_hash"] == "", "nobody asked for that block"
    assert "it went away" in table.attrs["stopped"]
    assert table.attrs["covered_at"] == GENESIS_AT + BLOCK_S * 61
    assert table.attrs["unpriced"] == 0


def test_a_search_that_finds_nothing_at_all_is_an_error() -> None:
    with pytest.raises(NodeUnreachable):
        defiliq.events(Chain([60], breaks_at=51), LISTING)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_blocks_are_read_side_by_side_and_told_in_order(
    state: dict[int, Exception], concurrency: int
) -> None:
    blocks = list(range(60, 160))
    table = defiliq.events(Chain(blocks), LISTING, concurrency=concurrency)
    assert numbers(table) == blocks
    state[130] = NodeUnreachable("http://fake", "it went away")
    state[150] = NodeUnreachable("http://fake", "it went away later")
    table = defiliq.events(Chain(blocks), LISTING, concurrency=concurrency)
    assert numbers(table) == list(range(60, 130))
    assert table.attrs["covered"] == 129
    assert "it went away." in table.attrs["stopped"]


def test_a_node_that_dies_altogether_takes_nothing_along() -> None:
    class Dying(Chain):
        def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
            if last > 5_000:
                self.lost = lambda number: True
                self.breaks_at = 0
            return super().logs(wanted, first, last)

    table = defiliq.events(Dying([60, 61, 9_000]), LISTING)
    assert numbers(table) == [60, 61]
    assert set(table["seized_usd"]) == {2_100.0}
    assert "it went away" in table.attrs["stopped"]


def test_a_single_block_that_is_refused_stops_the_search() -> None:
    with pytest.raises(RangeTooLarge):
        defiliq.events(Chain([60], max_span=0), LISTING)


def test_blocks_without_state_are_rows_without_money(state: dict[int, Exception]) -> None:
    state[60] = HistoryUnavailable(60, "pruned")
    state[61] = NotAMarket(address(1), "a pool", "it is not there yet")
    table = defiliq.events(Chain([60, 61, 62]), LISTING)
    assert numbers(table) == [60, 61, 62]
    assert [math.isnan(value) for value in table["seized_usd"]] == [True, True, False]
    assert table.attrs["unpriced"] == 2
    assert "no longer has the state of block 60" in table.attrs["unpriced_because"]
    assert table.attrs["stopped"] == ""
    assert list(table["seized_raw"]) == [str(7 * 10**17)] * 3
    assert list(table["base_symbol"]) == ["", "", "USD"]
    assert list(table["block_timestamp"]) == [GENESIS_AT + BLOCK_S * number for number in (60, 61, 62)]


def test_an_asset_without_a_price_is_named_by_its_address_and_counted(state: dict[int, Exception]) -> None:
    state[60] = MissingPrice("WETH", WETH, "0")
    table = defiliq.events(Chain([60]), LISTING)
    (row,) = table.to_dict("records")
    assert (row["seize_asset"], row["seize_asset_address"], row["repay_asset"]) == ("", WETH, "USDC")
    assert math.isnan(row["seized_usd"])
    assert row["repaid_usd"] == 2_000.0
    assert table.attrs["unpriced"] == 1
    assert "the oracle has no price for WETH" in table.attrs["unpriced_because"]


def test_logs_of_a_chain_that_is_gone_are_not_kept() -> None:
    table = defiliq.events(Chain([60, 70, 80], reorganized={70}), LISTING)
    assert numbers(table) == [60]
    assert table.attrs["covered"] == 69
    assert "block 70 changed from" in table.attrs["stopped"]


class Turning(Chain):
    """Its newest block changes while it is read."""

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        self.reorganized.add(HEAD)
        return super().logs(wanted, first, last)


def test_of_a_chain_that_changed_meanwhile_what_is_final_is_kept() -> None:
    table = defiliq.events(Turning([60, HEAD - 64, HEAD - 63]), LISTING)
    assert numbers(table) == [60, HEAD - 64]
    assert table.attrs["covered"] == HEAD - 64
    assert f"block {HEAD} changed from" in table.attrs["stopped"]
    with pytest.raises(BlockChanged):
        defiliq.events(Turning([HEAD]), LISTING, HEAD - 10)


def test_a_node_that_dies_while_prices_are_read_keeps_the_rows_before(state: dict[int, Exception]) -> None:
    state[70] = NodeUnreachable("http://fake", "it went away")
    table = defiliq.events(Chain([60, 70, 80]), LISTING)
    assert numbers(table) == [60]
    assert (table.attrs["covered"], table.attrs["unpriced"]) == (69, 0)
    assert "it went away" in table.attrs["stopped"]
    gone = Chain([60, 70, 80], lost=lambda number: number == 80)
    assert numbers(defiliq.events(gone, LISTING)) == [60]
    state.clear()
    assert numbers(defiliq.events(gone, LISTING)) == [60, 70]
