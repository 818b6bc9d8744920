"""What gas costs in the next block, and what was measured of it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.chain.evm import connect
from defiliq.mev.gas import (
    chain_gas,
    gas_rows,
    is_estimate,
    measured_units,
    next_base_fee_wei,
    predicts_base_fee,
)
from defiliq.types import Block, Head
from tests.lab import Lab
from tests.lab.chain import DEPLOYER, Tx

LIMIT = 30_000_000


def head(
    gas_used: int, base_fee_wei: int | None = 10**9, *, chain_id: int = 1, gas_limit: int = LIMIT
) -> Head:
    block = Block(chain_id, 5, "0x" + "ab" * 32, 1_764_000_000)
    return Head(block, "0x" + "cd" * 32, base_fee_wei, gas_used, gas_limit)


@pytest.mark.parametrize(
    ("gas_used", "base_fee_wei", "expected"),
    [
        (LIMIT // 2, 10**9, 10**9),
        (LIMIT, 10**9, 1_125_000_000),
        (0, 10**9, 875_000_000),
        (LIMIT // 2 + 1, 7, 8),  # at least 1 more
        (LIMIT // 2 - 1, 7, 7),
        (0, 7, 7),  # 7 // 8 less
        (20_000_000, 33_333_333_333, 34_722_222_221),
        (LIMIT, 0, 1),
    ],
)
def test_the_next_base_fee(gas_used: int, base_fee_wei: int, expected: int) -> None:
    """EIP-1559: by an eighth of the share that the block's gas was off its target, rounded down."""
    assert next_base_fee_wei(head(gas_used, base_fee_wei)) == expected


@given(st.integers(0, LIMIT), st.integers(0, 10**12))
def test_it_moves_by_an_eighth_at_most(gas_used: int, base_fee_wei: int) -> None:
    after = next_base_fee_wei(head(gas_used, base_fee_wei))
    assert after is not None
    assert base_fee_wei - base_fee_wei // 8 <= after <= base_fee_wei + max(1, base_fee_wei // 8)


def test_chains_that_do_it_otherwise() -> None:
    assert next_base_fee_wei(head(0, chain_id=10)) == 10**9
    assert next_base_fee_wei(head(0, chain_id=42161)) == 10**9
    assert next_base_fee_wei(head(0, chain_id=987654321)) == 10**9
    assert next_base_fee_wei(head(0, None)) is None
    assert next_base_fee_wei(head(0, gas_limit=1)) == 10**9
    assert [predicts_base_fee(chain_id) for chain_id in (1, 100, 10, 8453, 987654321)] == [
        True,
        True,
        *[False] * 3,
    ]


def test_what_is_known_of_chains() -> None:
    base, ethereum = chain_gas(8453), chain_gas(1)
    assert base is not None
    assert ethereum is not None
    assert (base.native, base.wrapped, base.is_rollup) == ("ETH", "WETH", True)
    assert not ethereum.is_rollup
    assert chain_gas("dydx-mainnet-1") is None


@pytest.mark.lab
def test_a_real_node_does_the_same(lab_v36: Lab) -> None:
    """Blocks that are empty, and one with transactions in it."""
    lab = lab_v36
    with lab.rewinding(), connect(lab.url, retries=0) as node:
        lab.rpc("anvil_setNextBlockBaseFeePerGas", hex(987_654_321))
        lab.chain.mine()
        seen = []
        token = lab.market.tokens["WETH"]
        for count in (0, 0, 3, 0, 40, 1):
            if count:
                lab.chain.send_all([Tx(DEPLOYER, token, "approve", (DEPLOYER, k)) for k in range(count)])
            else:
                lab.chain.mine()
            seen.append(node.head("latest"))
        for before, after in itertools.pairwise(seen):
            assert after.base_fee_wei == next_base_fee_wei(before)
        assert seen[-1].base_fee_wei != seen[0].base_fee_wei


def test_every_protocol_was_measured() -> None:
    for protocol, step in (
        ("aave-v3", "liquidate"),
        ("aave-v3", "flash loan"),
        ("aave-v3", "swap"),
        ("compound-v2", "liquidate"),
        ("compound-v2", "redeem"),
        ("compound-v3", "absorb"),
        ("compound-v3", "purchase"),
        ("dydx-solo", "liquidate"),
    ):
        units = measured_units(protocol, "", step, 2)
        assert units is not None, (protocol, step)
        assert 40_000 < units < 2_000_000, (protocol, step)
    assert measured_units("dydx-v4", "v4", "liquidate", 2) is None
    assert all(0 < row.median <= row.max and row.count > 0 for row in gas_rows())
    assert [is_estimate(name) for name in ("aave-v3", "compound-v2", "compound-v3", "dydx-solo")] == [
        *(False, False, True, True)
    ]


def test_the_nearest_row_is_taken() -> None:
    rows = {
        (row.version, row.legs): row.median
        for row in gas_rows()
        if row.protocol == "aave-v3" and row.step == "liquidate"
    }
    most = max(legs for version, legs in rows if version == "3.6")
    assert measured_units("aave-v3", "3.6", "liquidate", 2) == rows["3.6", 2]
    assert measured_units("aave-v3", "3.7", "liquidate", 2) == rows["3.6", 2]
    assert measured_units("aave-v3", "3.2", "liquidate", 2) == rows["3.0", 2]
    assert measured_units("aave-v3", "2.9", "liquidate", 2) == rows["3.0", 2]
    assert measured_units("aave-v3", "3.6", "liquidate", 0) == rows["3.6", 2]
    assert measured_units("aave-v3", "3.6", "liquidate", 99) == rows["3.6", most]
