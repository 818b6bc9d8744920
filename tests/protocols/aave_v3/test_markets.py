"""The bundled list of pools."""

from __future__ import annotations

import json
import re
from importlib.resources import files

from eth_utils.address import is_checksum_address

from defiliq.protocols import PROTOCOLS
from defiliq.protocols.aave_v3 import load_listings

BUNDLED = json.loads(files("defiliq.protocols.aave_v3").joinpath("markets.json").read_text("utf-8"))


def test_the_source_and_its_version_are_named() -> None:
    assert re.fullmatch(r"@aave-dao/aave-address-book@\d+\.\d+\.\d+", BUNDLED["source"])
    assert all(market["from_block_source"] for market in BUNDLED["markets"])


def test_every_listing_is_well_formed() -> None:
    listings = load_listings()
    assert len(listings) >= 20
    for listing in listings:
        assert listing.protocol == "aave-v3"
        assert re.fullmatch(r"[A-Z][A-Za-z]+", listing.name)
        assert re.fullmatch(r"[a-z]+", listing.chain)
        assert isinstance(listing.chain_id, int)
        assert listing.chain_id > 0
        assert listing.from_block >= 0
        assert set(listing.addresses) == {"pool_addresses_provider", "pool"}
        assert all(is_checksum_address(address) for address in listing.addresses.values())


def test_names_pools_and_chains_are_unambiguous() -> None:
    listings = load_listings()
    assert len({listing.name.casefold() for listing in listings}) == len(listings)
    assert len({(listing.chain_id, listing.addresses["pool"]) for listing in listings}) == len(listings)
    assert len({(listing.chain_id, listing.chain) for listing in listings}) == len(
        {listing.chain for listing in listings}
    )


def test_known_pools() -> None:
    pools = {listing.name: listing for listing in load_listings()}
    assert pools["Ethereum"].addresses["pool"] == "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
    assert pools["Ethereum"].from_block == 16291006
    assert pools["Arbitrum"].chain_id == 42161
    assert pools["EthereumLido"].chain == "ethereum"
    assert pools["Mantle"].chain_id == 5000


def test_no_testnets_and_nothing_excluded() -> None:
    listings = load_listings()
    assert not {listing.name for listing in listings} & set(BUNDLED["excluded"])
    assert not any("sepolia" in listing.name.casefold() or listing.name == "Fuji" for listing in listings)


def test_a_chains_main_market_comes_first() -> None:
    assert next(listing.name for listing in load_listings() if listing.chain_id == 1) == "Ethereum"


def test_the_table_knows_it() -> None:
    assert PROTOCOLS["aave-v3"].load_listings() == load_listings()
