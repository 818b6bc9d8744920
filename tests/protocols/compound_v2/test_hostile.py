"""Addresses that hold something else, contracts that answer what they should not, nodes that offer less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import pytest
from eth_utils.crypto import keccak

from defiliq.chain.pretend import table_code
from defiliq.errors import (
    BadResponse,
    BlockChanged,
    DecodeError,
    DefiliqError,
    MissingPrice,
    NotAMarket,
    RpcError,
    UnsupportedReserve,
)
from defiliq.pipeline.verify import verify
from defiliq.protocols.compound_v2 import (
    ask_many,
    discovery,
    read,
    read_market,
    snapshots,
)
from defiliq.protocols.compound_v2.rounding import rounding_of
from defiliq.types import Question
from tests.lab.compound_v2.listing import MARKETS
from tests.protocols.compound_v2.conftest import Scene
from tests.protocols.compound_v2.refusing import Overrides, Refusing

pytestmark = pytest.mark.lab

WAD = 10**18
RATE_OF_BLOCK = "0x4360005260206000f3"
"""Code that answers every call with the block's number."""
SLOTS = 64


def one_line(error: DefiliqError) -> bool:
    return "\n" not in str(error) and 20 < len(str(error)) < 400


def word(value: int) -> str:
    return f"0x{value:064x}"


def answering(data: bytes) -> str:
    """Code that answers every call with some bytes: CODECOPY and RETURN."""
    length = len(data).to_bytes(2, "big").hex()
    return f"0x61{length}600e60003961{length}6000f3{data.hex()}"


def slot_that(
    scene: Scene, place: Callable[[int], int], words: tuple[int, int], works: Callable[[], bool]
) -> None:
    """Find the Comptroller's slot that holds the first word and, set to the second, has the effect that
    `works` sees. It stays set."""
    rpc, contract = scene.lab.rpc, scene.lab.comptroller
    for slot in range(SLOTS):
        where = word(place(slot))
        if int(rpc("eth_getStorageAt", contract, where, "latest"), 16) == words[0]:
            rpc("anvil_setStorageAt", contract, where, word(words[1]))
            if works():
                return
            rpc("anvil_setStorageAt", contract, where, word(words[0]))
    raise AssertionError("no slot does it")


@pytest.mark.parametrize("where", ["empty", "token", "c_token", "oracle", "feed"])
def test_no_comptroller_there(scene: Scene, where: str) -> None:
    lab = scene.lab
    places = {
        "empty": "0x" + "ab" * 20,
        "token": lab.tokens["WETH"],
        "c_token": lab.markets["WETH"],
        "oracle": lab.oracle,
        "feed": lab.drivers["ETH/USD"],
    }
    listing = replace(scene.listing, addresses={"comptroller": places[where]})
    for ask in (discovery, read_market):
        with pytest.raises(NotAMarket, match=places[where]) as caught:
            ask(scene.node, listing, scene.latest())
        assert one_line(caught.value)


def test_a_listing_without_a_comptroller(scene: Scene) -> None:
    with pytest.raises(NotAMarket, match="comptroller"):
        read_market(scene.node, replace(scene.listing, addresses={}), scene.latest())


@pytest.mark.parametrize(
    "words", [(0,), (1,), (32, 0), (32, 2**200), (32, 600), (32, 2, 5, 5), (32, 1, 2**200), (64, 1, 5)]
)
def test_a_contract_that_answers_nonsense(scene: Scene, words: tuple[int, ...]) -> None:
    data = b"".join(one.to_bytes(32, "big") for one in words)
    with scene.lab.rewinding():
        scene.lab.rpc("anvil_setCode", scene.lab.comptroller, answering(data))
        with pytest.raises((NotAMarket, DecodeError)) as caught:
            read_market(scene.node, scene.listing, scene.latest())
        assert one_line(caught.value)


def entered(scene: Scene, symbol: str) -> set[str]:
    """Who has entered a market, by plain calls."""
    calls = [[owner] for owner in scene.lab.owners]
    found = scene.lab.chain.call_many(scene.lab.market.comptroller, "getAssetsIn", calls)
    wanted = scene.lab.markets[symbol].lower()
    return {
        owner
        for owner, tokens in zip(scene.lab.owners, found, strict=True)
        if wanted in {one.lower() for one in tokens}
    }


