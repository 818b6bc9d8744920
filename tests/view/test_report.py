"""The report: the published format, what was read, and nothing of a chain's that is more than text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from defiliq.errors import MissingExtra
from defiliq.model.analysis import Analysis, analyse
from defiliq.model.metrics import DAY_S
from defiliq.model.over_time import over_time
from defiliq.view.depth_curve import depth_curve
from defiliq.view.report_html import report_html, write_report_html
from defiliq.view.report_markdown import escaped, report_markdown
from defiliq.view.report_sections import sections_of
from tests.view.heat_stage import (
    BLOCK_AT,
    SEED_LEVELS,
    Level,
    contagion_of,
    events_of,
    frame_of,
    full_analysis,
    ladder_of,
    thin_depth,
)

HEADINGS = (
    *("Liquidation Overview (24h)", "Key Liquidation Levels", "Heatmap Summary", "Cascade Risk"),
    *("Simulated Cascade", "Post-Liquidation S/R Levels", "Trading Implications"),
    *("Coverage and Provenance", "Limits"),
)
HOSTILE = "</script><img src=x onerror=alert(1)>|`*[x](http://x.y)\x1b[31m\n# h"


def seeds_analysis() -> Analysis:
    levels = [(price, size, "long") for price, size in SEED_LEVELS]
    return analyse([ladder_of(levels, 57_000.0, "BTC/USD")], "BTC/USD")


def page_of(analysis: Analysis) -> str:
    return report_html(analysis, depth=depth_curve(thin_depth(), 3000.0), contagion=contagion_of(analysis))


@pytest.fixture(scope="module")
def plain_page() -> str:
    return page_of(full_analysis())


@pytest.fixture(scope="module")
def hostile_page() -> str:
    return page_of(full_analysis(HOSTILE))


class Tags(HTMLParser):
    """What a browser would see of a page: its tags, and its text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text.append(data)


def test_the_report_has_the_published_sections_in_their_order() -> None:
    text = report_markdown(full_analysis())
    assert text.startswith("## Liquidation Analysis — ETH/USD — 2025-11-24\n")
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == list(HEADINGS)


def test_what_happened_is_told() -> None:
    text = report_markdown(full_analysis())
    for line in (
        "- **Total liquidated**: $270.00M in 2 liquidations",
        "- **Long liquidated**: $150.00M (55.6%)",
        "- **Short liquidated**: $120.00M (44.4%)",
        "- **Long/short ratio**: 1.25",
        "- **Market state**: elevated. Moderate leverage reduction.",
        "| aave-v3 Ethereum (1) | $270.00M | $150.00M | $120.00M | 100.0% |",
        "- Events: blocks 23,860,000 to 23,872,000.",
        "- **Recent support formed**: $3,050 (long liquidation wipeout of $150.00M on 2025-11-24)",
        "- **Recent resistance formed**: $2,900 (short liquidation wipeout of $120.00M on 2025-11-24)",
    ):
        assert line in text
    assert re.search(
        r"- \*\*Largest single\*\*: \$150\.00M \\\[aave-v3 Ethereum\\\], long, account 0x0+1, a whale's", text
    )


def test_the_published_levels_are_told_as_published() -> None:
    text = report_markdown(seeds_analysis())
    rows = [line for line in text.splitlines() if "liq cluster |" in line]
    assert "| Price Level | Type | Est. Volume | Distance from Current | Priority |" in text
    assert rows[0].startswith("| $56,490 | Long liq cluster | $")
    assert "| High |" in rows[0]
    assert "- **Strongest upside magnet**: none" in text
    assert "- **Strongest downside magnet**: $56,490 (long liquidation cluster," in text
    assert "- **Asymmetry**: downside stronger" in text
    assert "- **Downside cascade risk**: high - " in text
    assert "- **Upside cascade risk**: low - 0 clusters above current price" in text


def test_where_it_comes_from_is_told() -> None:
    text = report_markdown(full_analysis())
    row = ("aave-v3 3.6 Ethereum", "1", "23,872,000", f"0x{'ab' * 32}", "2025-11-24 16:00 UTC", "$3,000")
    assert f"| {' | '.join(row)} | 3,000 | 2 | 0 | 0 | unknown |" in text
    assert "Market depth: square-root impact, 20M a day, 4%." in text
    assert "Not every ladder tells how many accounts could not be read." in text
    assert "It is not investment advice." in text
    failed = analyse(
        [ladder_of([(2000.0, 1.0, "long")], 3000.0)], "ETH/USD", failed={("1", "aave-v3", "Ethereum"): 3}
    )
    assert "| 1 | 0 | 0 | 0 | 3 |" in report_markdown(failed)
    assert "Not every ladder tells" not in report_markdown(failed)


