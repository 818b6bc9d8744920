"""`defiliq depth` on pools of the lab, from files and by the law, and --depth of the model's commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import click
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from defiliq.chain.evm import EvmNode, connect
from defiliq.cli import defiliq
from defiliq.cli.depth_options import Depths, Spec, read_spec
from defiliq.cli.ladders import Ladders
from defiliq.depth.files import load_pools, save_pools
from defiliq.errors import BadFile, DefiliqError, InputError, NotAPool, UnknownDriver, WrongChain
from defiliq.pipeline.depths import Law, read_amount, read_law
from defiliq.view.depth_table import COLUMNS
from tests.builders import BLOCK
from tests.depth.pools import WETH, deep
from tests.lab.uniswap_v3 import UniswapLab

CURVE = "side,price,amount\nbid,1990,100\nbid,1800,1000\nask,2010,100\nask,2200,900\n"

READ_AT = "as of block 120 of local"


def run(*arguments: object) -> Result:
    """The command's result; what it raises on purpose is raised here."""
    result = CliRunner().invoke(defiliq, ["depth", *(str(each) for each in arguments)])
    if isinstance(result.exception, DefiliqError):
        raise result.exception
    return result


def table_of(result: Result) -> pd.DataFrame:
    assert result.exit_code == 0, result.output
    return pd.read_csv(StringIO(result.stdout))


def places(table: pd.DataFrame) -> set[tuple[object, ...]]:
    """The blocks that rows say they are of."""
    names = ["chain_id", "block_number", "block_hash", "block_timestamp"]
    return set(table[names].itertuples(index=False, name=None))


def without_names(result: Result) -> pd.DataFrame:
    """The rows but for the depth's name: a file's says which block it is as of."""
    return table_of(result).drop(columns="market")


@pytest.fixture
def pools_file(tmp_path: Path) -> Path:
    return save_pools([deep(500), deep(3_000)], BLOCK, tmp_path / "pools.json")


def test_a_table_of_moves_and_trades(pools_file: Path) -> None:
    table = table_of(run("--file", pools_file, "--sell", "20", "--buy", "1.5k"))
    assert tuple(table.columns) == COLUMNS
    assert set(table["market"]) == {f"pool of 500 {READ_AT} + pool of 3000 {READ_AT}"}
    assert places(table) == {(BLOCK.chain_id, BLOCK.number, BLOCK.hash, BLOCK.timestamp)}
    assert list(table["trade"][:10]) == [
        *("-10%", "-5%", "-2%", "-1%", "-0.5%"),
        *("+0.5%", "+1%", "+2%", "+5%", "+10%"),
    ]
    assert list(table["trade"][10:]) == ["sell 20", "and back", "buy 1,500", "and back"]
    assert table["base"][:5].is_monotonic_decreasing
    assert table["base"][5:10].is_monotonic_increasing
    sale, back = table.iloc[10], table.iloc[11]
    assert sale["moved_pct"] < 0
    assert back["quote"] > sale["quote"]
    assert sale["mean_price"] == pytest.approx(sale["quote"] / 20)
    assert (table["left_base"] == 0).all()


def test_one_token_or_the_other_is_sold(pools_file: Path) -> None:
    by_weth = table_of(run("--file", pools_file, "--sell", "1"))
    by_usdc = table_of(run("--file", pools_file, "--sell", "1", "--base", "USDC"))
    assert by_weth["price"].iloc[-1] == pytest.approx(2500, rel=1e-3)
    assert by_usdc["price"].iloc[-1] == pytest.approx(1 / 2500, rel=1e-3)
    with pytest.raises(InputError, match="these pools trade WETH, USDC, not DOGE"):
        run("--file", pools_file, "--base", "DOGE")


def test_for_people_it_says_what_is_traded(pools_file: Path) -> None:
    result = run("--file", pools_file, "--format", "table", "--sell", "9m")
    assert result.stdout.startswith(f"pool of 500 {READ_AT}\npool of 3000 {READ_AT}\n1 WETH = 2,500 USDC\n")
    assert "± WETH" in result.stdout
    assert "sell 9,000,000" in result.stdout


