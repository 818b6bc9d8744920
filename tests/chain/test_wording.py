"""Messages that nodes and providers were seen to send, and what each of them means.

Sources: the error texts of geth, reth, erigon, Nethermind, Besu and anvil; the documented or reported
messages of Alchemy, Infura, QuickNode, Ankr, dRPC, Chainstack, Blast, BlockPi, 1RPC, thirdweb, Cloudflare,
Coinbase, PublicNode, Tenderly, Merkle, LlamaRPC, Harmony, Moonbeam, Avalanche, Arbitrum and OP nodes.
"""

from __future__ import annotations

from typing import Any

import pytest

from defiliq.chain.transport import Failure
from defiliq.chain.wording import (
    asked_wait_ms,
    means_busy,
    means_lost_history,
    means_no_block,
    means_range,
    means_rate_limit,
    means_revert,
    means_too_much,
    revert_data,
    suggested_last,
)

FIRST, LAST = 1_000_000, 1_099_999
TRY = "Try with this block range"

# code, message, data, the last block suggested for FIRST to LAST
RANGE: list[tuple[int, str, Any, int | None]] = [
    (-32005, "query returned more than 10000 results", None, None),
    (
        -32005,
        "query returned more than 10000 results. Try with this block range [0xF4240, 0xF6950].",
        {"from": "0xF4240", "limit": 10000, "to": "0xF6950"},
        FIRST + 10_000,
    ),
    (-32005, "query returned more than 10000 results", {"from": "0xF4240", "to": "0xF6950"}, FIRST + 10_000),
    (-32000, f"Query returned more than 20000 results. {TRY} [0x0f4240, 0xf4300].", None, FIRST + 192),
    (-32602, "range 1000000 exceeds limit of 10000", None, FIRST + 9_999),
    (-32602, "range 1000000 - 1099999 exceeds limit of 10000", None, FIRST + 9_999),
    (-32005, "query timeout exceeded", None, None),
    (
        -32602,
        "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no "
        "limit on the response size, or you can request any block range with a cap of 10K logs in the "
        "response. Based on your parameters and the response size limit, this block range should work: "
        "[0xf4240, 0xf4641]",
        None,
        FIRST + 1_025,
    ),
    (
        -32000,
        "Query timeout exceeded. Consider reducing your block range. Based on your parameters and the "
        "response size limit, this block range should work: [0xf4240, 0xf4428]",
        None,
        FIRST + 488,
    ),
    (
        -32600,
        "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based on "
        "your parameters, this block range should work: [0xf4240, 0xf4249]. Upgrade to PAYG for more.",
        None,
        FIRST + 9,
    ),
    (-32600, "You can make eth_getLogs requests with up to a 500 block range.", None, FIRST + 499),
    (-32614, "eth_getLogs is limited to a 10,000 range", None, FIRST + 9_999),
    (-32602, "eth_getLogs and eth_newFilter are limited to a 10,000 blocks range", None, FIRST + 9_999),
    (-32600, "block range is too wide", None, None),
    (-32000, "block range is too wide (maximum 1024)", None, FIRST + 1_023),
    (-32000, "maximum [from, to] blocks distance: 1000", None, FIRST + 999),
    (-32701, "exceed maximum block range: 50000", None, FIRST + 49_999),
    (-32602, "query exceeds max block range 5000", None, FIRST + 4_999),
    (-32602, "query exceeds max results 20000, retry with the range 1000000-1004095", None, FIRST + 4_095),
    (-32602, "query exceeds max results 20000, retry with the range 1000000-1099999", None, None),
    (-32000, "requested too many blocks from 1000000 to 1099999, maximum is set to 2048", None, 1_002_047),
    (35, "ranges over 10000 blocks are not supported on freetier", None, FIRST + 9_999),
    (-32047, "Invalid request. 'fromBlock'-'toBlock' range too large. Max range: 800", None, FIRST + 799),
    (-32005, "Maximum allowed number of requested blocks is 10000", None, FIRST + 9_999),
    (-32602, "eth_getLogs is limited to 0 - 50 blocks range", None, FIRST + 49),
    (-32602, "eth_getLogs is limited to 1024 block range. Please check the parameters", None, FIRST + 1_023),
    (-32000, "response size should not greater than 10000000 bytes", None, None),
    (-32020, "backend response too large", None, None),
    (-32000, "Block range is too large", None, None),
    (-32000, "block range too high", None, None),
    (-32000, "logs matched by query exceeds limit of 10000", None, None),
    (-32000, "eth_getLogs exceeds the range allowed for your plan (100000 > 5000).", None, FIRST + 4_999),
    (-32602, "Block range limit exceeded. See more details at the docs page", None, None),
    (-32602, "please limit the query to at most 1,000 blocks", None, FIRST + 999),
    (-32000, "block range greater than 2000 max", None, FIRST + 1_999),
    (-32000, "block range exceeds 1000", None, FIRST + 999),
    (-32000, "eth_getLogs range is too large, max is 10k blocks", None, FIRST + 9_999),
    (-32000, "query must be smaller than size 1024", None, FIRST + 1_023),
    (-32000, "too wide blocks range, the limit is 100", None, FIRST + 99),
    (
        -32000,
        "block range is larger than max block range, block range = 100000, max block range = 5000",
        None,
        FIRST + 4_999,
    ),
    (-32000, "block range is bigger than maxBlockRange", None, None),
    (-32005, "block range too large, max range: 2000", None, FIRST + 1_999),
    (-32005, "In eth_getLogs, eth_newFilter the block range is limited to 2000.", None, FIRST + 1_999),
    (
        -32602,
        "invalid params",
        {"id": "4ed9", "payload": "range 99999 is bigger than range limit 2000"},
        1_001_999,
    ),
    (-32005, "Requested range exceeds maximum RPC range limit", None, None),
    (-32005, "Too many logs requested. Max logs per response is 20000.", None, None),
    (-32005, "limit exceeded", None, None),
    (-32000, "query exceeds limit", None, None),
    (-32002, "request timed out", None, None),
    (-32000, "context deadline exceeded", None, None),
    (-32000, "execution aborted (timeout = 5s)", None, None),
]

