"""The command line: parse, call the pipeline, print. Every import that is slow waits until it is needed."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import click

from defiliq import __version__
from defiliq.cli.cascade import cascade
from defiliq.cli.cex import cex
from defiliq.cli.clusters import clusters, magnet
from defiliq.cli.compare import compare
from defiliq.cli.depth import depth
from defiliq.cli.events import events
from defiliq.cli.feeds import feeds
from defiliq.cli.heatmap import heatmap
from defiliq.cli.ladder import ladder
from defiliq.cli.letters import write_what_fits
from defiliq.cli.markets import markets
from defiliq.cli.opportunities import opportunities
from defiliq.cli.position import position
from defiliq.cli.positions import positions
from defiliq.cli.report import report
from defiliq.cli.scan import scan, snapshot
from defiliq.cli.score import score
from defiliq.cli.stress import stress
from defiliq.cli.talk import printable
from defiliq.cli.triggers import triggers
from defiliq.cli.verify import verify
from defiliq.cli.watch import watch
from defiliq.errors import DefiliqError

INTERRUPTED = 130
_FULL = (errno.ENOSPC, errno.EDQUOT)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def defiliq() -> None:
    """Exact on-chain liquidation ladders, read from a node.

    Data goes to stdout or to the file of --output, talk to stderr. Exit codes: 0 complete, 1 error or
    disagreement, 2 usage, 3 incomplete.
    """


_COMMANDS = (
    *(markets, scan, snapshot, position, positions, ladder, feeds, triggers, stress, verify),
    *(clusters, magnet, heatmap, cascade, depth, events, report, cex, compare),
    opportunities,
    watch,
    score,
)
for _command in _COMMANDS:
    defiliq.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code. Expected errors become one line on stderr.

    Not through click's own `main`, which ends the process with 1 when a reader such as `head` leaves early.
    """
    write_what_fits()
    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        with defiliq.make_context("defiliq", words) as context:
            defiliq.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except DefiliqError as error:
        click.echo(f"Error: {printable(str(error))}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        said = "Interrupted. Run it again: a search for accounts goes on where it was, all else begins anew."
        click.echo(said, err=True)
        return INTERRUPTED
    except BrokenPipeError:  # the reader has gone
        _leave_stdout()
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _leave_stdout()
        click.echo(f"Error: cannot write on stdout: {error.strerror}.", err=True)
        return DefiliqError.exit_code
    return 0


def _leave_stdout() -> None:
    """Point stdout elsewhere, or Python complains when it flushes at exit what nobody takes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
