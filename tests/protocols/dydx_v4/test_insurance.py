"""The insurance funds' balances, as a node's bank tells them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin

from defiliq.chain.bech32 import decode_address, encode_address
from defiliq.errors import DecodeError
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.protocols.dydx_v4 import read_market, unsound
from defiliq.protocols.dydx_v4.insurance import balances_of, fund_address
from defiliq.protocols.dydx_v4.market import InsuranceFund
from tests.chain.cosmos_standin import StandIn
from tests.dydx.standin import BALANCE, HEIGHT, dydx_standin
from tests.dydx.wire import encode_address as written
from tests.protocols.dydx_v4.stage import (
    BTC,
    ISOLATED,
    LISTING,
    WAYS,
    assert_same_book,
    holding_only,
    opened,
    read_from,
    refused,
    subaccount,
)

HELD = holding_only(
    subaccount(1, (BTC, 10**8), usdc=10**9),
    subaccount(2, (BTC, -(10**8)), usdc=10**12),
    subaccount(3, (ISOLATED, 10**9), usdc=10**9, number=128),
    subaccount(4, (ISOLATED, -(10**9)), usdc=10**12, number=128),
)
COMMON = "dydx1c7ptc87hkd54e3r7zjy92q29xkq7t79w64slrq"
"""v4-chain at 84d4664, x/perpetuals/types/addresses_test.go."""
DENOM = HELD.assets[0].denom


def model() -> StandIn:
    return dydx_standin(HELD, balances={(COMMON, DENOM): 7 * 10**6, (fund_address(ISOLATED), DENOM): 5})


def test_the_common_funds_address_is_the_chains() -> None:
    assert fund_address(None) == COMMON
    assert fund_address(ISOLATED) != COMMON
    raw = bytes(range(20))
    for each in (raw, raw + b"\xff" * 12, b"\0"):
        assert encode_address(each, "dydx") == written("dydx", each)
        assert decode_address(encode_address(each, "dydx"), "dydx") == each


@pytest.mark.parametrize("way", WAYS)
def test_funds_are_read_with_a_whole_book(way: str, tmp_path: Path) -> None:
    asked = model()
    book = read_from(asked, way)
    alone = next(k for k, held in enumerate(book.market.reserves) if k and held.id == ISOLATED)
    assert balances_of(book.market) == {0: 7 * 10**6, alone: 5}, (
        "isolated markets that nobody trades are not asked"
    )
    assert {height for method, height, _ in asked.asked if method == BALANCE} == {HEIGHT}
    assert book.market.graph.warnings == ()
    assert_same_book(load_snapshot(save_snapshot(book, tmp_path / "book.parquet")), book)
    with opened(model(), way) as node:
        assert read_market(node, LISTING, node.block(HEIGHT)).insurance_funds is None


@pytest.mark.parametrize("way", WAYS)
def test_a_node_without_a_bank_leaves_them_unknown(way: str) -> None:
    without = model()
    without.handlers = {name: one for name, one in without.handlers.items() if name != BALANCE}
    book = read_from(without, way)
    assert book.market.insurance_funds is None
    (warning,) = book.market.graph.warnings
    assert "the insurance funds' balances are not known" in warning


@pytest.mark.parametrize("amount", ["", "-1", "1e9", "٣", str(2**128), "9" * 5000])
def test_a_balance_that_is_no_number_is_refused(amount: str) -> None:
    odd = model()

    def answer(request: bytes, _: int) -> bytes:
        asked = bank.QueryBalanceRequest.FromString(request)
        coin = Coin(denom=asked.denom, amount=amount)
        return bytes(bank.QueryBalanceResponse(balance=coin).SerializeToString())

    odd.handlers = {**odd.handlers, BALANCE: answer}
    assert "is no number" in refused(DecodeError, lambda: read_from(odd))


def test_another_coin_is_refused() -> None:
    odd = model()
    other = bank.QueryBalanceResponse(balance=Coin(denom="adydx", amount="5")).SerializeToString()
    odd.handlers = {**odd.handlers, BALANCE: lambda _request, _height: bytes(other)}
    assert "another coin" in refused(DecodeError, lambda: read_from(odd))


def test_files_from_before_say_nothing_of_funds(tmp_path: Path) -> None:
    book = read_from(model())
    path = save_snapshot(book, tmp_path / "book.parquet")
    table = pq.ParquetFile(path).read()
    about = orjson.loads(table.schema.metadata[b"defiliq"])
    del about["market"]["insurance_funds"]
    pq.write_table(table.replace_schema_metadata({b"defiliq": orjson.dumps(about)}), path)
    assert load_snapshot(path).market == replace(book.market, insurance_funds=None)


@pytest.mark.parametrize(
    ("funds", "why"),
    [
        ([(1, 5)], "of no market"),
        ([(0, 5), (0, 6)], "of no market"),
        ([(0, -1)], "beyond all range"),
        ([(0, 2**128)], "beyond all range"),
    ],
)
def test_funds_that_the_chain_could_not_have(funds: list[tuple[int, int]], why: str) -> None:
    book = read_from(model())
    odd: Any = tuple(InsuranceFund(place=place, quote_quantums=quantums) for place, quantums in funds)
    assert why in unsound(replace(book, market=replace(book.market, insurance_funds=odd)))
    assert unsound(book) == ""
