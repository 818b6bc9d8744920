"""DefiLlama: positions on chain as levels."""

from __future__ import annotations

import pytest

from defiliq.errors import BadVenueAnswer, InputError, VenueRefused
from tests.cex.providers.asking import ask, ask_table, standing_in
from tests.cex.providers.standin import documented
from tests.chain.rpc_server import Raw

ALL = "/liquidations/all"


def test_levels_are_dollars_of_collateral() -> None:
    with standing_in("defillama") as server:
        table = ask_table(server, "defillama", "levels", environment={})
    assert table.to_numpy().tolist() == [[81000.5, "long", 1320000.0, 1.0, "defillama"]]


def test_a_token_is_known_on_its_own_chain_only() -> None:
    body = documented("defillama")[ALL]
    body["tokens"]["ethereum"], body["tokens"]["arbitrum"] = body["tokens"]["arbitrum"], {}
    with standing_in("defillama", {ALL: body}) as server:
        assert len(ask_table(server, "defillama", "levels")) == 0
        assert len(ask_table(server, "defillama", "levels", asset="ETH")) == 0


def test_another_asset() -> None:
    with standing_in("defillama") as server:
        table = ask_table(server, "defillama", "levels", asset="ETH")
    assert table[["price_usd", "size_usd"]].to_numpy().tolist() == [[2500.25, 390050.0]]


def test_an_asset_that_nobody_holds() -> None:
    with standing_in("defillama") as server:
        table = ask_table(server, "defillama", "levels", asset="SOL")
    assert len(table) == 0
    assert table["size_usd"].dtype == float


def test_for_subscribers_only() -> None:
    with standing_in("defillama", {ALL: Raw(b"", 402)}) as server, pytest.raises(VenueRefused, match="402"):
        ask(server, "defillama", "levels")


@pytest.mark.parametrize("price", [-1, "NaN", None, True])
def test_a_price_that_is_none(price: object) -> None:
    body = documented("defillama")[ALL]
    body["data"]["aave-v3"]["ethereum"][0]["liqPrice"] = price
    with standing_in("defillama", {ALL: body}) as server, pytest.raises(BadVenueAnswer, match="liqPrice"):
        ask(server, "defillama", "levels")


def test_it_knows_no_venues() -> None:
    with standing_in("defillama") as server, pytest.raises(InputError, match="Venues here: none"):
        ask(server, "defillama", "levels", venue="binance")
