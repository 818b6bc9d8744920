"""What people get wrong, where the node's URL comes from, and what the command line must not do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from defiliq.cli import main
from defiliq.cli.ladder import parse_percent
from defiliq.cli.nodes import config_path, node_url
from defiliq.cli.sources import evaluation_time, moment
from defiliq.cli.verify import share
from defiliq.errors import BadFile, NoNodeGiven, UnknownDriver
from defiliq.types import Market
from tests.builders import address
from tests.cli.conftest import Fakes, Run

CHECKED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
"""EIP-55's own first example."""


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (["scan"], "Name a PROTOCOL, a --market-file, or a snapshot"),
        (["scan", "aave-v3"], "or a --market-file. `defiliq markets` lists the bundled ones"),
        (["scan", "aave-v9", "--chain", "1"], "no protocol 'aave-v9'. Known here: aave-v3"),
        (["scan", "aave-v3", "--chain", "nowhere"], "no chain 'nowhere'"),
        (["scan", "aave-v3", "--chain", "1", "--market", "Nope"], "no aave-v3 market 'Nope on 1'"),
        (["scan", "aave-v3", "--chain", "1"], "no node given. Use --rpc-url URL, or set RPC_URL_1"),
        (["scan", "all", "--chain", "1", "--market-file", "no.json"], "cannot use no.json"),
        (["scan", "--from", "no.parquet"], "cannot use no.parquet"),
        (["scan", "--from", "SNAPSHOT", "--from", "SNAPSHOT"], "takes one market, and 2 were named"),
        (
            ["ladder", "--from", "SNAPSHOT", "--driver", "ETH"],
            "no driver 'ETH' in this market. Drivers: WETH/USD",
        ),
        (["ladder", "--from", "SNAPSHOT", "--bin", "wide"], "'wide' is no width"),
        (["ladder", "--from", "SNAPSHOT", "-o", "x.xyz"], "unknown format"),
        (
            ["ladder", "--from", "SNAPSHOT", "-o", "nowhere/x.csv"],
            "the folder of 'nowhere/x.csv' does not exist",
        ),
        (["ladder", "--from", "SNAPSHOT", "--group", "x"], "cannot read the group 'x'"),
        (["ladder", "aave-v2", "--from", "SNAPSHOT"], "the market is of aave-v3, not of aave-v2"),
        (["scan", "--from", "SNAPSHOT", "--min-debt-usd", "x"], "'x' is no amount"),
        (["position", "0x12", "--from", "SNAPSHOT"], "'0x12' is no address"),
        (["position", address(50), "--from", "SNAPSHOT"], "not among the 8 accounts"),
        (["verify", "--from", "SNAPSHOT"], "no node given. Use --rpc-url URL, or set RPC_URL_31337"),
        (["verify", "--from", "SNAPSHOT", "--sample", "0"], "--sample"),
        (["nonsense"], "No such command"),
        (["scan", "--nonsense"], "No such option"),
    ],
)
def test_usage_errors_say_what_to_do_and_exit_2(
    run: Run, snapshot: Path, arguments: list[str], seen: str
) -> None:
    code, out, err = run(*(str(snapshot) if word == "SNAPSHOT" else word for word in arguments))
    assert code == 2
    assert out == ""
    assert seen in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("position", "0x12", "aave-v3"), "'0x12' is no address. Write 0x and 40 hex digits."),
        (("position", f"{CHECKED[:-1]}A", "aave-v3"), f"'{CHECKED[:-1]}A' is no address, by its checksum."),
        (("position", f"{CHECKED[:-1]}A/3", "dydx-solo"), "is no address, by its checksum."),
        (("position", "0x12", "dydx-solo"), "'0x12' is no account. Write OWNER/NUMBER"),
        (("position", "dydx1.../0", "dydx-v4"), "'dydx1.../0' is no subaccount. Write an owner and a number"),
        (("position", "dydx1qqqq/0", "dydx-v4"), "'dydx1qqqq/0' is no subaccount: its owner is not a bech32"),
        (("watch", "aave-v3", "--owner", "0x12"), "'0x12' is no address."),
        (("watch", "aave-v3", "--owner", "0x12", "--blocks", "-1:"), "'0x12' is no address."),
        (("watch", "aave-v3", "--exit", "WETH/USDC=pool:0x12"), "'0x12' is no address of a pool."),
        (("opportunities", "aave-v3", "--exit", f"A/B=pool:{CHECKED}+0x1"), "'0x1' is no address of a pool."),
        (("opportunities", "aave-v3", "--exit", "A/B=impact:much"), "'much' is no amount."),
        (("triggers", "aave-v3", "--pool", "ETH/USD=pool:0x12"), "'0x12' is no address of a pool."),
        (("depth", "--pool", "0x12"), "'0x12' is no address of a pool."),
        (("depth", "--pair", "0x12/USDC"), "'0x12' is no address of a token. Write 0x and 40 hex digits."),
        (("depth", "--pair", "WETH"), "'WETH' is no pair. Write BASE/QUOTE"),
        (("depth", "--pair", "WETH/NOPE"), "no token 'NOPE' is known on chain 1. Give its address."),
        (("clusters", "aave-v3", "--depth", f"pool:{CHECKED}+0x12"), "'0x12' is no address of a pool."),
        (("clusters", "aave-v3", "--depth", "pair:WETH/NOPE"), "no token 'NOPE' is known on chain 1."),
        (("report", "aave-v3", "--depth", "pair:WETH"), "'WETH' is no pair. Write BASE/QUOTE"),
    ],
)
def test_a_mistyped_address_is_a_usage_error_before_a_node_is_asked(
    run: Run, words: tuple[str, ...], seen: str
) -> None:
    """Port 9 answers nobody, and a market takes minutes: a typing error does not wait for it."""
    chain, url = ("dydx", "grpc://127.0.0.1:9") if "dydx-v4" in words else ("ethereum", "http://127.0.0.1:9")
    code, out, err = run(*words, "--chain", chain, "-r", url)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert seen in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("spelled", [CHECKED, CHECKED.lower(), f"0x{CHECKED[2:].upper()}"])
