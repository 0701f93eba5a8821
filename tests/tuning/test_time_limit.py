"""The time limit: it bounds the whole search, and a share of it confirms.

Time is a number here, which each epoch of a training advances.
"""

import time
from collections.abc import Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune
from lrtune import LearningRateSearchCV, MLPClassifier, Schedule
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Sampling
from lrtune.tuning.search import EXPLORING_SHARE, Budget, Recording, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.protocol import Outcome

EPOCHS = 5


class Time:
    """A clock that stands still but for what is trained; `pace` is the seconds of an epoch."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pace = 1.0
        self.begun: list[float] = []

    def train(self, schedule: Schedule, seed: int) -> Iterator[float]:
        """Train a noisy quadratic, which diverges at rates above 2."""
        self.begun.append(self.now)
        noise = np.random.default_rng(seed)
        x = np.full(16, 3.0)
        for epoch in range(EPOCHS):
            x = x - schedule(epoch) * (x + 0.3 * noise.standard_normal(16))
            self.now += self.pace
            yield float(np.mean(x**2))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Return the time, which networks in lockstep advance as other trainings do."""
    fake = Time()
    train = NetworkTrainer.train

    def timed(self: NetworkTrainer, *args: Any) -> Iterator[list[Outcome]]:
        for outcomes in train(self, *args):
            fake.now += fake.pace * sum(outcome.epochs for outcome in outcomes)
            yield outcomes

    monkeypatch.setattr(time, "monotonic", lambda: fake.now)
    monkeypatch.setattr(NetworkTrainer, "train", timed)
    return fake


def search_function(clock: Time, timeout: float | None, **changes: Any) -> SearchResult:
    options: dict[str, Any] = {"trainings": 1000, "storage": None} | changes
    return lrtune.search(clock.train, epochs=EPOCHS, timeout=timeout, **options)


def search_iris(timeout: float | None, model: Any, **options: Any) -> SearchResult:
    X, y = load_iris(return_X_y=True)
    estimator = make_pipeline(StandardScaler(), model)
    options = {"n_trials": 1000, "random_state": 0, "refit": False} | options
    return LearningRateSearchCV(estimator, timeout=timeout, **options).fit(X, y).result_


def warned(result: SearchResult, text: str) -> bool:
    return any(text in warning for warning in result.warnings)


@pytest.mark.parametrize("timeout", [60.0, 123.0, 700.0])
@pytest.mark.parametrize("default", [None, 0.1])
def test_a_functions_search_ends_in_time_and_is_confirmed(
    clock: Time, timeout: float, default: float | None
) -> None:
    result = search_function(clock, timeout, default=default)
    explored = sum(TrialFacts.of(trial).epochs for trial in result.finished)

    assert max(clock.begun) <= 1000 + timeout
    assert 0.7 * timeout < result.seconds.total <= timeout + EPOCHS
    assert EXPLORING_SHARE * timeout - 2 * EPOCHS <= explored + 1 <= EXPLORING_SHARE * timeout + 5
    assert result.confirmation is not None
    assert result.confirmation.replicates >= 2
    assert (result.confirmation.default is None) == (default is None)
    assert warned(result, f"stopped by the time limit after {len(result.finished)} of")


@pytest.mark.slow
@pytest.mark.parametrize("timeout", [800.0, 3000.0])
def test_a_search_in_lockstep_ends_within_a_block_of_its_limit_and_is_confirmed(
    clock: Time, timeout: float
) -> None:
    result = search_iris(timeout, MLPClassifier((8,), max_iter=EPOCHS))
    block = EPOCHS * BLOCK_SIZE * 3

    assert len(result.finished) % BLOCK_SIZE == 0
    assert result.seconds.search <= max(block, EXPLORING_SHARE * timeout) + block / 3
    assert timeout / 3 < result.seconds.total <= timeout
    assert result.confirmation is not None
    assert warned(result, "the time limit cut the confirmation short, to ")
    assert clock.now == 1000 + result.seconds.total


def test_a_confirmation_that_is_slower_than_the_search_is_cut_as_it_runs(clock: Time) -> None:
    slowed = []

    def slow_down(progress: Any) -> None:
        if progress.confirming and not slowed:
            slowed.append(clock.now)
            clock.pace = 2.5

    result = search_function(clock, 600.0, on_progress=slow_down)

    assert slowed
    assert result.seconds.total <= 600 + 2.5 * EPOCHS
    assert result.confirmation is not None
    assert result.confirmation.trainings is not None
    assert warned(result, f"cut the confirmation short, to {result.confirmation.trainings} train")


