"""What is read from the lab's Comets, field by field against plain calls of the same contracts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from defiliq.errors import BlockChanged
from defiliq.protocols.compound_v3 import explain, health, packed, read, read_market
from defiliq.types import Account, Block
from tests.protocols.compound_v3.conftest import Deaf, Scene

pytestmark = pytest.mark.lab
LATER = (0, 1, 12, 86_400, 10**7)


def test_assets_equal_plain_calls(scene: Scene) -> None:
    lab, market, comet = scene.lab, scene.book().market, scene.lab.markets[scene.name]
    assert lab.ask(scene.name, "numAssets") == len(market.reserves) - 1 == len(comet.tokens)
    assert market.reserves[0].asset == comet.base.address
    assert market.reserves[0].unit == lab.ask(scene.name, "baseScale")
    for k, reserve in enumerate(market.reserves[1:]):
        offset, asset, feed, scale, borrow, liquidate, liquidation, _ = lab.ask(scene.name, "getAssetInfo", k)
        assert (reserve.offset, reserve.asset.lower(), reserve.unit) == (offset, asset.lower(), scale)
        assert reserve.asset == comet.tokens[reserve.symbol].address
        assert market.feeds[reserve.feed].source.lower() == feed.lower()
        assert (reserve.borrow_factor_wad, reserve.liquidate_factor_wad) == (borrow, liquidate)
        assert reserve.liquidation_factor_wad == liquidation
        assert reserve.supplied == lab.ask(scene.name, "totalsCollateral", asset)[0]
    for position, reserve in enumerate(market.reserves):
        feed = market.feeds[reserve.feed].source
        assert market.price_of(position) == lab.ask(scene.name, "getPrice", feed)
        token = comet.tokens.get(reserve.symbol, comet.base)
        assert reserve.held == lab.chain.call(token, "balanceOf", scene.comet)


def test_the_rest_of_the_market_equals_plain_calls(scene: Scene) -> None:
    market = scene.book().market

    def asked(name: str, *arguments: object) -> object:
        return scene.lab.ask(scene.name, name, *arguments)

    for side, curve in (("supply", market.supply_rates), ("borrow", market.borrow_rates)):
        assert curve.kink_wad == asked(f"{side}Kink")
        assert curve.slope_low_wad == asked(f"{side}PerSecondInterestRateSlopeLow")
        assert curve.slope_high_wad == asked(f"{side}PerSecondInterestRateSlopeHigh")
        assert curve.base_wad == asked(f"{side}PerSecondInterestRateBase")
    assert market.store_front_factor_wad == asked("storeFrontPriceFactor")
    assert market.target_reserves == asked("targetReserves")
    seen = (
        market.supply_index,
        market.borrow_index,
        market.total_supply,
        market.total_borrow,
        market.accrued_at,
    )
    totals = asked("totalsBasic")
    assert isinstance(totals, tuple | list)
    assert seen == (*totals[:2], *totals[4:7])
    assert market.timestamp > market.accrued_at
    assert market.base_symbol == {"usdc": "USD", "weth": "WETH"}[scene.name]
    assert (market.absorb_paused, market.buy_paused, market.target_health_factor_wad) == (False, False, None)


def test_every_account_equals_plain_calls(scene: Scene) -> None:
    book = scene.book(uncounted=True)
    assert [book.owner(k) for k in range(len(book))] == list(scene.lab.owners(scene.name))
    assert book.failed == {}
    symbols = [reserve.symbol for reserve in book.market.reserves]
    tokens, contract = scene.lab.markets[scene.name].tokens, scene.lab.markets[scene.name].contract
    last_bit = 0
    for account in book.accounts():
        principal, _, _, bits, reserved = scene.lab.ask(scene.name, "userBasic", account.owner)
        held = {symbols[leg.reserve]: leg.collateral for leg in account.legs if leg.reserve}
        pairs = [(account.owner, token.address) for token in tokens.values()]
        said = scene.lab.chain.call_many(contract, "userCollateral", pairs)
        assert held == {symbol: amount for symbol, (amount, _) in zip(tokens, said, strict=True) if amount}
        assert all(leg.counted for leg in account.legs if leg.reserve)
        base = [leg for leg in account.legs if leg.reserve == 0]
        assert sum(leg.collateral - leg.debt for leg in base) == principal
        assert len(base) == (principal != 0)
        assert not any(leg.counted for leg in base)
        last_bit = max(last_bit, (reserved << 16 | bits).bit_length())
    assert last_bit == len(tokens)


def test_supplied_base_is_kept_only_where_it_is_asked_for(scene: Scene) -> None:
    plain, everything = scene.book(), scene.book(uncounted=True)
    assert everything.legs > plain.legs
    for account, whole in zip(plain.accounts(), everything.accounts(), strict=True):
        assert account.legs == tuple(leg for leg in whole.legs if leg.counted or leg.debt)


@pytest.mark.parametrize("later", LATER)
def test_verdicts_equal_the_contracts(scene: Scene, later: int) -> None:
    """Stored and accrued: by the lab's own way of asking."""
    book = scene.book()
    market = book.market.at_time(book.market.timestamp + later)
    verdicts = []
    for account in book.accounts():
        told = [
            scene.lab.is_liquidatable(scene.name, account.owner, timestamp=market.timestamp, accrued=accrued)
            for accrued in (True, False)
        ]
        assert [health(account, at).liquidatable for at in (market, market.as_stored())] == told, (
            account.owner
        )
        verdicts.append(tuple(told))
    assert {(True, True), (False, False)} <= set(verdicts)
    if later == LATER[-1]:
        assert (True, False) in verdicts  # interest alone has brought somebody down