def test_an_address_is_fine_in_small_letters_in_capitals_and_with_its_checksum(spelled: str) -> None:
    Market.check_typed(spelled)


def test_a_wrong_block_is_refused(run: Run, fakes: Fakes, market_file: Path) -> None:
    command = ("scan", "--market-file", market_file, "-r", "http://x", "--no-index", "--block")
    assert run(*command, "yesterday")[0] == 2
    code, _, err = run(*command, "999")
    assert code == 1
    assert "no block 999; its newest block is 120" in err


def test_a_dead_node_is_one_line(run: Run, market_file: Path) -> None:
    code, out, err = run(
        "scan", "--market-file", market_file, "-r", "http://user:secret@127.0.0.1:9/k3y", "-q"
    )
    assert (code, out) == (1, "")
    assert err.startswith("Error: cannot reach the node")
    assert err.count("\n") == 1
    assert "secret" not in err
    assert "k3y" not in err


def test_the_option_comes_before_the_environment_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_text('[rpc]\nethereum = "http://by-name"\n31337 = "http://by-id"\n')
    everything = {"RPC_URL_1": "http://chain", "ETH_RPC_URL": "http://any", "RPC_URL_10": "http://other"}
    assert node_url(1, "http://option", everything) == "http://option"
    assert node_url(1, None, everything) == "http://chain"
    assert node_url(10, None, everything) == "http://other"
    assert node_url(5, None, everything) == "http://any"
    assert node_url(1, None, {"RPC_URL_1": " ", "ETH_RPC_URL": ""}) == "http://by-name"
    assert node_url(31337, None, {}) == "http://by-id"
    with pytest.raises(NoNodeGiven):
        node_url(7, None, {})


@pytest.mark.parametrize("text", ["rpc = 3", "[rpc]\n1 = 5", "[rpc", "\x00"])
def test_a_wrong_config_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_text(text)
    with pytest.raises(BadFile, match=r"config\.toml"):
        node_url(1, None, {})


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch, snapshot: Path, run: Run) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("defiliq.pipeline.snapshot.load_snapshot", interrupted)
    code, out, err = run("scan", "--from", snapshot)
    assert (code, out) == (130, "")
    assert "Interrupted" in err


def test_help_and_version(run: Run) -> None:
    assert run("--version") == (0, "defiliq 0.1.0\n", "")
    for command in ("", "markets", "scan", "snapshot", "position", "ladder", "feeds", "verify"):
        code, out, _ = run(*command.split(), "-h")
        assert code == 0
        assert out.startswith("Usage: defiliq")


def test_the_command_line_starts_without_anything_slow() -> None:
    slow = ("web3", "pandas", "numpy", "pyarrow", "rich", "orjson", "eth_abi", "requests", "networkx")
    code = f"import sys, defiliq.cli; print([name for name in {slow!r} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_a_reader_that_leaves_early_is_no_error(snapshot: Path) -> None:
    code = "import sys; from defiliq.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "ladder", "--from", str(snapshot), "-q"]
    reader, writer = os.pipe()
    os.close(reader)
    said = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize(("text", "value"), [("1%", 1.0), ("0.5", 0.5), (" 10 % ".strip(), 10.0)])
