"""Which logs change the state of accounts, so that whoever follows a chain need not read all of them anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from defiliq.chain.calldata import keccak
from defiliq.chain.node import LogFilter, Logs
from defiliq.errors import DecodeError

WORD = 32
PADDING = 12
"""Zero bytes before an address in a word."""


class Touching(NamedTuple):
    """The logs of one market that may change an account's state, and whose."""

    wanted: LogFilter
    accounts_of: Callable[[Logs], NDArray[np.uint8]]
    """(A, K) keys of the accounts that some logs name; an account may occur more than once. DecodeError where
    a log is not what its event promises."""
    keeps_unindebted: bool = False
    """Whether an account that owes nothing is followed as soon as it holds something, because it can come to
    owe without a log that names it."""


class Names(NamedTuple):
    """Where an event names accounts: by address, in indexed arguments or in words of its data."""

    topics: tuple[int, ...] = ()
    """Indexed arguments; the first is 1."""
    words: tuple[int, ...] = ()
    """Words of the data; the first is 0."""
    data_words: int = 0
    """How many words its data has, where any of them names an account."""


def topics_of(events: Mapping[str, Names]) -> tuple[bytes, ...]:
    """The first topics of events given by signature."""
    return tuple(keccak(event) for event in events)


def addresses_in(logs: Logs, events: Mapping[str, Names]) -> NDArray[np.uint8]:
    """(A, 20) the accounts that some logs name, each once, in order, without the zero address.

    DecodeError where a word that should hold an address holds more, or the data has another length.
    """
    found = [np.zeros((0, WORD), np.uint8)]
    for event, names in events.items():
        rows = np.flatnonzero((logs.topics[:, 0] == np.frombuffer(keccak(event), np.uint8)).all(axis=1))
        if not len(rows):
            continue
        words = [logs.topics[rows, topic] for topic in names.topics]
        if names.words:
            words += _data_words(event, [logs.data[row] for row in rows.tolist()], names)
        for column in words:
            if column[:, :PADDING].any():
                raise DecodeError(_name(event), "a word that is no address")
        found += words
    keys = np.unique(np.concatenate(found)[:, PADDING:], axis=0)
    return np.ascontiguousarray(keys[keys.any(axis=1)])


def _data_words(event: str, data: list[bytes], names: Names) -> list[NDArray[np.uint8]]:
    """(n, 32) each of some words of the data of several logs of one event."""
    for each in data:
        if len(each) != WORD * names.data_words:
            raise DecodeError(_name(event), f"{len(each)} bytes of data, not {WORD * names.data_words}")
    columns = np.frombuffer(b"".join(data), np.uint8).reshape(len(data), names.data_words, WORD)
    return [columns[:, word] for word in names.words]


def _name(event: str) -> str:
    return event.partition("(")[0]
