"""The bundled list of Comptrollers."""

from __future__ import annotations

import json
import re
from importlib.resources import files

from eth_utils.address import is_checksum_address

from defiliq.protocols import PROTOCOLS
from defiliq.protocols.compound_v2 import load_listings

BUNDLED = json.loads(files("defiliq.protocols.compound_v2").joinpath("markets.json").read_text("utf-8"))


def test_the_source_of_every_fact_is_named() -> None:
    assert {market["name"] for market in BUNDLED["markets"]} == set(BUNDLED["sources"])
    assert all(market["from_block_source"] for market in BUNDLED["markets"])
    unknown = [market["chain"] for market in BUNDLED["markets"] if market["from_block"] == 0]
    assert unknown == ["optimism"]


def test_every_listing_is_well_formed() -> None:
    for listing in load_listings():
        assert listing.protocol == "compound-v2"
        assert re.fullmatch(r"[a-z]+", listing.chain)
        assert isinstance(listing.chain_id, int)
        assert listing.chain_id > 0
        assert set(listing.addresses) == {"comptroller"}
        assert all(is_checksum_address(address) for address in listing.addresses.values())


def test_compound_and_two_forks_are_there_once_each() -> None:
    listings = load_listings()
    assert {listing.name for listing in listings} == {"Compound", "Moonwell", "Benqi"}
    assert len({(listing.chain_id, listing.name) for listing in listings}) == len(listings)
    assert PROTOCOLS["compound-v2"].load_listings() == listings
