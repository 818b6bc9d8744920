"""Revisions that no lab runs, seen through a node that lies about a few answers of one that does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import pytest
from eth_abi.abi import encode

from defiliq.chain.evm import EvmNode
from defiliq.chain.multicall import MULTICALL3, READER
from defiliq.chain.node import Call, Override
from defiliq.errors import CallReverted, DecodeError, NotAMarket, UnsupportedReserve
from defiliq.protocols.aave_v3 import abi, read, read_market
from defiliq.types import Block
from tests.nodes import PassingNode
from tests.protocols.aave_v3.conftest import Scene

pytestmark = pytest.mark.lab


Lie: TypeAlias = bytes | Callable[[bytes | CallReverted], bytes] | None
"""What is said instead: an answer, a change of the true one, or a refusal."""


class Lying(PassingNode):
    """The lab's node without any way of asking in bulk, and with some functions answered by us."""

    def __init__(self, node: EvmNode, lies: Mapping[str, Lie]) -> None:
        super().__init__(node)
        self._lies = {abi.keccak(name)[:4]: answer for name, answer in lies.items()}

    @property
    def label(self) -> str:
        return "lying"

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        honest = self.node.call(calls, at, overrides=overrides, timestamp=timestamp, number=number)
        return [self._said(call, answer) for call, answer in zip(calls, honest, strict=True)]

    def _said(self, call: Call, honest: bytes | CallReverted) -> bytes | CallReverted:
        if call.to in (READER, MULTICALL3):
            return b""
        if call.data[:4] not in self._lies:
            return honest
        lie = self._lies[call.data[:4]]
        if lie is None:
            return CallReverted(call.to, b"")
        return lie if isinstance(lie, bytes) else lie(honest)


def without_virtual_accounting(answer: bytes | CallReverted) -> bytes:
    """Reserve data whose bit 252 is off, as GHO's was."""
    assert isinstance(answer, bytes)
    return word(int.from_bytes(answer[:32], "big") & ~(1 << 252)) + answer[32:]


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


V30 = pytest.mark.parametrize("scene", ["lab_v30"], indirect=True)
V36 = pytest.mark.parametrize("scene", ["lab_v36"], indirect=True)


def test_without_bulk_reading_nothing_changes(scene: Scene) -> None:
    at = scene.latest()
    book = read(Lying(scene.node, {}), scene.listing, scene.owners(), at)
    assert list(book.accounts()) == list(scene.book().accounts())
    assert book.market == scene.book().market


@V30
def test_v31_has_a_grace_period(scene: Scene) -> None:
    lies: dict[str, Lie] = {abi.POOL_REVISION: word(4), abi.GET_LIQUIDATION_GRACE_PERIOD: word(1_900_000_000)}
    market = read_market(Lying(scene.node, lies), scene.listing, scene.latest())
    assert market.version == "3.1"
    assert {reserve.grace_period_until for reserve in market.reserves} == {1_900_000_000}
    assert all(reserve.stable_debt_token is not None for reserve in market.reserves)
    assert set(market.emodes) >= {1, 2}


@V30
def test_v30_is_not_asked_for_a_grace_period(scene: Scene) -> None:
    lies: dict[str, Lie] = {abi.GET_LIQUIDATION_GRACE_PERIOD: word(5)}
    market = read_market(Lying(scene.node, lies), scene.listing, scene.latest())
    assert {reserve.grace_period_until for reserve in market.reserves} == {0}


@V30
def test_a_category_priced_by_a_reserves_source_shares_its_feed(scene: Scene) -> None:
    gho_token = scene.lab.tokens["GHO"]
    category = encode(["(uint16,uint16,uint16,address,string)"], [(9000, 9300, 10100, gho_token, "x")])
    market = read_market(Lying(scene.node, {abi.GET_EMODE_DATA: category}), scene.listing, scene.latest())
    gho = next(reserve for reserve in market.reserves if reserve.symbol == "GHO")
    assert {emode.feed for emode in market.emodes.values()} == {gho.feed}


@V30
def test_a_category_with_a_price_of_zero_has_no_feed(scene: Scene) -> None:
    """GenericLogic: the eMode's price counts where it is not 0."""

    def zero_where_refused(answer: bytes | CallReverted) -> bytes:
        return word(0) if isinstance(answer, CallReverted) else answer

    category = encode(["(uint16,uint16,uint16,address,string)"], [(9000, 9300, 10100, "0x" + "99" * 20, "x")])
    lies: dict[str, Lie] = {abi.GET_EMODE_DATA: category, abi.GET_ASSET_PRICE: zero_where_refused}
    book = read(Lying(scene.node, lies), scene.listing, scene.owners(), scene.latest())
    assert not book.failed
    assert {emode.feed for emode in book.market.emodes.values()} == {None}