def test_what_ends_within_its_share_is_confirmed_as_planned(clock: Time) -> None:
    plain, ample = (search_function(clock, timeout, trainings=48) for timeout in (None, 1e6))

    assert [trial.params for trial in ample.finished] == [trial.params for trial in plain.finished]
    assert ample.confirmation == plain.confirmation
    assert ample.warnings == plain.warnings


def test_a_planned_confirmation_is_cut_to_the_time_that_is_left(clock: Time) -> None:
    planned, cut = (search_function(clock, timeout, trainings=48) for timeout in (None, 240.0))

    assert [trial.params for trial in cut.finished] == [trial.params for trial in planned.finished]
    assert not warned(cut, "stopped by the time limit")
    assert warned(cut, "the time limit cut the confirmation short, to")
    assert cut.trainings["confirm"] < planned.trainings["confirm"]
    assert cut.seconds.total <= 240


def test_if_no_confirmation_fits_the_result_says_so(clock: Time) -> None:
    result = search_iris(1.0, MLPClassifier((8,), max_iter=EPOCHS))

    assert len(result.finished) == BLOCK_SIZE
    assert result.confirmation is None
    assert warned(result, "not confirmed, as the time limit left too little time: give a higher")
    assert not warned(result, "cut the confirmation")


def test_if_the_default_cannot_be_measured_in_time_the_winner_is(clock: Time) -> None:
    def slow_down(progress: Any) -> None:
        if progress.confirming:
            clock.pace = 2.0

    result = search_function(clock, 61.0, default=0.1, on_progress=slow_down)

    assert result.confirmation is not None
    assert result.confirmation.trainings == 2
    assert result.confirmation.default is None


def test_without_confirmation_the_whole_limit_explores(clock: Time) -> None:
    result = search_function(clock, 100.0, confirm=False)

    assert 90 <= result.seconds.total <= 100


@pytest.mark.slow
def test_an_estimators_search_is_bounded_too(clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    partial_fit = SGDClassifier.partial_fit

    @wraps(partial_fit)
    def timed(self: SGDClassifier, *args: Any, **kwargs: Any) -> SGDClassifier:
        clock.now += 1
        return partial_fit(self, *args, **kwargs)

    monkeypatch.setattr(SGDClassifier, "partial_fit", timed)
    result = search_iris(600.0, SGDClassifier(max_iter=EPOCHS, loss="log_loss"))

    assert 300 < result.seconds.total <= 600 + EPOCHS
    assert result.confirmation is not None


def test_a_resumed_search_counts_its_own_time_alone(clock: Time, folder: Path) -> None:
    options: dict[str, Any] = {"storage": str(folder / "record.journal"), "study_name": "again"}
    first = search_function(clock, 100.0, **options)
    clock.now += 1e5
    again = search_function(clock, 100.0, **options, resume=True)
    done = search_function(clock, 100.0, **options, n_trials=8, trainings=None, resume=True)

    assert len(again.finished) > len(first.finished) + BLOCK_SIZE
    assert again.seconds.total <= 100 + EPOCHS
    assert done.seconds.total <= 100 + EPOCHS  # its trials tell how long trainings take
    assert all(result.confirmation is not None for result in (first, again, done))


def test_a_worker_waits_for_anothers_confirmation_until_its_own_limit(
    clock: Time, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = load_iris(return_X_y=True)
    network = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=EPOCHS))
    storage = str(folder / "record.journal")

    def run(open_record: Any, budget: Budget, **sampling: Any) -> SearchResult:
        return search(
            NetworkTrainer.on_random_splits(network, X, y, 1),
            Space.default(EPOCHS, learning_rate_init=(0.01, 1.0)),
            budget=budget,
            sampling=Sampling(**sampling),
            recording=Recording(partial(open_record, storage, "iris")),
        )

    run(Record.create, Budget(BLOCK_SIZE, confirm=False))
    other = Record.look(storage, "iris")
    assert other.claim(f"iris ({Confirmation.KEY} of {BLOCK_SIZE} trials, attempt 1)")
    begun = clock.now
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(clock, "now", clock.now + seconds))
    worker = run(Record.join, Budget(BLOCK_SIZE, timeout=30.0), worker=7)

    assert 30 <= clock.now - begun <= 32
    assert worker.confirmation is None
    assert warned(worker, "not confirmed, as the time limit left too little time")
