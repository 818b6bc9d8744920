"""The help of every command as one page."""

from __future__ import annotations

from collections.abc import Iterator

import click

from defiliq.errors import InputError

WIDTH = 100


def render_manual() -> str:
    """docs/cli.md: what `defiliq` and each of its commands say about themselves."""
    from defiliq.cli import defiliq

    root = _context(defiliq, "defiliq", None)
    pages = ["# Command line\n\nWritten by `scripts/render_help` from the commands' own help.\n"]
    pages.append(_page("defiliq", defiliq.get_help(root)))
    for name, context in commands_of(defiliq, root):
        pages.append(_page(name, context.command.get_help(context)))
    return "\n".join(pages)


def commands_of(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Context]]:
    """(`defiliq cex price`, its context) of every command below a group, by name, groups before theirs."""
    for name in sorted(group.commands):
        command = group.commands[name]
        below = _context(command, name, context)
        yield below.command_path, below
        if isinstance(command, click.Group):
            yield from commands_of(command, below)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    settings = {"help_option_names": ["-h", "--help"]}
    return click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, **settings)  # type: ignore[arg-type]


def _page(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text}\n```\n"


def render_events_page(page: str) -> str:
    """docs/watch.md with the schema of events in its place; InputError where the place is not marked."""
    from defiliq.watch.schema import render_schema

    before, first, rest = page.partition("<!-- schema")
    mark, end_of_mark, old = rest.partition("-->\n")
    _, last, after = old.partition("<!-- end of schema -->")
    if not (first and end_of_mark and last):
        raise InputError("the page has no place for the schema. Mark it as docs/watch.md does.")
    return f"{before}{first}{mark}{end_of_mark}\n{render_schema()}\n{last}{after}"
