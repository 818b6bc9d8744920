"""Events on a stream."""

from __future__ import annotations

import io

import pytest

from defiliq.watch.journal import Journal
from defiliq.watch.sinks import Delivery, StreamSink, deliver_all
from tests.watch.keeping import MARKET, filled


class Leaving(io.StringIO):
    """A reader that leaves after some lines; what was written is flushed by then."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.left, self.flushed = lines, ""

    def flush(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise BrokenPipeError
        self.flushed = self.getvalue()


def test_each_batch_is_flushed_and_a_new_run_goes_on_after_it() -> None:
    stream = Leaving(99)
    with Journal(":memory:", MARKET) as journal:
        delivery = Delivery(journal, StreamSink(stream), batch=4)
        told = filled(journal, 1, 5)
        assert delivery.pump() == 10
        assert stream.flushed.splitlines() == [each.line() for each in told]
        told += filled(journal, 6, 6)
        assert Delivery(journal, StreamSink(stream)).pump() == 2
    assert stream.flushed.splitlines() == [each.line() for each in told]


def test_a_reader_that_leaves_ends_it_and_what_it_did_not_get_waits() -> None:
    with Journal(":memory:", MARKET) as journal:
        delivery = Delivery(journal, StreamSink(Leaving(2)), batch=4)
        filled(journal, 1, 6)
        with pytest.raises(BrokenPipeError):
            deliver_all([delivery])
        assert delivery.backlog == 4


def test_a_sink_that_is_new_may_begin_at_the_start() -> None:
    stream = io.StringIO()
    with Journal(":memory:", MARKET) as journal:
        told = filled(journal, 1, 2)
        assert Delivery(journal, StreamSink(stream, "late")).pump() == 0
        assert Delivery(journal, StreamSink(stream), from_start=True).pump() == 4
    assert stream.getvalue().splitlines() == [each.line() for each in told]
