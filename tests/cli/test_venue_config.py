"""Where exchanges are asked, and whether they are: the config file, the environment, and mistakes in both."""

from __future__ import annotations

from pathlib import Path

import pytest

from defiliq.cli.venue_config import LIVE, SAMPLE, venue_settings
from defiliq.errors import InputError
from tests.cli.conftest import Run
from tests.cli.test_cex import SIMULATED, refused

FILE = '[cex]\nsource = "live"\n[venues]\nbinance = "http://127.0.0.1:1"\nokx = "http://127.0.0.1:2"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The file that commands read."""
    path = tmp_path / "config" / "defiliq" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_without_any_the_sample_is_taken(tmp_path: Path) -> None:
    found = venue_settings(tmp_path / "none.toml", {})
    assert (found.source, dict(found.urls)) == (SAMPLE, {})


def test_the_environment_wins_over_the_file(config: Path) -> None:
    config.write_text(FILE)
    found = venue_settings(config, {})
    assert (found.source, found.urls["okx"]) == (LIVE, "http://127.0.0.1:2")
    environment = {"DEFILIQ_CEX": " sample ", "VENUE_URL_OKX": "http://127.0.0.1:3", "VENUE_URL_BYBIT": " "}
    found = venue_settings(config, environment)
    assert found.source == SAMPLE
    assert found.urls == {"binance": "http://127.0.0.1:1", "okx": "http://127.0.0.1:3"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cex\n", "it is not TOML"),
        ('[cex]\nsource = "maybe"\n', "is 'maybe'. Set it to live or to sample."),
        ("[cex]\nsource = 1\n", "1 must be a text"),
        ("cex = 1\n", "[cex] must be a table"),
        ("venues = []\n", "[venues] must be a table"),
        ("[venues]\nokx = 1\n", "1 must be a text"),
        ('[venues]\nokkx = "http://127.0.0.1:1"\n', "'okkx' in [venues] or VENUE_URL_OKKX is no exchange"),
        ('[cex]\nsource = "live"\n[venues]\nokx = "secret-place"\n', "the address configured for okx cannot"),
    ],
)
def test_mistakes_in_the_file_are_told_in_one_line(run: Run, config: Path, text: str, said: str) -> None:
    config.write_text(text)
    told = refused(run, "cex", "BTC", "--venue", "okx")
    assert said in told
    assert "secret-place" not in told


def test_a_folder_is_no_file(config: Path) -> None:
    config.mkdir()
    with pytest.raises(InputError, match="directory"):
        venue_settings(config, {})


def test_options_win_over_the_configuration(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at these addresses, so asking would fail."""
    config.write_text(FILE)
    monkeypatch.setenv("DEFILIQ_CEX", "live")
    code, out, err = run("cex", "BTC", "--venue", "okx", "--sample", "--prior", "mid")
    assert (code, err) == (0, SIMULATED)
    assert out
    assert "VENUE_URL_KRAKEN" in _told(run, monkeypatch)


def _told(run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("VENUE_URL_KRAKEN", "http://127.0.0.1:1")
    return refused(run, "cex", "BTC", "--sample")