@V30
def test_a_category_whose_price_source_reverts_fails_its_users(scene: Scene) -> None:
    nowhere = "0x" + "99" * 20
    category = encode(["(uint16,uint16,uint16,address,string)"], [(9000, 9300, 10100, nowhere, "x")])
    node = Lying(scene.node, {abi.GET_EMODE_DATA: category})
    book = read(node, scene.listing, scene.owners(), scene.latest())
    users = {user.owner for user in scene.lab.users if user.emode}
    assert users
    assert set(book.failed) == users
    assert all("price source of its eMode" in reason for reason in book.failed.values())


@V36
def test_v33_refuses_a_reserve_with_a_discount_of_its_own(scene: Scene) -> None:
    at = scene.latest()
    lies: dict[str, Lie] = {abi.POOL_REVISION: word(7), abi.GET_RESERVE_DATA: without_virtual_accounting}
    with pytest.raises(UnsupportedReserve, match="discount") as caught:
        read_market(Lying(scene.node, lies), scene.listing, at)
    assert "\n" not in str(caught.value)
    nobody_owes: dict[str, Lie] = {**lies, abi.SCALED_TOTAL_SUPPLY: word(0)}
    assert read_market(Lying(scene.node, nobody_owes), scene.listing, at).version == "3.3"
    with_accounting: dict[str, Lie] = {abi.POOL_REVISION: word(7)}
    assert read_market(Lying(scene.node, with_accounting), scene.listing, at).version == "3.3"
    assert (
        read_market(Lying(scene.node, {**lies, abi.POOL_REVISION: word(8)}), scene.listing, at).version
        == "3.4"
    )


@pytest.mark.parametrize("isolated", [True, False])
@V36
def test_v37_isolates_and_has_no_sentinel(scene: Scene, isolated: bool) -> None:
    lies: dict[str, Lie] = {
        abi.POOL_REVISION: word(11),
        abi.GET_EMODE_ISOLATED: word(isolated),
        abi.GET_PRICE_ORACLE_SENTINEL: word(0x5E),
        abi.IS_LIQUIDATION_ALLOWED: None,
    }
    market = read_market(Lying(scene.node, lies), scene.listing, scene.latest())
    assert market.version == "3.7"
    assert {emode.isolated for emode in market.emodes.values()} == {isolated}
    assert market.liquidations_allowed
    with pytest.raises(NotAMarket, match="isLiquidationAllowed"):
        read_market(Lying(scene.node, {**lies, abi.POOL_REVISION: word(10)}), scene.listing, scene.latest())


@V36
def test_v37_without_its_own_function_is_no_v37(scene: Scene) -> None:
    with pytest.raises(DecodeError, match="eMode"):
        read_market(Lying(scene.node, {abi.POOL_REVISION: word(11)}), scene.listing, scene.latest())


def test_users_of_a_category_that_was_never_set_are_read(scene: Scene) -> None:
    lies: dict[str, Lie] = {abi.GET_USER_EMODE: word(200)}
    if scene.lab.revision < 5:
        lies[abi.GET_EMODE_DATA] = encode(
            ["(uint16,uint16,uint16,address,string)"], [(0, 0, 0, abi.NOWHERE, "")]
        )
    book = read(Lying(scene.node, lies), scene.listing, scene.owners(), scene.latest())
    assert not book.failed
    assert set(book.modes.tolist()) == {200}
    assert book.market.emodes[200].liquidation_threshold_bps == 0


def test_an_emode_above_255_fails_the_account(scene: Scene) -> None:
    node = Lying(scene.node, {abi.GET_USER_EMODE: word(256)})
    book = read(node, scene.listing, scene.owners(), scene.latest())
    assert len(book) == 0
    assert set(book.failed) == set(scene.lab.owners)
    assert set(book.failed.values()) == {"its eMode is no number below 256"}


@pytest.mark.parametrize("lie", [abi.GET_USER_CONFIGURATION, abi.GET_USER_EMODE])
def test_users_that_the_pool_refuses_are_counted(scene: Scene, lie: str) -> None:
    book = read(Lying(scene.node, {lie: None}), scene.listing, scene.owners(), scene.latest())
    assert set(book.failed) == set(scene.lab.owners)
