"""The commands on a dYdX v4 chain, over gRPC and over CometBFT's JSON-RPC, and from snapshots of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import defiliq
from defiliq.ladder import BIN_COLUMNS, HEALTH_COLUMNS, LADDER_COLUMNS
from defiliq.pipeline.positions import POSITION_COLUMNS
from defiliq.protocols import dydx_v4
from tests.builders import address
from tests.cli.conftest import Run
from tests.cli.dydx_chain import CHAIN_ID, HEIGHT, WAYS, Place, held, names, placed, rows, standin
from tests.dydx.population import owner
from tests.test_ladder import SPEC

LEVELS = {"ETH/USD": {"short": 5}, "ALL": {"long": 21, "short": 36}}
"""How many the seeded subaccounts have."""


@pytest.fixture(params=WAYS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The chain, each way in turn."""
    with placed(standin(), tmp_path, str(request.param)) as found:
        yield found


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chain as a snapshot."""
    folder = tmp_path_factory.mktemp("kept")
    with (
        placed(standin(), folder) as place,
        defiliq.connect(place.url, defiliq.market_from_file(place.file)) as node,
    ):
        book = defiliq.read(node, defiliq.market_from_file(place.file))
    return defiliq.save_snapshot(book, folder / "kept.parquet")


def test_scan_in_words_and_as_data(run: Run, place: Place, tmp_path: Path) -> None:
    code, out, err = run("scan", *place.options)
    assert code == 0
    assert f"dydx-v4 Local v4 on dydx ({CHAIN_ID}), block {HEIGHT} 0x" in out
    assert f"accounts: {len(names())} found, {len(names())} read, 0 failed" in out
    assert f"Reading dydx-v4 Local from {place.url}" in err
    code, out, err = run("scan", *place.options, "--format", "csv")
    table = rows(out)
    assert code == 0
    assert list(table.columns) == list(HEALTH_COLUMNS)
    assert sorted(table["account"]) == sorted(names())
    assert set(table["chain_id"]) == {CHAIN_ID}
    assert f"block {HEIGHT}" in err
    target = tmp_path / "health.csv"
    assert run("scan", *place.options, "-o", target, "-q")[0] == 0
    assert target.read_text() == out


def test_the_snapshot_is_the_chain_and_all_commands_take_it(
    run: Run, place: Place, kept: Path, tmp_path: Path
) -> None:
    target = tmp_path / "own.parquet"
    code, out, err = run("snapshot", *place.options, "-o", target)
    assert (code, out) == (0, "")
    assert f"Wrote {len(names())} accounts with" in err
    one, other = defiliq.load_snapshot(target), defiliq.load_snapshot(kept)
    assert one.market == other.market
    assert list(one.accounts()) == list(other.accounts())
    for command in (
        ["scan"],
        ["ladder", "--driver", "ALL"],
        ["positions"],
        ["position", names()[0]],
        ["feeds"],
        ["stress", "--set", "ALL=-5%"],
    ):
        told = run(*command, *place.options, "--format", "json")
        assert told[0] == 0, command
        assert json.loads(told[1])
        assert run(*command, "--from", target, "--format", "json")[:2] == told[:2]
    assert run("scan", "dydx-v4", "--from", target)[0] == 0
    assert run("scan", "aave-v3", "--from", target)[0] == 2


@pytest.mark.parametrize("driver", LEVELS)
def test_ladder_is_the_law_at_every_level(run: Run, kept: Path, driver: str) -> None:
    code, out, _ = run("ladder", "--from", kept, "--driver", driver, "--format", "csv")
    assert code == 0
    table = rows(out)
    assert list(table.columns) == list(LADDER_COLUMNS)
    assert list(table.columns[: len(SPEC)]) == SPEC
    assert set(table["driver"]) == {driver}
    priced = table[table["outcome"] == "price"]
    assert priced["side"].value_counts().to_dict() == LEVELS[driver]
    book: Any = defiliq.load_snapshot(kept)
    (moved,) = (each for each in defiliq.drivers(book.market) if each.name == driver)
    for row in priced.to_dict("records"):
        account = book.account(book.find(row["account"]))
        at, nearer = int(row["price_raw"]), -1 if row["side"] == "short" else 1
        there, beside = (book.market.at_prices(moved.prices(price)) for price in (at, at + nearer))
        assert dydx_v4.health(account, there).liquidatable
        assert not dydx_v4.health(account, beside).liquidatable


def test_ladder_of_every_driver_sides_and_bins(run: Run, kept: Path) -> None:
    code, out, err = run("ladder", "--from", kept)
    assert code == 0
    every = rows(out)
    assert {"BTC/USD", "ETH/USD", "ALL"} <= set(every["driver"])
    assert "an account counts once per driver" in err
    for side in ("long", "short"):
        _, out, _ = run("ladder", "--from", kept, "--side", side)
        one = rows(out)
        assert set(one["side"]) == {side}
        wanted = every[(every["side"] == side) & (every["outcome"] == "price")]
        assert one[one["outcome"] == "price"]["account"].tolist() == wanted["account"].tolist()
    code, out, _ = run("ladder", "--from", kept, "--driver", "ALL", "--bin", "5%")
    bins = rows(out)
    assert (code, list(bins.columns)) == (0, list(BIN_COLUMNS))
    joint = every[every["driver"] == "ALL"]
    assert bins["accounts"].astype(int).sum() == len(joint)
    sizes = pd.to_numeric(joint["notional_usd"])
    assert pd.to_numeric(bins["notional_usd"]).sum() == pytest.approx(sizes.sum())
    last = bins.groupby("side").last()
    by_side = sizes.groupby(joint["side"]).sum()
    assert pd.to_numeric(last["cumulative_notional_usd"]).to_dict() == pytest.approx(by_side.to_dict())
    code, out, _ = run("ladder", "--from", kept, "--driver", "BTC/USD", "--all")
    assert set(rows(out)["account"]) == set(names())


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "md"])
def test_ladder_and_positions_as_files(run: Run, kept: Path, tmp_path: Path, suffix: str) -> None:
    book: Any = defiliq.load_snapshot(kept)
    expected = {"ladder": defiliq.ladder(book), "positions": defiliq.positions(book)}
    for command, table in expected.items():
        target = tmp_path / f"{command}.{suffix}"
        assert run(command, "--from", kept, "-o", target)[:2] == (0, "")
        accounts = table["account"].tolist()
        if suffix == "parquet":
            pd.testing.assert_frame_equal(pd.read_parquet(target), table, check_dtype=False)
        elif suffix == "csv":
            assert rows(target.read_text())["account"].tolist() == accounts
        elif suffix == "json":
            assert [row["account"] for row in json.loads(target.read_text())] == accounts
        else:
            assert target.read_text().count("\n") == len(table) + 2


def test_the_ladder_in_words_shows_sizes(run: Run, kept: Path) -> None:
    code, out, _ = run("ladder", "--from", kept, "--driver", "ALL", "--format", "table")
    assert code == 0
    assert "1 ── spot" in out
    assert "notional $" in out
    assert (
        "notional $"
        in run("ladder", "--from", kept, "--driver", "ALL", "--bin", "5%", "--format", "table")[1]
    )


def test_positions_in_words_and_as_data(run: Run, place: Place) -> None:
    code, out, _ = run("positions", *place.options, "--top", "3")
    assert code == 0
    assert "open interest" in out
    assert "further perpetuals with an open interest of" in out
    assert "20x and up" in out
    code, out, err = run("positions", *place.options, "--format", "csv")
    table = rows(out)
    assert (code, list(table.columns)) == (0, list(POSITION_COLUMNS))
    assert len(table) == sum(len(each.perpetual_positions) for each in held().subaccounts)
    assert "accounts: " in err
    found = json.loads(run("positions", *place.options, "--format", "json", "-q")[1])
    assert [row["size_raw"] for row in found] == table["size_raw"].tolist()
    code, out, _ = run("positions", *place.options, "--top", "0")
    assert "open interest" not in out
    assert "leverage" in out


def test_a_lending_market_has_no_positions(run: Run, snapshot: Path) -> None:
    code, out, err = run("positions", "--from", snapshot, "-q")
    assert (code, out) == (2, "")
    assert err == "Error: aave-v3 has no positions: they are longs and shorts of perpetuals.\n"


def test_feeds_and_tree(run: Run, place: Place, kept: Path) -> None:
    code, out, _ = run("feeds", *place.options, "--format", "table")
    assert code == 0
    assert "35 drivers" in out
    assert "36 prices, 1 fixed" in out
    assert "BTC/USD" in out
    assert "age" not in out.split("36 prices")[0], "the chain's oracle does not say when"
    code, out, _ = run("feeds", "--from", kept, "--driver", "BTC/USD", "--tree")
    assert code == 0
    assert "└── BTC/USD  28,688.19524   oracle market/0" in out
    assert "ETH" not in out
    by_driver = rows(run("feeds", *place.options, "--by", "driver", "--format", "csv")[1])
    assert len(by_driver) == 35


def test_stress(run: Run, kept: Path) -> None:
    book: Any = defiliq.load_snapshot(kept)
    market = book.market
    for move, prices in (
        ("ALL=-20%", [market.prices[0], *(price * 8 // 10 for price in market.prices[1:])]),
        ("*/USD=-20%", [market.prices[0], *(price * 8 // 10 for price in market.prices[1:])]),
        ("BTC/USD=+10%", [market.prices[0], market.prices[1] * 11 // 10, *market.prices[2:]]),
    ):
        code, out, _ = run("stress", "--from", kept, "--set", move, "--by", "total", "--format", "json")
        (total,) = json.loads(out)
        there = market.at_prices(dict(enumerate(prices)))
        broken = sum(dydx_v4.health(account, there).liquidatable for account in book.accounts())
        assert (code, total["liquidatable_accounts"]) == (0, broken)
    code, out, _ = run("stress", "--from", kept, "--set", "ALL=-20%", "--format", "table")
    assert "ALL: 1 -> 0.8 (-20%)" in out
    _, out, _ = run(
        "stress", "--from", kept, "--set", "ALL=-50%", "--curve", "--steps", "2", "--format", "csv"
    )
    assert len(rows(out)) == 3


def test_all_and_one_of_them_cannot_move_at_once(run: Run, kept: Path) -> None:
    code, out, err = run("stress", "--from", kept, "--set", "ALL=-5%", "--set", "BTC/USD=+1%")
    assert (code, out) == (2, "")
    assert "Error: ALL and BTC/USD both move BTC-USD. Leave it out of one of them.\n" in err
    code, _, err = run("stress", "--from", kept, "--set", "ALL=-5%", "--set", "*/USD=+1%")
    assert code == 2
    assert "both move" in err


def test_verify_asks_for_each_subaccount_alone(run: Run, place: Place) -> None:
    code, out, err = run("verify", *place.options)
    assert code == 0
    assert out == f"accounts asked {len(names())} of {len(names())} (seed 0), agreed {len(names())} (100%)\n"
    assert "Compared with the law on each subaccount as the node gives it alone, because nodes give" in err
    code, out, _ = run("verify", *place.options, "--levels", "--sample", "25")
    assert code == 0
    assert out.count("(100%)") == 3
    assert "levels asked 0" not in out
    assert "aggregator" not in out


def test_a_snapshot_that_is_not_what_the_node_says_is_found(run: Run, kept: Path, tmp_path: Path) -> None:
    """The node says that one of them has a hundred dollars more."""
    model = standin()
    victim = next(each for each in held().subaccounts if len(each.perpetual_positions) > 1)
    richer = victim.FromString(victim.SerializeToString())
    richer.perpetual_positions[0].quote_balance = b"\x02\x05\xf5\xe1\x00"
    others = [each for each in held().subaccounts if each is not victim]
    from tests.dydx.standin import SUBACCOUNT, subaccount_handlers

    changed = subaccount_handlers([*others, richer])
    model.handlers = {**model.handlers, SUBACCOUNT: changed[SUBACCOUNT]}
    with placed(model, tmp_path) as place:
        code, out, _ = run("verify", "--from", kept, "-r", place.url)
    assert code == 1
    assert f"{victim.id.owner}/{victim.id.number}" in out
    assert "factor_wad" in out


def test_markets_lists_both_networks(run: Run) -> None:
    code, out, _ = run("markets", "--protocol", "dydx-v4", "--format", "csv")
    assert code == 0
    assert rows(out)["chain_id"].tolist() == ["dydx-mainnet-1", "dydx-testnet-4"]
    assert rows(run("markets", "--chain", "dydx")[1])["protocol"].tolist() == ["dydx-v4"]


def test_position_by_number_and_without(run: Run, place: Place) -> None:
    first = next(name for name in names() if name.endswith("/0"))
    code, out, _ = run("position", first, *place.options)
    assert code == 0
    assert f"account {first}\n" in out
    assert run("position", first.removesuffix("/0"), *place.options)[:2] == (0, out)
    isolated = next(name for name in names() if int(name.partition("/")[2]) >= 128)
    code, out, _ = run("position", isolated, *place.options)
    assert code == 0
    assert "is isolated: no other position may stand beside it" in out


@pytest.mark.parametrize(
    ("name", "code", "seen"),
    [
        (
            owner(10**6),
            1,
            "the chain keeps no such subaccount. Isolated positions are in numbers from 128 on",
        ),
        (f"{owner(1)[:-1]}{'q' if owner(1)[-1] != 'q' else 'p'}", 2, "its checksum is wrong"),
        ("dydx1.../0", 2, "is no subaccount. Write an owner and a number, such as dydx1.../0."),
        (f"{owner(1)}/4294967296", 2, "is no subaccount"),
    ],
)
def test_position_of_nobody_is_one_line(run: Run, place: Place, name: str, code: int, seen: str) -> None:
    found, out, err = run("position", name, *place.options, "-q")
    assert (found, out) == (code, "")
    assert err.startswith("Error: ")
    assert seen in err
    assert name in err
    assert err.count("\n") == 1


def test_position_from_a_snapshot_names_the_owners_other_subaccounts(run: Run, kept: Path) -> None:
    isolated = next(name for name in names() if int(name.partition("/")[2]) >= 128)
    who = isolated.partition("/")[0]
    code, out, err = run("position", who, "--from", kept)
    assert (code, out) == (2, "")
    assert f"{who} is not among the {len(names())} accounts of this book." in err
    assert f"Its owner has {isolated} there." in err
    _, _, err = run("position", owner(10**6), "--from", kept)
    assert "Check the address." in err
    assert run("position", address(1), "--from", kept)[0] == 2
