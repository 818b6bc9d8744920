"""Memories as JSON: the same back, in one spelling, and nothing else taken for one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.watch.memory import Crossing, Memory, Status, Told, memory_from_json, memory_json

_NAMES = st.text(max_size=8)
_NUMBERS = st.integers(0, 2**53)
_BIG = st.integers(-(2**255), 2**255)
_STATUS: st.SearchStrategy[Status] = st.sampled_from(["approaching", "liquidatable"])
_SIDE = st.sampled_from(["long", "short"])
_CROSSINGS = st.builds(Crossing, _NAMES, _SIDE, _BIG, st.none() | _BIG, _BIG, _BIG)
_TOLD = st.builds(
    Told,
    _STATUS,
    _NAMES,
    _NUMBERS,
    _NUMBERS,
    _NAMES,
    _SIDE | st.just(""),
    st.none() | _BIG,
    st.none() | _STATUS,
    _NAMES,
    st.none() | _CROSSINGS,
)
MEMORIES = st.builds(
    Memory,
    told=st.dictionaries(_NAMES, _TOLD, max_size=3),
    parameters=st.dictionaries(_NAMES, _NAMES, max_size=3),
    answers=st.dictionaries(_NAMES, st.tuples(_BIG, st.none() | _NUMBERS), max_size=3),
    unread=st.dictionaries(_NAMES, _NAMES, max_size=3),
    bad=st.dictionaries(_NAMES, _NAMES, max_size=3),
)


@given(MEMORIES)
def test_a_memory_comes_back(memory: Memory) -> None:
    assert memory_from_json(memory_json(memory)) == memory


def test_its_json_does_not_depend_on_the_order_of_its_parts() -> None:
    one = Memory(unread={"a": "1", "b": "2"}, answers={"x": (1, None), "y": (2, 3)})
    other = Memory(unread={"b": "2", "a": "1"}, answers={"y": (2, 3), "x": (1, None)})
    assert memory_json(one) == memory_json(other)


GOOD: dict[str, Any] = orjson.loads(
    memory_json(
        Memory(
            told={"a": Told("liquidatable", "id", 1, 2, crossing=Crossing("ETH/USD", "long", 1, None, 2, 3))},
            answers={"x": (5, 6)},
        )
    )
)


def test_anything_else_is_refused() -> None:
    row = GOOD["told"]["a"]
    wrong: list[Any] = [
        [],
        {},
        None,
        {**GOOD, "form": 2},
        {**GOOD, "form": True},
        {**GOOD, "more": 1},
        {**GOOD, "told": []},
        {**GOOD, "told": {"a": row[:-1]}},
        {**GOOD, "told": {"a": ["quiet", *row[1:]]}},
        {**GOOD, "told": {"a": [*row[:2], "1", *row[3:]]}},
        {**GOOD, "told": {"a": [*row[:2], -1, *row[3:]]}},
        {**GOOD, "told": {"a": [*row[:5], "up", *row[6:]]}},
        {**GOOD, "told": {"a": [*row[:6], "1.5", *row[7:]]}},
        {**GOOD, "told": {"a": [*row[:9], ["ETH/USD", "", "1", None, "2", "3"]]}},
        {**GOOD, "answers": {"x": [5, 6]}},
        {**GOOD, "answers": {"x": ["5"]}},
        {**GOOD, "answers": {"x": ["9" * 101, None]}},
        {**GOOD, "unread": {"a": None}},
    ]
    for said in wrong:
        with pytest.raises(ValueError, match=r"memory|status|side"):
            memory_from_json(orjson.dumps(said))
    for text in (b"", b"{", b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever the reader of JSON says
            memory_from_json(text)
    assert memory_from_json(orjson.dumps(GOOD)).told["a"].crossing is not None
