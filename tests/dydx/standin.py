"""A dYdX v4 chain in this process: what a population holds, asked as a full node is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.dydxprotocol.clob.query_pb2 import QueryLiquidationsConfigurationResponse
from v4_proto.dydxprotocol.subaccounts.query_pb2 import QueryGetSubaccountRequest, QuerySubaccountResponse
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import Subaccount, SubaccountId

from tests.chain.cosmos_standin import Handler, PagedList, StandIn, StandInBlock, blocks_at
from tests.dydx.population import Population

CHAIN_ID = "dydx-mainnet-1"
HEIGHT = 1_000
SUBACCOUNT_ALL = "/dydxprotocol.subaccounts.Query/SubaccountAll"
SUBACCOUNT = "/dydxprotocol.subaccounts.Query/Subaccount"
ALL_PERPETUALS = "/dydxprotocol.perpetuals.Query/AllPerpetuals"
ALL_LIQUIDITY_TIERS = "/dydxprotocol.perpetuals.Query/AllLiquidityTiers"
ALL_MARKET_PARAMS = "/dydxprotocol.prices.Query/AllMarketParams"
ALL_MARKET_PRICES = "/dydxprotocol.prices.Query/AllMarketPrices"
CLOB_PAIR_ALL = "/dydxprotocol.clob.Query/ClobPairAll"
LIQUIDATIONS_CONFIGURATION = "/dydxprotocol.clob.Query/LiquidationsConfiguration"
ALL_ASSETS = "/dydxprotocol.assets.Query/AllAssets"
BALANCE = "/cosmos.bank.v1beta1.Query/Balance"


def dydx_standin(
    held: Population,
    *,
    chain_id: str = CHAIN_ID,
    blocks: Mapping[int, StandInBlock] | None = None,
    balances: Mapping[tuple[str, str], int] | None = None,
) -> StandIn:
    """A chain that holds a population at every block it has.

    `balances` are bank balances by address and denom, such as the insurance fund's.
    """
    handlers: dict[str, Handler | PagedList] = {
        ALL_PERPETUALS: _by_number(held.perpetuals, lambda each: each.params.id),
        ALL_LIQUIDITY_TIERS: _by_number(held.liquidity_tiers, lambda each: each.id),
        ALL_MARKET_PARAMS: _by_number(held.market_params, lambda each: each.id),
        ALL_MARKET_PRICES: _by_number(held.market_prices, lambda each: each.id),
        CLOB_PAIR_ALL: _by_number(held.clob_pairs, lambda each: each.id),
        ALL_ASSETS: _by_number(held.assets, lambda each: each.id),
        LIQUIDATIONS_CONFIGURATION: _constant(
            QueryLiquidationsConfigurationResponse(liquidations_config=held.liquidations_config)
        ),
        BALANCE: _balance({} if balances is None else balances),
        **subaccount_handlers(held.subaccounts),
    }
    known = blocks_at(HEIGHT - 1, HEIGHT) if blocks is None else blocks
    return StandIn(chain_id, dict(known), handlers)


def subaccount_handlers(subaccounts: Iterable[Any]) -> dict[str, Handler | PagedList]:
    """Both queries of the subaccounts module, about messages or their bytes."""
    by_key: dict[bytes, bytes] = {}
    for each in subaccounts:
        message = Subaccount.FromString(each) if isinstance(each, bytes) else each
        # The store's key is the marshalled id (SubaccountId.ToStateKey): pages come in the order of owners.
        by_key[message.id.SerializeToString()] = message.SerializeToString()

    def one(request: bytes, _: int) -> bytes:
        asked = QueryGetSubaccountRequest.FromString(request)
        identity = SubaccountId(owner=asked.owner, number=asked.number)
        found = by_key.get(identity.SerializeToString())
        # The chain makes up an empty subaccount where it has none (Keeper.GetSubaccount).
        message = Subaccount(id=identity) if found is None else Subaccount.FromString(found)
        return bytes(QuerySubaccountResponse(subaccount=message).SerializeToString())

    return {SUBACCOUNT_ALL: PagedList(by_key), SUBACCOUNT: one}


def _by_number(messages: Sequence[Any], number: Any) -> PagedList:
    """A store whose keys are four bytes, big endian (lib.Uint32ToKey)."""
    return PagedList([(number(each).to_bytes(4, "big"), each.SerializeToString()) for each in messages])


def _constant(message: Any) -> Handler:
    raw = bytes(message.SerializeToString())
    return lambda _request, _height: raw


def _balance(balances: Mapping[tuple[str, str], int]) -> Handler:
    def answer(request: bytes, _: int) -> bytes:
        asked = bank.QueryBalanceRequest.FromString(request)
        amount = balances.get((asked.address, asked.denom), 0)
        coin = Coin(denom=asked.denom, amount=str(amount))
        return bytes(bank.QueryBalanceResponse(balance=coin).SerializeToString())

    return answer