def test_widths(text: str, value: float) -> None:
    assert parse_percent(text) == value


@pytest.mark.parametrize("text", ["0", "-1%", "nan", "inf", "%", "1%%", "1e9"])
def test_impossible_widths(text: str, run: Run, snapshot: Path) -> None:
    assert run("ladder", "--from", snapshot, f"--bin={text}")[0] == 2


def test_a_share_reads_100_only_when_nothing_is_missing() -> None:
    assert share(3, 3) == "100%"
    assert share(99_999, 100_000) == "99.99%"
    assert share(0, 4) == "0.00%"
    assert share(0, 0) == "nothing to ask"


def test_instants() -> None:
    assert evaluation_time("+12s", 100) == evaluation_time("+12", 100) == evaluation_time("112", 100) == 112
    assert evaluation_time("+5h", 100) == 18_100
    assert evaluation_time("+1000y", 100) == 100 + 1000 * 365 * 86_400
    assert moment(0) == "1970-01-01 00:00:00 UTC"
    assert moment(10**15) == "unix time 1000000000000000"


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        (("--horizon", "5y"), "--horizon does nothing without --eta."),
        (("--eta", "--bin", "1%"), "--eta does nothing without rungs: leave out --bin."),
    ],
)
def test_options_that_nothing_reads(run: Run, snapshot: Path, options: tuple[str, ...], seen: str) -> None:
    code, out, err = run("ladder", "--from", snapshot, *options)
    assert (code, out) == (2, "")
    assert seen in err


@pytest.mark.parametrize("text", ["soon", "", "+", "+5w", "-5s", "5h", "++5", "+1001y", "9" * 12, "9" * 40])
def test_what_is_no_instant(text: str, run: Run, snapshot: Path) -> None:
    code, _, err = run("ladder", "--from", snapshot, f"--at={text}")
    assert code == 2
    assert "'--at'" in err
    assert "is no instant" in err


def test_main_returns_a_code_for_every_kind_of_end() -> None:
    assert main(["--help"]) == 0
    assert main([]) in (0, 2)


@pytest.mark.parametrize("shape", ["csv", "table"])
def test_a_reader_that_has_gone_and_a_disk_that_is_full(shape: str) -> None:
    """`| head` is no error, whatever was printed; where nothing can be written, that is said in one line."""
    words = [sys.executable, "-c", "import sys; from defiliq.cli import main; sys.exit(main(sys.argv[1:]))"]
    words += ["markets", "--format", shape]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        done = subprocess.run(words, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    said = "Error: cannot write on stdout: No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize(
    "words", [("--chain", "base"), ("--market", "main"), ("--market-file", "no.json"), ("--block", "5")]
)
def test_a_file_is_of_its_own_market_and_block(run: Run, snapshot: Path, words: tuple[str, str]) -> None:
    for command in ("ladder", "clusters", "feeds"):
        code, out, err = run(command, "--from", snapshot, *words)
        assert (code, out) == (2, "")
        assert f"{words[0]} does nothing with --from: a file is of a market at a block." in err


def test_a_driver_that_was_nearly_named() -> None:
    known = ["AAVE/USD", "BTC/USD", "ETH/USD", "wBTC/BTC", "wstETH/ETH ratio"]
    for wanted, meant in (
        ("ETHUSD", "ETH/USD"),
        ("eth", "ETH/USD"),
        ("WETH", "ETH/USD or wstETH/ETH ratio"),
        ("XBTC", "BTC/USD or wBTC/BTC"),
    ):
        assert str(UnknownDriver(wanted, known)).endswith(f"ratio. Did you mean {meant}?")
    assert "Did you mean" not in str(UnknownDriver("SOL/USD", known))


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("heatmap", "-o", "a.png"), "a picture needs matplotlib"),
        (("cascade", "--sweep", "--impact", "1M", "-o", "a.svg"), "a picture needs matplotlib"),
        (("clusters", "--contagion", "--impact", "1M", "-o", "a.png"), "a picture needs matplotlib"),
        (("report", "-o", "a.html"), "an HTML report needs plotly"),
    ],
)
def test_a_missing_extra_is_said_before_the_work(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], seen: str
) -> None:
    monkeypatch.setattr("defiliq.cli.printing.find_spec", lambda name: None)
    said = f"Error: {seen}, which is not installed. Install it: pip install 'defiliq[plots]'.\n"
    assert run(*words, "--from", "nowhere.csv") == (1, "", said)
