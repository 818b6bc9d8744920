"""Addresses that hold something else, and contracts that answer what they should not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from defiliq.errors import DecodeError, DefiliqError, NotAMarket, UnsupportedRevision
from defiliq.protocols.aave_v3 import discovery, read, read_market
from defiliq.types import Listing
from tests.lab import Lab
from tests.protocols.aave_v3.conftest import Scene, packed

pytestmark = pytest.mark.lab


def answering(data: bytes) -> str:
    """Code that answers every call with some bytes: CODECOPY and RETURN."""
    length = len(data).to_bytes(2, "big").hex()
    return f"0x61{length}600e60003961{length}6000f3{data.hex()}"


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def at_provider(scene: Scene, address: str) -> Listing:
    return replace(scene.listing, addresses={"pool_addresses_provider": address})


def replace_code(lab: Lab, address: str, answer: bytes) -> None:
    lab.rpc("anvil_setCode", address, answering(answer))


def one_line(error: DefiliqError) -> bool:
    return "\n" not in str(error) and 20 < len(str(error)) < 400


@pytest.mark.parametrize("where", ["empty", "token", "pool", "oracle", "feed"])
def test_no_provider_there(scene: Scene, where: str) -> None:
    lab = scene.lab
    places = {
        "empty": "0x" + "ab" * 20,
        "token": lab.tokens["WETH"],
        "pool": lab.pool,
        "oracle": lab.oracle,
        "feed": lab.feeds["WETH"],
    }
    listing = at_provider(scene, places[where])
    for ask in (discovery, read_market):
        with pytest.raises(NotAMarket, match=places[where]) as caught:
            ask(scene.node, listing, scene.latest())
        assert one_line(caught.value)
        assert where != "empty" or "no contract" in str(caught.value)


def test_a_listing_without_a_provider(scene: Scene) -> None:
    with pytest.raises(NotAMarket, match="pool_addresses_provider"):
        read_market(scene.node, replace(scene.listing, addresses={}), scene.latest())


@pytest.mark.parametrize("answer", [word(0), word(1 << 200), word(0xDEAD), word(1) + word(2), b""])
def test_a_provider_that_names_nonsense(scene: Scene, answer: bytes) -> None:
    with scene.lab.rewinding():
        replace_code(scene.lab, scene.lab.provider, answer)
        with pytest.raises(NotAMarket) as caught:
            read_market(scene.node, scene.listing, scene.latest())
        assert one_line(caught.value)


@pytest.mark.parametrize("revision", [0, 12, 2**255])
def test_an_unknown_revision_is_refused_by_name(scene: Scene, revision: int) -> None:
    with scene.lab.rewinding():
        replace_code(scene.lab, scene.lab.pool, word(revision))
        for ask in (discovery, read_market):
            with pytest.raises(UnsupportedRevision, match=f"revision {revision} ") as caught:
                ask(scene.node, scene.listing, scene.latest())
            assert one_line(caught.value)


@pytest.mark.parametrize(
    "answer", [word(10), word(10) + word(10**9), word(10) * 40, word(32) + word(2) + word(1) + word(1)]
)
def test_a_pool_that_answers_one_thing_to_everything(scene: Scene, answer: bytes) -> None:
    with scene.lab.rewinding():
        replace_code(scene.lab, scene.lab.pool, answer)
        with pytest.raises(DefiliqError) as caught:
            read_market(scene.node, scene.listing, scene.latest())
        assert one_line(caught.value)


@pytest.mark.parametrize("answer", [b"", word(0), word(2**255)])
def test_an_oracle_that_answers_nonsense(scene: Scene, answer: bytes) -> None:
    with scene.lab.rewinding():
        replace_code(scene.lab, scene.lab.oracle, answer)
        with pytest.raises(DefiliqError) as caught:
            read_market(scene.node, scene.listing, scene.latest())
        assert one_line(caught.value)


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (encode(["string"], ["\x1b[2J[red]GHO\n"]), "2J red GHO"),
        (encode(["string"], ["G" * 900]), "G" * 32),
        (b"GHO".ljust(32, b"\0"), "GHO"),
        (word(32) + word(2**255), None),
        (b"", None),
        (b"\xff" * 33, None),
    ],
)
def test_a_hostile_symbol(scene: Scene, answer: bytes, shown: str | None) -> None:
    token = scene.lab.tokens["GHO"]
    with scene.lab.rewinding():
        replace_code(scene.lab, token, answer)
        reserves = {reserve.asset: reserve for reserve in scene.book().market.reserves}
    assert reserves[token].symbol == (f"{token[:6]}..{token[-4:]}" if shown is None else shown)


def test_a_symbol_that_imitates_another(scene: Scene) -> None:
    lab = scene.lab
    with lab.rewinding():
        replace_code(lab, lab.tokens["GHO"], encode(["string"], ["WETH"]))
        market = scene.book().market
    symbols = [reserve.symbol for reserve in market.reserves]
    assert len(set(symbols)) == len(symbols)
    assert f"WETH.{lab.tokens['GHO'][2:10]}" in symbols
    assert f"WETH.{lab.tokens['WETH'][2:10]}" in symbols


def test_a_token_that_refuses_fails_those_who_hold_it(scene: Scene) -> None:
    lab = scene.lab
    (user, *_) = lab.of_shape("same-asset-WETH")
    others = scene.book()
    with lab.rewinding():
        lab.rpc("anvil_setCode", lab.market.a_tokens["WETH"].address, "0x60006000fd")
        book = scene.book()
    position = next(k for k, r in enumerate(others.market.reserves) if r.symbol == "WETH")
    holders = {
        account.owner
        for account in others.accounts()
        if any(leg.reserve == position and leg.counted for leg in account.legs)
    }
    assert user.owner in holders
    assert set(book.failed) == holders
    assert set(book.failed.values()) == {"a token refuses to answer for it"}
    assert len(book) + len(holders) == len(lab.owners)


def test_a_balance_that_no_token_can_have(scene: Scene) -> None:
    lab = scene.lab
    (user, *_) = lab.of_shape("same-asset-WETH")
    with lab.rewinding():
        replace_code(lab, lab.market.a_tokens["WETH"].address, word(2**128))
        book = read(scene.node, scene.listing, packed((user.owner,)), scene.latest())
    assert book.failed == {user.owner: "a balance exceeds 128 bits"}
    assert len(book) == 0


@pytest.mark.parametrize("allowed", [True, False])
def test_the_sentinel(scene: Scene, allowed: bool) -> None:
    lab, sentinel = scene.lab, "0x" + "5e" * 20
    with lab.rewinding():
        lab.chain.send(lab.market.provider, "setPriceOracleSentinel", sentinel)
        replace_code(lab, sentinel, word(allowed))
        assert read_market(scene.node, scene.listing, scene.latest()).liquidations_allowed is allowed
        lab.rpc("anvil_setCode", sentinel, "0x60006000fd")
        with pytest.raises(NotAMarket, match="isLiquidationAllowed"):
            read_market(scene.node, scene.listing, scene.latest())


def test_reserve_data_with_dirty_words(scene: Scene) -> None:
    """A pool of the right revision whose reserves make no sense."""
    lab = scene.lab
    with lab.rewinding():
        impl = word(lab.revision)
        # Every answer is the revision followed by the same word: a list of `revision` equal reserves.
        replace_code(lab, lab.pool, impl * (lab.revision + 2))
        with pytest.raises((DecodeError, NotAMarket)):
            read_market(scene.node, scene.listing, scene.latest())
