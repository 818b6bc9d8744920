"""Measure and write docs/lift.md. Run it through scripts/lift; it takes some minutes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.cex.lift.measure import all_real_days, compared_on_real_days, on_simulated
from tests.cex.lift.page import page

PAGE = Path(__file__).parents[3] / "docs" / "lift.md"


def main() -> int:
    """1 where --check finds a page that is not current."""
    parser = argparse.ArgumentParser(
        prog="scripts/lift",
        description="Measure how much better than chance estimated levels are; write docs/lift.md.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page differs")
    args = parser.parse_args()
    text = page(all_real_days(), compared_on_real_days(), on_simulated())
    if args.check:
        is_current = PAGE.read_text(encoding="utf-8") == text
        sys.stderr.write("the page is current\n" if is_current else f"not current: {PAGE.name}\n")
        return 0 if is_current else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
