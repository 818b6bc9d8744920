"""Which node a dYdX chain is read from, what is said when it cannot be, and that its secrets stay secret."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from defiliq.cli.nodes import config_path
from tests.builders import address
from tests.cli.conftest import Run
from tests.cli.dydx_chain import CHAIN_ID, WAYS, Place, market_file, names, placed, standin
from tests.dydx.standin import dydx_standin

DEAD = "127.0.0.1:9"
KEY = "abcdef0123456789abcdef01"


@pytest.fixture(params=WAYS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The chain, each way in turn."""
    with placed(standin(), tmp_path, str(request.param)) as found:
        yield found


def configure(text: str) -> None:
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_text(text, encoding="utf-8")


def only_error(said: tuple[int, str, str], code: int = 1) -> str:
    """The one line that is all that a failed command said."""
    assert said[:2] == (code, "")
    assert said[2].startswith("Error: ")
    assert said[2].count("\n") == 1
    return said[2]


def test_the_command_line_beats_the_market_file_and_that_beats_the_environment(
    run: Run, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RPC_URL_dydx_mainnet_1", f"grpc://{DEAD}")
    assert run("feeds", *place.options)[0] == 0
    dead = market_file(tmp_path, f"grpc://{DEAD}")
    assert run("feeds", "--market-file", dead, "-r", place.url)[0] == 0
    assert run("feeds", "--market-file", dead)[0] == 1


def test_the_environment_beats_the_config_file(
    run: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = ("feeds", "dydx-v4", "--chain", "dydx")
    assert "set RPC_URL_dydx_mainnet_1" in only_error(run(*bundled, "-q"), 2)
    configure(f'[rpc]\ndydx = "{place.url}"\n')
    assert run(*bundled)[0] == 0
    configure(f'[rpc]\n"{CHAIN_ID}" = "{place.url}"\n')
    assert run(*bundled)[0] == 0
    monkeypatch.setenv("RPC_URL_dydx_mainnet_1", f"grpc://{DEAD}")
    assert run(*bundled)[0] == 1
    configure(f'[rpc]\ndydx = "grpc://{DEAD}"\n')
    monkeypatch.setenv("RPC_URL_dydx_mainnet_1", place.url)
    assert run(*bundled)[0] == 0


def test_the_url_of_evm_chains_is_not_used(run: Run, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETH_RPC_URL", place.url)
    said = only_error(run("feeds", "dydx-v4", "--chain", "dydx", "-q"), 2)
    assert "ETH_RPC_URL" not in said


def test_a_snapshot_is_verified_against_the_configured_node(run: Run, place: Place, tmp_path: Path) -> None:
    kept = tmp_path / "kept.parquet"
    assert run("snapshot", *place.options, "-o", kept)[0] == 0
    assert run("verify", "--from", kept)[0] == 2
    configure(f'[rpc]\ndydx = "{place.url}"\n')
    assert run("verify", "--from", kept)[0] == 0


@pytest.mark.parametrize("command", ["scan", "ladder", "positions", "feeds"])
def test_another_chain_is_one_line(run: Run, place: Place, tmp_path: Path, command: str) -> None:
    other = market_file(tmp_path, place.url, "dydx-testnet-4")
    said = only_error(run(command, "--market-file", other, "-q"))
    assert f"{place.url} serves chain {CHAIN_ID}, but the market is on chain dydx-testnet-4." in said


def test_a_chain_of_another_block_than_the_snapshots_is_one_line(
    run: Run, place: Place, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.parquet"
    assert run("snapshot", *place.options, "-o", kept)[0] == 0
    model = place.model
    newest = model.blocks[model.newest]
    model.blocks[model.newest] = type(newest)(newest.timestamp, b"\x01" * 32)
    assert "block 1000 changed from" in only_error(run("verify", "--from", kept, "-r", place.url, "-q"))


@pytest.mark.parametrize("scheme", ["grpc", "http"])
@pytest.mark.parametrize("command", ["scan", "position", "feeds"])
def test_a_dead_node_is_one_line(run: Run, tmp_path: Path, scheme: str, command: str) -> None:
    file = market_file(tmp_path, f"{scheme}://{DEAD}")
    words = [names()[0]] if command == "position" else []
    said = only_error(run(command, *words, "--market-file", file, "-q"))
    assert said.startswith(f"Error: cannot reach the node at {scheme}://{DEAD}: ")


@pytest.mark.parametrize("block", ["999999", "-3", "yesterday"])
def test_a_block_that_is_not_there_is_one_line(run: Run, place: Place, block: str) -> None:
    code, out, err = run("scan", *place.options, "-q", "--block", block)
    assert out == ""
    assert code in (1, 2)
    assert ("no block 999999; its newest block is 1000" in err) == (code == 1)
    assert "Traceback" not in err


def test_blocks_by_number_and_by_every_tag(run: Run, place: Place) -> None:
    for block, number in (
        ("999", 999),
        ("latest", 1000),
        ("safe", 1000),
        ("finalized", 1000),
        ("earliest", 999),
    ):
        place.model.lowest_block = 999
        code, out, _ = run("feeds", *place.options, "--block", block, "--format", "table")
        assert (code, f"block {number} 0x" in out) == (0, True), block


def test_without_the_extra_it_is_said_what_to_install(
    run: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("defiliq.chain.cosmos_grpc.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "v4_proto.dydxprotocol.assets", None)
    said = only_error(run("scan", *place.options, "-q"))
    assert "pip install 'defiliq[dydx]'" in said


@pytest.mark.parametrize(
    "url",
    [
        f"grpc://user:secret-word@{DEAD}",
        f"grpc://secret-word@{DEAD}",
        f"grpc://{KEY}.example.org/secret-word",
        f"grpcs://{DEAD}/secret-word",
        f"http://user:secret-word@{DEAD}/{KEY}",
        f"http://{DEAD}/secret-word?key={KEY}",
        f"ws://user:secret-word@{DEAD}/{KEY}",
        f"secret-word {KEY}",
    ],
)
@pytest.mark.parametrize("given", ["option", "file", "environment"])
def test_secrets_of_a_url_are_never_printed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, given: str
) -> None:
    words = ["--market-file", str(market_file(tmp_path, url if given == "file" else ""))]
    if given == "environment":
        monkeypatch.setenv("RPC_URL_dydx_mainnet_1", url)
    if given == "option":
        words += ["-r", url]
    code, out, err = run("scan", *words)
    assert (code in (1, 2), out) == (True, "")
    assert "Error: " in err
    assert "secret" not in err
    assert KEY not in err


def test_a_key_in_the_path_is_not_printed_when_all_goes_well(run: Run, tmp_path: Path) -> None:
    with placed(standin(), tmp_path, "comet") as place:
        code, out, err = run("scan", *place.options, "-r", f"{place.url}/{KEY}")
    assert code == 0
    assert "Reading dydx-v4 Local from http://127.0.0.1:" in err
    assert KEY not in out + err


def test_recordings_are_refused(run: Run, place: Place, tmp_path: Path) -> None:
    for option in ("--record", "--replay"):
        said = only_error(run("scan", *place.options, "-q", option, tmp_path / "kept.json.gz"), 2)
        assert "a recording holds answers of EVM nodes only" in said


def test_options_for_interest_say_what_they_do_here(run: Run, place: Place) -> None:
    """Nothing accrues that is known ahead, so a later instant is the same; stored indices there are none."""
    now = run("scan", *place.options, "--format", "csv", "-q")[1]
    later = run("scan", *place.options, "--format", "csv", "-q", "--at", "+30d")[1]
    assert now.count("\n") == later.count("\n") > 10
    strip = [line.rpartition(",")[0].rpartition(",")[0] for line in now.splitlines()[1:]]
    assert strip == [line.rpartition(",")[0].rpartition(",")[0] for line in later.splitlines()[1:]]
    assert run("scan", *place.options, "--stored")[0] == 2


def test_a_market_file_says_what_is_wrong_with_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    for text, seen in (
        ('{"protocol": "dydx-v4", "name": "x", "chain_id": "y", "endpoint": 5}', "'endpoint' must be a text"),
        ('{"protocol": "dydx-v4", "name": "x", "chain_id": ""}', "'chain_id' must be a text"),
        ('{"protocol": "dydx-v4", "name": "x"}', "'chain_id' must be"),
        ('{"protocol": "dydx-v4", "chain_id": "y"}', "'name' must be a text"),
        ('{"protocol": "aave-v3", "name": "x", "chain_id": "y", "addresses": {}}', "'chain_id' must be"),
    ):
        path.write_text(text)
        assert seen in only_error(run("scan", "--market-file", path, "-q"), 2)


def test_a_node_of_another_kind_is_one_line(run: Run, place: Place, tmp_path: Path) -> None:
    """An EVM market on a dYdX node, and a dYdX market over the wrong scheme."""
    evm = tmp_path / "evm.json"
    evm.write_text(
        '{"protocol": "aave-v3", "name": "x", "chain_id": 1, "addresses": '
        f'{{"pool_addresses_provider": "{address(1)}"}}}}'
    )
    only_error(
        run("scan", "--market-file", evm, "-r", place.url, "-q", "--no-index"),
        1 if "http" in place.url else 2,
    )
    swapped = place.url.replace("grpc://", "x://").replace("http://", "grpc://").replace("x://", "http://")
    only_error(run("scan", *place.options, "-r", swapped, "-q"))


def test_a_chain_without_anybody_is_complete(run: Run, tmp_path: Path) -> None:
    from tests.dydx.population import population

    empty = population(0)
    assert empty.subaccounts == [] or not empty.subaccounts[0].perpetual_positions
    with placed(dydx_standin(empty), tmp_path) as place:
        for command in ("scan", "ladder", "positions", "feeds"):
            assert run(command, *place.options)[0] == 0, command
        assert run("verify", *place.options, "--levels")[0] == 0
        assert run("stress", *place.options, "--set", "ALL=-50%")[0] == 0
