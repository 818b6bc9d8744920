"""Events as the schema says, and the schema as text."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, get_args

import orjson
import pytest

from defiliq.ladder import IDENTITY
from defiliq.watch.fields import COMMON, KINDS, EventKind, Field
from defiliq.watch.schema import (
    SCHEMA_VERSION,
    Event,
    check,
    event_id,
    event_of,
    fits,
    gap_event,
    identity_at,
    in_order,
    make_event,
    render_schema,
    reorg_event,
)
from tests.builders import market

NAMED = identity_at(market())
GAP = gap_event(NAMED, 100, 120, "the node has no state")


def test_every_event_begins_with_the_identity_of_its_block() -> None:
    assert tuple(field.name for field in COMMON) == IDENTITY
    assert list(GAP.facts)[: len(IDENTITY)] == list(IDENTITY)
    assert set(KINDS) == set(get_args(EventKind))
    assert list(KINDS) == list(get_args(EventKind))


def test_fields_have_each_name_once_and_a_form_that_can_be_checked() -> None:
    for _, fields in KINDS.values():
        names = [field.name for field in (*COMMON, *fields)]
        assert len(set(names)) == len(names)
        for field in fields:
            assert isinstance(fits(field, object()), bool)
            assert field.meaning.endswith(".")


def test_a_gap_and_a_reorganisation() -> None:
    check(GAP)
    assert (GAP.facts["first_block"], GAP.facts["last_block"]) == (100, 120)
    told = reorg_event(NAMED, 5, "0xold", ["a", "b"])
    check(told)
    assert told.facts["ancestor_number"] == NAMED["block_number"]
    assert told.facts["ancestor_hash"] == NAMED["block_hash"]
    assert told.facts["retracted"] == ["a", "b"]
    assert told.id != reorg_event(NAMED, 5, "0xother", ["a", "b"]).id


def test_an_id_depends_on_block_market_kind_and_key_alone() -> None:
    plain = event_id(NAMED, "gap", "1|2")
    assert plain == event_id({**NAMED, "version": "other", "block_number": 1}, "gap", "1|2")
    others = [
        event_id({**NAMED, name: "other"}, "gap", "1|2")
        for name in ("chain_id", "protocol", "market", "block_hash")
    ]
    others += [event_id(NAMED, "reorg", "1|2"), event_id(NAMED, "gap", "12|")]
    assert plain not in others
    assert len(set(others)) == len(others)


def test_what_a_number_of_json_cannot_hold_is_text_and_no_number_is_null() -> None:
    facts: dict[str, Any] = {"driver": "ETH/USD", "source": "0x", "change_bps": math.nan, "updated_at": 2**60}
    event = make_event("oracle_updated", "k", NAMED, {**facts, "no such field": 1})
    assert event.facts["change_bps"] is None
    assert event.facts["updated_at"] == str(2**60)
    assert event.facts["after_raw"] is None
    assert "no such field" not in event.facts
    assert orjson.loads(event.line())["event"] == "oracle_updated"


def test_a_line_is_read_back_as_the_event() -> None:
    assert event_of(orjson.loads(GAP.line())) == GAP


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"first_block": "100"}, "first_block is no integer"),
        ({"first_block": True}, "first_block is no integer"),
        ({"first_block": 2**53 + 1}, "first_block is no integer"),
        ({"reason": None}, "reason is no string"),
        ({"more": 1}, "unknown field 'more'"),
    ],
)
def test_facts_that_are_not_the_schemas_are_refused(change: dict[str, object], seen: str) -> None:
    with pytest.raises(ValueError, match=seen):
        check(replace(GAP, facts={**GAP.facts, **change}))


def test_events_that_are_none_are_refused() -> None:
    facts = {name: value for name, value in GAP.facts.items() if name != "reason"}
    with pytest.raises(ValueError, match="no field reason"):
        check(replace(GAP, facts=facts))
    with pytest.raises(ValueError, match="without an id"):
        check(replace(GAP, id=""))
    wrong: list[object] = [[], 1, None, {}, {"event": 1}, {"event": "no such", "id": "a"}, {"event": "gap"}]
    for said in wrong:
        with pytest.raises(ValueError, match=r"no event|no kind|without an id"):
            event_of(said)


def test_forms() -> None:
    cases: tuple[tuple[str, object, bool], ...] = (
        ("string", "", True),
        ("string?", None, True),
        ("string", None, False),
        ("integer string", "-12", True),
        ("integer string", "1.5", False),
        ("integer string", "", False),
        ("integer string", "٣", False),
        ("number", 1.5, True),
        ("number", 2, True),
        ("number", math.inf, False),
        ("number", True, False),
        ("boolean", 1, False),
        ("[string]", ["a"], True),
        ("[string]", [1], False),
        ("integer or string", "dydx", True),
        ("integer or string", 1.0, False),
    )
    for form, value, expected in cases:
        assert fits(Field("x", form, ""), value) is expected, (form, value)


def test_events_of_a_block_come_by_kind_and_then_by_key() -> None:
    def made(kind: EventKind, key: str) -> tuple[tuple[object, ...], Event]:
        return (key,), make_event(kind, key, NAMED, {})

    kinds: tuple[EventKind, ...] = ("unread", "liquidatable", "recovered", "oracle_updated", "gap")
    mixed = [made(kind, key) for key in ("b", "a") for kind in kinds]
    assert [event.kind for event in in_order(mixed)] == [kind for kind in reversed(kinds) for _ in range(2)]
    assert in_order(mixed) == in_order(mixed[::-1])


def test_the_schema_as_text_names_every_kind_and_field() -> None:
    text = render_schema()
    assert f"version {SCHEMA_VERSION}" in text
    for kind, (meaning, fields) in KINDS.items():
        section = text.split(f"### `{kind}`")[1].split("###")[0]
        assert meaning in section
        for field in fields:
            assert f"| `{field.name}` | {field.form} | {field.meaning} |" in section
