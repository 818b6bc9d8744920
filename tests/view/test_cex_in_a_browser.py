"""The comparison's page in headless Chromium: all figures, no complaint, no request, on a phone too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from defiliq.view.cex_beside import Beside
from defiliq.view.report_html import write_comparison_html, write_report_html
from tests.browser import Page, chromium, find_chromium
from tests.view.cex_stage import wide_beside
from tests.view.heat_stage import full_analysis
from tests.view.test_cex_compare_charts import CASES
from tests.view.test_cex_section import FIGURES
from tests.view.test_report_in_a_browser import ALL_DRAWN, HOSTILE, SCREENS, cut_words, show

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = find_chromium()
    if program is None:
        pytest.skip("no chromium is installed")
    with chromium(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparison_html(wide_beside(), tmp_path_factory.mktemp("page") / "comparison.html")


@pytest.mark.parametrize(("width", "height", "dark", "touch"), SCREENS)
def test_all_figures_are_there_and_fit(
    page: Page, written: Path, width: int, height: int, dark: bool, touch: bool
) -> None:
    show(page, written, width, height, dark, touch)
    assert page.complaints() == []
    asked = page.requests()
    assert asked[0] == written.as_uri()
    assert all(address.startswith(("data:", "blob:")) for address in asked[1:])
    shown = page.evaluate("[...document.querySelectorAll('.plot')].map(p => p.id)")
    assert shown == [f"figure-{name}" for name in FIGURES]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert cut_words(page) == []
    ink = "rgb(230, 230, 230)" if dark else "rgb(34, 34, 34)"
    drawn = page.evaluate(
        "['beside-curves', 'estimate-0', 'sides-over-time-0'].map(name => getComputedStyle("
        "document.querySelector('#figure-' + name + ' .xtick text')).fill)"
    )
    assert drawn == [ink] * 3


def test_bands_and_lines_are_drawn(page: Page, written: Path) -> None:
    show(page, written, 1280, 900, False, False)
    assert page.evaluate("document.querySelectorAll('#figure-beside-curves .js-fill').length") == 6
    assert page.evaluate("document.querySelectorAll('#figure-beside-curves .js-line').length") >= 10
    assert page.evaluate("document.querySelectorAll('#figure-beside-strips .heatmaplayer image').length") == 4
    assert page.evaluate("document.querySelectorAll('#figure-estimate-0 .bars .point').length") > 300
    assert page.evaluate("document.querySelectorAll('#figure-backtest .xerror').length") == 2


@pytest.mark.parametrize(("figure", "trace"), [("beside-strips", "clusters of chain"), ("backtest", "lift")])
def test_the_pointer_is_told_what_a_mark_is(page: Page, written: Path, figure: str, trace: str) -> None:
    show(page, written, 1280, 900, False, False)
    x, y, wanted = page.evaluate(
        f"""(() => {{
          const plot = document.getElementById('figure-{figure}');
          plot.scrollIntoView({{block: 'center'}});
          const trace = plot.data.find(t => t.name === '{trace}');
          const full = plot._fullLayout, box = plot.getBoundingClientRect();
          return [box.left + full.xaxis._offset + full.xaxis.d2p(trace.x[0]),
            box.top + full.yaxis._offset + full.yaxis.d2p(trace.y[0]), trace.text[0]];
        }})()"""
    )
    page.point(x, y)
    page.until(f"document.querySelector('#figure-{figure} .hoverlayer .hovertext') !== null")
    told = page.evaluate(
        f"[...document.querySelectorAll('#figure-{figure} .hovertext')].map(label => label.textContent)"
    )
    assert wanted in told
    assert wanted.startswith(("chain $", "estimate: 1.31 (1.12 to 1.52)"))


@pytest.mark.parametrize("case", ["no chain", "no venue", "an empty venue", "long names", "straight"])
def test_odd_comparisons_are_drawn_without_complaint(page: Page, tmp_path: Path, case: str) -> None:
    path = write_comparison_html(Beside(CASES[case]), tmp_path / "odd.html")
    show(page, path, 390, 844, True, True)
    assert page.complaints() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert cut_words(page) == []


def test_a_report_has_it_beside_the_chain_and_hostile_names_run_nothing(page: Page, tmp_path: Path) -> None:
    path = write_report_html(full_analysis(HOSTILE), tmp_path / "report.html", beside=wide_beside(HOSTILE))
    page.look(1280, 900)
    page.open(path)
    page.until(ALL_DRAWN)
    assert page.complaints() == []
    assert page.evaluate("document.title").startswith("Liquidation Analysis")
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    headings = page.evaluate("[...document.querySelectorAll('h2')].map(h => h.textContent)")
    assert "Beside Centralised Exchanges" in headings
    assert "How Venues Differ" in headings
