"""The help of every command as one page."""

from __future__ import annotations

import click

WIDTH = 100


def render_manual() -> str:
    """docs/cli.md: what `defiliq` and each of its commands say about themselves."""
    from defiliq.cli import defiliq

    root = _context(defiliq, "defiliq", None)
    pages = ["# Command line\n\nWritten by `scripts/render_help` from the commands' own help.\n"]
    pages.append(_page("defiliq", defiliq.get_help(root)))
    for name in sorted(defiliq.commands):
        command = defiliq.commands[name]
        pages.append(_page(f"defiliq {name}", command.get_help(_context(command, name, root))))
    return "\n".join(pages)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    settings = {"help_option_names": ["-h", "--help"]}
    return click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, **settings)  # type: ignore[arg-type]


def _page(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text}\n```\n"
