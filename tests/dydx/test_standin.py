"""The stand-in chain answers over both ways what v4-proto's own stubs would read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank
from v4_proto.dydxprotocol.assets import query_pb2 as assets
from v4_proto.dydxprotocol.clob import query_pb2 as clob
from v4_proto.dydxprotocol.perpetuals import query_pb2 as perpetuals
from v4_proto.dydxprotocol.prices import query_pb2 as prices
from v4_proto.dydxprotocol.subaccounts import query_pb2 as subaccounts

from defiliq.chain.cosmos import CosmosNode
from defiliq.chain.cosmos_pages import read_pages
from tests.chain.cosmos_standin import SERVING
from tests.chain.test_cosmos import connect
from tests.dydx import standin
from tests.dydx.population import population

HELD = population(700, seed=3)
MODEL = standin.dydx_standin(HELD, balances={("dydx1fund", "usdc"): 1 << 70})


@pytest.fixture(params=SERVING)
def node(request: pytest.FixtureRequest) -> Iterator[CosmosNode]:
    with SERVING[str(request.param)](MODEL) as url, connect(url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("method", "answer", "name", "held"),
    [
        (standin.ALL_PERPETUALS, perpetuals.QueryAllPerpetualsResponse, "perpetual", HELD.perpetuals),
        (
            standin.ALL_LIQUIDITY_TIERS,
            perpetuals.QueryAllLiquidityTiersResponse,
            "liquidity_tiers",
            HELD.liquidity_tiers,
        ),
        (standin.ALL_MARKET_PARAMS, prices.QueryAllMarketParamsResponse, "market_params", HELD.market_params),
        (standin.ALL_MARKET_PRICES, prices.QueryAllMarketPricesResponse, "market_prices", HELD.market_prices),
        (standin.CLOB_PAIR_ALL, clob.QueryClobPairAllResponse, "clob_pair", HELD.clob_pairs),
        (standin.ALL_ASSETS, assets.QueryAllAssetsResponse, "asset", HELD.assets),
    ],
)
def test_what_the_chain_lists(node: CosmosNode, method: str, answer: Any, name: str, held: list[Any]) -> None:
    at = node.block("latest")
    pages = list(read_pages(node, method, at, page_size=10))
    assert [each for page in pages for each in getattr(answer.FromString(page.raw), name)] == held


def test_subaccounts_come_in_the_order_of_the_store(node: CosmosNode) -> None:
    at = node.block("latest")
    pages = list(read_pages(node, standin.SUBACCOUNT_ALL, at, page_size=100))
    read = [
        each
        for page in pages
        for each in subaccounts.QuerySubaccountAllResponse.FromString(page.raw).subaccount
    ]
    keys = [each.id.SerializeToString() for each in read]
    assert keys == sorted(keys)
    assert [page.key for page in pages[1:]] == keys[100::100]
    assert sorted(each.SerializeToString() for each in read) == sorted(
        each.SerializeToString() for each in HELD.subaccounts
    )


def test_one_subaccount(node: CosmosNode) -> None:
    at = node.block("latest")
    wanted = HELD.subaccounts[5]
    request = subaccounts.QueryGetSubaccountRequest(owner=wanted.id.owner, number=wanted.id.number)
    raw = node.query(standin.SUBACCOUNT, request.SerializeToString(), at)
    assert subaccounts.QuerySubaccountResponse.FromString(raw).subaccount == wanted
    request.number = 99
    raw = node.query(standin.SUBACCOUNT, request.SerializeToString(), at)
    made_up = subaccounts.QuerySubaccountResponse.FromString(raw).subaccount
    assert (made_up.id.owner, made_up.id.number) == (wanted.id.owner, 99)
    assert not made_up.asset_positions


def test_how_it_liquidates_and_what_it_holds(node: CosmosNode) -> None:
    at = node.block("latest")
    raw = node.query(standin.LIQUIDATIONS_CONFIGURATION, b"", at)
    answer = clob.QueryLiquidationsConfigurationResponse.FromString(raw)
    assert answer.liquidations_config == HELD.liquidations_config
    assert answer.liquidations_config.max_liquidation_fee_ppm == 15_000
    for address, amount in (("dydx1fund", 1 << 70), ("dydx1none", 0)):
        asked = bank.QueryBalanceRequest(address=address, denom="usdc").SerializeToString()
        balance = bank.QueryBalanceResponse.FromString(node.query(standin.BALANCE, asked, at)).balance
        assert (balance.denom, int(balance.amount)) == ("usdc", amount)
