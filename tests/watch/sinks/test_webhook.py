"""One POST: what is sent, how it is signed, what each answer means."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from defiliq.errors import BadUrl, WebhookFailed
from defiliq.watch.journal import Journal, Line
from defiliq.watch.schema import SCHEMA_VERSION
from defiliq.watch.sinks import WebhookSink, webhook_sink
from defiliq.watch.sinks.webhook import Limits
from tests.watch.keeping import MARKET, filled
from tests.watch.sinks.receiver import Answer, Receiver, receiving

SECRET = "shared between two"
QUICK = Limits(timeout_s=5, whole_s=0.3)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as there:
        yield there


def sink_of(receiver: Receiver, *, secret: str | None = None, limits: Limits | None = None) -> WebhookSink:
    return webhook_sink(
        receiver.url, secret=secret, allows_private=True, clock=lambda: 1_700_000_123.9, limits=limits
    )


def lines(count: int) -> list[Line]:
    with Journal(":memory:", MARKET) as journal:
        journal.register("s")
        filled(journal, 1, count, each=1)
        return journal.pending("s", count)


def test_events_come_in_order_in_a_signed_body(receiver: Receiver) -> None:
    sent = lines(3)
    assert sink_of(receiver, secret=SECRET).deliver(sent) == sent[-1].seq
    (post,) = receiver.posts
    assert orjson.loads(post.body) == {
        "schema": SCHEMA_VERSION,
        "events": [orjson.loads(line.line) for line in sent],
    }
    assert post.path == "/hooks/s3cr3tkey?token=abcdef"
    assert post.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert post.headers["Content-Type"] == "application/json"
    mac = hmac.new(SECRET.encode(), b"1700000123." + post.body, hashlib.sha256).hexdigest()
    assert post.headers["X-Defiliq-Signature"] == f"t=1700000123,v1={mac}"


def test_without_a_secret_nothing_is_signed_and_without_events_nothing_is_sent(receiver: Receiver) -> None:
    sink = sink_of(receiver)
    assert sink.deliver([]) is None
    assert receiver.posts == []
    sink.deliver(lines(1))
    assert "X-Defiliq-Signature" not in receiver.posts[0].headers
    assert "Authorization" not in receiver.posts[0].headers


def test_a_hundred_events_go_at_once_and_a_repetition_has_the_same_key(receiver: Receiver) -> None:
    sink, sent = sink_of(receiver), lines(150)
    assert [sink.deliver(sent), sink.deliver(sent), sink.deliver(sent[100:])] == [
        sent[99].seq,
        sent[99].seq,
        sent[149].seq,
    ]
    assert [len(post.ids) for post in receiver.posts] == [100, 100, 50]
    keys = [post.headers["Idempotency-Key"] for post in receiver.posts]
    assert keys[0] == keys[1] != keys[2]


def test_credentials_of_the_url_are_sent_as_such_and_never_shown(receiver: Receiver) -> None:
    url = receiver.url.replace("//", "//user:pass%20word@")
    sink = webhook_sink(url, allows_private=True)
    sink.deliver(lines(1))
    assert receiver.posts[0].headers["Authorization"] == "Basic dXNlcjpwYXNzIHdvcmQ="
    assert receiver.posts[0].headers["Host"] == f"127.0.0.1:{receiver.port}"
    shown = f"{sink.label} {sink.name}"
    assert all(secret not in shown for secret in ("user", "pass", "s3cr3tkey", "abcdef"))


@pytest.mark.parametrize(
    ("answer", "seen", "wait_s", "is_slow", "is_gone"),
    [
        (Answer(500), "HTTP 500", None, False, False),
        (Answer(503, {"Retry-After": "7"}), "HTTP 503", 7, False, False),
        (Answer(429, {"Retry-After": "999999"}), "HTTP 429", 60, False, False),
        (Answer(429, {"Retry-After": "soon"}), "HTTP 429", None, False, False),
        (Answer(404), "HTTP 404", None, True, False),
        (Answer(401), "HTTP 401", None, True, False),
        (Answer(410), "HTTP 410, it is gone for good", None, False, True),
        (
            Answer(302, {"Location": "http://127.0.0.1/other"}),
            "HTTP 302, a redirect, which is not followed",
            None,
            True,
            False,
        ),
        (Answer(is_cut=True), "the connection was closed", None, False, False),
    ],
)
def test_each_answer_says_when_to_come_again(
    receiver: Receiver, answer: Answer, seen: str, wait_s: int | None, is_slow: bool, is_gone: bool
) -> None:
    receiver.answers.append(answer)
    sink = sink_of(receiver, secret=SECRET)
    with pytest.raises(WebhookFailed) as caught:
        sink.deliver(lines(1))
    error = caught.value
    assert (error.seen, error.wait_s, error.is_slow, error.is_gone) == (seen, wait_s, is_slow, is_gone)
    assert str(error) == f"the webhook http://127.0.0.1:{receiver.port}/***/***?*** takes no events: {seen}."
    assert len(receiver.posts) == 1
    sink.deliver(lines(1))


def test_an_answer_is_not_read_beyond_its_head(receiver: Receiver) -> None:
    receiver.answers.append(Answer(200, {"Content-Length": str(10**15)}, b"x" * 100_000))
    sent = lines(1)
    assert sink_of(receiver).deliver(sent) == sent[0].seq


def test_a_head_without_end_is_given_up(receiver: Receiver) -> None:
    receiver.answers += [Answer(drips=True), Answer(200, {"X": "y" * 70_000})]
    with pytest.raises(WebhookFailed, match="no answer in time"):
        sink_of(receiver, limits=QUICK).deliver(lines(1))
    with pytest.raises(WebhookFailed, match="an answer that is no HTTP"):
        sink_of(receiver).deliver(lines(1))


def test_nobody_there_is_said_without_the_url() -> None:
    with receiving() as receiver:
        sink = sink_of(receiver)
    with pytest.raises(WebhookFailed, match="connection refused") as caught:
        sink.deliver(lines(1))
    assert "s3cr3tkey" not in str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_refused(receiver: Receiver) -> None:
    url = receiver.url.replace("http:", "https:")
    with pytest.raises(WebhookFailed, match=r"TLS failed|its TLS certificate is not valid|was closed"):
        webhook_sink(url, allows_private=True, limits=QUICK).deliver(lines(1))
    assert receiver.posts == []


@pytest.mark.parametrize(
    "url", ["ftp://example.org/x", "example.org", "http://", "http://a b/", "https://h/\n"]
)
def test_what_is_no_url_is_refused(url: str, tmp_path: Path) -> None:
    if url.endswith("\n"):
        assert webhook_sink(url, resolver=lambda host, port: ["8.8.8.8"]).label == "https://h/"
        return
    with pytest.raises(BadUrl):
        webhook_sink(url)
