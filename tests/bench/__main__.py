"""Print the speed tables. Run it through scripts/bench."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.bench.cascade import bench_cascade
from tests.bench.cex import YEAR, bench_cex
from tests.bench.compound import bench_comet, bench_comptroller
from tests.bench.hour import bench_hour
from tests.bench.levels import bench_levels
from tests.bench.perpetuals import bench_perpetuals
from tests.bench.reading import bench_reading
from tests.bench.report import Missing, Report, machine, render
from tests.bench.verdicts import SAMPLE, bench_verdicts
from tests.bench.watching import bench_watching

PARTS = ("verdicts", "reading", "levels", "compound", "dydx", "cascade", "cex", "watch", "hour")
QUICK_WATCH = 5_000, 60
"""Accounts and blocks of `--quick`."""


def main() -> int:
    """Run the chosen parts. 1 where ways that must agree do not; a ratio that is short only says so."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure defiliq against other ways of doing the same, in one run."
    )
    parser.add_argument("--accounts", type=int, default=1_000_000, help="accounts whose verdicts are timed")
    parser.add_argument("--users", type=int, default=2_000, help="accounts on the local node that are read")
    parser.add_argument("--levels", type=int, default=1_000_000, help="accounts whose levels are solved")
    parser.add_argument("--compound", type=int, default=100_000, help="accounts of each Compound protocol")
    parser.add_argument("--dydx", type=int, default=100_000, help="subaccounts of dYdX v4")
    parser.add_argument("--cascade", type=int, default=100_000, help="accounts whose cascades are simulated")
    parser.add_argument(
        "--snapshots", type=int, default=200, help="snapshots of them that are laid side by side"
    )
    parser.add_argument("--candles", type=int, default=YEAR, help="5-minute candles of each exchange")
    parser.add_argument(
        "--watched", type=int, default=50_000, help="accounts that are watched block by block"
    )
    parser.add_argument("--blocks", type=int, default=600, help="blocks they are watched for, one a second")
    parser.add_argument("--hour", type=int, default=300, help="blocks of the scripted hour")
    parser.add_argument("--quick", action="store_true", help="watch 5,000 accounts for a minute")
    parser.add_argument("--only", choices=PARTS, help="run one part")
    args = parser.parse_args()
    parts: dict[str, Callable[[], list[Report]]] = {
        "verdicts": lambda: [bench_verdicts(args.accounts, sample=SAMPLE)],
        "reading": lambda: [bench_reading(args.users)],
        "levels": lambda: [bench_levels(args.levels)],
        "compound": lambda: [*bench_comet(args.compound), *bench_comptroller(args.compound)],
        "dydx": lambda: bench_perpetuals(args.dydx),
        "cascade": lambda: bench_cascade(args.cascade, args.snapshots),
        "cex": lambda: bench_cex(args.candles),
        "watch": lambda: [bench_watching(*(QUICK_WATCH if args.quick else (args.watched, args.blocks)))],
        "hour": lambda: [bench_hour(args.hour)],
    }
    sys.stdout.write(f"{machine()}\n")
    wrong = 0
    for name in PARTS if args.only is None else (args.only,):
        sys.stderr.write(f"measuring {name} ...\n")
        try:
            reports = parts[name]()
        except Missing as error:
            sys.stdout.write(f"\n{name}: not run. {error}\n")
        else:
            for report in reports:
                sys.stdout.write(f"\n{render(report)}\n")
                wrong += report.is_wrong
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
