"""I/O without thought: what the node says of the chain's perpetuals and subaccounts, as protobuf messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Final, TypeAlias

from defiliq.chain.cosmos import CosmosNode
from defiliq.chain.cosmos_pages import read_pages
from defiliq.errors import DecodeError, MissingExtra
from defiliq.types import Block

Message: TypeAlias = Any
"""A protobuf message: v4-proto carries no types."""

SUBACCOUNT: Final = "/dydxprotocol.subaccounts.Query/Subaccount"
SUBACCOUNT_ALL: Final = "/dydxprotocol.subaccounts.Query/SubaccountAll"
BALANCE: Final = "/cosmos.bank.v1beta1.Query/Balance"
LIQUIDATIONS: Final = "/dydxprotocol.clob.Query/LiquidationsConfiguration"
MOST_LISTED: Final = 9_999
"""Many times what the chain has of anything but subaccounts: to a node that goes on and on nobody listens."""

Told: TypeAlias = dict[str, list[str]]
"""What the pager had to say, and of which queries."""


@dataclass(frozen=True, slots=True)
class RawMarket:
    """Answers about the market, all of one height."""

    perpetuals: Sequence[Message]
    tiers: Sequence[Message]
    market_params: Sequence[Message]
    market_prices: Sequence[Message]
    clob_pairs: Sequence[Message]
    assets: Sequence[Message]
    liquidations: Message
    unknown: Sequence[str]
    """Kinds of messages with fields that this version of the protocol's messages does not have."""
    told: Told


@dataclass(frozen=True, slots=True)
class Subaccounts:
    """One page of subaccounts."""

    messages: Sequence[Message]
    next_key: bytes
    has_unknown: bool
    """Whether some message has fields that this version of the protocol's messages does not have."""


def fetch_market(node: CosmosNode, at: Block) -> RawMarket:
    """Everything but subaccounts."""
    proto = messages()
    lists = {
        "perpetuals": ("perpetuals", "AllPerpetuals", "QueryAllPerpetualsResponse", "perpetual"),
        "tiers": ("perpetuals", "AllLiquidityTiers", "QueryAllLiquidityTiersResponse", "liquidity_tiers"),
        "market_params": ("prices", "AllMarketParams", "QueryAllMarketParamsResponse", "market_params"),
        "market_prices": ("prices", "AllMarketPrices", "QueryAllMarketPricesResponse", "market_prices"),
        "clob_pairs": ("clob", "ClobPairAll", "QueryClobPairAllResponse", "clob_pair"),
        "assets": ("assets", "AllAssets", "QueryAllAssetsResponse", "asset"),
    }
    found: dict[str, list[Message]] = {}
    unknown: list[str] = []
    told: Told = {}
    for name, (module, method, answer, items) in lists.items():
        found[name] = []
        path = f"/dydxprotocol.{module}.Query/{method}"
        for page in read_pages(node, path, at, warn=partial(_note, told, method)):
            response = parsed(getattr(proto[module], answer), page.raw)
            found[name] += getattr(response, items)
            if len(found[name]) > MOST_LISTED:
                raise DecodeError(method, f"more than {MOST_LISTED} {items}")
            unknown += [method] if has_unknown(response) else []
    answer = parsed(proto["clob"].QueryLiquidationsConfigurationResponse, node.query(LIQUIDATIONS, b"", at))
    unknown += ["LiquidationsConfiguration"] if has_unknown(answer) else []
    return RawMarket(
        **found,
        liquidations=answer.liquidations_config,
        unknown=tuple(dict.fromkeys(unknown)),
        told=told,
    )


def fetch_all(node: CosmosNode, at: Block, told: Told) -> Iterator[Subaccounts]:
    """Every subaccount that the chain keeps, page by page, all at one height.

    `told` takes what the pager has to say: that the node does not count them, or that no page can be kept.
    """
    response_type = messages()["subaccounts"].QuerySubaccountAllResponse
    warn = partial(_note, told, "SubaccountAll")
    for page in read_pages(node, SUBACCOUNT_ALL, at, store=node.store, warn=warn):
        response = parsed(response_type, page.raw)
        yield Subaccounts(response.subaccount, page.next_key, has_unknown(response))


def fetch_subaccount(node: CosmosNode, owner: str, number: int, at: Block) -> Message:
    """One subaccount; the chain answers for one that it does not keep with an empty one."""
    proto = messages()["subaccounts"]
    request = proto.QueryGetSubaccountRequest(owner=owner, number=number).SerializeToString()
    found = parsed(proto.QuerySubaccountResponse, node.query(SUBACCOUNT, request, at)).subaccount
    if (found.id.owner, found.id.number) != (owner, number):
        raise DecodeError("Subaccount", "another subaccount than the one that was asked for")
    return found


def fetch_balance(node: CosmosNode, address: str, denom: str, at: Block) -> str:
    """What an account of the bank has of a coin, in the coin's base units, as the node writes it."""
    proto = messages()["bank"]
    request = proto.QueryBalanceRequest(address=address, denom=denom).SerializeToString()
    found = parsed(proto.QueryBalanceResponse, node.query(BALANCE, request, at)).balance
    if found.denom != denom:
        raise DecodeError("Balance", "another coin than the one that was asked for")
    return str(found.amount)


def messages() -> dict[str, ModuleType]:
    """The protocol's query messages by module; MissingExtra where their package is not installed."""
    try:
        from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank
        from v4_proto.dydxprotocol.assets import query_pb2 as assets
        from v4_proto.dydxprotocol.clob import query_pb2 as clob
        from v4_proto.dydxprotocol.perpetuals import query_pb2 as perpetuals
        from v4_proto.dydxprotocol.prices import query_pb2 as prices
        from v4_proto.dydxprotocol.subaccounts import query_pb2 as subaccounts
    except ImportError:
        raise MissingExtra("reading dYdX v4", "v4-proto", "dydx") from None
    return {
        "assets": assets,
        "bank": bank,
        "clob": clob,
        "perpetuals": perpetuals,
        "prices": prices,
        "subaccounts": subaccounts,
    }


def parsed(kind: Any, raw: bytes) -> Message:
    """A message from its bytes; DecodeError where they are none."""
    from google.protobuf.message import DecodeError as Malformed

    try:
        return kind.FromString(raw)
    except Malformed as error:
        raise DecodeError(kind.DESCRIPTOR.name, f"bytes that are no such message ({error})") from None


def _note(told: Told, query: str, warning: str) -> None:
    queries = told.setdefault(warning, [])
    if query not in queries:
        queries.append(query)


def has_unknown(message: Message) -> bool:
    """Whether a message, or one inside it, carries fields that its description does not have."""
    size = message.ByteSize()
    message.DiscardUnknownFields()
    return bool(message.ByteSize() != size)