def test_balances_equal_the_contracts(scene: Scene) -> None:
    book = scene.book(uncounted=True)
    market = book.market.at_time(book.market.timestamp + 86_400)
    for account in book.accounts():
        values = {value.reserve: value for value in explain(account, market)}
        base = values.get(0)

        def asked(name: str, account: Account = account) -> object:
            return scene.lab.ask(scene.name, name, account.owner, timestamp=market.timestamp)

        assert (0 if base is None else base.owed) == asked("borrowBalanceOf")
        assert (0 if base is None else base.supplied) == asked("balanceOf")


def test_a_comet_that_liquidates_in_parts(usdc: Scene) -> None:
    with usdc.lab.rewinding():
        usdc.lab.set_target("usdc", 105 * 10**16)
        book = usdc.book()
        assert book.market.target_health_factor_wad == 105 * 10**16
        assert len(book) == len(usdc.lab.owners("usdc"))


def test_pauses(scene: Scene) -> None:
    with scene.lab.rewinding():
        scene.lab.set_paused(scene.name, absorb=True)
        market = read_market(scene.node, scene.listing, scene.latest())
        assert (market.absorb_paused, market.buy_paused) == (True, False)


def test_a_block_that_was_replaced(scene: Scene) -> None:
    at = replace(scene.latest(), hash="0x" + "77" * 32)
    with pytest.raises(BlockChanged):
        read(scene.node, scene.listing, scene.owners(), at)


def test_a_node_that_ignores_overrides_reads_the_same(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "FEWEST", 1)
    book = read(Deaf(scene.node), scene.listing, scene.owners(), scene.latest())
    assert list(book.accounts()) == list(scene.book().accounts())


def test_storage_reads_as_the_views_do(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    views = scene.book(uncounted=True)
    monkeypatch.setattr(packed, "FEWEST", 1)
    at, totals = scene.latest(), tuple(scene.lab.ask(scene.name, "totalsBasic"))
    assert packed.fetch_packed(scene.node, scene.comet, totals, scene.owners(), at, None) is not None
    stored = scene.book(uncounted=True)
    assert list(stored.accounts()) == list(views.accounts())


def test_storage_that_does_not_prove_right_is_not_used(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Totals elsewhere, accounts in another mapping, one of many accounts that the views see otherwise."""
    at, owners = scene.latest(), scene.owners()
    totals = tuple(scene.lab.ask(scene.name, "totalsBasic"))

    def found(totals: tuple[int, ...], at: Block = at) -> object:
        return packed.fetch_packed(scene.node, scene.comet, totals, owners, at, None)

    assert found(totals) is None  # too few to be worth it
    monkeypatch.setattr(packed, "FEWEST", 1)
    assert found(totals) is not None
    assert found((*totals[:-1], totals[-1] + 1)) is None
    code = packed.LOOKS_UP
    for slot in (1, 2, 6):
        monkeypatch.setattr(packed, "LOOKS_UP", code.replace(b"\x60\x05", bytes([0x60, slot])))
        assert found(totals) is None
    monkeypatch.setattr(packed, "LOOKS_UP", b"\xfe")
    assert found(totals) is None


def test_many_accounts_come_from_storage(usdc: Scene) -> None:
    """So many that storage is read without being told to; most of them never had anything."""
    rest = np.random.default_rng(5).integers(0, 256, (packed.FEWEST, 20)).astype(np.uint8)
    owners = np.concatenate([rest, usdc.owners()])
    told: list[tuple[int, int]] = []
    book = read(usdc.node, usdc.listing, owners, usdc.latest(), lambda done, of: told.append((done, of)))
    assert (len(owners), len(owners)) in told
    assert list(book.accounts())[len(rest) :] == list(usdc.book().accounts())
    assert not any(account.legs for account in list(book.accounts())[: len(rest)])
