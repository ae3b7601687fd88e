"""The page in a real browser, from disk: no request, no console error, every control, every link, accessibility."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not there: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser, results):
    """The page, and what it asked for and complained about."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light", accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto((results.root / "results" / "report.html").as_uri())
    yield page
    context.close()


def names(page, table: str) -> list[str]:
    return page.eval_on_selector_all(
        f"#{table} tbody tr:not([hidden]) > :first-child", "cells => cells.map(c => c.dataset.v)"
    )


def test_opens_from_disk_without_a_request_or_a_complaint(opened):
    opened.wait_for_timeout(200)
    assert [url for url in opened.asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in opened.asked if url.startswith("file:")]) == 1
    assert opened.complaints == []
    assert opened.title() == "rematch: is v2 better?"


def test_sorting_by_number_and_back(opened):
    column = "#antibody_affinity-comparison thead th:nth-child(2)"
    values = "rows => rows.map(r => Number(r.cells[1].dataset.v))"
    opened.click(f"{column} button")
    rising = opened.eval_on_selector_all("#antibody_affinity-comparison tbody tr", values)
    assert rising == sorted(rising) and opened.get_attribute(column, "aria-sort") == "ascending"
    opened.focus(f"{column} button")
    opened.keyboard.press("Enter")
    assert opened.eval_on_selector_all("#antibody_affinity-comparison tbody tr", values) == rising[::-1]
    assert opened.get_attribute(column, "aria-sort") == "descending"


def test_filter_and_chips(opened):
    table = "antibody_affinity-claims"
    everything = names(opened, table)
    opened.fill(f'[data-filter="{table}"]', "gelu")
    assert 0 < len(names(opened, table)) < len(everything)
    opened.fill(f'[data-filter="{table}"]', "")
    chip = opened.locator(f'[data-chip="refuted"][data-table="{table}"]')
    chip.click()
    shown = opened.eval_on_selector_all(
        f"#{table} tbody tr:not([hidden]) .kind-pill", "cells => cells.map(c => c.dataset.v)"
    )
    assert set(shown) == {"refuted"} and chip.get_attribute("aria-pressed") == "true"
    chip.click()
    assert names(opened, table) == everything


def test_themes_change_colours_and_are_remembered(opened):
    colour = "getComputedStyle(document.body).backgroundColor"
    light = opened.evaluate(colour)
    opened.click('[data-theme-choice="dark"]')
    dark = opened.evaluate(colour)
    assert dark != light
    opened.reload()
    assert opened.evaluate(colour) == dark
    opened.click('[data-theme-choice="auto"]')
    assert opened.evaluate(colour) == light


@pytest.mark.parametrize(
    ("kind", "start", "holds"),
    [
        ("csv", "Metric,v1,v2,", "rmse"),
        ("markdown", "| Metric |", "|---|--:|"),
        ("latex", r"\begin{tabular}{lrr", r"\\"),
    ],
)
def test_copies_what_is_shown(opened, kind, start, holds):
    opened.click(f'[data-copy="{kind}"][data-table="antibody_affinity-comparison"]')
    opened.locator("#said", has_text="Copied").wait_for(state="attached")  # the page's policy forbids evaluated waits
    copied = opened.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(start) and holds.lower() in copied.lower()
    assert "↕" not in copied


def saved(page, selector: str, file: Path) -> bytes:
    """What the first click on `selector` saves."""
    with page.expect_download() as download:
        page.locator(selector).first.click()
    shutil.copy(download.value.path(), file)
    return file.read_bytes()


def test_filter_and_copy_by_keyboard_alone(opened):
    table = "antibody_affinity-comparison"
    opened.focus(f'[data-filter="{table}"]')
    opened.keyboard.type("pearson")
    opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")  # the button behind the filter
    opened.locator("#said", has_text="Copied 1 row as csv").wait_for(state="attached")
    assert opened.evaluate("navigator.clipboard.readText()").count("\n") == 2


def test_figures_are_saved_from_the_page_alone_in_the_colours_for_paper(browser, results, tmp_path):
    alone = shutil.copy(results.root / "results" / "report.html", tmp_path / "mailed.html")
    context = browser.new_context(color_scheme="dark", accept_downloads=True)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.goto(Path(alone).as_uri())
    text = saved(page, "[data-save]", tmp_path / "drawing.svg").decode()
    assert text.startswith("<svg") and "var(--" not in text and "stroke: #1b2430" in text  # the ink of light pages
    assert page.get_attribute("html", "data-theme") is None
    pdf = saved(page, "a.button[download]", tmp_path / "drawing.pdf")
    folder = results.root / "results" / "figures" / "antibody_affinity"
    assert pdf in [path.read_bytes() for path in folder.glob("*.pdf")]
    assert (
        page.locator("a.button[download]").count() == page.locator("[data-save]").count() == len(results.study.figures)
    )
    assert page.complaints == []
    context.close()


def test_paper_shows_the_open_parts_on_few_pages(opened):
    opened.emulate_media(media="print")
    assert not opened.locator(".top").is_visible() and not opened.locator("#antibody_affinity-runs").is_visible()
    assert opened.locator("#antibody_affinity-claims thead").is_visible()  # no cards on paper
    pages = opened.pdf(prefer_css_page_size=True).count(b"/Type /Page\n")
    assert 3 <= pages <= 20


def test_every_link_leads_somewhere(opened, results):
    links = opened.eval_on_selector_all("a[href]", "links => [...new Set(links.map(a => a.getAttribute('href')))]")
    for link in links:
        parts = urlsplit(link)
        assert parts.scheme in ("", "data"), link
        if parts.scheme:
            assert link.startswith("data:application/pdf;base64,")
            continue
        if not parts.path:
            assert opened.evaluate("id => document.getElementById(id) !== null", unquote(parts.fragment)), link
        elif not parts.path.startswith("tables/"):  # made by another rule
            assert (results.root / "results" / parts.path).exists(), link


def test_a_link_into_a_closed_part_opens_it(opened):
    opened.evaluate("location.hash = '#antibody_affinity-runs'")
    opened.locator("details[open] #antibody_affinity-runs").wait_for(state="attached")


def test_no_page_of_any_width_scrolls_sideways(opened):
    for width in (320, 360, 768, 1440):
        opened.set_viewport_size({"width": width, "height": 900})
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_axe_finds_nothing_serious(opened, theme, width):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    ).Axe()
    opened.set_viewport_size({"width": width, "height": 900})
    opened.click(f'[data-theme-choice="{theme}"]')
    opened.eval_on_selector_all("details", "all => all.forEach(d => { d.open = true; })")
    found = axe.run(opened).response["violations"]
    serious = [
        (item["id"], item["nodes"][0]["html"][:200]) for item in found if item["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_without_scripts_all_text_is_there(browser, results):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((results.root / "results" / "report.html").as_uri())
    assert page.locator("#answers").is_visible() and page.locator("#antibody_affinity-claims").is_visible()
    assert page.locator("[data-copy]").count() and not page.locator("[data-copy]").first.is_visible()
    context.close()
