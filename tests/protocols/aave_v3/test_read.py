"""What is read from the real contracts, field by field against plain calls of the same contracts."""

from __future__ import annotations

import numpy as np
import pytest

from defiliq.errors import BlockChanged, MissingPrice
from defiliq.index import Index, discover
from defiliq.protocols.aave_v3 import discovery, explain, health, read, read_market
from defiliq.types import Block
from tests.protocols.aave_v3.conftest import Scene, packed

pytestmark = pytest.mark.lab


def test_discovery_finds_every_borrower_and_nobody_else(scene: Scene) -> None:
    at = scene.latest()
    wanted, owner_of = discovery(scene.node, scene.listing, at)
    with Index(":memory:") as index:
        owners = discover(scene.node, index, wanted, owner_of, 0, at)
    found = {"0x" + owner.tobytes().hex() for owner in owners}
    assert found == {owner.lower() for owner in scene.lab.borrowers}
    assert len(owners) == len(found)


def test_reserves_equal_plain_calls(scene: Scene) -> None:
    lab, market = scene.lab, scene.book().market
    call = lab.chain.call
    assets = [asset.lower() for asset in call(lab.market.pool, "getReservesList")]
    assert [reserve.asset.lower() for reserve in market.reserves] == assets
    assert {reserve.symbol: reserve.asset for reserve in market.reserves} == lab.tokens
    for reserve in market.reserves:
        said = call(lab.market.pool, "getReserveData", reserve.asset)
        ((data,), index, rate, debt_index, debt_rate, _, updated, number, a_token, stable, variable, *_) = (
            said
        )
        assert (reserve.liquidity_index_ray, reserve.liquidity_rate_ray) == (index, rate)
        assert (reserve.variable_borrow_index_ray, reserve.variable_borrow_rate_ray) == (
            debt_index,
            debt_rate,
        )
        assert (reserve.updated_at, reserve.id) == (updated, number)
        assert reserve.a_token.lower() == a_token.lower()
        assert reserve.variable_debt_token.lower() == variable.lower()
        if market.revision >= 5:
            assert reserve.stable_debt_token is None
        else:
            assert reserve.stable_debt_token is not None
            assert reserve.stable_debt_token.lower() == stable.lower()
        assert reserve.ltv_bps == data & 0xFFFF
        assert reserve.liquidation_threshold_bps == data >> 16 & 0xFFFF
        assert reserve.decimals == call(lab.market.tokens[reserve.symbol], "decimals")
        assert reserve.income_ray == call(lab.market.pool, "getReserveNormalizedIncome", reserve.asset)
        assert reserve.debt_ray == call(lab.market.pool, "getReserveNormalizedVariableDebt", reserve.asset)


def test_prices_and_feeds_equal_plain_calls(scene: Scene) -> None:
    lab, market = scene.lab, scene.book().market
    assert (market.base_unit, market.base_symbol) == (10**8, "USD")
    for position, reserve in enumerate(market.reserves):
        assert market.price_of(position) == lab.price(reserve.symbol)
        assert market.feeds[reserve.feed].source == lab.feeds[reserve.symbol]
        assert reserve.symbol in market.feeds[reserve.feed].name.split("+")
    assert (market.provider, market.pool, market.oracle) == (lab.provider, lab.pool, lab.oracle)
    assert (market.revision, f"v{market.version}") == (lab.revision, lab.version)
    assert market.liquidations_allowed


def test_emodes_equal_plain_calls(scene: Scene) -> None:
    lab, market = scene.lab, scene.book().market
    call, pool = lab.chain.call, lab.market.pool
    assert {1, 2} <= set(market.emodes)
    for emode in market.emodes.values():
        if market.revision < 5:
            ltv, threshold, bonus, source, label = call(pool, "getEModeCategoryData", emode.id)
            members = sum(1 << r.id for r in market.reserves if r.emode_category == emode.id)
            assert emode.collateral_bitmap == members != 0
            if int(source, 16) == 0:
                assert emode.feed is None
            else:
                assert emode.feed is not None
                assert market.prices[emode.feed] == call(lab.market.oracle, "getAssetPrice", source)
        else:
            ltv, threshold, bonus = call(pool, "getEModeCategoryCollateralConfig", emode.id)
            label = call(pool, "getEModeCategoryLabel", emode.id)
            assert emode.collateral_bitmap == call(pool, "getEModeCategoryCollateralBitmap", emode.id)
            assert emode.borrowable_bitmap == call(pool, "getEModeCategoryBorrowableBitmap", emode.id)
            assert emode.ltvzero_bitmap == call(pool, "getEModeCategoryLtvzeroBitmap", emode.id)
        assert (emode.ltv_bps, emode.liquidation_threshold_bps, emode.liquidation_bonus_bps) == (
            ltv,
            threshold,
            bonus,
        )
        assert emode.label == label


