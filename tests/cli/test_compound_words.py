"""What the commands say of Compound's markets, on small books: no word and no unit of another protocol's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from defiliq.book import Book
from defiliq.ladder import build_ladder
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.snapshot import save_snapshot
from defiliq.pipeline.solving import solve_book
from defiliq.protocols import PROTOCOLS, compound_v2
from defiliq.protocols.compound_v2 import CompoundMarket
from defiliq.protocols.compound_v3 import CometMarket
from defiliq.types import Account, Leg, Liquidation, Market
from defiliq.units import WAD
from defiliq.view.position import legs_shown, levels_shown, tokens
from defiliq.view.rungs import print_chart, print_rungs
from tests.builders import NOW
from tests.cli.conftest import Run
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds
from tests.protocols.compound_v2.ctokens import owner as v2_owner
from tests.protocols.compound_v3.states import base_asset, collateral, comet, owing

ETH, USDC = 0, 1


def saved(folder: Path, whole: Market, accounts: Sequence[Account], name: str = "book") -> Path:
    return save_snapshot(Book.build(whole, accounts), folder / f"{name}.parquet")


def of_compound_v2(**usdc: Any) -> CompoundMarket:
    """ETH at 3000 dollars and USDC at 1, factors of 75%; one cToken is worth a base unit."""
    reserves = ctoken(ETH, "ETH"), ctoken(USDC, "USDC", 6, **usdc)
    return comptroller(reserves, [3000 * WAD, 10**30]).at_time(NOW)


def of_weth() -> CometMarket:
    """A Comet whose base asset, and money, is WETH."""
    reserves = base_asset(18, symbol="WETH"), collateral(1)
    return replace(comet(reserves, [10**8, 2 * 10**8]), base_symbol="WETH", name="WETH")


def test_a_deprecated_market_is_explained(run: Run, tmp_path: Path) -> None:
    """The account is five times covered, and liquidatable all the same."""
    account = v2_owner(holds(ETH, WAD), holds(USDC, 0, 450 * 10**6))
    path = saved(tmp_path, of_compound_v2(is_deprecated=True), [account])
    code, out, _ = run("position", account.owner, "--from", path)
    assert code == 0
    assert "health factor 5.000000 (LIQUIDATABLE)" in out
    assert "note: cUSDC is deprecated: whoever owes USDC can be liquidated without a shortfall" in out
    assert "best call now: repay 450 USDC" in out
    plain = saved(tmp_path, of_compound_v2(), [account])
    assert "note:" not in run("position", account.owner, "--from", plain)[1]


def test_ctokens_stand_beside_what_they_are_worth(run: Run, tmp_path: Path) -> None:
    account = v2_owner(holds(ETH, WAD), holds(USDC, 0, 2500 * 10**6), holds(2, 7 * WAD, entered=False))
    reserves = (ctoken(ETH, "ETH"), ctoken(USDC, "USDC", 6), ctoken(2, "XYZ"))
    path = saved(tmp_path, comptroller(reserves, [3000 * WAD, 10**30, WAD]).at_time(NOW), [account])
    _, out, _ = run("position", account.owner, "--from", path)
    assert "base units held" in out
    assert f"{WAD} cETH" in out
    assert "note: cXYZ is not entered: it backs nothing, but a liquidator can seize it" in out
    assert "base units of cETH, a bonus of" in out
    about = json.loads(run("position", account.owner, "--from", path, "--format", "json")[1])
    assert [(leg["receipt"], leg["receipt_raw"]) for leg in about["legs"]] == [
        ("cETH", str(WAD)),
        ("cUSDC", "0"),
        ("cXYZ", str(7 * WAD)),
    ]
    taken = compound_v2.take(account, comptroller(reserves, [3000 * WAD, 10**30, WAD]).at_time(NOW))
    assert isinstance(taken, Liquidation)
    received = {"token": reserves[ETH].c_token, "symbol": "cETH", "amount": str(taken.seizures[0].received)}
    assert about["liquidation"]["seizures"][0]["received"] == received
    assert about["liquidation"]["remark"] == ""


def test_an_unentered_debt_and_a_supplier_without_debt_are_explained() -> None:
    market = of_compound_v2()
    supplier = v2_owner(holds(ETH, WAD, entered=False))
    assert compound_v2.remarks(supplier, market) == ("cETH is not entered: it backs nothing",)
    debtor = v2_owner(holds(ETH, WAD), holds(USDC, 0, 5, entered=False))
    assert compound_v2.remarks(debtor, market) == ("cUSDC is not entered: this debt does not count",)


def test_a_comet_says_what_backs_nothing(run: Run, tmp_path: Path) -> None:
    market = of_weth()
    supplier = owing(10**18, 10**18)
    path = saved(tmp_path, market, [supplier])
    _, out, _ = run("position", supplier.owner, "--from", path)
    assert "note: WETH is the base asset: supplying it earns interest and backs nothing" in out
    uncounted = Account(supplier.owner, 0, (Leg(0, 0, 10**18, False), Leg(1, 10**18, 0, False)))
    remarks = PROTOCOLS["compound-v3"].remarks(uncounted, market)
    assert remarks == ("C1 is not among the account's collaterals (assetsIn): it backs nothing",)
    assert PROTOCOLS["compound-v3"].remarks(owing(-1, 1), market) == ()


def test_what_a_comet_does_not_sell_is_said_where_the_call_is(run: Run, tmp_path: Path) -> None:
    """Its reserves are more than a target of nothing."""
    rich = replace(of_weth(), target_reserves=0)
    reserves = (replace(rich.reserves[0], held=10**30), *rich.reserves[1:])
    account = owing(-(2 * 10**18), 10**18)
    path = saved(tmp_path, replace(rich, reserves=reserves), [account])
    _, out, _ = run("position", account.owner, "--from", path)
    assert "a liquidation now takes the whole account: 1 C1; 2 WETH of debt goes, a bonus of 0.00 WETH" in out
    assert "NotForSale: C1" in out
    assert "NotForSale: C1" in run("ladder", "--from", path, "--format", "table")[1]
    assert "NotForSale: C1" in run("scan", "--from", path)[1]


def test_an_account_of_nothing_has_no_empty_tables(run: Run, tmp_path: Path) -> None:
    nobody = Account(owing(0).owner, 0, ())
    _, out, _ = run("position", nobody.owner, "--from", saved(tmp_path, of_weth(), [nobody]))
    assert "it holds and owes nothing that counts in this market" in out
    assert "levels" not in out
    assert "legs" not in out


def test_money_is_named_and_driver_prices_are_not_money(run: Run, tmp_path: Path) -> None:
    account = owing(-(10**18), 10**18)
    path = saved(tmp_path, of_weth(), [account])
    scan = run("scan", "--from", path)[1]
    assert "debt WETH" in scan.split("closest")[0]
    assert "reason" not in scan
    for command in (["ladder"], ["ladder", "--bin", "5%"]):
        out = run(*command, "--from", path, "--format", "table")[1]
        assert "WETH C1/WETH, sizes in WETH" in out
        assert "debt WETH" in out
        assert "price WETH" not in out
        assert "high WETH" not in out
    position = run("position", account.owner, "--from", path)[1]
    legs, levels = position.split("levels")
    assert "price WETH" in legs
    assert "price WETH" not in levels
    assert "bonus WETH" in levels
    curve = run("stress", "--from", path, "--set", "C1=-50%", "--curve", "--steps", "2", "--format", "table")[
        1
    ]
    assert "bad debt WETH" in curve
    stress = run("stress", "--from", path, "--set", "C1=-50%", "--format", "table")[1]
    assert "collateral WETH" in stress
    assert "cap" not in stress


def test_dollars_stand_bare(run: Run, tmp_path: Path) -> None:
    account = v2_owner(holds(ETH, WAD), holds(USDC, 0, 2500 * 10**6))
    path = saved(tmp_path, of_compound_v2(), [account])
    out = run("ladder", "--from", path, "--format", "table")[1]
    assert "price $" in out
    assert "sizes in" not in out


def test_columns_that_say_nothing_are_left_out(run: Run, tmp_path: Path) -> None:
    out = run("feeds", "--from", saved(tmp_path, of_weth(), []), "--format", "table")[1]
    for heading in ("cap", "heartbeat", "deviation"):
        assert heading not in out


def test_markets_of_one_name_on_two_chains_are_kept_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """Moonwell is the name of three of them."""
    account = v2_owner(holds(ETH, WAD), holds(USDC, 0, 2000 * 10**6))
    tables = []
    for chain_id in (10, 8453):
        market = of_compound_v2()
        market = replace(market, name="Moonwell", block=replace(market.block, chain_id=chain_id))
        book = Book.build(market, [account])
        (driver,) = (each for each in drivers(market) if "ETH" in each.name)
        solved = solve_book(book, [driver])
        tables.append(
            build_ladder(book, solved.levels, compound_v2.take, compound_v2.health, compound_v2.explain)
        )
    joint = pd.concat(tables, ignore_index=True)
    print_chart(joint, None)
    print_rungs(joint)
    out = capsys.readouterr().out
    for chain_id in (10, 8453):
        assert out.count(f"compound-v2 Moonwell ({chain_id})") == 2


def test_legs_and_levels_for_reading() -> None:
    legs = pd.DataFrame(
        {
            "collateral": ["0", "0.241364761"],
            "collateral_raw": ["0", "241364761"],
            "debt": ["1.5", "0"],
            "counted": [False, True],
            "threshold_bps": [0, 8500],
            "receipt": ["cA", "cB"],
            "receipt_raw": ["0", "77"],
        }
    )
    shown = legs_shown(legs)
    assert shown["counted"].tolist() == ["", True]
    assert shown["threshold_bps"].tolist() == [pd.NA, 8500]
    assert shown["base_units_held"].tolist() == ["", "77 cB"]
    assert shown["collateral"].tolist() == ["0", "0.241364"]
    money = {name: [1.0, 0.0] for name in ("seized_usd", "repaid_usd", "bonus_usd", "bad_debt_usd")}
    levels = levels_shown(pd.DataFrame(money | {"outcome": ["price", "never"], "callable": [True, False]}))
    assert levels["repaid_usd"].isna().tolist() == [False, True]
    assert levels["callable"].tolist() == [True, ""]


@pytest.mark.parametrize(
    ("whole", "shown"),
    [
        ("0", "0"),
        ("12", "12"),
        ("3.9187407", "3.91874"),
        ("2.00000001", "2"),
        ("0.00000012", "0.00000012"),
        ("30239.1234567", "30239.123456"),
    ],
)
def test_dust_is_never_shown_as_nothing(whole: str, shown: str) -> None:
    assert tokens(whole) == shown
