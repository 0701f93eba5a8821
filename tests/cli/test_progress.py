"""How far a search is: a bar on a terminal, lines now and then where it is redirected."""

import itertools
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lrtune.cli.measure import Measure
from lrtune.cli.progress import Count, Forecast, describe
from lrtune.tuning.record.trials import TrialCounts

SEARCH = ("search", "iris", "--trials", "48", "--epochs", "1", "--hidden", "8")
SHORT = ("search", "iris", "--trials", "4", "--epochs", "1", "--no-confirm")
CODE = "import sys, lrtune.cli.progress as p, lrtune.cli as c; p.FIRST_LINE = 0.0; c.main()"
ESCAPE = "\x1b["
COLOUR = re.compile(r"\x1b\[[0-9;]*[34][0-9][0-9;]*m")


def progress(finished: int, total: int = 64, **more: Any) -> Any:
    best = SimpleNamespace(value=0.25) if finished else None
    counts = TrialCounts(finished, 0, finished // 4, 0)
    facts = {"confirming": False, "best": best, "trials": counts, "median_seconds": None, **more}
    return SimpleNamespace(study="iris", finished=finished, total=total, **facts)


@pytest.fixture
def clock() -> Iterator[Any]:
    """A clock to set."""
    told = SimpleNamespace(now=100.0)
    told.read = lambda: told.now
    return told


def test_time_left_follows_the_pace_of_what_was_watched(clock: Any) -> None:
    forecast = Forecast(None, clock.read)

    assert forecast.seconds_left(progress(16)) is None  # those of a resumed study took no time
    clock.now += 8
    assert forecast.seconds_left(progress(32)) == 16
    assert forecast.seconds_left(progress(64)) is None
    assert forecast.seconds_left(progress(32, confirming=True)) is None


def test_time_left_ends_at_the_time_limit(clock: Any) -> None:
    forecast = Forecast(10, clock.read)
    forecast.seconds_left(progress(0))
    clock.now += 8

    assert forecast.seconds_left(progress(16)) == 2
    clock.now += 8
    assert forecast.seconds_left(progress(32)) == 0


def test_a_line_says_best_diverged_and_time_left() -> None:
    assert describe(progress(0), None) == "0 diverged"
    assert describe(progress(16), 75) == "best loss 0.25, 4 diverged, about 75 s left"
    told = describe(progress(64, confirming=True), None)

    assert told == "best loss 0.25, 16 diverged, confirming on fresh replicates"


def test_long_trainings_are_counted_with_those_of_the_confirmation(clock: Any) -> None:
    count = Count(48, "trainings", Measure("accuracy", maximize=True))
    forecast = Forecast(None, clock.read, count)
    begun = progress(3, trainings=4, planned=48)
    assert forecast.seconds_left(begun) is None
    clock.now += 100
    best = SimpleNamespace(value=-0.93)
    now = progress(16, trainings=24, planned=48, median_seconds=0.25, confirming=True, best=best)

    assert count.describe(now) == "24 of about 48 trainings"
    assert describe(now, forecast.seconds_left(now), count.measure) == (
        "best accuracy 0.93, 4 diverged, 0.25 s each (median), confirming on fresh replicates, "
        "about 2 min left"
    )
    over = progress(16, trainings=50, planned=48)
    assert count.describe(over) == "50 of about 50 trainings"
    assert forecast.seconds_left(over) is None


def redirected(folder: Path, *words: str) -> Any:
    """A process of its own, standard error redirected."""
    return subprocess.run(
        [sys.executable, "-c", CODE, *words], cwd=folder, capture_output=True, text=True, check=True
    )


@pytest.mark.slow
def test_redirected_progress_is_plain_lines(folder: Path) -> None:
    run = redirected(folder, *SEARCH)
    lines = [line for line in run.stderr.splitlines() if " trials: " in line]

    assert re.fullmatch(
        r"\d+ of 48 trials: best loss [\d.]+, \d+ diverged, about \d+ s left", lines[1]
    )
    assert lines[-1].startswith("48 of 48 trials: best loss ")
    assert lines[-1].endswith("confirming on fresh replicates")
    assert ESCAPE not in run.stderr + run.stdout
    assert "\r" not in run.stderr
    assert "trials:" not in run.stdout


def test_a_short_search_is_over_before_it_says_how_far_it_is(lrtune: Callable[..., Any]) -> None:
    assert "trials:" not in lrtune(*SEARCH).err


def test_quiet_says_nothing_but_the_result(
    lrtune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtune.cli.progress.FIRST_LINE", 0.0)
    words = ("--quiet", "--alpha0", "0.001:0.01")  # too low, which a note would say

    assert "trials:" in lrtune(*SHORT).err
    assert lrtune(*SHORT, *words).err == ""


def test_silences_grow(clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from lrtune.cli.progress import FIRST_LINE, LONGEST_SILENCE, _lines

    show, told = _lines(Forecast(None, clock.read)), []
    for second in range(2000):
        clock.now = 100.0 + second
        show(progress(16 + second, total=4000))
        if capsys.readouterr().err:
            told.append(second)
    silences = [after - before for before, after in itertools.pairwise(told)]

    assert told[0] == FIRST_LINE
    assert silences[:3] == [10, 20, 40]
    assert max(silences) == LONGEST_SILENCE


def on_a_terminal(folder: Path, *words: str, **env: str) -> str:
    """What a terminal of 100 columns is sent."""
    ours, theirs = pty.openpty()
    told = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "lrtune", *words],
        cwd=folder, stdout=theirs, stderr=theirs, stdin=theirs,
        env=told | {"TERM": "xterm-256color", "COLUMNS": "100"} | env,
    )  # fmt: skip
    os.close(theirs)
    sent = b""
    try:
        while chunk := os.read(ours, 65536):
            sent += chunk
    except OSError:  # how Linux tells that the other side closed
        pass
    os.close(ours)

    assert process.wait() == 0
    return sent.decode()


@pytest.mark.slow
def test_a_terminal_shows_a_bar_with_best_diverged_and_time_left(folder: Path) -> None:
    sent = on_a_terminal(folder, "search", "iris", "--trials", "96")  # the bar is drawn at 10 Hz

    assert COLOUR.search(sent)
    assert "96/96" in sent
    assert re.search(r"best loss [\d.]+, \d+ diverged", sent)
    assert "confirming on fresh" in sent
    assert " s left" in sent


@pytest.mark.slow
def test_no_color_is_honoured(folder: Path) -> None:
    sent = on_a_terminal(folder, *SHORT, NO_COLOR="1")

    assert "4/4" in sent
    assert not re.search(r"\x1b\[[0-9;]*m", sent)


def test_quiet_still_tells_errors(lrtune: Callable[..., Any]) -> None:
    run = lrtune("search", "nowhere.csv", "--quiet")

    assert run.code == 2
    assert "nowhere.csv" in run.err


def test_quiet_silences_warnings_of_a_mended_record(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    lrtune(*SHORT)
    journal = folder / "lrtune.journal"
    for words, told in {("--quiet",): False, (): True}.items():
        with journal.open("ab") as file:
            file.write(b'{"op_code":4,')
        run = lrtune(*SHORT, *words)

        assert run.code == 0
        assert ("half-written line" in run.err) == told