RATE = [
    (429, "anything"),
    (-32005, "daily request count exceeded, request rate limited"),
    (-32005, "project ID request rate exceeded"),
    (-32005, "rate limit exceeded"),
    (-32016, "over rate limit"),
    (-32000, '429 Too Many Requests: {"error":{"code":-32016}}'),
    (
        -32000,
        "Your app has exceeded its compute units per second capacity. If you have retries enabled, you can "
        "safely ignore this message.",
    ),
    (-32000, "Your app has exceeded its concurrent requests capacity."),
    (-32007, "50/second request limit reached - reduce calls per second or upgrade your account"),
    (-32003, "daily request limit reached - upgrade your account"),
    (-32600, "Too many requests, reason: call rate limit exhausted, retry in 10s"),
    (-32005, "You've exceeded the RPS limit available on the current plan."),
    (-32000, "Monthly capacity limit exceeded. Visit your dashboard to upgrade."),
    (-32000, "You have reached the free tier limit"),
    (-32000, "requests limited to 10 in your plan"),
]

HISTORY = [
    "missing trie node c6ebfa185e24077a (path ) state 0xc6ebfa185e24077a is not available, not found",
    "missing trie node b03d68ac51042467 (path )",
    "required historical state unavailable (reexec=128)",
    "historical state 5f5d8a7d40c1c2b6b39bd1f1ab0e2d9b3a2b4d8e0a5e6f9d4e1c1c8f7a6b5c4d is not available",
    "state at block #19000000 is pruned",
    "no state found for block number 19000000",
    "old data not available due to pruning",
    "pruned history unavailable",
    "No state available for block 19000000",
    "World state unavailable",
    "project ID does not have access to archive state",
    "Archive, Debug and Trace requests are not available on your current plan.",
    "Archive requests require a personal token.",
    "This request is not supported because your node is running with state pruning.",
    "state histories haven't been fully indexed yet",
]

NO_BLOCK = [
    "header not found",
    "header for hash not found",
    "unknown block",
    "Unknown block number",
    "block not found",
    "finalized block not found",
    "One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be found.",
    "block range extends beyond current head block",
    "BlockOutOfRangeError: block height is 1 but requested was 2457",
    "cannot query block beyond current head",
]

REVERT = [
    (3, "execution reverted: 35"),
    (-32000, "execution reverted"),
    (-32015, "VM execution error."),
    (-32603, "EVM error InvalidFEOpcode"),
    (-32000, "invalid opcode: INVALID"),
    (-32000, "invalid opcode: opcode 0xfe not defined"),
    (-32000, "out of gas"),
    (-32603, "EVM error OutOfGas"),
    (-32603, "EVM error StackUnderflow"),
    (-32603, "VM Exception while processing transaction: reverted with reason string 'x'"),
    (3, "execution reverted: too many requests"),
]


@pytest.mark.parametrize(("code", "message", "data", "last"), RANGE)
def test_range_errors_are_told_from_rate_limits(code: int, message: str, data: Any, last: int | None) -> None:
    failure = Failure(code, message, data)
    assert not means_rate_limit(failure)
    assert means_range(failure)
    assert suggested_last(failure, FIRST, LAST) == last


