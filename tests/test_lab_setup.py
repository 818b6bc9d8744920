"""Setting the lab up: what it says when something is missing, and what it leaves behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab import Lab, LabError, start_lab
from tests.lab.cache import PROJECT_ROOT
from tests.lab.packages import node_modules


@pytest.mark.lab
def test_the_command_serves_a_market_file_and_ends_its_node(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    command = [sys.executable, "-m", "tests.lab", "--users", "25", "--market-file", str(path)]
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        listing = json.loads(path.read_text())
        process.terminate()
        assert process.wait(30) == 0
    assert (listing["protocol"], listing["chain_id"]) == ("aave-v3", 31337)
    assert set(listing["addresses"]) == {"pool_addresses_provider"}
    port = int(said["url"].rsplit(":", 1)[1])
    assert not _is_open(port)


def _is_open(port: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return False
        time.sleep(0.05)
    return True


@pytest.mark.lab
def test_a_taken_port_is_refused_and_its_node_left_alone(lab_v36: Lab) -> None:
    height = lab_v36.chain.height()
    port = int(lab_v36.url.rsplit(":", 1)[1])
    with pytest.raises(LabError, match=f"port {port} of this machine cannot be had"):
        start_lab("v3.6", users=25, port=port)
    assert lab_v36.chain.height() == height


def test_without_npm_the_reason_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFILIQ_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="npm is missing: install") as caught:
        node_modules()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            'echo "npm error 404 no such thing" >&2; exit 1',
            "could not fetch .*404 no such thing.*check the network",
        ),
        ('cd "$4" && for f in $FILES; do echo wrong > "$f"; done', "is not the pinned file"),
        ("exit 0", "npm pack left no"),
    ],
)
def test_a_bad_download_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    table = json.loads((PROJECT_ROOT / "tests" / "lab" / "packages.json").read_text())["packages"]
    names = [f"{name.lstrip('@').replace('/', '-')}-{entry['version']}.tgz" for name, entry in table.items()]
    monkeypatch.setenv("FILES", " ".join(names))
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DEFILIQ_LAB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(LabError, match=said) as caught:
        node_modules()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache" / "node_modules" / "viem").exists()