@pytest.mark.parametrize("answer", [0, 2**255])
def test_a_market_without_a_price_fails_those_that_entered_it(scene: Scene, answer: int) -> None:
    with scene.lab.rewinding():
        scene.lab.set_driver("LINK/USD", answer)
        with pytest.raises(MissingPrice, match=r"LINK.*reverts"):
            read_market(scene.node, scene.listing, scene.latest())
        told: list[MissingPrice] = []
        market = read_market(scene.node, scene.listing, scene.latest(), told.append)
        assert [error.symbol for error in told] == ["LINK"]
        assert "LINK" not in {reserve.symbol for reserve in market.reserves}
        book = scene.book()
        assert set(book.failed) == entered(scene, "LINK")
        assert all("no price for LINK" in why for why in book.failed.values())
        assert len(book) + len(book.failed) == len(scene.lab.owners)
        result = verify(scene.node, book, levels=True, drivers=["BTC/USD"])
        assert result.agrees, result.disagreements.to_string()


def test_no_price_at_all(scene: Scene) -> None:
    with scene.lab.rewinding():
        scene.lab.rpc("anvil_setCode", scene.lab.oracle, answering(bytes(32)))
        with pytest.raises(MissingPrice, match="answers 0; nor any other"):
            read_market(scene.node, scene.listing, scene.latest())


def test_an_oracle_that_does_not_say_where_prices_come_from(scene: Scene) -> None:
    """Every price is then a driver of its own, and its source is the oracle."""
    prices = {market: scene.lab.price(symbol) for symbol, market in scene.lab.markets.items()}
    with scene.lab.rewinding():
        scene.lab.rpc("anvil_setCode", scene.lab.oracle, f"0x{table_code(prices).hex()}")
        book = scene.book()
        market = book.market
        assert list(market.prices) == list(prices.values())
        assert {feed.source for feed in market.feeds} == {scene.lab.oracle}
        assert [quantity.kind for _, quantity in market.graph.inputs] == ["unresolved"] * len(MARKETS)
        assert [quantity.decimals for _, quantity in market.graph.inputs] == [
            36 - spec.decimals for spec in MARKETS
        ]
        result = verify(scene.node, book, levels=True, drivers=["WETH/USD"])
        assert result.agrees, result.disagreements.to_string()
        assert result.levels_asked > 50


def test_a_delisted_market_is_read_for_those_that_entered_it(scene: Scene) -> None:
    lab, whole = scene.lab, scene.book()
    with lab.rewinding():
        kept = len(MARKETS) - 1

        def is_shorter() -> bool:
            return len(lab.chain.call(lab.market.comptroller, "getAllMarkets")) == kept

        slot_that(scene, lambda slot: slot, (len(MARKETS), kept), is_shorter)
        assert [
            reserve.symbol for reserve in read_market(scene.node, scene.listing, scene.latest()).reserves
        ] == [spec.symbol if position else spec.market for position, spec in enumerate(MARKETS[:kept])]
        book = scene.book()
        assert entered(scene, MARKETS[-1].symbol)
        assert not book.failed
        assert list(book.accounts()) == list(whole.accounts())


def test_whoever_owes_vai_is_failed_by_name(scene: Scene) -> None:
    lab, comptroller = scene.lab, scene.lab.market.comptroller
    owner = lab.borrowers[0]

    def place(slot: int) -> int:
        key = bytes.fromhex(owner[2:]).rjust(32, b"\0") + slot.to_bytes(32, "big")
        return int.from_bytes(keccak(key), "big")

    with lab.rewinding():
        slot_that(scene, place, (0, 5 * WAD), lambda: bool(lab.chain.call(comptroller, "mintedVAIs", owner)))
        book = scene.book()
    assert set(book.failed) == {owner}
    assert "VAI" in book.failed[owner]


def test_who_is_said_to_have_entered_a_market_twice_is_failed_by_name(scene: Scene) -> None:
    lab, comptroller = scene.lab, scene.lab.market.comptroller
    owner = next(one for one in lab.owners if len(lab.chain.call(comptroller, "getAssetsIn", one)) == 2)
    first, second = lab.chain.call(comptroller, "getAssetsIn", owner)

    def place(slot: int) -> int:
        """Where the second of the account's markets stands: an array in a mapping."""
        key = keccak(bytes.fromhex(owner[2:]).rjust(32, b"\0") + slot.to_bytes(32, "big"))
        return int.from_bytes(keccak(key), "big") + 1

    def is_twice() -> bool:
        return len(set(lab.chain.call(comptroller, "getAssetsIn", owner))) == 1

    with lab.rewinding():
        slot_that(scene, place, (int(second, 16), int(first, 16)), is_twice)
        book = scene.book()
    assert set(book.failed) == {owner}
    assert "one market twice" in book.failed[owner]


