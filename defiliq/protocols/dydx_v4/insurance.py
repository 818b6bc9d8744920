"""The insurance funds' balances: module accounts of the chain's bank (GetInsuranceFundBalance)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final

from defiliq.chain.bech32 import encode_address
from defiliq.chain.cosmos import CosmosNode
from defiliq.errors import DecodeError, RpcError
from defiliq.protocols.dydx_v4.fetch import fetch_balance
from defiliq.protocols.dydx_v4.market import DydxMarket, InsuranceFund
from defiliq.protocols.dydx_v4.settle import USDC
from defiliq.protocols.dydx_v4.soundness import MOST_SUMMED
from defiliq.types import Block

_NAME: Final = "insurance_fund"
_ADDRESS_BYTES: Final = 20
_MOST_DIGITS: Final = len(str(MOST_SUMMED))


def fund_place(market: DydxMarket, place: int) -> int:
    """The fund behind a perpetual: its own where it is isolated, else the common one, which is USDC's place
    (GetInsuranceFundName).
    """
    return place if market.reserves[place].is_isolated else USDC


def fund_address(perpetual_id: int | None) -> str:
    """The module account of an isolated perpetual's fund; None stands for the common one."""
    name = _NAME if perpetual_id is None else f"{_NAME}:{perpetual_id}"
    return encode_address(sha256(name.encode()).digest()[:_ADDRESS_BYTES], "dydx")


def balances_of(market: DydxMarket) -> Mapping[int, int]:
    """Place of a fund to its quote quantums, of those that are known."""
    return {fund.place: fund.quote_quantums for fund in market.insurance_funds or ()}


def with_balance(market: DydxMarket, quote_quantums: int | None) -> DydxMarket:
    """The market with so much in its common fund; with None, no fund's balance is known."""
    if quote_quantums is None:
        return replace(market, insurance_funds=None)
    known = {**balances_of(market), USDC: quote_quantums}
    funds = (InsuranceFund(place=place, quote_quantums=known[place]) for place in sorted(known))
    return replace(market, insurance_funds=tuple(funds))


def read_funds(node: CosmosNode, market: DydxMarket, at: Block) -> DydxMarket:
    """The market with the common fund's balance and those of isolated perpetuals that somebody trades.

    Where the node does not answer for its bank, nothing is known of them, and the market warns of it.
    """
    places = [USDC, *(k for k, held in enumerate(market.reserves) if held.is_isolated and held.open_interest)]
    denom, funds = market.reserves[USDC].asset, []
    for place in places:
        address = fund_address(None if place == USDC else market.reserves[place].id)
        try:
            said = fetch_balance(node, address, denom, at)
        except RpcError as refused:
            warning = f"the insurance funds' balances are not known: error {refused.code} for Balance"
            graph = replace(market.graph, warnings=(*market.graph.warnings, warning))
            return replace(market, graph=graph)
        funds.append(InsuranceFund(place=place, quote_quantums=_decoded(said)))
    return replace(market, insurance_funds=tuple(funds))


def _decoded(said: str) -> int:
    """An amount of the bank, which writes them in decimal digits."""
    is_number = said.isascii() and said.isdecimal() and len(said) <= _MOST_DIGITS
    if not is_number or int(said) > MOST_SUMMED:
        raise DecodeError("Balance", "an insurance fund's balance that is no number")
    return int(said)