def test_what_is_not_known_is_said() -> None:
    text = report_markdown(analyse([], "ETH/USD"))
    assert "No liquidation events were given, so what was liquidated is not known." in text
    assert "No cluster stands out within the window." in text
    assert "No ladder had a row, so nothing is known." in text
    assert not re.search(r"\b(nan|inf|None)\b", text)
    page = report_html(analyse([], "ETH/USD"))
    assert "No ladder had a row" in page


@pytest.mark.parametrize(
    ("moments", "said"),
    [
        (
            ((0, 8e6), (DAY_S + 600, 10e6)),
            "-20.0%, from $10.00M (2025-11-23 15:50 UTC) to $8.00M (2025-11-24 16:00 UTC): "
            "leverage was washed out",
        ),
        (
            ((0, 12e6), (DAY_S, 10e6)),
            "+20.0%, from $10.00M (2025-11-23 16:00 UTC) to $12.00M (2025-11-24 16:00 UTC): "
            "leverage was not washed out",
        ),
        (
            ((0, 12e6), (2 * DAY_S, 10e6)),
            "not known: no snapshot within an hour of 2025-11-23 16:00 UTC, 24 hours before the newest",
        ),
        (
            ((0, 12e6), (DAY_S, float("nan"))),
            f"not known: {DAY_S}.parquet is no snapshot in which every account was read",
        ),
    ],
)
@pytest.mark.parametrize("holds_open", [False, True])
def test_whether_leverage_was_washed_out(
    moments: tuple[tuple[int, float], ...], said: str, holds_open: bool
) -> None:
    levels: list[Level] = [(2000.0, 1.0, "long")]
    frames = [
        replace(frame_of(levels, 3000.0, BLOCK_AT - ago, ago), outstanding_usd=usd, holds_open=holds_open)
        for ago, usd in moments
    ]
    analysis = analyse([ladder_of(levels, 3000.0)], "ETH/USD", over_time=over_time(frames))
    text, page = report_markdown(analysis), "".join(Tags(report_html(analysis)).text)
    label = f"{'Open interest' if holds_open else 'Debt'} change (24h)"
    assert f"- **{label}**: {said}\n" in text[: text.index("### Key")]
    assert f"{label}: {said}" in page
    assert "on aave-v3 Ethereum (1), at each snapshot's own oracle prices; a fall of 20% or more is a" in page
    assert "change (24h)" not in report_markdown(analyse([ladder_of(levels, 3000.0)], "ETH/USD"))


def test_events_without_a_size_or_of_others_are_counted() -> None:
    events = events_of([(10, "long", float("nan"), 3000.0), (20, "long", 60e6, 3000.0)])
    other = events_of([(10, "long", 5e6, 100_000.0)], "BTC/USD")
    ladder = ladder_of([(2000.0, 1.0, "long")], 3000.0)
    text = report_markdown(analyse([ladder], "ETH/USD", events=pd.concat([events, other])))
    assert "Of unknown size, in no sum: 1 liquidation." in text
    assert "Of other drivers, left out: 1 event." in text
    assert "- **Long/short ratio**: only longs, longs squeezed" in text
    assert "- **Recent support formed**: none" in text


def test_hours_that_nobody_searched_are_named() -> None:
    ladder, events = ladder_of([(2000.0, 1.0, "long")], 3000.0), events_of([(10, "long", 5.0, 3000.0)])
    day = 86_400

    def overview(since: int, until: int) -> str:
        searched = (BLOCK_AT - since, BLOCK_AT - until)
        text = report_markdown(analyse([ladder], "ETH/USD", events=events, events_searched=searched))
        return text[: text.index("### Key")]

    assert "- **Market state**: calm." in overview(day, 0)
    part = overview(3600, 0)
    assert "- **Total liquidated**: $5.00 in 1 liquidation" in part
    assert "Market state" not in part
    assert (
        "- Only a part of these hours was searched, from 2025-11-24 15:00 UTC to 2025-11-24 16:00 UTC, so "
        "they have no market state."
    ) in part
    for none in (overview(3 * day, 2 * day), overview(2 * day, day)):
        assert "- No part of these hours was searched, so what was liquidated in them is not known." in none
        assert "Total liquidated" not in none


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain $1,000 (long) - 5%", "plain $1,000 (long) - 5%"),
        ("a|b", r"a\|b"),
        ("<b>", r"\<b>"),
        ("`x` *y* _z_ [l](u)", r"\`x\` \*y\* \_z\_ \[l\](u)"),
        ("http://a.b", r"http:\//a.b"),
        ("www.a.b @me &lt;", r"www\.a.b \@me \&lt;"),
        ("two\nlines\r\n here", "two lines here"),
        ("back\\slash", r"back\\slash"),
    ],
)
def test_markdown_reads_text_as_text(text: str, written: str) -> None:
    assert escaped(text) == written


