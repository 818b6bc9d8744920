"""The signatures in code and the trimmed ABIs say the same."""

from __future__ import annotations

import pytest

from defiliq.depth import abi
from tests.abis import AbiFolder, word_count

USED = {
    ("uniswap_v3", "UniswapV3Pool"): set(abi.POOL),
    ("uniswap_v3", "UniswapV3Factory"): {abi.GET_POOL_BY_FEE},
    ("uniswap_v3", "CLFactory"): {abi.GET_POOL_BY_SPACING},
    ("uniswap_v2", "UniswapV2Pair"): set(abi.PAIR),
    ("uniswap_v2", "UniswapV2Factory"): {abi.GET_PAIR},
}


@pytest.mark.parametrize(("protocol", "contract"), USED)
def test_each_file_holds_what_is_called(protocol: str, contract: str) -> None:
    assert set(AbiFolder(protocol).entries(contract)) == USED[protocol, contract]


@pytest.mark.parametrize("protocol", ["uniswap_v2", "uniswap_v3"])
def test_no_file_is_left_over(protocol: str) -> None:
    assert AbiFolder(protocol).names() == {name for folder, name in USED if folder == protocol}


def test_what_is_read_of_a_pool_stands_where_it_is_read() -> None:
    pool = AbiFolder("uniswap_v3").entries("UniswapV3Pool")
    first = {name: [each["type"] for each in pool[name]["outputs"][:2]] for name in (abi.SLOT0, abi.TICKS)}
    assert first == {abi.SLOT0: ["uint160", "int24"], abi.TICKS: ["uint128", "int128"]}
    pair = AbiFolder("uniswap_v2").entries("UniswapV2Pair")[abi.GET_RESERVES]["outputs"]
    assert [word_count(each) for each in pair] == [1, 1, 1]