def test_the_table_fits_a_terminal_of_80_columns(pools_file: Path) -> None:
    lines = run("--file", pools_file, "--format", "table", "--sell", "100").stdout.splitlines()
    assert "mean price" in lines[5]
    assert "price after" in lines[5]
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_a_curve_that_runs_dry_says_so(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text(CURVE)
    table = table_of(run("--file", path, "--sell", "5000", "--base", "ETH"))
    sale = table[table["trade"] == "sell 5,000"].iloc[0]
    assert (sale["base"], sale["left_base"], sale["price"]) == (1100, 3900, 1800)
    assert list(table["trade"][:2]) == ["-10%: runs dry", "-5%"]
    assert table[["chain_id", "block_number", "block_hash"]].isna().all(axis=None), "a curve is of no block"
    assert set(table["market"]) == {"depth curve book.csv"}


def test_the_square_root_law_from_a_price() -> None:
    result = run("--impact", "1.2B,5%", "--price", "2000", "--sell", "15000")
    table = table_of(result)
    assert "square-root impact, 1.2B a day, 5%" in result.stderr
    assert set(table["market"]) == {"square-root impact, 1.2B a day, 5%"}
    assert table[["chain_id", "block_number", "block_hash"]].isna().all(axis=None)
    sale = table[table["trade"] == "sell 15,000"].iloc[0]
    assert sale["moved_pct"] == pytest.approx(-5 * (15_000 * 2_000 / 1.2e9) ** 0.5)


def test_pools_are_brought_to_a_price_first(pools_file: Path) -> None:
    table = table_of(run("--file", pools_file, "--price", "2000", "--sell", "1"))
    assert table["price"].iloc[-1] == pytest.approx(2000, rel=1e-3)
    with pytest.raises(InputError, match="above 0"):
        run("--file", pools_file, "--price", "0")


@pytest.mark.parametrize("suffix", [".csv", ".json", ".md", ".parquet"])
def test_it_is_written_as_the_suffix_says(pools_file: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    result = run("--file", pools_file, "-o", path)
    assert result.exit_code == 0
    assert result.stdout == ""
    if suffix == ".json":
        assert json.loads(path.read_text())[0]["trade"] == "-10%"
    assert path.stat().st_size > 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name one of --pool"),
        (("--pair", "A/B", "--impact", "1B"), "Name one of --pool"),
        (("--impact", "1B"), "needs a --price"),
        (("--impact", "1B", "--price", "5", "--save", "x.json"), "--save keeps pools"),
        (("--pool", "0x" + "11" * 20), "Name the --chain"),
        (("--impact", "1B", "--price", "5", "-o", "x.txt"), "unknown format"),
    ],
)
def test_wrong_uses_are_refused(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("--impact", "x", "--price", "5"), InputError, "'x' is no amount"),
        (("--impact", "1B,x", "--price", "5"), InputError, "'x' is no volatility"),
        (("--impact", "0", "--price", "5"), InputError, "both numbers must be above 0"),
        (("--impact", "1B", "--price", "0"), InputError, "no price"),
        (("--impact", "1B", "--price", "5", "--sell", "-3"), InputError, "'-3' is no amount"),
        (("--file", "none.json"), BadFile, "No such file"),
        (("--pool", "0x" + "88" * 20, "--chain", "dydx"), InputError, "no EVM chain"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    arguments: tuple[str, ...], error: type[DefiliqError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1500", 1500), ("0.25", Fraction(1, 4)), ("1.2B", 12 * 10**8), ("20k", 20_000), ("3T", 3 * 10**12)],
)
def test_amounts_as_people_write_them(text: str, amount: Fraction) -> None:
    assert read_amount(text) == amount


@pytest.mark.parametrize("text", ["", "1,5", "1e5", "nan", "-1", "1.2.3", "9" * 40])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(InputError, match="no amount"):
        read_amount(text)


@pytest.mark.parametrize(("text", "ppm"), [("1B", 40_000), ("1B,2.5%", 25_000), ("1B,3", 30_000)])
def test_the_volatility_of_a_law(text: str, ppm: int) -> None:
    assert read_law(text) == Law(Fraction(10**9), ppm)


@pytest.mark.lab
def test_pools_of_a_node_and_the_same_from_a_file(lab_uniswap_v3: UniswapLab, tmp_path: Path) -> None:
    lab, path = lab_uniswap_v3, tmp_path / "pools.json"
    named = [part for name in ("WETH/USDC 0.05%", "WETH/USDC 0.3%") for part in ("--pool", lab.pools[name])]
    where = ("--chain", "local", "-r", lab.url)
    result = run(*named, *where, "--sell", "1000", "--save", path)
    assert "Wrote 2 pools" in result.stderr
    pd.testing.assert_frame_equal(without_names(result), without_names(run("--file", path, "--sell", "1000")))
    block, pools = load_pools(path)
    assert block.number == lab.chain.height()
    assert places(table_of(result)) == {(block.chain_id, block.number, block.hash, block.timestamp)}
    assert all(pool.name in table_of(result)["market"].iloc[0] for pool in pools)
    assert {pool.base.symbol for pool in pools} == {"WETH"}
    quiet = run(*named, *where, "--quiet", "--format", "csv", "--base", "USDC", "--sell", "1000")
    assert "Reading" not in quiet.stderr


@pytest.mark.lab
def test_a_recording_of_a_read_needs_no_node(lab_uniswap_v3: UniswapLab, tmp_path: Path) -> None:
    lab, kept = lab_uniswap_v3, tmp_path / "answers.json.gz"
    pool = ("--pool", lab.pools["WETH/USDC 1%"], "--chain", "local", "--block", lab.chain.height())
    live = run(*pool, "-r", lab.url, "--record", kept)
    assert live.stdout == run(*pool, "--replay", kept).stdout


@pytest.mark.lab
def test_what_a_node_can_refuse(lab_uniswap_v3: UniswapLab) -> None:
    lab = lab_uniswap_v3
    with pytest.raises(NotAPool):
        run("--pool", lab.tokens["WETH"], "--chain", "local", "-r", lab.url)
    with pytest.raises(InputError, match="no token 'WETH' is known"):
        run("--pair", "WETH/USDC", "--chain", "local", "-r", lab.url)
    with pytest.raises(InputError, match="is no pair"):
        run("--pair", "WETH", "--chain", "local", "-r", lab.url)
    with pytest.raises(InputError, match="no factory of pools"):
        run("--pair", f"{lab.tokens['WETH']}/{lab.tokens['USDC']}", "--chain", "local", "-r", lab.url)
    with pytest.raises(InputError, match="no address of a pool"):
        run("--pool", "0x12", "--chain", "local", "-r", lab.url)
    with pytest.raises(WrongChain):
        run("--pool", lab.pools["WETH/USDC 1%"], "--chain", "ethereum", "-r", lab.url)
    two = ("--pool", lab.pools["WBTC/WETH 0.3%"], "--pool", lab.pools["DAI/USDC 0.01%"])
    with pytest.raises(InputError, match="of two that do not meet"):
        run(*two, "--chain", "local", "-r", lab.url)


@pytest.mark.lab
def test_pools_of_two_pairs_are_a_way_over_a_third_token(lab_uniswap_v3: UniswapLab, tmp_path: Path) -> None:
    lab, path = lab_uniswap_v3, tmp_path / "way.json"
    names = ("WBTC/WETH 0.3%", "WETH/USDC 0.05%", "WETH/USDC 0.3%")
    named = [part for name in names for part in ("--pool", lab.pools[name])]
    result = run(*named, "--chain", "local", "-r", lab.url, "--base", "WBTC", "--sell", "1", "--save", path)
    assert "0.3% 0x" in result.stderr
    assert ", then " in result.stderr
    assert table_of(result)["price"].iloc[-1] == pytest.approx(60_000, rel=0.01)
    again = run("--file", path, "--base", "WBTC", "--sell", "1")
    pd.testing.assert_frame_equal(without_names(again), without_names(result))
    back = run("--file", path, "--base", "USDC", "--sell", "60000")
    assert table_of(back)["price"].iloc[-1] == pytest.approx(1 / 60_000, rel=0.01)
    dai = [part for name in ("DAI/USDC 0.01%", names[1], names[0]) for part in ("--pool", lab.pools[name])]
    with pytest.raises(InputError, match="more than two pairs"):
        run(*dai, "--chain", "local", "-r", lab.url, "--base", "DAI")


def ladders(node: EvmNode | None = None, driver: str = "ETH/USD") -> Ladders:
    """Rungs along a driver, behind which there may be a node."""
    table = pd.DataFrame({"driver": ["ETH/USD", "BTC/USD"], "spot_usd": [2000.0, 60000.0]})
    books, nodes = [], []
    if node is not None:
        books = [SimpleNamespace(market=SimpleNamespace(block=node.block("latest")))]
        nodes = [node]
    lens = cast(Any, None)
    return Ladders(driver, [table], cast(Any, books), cast(Any, nodes), lens, incomplete=False, files=[table])


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("pool:0xa+0xb", Spec(None, "pool", "0xa+0xb", None)),
        ("ETH/USD=pair:WETH/USDC", Spec("ETH/USD", "pair", "WETH/USDC", None)),
        ("file:a b/c.json@WETH", Spec(None, "file", "a b/c.json", "WETH")),
        ("BTC/USD=impact:1.2B,4%", Spec("BTC/USD", "impact", "1.2B,4%", None)),
    ],
)
def test_specs_of_depth(text: str, spec: Spec) -> None:
    assert read_spec(text) == spec


