"""The HTML report in headless Chromium: it shows all figures, complains of nothing and asks nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from defiliq.model.analysis import analyse
from defiliq.view.charts import compact, minute
from defiliq.view.depth_curve import depth_curve
from defiliq.view.over_time import mesh_of
from defiliq.view.report_html import write_report_html
from tests.browser import Page, chromium, find_chromium
from tests.view.heat_stage import Level, contagion_of, full_analysis, ladder_of, thin_depth, wide_over_time

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
ALL_DRAWN = """
(() => { const plots = [...document.querySelectorAll('.plot')];
  return plots.length > 0 && plots.every(p => p._fullLayout && p.querySelector('.main-svg')); })()
"""
SCREENS = [
    *((360, 740, dark, True) for dark in (False, True)),
    *((1280, 900, dark, False) for dark in (False, True)),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    analysis = full_analysis(HOSTILE)
    return write_report_html(
        analysis,
        tmp_path_factory.mktemp("report") / "report.html",
        depth=depth_curve(thin_depth(), 3000.0),
        contagion=contagion_of(analysis),
        over_time=wide_over_time(),
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = find_chromium()
    if program is None:
        pytest.skip("no chromium is installed")
    with chromium(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def show(page: Page, report: Path, width: int, height: int, dark: bool, touch: bool) -> None:
    page.look(width, height, dark=dark, touch=touch)
    page.open(report)
    page.until(ALL_DRAWN)


@pytest.mark.parametrize(("width", "height", "dark", "touch"), SCREENS)
def test_all_figures_are_there_and_nothing_else_is_asked_for(
    page: Page, report: Path, width: int, height: int, dark: bool, touch: bool
) -> None:
    show(page, report, width, height, dark, touch)
    assert page.complaints() == []
    asked = page.requests()
    assert asked[0] == report.as_uri()
    assert all(address.startswith(("data:", "blob:")) for address in asked[1:])
    counts = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.plot')].map(p => [p.id, p.data.length]))"
    )
    assert list(counts) == [
        *("figure-heatmap", "figure-ladder", "figure-over-time", "figure-depth"),
        *("figure-contagion", "figure-cascade", "figure-sweep"),
    ]
    assert all(count >= 2 for count in counts.values())
    assert page.evaluate("document.querySelectorAll('#figure-heatmap .bars .point').length") > 100
    assert page.evaluate("document.querySelectorAll('#figure-heatmap .heatmaplayer image').length") == 1


@pytest.mark.parametrize(("width", "height", "dark", "touch"), SCREENS)
def test_nothing_is_wider_than_the_screen(
    page: Page, report: Path, width: int, height: int, dark: bool, touch: bool
) -> None:
    show(page, report, width, height, dark, touch)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') && !e.closest('svg') &&"
        " e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"
    )
    assert wide == []
    assert cut_words(page) == []


def cut_words(page: Page) -> list[str]:
    """Words of axes and legends that stick out of their figure."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('.plot')].flatMap(p => { const box = p.getBoundingClientRect();"
        " return [...p.querySelectorAll('.ytick text, .y2tick text, .ytitle, .xtitle, .legendtext')]"
        " .filter(t => t.getBoundingClientRect().left < box.left - 1 ||"
        " t.getBoundingClientRect().right > box.right + 1).map(t => p.id + ' ' + t.textContent); })"
    )
    return found


@pytest.mark.parametrize("spot", [8.5e-5, 57_000.0, 1.2e6])
def test_names_of_clusters_fit_a_phone(page: Page, tmp_path: Path, spot: float) -> None:
    levels: list[Level] = [((0.6 + 0.05 * k) * spot, 123e6, "long") for k in range(7)]
    ladder = ladder_of([*levels, (1.2 * spot, 99e6, "short")], spot)
    show(page, write_report_html(analyse([ladder], "ETH/USD"), tmp_path / "a.html"), 360, 740, False, True)
    assert page.evaluate("document.querySelectorAll('#figure-heatmap .textpoint').length") >= 5
    cut = page.evaluate(
        "(() => { const p = document.getElementById('figure-heatmap'), axis = p._fullLayout.xaxis;"
        " const left = p.getBoundingClientRect().left + axis._offset, box = t => t.getBoundingClientRect();"
        " return [...p.querySelectorAll('.textpoint')].filter(t => box(t).left < left ||"
        " box(t).right > left + axis._length).map(t => t.textContent); })()"
    )
    assert cut == []


