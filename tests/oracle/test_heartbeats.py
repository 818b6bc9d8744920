"""The bundled table of aggregators."""

from __future__ import annotations

import json
from importlib.resources import files

from eth_utils.address import to_checksum_address

from defiliq.oracle.heartbeats import Promise, promises


def test_what_chainlink_promises_of_ether() -> None:
    ether = to_checksum_address("0x5f4ec3df9cbd43714fe2740f5e3616155c5b8419")
    assert promises(1)[ether] == Promise(heartbeat_s=3600, deviation_bps=50)


def test_the_main_pairs_are_there() -> None:
    text = files("defiliq.oracle").joinpath("feeds.json").read_text(encoding="utf-8")
    whole = json.loads(text)
    for chain_id in (1, 10, 137, 8453, 42161):
        pairs = {row["pair"] for row in whole["feeds"][str(chain_id)].values()}
        assert {f"{asset} / USD" for asset in ("ETH", "BTC", "USDC", "USDT", "DAI")} <= pairs, chain_id
        assert whole["copies"][str(chain_id)]["day"] >= "2024-10-16"


def test_every_row_is_a_promise() -> None:
    for chain_id in (1, 10, 56, 137, 8453, 42161, 59144):
        rows = promises(chain_id)
        assert len(rows) >= 20
        for address, promise in rows.items():
            assert address == to_checksum_address(address)
            assert promise.heartbeat_s is not None
            assert 0 < promise.heartbeat_s <= 366 * 86_400
            assert promise.deviation_bps is None or 0 < promise.deviation_bps <= 100_000


def test_nothing_is_promised_where_nothing_is_known() -> None:
    assert promises(31337) == {}
