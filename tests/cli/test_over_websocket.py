"""Commands over ws:// say what they say over http://, and misbehaviour there ends as it does here."""

from __future__ import annotations

from pathlib import Path

import pytest

from defiliq.chain.replay import record, replay
from tests.chain.ws_server import ws_serving
from tests.cli.conftest import Run
from tests.lab import Lab


@pytest.mark.lab
@pytest.mark.parametrize(
    "command",
    [
        ("scan", "--no-index"),
        ("scan", "--concurrency", "4"),
        ("ladder", "--driver", "WETH"),
        ("verify", "--sample", "10", "--levels"),
    ],
    ids=lambda command: " ".join(command),
)
def test_a_websocket_tells_the_same(run: Run, lab_v36: Lab, tmp_path: Path, command: tuple[str, ...]) -> None:
    market = lab_v36.market_file(tmp_path / "lab.json")
    name, *options = command
    said = {}
    for scheme in ("http", "ws"):
        url = lab_v36.url.replace("http:", f"{scheme}:")
        code, out, err = run(
            name, "aave-v3", "--market-file", market, "-r", url, "--block", "latest", *options
        )
        assert code == 0, err
        said[scheme] = out
    assert len(said["ws"].splitlines()) > 2
    assert said["ws"] == said["http"]


@pytest.mark.lab
def test_a_recording_over_a_websocket_replays(lab_v36: Lab, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json.gz"
    with record(lab_v36.url.replace("http:", "ws:"), kept) as node:
        block = node.block("latest")
        head = node.head("latest")
    with replay(kept) as again:
        assert (again.block("latest"), again.head("latest")) == (block, head)


def test_a_dead_websocket_ends_in_one_line(run: Run, market_file: Path) -> None:
    with ws_serving(lambda *_: None) as server:
        url = f"{server.url}/v2/abcdef0123456789"
        server.refusals = [(401, "no")] * 20
        code, out, err = run("scan", "aave-v3", "--market-file", market_file, "-r", url, "--no-index")
    assert code == 1
    assert out == ""
    assert "is the key valid" in err
    assert "abcdef" not in err
    assert "Traceback" not in err
