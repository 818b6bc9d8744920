"""A webhook must not reach into a private network, however its address is spelled, and whenever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from defiliq.errors import PrivateAddress, WebhookFailed
from defiliq.watch.sinks import webhook_sink
from defiliq.watch.sinks.address import is_public, resolved
from tests.watch.sinks.receiver import receiving
from tests.watch.sinks.test_webhook import lines

PRIVATE = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2002:808:808::1",
    "2001:0:7f00:1::1",
    "2001:db8::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%2",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "no address",
    "",
)
PUBLIC = ("1.1.1.1", "8.8.8.8", "172.32.0.1", "::ffff:8.8.8.8", "2606:4700::1111", "64:ff9b::808:808")
SPELLINGS = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0x7f.1",
    "[::1]",
    "[::ffff:7f00:1]",
)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_everybodys_is_private(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", SPELLINGS)
def test_every_spelling_of_this_machine_is_refused_unless_allowed(host: str) -> None:
    url = f"http://{host}/hook/topsecret"
    with pytest.raises(PrivateAddress, match="which is not a public address") as caught:
        webhook_sink(url)
    assert "topsecret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert webhook_sink(url, allows_private=True).addresses()


def test_localhost_is_resolved_to_this_machine() -> None:
    assert {"127.0.0.1", "::1"} & set(resolved("localhost", 80))
    with pytest.raises(PrivateAddress):
        webhook_sink("https://localhost/")


def test_one_private_address_among_public_ones_is_enough() -> None:
    with pytest.raises(PrivateAddress, match=r"169\.254\.169\.254"):
        webhook_sink("https://hook.example/", resolver=lambda host, port: ["8.8.8.8", "169.254.169.254"])


def test_a_name_that_changes_is_asked_again_at_each_delivery() -> None:
    answers: Iterator[Sequence[str]] = iter([["8.8.8.8"], ["127.0.0.1"]])
    with receiving() as receiver:
        sink = webhook_sink(
            f"http://hook.example:{receiver.port}/", resolver=lambda host, port: next(answers)
        )
        with pytest.raises(PrivateAddress, match=r"http://hook\.example:\d+/ leads to 127\.0\.0\.1"):
            sink.deliver(lines(1))
        assert receiver.posts == []


def test_the_connection_goes_to_the_address_that_was_checked_under_the_name_that_was_given() -> None:
    asked = []

    def once(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    with receiving() as receiver:
        sink = webhook_sink(f"http://hook.example:{receiver.port}/x", allows_private=True, resolver=once)
        asked.clear()
        sink.deliver(lines(1))
        assert asked == [("hook.example", receiver.port)]
        assert receiver.posts[0].headers["Host"] == f"hook.example:{receiver.port}"


def test_the_second_address_is_tried_where_the_first_does_not_answer() -> None:
    with receiving() as receiver:
        sink = webhook_sink(
            f"http://hook.example:{receiver.port}/",
            allows_private=True,
            resolver=lambda host, port: ["127.0.0.2", "127.0.0.1"],
        )
        sent = lines(1)
        assert sink.deliver(sent) == sent[0].seq


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError("label too long")])
def test_a_name_without_an_address_may_get_one_later(error: Exception) -> None:
    known: list[str] = []

    def late(host: str, port: int) -> list[str]:
        if not known:
            raise error
        return known

    sink = webhook_sink("https://hook.example/", resolver=late)
    with pytest.raises(WebhookFailed, match="the host name is not known"):
        sink.deliver(lines(1))
    known.append("10.0.0.1")
    with pytest.raises(PrivateAddress):
        sink.deliver(lines(1))


def test_a_name_with_no_address_at_all_is_no_success() -> None:
    sink = webhook_sink("https://hook.example/", resolver=lambda host, port: [])
    with pytest.raises(WebhookFailed, match="the host has no address"):
        sink.deliver(lines(1))