def test_hostile_names_stay_in_their_cell_of_markdown() -> None:
    text = report_markdown(full_analysis(HOSTILE))
    plain = report_markdown(full_analysis())
    assert text.count("\n") == plain.count("\n")
    assert "<img" not in text.replace("\\<img", "")
    assert "\x1b" not in text
    (row,) = [line for line in text.splitlines() if line.startswith("| aave-v3 3.6")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 12


def test_hostile_names_are_text_in_the_page(plain_page: str, hostile_page: str) -> None:
    hostile, plain = Tags(hostile_page), Tags(plain_page)
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert not any(name.startswith("on") for _, attrs in hostile.tags for name in attrs)
    assert "</script><img src=x onerror=alert(1)>" in "".join(hostile.text)


def test_a_hostile_driver_is_text_everywhere() -> None:
    driver = "</script><img src=x onerror=alert(1)>/USD"
    analysis = analyse([ladder_of([(2000.0, 1e6, "long")], 3000.0, driver, base_symbol="<i>")], driver)
    page = report_html(analysis)
    tags = [tag for tag, _ in Tags(page).tags]
    assert "img" not in tags
    assert "i" not in tags
    assert tags.count("script") == 3


def test_the_page_names_nothing_outside_of_itself(plain_page: str) -> None:
    page = Tags(plain_page)
    kept = {"href", "src", "srcset", "action", "data", "poster"}
    assert [value for _, attrs in page.tags for name, value in attrs.items() if name in kept] == ["data:,"]
    policy = next(str(attrs["content"]) for _, attrs in page.tags if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    viewport = next(str(attrs["content"]) for _, attrs in page.tags if attrs.get("name") == "viewport")
    assert viewport == "width=device-width, initial-scale=1"


def test_the_same_analysis_is_the_same_page(tmp_path: Path) -> None:
    analysis = full_analysis()
    path = write_report_html(analysis, tmp_path / "a.html")
    assert path.read_text(encoding="utf-8") == report_html(analysis)
    assert report_markdown(analysis) == report_markdown(analysis)
    ids = [attrs["id"] for _, attrs in Tags(path.read_text(encoding="utf-8")).tags if "id" in attrs]
    names = ("heatmap", "ladder", "cascade", "sweep")
    assert ids == [*(f"{part}-{name}" for name in names for part in ("figure", "caption")), "figures"]


def test_who_does_not_see_or_point_is_told(hostile_page: str) -> None:
    tags = Tags(hostile_page).tags
    assert ("html", {"lang": "en"}) in tags
    ids = {attrs["id"] for _, attrs in tags if "id" in attrs}
    plots = [attrs for _, attrs in tags if attrs.get("class") == "plot"]
    assert [plot["aria-label"] for plot in plots][:3] == ["Heatmap", "Ladder", "Market depth"]
    assert all(plot["role"] == "group" and plot["aria-describedby"] in ids for plot in plots)
    scrolled = [attrs for _, attrs in tags if attrs.get("class") == "scroll"]
    assert len(scrolled) >= 3
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in scrolled)
    assert "Figures need JavaScript" in hostile_page


def test_the_figures_are_data_that_no_tag_ends(hostile_page: str) -> None:
    data = re.search(r'<script type="application/json" id="figures">(.*?)</script>', hostile_page, re.DOTALL)
    assert data is not None
    figures = json.loads(data[1])
    assert list(figures) == [
        *("figure-heatmap", "figure-ladder", "figure-depth", "figure-contagion"),
        *("figure-cascade", "figure-sweep"),
    ]
    assert "<" not in data[1]


def test_a_page_says_what_the_markdown_says(plain_page: str) -> None:
    analysis = full_analysis()
    text = "".join(Tags(plain_page).text)
    for section in sections_of(analysis):
        assert section.heading in text
        for item in section.items:
            assert f"{item.label}: {item.text}" in text
        for note in section.notes:
            assert note in text
        for row in () if section.grid is None else section.grid.rows:
            assert all(cell in text for cell in row)


def test_without_plotly_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("defiliq.view.report_html.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"an HTML report needs plotly.*pip install 'defiliq\[plots\]'"):
        report_html(seeds_analysis())
