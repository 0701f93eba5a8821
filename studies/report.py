"""The picture of a report: what ``lrtune report`` writes after a search of iris, in a browser.

    pip install playwright && python studies/report.py

It needs a Chromium on the path. Writes ``studies/results/report.png``.
"""

import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from lrtune.cli import main

PICTURE = Path(__file__).parent.resolve() / "results" / "report.png"
WIDTH, HEIGHT = 780, 1290


def write_report(folder: Path) -> Path:
    """Search iris, and write the report."""
    os.chdir(folder)
    main(["search", "iris", "--quiet"])
    main(["report", "iris"])
    return folder / "iris.html"


def take_picture(page_file: Path, picture: Path) -> None:
    """Photograph the top of the page in a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(page_file.as_uri())
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        take_picture(write_report(Path(folder)), PICTURE)
        os.chdir(PICTURE.parent)
    print(f"written: {PICTURE.name}, {PICTURE.stat().st_size // 1000} kB")
