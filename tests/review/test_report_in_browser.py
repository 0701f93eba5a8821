"""The report in a real browser: Chromium, without a window."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

NASTY = "<script>alert(1)</script>"
BEYOND = """() => [...document.querySelectorAll('body *')]
  .filter(e => !e.parentElement.closest('.scroll, pre'))
  .filter(e => { const r = e.getBoundingClientRect();
                 return r.left < -1 || r.right > innerWidth + 1
                        || (!e.matches('.scroll, pre') && e.scrollWidth > e.clientWidth + 1
                            && getComputedStyle(e).display !== 'inline'); })
  .map(e => e.tagName + ': ' + e.textContent.slice(0, 60))"""
"""Elements that reach beyond the page, or whose text reaches beyond them, where nothing scrolls."""
HIDDEN = """() => ['.scroll', 'pre'].filter((name, i) => {
  const e = document.querySelector((i ? '#reproduce ' : '#settings ') + name);
  return e.scrollWidth > e.clientWidth + 1; })"""
"""What must be scrolled to be read."""
PICTURES = "() => [...document.images].map(i => i.complete && i.naturalWidth > 0 && i.width > 200)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page_of_a_nasty_table(lrtune: Callable[..., Any], folder: Path) -> Path:
    """A report on a table with a column, a file and a study that would be scripts."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    rows = [f"{a},{b},{c},{'no' if a + b > 0 else 'yes'}" for a, b, c in X]
    name = "a$x^2$ & b.csv"
    (folder / name).write_text("\n".join([f"one,two,three,{NASTY}", *rows]))
    long = "W" * 120 + NASTY
    run = lrtune(
        "search", name, "--target", NASTY, "--epochs", "4", "--trials", "20", "--quiet",
        "--name", long,
    )  # fmt: skip
    assert run.code == 0, run.err
    assert lrtune("report", long, "--output", "page.html").code == 0
    return folder / "page.html"


@pytest.mark.parametrize("width", [360, 1280])
def test_it_shows_without_an_error_a_request_or_text_that_overflows(
    browser: Any, page_of_a_nasty_table: Path, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_of_a_nasty_table.as_uri())
    page.wait_for_load_state("load")
    try:
        assert (said, asked) == ([], [page_of_a_nasty_table.as_uri()])
        assert f"target column: {NASTY}" in page.inner_text("#reproduce")
        assert "a$x^2$ & b" in page.inner_text("h1")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(BEYOND) == []
        assert set(page.evaluate(PICTURES)) == {True}
        assert page.locator("script").count() == 0
        # a desk is wide enough for the table of settings, and any page for the command
        assert page.evaluate(HIDDEN) == ([".scroll"] if width < 1000 else [])
    finally:
        page.close()


def test_on_paper_nothing_is_cut_off(browser: Any, page_of_a_nasty_table: Path) -> None:
    page = browser.new_page(viewport={"width": 680, "height": 1000})
    page.goto(page_of_a_nasty_table.as_uri())
    page.emulate_media(media="print")
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= 680
        assert page.locator("details pre").first.is_visible()
        assert page.pdf(format="A4").startswith(b"%PDF")
    finally:
        page.close()
