"""Keys: read from the environment, sent in headers, and seen nowhere else."""

from __future__ import annotations

import json
import pickle
import traceback
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.cex.providers import Kind, Provider, fetch, providers
from defiliq.cex.providers.client import Client
from defiliq.cex.providers.decode import Field
from defiliq.cex.providers.keys import HIDDEN, LONGEST_SHOWN, keys_of, scrubbed
from defiliq.errors import InputError, NoKey, VenueError
from tests.cex.providers.asking import ask, standing_in
from tests.cex.providers.standin import FIRST_AT, KEYS, STEP_S, UNTIL_AT
from tests.chain.rpc_server import Raw

HEADERS = {
    "coinglass": {"cg-api-key": "COINGLASS_API_KEY"},
    "coinalyze": {"api_key": "COINALYZE_API_KEY"},
    "hyblock": {"x-api-key": "HYBLOCK_API_KEY"},
    "laevitas": {"apikey": "LAEVITAS_API_KEY"},
}
PROOF = b64encode(f"{KEYS['HYBLOCK_CLIENT_ID']}:{KEYS['HYBLOCK_CLIENT_SECRET']}".encode()).decode()
SECRETS = (*KEYS.values(), PROOF, "an-access-token-of-a-day")
WITH_KEYS = [each for each in providers() if each.variables]
ALL_KINDS = [(each.name, kind) for each in providers() for kind in each.offers]


def _holds_a_secret(text: str) -> bool:
    return any(secret in text for secret in SECRETS)


