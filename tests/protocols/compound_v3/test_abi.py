"""The signatures in code and the trimmed ABIs say the same, and which account the events name."""

from __future__ import annotations

import numpy as np
import pytest

from defiliq.chain.calldata import calldata, keccak
from defiliq.chain.node import Logs
from defiliq.protocols.compound_v3 import abi
from defiliq.protocols.compound_v3.discover import given_to
from tests.abis import AbiFolder

ABIS = AbiFolder("compound_v3")
USED = {
    "Comet": (*abi.COMET, *abi.EVENTS, *abi.ABSORB_EVENTS, *abi.OTHER_EVENTS, abi.BAD_PRICE),
    "PriceFeed": abi.FEED,
    "ERC20": abi.ERC20,
}
WORDS = {
    abi.TOTALS_BASIC: abi.TOTALS_BASIC_WORDS,
    abi.GET_ASSET_INFO: abi.ASSET_INFO_WORDS,
    abi.USER_BASIC: abi.USER_BASIC_WORDS,
}


@pytest.mark.parametrize("contract", sorted(USED))
def test_code_calls_exactly_what_the_abi_holds(contract: str) -> None:
    assert sorted(ABIS.entries(contract)) == sorted(USED[contract])


def test_every_abi_file_is_used() -> None:
    assert ABIS.names() == set(USED)


@pytest.mark.parametrize("signature", sorted(WORDS))
def test_answers_have_as_many_words_as_are_read(signature: str) -> None:
    outputs = ABIS.entries("Comet")[signature]["outputs"]
    parts = outputs[0].get("components", outputs)
    assert len(parts) == WORDS[signature]


def test_selectors_and_topics() -> None:
    assert calldata(abi.IS_LIQUIDATABLE).hex() == "042e02cf"
    assert keccak(abi.SUPPLY_COLLATERAL_EVENT).hex() == (
        "fa56f7b24f17183d81894d3ac2ee654e3c26388d17a28dbd9549b8114304e1f4"
    )


@pytest.mark.parametrize(("event", "receiver"), [("SupplyCollateral", "dst"), ("TransferCollateral", "to")])
def test_both_events_name_the_receiver_second(event: str, receiver: str) -> None:
    (found,) = (each for each in ABIS.entries("Comet").values() if each["name"] == event)
    assert [part["name"] for part in found["inputs"] if part["indexed"]][1] == receiver
    topics = np.zeros((1, 4, 32), np.uint8)
    topics[0, 2, 12:] = range(20)
    assert given_to(Logs(topics, np.array([1], dtype=np.int64), (b"",))).tolist() == [list(range(20))]
