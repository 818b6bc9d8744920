"""`defiliq stress`: what joint moves of drivers do to whole books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from defiliq.cli.options import Source, format_option, output_option, source_options
from defiliq.cli.printing import (
    INCOMPLETE,
    SHAPES,
    TABLES,
    default_shape,
    print_table,
    require_format,
    require_use,
    write_output,
)
from defiliq.cli.talk import Talk

if TYPE_CHECKING:
    import pandas as pd

    from defiliq.book import Book
    from defiliq.pipeline.shocks import Shock
    from defiliq.pipeline.stressed import Curve, StressResult

PICTURES = ".png .svg"
STEPS = 20


@click.command(short_help="Joint moves of drivers, exact verdicts.")
@source_options
@click.option(
    "--set",
    "moves",
    multiple=True,
    metavar="MOVE",
    help="DRIVER=-20%, DRIVER=+5% or DRIVER=2400; cap:wstETH=-2.85% is of what the cap limits. Repeatable.",
)
@click.option("--preset", metavar="NAME", help="What once happened, as moves: see --list-presets.")
@click.option("--list-presets", is_flag=True, help="Explain the presets and their sources, and read nothing.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="SPEC",
    help="Feeds that move together: NAME=LEAD,FOLLOWER[:NUM/DEN],...",
)
@click.option("--curve", is_flag=True, help="The way there instead: the same moves in equal steps from spot.")
@click.option(
    "--steps",
    type=click.IntRange(1, 1000),
    default=STEPS,
    show_default=True,
    metavar="N",
    help="Steps of the curve.",
)
@click.option("--log", is_flag=True, help="Draw the picture on a logarithmic scale, as lines.")
@click.option(
    "--by",
    type=click.Choice(["reserve", "total", "driver", "account"]),
    help="Rows as data.  [default: reserve; total with --curve]",
)
@output_option(f"{TABLES}, or a picture of the curve: {PICTURES}")
@format_option(SHAPES)
@click.pass_context
def stress(
    ctx: click.Context,
    source: Source,
    moves: tuple[str, ...],
    preset: str | None,
    list_presets: bool,
    groups: tuple[str, ...],
    curve: bool,
    steps: int,
    log: bool,
    by: str | None,
    output: str | None,
    shape: str | None,
) -> None:
    """What happens when several drivers move at once: who breaks, first calls, bad debt.

    A percentage is of where the driver stands, rounded down to its integers. What hangs on it follows through
    its source's own arithmetic; nobody reacts. Bad debt is what accounts owe beyond what backs it.
    """
    if list_presets:
        _list_presets()
        return
    is_picture = _is_picture(output)
    _require_fitting(ctx, output, by, is_curve=curve or is_picture)
    shocks = _shocks(moves, preset)
    from defiliq.cli.sources import opened

    talk = Talk(quiet=source.quiet)
    with opened(source, talk) as markets:
        if is_picture and len(markets) != 1:
            raise click.UsageError(f"A picture shows one market, and {len(markets)} were named.")
        books = [market.book for market in markets]
    incomplete = any(book.failed for book in books)
    if len(books) > 1:
        shocks, books = _movable(books, shocks, groups, talk)
    if curve or is_picture:
        _show_curves(_curves(books, shocks, groups, steps, talk), by, log, output, shape, talk)
    else:
        _show(_results(books, shocks, groups, talk), by or "reserve", output, shape, talk)
    if incomplete:
        ctx.exit(INCOMPLETE)


def _require_fitting(ctx: click.Context, output: str | None, by: str | None, *, is_curve: bool) -> None:
    """Refuse options that contradict each other, or that nothing reads."""
    require_format(output, f"{TABLES} {PICTURES}")
    if is_curve and by in ("driver", "account"):
        raise click.UsageError("A curve has rows by reserve or in total. Leave out --curve, or change --by.")
    require_use(ctx, "steps", is_used=is_curve, needed="--curve or a picture")
    require_use(ctx, "log", is_used=_is_picture(output), needed="a picture: -o FILE.png")


def _is_picture(output: str | None) -> bool:
    return output is not None and Path(output).suffix.lower() in PICTURES.split()


def _list_presets() -> None:
    from defiliq.pipeline.presets import presets
    from defiliq.view.stress import preset_lines
    from defiliq.view.terminal import print_lines

    rows = [(p.name, f"{p.date}: {p.title}", p.moves, p.description, p.sources) for p in presets()]
    print_lines(preset_lines(rows))


def _shocks(moves: Sequence[str], name: str | None) -> list[Shock]:
    """What was asked for; a preset's moves are left out where a market has no such driver."""
    from defiliq.pipeline.presets import preset
    from defiliq.pipeline.shocks import parse_shock

    shocks = [parse_shock(move) for move in moves]
    if name is not None:
        shocks += preset(name).shocks
    if not shocks:
        raise click.UsageError("Name a move with --set DRIVER=-20%, or a --preset; --list-presets has some.")
    return shocks


