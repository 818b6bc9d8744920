"""The way to a provider: what fails, what is asked again, and where keys do not go."""

from __future__ import annotations

import gzip
import socket
from typing import Any

import pytest

from defiliq.cex.providers.client import Client
from defiliq.errors import (
    BadVenueAnswer,
    InputError,
    VenueError,
    VenueRateLimited,
    VenueRefused,
    VenueUnreachable,
)
from tests.cex.providers.standin import Slept, StandIn, serving
from tests.chain.rpc_server import Raw

KEY = "k-3f9a77e1"


def _client(server: StandIn, slept: Slept | None = None, **options: Any) -> Client:
    sleep = Slept() if slept is None else slept
    return Client("someone", server.url, headers={"x-key": KEY}, secrets=[KEY], sleep=sleep, **options)


def _respond(*_: object) -> object:
    return {"fine": 1}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadVenueAnswer),
        (401, VenueRefused),
        (402, VenueRefused),
        (403, VenueRefused),
        (404, BadVenueAnswer),
        (418, VenueRefused),
        (422, BadVenueAnswer),
        (451, VenueRefused),
    ],
)
def test_refusals_are_not_asked_for_again(status: int, error: type[VenueError]) -> None:
    slept = Slept()
    with serving(_respond) as server, _client(server, slept) as client:
        server.script = [Raw(b'{"msg": "not you"}', status)]
        with pytest.raises(error, match=f"HTTP {status}.*not you") as raised:
            client.get("/x", {})
        assert len(server.seen) == 1
    assert slept.waits_s == []
    assert raised.value.venue == "someone"
    assert raised.value.exit_code == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_asked_again(status: int) -> None:
    slept = Slept()
    with serving(_respond) as server, _client(server, slept) as client:
        server.script = [Raw(b"", status), Raw(b"", status)]
        assert client.get("/x", {}) == {"fine": 1}
        assert len(server.seen) == 3
    assert slept.waits_s == [1, 2]


@pytest.mark.parametrize(("status", "error"), [(429, VenueRateLimited), (500, VenueUnreachable)])
def test_attempts_end(status: int, error: type[VenueError]) -> None:
    slept = Slept()
    with serving(_respond) as server, _client(server, slept) as client:
        server.script = [Raw(b"", status)] * 9
        with pytest.raises(error) as raised:
            client.get("/x", {})
        assert len(server.seen) == 4
    assert slept.waits_s == [1, 2, 4]
    if isinstance(raised.value, VenueRateLimited):
        assert raised.value.attempts == 4


def test_retry_after_is_honoured() -> None:
    slept = Slept()
    with serving(_respond) as server, _client(server, slept) as client:
        server.script = [Raw(b"", 429, {"Retry-After": "17"}), Raw(b"", 503, {"Retry-After": "tomorrow"})]
        client.get("/x", {})
    assert slept.waits_s == [17, 2]


def test_a_provider_that_wants_an_hour_is_left_alone() -> None:
    slept = Slept()
    with serving(_respond) as server, _client(server, slept) as client:
        server.script = [Raw(b"", 429, {"Retry-After": "3600"})]
        with pytest.raises(VenueRateLimited, match="after 1 attempts"):
            client.get("/x", {})
    assert slept.waits_s == []


@pytest.mark.parametrize("body", [b'{"a": 1', b"", b"<html>", b'{"a": NaN}', b"\xff", b'{"a": 1}}'])
def test_bodies_that_are_no_json(body: bytes) -> None:
    with serving(_respond) as server, _client(server) as client:
        server.script = [Raw(body)]
        with pytest.raises(BadVenueAnswer, match="no JSON"):
            client.get("/x", {})


def test_a_body_cut_short_is_asked_for_again() -> None:
    cut = Raw(b'{"fine": 1}', declared_length=500)
    with serving(_respond) as server, _client(server) as client:
        server.script = [cut]
        assert client.get("/x", {}) == {"fine": 1}
        server.script = [cut] * 9
        with pytest.raises(BadVenueAnswer, match="cut short"):
            client.get("/x", {})


@pytest.mark.parametrize("packed", [False, True])
def test_a_huge_body(packed: bool) -> None:
    body = b'"' + b"a" * 3_000_000 + b'"'
    raw = Raw(gzip.compress(body), headers={"Content-Encoding": "gzip"}) if packed else Raw(body)
    with serving(_respond) as server:
        server.script = [raw]
        with (
            _client(server, max_bytes=1_000_000) as client,
            pytest.raises(BadVenueAnswer, match="more than the 1000000 bytes"),
        ):
            client.get("/x", {})
        assert len(server.seen) == 1


def test_no_answer_in_time() -> None:
    with serving(_respond) as server, _client(server, timeout_s=0.05) as client:
        server.script = [Raw(b"{}", delay_ms=400)] * 4
        with pytest.raises(VenueUnreachable, match="no answer in time"):
            client.get("/x", {})


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        slept = Slept()
        with (
            Client("someone", f"http://127.0.0.1:{taken.getsockname()[1]}", sleep=slept) as client,
            pytest.raises(VenueUnreachable, match="no connection"),
        ):
            client.get("/x", {})
    assert slept.waits_s == [1, 2, 4]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with serving(_respond) as elsewhere, serving(_respond) as server, _client(server) as client:
        server.script = [Raw(b"", status, {"Location": f"{elsewhere.url}/{KEY}?key={KEY}"})]
        with pytest.raises(BadVenueAnswer, match=r"redirect to 127\.0\.0\.1") as raised:
            client.get("/x", {})
        assert elsewhere.seen == []
    assert KEY not in str(raised.value)


def test_a_redirect_within() -> None:
    with serving(_respond) as server, _client(server) as client:
        server.script = [Raw(b"", 302, {"Location": "/elsewhere"})]
        with pytest.raises(BadVenueAnswer, match="another path"):
            client.get("/x", {})
        assert len(server.seen) == 1


@pytest.mark.parametrize("url", ["http://example.com", "ftp://127.0.0.1", "example.com", "", "https://"])
def test_addresses_that_are_not_asked(url: str) -> None:
    with pytest.raises(InputError, match="address given for someone"):
        Client("someone", url)


def test_a_netrc_does_not_replace_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with (
        serving(_respond) as server,
        Client("someone", server.url, headers={"Authorization": f"Bearer {KEY}"}, sleep=Slept()) as client,
    ):
        client._session.trust_env = True
        client.get("/x", {})
        assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_proxy_of_the_environment_is_not_asked_about_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(_respond) as proxy, serving(_respond) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with _client(server) as client:
            client.get("/x", {})
        assert proxy.seen == []
        assert len(server.seen) == 1
