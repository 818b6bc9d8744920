"""The public sentences: reading with its failures, health, levels, positions, verification."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import defiliq
from defiliq.engine import bulk
from defiliq.engine.sweep import UNRESOLVED
from defiliq.errors import (
    BlockChanged,
    CallReverted,
    IncompleteScan,
    InputError,
    NotAMarket,
    WrongChain,
)
from defiliq.index import Index
from defiliq.pipeline.judge import choose_drivers
from defiliq.pipeline.position import amount_text, position_json
from defiliq.pipeline.reading import Step, over_debt, read
from defiliq.pipeline.solving import solve_book
from defiliq.pipeline.verify import verify
from defiliq.protocols import PROTOCOLS, aave_v3
from defiliq.types import Side
from tests.builders import NOW, account, address, book, every_outcome, market
from tests.fakes import LISTING, FakeNode, fake_protocol


@pytest.fixture
def protocol(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replace aave-v3 by a fake; call it again to choose another."""

    def use(**changes: Any) -> None:
        monkeypatch.setitem(PROTOCOLS, "aave-v3", fake_protocol(book(), **changes))

    use()
    return use


def test_reading_finds_and_reads_every_account(protocol: Any) -> None:
    steps: list[Step] = []
    found = read(FakeNode(), LISTING, on_progress=steps.append)
    assert sorted(account.owner for account in found.accounts()) == [address(k) for k in range(1, 9)]
    assert found.market.block == FakeNode().block(120)
    assert {step.stage for step in steps} == {"discover", "read"}
    last = [step for step in steps if step.stage == "discover"][-1]
    assert (last.done, last.total, last.accounts) == (116, 116, 8)


def test_given_owners_are_read_without_a_search(protocol: Any) -> None:
    owners = np.frombuffer(bytes.fromhex(address(3)[2:]), dtype=np.uint8).reshape(1, 20)
    found = read(FakeNode(breaks_after=0), LISTING, owners=owners)
    assert [account.owner for account in found.accounts()] == [address(3)]


def test_a_node_of_another_chain_is_refused(protocol: Any) -> None:
    with pytest.raises(WrongChain, match="serves chain 1, but the market is on chain 31337"):
        read(FakeNode(chain_id=1), LISTING)


def test_a_block_before_the_market_is_refused_with_the_newest(protocol: Any) -> None:
    with pytest.raises(
        InputError, match=r"begins at block 5, after block 2 \(finalized\).*newest block is 120"
    ):
        read(FakeNode(finalized=2), LISTING, "finalized")


def test_a_market_younger_than_the_finalized_block_says_so(protocol: Any) -> None:
    protocol(begins=100)
    with pytest.raises(NotAMarket, match=r"at block 60 \(finalized\).*newest is 120.*--block latest"):
        read(FakeNode(finalized=60), LISTING, "finalized")
    assert len(read(FakeNode(finalized=60), LISTING, "latest")) == 8


def test_without_a_block_only_a_development_chain_is_read_at_its_newest(protocol: Any) -> None:
    assert read(FakeNode(finalized=60), LISTING).market.block.number == 120
    real = replace(LISTING, chain_id=1)
    assert read(FakeNode(chain_id=1, finalized=60), real).market.block.number == 60


def test_a_search_that_breaks_is_incomplete_and_goes_on_later(protocol: Any, tmp_path: Path) -> None:
    with Index(tmp_path / "index.sqlite") as index:
        broken = FakeNode(head=120_000, finalized=110_000, breaks_after=60_000)
        with pytest.raises(IncompleteScan) as caught:
            read(broken, LISTING, "finalized", index=index)
        assert caught.value.exit_code == 3
        assert 0 < caught.value.covered <= 60_000
        assert caught.value.accounts == 8
        steps: list[Step] = []
        whole = FakeNode(head=120_000, finalized=110_000)
        read(whole, LISTING, "finalized", index=index, on_progress=steps.append)
        assert steps[0].total == 110_000 - caught.value.covered


def test_health_agrees_with_the_law_to_the_integer() -> None:
    table = defiliq.health(book())
    for row, owner in zip(table.to_dict("records"), book().accounts(), strict=True):
        law = aave_v3.health(owner, market())
        assert row["account"] == owner.owner
        assert int(row["debt_raw"]) == law.debt_base
        assert int(row["collateral_raw"]) == law.collateral_base
        assert row["liquidatable"] is law.liquidatable
        assert row["debt_usd"] == law.debt_base / 10**8
        shown = str(row["health_factor"]).replace(".", "")
        assert (int(shown) == law.factor_wad) if law.debt_base else shown == ""
    assert table["callable"].tolist() == table["liquidatable"].tolist()


def test_a_liquidatable_account_that_cannot_be_called_says_why() -> None:
    paused = book(at=market(reserves={"WETH": {"is_paused": True}}))
    row = defiliq.health(paused).iloc[2]
    assert bool(row["liquidatable"])
    assert not bool(row["callable"])
    assert "ReservePaused" in row["reason"]


def test_the_screen_and_the_law_say_the_same() -> None:
    assert defiliq.liquidatable(book()).tolist() == defiliq.health(book())["liquidatable"].tolist()


