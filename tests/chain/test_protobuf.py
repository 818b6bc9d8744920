"""The wire format, held against the chain's own message classes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from v4_proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest
from v4_proto.dydxprotocol.subaccounts.query_pb2 import QueryAllSubaccountRequest

from defiliq.chain.cosmos_pages import page_request
from defiliq.chain.protobuf import Unreadable, fields, varint


@given(st.binary(max_size=40), st.integers(1, (1 << 64) - 1), st.booleans())
def test_a_page_request_is_what_the_chain_reads(key: bytes, limit: int, count: bool) -> None:
    asked = QueryAllSubaccountRequest.FromString(page_request(key, limit, count=count))
    assert asked == QueryAllSubaccountRequest(pagination=PageRequest(key=key, limit=limit, count_total=count))


@given(st.binary(max_size=40), st.integers(0, (1 << 64) - 1))
def test_fields_of_a_message(key: bytes, offset: int) -> None:
    raw = PageRequest(key=key, offset=offset, reverse=True).SerializeToString()
    seen = {field.number: field for field in fields(raw)}
    assert raw[seen[1].start : seen[1].end] == key if key else 1 not in seen
    assert seen[2].value == offset if offset else 2 not in seen
    assert seen[5].value == 1


def test_kinds_that_paging_does_not_need_are_stepped_over() -> None:
    fixed = b"\x09" + bytes(8) + b"\x15" + bytes(4) + b"\x18\x07"
    assert [(field.number, field.value) for field in fields(fixed)] == [(1, 0), (2, 0), (3, 7)]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x0a\x05abc", "field 1 is cut short"),
        (b"\x0a", "a number is cut short"),
        (b"\x80", "a number is cut short"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "more than ten bytes"),
        (b"\x09\x00", "field 1 is cut short"),
        (b"\x15\x00", "field 2 is cut short"),
        (b"\x0b", "unknown kind 3"),
        (b"\x02\x00", "without a number"),
    ],
)
def test_bytes_that_are_no_message(raw: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        list(fields(raw))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        seen = list(fields(raw))
    except Unreadable:
        return
    assert all(0 <= field.start <= field.end <= len(raw) for field in seen)


def test_numbers_on_the_wire() -> None:
    assert [varint(n).hex() for n in (0, 1, 127, 128, 300, 1 << 63)] == [
        "00",
        "01",
        "7f",
        "8001",
        "ac02",
        "80808080808080808001",
    ]
