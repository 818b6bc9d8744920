"""Print the tables and write them down. Run it through scripts/sensitivity."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from defiliq.view.charts import write_picture
from tests.sensitivity.page import at_published_fall, branching, page
from tests.sensitivity.picture import draw
from tests.sensitivity.study import differences, study, write_figures

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE = DOCS / "sensitivity.md", DOCS / "pictures" / "sensitivity.svg"


def main() -> int:
    """1 where --check finds a page or figures that are not current."""
    parser = argparse.ArgumentParser(
        prog="scripts/sensitivity",
        description="Say what falls of ETH make liquidatable in bundled books; write docs/sensitivity.md.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when something differs")
    args = parser.parse_args()
    found = study()
    sys.stdout.write(f"{at_published_fall(found)}\n\n{branching(found)}\n")
    if args.check:
        stale = differences(found)
        if PAGE.read_text(encoding="utf-8") != page(found):
            stale.append(PAGE.name)
        sys.stderr.write(f"not current: {', '.join(stale)}\n" if stale else "all is current\n")
        return 1 if stale else 0
    PICTURE.parent.mkdir(exist_ok=True)
    write_picture(draw(found), PICTURE)
    PAGE.write_text(page(found), encoding="utf-8")
    write_figures(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
