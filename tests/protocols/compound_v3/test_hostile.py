"""Addresses that hold something else, and feeds and tokens that answer what they should not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from defiliq.chain.pretend import aggregator_code
from defiliq.errors import DefiliqError, MissingPrice, NotAMarket, UnsupportedReserve
from defiliq.protocols.compound_v3 import discovery, health, read_market
from tests.protocols.compound_v3.conftest import Scene

pytestmark = pytest.mark.lab
REVERTS = "0x60006000fd"


def answering(data: bytes) -> str:
    """Code that answers every call with some bytes: CODECOPY and RETURN."""
    length = len(data).to_bytes(2, "big").hex()
    return f"0x61{length}600e60003961{length}6000f3{data.hex()}"


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def one_line(error: DefiliqError) -> bool:
    return "\n" not in str(error) and 20 < len(str(error)) < 400


def holders(scene: Scene, symbol: str) -> tuple[set[str], set[str]]:
    """(debtors who hold a collateral, others who hold it)."""
    book = scene.book()
    held = [
        account
        for account in book.accounts()
        if any(book.market.reserves[leg.reserve].symbol == symbol for leg in account.legs)
    ]
    owing = {account.owner for account in held if any(leg.debt for leg in account.legs)}
    return owing, {account.owner for account in held} - owing


@pytest.mark.parametrize("where", ["empty", "token", "feed"])
def test_no_comet_there(scene: Scene, where: str) -> None:
    market = scene.lab.markets[scene.name]
    places = {"empty": "0x" + "ab" * 20, "token": market.base.address, "feed": market.base_feed.address}
    listing = replace(scene.listing, addresses={"comet": places[where]})
    for ask in (discovery, read_market):
        with pytest.raises(NotAMarket, match=places[where]) as caught:
            ask(scene.node, listing, scene.latest())
        assert one_line(caught.value)


@pytest.mark.parametrize("answer", [b"", word(0), word(1), word(8) * 8, word(2**255) * 8, word(10**18) * 8])
def test_a_comet_that_answers_one_thing_to_everything(scene: Scene, answer: bytes) -> None:
    with scene.lab.rewinding():
        scene.lab.rpc("anvil_setCode", scene.comet, answering(answer))
        with pytest.raises(DefiliqError) as caught:
            read_market(scene.node, scene.listing, scene.latest())
        assert one_line(caught.value)


def test_a_feed_that_answers_0(usdc: Scene) -> None:
    """The contract reverts for those debtors, or for none of them whom what comes before covers."""
    owing, others = holders(usdc, "UNI")
    assert owing
    with usdc.lab.rewinding():
        usdc.lab.set_driver("UNI/USD", 0)
        book = usdc.book()
        assert set(book.failed) == owing
        assert all("no price for UNI" in why and "BadPrice()" in why for why in book.failed.values())
        assert others <= {book.owner(k) for k in range(len(book))}
        for account in book.accounts():
            told = usdc.lab.is_liquidatable(
                "usdc", account.owner, timestamp=book.market.timestamp, accrued=True
            )
            assert health(account, book.market).liquidatable is told


def test_a_base_feed_that_answers_0(usdc: Scene) -> None:
    with usdc.lab.rewinding():
        usdc.lab.set_driver("USDC/USD", 0)
        with pytest.raises(MissingPrice, match=r"USDC .* BadPrice\(\)") as caught:
            usdc.book()
        assert one_line(caught.value)


def test_a_feed_with_18_decimals(scene: Scene) -> None:
    feed = scene.lab.markets[scene.name].feeds["wstETH"].address
    with scene.lab.rewinding():
        scene.lab.rpc("anvil_setCode", feed, "0x" + aggregator_code(12 * 10**17, 18).hex())
        with pytest.raises(
            UnsupportedReserve, match=r"wstETH .* has 18 decimals, where a Comet takes 8"
        ) as caught:
            scene.book()
        assert one_line(caught.value)


@pytest.mark.parametrize("code", ["0x", REVERTS, answering(b""), answering(word(1))])
def test_a_feed_that_is_none(usdc: Scene, code: str) -> None:
    """No code, one that reverts, and answers that are too short: the Comet reverts on each."""
    owing, _ = holders(usdc, "COMP")
    with usdc.lab.rewinding():
        usdc.lab.rpc("anvil_setCode", usdc.lab.markets["usdc"].feeds["COMP"].address, code)
        book = usdc.book()
    assert set(book.failed) == owing != set()
    assert all("getPrice reverts" in why for why in book.failed.values())


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (encode(["string"], ["\x1b[2J[red]UNI\n"]), "2J red UNI"),
        (encode(["string"], ["U" * 900]), "U" * 32),
        (b"UNI".ljust(32, b"\0"), "UNI"),
    ],
)
def test_a_hostile_symbol(usdc: Scene, answer: bytes, shown: str) -> None:
    token = usdc.lab.markets["usdc"].tokens["UNI"].address
    # Its balanceOf answers the same bytes, whose first word is what the Comet is then said to hold.
    with usdc.lab.rewinding():
        usdc.lab.rpc("anvil_setCode", token, answering(answer))
        market = read_market(usdc.node, usdc.listing, usdc.latest())
    assert next(reserve.symbol for reserve in market.reserves if reserve.asset == token) == shown