@pytest.mark.parametrize("text", ["", "pool", "0xabc", "curve:x", "pool:", "=pool:0x1"])
def test_what_is_no_spec(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no depth"):
        read_spec(text)


def test_the_law_is_of_the_driver_that_is_looked_along() -> None:
    found = Depths(impact="1.2B").of(ladders())
    assert list(found) == ["ETH/USD"]
    law = found["ETH/USD"]
    assert law.name == "square-root impact, 1.2B a day, 4%"
    assert (law.base.symbol, law.quote.symbol) == ("ETH", "USD")
    assert law.price == 2000


def test_each_driver_has_its_own(pools_file: Path) -> None:
    given = Depths((f"eth/usd=file:{pools_file}", "btc/usd=impact:500M,3%"), "1B")
    found = given.of(ladders())
    assert {driver: depth.name for driver, depth in found.items()} == {
        "ETH/USD": f"pool of 500 {READ_AT} + pool of 3000 {READ_AT}",
        "BTC/USD": "square-root impact, 500M a day, 3%",
    }
    assert found["ETH/USD"].base == WETH
    assert found["BTC/USD"].price == 60_000
    with pytest.raises(UnknownDriver):
        Depths(("DOGE/USD=impact:1B",)).of(ladders())
    with pytest.raises(InputError, match="ETH/USD has two depths"):
        Depths(("impact:1B", "ETH/USD=impact:2B")).of(ladders())
    assert Depths().of(ladders()) == {}


def test_pools_of_another_asset_are_refused_unless_they_are_meant(pools_file: Path) -> None:
    with pytest.raises(InputError, match="sells WETH, and BTC/USD is of BTC"):
        Depths((f"file:{pools_file}",)).of(ladders(driver="BTC/USD"))
    meant = Depths((f"file:{pools_file}@WETH",)).of(ladders(driver="BTC/USD"))["BTC/USD"]
    assert meant.base == WETH
    assert Depths((f"file:{pools_file}",)).of(ladders(driver="feed 0xab"))["feed 0xab"].base == WETH


def test_a_curve_takes_the_driver_s_name(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text(CURVE)
    found = Depths((f"file:{path}",)).of(ladders())["ETH/USD"]
    assert found.base.symbol == "ETH"
    assert found.price == 2000


@pytest.mark.parametrize("spec", ["pool:0x" + "11" * 20, "pair:WETH/USDC"])
def test_a_pool_needs_a_node(spec: str) -> None:
    with pytest.raises(click.UsageError, match="defiliq depth --save"):
        Depths((spec,)).of(ladders())


@pytest.fixture
def node(lab_uniswap_v3: UniswapLab) -> Iterator[EvmNode]:
    with connect(lab_uniswap_v3.url) as connected:
        yield connected


@pytest.mark.lab
def test_pools_are_read_at_the_books_block_and_once(lab_uniswap_v3: UniswapLab, node: EvmNode) -> None:
    lab, there = lab_uniswap_v3, ladders(node)
    both = "+".join(lab.pools[name] for name in ("WETH/USDC 0.05%", "WETH/USDC 0.3%"))
    given = Depths((f"pool:{both}",))
    found = given.of(there)
    assert given.of(there) is found
    assert found["ETH/USD"].base.symbol == "WETH"
    for driver, pair in (("BTC/USD", ("WBTC", "WETH")), ("ETH/BTC", ("WETH", "WBTC"))):
        spec = f"pool:{lab.pools['WBTC/WETH 0.3%']}"
        one = Depths((spec,)).of(ladders(node, driver))[driver]
        assert (one.base.symbol, one.quote.symbol) == pair
    turned = Depths((f"pool:{both}@USDC",)).of(there)["ETH/USD"]
    assert turned.base.symbol == "USDC"
