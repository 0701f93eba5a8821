"""SIGINT and SIGTERM are deferred until the block ends."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from lrtune.support.signals import defer_signals


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """Return a signal that raises KeyboardInterrupt."""
    before = signal.signal(request.param, signal.default_int_handler)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_waits_until_the_end(number: signal.Signals) -> None:
    done = []

    def work() -> None:
        with defer_signals():
            signal.raise_signal(number)
            with defer_signals():
                signal.raise_signal(number)
            done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        work()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)

    assert done == ["all of it"]


def test_a_signal_that_is_ignored_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with defer_signals():
        signal.raise_signal(number)

    assert signal.getsignal(number) == signal.SIG_IGN


def test_in_other_threads_handlers_are_unchanged() -> None:
    before, handlers = signal.getsignal(signal.SIGINT), []

    def look() -> None:
        with defer_signals():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert handlers == [before]


SPREAD = """
import signal, zipfile
from lrtune.tuning.space import Space

signal.signal(signal.SIGINT, signal.default_int_handler)  # the parent may have ignored it
read = zipfile.ZipExtFile.read

def interrupted(*arguments):
    zipfile.ZipExtFile.read = read
    signal.raise_signal(signal.SIGINT)
    return read(*arguments)

zipfile.ZipExtFile.read = interrupted
try:
    print(Space.default(20, learning_rate_init=(0.01, 1.0)).spread(16, 0))
except KeyboardInterrupt:
    print("interrupted")
"""
"""Ctrl-C while scipy reads its table of numbers; half a table would make all settings equal."""


@pytest.mark.slow
def test_an_interrupt_while_settings_are_spread_is_not_swallowed() -> None:
    run = subprocess.run([sys.executable, "-c", SPREAD], capture_output=True, text=True)

    assert (run.stdout, run.stderr) == ("interrupted\n", "")
