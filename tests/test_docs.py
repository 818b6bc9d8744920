"""Every command explains itself, and the written pages say what the commands say."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from defiliq.cli import defiliq
from defiliq.cli.manual import commands_of, render_events_page, render_manual

ROOT = Path(__file__).parent.parent
COMMANDS = sorted(defiliq.commands)
PATHS = {
    path: context.command
    for path, context in commands_of(defiliq, click.Context(defiliq, info_name="defiliq"))
}
"""Every command, those of groups too: `defiliq cex price`."""


def test_the_commands_are_the_promised_ones() -> None:
    assert set(COMMANDS) >= {"markets", "scan", "snapshot", "position", "ladder", "feeds", "verify"}


@pytest.mark.parametrize("path", PATHS)
def test_a_command_and_all_its_options_have_help(path: str) -> None:
    command = PATHS[path]
    assert command.help
    assert command.short_help
    assert len(command.short_help) <= 45
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name


def test_the_manual_is_current() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == render_manual(), "run scripts/render_help"


def test_the_schema_of_events_is_current() -> None:
    written = (ROOT / "docs" / "watch.md").read_text(encoding="utf-8")
    assert "| `retracted` |" in written
    assert written == render_events_page(written), "run scripts/render_help"


@pytest.mark.parametrize("path", PATHS)
def test_the_readme_or_a_page_mentions_every_command(path: str) -> None:
    page = "docs/cex.md" if path.startswith("defiliq cex ") else "README.md"
    assert path in (ROOT / page).read_text(encoding="utf-8")