def test_every_leg_equals_plain_calls(scene: Scene) -> None:
    lab, book = scene.lab, scene.book()
    pool, market = lab.market.pool, book.market
    assert not book.failed
    assert [book.owner(i) for i in range(len(book))] == list(lab.owners)
    assert book.modes.tolist() == [user.emode for user in lab.users]
    bitmaps = lab.chain.call_many(pool, "getUserConfiguration", [[owner] for owner in lab.owners])
    calls = [[owner] for owner in lab.owners]
    held = {s: lab.chain.call_many(t, "scaledBalanceOf", calls) for s, t in lab.market.a_tokens.items()}
    owed = {s: lab.chain.call_many(t, "scaledBalanceOf", calls) for s, t in lab.market.debt_tokens.items()}
    stable = {
        s: lab.chain.call_many(t, "principalBalanceOf", calls)
        for s, t in lab.market.stable_debt_tokens.items()
    }
    for i, account in enumerate(book.accounts()):
        expected = {}
        for position, reserve in enumerate(market.reserves):
            flags = bitmaps[i][0] >> 2 * reserve.id & 3
            backs, borrows = flags & 2, flags & 1
            collateral = held[reserve.symbol][i] if backs else 0
            principal = stable[reserve.symbol][i] if stable and borrows else 0
            debt = owed[reserve.symbol][i] if borrows else 0
            if collateral or debt or principal:
                expected[position] = (collateral, debt, bool(backs), principal)
        seen = {
            leg.reserve: (
                leg.collateral,
                leg.debt,
                leg.counted,
                0 if leg.stable is None else leg.stable.principal,
            )
            for leg in account.legs
        }
        assert seen == expected, lab.users[i]


def test_the_population_is_worth_reading(scene: Scene) -> None:
    """The comparison above says little unless the accounts are of many shapes."""
    book = scene.book()
    legs_per_account = np.diff(book.first_leg)
    assert legs_per_account.max() >= 4
    repaid = [book.find(user.owner) for user in scene.lab.of_shape("repaid")]
    assert repaid, "who repaid everything stays in the book"
    assert all(row is not None and not any(leg.debt for leg in book.account(row).legs) for row in repaid)
    assert book.collateral.high.any() or book.debt.high.any()
    assert (~book.counted).any()
    assert (book.modes > 0).any()
    if book.market.revision < 5:
        assert book.stable


def test_health_equals_the_contract(scene: Scene) -> None:
    book = scene.book()
    for account, said in zip(book.accounts(), scene.lab.all_account_data(), strict=True):
        ours = health(account, book.market)
        assert (ours.collateral_base, ours.debt_base, ours.available_borrows_base) == said[:3]
        assert (ours.threshold_bps, ours.ltv_bps, ours.factor_wad) == said[3:]


def test_uncounted_supplies_are_read_on_request(scene: Scene) -> None:
    lab = scene.lab
    (user, *_) = lab.of_shape("flag-off")
    at = scene.latest()
    plain = read(scene.node, scene.listing, packed((user.owner,)), at)
    whole = read(scene.node, scene.listing, packed((user.owner,)), at, uncounted=True)
    held = {s: lab.chain.call(token, "balanceOf", user.owner) for s, token in lab.market.a_tokens.items()}
    values = explain(whole.account(0), whole.market)
    assert {
        whole.market.reserves[value.reserve].symbol: value.supplied for value in values if value.supplied
    } == {symbol: balance for symbol, balance in held.items() if balance}
    assert any(leg.collateral and not leg.counted for leg in whole.account(0).legs)
    assert not any(leg.collateral and not leg.counted for leg in plain.account(0).legs)
    assert health(whole.account(0), whole.market) == health(plain.account(0), plain.market)


def test_nobody_to_read(scene: Scene) -> None:
    book = read(scene.node, scene.listing, np.zeros((0, 20), np.uint8), scene.latest())
    assert len(book) == book.legs == 0
    assert not book.failed


def test_strangers_have_no_legs(scene: Scene) -> None:
    book = read(scene.node, scene.listing, packed(("0x" + "ab" * 20,)), scene.latest())
    assert len(book) == 1
    assert book.account(0).legs == ()


def test_progress_counts_calls_to_the_end(scene: Scene) -> None:
    told: list[tuple[int, int]] = []
    read(scene.node, scene.listing, scene.owners(), scene.latest(), lambda *step: told.append(step))
    assert told
    assert told[0][1] == 2 * len(scene.lab.owners)
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("price", [0, 2**256 - 5])
def test_a_feed_without_a_price_fails_its_holders_only(scene: Scene, price: int) -> None:
    """A feed that answers 0 or below leads AaveOracle to its fallback, which is nobody: it reverts."""
    lab, before = scene.lab, scene.book()
    position = next(k for k, reserve in enumerate(before.market.reserves) if reserve.symbol == "LINK")
    number = before.market.reserves[position].id
    bitmaps = lab.chain.call_many(lab.market.pool, "getUserConfiguration", [[owner] for owner in lab.owners])
    holders = {owner for owner, (bits,) in zip(lab.owners, bitmaps, strict=True) if bits >> 2 * number & 3}
    assert 0 < len(holders) < len(lab.owners)
    with lab.rewinding():
        lab.set_price("LINK", price)
        book = scene.book()
        assert set(book.failed) == holders
        assert all("no price for LINK" in reason for reason in book.failed.values())
        assert {book.owner(i) for i in range(len(book))} == set(lab.owners) - holders
        assert "LINK" not in [reserve.symbol for reserve in book.market.reserves]
        for i, account in enumerate(book.accounts()):
            assert health(account, book.market).factor_wad == lab.account_data(book.owner(i)).factor_wad
        with pytest.raises(MissingPrice, match="LINK"):
            read_market(scene.node, scene.listing, scene.latest())


def test_no_price_at_all(scene: Scene) -> None:
    with scene.lab.rewinding():
        for symbol in scene.lab.feeds:
            scene.lab.set_price(symbol, 0)
        with pytest.raises(MissingPrice):
            scene.book()


def test_a_block_replaced_meanwhile(scene: Scene) -> None:
    at = scene.latest()
    gone = Block(at.chain_id, at.number, "0x" + "00" * 32, at.timestamp)
    with pytest.raises(BlockChanged):
        read(scene.node, scene.listing, scene.owners(), gone)


def test_the_market_alone_equals_the_books(scene: Scene) -> None:
    assert read_market(scene.node, scene.listing, scene.latest()) == scene.book().market
