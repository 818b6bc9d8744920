"""A heatmap where stdout's encoding lacks the characters that it is drawn with."""

from __future__ import annotations

import io
import sys

import pytest

from defiliq.cli.letters import write_what_fits
from defiliq.view.heatmap_terminal import print_heatmap
from defiliq.view.terminal import print_lines
from tests.view.heat_stage import seeds_heat


def shown_in(encoding: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    write_what_fits()
    print_heatmap(seeds_heat(), ())
    print_lines(["☕ kLATTE 0x12…34"])
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return out.buffer.getvalue().decode(encoding).splitlines()


def test_ascii_has_a_look_alike_for_each_glyph_and_columns_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown_in("ascii", monkeypatch)
    assert ">    $57,000 -- current price ----------           Longs (current price area)" in lines
    assert "     $56,800 ######                         16.00M Moderate long liquidation" in lines
    assert "           : 0.299% without levels" in lines
    assert "== short: bought back when BTC rises to the price" in lines
    assert lines[-1] == "\\u2615 kLATTE 0x12~34"


@pytest.mark.parametrize(("encoding", "bar"), [("utf-8", "██"), ("cp437", "██"), ("latin-1", "##")])
def test_what_an_encoding_has_is_written_in_it(
    encoding: str, bar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"{bar} long: sold off when BTC falls to the price" in shown_in(encoding, monkeypatch)