def test_a_giant_cuts_no_words(page: Page, tmp_path: Path) -> None:
    small: list[Level] = [(2000.0 + 100 * k, 1e6, "long") for k in range(6)]
    ladder = ladder_of(
        [
            *small,
            (2800.0, 123e9, "long"),
            (3300.0, 45e9, "short"),
            (3400.0, 2e6, "short"),
            (2950.0, 2e5, "long"),
        ],
        3000.0,
    )
    path = write_report_html(analyse([ladder], "ETH/USD"), tmp_path / "giant.html")
    show(page, path, 390, 844, False, True)
    assert page.complaints() == []
    assert cut_words(page) == []
    names = page.evaluate(
        "[...document.querySelectorAll('#figure-heatmap .textpoint')].map(t => t.textContent)"
    )
    assert {"» 123B", "» 45B"} <= set(names)


def test_colours_follow_the_scheme_and_change_with_it(page: Page, report: Path) -> None:
    show(page, report, 1280, 900, False, False)
    seen = {}
    for dark in (False, True):
        page.look(1280, 900, dark=dark)
        ink = "#e6e6e6" if dark else "#222222"
        page.until(f"document.getElementById('figure-ladder').layout.font.color === '{ink}'")
        paper, letters, page_colour = page.evaluate(
            "[document.getElementById('figure-ladder')._fullLayout.paper_bgcolor,"
            " getComputedStyle(document.querySelector('#figure-ladder .xtick text')).fill,"
            " getComputedStyle(document.body).backgroundColor]"
        )
        seen[dark] = (paper, letters, page_colour)
    assert seen == {
        False: ("#ffffff", "rgb(34, 34, 34)", "rgb(255, 255, 255)"),
        True: ("#14171a", "rgb(230, 230, 230)", "rgb(20, 23, 26)"),
    }
    for event, ink in (("beforeprint", "#222222"), ("afterprint", "#e6e6e6")):  # paper is never dark
        page.evaluate(f"dispatchEvent(new Event('{event}'))")
        page.until(f"document.getElementById('figure-ladder').layout.font.color === '{ink}'")
    assert page.complaints() == []


@pytest.mark.parametrize(("figure", "trace"), [("heatmap", "long"), ("ladder", "short")])
def test_the_pointer_is_told_the_level(page: Page, report: Path, figure: str, trace: str) -> None:
    show(page, report, 1280, 900, False, False)
    x, y, wanted = page.evaluate(
        f"""(() => {{
          const plot = document.getElementById('figure-{figure}');
          plot.scrollIntoView({{block: 'center'}});
          const trace = plot.data.find(t => t.name === '{trace}');
          const full = plot._fullLayout, box = plot.getBoundingClientRect();
          const place = (axis, value) => axis._offset + axis.d2p(value);
          const isLadder = '{figure}' === 'ladder';
          const places = trace.x.map((x, k) => [
            box.left + place(full.xaxis, isLadder ? x : x / 2), box.top + place(full.yaxis, trace.y[k])]);
          const room = k => Math.min(...places.map((p, n) => n === k ? Infinity : Math.hypot(
            p[0] - places[k][0], p[1] - places[k][1])));
          const inner = [...places.keys()].slice(1, -1);
          const alone = inner.reduce((best, k) => room(k) > room(best) ? k : best, inner[0]);
          const size = k => Math.abs(trace.x[k]);
          const largest = inner.reduce((best, k) => size(k) > size(best) ? k : best, inner[0]);
          const k = isLadder ? alone : largest;
          return [...places[k], (trace.hovertext || trace.text)[k]];
        }})()"""
    )
    page.point(x, y)
    page.until(f"document.querySelector('#figure-{figure} .hoverlayer .hovertext') !== null")
    labels = f"document.querySelectorAll('#figure-{figure} .hovertext')"
    told = page.evaluate(f"[...{labels}].map(label => label.textContent)")
    assert wanted.replace("<br>", "") in told
    if figure == "heatmap":
        assert wanted.startswith("$2,6")
        assert " long<br>" in wanted
        assert wanted.endswith(" accounts<br>-10.7%")


