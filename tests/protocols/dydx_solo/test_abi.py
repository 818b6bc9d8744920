"""The signatures in code and the trimmed ABIs say the same, and which accounts the events name."""

from __future__ import annotations

import numpy as np
import pytest

from defiliq.chain.abi import encode_call
from defiliq.chain.calldata import calldata, keccak
from defiliq.chain.log_columns import no_logs
from defiliq.chain.node import Logs
from defiliq.errors import DecodeError
from defiliq.protocols.dydx_solo import SoloMarket, abi
from defiliq.protocols.dydx_solo.columns import account_rows
from defiliq.protocols.dydx_solo.discover import named_by
from tests.abis import AbiFolder, word_count
from tests.builders import address

ABIS = AbiFolder("dydx_solo")
USED = {
    "SoloMargin": (*abi.SOLO_MARGIN, *abi.EVENTS, *abi.OTHER_EVENTS),
    "ChainlinkPriceOracleV1": abi.CHAINLINK_ORACLE,
    "WethPriceOracle": abi.WETH_ORACLE,
    "MakerOracle": abi.MAKER_ORACLE,
    "ERC20": abi.ERC20,
}
WORDS = {
    abi.RISK_PARAMS: abi.RISK_PARAMS_WORDS,
    abi.MARKET: abi.MARKET_WORDS,
    abi.CURRENT_INDEX: abi.INDEX_WORDS,
    abi.CACHED_INDEX: abi.INDEX_WORDS,
    abi.ACCOUNT_PAR: abi.ACCOUNT_PAR_WORDS,
    abi.ACCOUNT_VALUES: 2,
    abi.ADJUSTED_ACCOUNT_VALUES: 2,
    abi.ACCOUNT_STATUS: 1,
    abi.MARKET_PRICE: 1,
    abi.INTEREST_RATE: 1,
}
FIRST, SECOND = address(0x1111), address(0x2222)


@pytest.mark.parametrize("contract", sorted(USED))
def test_code_calls_exactly_what_the_abi_holds(contract: str) -> None:
    assert sorted(ABIS.entries(contract)) == sorted(USED[contract])


def test_every_abi_file_is_used() -> None:
    assert ABIS.names() == set(USED)


@pytest.mark.parametrize("signature", sorted(WORDS))
def test_answers_have_as_many_words_as_are_read(signature: str) -> None:
    outputs = ABIS.entries("SoloMargin")[signature]["outputs"]
    assert sum(word_count(part) for part in outputs) == WORDS[signature]


def test_a_market_is_read_where_its_words_lie() -> None:
    (market,) = ABIS.entries("SoloMargin")[abi.MARKET]["outputs"]
    names = []
    for part in market["components"]:
        names += [part["name"]] * word_count(part)
    assert names == [
        "token", "totalPar", "totalPar", "index", "index", "index", "priceOracle", "interestSetter",
        "marginPremium", "spreadPremium", "isClosing",
    ]  # fmt: skip
    assert [part["name"] for part in market["components"][1]["components"]] == ["borrow", "supply"]
    assert [part["name"] for part in market["components"][2]["components"]] == [
        "borrow",
        "supply",
        "lastUpdate",
    ]


def test_selectors_and_topics() -> None:
    assert calldata(abi.NUM_MARKETS).hex() == "295c39a5"
    liquidate = next(event for event in abi.EVENTS if event.startswith("LogLiquidate"))
    assert keccak(liquidate).hex() == "1b9e65b359b871d74b1af1fc8b13b11635bfb097c4631b091eb762fda7e67dc7"


@pytest.mark.parametrize("number", [0, 1, 2**256 - 1])
def test_calls_about_accounts_are_encoded_as_the_contract_decodes_them(number: int) -> None:
    key = np.frombuffer(SoloMarket.account_key(f"{FIRST}/{number}"), dtype=np.uint8).reshape(1, 52)
    plain = account_rows(abi.ACCOUNT_STATUS, key)
    assert plain.tobytes() == encode_call(abi.ACCOUNT_STATUS, (FIRST, number))
    with_market = account_rows(abi.ACCOUNT_PAR, key, np.array([258]))
    assert with_market.tobytes() == encode_call(abi.ACCOUNT_PAR, (FIRST, number), 258)


@pytest.mark.parametrize("event", abi.ONE_ACCOUNT_EVENTS)
def test_these_events_name_one_account(event: str) -> None:
    inputs = ABIS.entries("SoloMargin")[event]["inputs"]
    assert [part["name"] for part in inputs if part["indexed"]] == ["accountOwner"]
    assert next(part["name"] for part in inputs if not part["indexed"]) == "accountNumber"


@pytest.mark.parametrize("event", abi.TWO_ACCOUNT_EVENTS)
def test_these_events_name_two(event: str) -> None:
    inputs = ABIS.entries("SoloMargin")[event]["inputs"]
    owners = [part["name"] for part in inputs if part["indexed"]]
    assert len(owners) == 2
    assert all(name.endswith("Owner") for name in owners)
    numbers = [part["name"] for part in inputs if not part["indexed"]][:2]
    assert numbers == [name.removesuffix("Owner") + "Number" for name in owners]


def logs_of(*events: str, numbers: tuple[int, int] = (3, 2**256 - 1)) -> Logs:
    """Logs of FIRST and, where an event has a second owner, of SECOND."""
    topics = np.zeros((len(events), 4, 32), np.uint8)
    for row, event in enumerate(events):
        topics[row, 0] = np.frombuffer(keccak(event), np.uint8)
        topics[row, 1, 12:] = list(bytes.fromhex(FIRST[2:]))
        if event in abi.TWO_ACCOUNT_EVENTS:
            topics[row, 2, 12:] = list(bytes.fromhex(SECOND[2:]))
    data = b"".join(number.to_bytes(32, "big") for number in (*numbers, 77))
    return Logs(topics, np.arange(len(events), dtype=np.int64), (data,) * len(events))


def test_whom_logs_name() -> None:
    found = named_by(logs_of(*abi.EVENTS))
    assert found.shape == (7, 2, 52)
    names = [tuple(SoloMarket.account_name(key.tobytes()) for key in row) for row in found]
    assert names[:3] == [(f"{FIRST}/3", f"{FIRST}/3")] * 3
    assert names[3:] == [(f"{FIRST}/3", f"{SECOND}/{2**256 - 1}")] * 4


def test_no_logs_name_nobody() -> None:
    assert named_by(no_logs()).shape == (0, 2, 52)


def test_an_event_cut_short_is_refused() -> None:
    logs = logs_of(abi.EVENTS[0])
    with pytest.raises(DecodeError, match="too little data"):
        named_by(Logs(logs.topics, logs.blocks, (logs.data[0][:63],)))
