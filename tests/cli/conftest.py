"""A snapshot, a market file and a fake node behind every URL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from defiliq.cli import main
from defiliq.pipeline.snapshot import save_snapshot
from defiliq.protocols import PROTOCOLS
from tests.builders import address, book
from tests.fakes import FakeNode, fake_protocol

Run: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line; its exit code, stdout and stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No node, config or index of the person who runs the tests is seen or touched."""
    for name in ("ETH_RPC_URL", "RPC_URL_1", "RPC_URL_31337", "RPC_URL_dydx_mainnet_1"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """The test book as a file."""
    return save_snapshot(book(), tmp_path / "book.parquet")


@pytest.fixture
def market_file(tmp_path: Path) -> Path:
    """The file that names the fake market."""
    path = tmp_path / "market.json"
    fields = {
        "protocol": "aave-v3",
        "name": "Local",
        "chain_id": 31337,
        "from_block": 5,
        "addresses": {"pool_addresses_provider": address(0xE001)},
    }
    path.write_text(json.dumps(fields))
    return path


class Fakes:
    """What the fake chain is like, and which URLs were connected to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.node = FakeNode()
        self.urls: list[str] = []
        self.protocol()

    def protocol(self, **changes: Any) -> None:
        """Change how the protocol answers; see `fake_protocol`."""
        self._monkeypatch.setitem(PROTOCOLS, "aave-v3", fake_protocol(book(), **changes))

    def connect(self, url: str, **options: Any) -> FakeNode:
        """In place of chain.evm.connect."""
        self.urls.append(url)
        return self.node


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fakes]:
    """A fake chain behind every URL."""
    fakes = Fakes(monkeypatch)
    monkeypatch.setattr("defiliq.chain.evm.connect", fakes.connect)
    yield fakes
    assert fakes.node.closed or not fakes.urls