def test_a_phone_has_room_for_what_a_finger_is_told(page: Page, report: Path) -> None:
    show(page, report, 360, 740, False, True)
    x, y = page.evaluate(
        """(() => {
          const plot = document.getElementById('figure-heatmap');
          plot.scrollIntoView({block: 'center'});
          const trace = plot.data.find(t => t.name === 'long');
          const k = trace.x.indexOf(Math.min(...trace.x));
          const full = plot._fullLayout, box = plot.getBoundingClientRect();
          const place = (axis, value) => axis._offset + axis.d2p(value);
          return [box.left + place(full.xaxis, trace.x[k] / 2), box.top + place(full.yaxis, trace.y[k])];
        })()"""
    )
    page.tap(x, y)
    page.until("document.querySelector('#figure-heatmap .hoverlayer .hovertext') !== null")
    left, right = page.evaluate(
        "(() => { const box = document.querySelector('#figure-heatmap .hovertext').getBoundingClientRect();"
        " return [box.left, box.right]; })()"
    )
    assert 0 <= left < right <= 360


def test_the_pointer_is_told_a_cell_of_the_past(page: Page, report: Path) -> None:
    show(page, report, 1280, 900, False, False)
    x, y, wanted = page.evaluate(
        """(() => {
          const plot = document.getElementById('figure-over-time');
          plot.scrollIntoView({block: 'center'});
          const trace = plot.data[0], full = plot._fullLayout, box = plot.getBoundingClientRect();
          const cells = trace.z.map(row => row[30]);
          const row = cells.indexOf(Math.max(...cells));
          const middle = (axis, low, high) => axis._offset + (axis.d2p(low) + axis.d2p(high)) / 2;
          return [box.left + middle(full.xaxis, trace.x[30], trace.x[31]),
            box.top + middle(full.yaxis, trace.y[row], trace.y[row + 1]), row];
        })()"""
    )
    found = wide_over_time()
    mesh = mesh_of(found)
    amount = mesh.density_usd[29, wanted]  # the thirtieth column is the gap's
    page.point(x, y)
    page.until("document.querySelector('#figure-over-time .hoverlayer .hovertext') !== null")
    told = page.evaluate("document.querySelector('#figure-over-time .hovertext').textContent")
    price = sum(mesh.edges_usd[wanted : wanted + 2]) / 2
    assert told == f"${price:,.2f}: {compact(amount)} per 1% of price{minute(mesh.at[29])}"


def test_no_button_sends_a_figure_anywhere(page: Page, report: Path) -> None:
    show(page, report, 1280, 900, False, False)
    buttons = page.evaluate(
        "[...document.querySelectorAll('#figure-heatmap .modebar-btn')].map(b => b.dataset.title)"
    )
    assert buttons == ["Download plot as a PNG", "Zoom", "Pan", "Reset axes"]
    assert page.evaluate("document.querySelectorAll('a[href], .modebar-btn--logo').length") == 0


def test_a_finger_scrolls_the_page(page: Page, report: Path) -> None:
    show(page, report, 390, 844, False, True)
    modes = page.evaluate("[...document.querySelectorAll('.plot')].map(p => p._fullLayout.dragmode)")
    assert modes == [False] * 7
    assert page.evaluate("document.querySelectorAll('.modebar-btn').length") == 0


def test_hostile_names_run_nothing(page: Page, report: Path) -> None:
    show(page, report, 1280, 900, False, False)
    assert page.evaluate("document.title").startswith("Liquidation Analysis")
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert "</script><img src=x onerror=" in page.evaluate("document.querySelector('.where').textContent")


def test_even_a_script_that_got_in_would_not_run(page: Page, report: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged.html"
    bad = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script></body>"
    forged.write_text(report.read_text(encoding="utf-8").replace("</body>", bad), encoding="utf-8")
    show(page, forged, 1280, 900, False, False)
    assert page.evaluate("document.title").startswith("Liquidation Analysis")
    assert any("Content Security Policy" in complaint for complaint in page.complaints())