def test_a_slot_that_cannot_be_proved_fails_its_debtors(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scene.book()
    debtors = {whole.owner(int(row)) for row in whole.debtors.nonzero()[0]}
    monkeypatch.setattr(snapshots, "LIKELY", (14,))
    monkeypatch.setattr(snapshots, "MOST_SLOTS", 8)
    book = scene.book()
    assert set(book.failed) == debtors
    assert all("could not be proved in its storage" in why for why in book.failed.values())
    assert len(book) == len(scene.lab.owners) - len(debtors)


def test_an_unlikely_slot_is_found(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scene.book()
    monkeypatch.setattr(snapshots, "LIKELY", (3,))
    assert list(scene.book().accounts()) == list(whole.accounts())


def test_a_market_that_accrues_in_its_own_way_is_judged_at_the_block_alone(scene: Scene) -> None:
    lab = scene.lab
    with lab.rewinding():
        model = lab.chain.call(lab.market.markets["USDC"], "interestRateModel")
        lab.rpc("anvil_setCode", model, RATE_OF_BLOCK)
        book = scene.book()
        market = book.market
        odd = [reserve.symbol for reserve in market.reserves if not reserve.accrues_plainly]
        assert odd == ["USDC"]
        result = verify(scene.node, book, levels=True, drivers=["ETH/USD"])
        assert result.agrees, result.disagreements.to_string()
        with pytest.raises(UnsupportedReserve, match=r"USDC.*in its own way"):
            market.at_time(market.timestamp + 60)


@pytest.mark.parametrize("overrides", ["refused", "ignored", "of state alone"])
def test_a_node_without_overrides_reads_the_same(scene: Scene, overrides: Overrides) -> None:
    node = Refusing(scene.node, overrides)
    at, whole = scene.latest(), scene.book()
    book = read(node, scene.listing, scene.owners(), at)
    assert not book.failed
    assert book.market.product_rounding == "half_up"
    plain = [
        replace(reserve, exchange_rate_at_block_wad=0, borrow_index_at_block_wad=0)
        for reserve in whole.market.reserves
    ]
    assert list(book.market.reserves) == plain
    assert list(book.accounts()) == list(whole.accounts())
    later = book.market.at_time(at.timestamp + 60)
    with pytest.raises(RpcError if overrides == "refused" else BadResponse):
        ask_many(node, [Question(later, scene.lab.owners[0])], book.market)


def test_without_overrides_a_market_that_accrues_otherwise_is_refused(scene: Scene) -> None:
    """The plain calls of this node accrue to another block than the one that is read."""
    at = scene.latest()
    early = replace(at, number=at.number - 3)
    with pytest.raises(UnsupportedReserve, match="state overrides"):
        read_market(Refusing(scene.node, answers_at=at), scene.listing, early)


def test_a_block_that_is_replaced_while_it_is_read(scene: Scene) -> None:
    at = scene.latest()
    for ask in (
        lambda node: read_market(node, scene.listing, at),
        lambda node: read(node, scene.listing, scene.owners(), at),
    ):
        with pytest.raises(BlockChanged, match=str(at.number)):
            ask(Refusing(scene.node, changes_after=5))


def test_a_price_of_zero_is_an_error_of_the_comptroller(scene: Scene) -> None:
    book = scene.book()
    market = book.market
    row = next(i for i in range(len(book)) if book.account(i).legs)
    feed = market.reserves[book.account(row).legs[0].reserve].feed
    gone = market.at_prices({feed: 0})
    (answer,) = ask_many(scene.node, [Question(gone, book.owner(row))], market)
    assert "PRICE_ERROR" in str(answer)


def test_debtors_of_whom_the_comptroller_says_otherwise_are_failed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom an arithmetic that rounds otherwise puts even one integer off does not get into the book."""
    assert rounding_of(scene.node, scene.book().market) == "half_up"
    reading = import_module("defiliq.protocols.compound_v2.read")
    monkeypatch.setattr(reading, "rounding_of", lambda node, market: "down")
    book = scene.book()
    assert len(book.failed) > 10
    assert all("answers a liquidity of" in why for why in book.failed.values())
