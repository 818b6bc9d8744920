"""The bundled list of Comets."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib.resources import files

from eth_utils.address import is_checksum_address

import defiliq
from defiliq.pipeline.chains import CHAINS
from defiliq.protocols import PROTOCOLS
from defiliq.protocols.compound_v3 import load_listings

BUNDLED = json.loads(files("defiliq.protocols.compound_v3").joinpath("markets.json").read_text("utf-8"))


def test_the_source_and_its_commit_are_named() -> None:
    assert re.fullmatch(r"github compound-finance/comet@[0-9a-f]{40}", BUNDLED["source"])
    assert all(market["from_block_source"] for market in BUNDLED["markets"])


def test_every_listing_is_well_formed() -> None:
    for listing in load_listings():
        assert listing.protocol == "compound-v3"
        assert re.fullmatch(r"[A-Z][A-Za-z]+", listing.name)
        assert listing.name.casefold().startswith(listing.chain)
        assert CHAINS[listing.chain] == listing.chain_id
        assert listing.from_block > 0
        assert set(listing.addresses) == {PROTOCOLS["compound-v3"].root_address}
        assert all(is_checksum_address(address) for address in listing.addresses.values())


def test_every_production_market_and_no_testnet() -> None:
    assert Counter(listing.chain for listing in load_listings()) == {
        "ethereum": 6,
        "base": 5,
        "arbitrum": 4,
        "optimism": 3,
        "linea": 2,
        "polygon": 2,
        "ronin": 2,
        "unichain": 2,
        "mantle": 1,
        "scroll": 1,
    }


def test_names_and_comets_are_unambiguous() -> None:
    """Two chains have a Comet at the same address: a deployer's first contracts."""
    listings = load_listings()
    assert len({listing.name.casefold() for listing in listings}) == len(listings)
    assert len({(listing.chain_id, listing.addresses["comet"]) for listing in listings}) == len(listings)


def test_known_markets() -> None:
    known = {listing.name: listing for listing in load_listings()}
    assert known["EthereumUSDC"].addresses["comet"] == "0xc3d688B66703497DAA19211EEdff47f25384cdc3"
    assert known["EthereumUSDC"].from_block == 15331586
    assert known["EthereumwstETH"].addresses["comet"] == "0x3D0bb1ccaB520A66e607822fC55BC921738fAFE3"
    assert known["RoninWRON"].chain_id == 2020


def test_the_main_market_of_every_chain_that_has_one_lends_dollars() -> None:
    mains = {chain: defiliq.market("compound-v3", chain).name for chain in {m.chain for m in load_listings()}}
    assert mains["base"] == "BaseUSDC"
    assert {chain for chain, name in mains.items() if "USD" not in name} == {"ronin"}


def test_names_may_leave_out_the_chain() -> None:
    assert defiliq.market("compound-v3", "ethereum", "weth").name == "EthereumWETH"
    assert defiliq.market("compound-v3", "arbitrum", "usdce").name == "ArbitrumUSDCe"
