"""Pictures of the dashboard: what ``lrtune dashboard`` shows of a search of digits, in a browser.

    pip install '.[dashboard]' playwright && python studies/dashboard.py

It needs a Chromium on the path. Writes ``studies/results/dashboard_study.png``,
``dashboard_note.png`` and ``dashboard_trial.png``.
"""

import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from lrtune.cli import main
from lrtune.dashboard.server import make_application, make_server
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.record.trials import status
from lrtune.tuning.result import read_result

RESULTS = Path(__file__).parent.resolve() / "results"
WIDTH, HEIGHT, MARGIN = 1400, 1000, 60


def photograph_study(page: Page, address: str) -> None:
    """Photograph the study's figures, its best trial and its attributes."""
    page.set_viewport_size({"width": WIDTH, "height": 3400})
    page.goto(f"{address}/dashboard/studies/0")
    page.locator("#user-defined-plot\\:lrtune-curves .gtitle").wait_for()
    page.wait_for_timeout(3000)  # the other figures push these down as they are drawn
    top = page.locator("#user-defined-plot\\:lrtune-losses").bounding_box()
    bottom = page.get_by_text("Rows per page").bounding_box()
    assert top is not None
    assert bottom is not None
    upper, lower = top["y"] - 20, bottom["y"] + 60
    clip = {"x": MARGIN, "y": upper, "width": WIDTH - MARGIN, "height": lower - upper}
    page.screenshot(path=RESULTS / "dashboard_study.png", clip=clip)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


def photograph_note(page: Page, address: str) -> None:
    """Photograph the study's note, down to its pictures."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT + 200})
    page.goto(f"{address}/dashboard/studies/0/note")
    page.get_by_text("Best settings").wait_for()
    page.wait_for_function("() => [...document.images].filter(i => i.naturalWidth > 400)[1]")
    page.screenshot(path=RESULTS / "dashboard_note.png")


def photograph_trial(page: Page, address: str) -> None:
    """Photograph the trial that diverged last, with its picture."""
    trials = [
        each
        for each in read_result("digits", "lrtune.journal").finished
        if status(each) == "diverged"
    ]
    trial = max(trials, key=lambda each: each.user_attrs["diverged"]["epoch"])
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.goto(f"{address}/dashboard/studies/0/trials?numbers={trial.number}")
    page.wait_for_function("() => [...document.images].some(i => i.naturalWidth > 800)")
    page.screenshot(path=RESULTS / "dashboard_trial.png")


def photograph(application: Any) -> None:
    """All pages, against the real server."""
    with make_server(application, 0) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page()
        for photograph_page in (photograph_study, photograph_note, photograph_trial):
            photograph_page(page, server.address)
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main(["search", "digits", "--hidden", "64,32", "--quiet"])
        storage, _ = open_storage("lrtune.journal", must_exist=True)
        photograph(make_application(storage, "lrtune.journal"))
        os.chdir(RESULTS)
    for path in sorted(RESULTS.glob("dashboard_*.png")):
        print(f"{path.name}: {path.stat().st_size // 1000} kB")