def _everything_of(error: BaseException) -> str:
    """What an error can show: itself, its parts, its chain, its traceback, and itself unpacked elsewhere."""
    texts = []
    seen: BaseException | None = error
    while seen is not None:
        texts += [str(seen), repr(seen), repr(seen.args), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    texts += traceback.format_exception(error)
    return "\n".join(texts)


@pytest.mark.parametrize("provider", WITH_KEYS, ids=lambda each: each.name)
def test_keys_go_into_headers_and_no_url(provider: Provider) -> None:
    name = provider.name
    with standing_in(name) as server:
        ask(server, name, "history")
        for each in server.seen:
            assert not _holds_a_secret(each.target)
            assert not _holds_a_secret(each.body)
        last = server.seen[-1]
        for header, variable in HEADERS[name].items():
            assert last.headers[header] == KEYS[variable]
        others = {value for variable, value in KEYS.items() if variable not in provider.variables}
        assert not others & set(last.headers.values()), "another provider's key"


@pytest.mark.parametrize(("name", "kind"), ALL_KINDS)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 429, 500])
def test_an_answer_that_repeats_all_keys_shows_none(
    name: str, kind: Kind, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    echo = Raw(
        (" ".join(SECRETS) + " was sent").encode(), status, {"Location": f"https://{SECRETS[0]}.example/"}
    )
    with standing_in(name) as server:
        if name == "hyblock":
            server.script = [Raw(b'{"access_token": "an-access-token-of-a-day"}')]
        server.script += [echo] * 9
        with pytest.raises(VenueError) as raised:
            ask(server, name, kind)
    keys = {KEYS[variable] for each in providers() if each.name == name for variable in each.variables}
    shown = _everything_of(raised.value)
    assert not any(key in shown for key in keys)
    if name == "hyblock":
        assert PROOF not in shown
        assert "an-access-token-of-a-day" not in shown
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_a_broken_connection_drags_no_request_behind_its_error() -> None:
    with standing_in("coinalyze") as server:
        url = server.url
    with pytest.raises(VenueError) as raised:
        fetch(
            "coinalyze",
            "history",
            "BTC",
            FIRST_AT,
            UNTIL_AT,
            STEP_S,
            environment=KEYS,
            base_url=url,
            sleep=lambda _: None,
        )
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None
    assert not _holds_a_secret(_everything_of(raised.value))


def test_a_client_shows_no_key() -> None:
    with Client("someone", "https://example.com/v1", headers={"k": SECRETS[0]}, secrets=SECRETS) as client:
        assert repr(client) == "Client('someone', 'https://example.com/v1')"
        assert str(client) == repr(client)


@pytest.mark.parametrize("name", [each.name for each in providers()])
def test_results_hold_no_key(name: str) -> None:
    kind = next(each for each in providers() if each.name == name).offers[0]
    with standing_in(name) as server:
        found = ask(server, name, kind)
    packed = pickle.dumps(found)
    assert not any(secret.encode() in packed for secret in SECRETS)


def test_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    for name in ("coinglass", "hyblock"):
        with standing_in(name) as server:
            ask(server, name, "history")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("provider", WITH_KEYS, ids=lambda each: each.name)
@pytest.mark.parametrize("unset", [None, "", "   "])
def test_a_missing_key_is_named_and_nothing_is_asked(provider: Provider, unset: str | None) -> None:
    name, variables = provider.name, provider.variables
    for missing in variables:
        environment = {key: value for key, value in KEYS.items() if key != missing}
        if unset is not None:
            environment[missing] = unset
        with standing_in(name) as server:
            with pytest.raises(NoKey) as raised:
                ask(server, name, "history", environment=environment)
            assert server.seen == []
        assert raised.value.exit_code == 2
        assert raised.value.variable == missing
        assert missing in str(raised.value)
        assert not _holds_a_secret(_everything_of(raised.value))


@pytest.mark.parametrize("key", ["a\r\nX-Other: b", "schlüssel-1", "a\x00b"])
def test_a_key_that_no_header_can_hold(key: str) -> None:
    with standing_in("coinalyze") as server:
        with pytest.raises(InputError, match="COINALYZE_API_KEY") as raised:
            ask(server, "coinalyze", "history", environment={"COINALYZE_API_KEY": key})
        assert server.seen == []
    assert key not in str(raised.value)


def test_blanks_around_a_key_are_not_part_of_it() -> None:
    coinalyze = next(each for each in providers() if each.name == "coinalyze")
    assert keys_of(coinalyze, {"COINALYZE_API_KEY": " abc\n"}) == ("abc",)


@given(st.text(max_size=300), st.lists(st.text("abc-", min_size=4, max_size=9), min_size=1, max_size=3))
def test_scrubbed_text(text: str, secrets: list[str]) -> None:
    words = f"{secrets[0]} {text} {secrets[-1]}{secrets[0]}"
    shown = scrubbed(words, secrets)
    assert len(shown) <= LONGEST_SHOWN
    assert shown.isprintable()
    assert not any(secret in shown for secret in secrets)
    assert shown.startswith(HIDDEN)


def test_a_secret_that_begins_like_another_is_hidden_whole() -> None:
    assert scrubbed("it was abcdef, abc", ["abc", "abcdef"]) == f"it was {HIDDEN}, {HIDDEN}"


AWKWARD = """a/b+c=d\\e"f'g-0123456789abcdef"""


@pytest.mark.parametrize(
    "written",
    [
        quote(AWKWARD, safe=""),
        json.dumps(AWKWARD),
        json.dumps(AWKWARD).replace("/", "\\/"),
        repr(AWKWARD),
        repr(AWKWARD.replace('"', "")),
    ],
)
def test_an_escaped_secret_is_hidden_as_well(written: str) -> None:
    shown = scrubbed(f"no such key: {written}", (AWKWARD, AWKWARD.replace('"', "")))
    assert "0123456789abcdef" not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize("before", range(0, 60, 3))
def test_a_value_that_repeats_a_key_shows_no_part_of_it(before: int) -> None:
    key = "0123456789abcdef0123456789abcdef"
    with Client("someone", "https://example.com/v1", secrets=(key,)) as client:
        error = Field("x" * before + key, "/x", client.bad).wrong("a number")
    assert not any(key[i : i + 6] in str(error) for i in range(len(key) - 6))


def test_a_redirect_to_a_host_named_like_a_key_in_small_letters() -> None:
    key = "AbCdEf0123456789xYz"
    away = Raw(b"", 302, {"Location": f"https://{key}.example/"})
    with standing_in("coinalyze") as server:
        server.script = [away]
        with pytest.raises(VenueError) as raised:
            ask(server, "coinalyze", "history", environment={"COINALYZE_API_KEY": key})
    assert key.lower() not in _everything_of(raised.value).lower()
    assert f"{HIDDEN}.example" in str(raised.value)
