"""Pools in files: they come back equal, and damaged ones are refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.depth import files
from defiliq.depth.files import load_pools, save_pools
from defiliq.depth.read import Pool
from defiliq.errors import BadFile, InputError
from tests.builders import BLOCK, address
from tests.depth.pools import deep, pools_v2, pools_v3


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(pools_v3(), pools_v2()), min_size=1, max_size=3))
def test_what_is_saved_comes_back(tmp_path: Path, pools: list[Pool]) -> None:
    path = save_pools(pools, BLOCK, tmp_path / "pools.json")
    assert load_pools(path) == (BLOCK, tuple(pools))
    assert [each.name for each in tmp_path.iterdir()] == ["pools.json"]


def damaged(tmp_path: Path, change: Callable[[Any], object]) -> Path:
    """A file with something wrong in it."""
    path = save_pools([deep()], BLOCK, tmp_path / "pools.json")
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it.update(format="other"), "not of format"),
        (lambda it: it.update(version=2), "not of format"),
        (lambda it: it.pop("pools"), "it has no 'pools'"),
        (lambda it: it.update(pools=[]), "1 to 64 pools"),
        (lambda it: it.update(pools={}), "1 to 64 pools"),
        (lambda it: it["block"].pop("hash"), "it has no 'hash'"),
        (lambda it: it["block"].update(chain_id="x"), "'x' is no integer"),
        (lambda it: it["block"].update(chain_id=True), "'True' is no integer"),
        (lambda it: it["block"].update(number=-1), "below 0"),
        (lambda it: it["pools"][0].update(base_is_token0="false"), "neither true nor false"),
        (lambda it: it["block"].update(number=1.5), "'1.5' is no integer"),
        (lambda it: it["pools"][0].update(kind="v9"), "no known kind"),
        (lambda it: it["pools"][0].update(liquidity="1"), "its ticks make a liquidity of"),
        (lambda it: it["pools"][0].update(liquidity="1e5"), "no integer"),
        (lambda it: it["pools"][0].update(tick=True), "no integer"),
        (lambda it: it["pools"][0]["ticks"].append(it["pools"][0]["ticks"][0]), "a tick is there twice"),
        (lambda it: it["pools"][0]["ticks"].append([60]), "it holds no sound pools"),
        (lambda it: it["pools"][0]["ticks"].append(60), "it holds no sound pools"),
        (lambda it: it["pools"][0]["base"].update(decimals=99), "99 decimals"),
        (lambda it: it["pools"][0]["base"].update(symbol="a\nb"), "no name"),
        (lambda it: it["pools"][0].update(quote=it["pools"][0]["base"]), "are the same"),
        (lambda it: it["pools"][0].update(base=None), "it holds no sound pools"),
        (lambda it: it.update(pools=[7]), "it holds no sound pools"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, change: Callable[[Any], object], said: str) -> None:
    with pytest.raises(BadFile, match=said) as caught:
        load_pools(damaged(tmp_path, change))
    assert "\n" not in str(caught.value)


def test_a_pool_that_is_there_twice_would_be_twice_as_deep(tmp_path: Path) -> None:
    pools = [replace(deep(), address=address(0xAB)), replace(deep(), address=address(0xAB).lower())]
    with pytest.raises(BadFile, match="a pool is there twice"):
        load_pools(save_pools(pools, BLOCK, tmp_path / "pools.json"))


def test_what_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        save_pools([deep()], BLOCK, tmp_path / "pools.json")
    assert list(tmp_path.iterdir()) == []


def test_others_may_read_what_is_saved(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    path = save_pools([deep()], BLOCK, tmp_path / "pools.json")
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"7"])
def test_what_is_no_such_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pools.json"
    path.write_bytes(content)
    with pytest.raises(BadFile):
        load_pools(path)


def test_too_large_absent_and_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_pools([deep()], BLOCK, tmp_path / "pools.json")
    with pytest.raises(InputError, match="No such file"):
        save_pools([deep()], BLOCK, tmp_path / "none" / "pools.json")
    with pytest.raises(BadFile, match="No such file"):
        load_pools(tmp_path / "none.json")
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    with pytest.raises(BadFile, match="larger than"):
        load_pools(path)