def test_levels_list_every_account_on_every_driver() -> None:
    table = defiliq.levels(book())
    counts = table.groupby(["account", "driver"]).size()
    assert len(counts) == 8 * 5
    assert set(table["outcome"]) == {"price", "already", "never"}
    assert "debt_usd" not in table.columns


@pytest.mark.parametrize("revision", [1, 8, 10])
def test_every_level_is_broken_and_its_neighbour_is_safe(revision: int) -> None:
    at = market(revision=revision)
    accounts = book(at=at)
    solved = solve_book(accounts, choose_drivers(at, groups=["ETH/USD=WETH,wstETH"]))
    priced = [level for level in solved.levels if level.outcome == "price"]
    assert len(priced) >= 12
    for level in priced:
        assert level.price is not None
        toward = 1 if level.side == "long" else -1
        owner = accounts.account(level.account)
        assert aave_v3.health(owner, at.at_prices(level.driver.prices(level.price))).liquidatable
        assert not aave_v3.health(owner, at.at_prices(level.driver.prices(level.price + toward))).liquidatable


def test_interest_can_be_accrued_to_a_later_instant() -> None:
    year = 365 * 24 * 60 * 60
    rates = {"variable_borrow_rate_ray": 10**26, "updated_at": NOW}
    at = market(reserves={"USDC": rates})
    later = defiliq.at_time(book(at=at), NOW + year)
    now, then = defiliq.health(book(at=at)), defiliq.health(later)
    assert then["evaluated_at"].unique().tolist() == [NOW + year]
    assert then["block_timestamp"].unique().tolist() == [NOW]
    assert then["debt_usd"][0] == pytest.approx(now["debt_usd"][0] * 1.10517, rel=1e-4)
    with pytest.raises(InputError, match="before the block's own"):
        defiliq.at_time(book(), NOW - 1)


def test_small_debts_are_left_out_exactly_at_the_edge() -> None:
    plain = book()
    kept = over_debt(plain, "2600")
    assert [account.owner for account in kept.accounts()] == [address(k) for k in (2, 3, 6, 8)]
    assert len(over_debt(plain, 2600.00000001)) == 3
    assert len(over_debt(plain, 0)) == 8
    for text in ("much", "nan", "inf"):
        with pytest.raises(InputError, match="no amount"):
            over_debt(plain, text)


def test_keeping_some_accounts_keeps_their_legs() -> None:
    plain = book()
    mask = np.array([False, True, False, False, False, True, True, False])
    kept = plain.keep(mask)
    assert list(kept.accounts()) == [plain.account(1), plain.account(5), plain.account(6)]


def test_a_position_explains_an_account() -> None:
    found = defiliq.position(book(), address(3).lower())
    assert found.owner == address(3)
    assert found.health["liquidatable"] is True
    assert found.legs["reserve"].tolist() == ["WETH", "USDC"]
    assert found.legs["collateral"].tolist() == ["1", "0"]
    assert found.legs["debt_usd"].tolist() == [0.0, 2600.0]
    assert found.legs["counted"].tolist() == [True, False]
    assert set(found.levels["driver"]) == {"WETH/USD", "USDC/USD"}
    assert found.taken == aave_v3.take(book().account(2), market())
    about = json.loads(position_json(found))
    assert about["liquidation"]["repaid"] == str(found.taken.repaid if found.taken else None)
    assert about["legs"][1]["debt_raw"] == "2600000000"


def test_a_healthy_position_has_nothing_to_take() -> None:
    found = defiliq.position(book(), address(1), ["WETH"])
    assert found.taken is None
    assert json.loads(position_json(found))["liquidation"] is None
    assert found.levels["price_raw"].tolist() == ["242424242424"]


def test_a_wrong_owner_is_refused() -> None:
    with pytest.raises(InputError, match="not among the 8 accounts"):
        defiliq.position(book(), address(99))
    with pytest.raises(InputError, match="no address"):
        defiliq.position(book(), "0x12")


@pytest.mark.parametrize(
    ("raw", "decimals", "text"),
    [
        (0, 18, "0"),
        (1, 18, "0.000000000000000001"),
        (10**18, 18, "1"),
        (1200, 0, "1200"),
        (15 * 10**7, 8, "1.5"),
    ],
)
def test_amounts_keep_every_digit_and_no_more(raw: int, decimals: int, text: str) -> None:
    assert amount_text(raw, decimals) == text


def test_huge_amounts_keep_every_digit() -> None:
    assert amount_text(2**128 - 1, 18) == "340282366920938463463.374607431768211455"


def test_verification_agrees_with_an_honest_contract(protocol: Any) -> None:
    result = verify(FakeNode(), book(), levels=True)
    assert result.agrees
    assert (result.asked, result.agreed) == (8, 8)
    assert result.levels_asked == result.price_agreed == result.neighbour_agreed > 10


def test_verification_takes_a_seeded_sample(protocol: Any) -> None:
    assert verify(FakeNode(), book(), sample=3, seed=1).asked == 3
    assert verify(FakeNode(), book(), sample=99).asked == 8