@pytest.mark.parametrize(("code", "message"), RATE)
def test_rate_limits_are_told_from_range_errors(code: int, message: str) -> None:
    failure = Failure(code, message)
    assert means_rate_limit(failure)
    assert not means_range(failure)


@pytest.mark.parametrize(
    ("message", "data", "wait_ms"),
    [
        ("Too many requests, reason: call rate limit exhausted, retry in 10s", None, 10_000),
        ("rate limit exceeded, retry after 250 ms", None, 250),
        ("rate limit exceeded, retry in 2m", None, 120_000),
        (
            "request rate exceeded",
            {"rate": {"allowed_rps": 1, "backoff_seconds": 24, "current_rps": 2}},
            24_000,
        ),
        ("rate limit exceeded", {"rate": {"backoff_seconds": -1}}, None),
        ("rate limit exceeded", {"rate": 5}, None),
        ("rate limit exceeded, retry in a while", None, None),
    ],
)
def test_a_rate_limit_may_say_how_long_it_lasts(message: str, data: Any, wait_ms: int | None) -> None:
    assert asked_wait_ms(Failure(-32005, message, data)) == wait_ms


@pytest.mark.parametrize("message", HISTORY)
def test_lost_history_is_no_rate_limit_no_range_and_no_revert(message: str) -> None:
    failure = Failure(-32000, message)
    assert means_lost_history(failure)
    assert not means_rate_limit(failure)
    assert not means_range(failure)
    assert not means_revert(failure)
    assert not means_busy(failure)


@pytest.mark.parametrize("message", NO_BLOCK)
def test_unknown_blocks_are_no_rate_limit_no_range_and_no_lost_history(message: str) -> None:
    failure = Failure(-32000, message)
    assert means_no_block(failure)
    assert not means_rate_limit(failure)
    assert not means_range(failure)
    assert not means_lost_history(failure)
    assert not means_revert(failure)


@pytest.mark.parametrize(("code", "message"), REVERT)
def test_reverts_are_never_worth_another_try(code: int, message: str) -> None:
    failure = Failure(code, message)
    assert means_revert(failure)
    assert not means_rate_limit(failure)
    assert not means_busy(failure)
    assert not means_lost_history(failure)


@pytest.mark.parametrize(
    "message",
    [
        "no backend is currently healthy to serve traffic",
        "service temporarily unavailable",
        "Temporary internal error. Please retry",
        "upstream is overloaded",
    ],
)
def test_a_provider_in_trouble_is_busy(message: str) -> None:
    failure = Failure(-32000, message)
    assert means_busy(failure)
    assert not means_rate_limit(failure)
    assert not means_lost_history(failure)


@pytest.mark.parametrize(
    "message",
    [
        "Method not found",
        "the method eth_getLogs does not exist/is not available",
        "invalid argument 0: hex string has odd length",
        "insufficient funds for gas * price + value",
        "Must be authenticated!",
        "unrelated server error",
    ],
)
def test_other_errors_have_no_special_meaning(message: str) -> None:
    failure = Failure(-32601, message)
    meanings = (means_rate_limit, means_busy, means_range, means_lost_history, means_no_block, means_revert)
    assert not any(means(failure) for means in meanings)


@pytest.mark.parametrize(
    "message",
    [
        "execution aborted (timeout = 5s)",
        "gas required exceeds allowance (50000000)",
        "call gas limit exceeds the block gas limit",
        "request entity too large",
        "response size exceeded",
        "request timed out",
    ],
)
def test_a_call_that_was_too_much_is_recognised(message: str) -> None:
    assert means_too_much(message)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0x08c379a0", "08c379a0"),
        ("Reverted 0x08c379a0", "08c379a0"),
        ("0x", ""),
        ("revert", ""),
        (None, ""),
        (7, ""),
        ({"data": "0x3435"}, "3435"),
        ({"originalError": {"code": 3, "data": "0x3435"}}, "3435"),
        ({"0xabc": {"error": "revert", "return": "0x3435"}, "stack": "..."}, "3435"),
        ({"message": "reverted"}, ""),
        ("0x123", ""),
    ],
)
def test_revert_data_is_found_wherever_the_client_put_it(data: Any, expected: str) -> None:
    assert revert_data(data).hex() == expected


def test_a_suggestion_for_another_start_counts_by_its_length() -> None:
    failure = Failure(
        -32005, "query returned more than 10000 results. Try with this block range [0x10, 0x1f]"
    )
    assert suggested_last(failure, FIRST, LAST) == FIRST + 15


def test_a_suggestion_that_is_not_shorter_is_none() -> None:
    assert suggested_last(Failure(0, "block range limit is 10000"), 5, 10_004) is None
    assert suggested_last(Failure(0, "this block range should work: [0x9, 0x1]"), 0, 10) is None
