"""What of a URL is shown, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.chain.url import Endpoint
from defiliq.errors import BadUrl


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://localhost:8545/", "http://localhost:8545/"),
        ("http://[::1]:8545", "http://[::1]:8545"),
        ("https://eth-mainnet.g.alchemy.com/v2/Ab3dEf6h", "https://eth-mainnet.g.alchemy.com/v2/***"),
        ("https://mainnet.infura.io/v3/0123456789abcdef", "https://mainnet.infura.io/v3/***"),
        ("https://rpc.ankr.com/eth/0123456789abcdef", "https://rpc.ankr.com/eth/***"),
        ("https://lb.drpc.org/ogrpc?network=ethereum&dkey=abc", "https://lb.drpc.org/***?***"),
        ("https://user:pass@node.example/rpc", "https://***@node.example/rpc"),
        ("https://user@node.example", "https://***@node.example"),
        ("https://aa11bb22cc33dd44ee55ff66.node.example/", "https://***.node.example/"),
        ("https://node.example/eth#fragment", "https://node.example/eth"),
        ("https://node.example/a%2Fkey", "https://node.example/***"),
        ("https://node.example/ext/bc/C/rpc", "https://node.example/ext/bc/C/rpc"),
    ],
)
def test_labels(url: str, label: str) -> None:
    assert Endpoint.of(url).label == label


@settings(deadline=None)
@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=6, max_size=64))
def test_a_key_anywhere_but_in_the_host_is_hidden(key: str) -> None:
    key = f"x{key}9"
    url = f"https://{key}:{key}@node.example/v2/{key}/{key}?{key}&a={key}#{key}"
    endpoint = Endpoint.of(url)
    assert key not in endpoint.label
    assert key not in endpoint.scrub(f"the key {key} in {url} is wrong: {key}")


@pytest.mark.parametrize(
    ("url", "is_local"),
    [
        ("http://localhost:1", True),
        ("http://127.0.0.9", True),
        ("http://[::1]:5/x", True),
        ("http://localhost.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_what_is_on_this_machine(url: str, is_local: bool) -> None:
    assert Endpoint.of(url).is_local == is_local


def test_escaped_secrets_are_hidden_in_both_spellings() -> None:
    endpoint = Endpoint.of("https://user:p%40ssword@node.example/")
    assert endpoint.scrub("p%40ssword and p@ssword") == "*** and ***"


def test_long_text_from_outside_is_cut() -> None:
    endpoint = Endpoint.of("https://node.example/")
    assert endpoint.scrub("x" * 1_000, 100) == "x" * 97 + "..."


def test_the_endpoint_does_not_show_its_url_when_printed() -> None:
    endpoint = Endpoint.of("https://user:password@node.example/0123456789abcdef")
    assert "password" not in repr(endpoint)
    assert "0123456789" not in f"{endpoint}"


@pytest.mark.parametrize(
    ("url", "label", "scheme"),
    [
        ("grpc://127.0.0.1:9090", "grpc://127.0.0.1:9090", "grpc"),
        ("GRPCS://Node.Example:443/", "grpcs://node.example:443/", "grpcs"),
        ("grpcs://user:pass@node.example/0123456789abcdef", "grpcs://***@node.example/***", "grpcs"),
        ("grpc://aa11bb22cc33dd44ee55ff66.node.example", "grpc://***.node.example", "grpc"),
    ],
)
def test_other_schemes_have_labels_too(url: str, label: str, scheme: str) -> None:
    endpoint = Endpoint.of(url, ("grpc", "grpcs"))
    assert (endpoint.label, endpoint.scheme) == (label, scheme)


def test_a_scheme_that_is_not_asked_for_is_refused() -> None:
    with pytest.raises(BadUrl, match="its scheme is 'grpc'"):
        Endpoint.of("grpc://127.0.0.1:9090")
    with pytest.raises(BadUrl, match="it has no grpc:// or grpcs:// in front"):
        Endpoint.of("127.0.0.1:9090", ("grpc", "grpcs"))
