"""Who captures the value of updates: the bundled list, and contracts that are asked."""

from __future__ import annotations

from eth_utils.address import to_checksum_address

from defiliq.oracle.heartbeats import promises
from defiliq.oracle.oev import ask_captures, listed_captures
from tests.builders import BLOCK, address
from tests.oracle.contracts import Chain


def test_the_feeds_of_aave_s_main_market_are_listed() -> None:
    """AaveV3EthereumAssets.WETH_ORACLE and AaveV3BaseAssets.WETH_ORACLE are such proxies."""
    ether = listed_captures(1)["0x5424384B256154046E9667dDFaaa5e550145215e"]
    assert (ether.kind, ether.source) == ("svr", "@aave-dao/aave-address-book@4.68.1: AAVE_SVR_ETH__USD")
    assert listed_captures(8453)["0x9dA00D23465282005DB222a441a663eE7B9dfCc8"].kind == "svr"


def test_every_row_is_an_svr_proxy_and_no_plain_one() -> None:
    for chain_id in (1, 56, 8453, 42161):
        rows = listed_captures(chain_id)
        assert len(rows) >= 10
        assert all(proxy == to_checksum_address(proxy) for proxy in rows)
        assert not any(capture.source.endswith("_BASE") for capture in rows.values())
        assert not set(rows) & set(promises(chain_id))


def test_no_list_is_no_capture() -> None:
    assert listed_captures(31337) == {}
    assert listed_captures("dydx-mainnet-1") == {}


def test_contracts_are_asked_what_they_are() -> None:
    chain = Chain()
    dual, plain, odd = (
        chain.put(address(k), typeAndVersion=said)
        for k, said in enumerate(
            ("DualAggregator 1.0.0", "AccessControlledOCR2Aggregator 1.0.0", "Dual"), start=0x10
        )
    )
    svr = chain.put(chain.aggregator(address(1), 5), aggregator=dual)
    usual = chain.put(chain.aggregator(address(2), 5), aggregator=plain)
    other = chain.put(chain.aggregator(address(3), 5), aggregator=odd)
    wrapper = chain.put(chain.aggregator(address(4), 5), maxRoundDelay=10, aggregator=dual)
    composite = chain.put(address(5), cachedCompositePrice=0)
    bare = chain.aggregator(address(6), 5)
    lost = chain.put(chain.aggregator(address(7), 5), aggregator=2**200)
    found = ask_captures(chain, [svr, usual, other, wrapper, composite, bare, lost, svr], BLOCK)
    assert {k: v.kind for k, v in found.items()} == {
        svr: "svr possible",
        wrapper: "oev wrapper",
        composite: "oev wrapper",
    }
    assert found[svr].source == "its aggregator is a DualAggregator 1.0.0"
    assert found[wrapper].source == "it answers maxRoundDelay()"
    assert ask_captures(chain, [], BLOCK) == {}