def test_any_number_that_differs_is_a_disagreement(protocol: Any) -> None:
    protocol(lies=lambda answer: replace(answer, ltv_bps=answer.ltv_bps + 1))
    result = verify(FakeNode(), book())
    assert not result.agrees
    assert result.agreed == 0
    assert set(result.disagreements["what"]) == {"ltv_bps"}
    assert len(result.disagreements) == 8


def test_a_contract_that_refuses_is_a_disagreement(protocol: Any) -> None:
    protocol(lies=lambda answer: CallReverted(address(1), b"", "no"))
    result = verify(FakeNode(), book(), levels=True)
    assert result.agreed == result.price_agreed == result.neighbour_agreed == 0
    assert len(result.disagreements) == 8 + 2 * result.levels_asked
    assert set(result.disagreements["check"]) == {"health", "p*", "neighbour"}


def test_a_level_one_integer_off_is_noticed(protocol: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver whose levels lie one integer too far out: p* still breaks, but so does the neighbour."""
    real = bulk.crossings

    def off(prepared: bulk.Prepared, side: Side) -> bulk.Crossings:
        found = real(prepared, side)
        return replace(found, price=found.price + (1 if side == "short" else -1))

    monkeypatch.setattr(bulk, "crossings", off)
    result = verify(FakeNode(), book(), levels=True)
    assert result.price_agreed == result.levels_asked
    assert result.neighbour_agreed == 0
    assert set(result.disagreements["what"]) == {"liquidatable"}


def test_a_snapshot_of_another_fork_is_not_verified(protocol: Any) -> None:
    forked = book(at=replace(market(), block=replace(market().block, hash="0x" + "99" * 32)))
    with pytest.raises(BlockChanged):
        verify(FakeNode(), forked)
    with pytest.raises(WrongChain):
        verify(FakeNode(chain_id=5), book())


def test_what_columns_give_up_the_law_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts, chosen = book(), choose_drivers(market())
    expected = solve_book(accounts, chosen, include_never=True)
    real = bulk.crossings

    def give_up(prepared: bulk.Prepared, side: Side) -> bulk.Crossings:
        found = real(prepared, side)
        found.state[:] = UNRESOLVED
        return found

    monkeypatch.setattr(bulk, "crossings", give_up)
    assert solve_book(accounts, chosen, include_never=True) == expected


def test_an_account_without_exposure_is_never_or_already() -> None:
    accounts = book([account(1, WETH=(1, 0), USDC=(0, 2000)), account(2, WETH=(1, 0), USDC=(0, 2600))])
    solved = solve_book(accounts, choose_drivers(market(), ["WBTC"]), include_never=True)
    assert [level.outcome for level in solved.levels] == ["never", "already"]


def test_a_feed_of_an_emode_exposes_the_accounts_in_it() -> None:
    """An eMode price source prices no reserve, but moves the accounts that use the mode (v3.0)."""
    from defiliq.pipeline.solving import _exposed
    from defiliq.types import Feed

    at = replace(market(), feeds=(*market().feeds, Feed("eMode 1", address(1))), prices=(*market().prices, 5))
    rows = [
        account(1, WETH=(1, 0), USDC=(0, 1)),
        account(2, mode=1, WETH=(1, 0), USDC=(0, 1)),
        account(3, mode=1, WETH=(1, 0)),
    ]
    driven = {driver.name: _exposed(book(rows, at), driver).tolist() for driver in choose_drivers(at)}
    assert driven["eMode 1/USD"] == [False, True, False], "who owes nothing can't break"
    assert driven["WETH/USD"] == [True, True, False]
    assert driven["WBTC/USD"] == [False, False, False]


def test_a_mode_s_own_price_is_followed_though_no_leg_hangs_on_it() -> None:
    """In revisions <= 4 a category's price source stands in for its reserves'."""
    from defiliq.engine.solve import find_levels
    from defiliq.protocols import aave_v3
    from defiliq.protocols.aave_v3.market import EMode
    from defiliq.types import Feed

    plain = market(revision=1, reserves={"WETH": {"emode_category": 1}})
    weth = plain.prices[plain.reserves[0].feed]
    mode = EMode(
        id=1,
        label="own price",
        ltv_bps=9000,
        liquidation_threshold_bps=9300,
        liquidation_bonus_bps=10_100,
        collateral_bitmap=1,
        borrowable_bitmap=1,
        feed=len(plain.feeds),
    )
    at = replace(
        plain,
        emodes={1: mode},
        feeds=(*plain.feeds, Feed("eMode 1", address(1))),
        prices=(*plain.prices, weth),
    )
    owner = account(1, mode=1, WETH=(1, 0), USDC=(0, 1000))
    (driver,) = choose_drivers(at, ["eMode 1/USD"])
    (level,) = solve_book(book([owner], at), [driver]).levels
    assert [level] == find_levels(aave_v3.rule(owner, at), 0, at.prices, driver)
    assert (level.outcome, level.driver) == ("price", driver)


def test_every_outcome_is_in_the_test_book() -> None:
    assert len(every_outcome()) == len(book()) == 8