def _movable(
    books: Sequence[Book[Any]], shocks: Sequence[Shock], groups: Sequence[str], talk: Talk
) -> tuple[list[Shock], list[Book[Any]]]:
    """Of several markets those that have one of the drivers; it is said what each has nothing of."""
    from defiliq.pipeline.shocks import resolve_shocks
    from defiliq.pipeline.stress import nothing_to_move, nothing_to_move_anywhere

    optional = [replace(shock, is_optional=True) for shock in shocks]
    resolved = [resolve_shocks(book.market, optional, groups) for book in books]
    kept = [book for book, (moves, _) in zip(books, resolved, strict=True) if moves]
    if not kept:
        raise nothing_to_move(books[0].market, resolved[0][1])
    for shock in shocks:
        if not shock.is_optional and all(shock.name in [each.name for each in none] for _, none in resolved):
            raise nothing_to_move_anywhere(shock)
    for book, (moves, _) in zip(books, resolved, strict=True):
        if not moves:
            talk.say(f"{book.market.protocol} {book.market.name} is left out: it has none of these drivers")
    return optional, kept


def _results(
    books: Sequence[Book[Any]], shocks: Sequence[Shock], groups: Sequence[str], talk: Talk
) -> list[StressResult]:
    from defiliq.pipeline.stress import stress as run

    found = []
    for book in books:
        with talk.progress("Stressing") as tell:
            result = run(
                book,
                shocks,
                groups,
                on_progress=lambda done, total: tell(done, total, "liquidatable accounts"),
            )
        _say_missing(result.missing, book, talk)
        found.append(result)
    return found


def _curves(
    books: Sequence[Book[Any]], shocks: Sequence[Shock], groups: Sequence[str], steps: int, talk: Talk
) -> list[Curve]:
    from defiliq.pipeline.stress import stress_curve

    found = []
    for book in books:
        with talk.progress("Stressing") as tell:
            curve = stress_curve(
                book, shocks, groups, steps=steps, on_progress=lambda done, total: tell(done, total, "steps")
            )
        _say_missing(curve.missing, book, talk)
        found.append(curve)
    return found


def _say_missing(missing: Sequence[Shock], book: Book[Any], talk: Talk) -> None:
    for shock in missing:
        talk.say(f"{book.market.protocol} {book.market.name} has nothing that {shock.text} moves: left out")


def _show(
    results: Sequence[StressResult], by: str, output: str | None, shape: str | None, talk: Talk
) -> None:
    """The results in a file or on stdout."""
    rows = _joined([_rows(result, by) for result in results])
    if output is not None:
        write_output(rows, output, talk)
    if default_shape(shape) != "table":
        if output is None or shape is not None:
            for result in results:
                _describe(result.book, talk)
            print_table(rows, default_shape(shape))
        return
    if output is not None and shape is None:
        return
    _print(results)


def _print(results: Sequence[StressResult]) -> None:
    from defiliq.cli.sources import coverage, headline
    from defiliq.view.stress import print_stress, print_sum
    from defiliq.view.terminal import print_lines

    for result in results:
        print_lines([headline(result.market), coverage(result.book), ""])
        print_stress(result.totals, result.moved, result.reserves)
        print_lines([""])
    bases = {result.market.base_symbol for result in results}
    named = {(result.market.protocol, result.market.block.chain_id, result.market.name) for result in results}
    if len(results) > 1 and len(bases) == 1 and len(named) == len(results):  # else accounts would count twice
        print_sum([result.totals for result in results])


def _rows(result: StressResult, by: str) -> pd.DataFrame:
    tables = {"reserve": "reserves", "total": "totals", "driver": "moved", "account": "accounts"}
    table: pd.DataFrame = getattr(result, tables[by])
    return table


def _show_curves(
    curves: Sequence[Curve], by: str | None, log: bool, output: str | None, shape: str | None, talk: Talk
) -> None:
    """The curves in a file, as a picture, or on stdout."""
    rows = _joined([curve.reserves if by == "reserve" else curve.totals for curve in curves])
    if output is not None and _is_picture(output):
        _draw(curves[0], log, output, talk)
    elif output is not None:
        write_output(rows, output, talk)
    if output is not None and shape is None:
        return
    if default_shape(shape) != "table":
        print_table(rows, default_shape(shape))
        return
    from defiliq.cli.sources import headline
    from defiliq.view.stress import moved_lines, print_curve
    from defiliq.view.terminal import print_lines

    for curve in curves:
        print_lines([headline(curve.market), "", *moved_lines(curve.moved), ""])
        print_curve(curve.totals)


def _draw(curve: Curve, log: bool, output: str, talk: Talk) -> None:
    from defiliq.view.charts import curve_picture, draw_curve, write_picture

    picture = curve_picture(curve.totals, curve.reserves, curve.moved, curve.market.base_symbol)
    talk.say(f"Wrote {write_picture(draw_curve(picture, log=log), output)}")


def _describe(book: Book[Any], talk: Talk) -> None:
    from defiliq.cli.sources import describe

    describe(book, talk)


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    from defiliq.ladder import joined

    return joined(tables)
