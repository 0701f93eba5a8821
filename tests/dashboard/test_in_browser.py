"""The dashboard in a real browser, against the real server."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lrtune.dashboard.server import make_application, make_server
from lrtune.review.study import Study
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.record.trials import status
from lrtune.tuning.result import read_result

pytest.importorskip("optuna_dashboard")
sync_api = pytest.importorskip("playwright.sync_api")


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

SEARCH = ("search", "iris", "--trials", "24", "--epochs", "5", "--replicates", "3", "--quiet")
HEIGHTS = """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(
  plot => plot.data.filter(d => d.type === 'scatter').flatMap(d => [...d.y])).map(Number)"""
SEND = """([url, method, body]) => fetch(url, {method, mode: 'cors', body: JSON.stringify(body),
  headers: {'Content-Type': 'application/json'}}).then(r => r.status, () => 'blocked')"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page on which no script may fail."""
    found = browser.new_page(viewport={"width": 1400, "height": 1000})
    found.set_default_timeout(30_000)
    said: list[str] = []
    found.on("pageerror", lambda error: said.append(str(error)))
    yield found
    found.close()
    assert said == []


@contextmanager
def dashboard(*, writable: bool = False, record: str = "lrtune.journal") -> Iterator[str]:
    """The real server over a record; its address."""
    storage, _ = open_storage(record, must_exist=True)
    with make_server(make_application(storage, record, writable=writable), 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()


def study() -> Study:
    return Study(read_result("iris", "lrtune.journal"))


def wait_for(page: Any, text: str) -> None:
    page.get_by_text(text).first.wait_for()


def test_the_study_page_explains_itself(lrtune: Callable[..., Any], page: Any) -> None:
    lrtune(*SEARCH)
    found = study()
    assert found.confirmation is not None
    with dashboard() as address:
        page.goto(f"{address}/dashboard/studies/0")
        page.locator("#user-defined-plot\\:lrtune-losses .gtitle").wait_for()
        page.locator("#user-defined-plot\\:lrtune-curves .gtitle").wait_for()
        wait_for(page, "of 24: ")
        shown = page.inner_text("body")
        drawn = page.locator("#user-defined-plot\\:lrtune-losses").text_content()
        heights = page.evaluate(HEIGHTS)

    best = found.confirmation.contenders[0]
    assert f"Best Trial (number={best.trial})" in shown
    assert "validation loss, mean of 3 replicates" in page_axis(shown)
    assert "iris; 150 rows, 4 columns; classification" in shown
    assert "layers 50-12, sgd, 5 epochs, seed 0" in shown
    assert f"{found.confirmation.recommended.loss:.4g}" in drawn
    assert {"diverged (capped)", "safe range", "edge"} <= set(
        re.findall("diverged \\(capped\\)|safe range|edge", drawn)
    )
    assert max(heights) <= found.cap * 1.001


def page_axis(text: str) -> str:
    return " ".join(text.split())


def test_the_note_leads_to_the_trials(lrtune: Callable[..., Any], page: Any) -> None:
    lrtune(*SEARCH)
    found = study()
    assert found.confirmation is not None
    best = found.confirmation.contenders[0].trial
    with dashboard() as address:
        page.goto(f"{address}/dashboard/studies/0/note")
        wait_for(page, "Outcomes of a trial")
        page.wait_for_function(
            "() => [...document.images].filter(i => i.naturalWidth > 400).length === 2"
        )
        note = page.inner_text("body")
        page.get_by_role("link", name=str(best), exact=True).first.click()
        wait_for(page, f"Trial {best} (trial_id=")
        trial = page.inner_text("body")

    assert "Recommended: learning_rate_init" in note
    assert all(warning in note for warning in found.warnings)
    assert "complete, recommended" in trial


@pytest.mark.parametrize("came", ["complete", "diverged"])
def test_the_trial_page_shows_what_came_of_it_and_a_picture(
    lrtune: Callable[..., Any], page: Any, came: str
) -> None:
    lrtune(*SEARCH)
    shown = [trial for trial in study().trials if status(trial) == came]
    trial = min(shown, key=lambda each: (each.value, each.number))
    with dashboard() as address:
        page.goto(f"{address}/dashboard/studies/0/trials?numbers={trial.number}")
        wait_for(page, f"outcome {came}")
        page.wait_for_function(
            "() => [...document.images].some(i => i.complete && i.naturalWidth > 800)"
        )
        page.wait_for_load_state("networkidle")
        pictures = page.evaluate(
            "() => [...document.images].filter(i => i.naturalWidth > 800).length"
        )
        text = page.inner_text("body")

    expected = {"complete": "spread over replicates", "diverged": "loss at divergence"}
    assert expected[came] in text
    assert pictures == 2  # in the note, and among the artifacts
    assert ("The rate was too high" in text) == (came == "diverged")


def test_a_page_may_not_delete_or_rename_unless_allowed(
    lrtune: Callable[..., Any], page: Any
) -> None:
    lrtune(*SEARCH)
    before = Path("lrtune.journal").read_bytes()
    rename = ["/api/studies/0/rename", "POST", {"study_name": "flowers"}]
    with dashboard() as address:
        page.goto(f"{address}/dashboard")
        wait_for(page, "iris")
        assert page.evaluate(SEND, ["/api/studies/0", "DELETE", {}]) == 403
        assert page.evaluate(SEND, rename) == 403
    assert Path("lrtune.journal").read_bytes() == before
    with dashboard(writable=True) as address:
        page.goto(f"{address}/dashboard")
        wait_for(page, "iris")
        assert page.evaluate(SEND, rename) == 201
        assert page.evaluate(SEND, ["/api/studies/1", "DELETE", {}]) == 204


def test_the_buttons_of_the_page_say_that_nothing_was_deleted(
    lrtune: Callable[..., Any], page: Any
) -> None:
    lrtune(*SEARCH)
    with dashboard() as address:
        page.goto(f"{address}/dashboard")
        wait_for(page, "iris")
        page.get_by_role("button", name="delete study").first.click()
        page.get_by_role("button", name="Yes").click()
        wait_for(page, "Failed to delete study")
        assert "iris" in page.inner_text("body")


@pytest.mark.parametrize("writable", [False, True])
def test_a_page_from_elsewhere_learns_and_changes_nothing(
    lrtune: Callable[..., Any], page: Any, writable: bool
) -> None:
    lrtune(*SEARCH)
    before = Path("lrtune.journal").read_bytes()
    with dashboard(writable=writable) as address, dashboard() as elsewhere:
        page.goto(f"{elsewhere}/dashboard")  # another port is another origin
        for method in ("GET", "DELETE", "POST"):
            body = None if method == "GET" else {"study_name": "theirs"}
            sent = page.evaluate(SEND, [f"{address}/api/studies/0", method, body])
            assert sent in ("blocked", 403)
        form = """url => new Promise(done => { const f = document.createElement('form');
          f.method = 'post'; f.action = url; f.target = '_blank'; document.body.append(f);
          f.submit(); setTimeout(done, 500); })"""
        page.evaluate(form, f"{address}/api/studies")
        page.goto(address.replace("127.0.0.1", "localhost") + "/dashboard")  # a name of this one
        wait_for(page, "iris")

    assert Path("lrtune.journal").read_bytes() == before


def test_a_running_search_is_seen_growing(
    lrtune: Callable[..., Any], start: Callable[..., Any], page: Any
) -> None:
    lrtune("search", "iris", "--trials", "16", "--epochs", "2", "--no-confirm", "--quiet")
    with dashboard() as address:
        page.goto(f"{address}/dashboard/studies/0/trials")
        wait_for(page, "16 Trials")
        search = start(
            "search", "iris", "--trials", "48", "--epochs", "2", "--quiet", "--resume"
        )  # fmt: skip
        wait_for(page, "48 Trials")
        page.goto(f"{address}/dashboard/studies/0/note")
        wait_for(page, "48 trials were tried")
        search.communicate(timeout=60)
        assert search.returncode == 0
        page.reload()
        wait_for(page, "Recommended:")
