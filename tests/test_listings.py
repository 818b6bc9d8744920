"""Bundled markets by chain and name, and market files with their mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import defiliq
from defiliq.errors import BadFile, InputError, UnknownMarket
from defiliq.pipeline.chains import CHAINS, chain_id_of, chain_name
from defiliq.pipeline.listings import markets_table
from defiliq.types import checksum

PROVIDER = "0x2f39d218133AFaB8F2B819B1066c7E434Ad94E9e"


def market_file(folder: Path, **changes: Any) -> Path:
    """A valid market file with some fields changed, or left out where the change is Ellipsis."""
    fields: dict[str, Any] = {
        "protocol": "aave-v3",
        "name": "Local",
        "chain_id": 31337,
        "from_block": 0,
        "addresses": {"pool_addresses_provider": PROVIDER},
    } | changes
    path = folder / "market.json"
    path.write_text(json.dumps({key: value for key, value in fields.items() if value is not ...}))
    return path


def test_the_main_market_of_a_chain_needs_no_name() -> None:
    assert defiliq.market("aave-v3", "ethereum").addresses["pool_addresses_provider"] == PROVIDER
    assert defiliq.market("aave-v3", 1) == defiliq.market("aave-v3", "Ethereum", "ethereum")
    assert defiliq.market("aave-v3", "1", "Lido").name == "EthereumLido"
    assert defiliq.market("aave-v3", "1", "ethereumlido").name == "EthereumLido"


def test_an_unknown_market_says_which_are_known() -> None:
    with pytest.raises(UnknownMarket, match="EthereumLido"):
        defiliq.market("aave-v3", "ethereum", "Nowhere")
    with pytest.raises(UnknownMarket, match="Ethereum on ethereum"):
        defiliq.market("aave-v3", 424242)
    with pytest.raises(InputError, match=r"no protocol 'aave-v9'. Known here: aave-v3"):
        defiliq.market("aave-v9", "ethereum")
    with pytest.raises(InputError, match="no chain 'etherium'"):
        defiliq.market("aave-v3", "etherium")


def test_markets_can_be_narrowed() -> None:
    everything = defiliq.markets()
    assert len(everything) > 20
    assert {found.chain_id for found in defiliq.markets(chain="ethereum")} == {1}
    aave = defiliq.markets("aave-v3")
    assert aave == tuple(found for found in everything if found.protocol == "aave-v3") != everything
    assert len(markets_table(everything)) == len(everything)


def test_bundled_markets_have_known_chains_and_checksummed_addresses() -> None:
    for found in defiliq.markets():
        assert chain_name(found.chain_id) in CHAINS, found
        for address in found.addresses.values():
            assert address == checksum(bytes.fromhex(address[2:]))


def test_chains_have_one_name_each() -> None:
    assert len(set(CHAINS.values())) == len(CHAINS)
    assert all(chain_id_of(chain_name(chain_id)) == chain_id for chain_id in CHAINS.values())
    assert chain_name(123456) == "123456"


def test_a_market_file(tmp_path: Path) -> None:
    found = defiliq.market_from_file(market_file(tmp_path))
    assert (found.protocol, found.name, found.chain_id, found.from_block) == ("aave-v3", "Local", 31337, 0)
    assert found.addresses == {"pool_addresses_provider": PROVIDER}


def test_addresses_may_be_all_lower_case_and_from_block_may_be_absent(tmp_path: Path) -> None:
    path = market_file(tmp_path, from_block=..., addresses={"pool_addresses_provider": PROVIDER.lower()})
    found = defiliq.market_from_file(path)
    assert found.addresses == {"pool_addresses_provider": PROVIDER}
    assert found.from_block == 0


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"protocol": "aave-v9"}, "protocol 'aave-v9' is not one of aave-v3"),
        ({"protocol": ...}, "'protocol' must be a text, and is missing"),
        ({"name": ""}, "'name' must be a text"),
        ({"name": "a\u001b[31m"}, "'name' must be a text"),
        ({"chain_id": "1"}, "'chain_id' must be a whole number, and is \"1\""),
        ({"chain_id": True}, "'chain_id' must be a whole number, and is true"),
        ({"chain_id": 0}, "chain_id must be positive"),
        ({"chain_id": 1.0}, "'chain_id' must be a whole number"),
        ({"from_block": -1}, "'from_block' must be a whole number"),
        ({"fromBlock": 3}, "unknown field 'fromBlock'"),
        ({"addresses": {}}, "object with 'pool_addresses_provider'"),
        ({"addresses": PROVIDER}, "object with 'pool_addresses_provider'"),
        ({"addresses": {"pool_addresses_provider": PROVIDER[:-1]}}, "0x and 40 hex digits"),
        ({"addresses": {"pool_addresses_provider": PROVIDER[:-1] + "E"}}, "fails its checksum"),
        ({"addresses": {"pool_addresses_provider": None}}, "0x and 40 hex digits, and is null"),
    ],
)
def test_a_wrong_market_file_is_refused_in_one_line(
    tmp_path: Path, changes: dict[str, Any], seen: str
) -> None:
    with pytest.raises(BadFile) as caught:
        defiliq.market_from_file(market_file(tmp_path, **changes))
    assert seen in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "meant"), [("dydx-mainnet-1", "dydx-mainnet-1"), ("1337", 1337), (1337, 1337)]
)
def test_a_chain_of_its_own_is_named_as_its_node_names_it(
    tmp_path: Path, given: object, meant: object
) -> None:
    fields = {"protocol": "dydx-v4", "name": "Local", "chain_id": given}
    path = tmp_path / "market.json"
    path.write_text(json.dumps(fields))
    assert defiliq.market_from_file(path).chain_id == meant


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'"x"', b"[" * 100_000, b" " * 2_000_000])
def test_what_is_no_market_file_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "market.json"
    path.write_bytes(content)
    with pytest.raises(BadFile):
        defiliq.market_from_file(path)
    with pytest.raises(BadFile, match="No such file"):
        defiliq.market_from_file(tmp_path / "absent.json")
