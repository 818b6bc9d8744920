"""A webhook that is down for minutes, that is gone, that is asked to stop: on a clock of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from defiliq.watch.journal import Journal
from defiliq.watch.sinks import Background, Delivery, webhook_sink
from tests.watch.keeping import MARKET, filled
from tests.watch.sinks.receiver import Answer, Receiver, receiving

PATIENCE_S = 30


class Waits:
    """Notes every wait instead of waiting; the last of so many holds the thread until `go_on`."""

    def __init__(self, until: int | None = None, then: Callable[[], None] = lambda: None) -> None:
        self.seconds: list[float] = []
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._until, self._then = until, then

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._until:
            self._then()
            self.reached.set()
            self.go_on.wait(PATIENCE_S)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as there:
        yield there


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "m.sqlite", MARKET) as kept:
        yield kept


def background(
    journal: Journal, receiver: Receiver, waits: Waits, *, url: str | None = None, allows_private: bool = True
) -> tuple[Background, list[str]]:
    notices: list[str] = []
    sink = webhook_sink(
        receiver.url if url is None else url,
        allows_private=allows_private,
        resolver=lambda host, port: ["127.0.0.1"] if allows_private or host == "127.0.0.1" else ["8.8.8.8"],
    )
    delivery = Delivery(journal, sink)
    made = Background(delivery, f"the webhook {sink.label}", notices.append, pause=waits, jitter=lambda: 1.0)
    return made, notices


def test_what_is_told_arrives_in_order_while_the_journal_goes_on(
    journal: Journal, receiver: Receiver
) -> None:
    sender, notices = background(journal, receiver, Waits())
    sender.start()
    told = []
    for number in range(1, 301):
        told += filled(journal, number, number)
        sender.wake()
    assert sender.stop(PATIENCE_S)
    assert receiver.ids == [each.id for each in told]
    assert notices == []
    assert not sender.is_alive


@pytest.mark.parametrize("fault", [Answer(500), Answer(429), Answer(is_cut=True)])
def test_a_receiver_that_is_down_gets_everything_once_it_is_up(
    journal: Journal, receiver: Receiver, fault: Answer
) -> None:
    receiver.answers += [fault] * 12
    waits = Waits()
    sender, notices = background(journal, receiver, waits)
    told = filled(journal, 1, 120)
    sender.start()
    while journal.backlog(journal.sinks()[0]):
        sender.wake()
    told += filled(journal, 121, 121)
    assert sender.stop(PATIENCE_S)
    assert waits.seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, *[60.0] * 6]
    delivered = [each for post in receiver.posts[12:] for each in post.ids]
    assert delivered == [each.id for each in told]
    assert len(notices) == 2
    assert notices[0].endswith(" Events are kept, and it is tried again.")
    assert notices[1].endswith("takes events again, after 12 failures.")
    assert "s3cr3tkey" not in "".join(notices)


def test_it_waits_as_long_as_it_is_asked_to_and_long_where_somebody_must_change_something(
    journal: Journal, receiver: Receiver
) -> None:
    receiver.answers += [Answer(503, {"Retry-After": "17"}), Answer(404), Answer(302), Answer(500)]
    receiver.answers.append(Answer(503, {"Retry-After": "0"}))
    waits = Waits(until=5)
    sender, notices = background(journal, receiver, waits)
    filled(journal, 1, 1)
    sender.start()
    assert waits.reached.wait(PATIENCE_S)
    waits.go_on.set()
    assert sender.stop(PATIENCE_S)
    assert waits.seconds == [17.0, 300.0, 300.0, 8.0, 1.0]
    assert len(notices) == 2
    assert len(receiver.posts) == 6


def test_one_that_takes_less_at_once_gets_less(journal: Journal, receiver: Receiver) -> None:
    receiver.answers += [Answer(413), Answer(413)]
    waits = Waits()
    sender, _ = background(journal, receiver, waits)
    told = filled(journal, 1, 40)
    sender.start()
    while journal.backlog(journal.sinks()[0]):
        sender.wake()
    assert sender.stop(PATIENCE_S)
    assert [len(post.ids) for post in receiver.posts] == [80, 40, 20, 20, 20, 20]
    assert receiver.ids[120:] == [each.id for each in told]
    assert waits.seconds == [1.0, 2.0]


def test_one_that_is_gone_gets_no_more_and_holds_no_more(journal: Journal, receiver: Receiver) -> None:
    receiver.answers.append(Answer(410))
    sender, notices = background(journal, receiver, Waits())
    filled(journal, 1, 3)
    sender.start()
    assert sender.stop(PATIENCE_S)
    assert journal.sinks() == []
    (notice,) = notices
    assert notice.endswith(
        "HTTP 410, it is gone for good. It gets no more events; 6 that waited for it are dropped."
    )


def test_a_name_that_turns_private_is_tried_again_later_and_said_once(
    journal: Journal, receiver: Receiver
) -> None:
    addresses = ["8.8.8.8"]
    sink = webhook_sink(f"http://hook.example:{receiver.port}/", resolver=lambda host, port: addresses)
    addresses[:] = ["127.0.0.1"]
    waits, notices = Waits(until=3), list[str]()
    sender = Background(Delivery(journal, sink), sink.label, notices.append, pause=waits, jitter=lambda: 1.0)
    filled(journal, 1, 1)
    sender.start()
    assert waits.reached.wait(PATIENCE_S)
    waits.go_on.set()
    assert sender.stop(PATIENCE_S)
    assert (receiver.posts, waits.seconds[:3]) == ([], [300.0] * 3)
    assert len(notices) == 1
    assert "leads to 127.0.0.1, which is not a public address" in notices[0]
    assert journal.backlog(sink.name) == 2


def test_a_slow_receiver_does_not_hold_up_the_journal_and_a_stop_is_bounded(
    journal: Journal, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(drips=True))
    sender, notices = background(journal, receiver, Waits())
    filled(journal, 1, 1)
    sender.start()
    while not receiver.posts:
        sender.wake()
    filled(journal, 2, 50)
    assert journal.heads()[0][0] == 50
    assert not sender.stop(0.05)
    assert sender.is_alive
    assert journal.backlog(journal.sinks()[0]) == 100
    journal.close()
    receiver.stopping.set()
    assert sender.stop(PATIENCE_S)
    assert [notice for notice in notices if "cannot use" in notice] == []


def test_what_a_run_could_not_deliver_the_next_one_does(tmp_path: Path, receiver: Receiver) -> None:
    path = tmp_path / "again.sqlite"
    receiver.answers += [Answer(), Answer(500), Answer(500)]
    with Journal(path, MARKET) as journal:
        waits = Waits(until=1)
        sender, _ = background(journal, receiver, waits)
        told = filled(journal, 1, 60)
        sender.start()
        assert waits.reached.wait(PATIENCE_S)
        waits.go_on.set()
        assert sender.stop(PATIENCE_S)
        assert journal.backlog(journal.sinks()[0]) == 20
    with Journal(path, MARKET) as journal:
        sender, _ = background(journal, receiver, Waits())
        sender.start()
        assert sender.stop(PATIENCE_S)
    assert [len(post.ids) for post in receiver.posts] == [100, 20, 20, 20]
    keys = {post.headers["Idempotency-Key"] for post in receiver.posts[1:]}
    assert len(keys) == 1
    assert receiver.posts[0].ids + receiver.posts[3].ids == [each.id for each in told]
