"""Whom logs name, in every protocol: by its own events, and by logs that a node made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from defiliq.chain.calldata import keccak
from defiliq.chain.log_columns import no_logs
from defiliq.chain.node import Logs
from defiliq.errors import DecodeError
from defiliq.protocols import PROTOCOLS, dydx_v4
from defiliq.protocols.aave_v3.touching import EVENTS as AAVE
from defiliq.protocols.compound_v2.touching import EVENTS as COMPOUND_V2
from defiliq.protocols.compound_v3.touching import EVENTS as COMET
from defiliq.protocols.dydx_solo import abi as solo_abi
from defiliq.protocols.dydx_solo.touching import EVENTS as SOLO
from defiliq.protocols.dydx_solo.touching import accounts_of as solo_accounts_of
from defiliq.protocols.touching import Names, addresses_in
from tests.abis import AbiFolder, word_count
from tests.builders import address

WORD = 32
EVENTS: Mapping[str, Mapping[str, Names]] = {
    "aave_v3": AAVE,
    "compound_v2": COMPOUND_V2,
    "compound_v3": COMET,
}
ACCOUNTS_OF: Mapping[str, tuple[tuple[str, ...], Callable[[Logs], NDArray[np.uint8]]]] = {
    **{name: (tuple(events), partial(addresses_in, events=events)) for name, events in EVENTS.items()},
    "dydx_solo": (SOLO, solo_accounts_of),
}
MEANT = {"user", "onBehalfOf", "from", "to", "src", "dst", "borrower", "account", "minter"}
"""What the contracts call an account that an event is about."""
OTHERS = {("Withdraw", "to"), ("WithdrawCollateral", "to"), ("Supply", "from"), ("SupplyCollateral", "from")}
"""Who gets or gives tokens, and whose account stays as it is."""
WORDS = st.binary(min_size=WORD, max_size=WORD)
PLAIN = st.binary(min_size=20, max_size=20).map(lambda key: key.rjust(WORD, b"\0"))


def logs(event: str, *topics: bytes, data: bytes = b"") -> Logs:
    column = np.zeros((1, 4, WORD), np.uint8)
    for k, topic in enumerate((keccak(event), *topics)):
        column[0, k] = np.frombuffer(topic, np.uint8)
    return Logs(column, np.array([7], np.int64), (data,))


def word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")


@pytest.mark.parametrize("protocol", EVENTS)
def test_arguments_are_where_the_abi_has_them(protocol: str) -> None:
    """And whoever an event is about is named: nothing that it calls an account is passed over."""
    folder = AbiFolder(protocol)
    found = {signature: one for name in folder.names() for signature, one in folder.entries(name).items()}
    for event, names in EVENTS[protocol].items():
        inputs = found[event]["inputs"]
        indexed = [one["name"] for one in inputs if one["indexed"]]
        plain = [one for one in inputs if not one["indexed"]]
        named = [indexed[topic - 1] for topic in names.topics]
        named += [plain[place]["name"] for place in names.words]
        assert not names.words or names.data_words == sum(map(word_count, plain))
        kind = found[event]["name"]
        spoken = {one["name"] for one in inputs if one["type"] == "address"} & MEANT
        about = {name for name in spoken if (kind, name) not in OTHERS}
        if (protocol, kind) == ("aave_v3", "Borrow") or (protocol, kind) == ("compound_v3", "Supply"):
            about -= {"user"}  # who sends the transaction, or is paid
        assert set(named) == about, event


def test_solo_names_its_accounts_where_the_abi_has_them() -> None:
    entries = AbiFolder("dydx_solo").entries("SoloMargin")
    for event in SOLO:
        inputs = entries[event]["inputs"]
        owners = [one["name"] for one in inputs if one["indexed"]]
        plain = [one["name"] for one in inputs if not one["indexed"]]
        count = 2 if event in solo_abi.TWO_ACCOUNT_EVENTS else 1
        assert [name.endswith("Owner") for name in owners] == [True] * count
        assert [name.endswith("Number") for name in plain[:count]] == [True] * count
    told = {name for name in (one["name"] for one in entries.values()) if name.startswith("Log")}
    assert {event.partition("(")[0] for event in SOLO} == told


@pytest.mark.parametrize("protocol", ACCOUNTS_OF)
def test_no_logs_and_those_of_others_name_nobody(protocol: str) -> None:
    _, accounts_of = ACCOUNTS_OF[protocol]
    assert len(accounts_of(no_logs())) == 0
    assert accounts_of(no_logs()).dtype == np.uint8
    assert len(accounts_of(logs("Approval(address,address,uint256)", word(1), word(2)))) == 0


@pytest.mark.parametrize("protocol", ACCOUNTS_OF)
def test_each_account_is_named_once(protocol: str) -> None:
    events, accounts_of = ACCOUNTS_OF[protocol]
    for event in events:
        data = word(0xA11CE) * data_words(protocol, event)
        once = logs(event, word(0xA11CE), word(0xA11CE), word(0xA11CE), data=data)
        twice = Logs(np.repeat(once.topics, 2, axis=0), np.repeat(once.blocks, 2), once.data * 2)
        keys = accounts_of(twice)
        assert [key.tobytes()[:20] for key in keys] == [bytes.fromhex(address(0xA11CE)[2:])]


@pytest.mark.parametrize("protocol", ACCOUNTS_OF)
def test_absent_arguments_name_nobody(protocol: str) -> None:
    events, accounts_of = ACCOUNTS_OF[protocol]
    for event in events:
        assert len(accounts_of(logs(event, data=bytes(WORD * data_words(protocol, event))))) == 0


@pytest.mark.parametrize("protocol", ACCOUNTS_OF)
def test_words_that_are_no_addresses(protocol: str) -> None:
    events, accounts_of = ACCOUNTS_OF[protocol]
    for event in events:
        data = word(2**160) * data_words(protocol, event)
        with pytest.raises(DecodeError, match=event.partition("(")[0]):
            accounts_of(logs(event, word(2**160), word(2**160), word(2**160), data=data))


@pytest.mark.parametrize("protocol", ["compound_v2", "dydx_solo"])
def test_data_of_another_length(protocol: str) -> None:
    events, accounts_of = ACCOUNTS_OF[protocol]
    for event in events:
        if protocol == "dydx_solo" or EVENTS[protocol][event].words:
            with pytest.raises(DecodeError, match=event.partition("(")[0]):
                accounts_of(logs(event, word(1), word(2), data=bytes(WORD + 5)))


@pytest.mark.parametrize("protocol", ACCOUNTS_OF)
@given(data=st.data())
def test_whatever_is_sent_there_are_keys_or_a_refusal(protocol: str, data: st.DataObject) -> None:
    events, accounts_of = ACCOUNTS_OF[protocol]
    topics = data.draw(st.lists(WORDS | PLAIN, max_size=3))
    some = logs(data.draw(st.sampled_from(events)), *topics, data=data.draw(st.binary(max_size=200)))
    try:
        keys = accounts_of(some)
    except DecodeError:
        return
    assert keys.shape[1] == (52 if protocol == "dydx_solo" else 20)
    assert len({key.tobytes() for key in keys}) == len(keys)
    assert keys[:, :20].any(axis=1).all()


def test_only_comet_follows_those_who_owe_nothing() -> None:
    """And dYdX v4, whose chain lists everybody, has no logs to go by."""
    assert set(PROTOCOLS) == {"aave-v3", "compound-v2", "compound-v3", "dydx-solo", "dydx-v4"}
    assert dydx_v4.touching(None) is None  # type: ignore[arg-type]  # it does not look at the market


def data_words(protocol: str, event: str) -> int:
    if protocol != "dydx_solo":
        return EVENTS[protocol][event].data_words
    inputs = AbiFolder("dydx_solo").entries("SoloMargin")[event]["inputs"]
    return sum(word_count(one) for one in inputs if not one["indexed"])
