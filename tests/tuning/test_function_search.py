"""`lrtune.search`: a known answer, its budget, its processes, its record, and dead networks."""

import functools
import io
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune
from lrtune import MLPClassifier
from lrtune.exceptions import InvalidInputError, LrtuneWarning, NothingCompletedError
from lrtune.schedules.schedule import Schedule
from lrtune.training.loop import train as train_population
from lrtune.training.random_streams import RandomStreams
from lrtune.tuning.confirm.budget import ConfirmationBudget, split_trainings
from lrtune.tuning.progress import Progress
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.result import SearchResult, read_result
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget
from lrtune.tuning.search import search as search_with
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.loop import Loop, LoopTrainer
from lrtune.tuning.trainers.network import NetworkTrainer

EPOCHS = 5


def toy(schedule: Schedule, seed: int) -> Iterator[float]:
    """Train a noisy quadratic, which diverges at rates above 2."""
    noise = np.random.default_rng(seed)
    x = np.full(16, 3.0)
    for epoch in range(EPOCHS):
        x = x - schedule(epoch) * (x + 0.3 * noise.standard_normal(16))
        yield float(np.mean(x**2))


def search(function: Callable[..., Any] = toy, **changes: Any) -> SearchResult:
    arguments = {"epochs": EPOCHS, "trainings": 24, "storage": None}
    return lrtune.search(function, **(arguments | changes))


def outcome(result: SearchResult) -> list[Any]:
    """Return all of a result that does not tell the time."""
    trials: list[Any] = [
        (
            trial.number,
            trial.state,
            trial.value,
            trial.params,
            trial.intermediate_values,
            replace(TrialFacts.of(trial), seconds=0.0),
        )
        for trial in result.finished
    ]
    return [*trials, result.confirmation, result.best, result.warnings]


@pytest.mark.parametrize(("default", "is_kept"), [(0.3, True), (1e-3, False)])
@pytest.mark.parametrize("trainings", [12, 24])
def test_the_default_is_recommended_if_it_does_better_and_only_then(
    default: float, is_kept: bool, trainings: int
) -> None:
    """The higher the rate, the better, up to 0.3; with 12 trainings, nothing races."""
    space = {"learning_rate_init": (1e-3, 0.3), "decay": ["constant"]}
    result = search(default=default, trainings=trainings, space=space)
    confirmation = result.to_dict()["confirmation"]

    assert confirmation["keeps_default"] == is_kept
    assert (result.best.learning_rate_init == default) == is_kept
    assert (confirmation["gain"] == 0) == is_kept
    assert any("default is itself recommended" in each for each in result.warnings) == is_kept


@functools.cache
def uninterrupted() -> list[Any]:
    return outcome(search())


class Interrupted:
    """A training whose k-th call raises an error in its second epoch."""

    def __init__(self, k: int, error: BaseException) -> None:
        self.k = k
        self.error = error
        self.calls = 0

    def __call__(self, schedule: Schedule, seed: int) -> Iterator[float]:
        self.calls += 1
        for epoch, loss in enumerate(toy(schedule, seed)):
            if self.calls == self.k and epoch == 1:
                raise self.error
            yield loss


# --- a known answer -------------------------------------------------------------------------------
# x ← x − α (h x + s ε), so that E x² ← (1 − α h)² E x² + α² s² in each coordinate.

CURVATURE, NOISE, START, DIMENSIONS, KNOWN_EPOCHS = 2.0, 0.5, 3.0, 64, 20
EDGE = 2 / CURVATURE


def quadratic(schedule: Schedule, seed: int) -> Iterator[float]:
    noise = np.random.default_rng(seed)
    x = np.full(DIMENSIONS, START)
    for epoch in range(KNOWN_EPOCHS):
        gradient = CURVATURE * x + NOISE * noise.standard_normal(DIMENSIONS)
        x = x - schedule(epoch) * gradient
        yield float(CURVATURE / 2 * np.mean(x**2))


def expected_loss(schedule: Schedule) -> float:
    square = START**2
    for epoch in range(KNOWN_EPOCHS):
        rate = schedule(epoch)
        square = (1 - rate * CURVATURE) ** 2 * square + (rate * NOISE) ** 2
    return CURVATURE / 2 * square


@pytest.mark.parametrize(
    ("trainings", "seed"),
    [(48, 0), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((48, 1), (100, 2)))],
)
def test_the_recommended_rate_is_near_the_best_that_is_known(trainings: int, seed: int) -> None:
    result = search(
        quadratic,
        epochs=KNOWN_EPOCHS,
        trainings=trainings,
        seed=seed,
        space={"decay": ["constant"]},
    )
    rates = np.geomspace(1e-3, EDGE, 1000).tolist()
    best = min(expected_loss(Schedule(learning_rate_init=rate)) for rate in rates)
    expected = expected_loss(result.schedule)

    assert result.schedule(0) < EDGE
    assert expected < 2.5 * best
    assert result.confirmed_loss is not None
    assert result.confirmed_se is not None
    assert abs(result.confirmed_loss - expected) < 4 * result.confirmed_se
    if result.safe_range is not None:  # else none is predicted surely enough
        assert result.safe_range[0] <= result.schedule(0) <= result.safe_range[1] < EDGE
    limit = expected_loss(Schedule(learning_rate_init=1.2 * EDGE))
    for trial in result.finished:
        is_far_above = trial.params["learning_rate_init"] > 1.2 * EDGE and limit > 100 * START**2
        if trial.params["learning_rate_init"] < EDGE:
            assert not trial.user_attrs.get("diverged")
        elif is_far_above:
            assert trial.user_attrs.get("diverged")


@pytest.mark.slow
def test_a_decaying_schedule_does_better_than_the_best_constant_rate() -> None:
    result = search(quadratic, epochs=KNOWN_EPOCHS, trainings=100)
    rates = np.geomspace(1e-3, EDGE, 1000).tolist()
    best = min(expected_loss(Schedule(learning_rate_init=rate)) for rate in rates)

    assert result.schedule.decay != "constant"
    assert expected_loss(result.schedule) < best
    assert result.confirmed_loss == pytest.approx(expected_loss(result.schedule), rel=0.3)


# --- the budget -----------------------------------------------------------------------------------


def counting(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[int]]:
    """Return the training, and the seeds of those that began."""
    seeds: list[int] = []

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        seeds.append(seed)
        yield from function(schedule, seed)

    return train, seeds


def on_the_edge(schedule: Schedule, seed: int) -> Iterator[float]:
    """Train best at rates that diverge on a third of the seeds."""
    for epoch in range(EPOCHS):
        yield float("inf") if schedule(0) > 0.01 and seed % 3 == 0 else 1 / (epoch + schedule(0))


@pytest.mark.parametrize(("function", "default"), [(toy, 0.1), (on_the_edge, None)])
@pytest.mark.parametrize("trainings", [12, 13, 16, 24, 32, 48, 100])
def test_no_training_is_spent_beyond_their_number(
    trainings: int, default: float | None, function: Callable[..., Any]
) -> None:
    train, seeds = counting(function)
    result = search(train, trainings=trainings, default=default)
    spent = result.trainings["total"]

    assert spent is not None
    assert spent <= trainings
    assert len(seeds) - 1 <= trainings  # one gave the scale
    if result.confirmation is not None:
        assert spent == len(seeds) - 1


@pytest.mark.parametrize("default", [None, 0.1])
@pytest.mark.parametrize("trainings", range(12, 40))
def test_the_split_leaves_no_part_without_trainings(trainings: int, default: float | None) -> None:
    split = split_trainings(trainings, n_others=int(default is not None))

    assert split.confirmation is not None
    assert split.n_trials + split.confirmation.limit == trainings
    assert split.n_trials >= trainings / 3
    assert split.confirmation.measurement_replicates >= 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"trainings": 11},
            "`trainings` must be at least 12, but got 11: fewer cannot .*give more",
        ),
        ({"trainings": 0}, "`trainings` must be a whole number of at least 1, but got 0"),
        ({"trainings": 12.5}, "`trainings` must be a whole number of at least 1, but got 12.5"),
        ({"trainings": 13, "replicates": 9}, "must be enough to try two settings, but .* of 13"),
        ({"n_trials": 4}, "each set the budget, but got 24 and 4: leave out one of them"),
        ({"epochs": 0}, "`epochs` must be a whole number of at least 1, but got 0: give the numb"),
        ({"epochs": True}, "`epochs` must be a whole number of at least 1, but got True"),
        ({"direction": "up"}, "`direction` must be 'minimize' or 'maximize', but got 'up'"),
        ({"catch": (KeyboardInterrupt,)}, "`catch` must hold exception types, but got <class 'Key"),
        ({"catch": ["OSError"]}, "`catch` must hold exception types, but got 'OSError'"),
        ({"default": -1}, "`default` must be a learning rate or a Schedule, but got -1: "),
        ({"default": "0.1"}, "`default` must be a learning rate or a Schedule, but got '0.1': "),
        (
            {"default": Schedule(learning_rate_init=0.1, warmup_epochs=2)},
            "`default` must have the warm-up, .* but has .*'warmup_epochs': 2.*: pass them to",
        ),
        (
            {"default": Schedule(learning_rate_init=0.1, decay="plateau", decay_rate=1)},
            "`default` must be a function of time, but its `decay` is 'plateau', which follows the",
        ),
        ({"gpus": [0], "n_jobs": 2}, "`gpus` sets the number of processes, but got `n_jobs=2`, to"),
        ({"per_gpu": 2}, "`per_gpu=2` is the number of trainings on each of `gpus`, which are not"),
        ({"gpus": [0], "per_gpu": 0}, "`per_gpu` must be a whole number of at least 1, but got 0"),
        ({"gpus": []}, r"`gpus` must hold indices of GPUs, such as \[0, 1\], but got \[\]"),
        ({"gpus": ["cuda:0"]}, r"`gpus` must hold indices of GPUs, .* got \['cuda:0'\]"),
        ({"timeout": 0}, "`timeout` must be above 0, but got 0: give seconds, or leave it out"),
        ({"resume": True}, "continues a recorded study, but got `storage=None`: name its storage"),
        ({"min_learning_rate": -1}, "`min_learning_rate` must be"),
        ({"cycle_epochs": 1, "warmup_epochs": 2}, "`cycle_epochs` must be greater than `warmup_ep"),
        ({"update": "step"}, "`update` must be 'epoch' or 'batch', but got 'step'"),
    ],
)
def test_arguments_that_break_a_rule_are_refused_before_anything_trains(
    changes: dict[str, Any], message: str
) -> None:
    train, seeds = counting(toy)

    with pytest.raises(InvalidInputError, match=message):
        search(train, **changes)

    assert seeds == []


def test_the_number_of_trials_sets_the_budget_in_place_of_the_trainings() -> None:
    result = search(trainings=None, n_trials=16)

    assert len(result.finished) == result.trainings["search"] == 16
    assert result.facts.replicates is None
    confirming = result.trainings["confirm"]
    assert confirming is not None
    assert 16 / 4 < confirming <= 16


def test_without_confirmation_all_trainings_explore() -> None:
    result = search(trainings=6, confirm=False)

    assert result.trainings == {"search": 6, "confirm": 0, "total": 6}
    assert result.confirmed_loss is None
    assert any("that chose the setting" in warning for warning in result.warnings)


@pytest.mark.slow
def test_nothing_begins_after_the_timeout_and_the_result_is_confirmed_all_the_same() -> None:
    begun = []

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        begun.append(time.monotonic() - started)
        for loss in toy(schedule, seed):
            time.sleep(0.01)
            yield loss

    started = time.monotonic()
    result = search(train, trainings=1000, timeout=2.0)

    assert max(begun) <= 2.0
    assert 0 < len(result.finished) < 100
    assert result.confirmation is not None
    assert result.confirmed_loss is not None
    assert "stopped by the time limit after" in " ".join(result.warnings)


def test_a_timeout_before_the_first_trial_ends_is_named() -> None:
    with pytest.raises(NothingCompletedError, match="no trial ended within the time limit: give a"):
        search(timeout=1e-9)


# --- processes ------------------------------------------------------------------------------------


@pytest.mark.slow  # the fast form is in tuning/trainers/test_network.py
def test_two_processes_find_what_one_does() -> None:
    assert outcome(search(n_jobs=2)) == uninterrupted()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # in loky
@pytest.mark.slow
def test_an_error_in_a_process_reaches_the_user_and_the_search_goes_on_by_resuming(
    folder: Path,
) -> None:
    marker = folder / "marker"

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        for loss in toy(schedule, seed):
            if schedule(0) > 0.5 and not marker.exists():
                marker.touch()
                raise OSError("disk on fire")
            yield loss

    with pytest.raises(OSError, match="disk on fire") as caught:
        search(train, n_jobs=2, storage="a.journal", study_name="toy")

    assert "in train" in str(caught.value.__cause__)
    resumed = search(train, storage="a.journal", study_name="toy", resume=True)
    assert outcome(resumed) == uninterrupted()


# --- record and resume ----------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 7, 15, 20, 22])
def test_a_search_that_an_error_ended_goes_on_as_if_it_had_not(folder: Path, k: int) -> None:
    interrupted = Interrupted(k, RuntimeError("once"))
    with pytest.raises(RuntimeError, match="once"):
        search(interrupted, storage="a.journal")

    kept = read_result("Interrupted", "a.journal")
    n_explored = len([entry for entry in uninterrupted() if isinstance(entry, tuple)]) - 1
    assert len(kept.finished) == min(k - 2, n_explored)
    resumed = search(interrupted, storage="a.journal", resume=True)
    assert outcome(resumed) == uninterrupted()


@pytest.mark.parametrize("changes", [{}, {"default": 0.1}, {"direction": "maximize"}], ids=str)
def test_the_result_reads_back_from_the_record(folder: Path, changes: dict[str, Any]) -> None:
    sign = -1 if changes.get("direction") else 1

    def train(schedule: Schedule, seed: int, width: float, kind: str) -> Iterator[dict[str, float]]:
        for loss in toy(schedule, seed):
            yield {"error": sign * (loss + width), "nothing": np.nan, "f1": loss}

    space = {"width": (0.1, 1.0), "kind": ["a", "b"]}
    result = search(train, space=space, metric="error", storage="a.journal", **changes)
    again = read_result("train", "a.journal")

    for field in fields(SearchResult):
        left, right = getattr(again, field.name), getattr(result, field.name)
        assert repr(left) == repr(right), field.name
    for trial in result.finished:
        if trial.state == optuna.trial.TrialState.COMPLETE:
            assert set(trial.user_attrs["metrics"]) == {"f1", "nothing"}
    assert repr(again.to_dict()) == repr(result.to_dict())
    assert again.schedule == result.schedule
    assert result.facts.trainer.loss == "error"


def test_a_study_is_named_by_the_function_or_by_the_user(folder: Path) -> None:
    first, second = (search(storage="a.journal", trainings=12) for _ in range(2))
    third = search(storage="a.journal", trainings=12, study_name="mine")

    assert (first.study, second.study, third.study) == ("toy", "toy-2", "mine")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study_name": "other"}, "a study to resume must exist, but a.journal has none named 'ot"),
        ({"seed": 1}, "must keep its options, but study 'toy' .*`seed=0`, and now `seed=1`"),
        ({"epochs": 5, "space": {"decay": ["cosine"]}}, "`decay="),
        ({"direction": "maximize"}, "must keep its options"),
        ({"warmup_epochs": 1.0}, "`warmup_epochs=0.0`, and now `warmup_epochs=1.0`"),
    ],
)
def test_a_study_of_another_search_is_not_resumed(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    search(storage="a.journal", trainings=12)

    with pytest.raises(InvalidInputError, match=message):
        search(storage="a.journal", trainings=24, resume=True, **changes)


def test_a_larger_budget_extends_a_study(folder: Path) -> None:
    search(storage="a.journal", trainings=12)
    extended = search(storage="a.journal", trainings=24, resume=True)

    assert outcome(extended) == uninterrupted()


def test_a_resumed_search_whose_source_has_changed_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "def train(schedule, seed):\n"
        "    for epoch in range(5):\n"
        "        yield (schedule(0) - 0.1) ** 2 + 1 / (1 + epoch)\n"
    )

    def load(text: str) -> Any:
        Path("mine.py").write_text(text, encoding="utf-8")
        names: dict[str, Any] = {"__name__": "mine"}
        exec(compile(text, str(Path("mine.py").resolve()), "exec"), names)  # noqa: S102
        return names["train"]

    search(load(source), storage="a.journal", trainings=12)
    same = search(load(source), storage="a.journal", trainings=16, resume=True)
    with pytest.warns(LrtuneWarning, match=r"changed training.* was .*mine\.py .* now is"):
        search(load(source + "# more"), storage="a.journal", trainings=24, resume=True)

    assert not any("changed" in warning for warning in same.warnings)


def test_without_storage_nothing_is_written(folder: Path) -> None:
    result = search(trainings=12)

    assert (result.study, result.storage) == (None, None)
    assert list(folder.iterdir()) == []


# --- what is searched -----------------------------------------------------------------------------


def test_errors_that_are_let_pass_make_failed_trials() -> None:
    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        for loss in toy(schedule, seed):
            if 0.001 < schedule(0) < 0.01:
                raise RuntimeError("out of memory")
            yield loss

    result = search(train, catch=(RuntimeError,))
    failed = [trial for trial in result.finished if trial.user_attrs.get("failure")]

    assert len(failed) == result.trials.failed > 0
    assert all(0.001 < trial.params["learning_rate_init"] < 0.01 for trial in failed)
    assert {trial.user_attrs["failure"] for trial in failed} == {"RuntimeError: out of memory"}
    assert result.confirmation is not None
    assert len(result.finished) == len(uninterrupted()) - 3


def test_if_all_trials_fail_the_error_is_named() -> None:
    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        if schedule(0) > 1e-6:
            raise RuntimeError("out of memory")
        yield from [1.0] * EPOCHS

    with pytest.raises(NothingCompletedError, match="with RuntimeError: out of memory: correct it"):
        search(train, catch=RuntimeError)


def test_if_all_trials_diverge_lower_rates_are_the_cure() -> None:
    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        yield from [1.0 if schedule(0) < 1e-6 else np.nan] * EPOCHS

    with pytest.raises(
        NothingCompletedError,
        match=r"0 failed|none of \d+ trials .* \d+ diverged: search l",
    ):
        search(train)


def test_further_parameters_arrive_by_name_and_within_their_space() -> None:
    seen = []

    def train(schedule: Schedule, seed: int, *, kind: str, width: float) -> Iterator[float]:
        seen.append((kind, width))
        for loss in toy(schedule, seed):
            yield loss + width + (kind == "bad")

    result = search(train, space={"width": (0.25, 1.0), "kind": ["bad", "good"]})

    assert {kind for kind, _ in seen} == {"bad", "good"}
    assert all(0.25 <= width <= 1.0 for _, width in seen)
    assert set(result.best_params) >= {"kind", "width"}
    assert result.best_params["kind"] == "good"


def test_given_ranges_and_modifiers_hold_for_every_training() -> None:
    seen = []

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        seen.append(schedule)
        yield from toy(schedule, seed)

    result = search(
        train,
        space={"learning_rate_init": (0.05, 0.5), "decay": ["linear"], "decay_rate": 0.1},
        warmup_epochs=1,
        cycle_epochs=4,
        min_learning_rate=0.01,
        update="batch",
    )

    for schedule in seen[1:]:
        assert (schedule.warmup_epochs, schedule.cycle_epochs) == (1, 4)
        assert (schedule.update, schedule.decay) == ("batch", "linear")
        assert schedule.decay_rate == pytest.approx(0.1)
    explored = seen[1 : 1 + len(result.finished)]
    assert all(0.05 <= schedule.learning_rate_init <= 0.5 for schedule in explored)
    assert all(schedule.min_learning_rate == 0.01 for schedule in explored)
    assert result.schedule in seen


def test_rates_below_the_floor_are_measured_beside_the_winner() -> None:
    result = search(
        trainings=200,
        space={"learning_rate_init": (0.05, 0.5)},
        min_learning_rate=0.05,
    )

    assert result.confirmation is not None
    assert min(result.confirmation.profile.rates) < 0.05


def test_to_maximize_is_to_minimize_the_negative_in_the_users_sign() -> None:
    def score(schedule: Schedule, seed: int) -> Iterator[float]:
        for loss in toy(schedule, seed):
            yield -loss

    low, high = search(default=0.1), search(score, direction="maximize", default=0.1)

    assert high.schedule == low.schedule
    assert high.search_loss == -low.search_loss
    assert high.confirmed_loss == -(low.confirmed_loss or 0)
    assert high.confirmed_se == low.confirmed_se
    assert high.default_loss == -(low.default_loss or 0)
    assert high.safe_range == low.safe_range
    assert high.confirmation == low.confirmation


def test_a_loss_may_be_negative() -> None:
    def shifted(schedule: Schedule, seed: int) -> Iterator[float]:
        for loss in toy(schedule, seed):
            yield loss - 1000

    result = search(shifted, trainings=48)

    assert result.schedule(0) < 2
    assert result.confirmed_loss == pytest.approx(-1000, abs=1)


@pytest.mark.parametrize(
    "default",
    [1e-4, Schedule(learning_rate_init=0.3, decay="step", decay_rate=0.5, step_size=2)],
    ids=["rate", "schedule"],
)
def test_the_default_is_measured_on_the_same_seeds(default: Any) -> None:
    calls: list[tuple[Schedule, int]] = []

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        calls.append((schedule, seed))
        yield from toy(schedule, seed)

    result = search(train, default=default)
    schedule = default if isinstance(default, Schedule) else Schedule(learning_rate_init=default)
    assert result.confirmation is not None
    n = result.confirmation.replicates
    seeds = list(dict.fromkeys(seed for _, seed in reversed(calls)))[:n]
    measured = [(each, seed) for each, seed in calls if seed in seeds]

    assert [seed for each, seed in measured if each == schedule] == seeds[::-1]
    assert [seed for each, seed in measured if each == result.schedule] == seeds[::-1]
    losses = [list(toy(schedule, seed))[-1] for seed in seeds]
    assert result.default_loss == pytest.approx(np.mean(losses))
    winner = [list(toy(result.schedule, seed))[-1] for seed in seeds]
    assert result.confirmed_loss == pytest.approx(np.mean(winner))
    gain = np.subtract(losses, winner)
    assert result.confirmation.gain is not None
    assert result.confirmation.gain.loss == pytest.approx(gain.mean())
    assert measured == calls[-len(measured) :]  # the seeds had no part in choosing it
    n_settings = 1 + len(result.confirmation.profile.rates)
    assert len(measured) == n_settings * n


def test_progress_says_how_far_and_how_long() -> None:
    lines: list[Progress] = []
    text = io.StringIO()
    with redirect_stdout(text):
        search(on_progress=lambda progress: (lines.append(progress), print(progress)))

    trainings = [each.trainings for each in lines]
    assert trainings[0] == 0
    assert trainings == sorted(trainings)
    assert lines[-1].planned - 2 <= trainings[-1] <= lines[-1].planned == 24
    assert not lines[0].confirming
    assert lines[-1].confirming
    assert "of about 24 trainings" in text.getvalue().splitlines()[-1]
    assert "each (median), about " in text.getvalue().splitlines()[-1]
    assert "best so far: trial" in text.getvalue().splitlines()[-1]
    assert text.getvalue().splitlines()[0] == f"0 of {split_trainings(24).n_trials} trials"


@pytest.mark.parametrize("sampler", [True, False])
def test_the_users_sampler_and_pruner_are_used(sampler: bool) -> None:
    options: dict[str, Any] = {"pruner": optuna.pruners.MedianPruner(n_startup_trials=4)}
    if sampler:
        options = {"sampler": optuna.samplers.RandomSampler(seed=3)}
    result = search(trainings=200, **options)

    assert result.facts.replicates == 3
    assert (result.trials.pruned > 0) == (not sampler)
    assert result.confirmation is not None


# --- dead networks --------------------------------------------------------------------------------

GUESS = float(np.log(10))


def dying(share: Callable[[float], float]) -> Callable[..., Iterator[float]]:
    """Return a training that, on a share of seeds that depends on the rate, stays at a guess."""

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        noise = np.random.default_rng(seed)
        dies = noise.random() < share(schedule(0))
        rate = min(schedule(0), 1.0)
        for epoch in range(EPOCHS):
            learned = GUESS * np.exp(-3 * rate * (epoch + 1)) + 0.01 * noise.random()
            yield GUESS + 0.01 * noise.random() if dies else learned

    return train


@pytest.mark.parametrize("seed", range(4))
def test_a_setting_that_dies_on_some_seeds_is_not_recommended(seed: int) -> None:
    result = search(
        dying(lambda rate: 0.5 if rate > 0.5 else 0.0),
        trainings=64,
        seed=seed,
        space={"learning_rate_init": (0.02, 5.0), "decay": ["constant"]},
    )

    assert result.schedule(0) <= 0.5
    assert result.confirmation is not None
    assert result.confirmation.dead == 0
    assert result.trials.diverged == 0


def test_if_all_die_on_some_seeds_it_is_said() -> None:
    result = search(
        dying(lambda rate: 0.5),  # noqa: ARG005
        trainings=64,
        space={"learning_rate_init": (0.1, 1.0), "decay": ["constant"]},
    )

    assert result.confirmation is not None
    assert result.confirmation.dead > 0
    assert any("did not learn" in warning for warning in result.warnings)


# --- the network, trained by either trainer -------------------------------------------------------


@pytest.mark.parametrize("n_replicates", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_both_trainers_find_the_same_where_they_train_the_same_network(n_replicates: int) -> None:
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=EPOCHS, batch_size=16))
    lockstep = NetworkTrainer.on_random_splits(model, X, y, n_replicates)

    def as_generator(schedule: Schedule, seed: int) -> Iterator[float]:
        (prepared,) = lockstep.prepared([numbers[seed]])
        streams = RandomStreams(prepared.seed)
        network = prepared.model
        population = network.make_population(prepared.rows, 1, streams.weights)
        epochs = train_population(
            population,
            [schedule],
            prepared.rows,
            epochs=range(EPOCHS),
            rng=streams.rows,
            validation=prepared.validation,
        )
        for epoch in epochs:
            assert epoch.validation_loss is not None
            yield float(epoch.validation_loss[0] * network.loss_unit)
        if not len(population):
            yield float("inf")

    default = Schedule(learning_rate_init=0.1)
    loop = LoopTrainer(Loop(as_generator, EPOCHS, metric="log_loss", default=default))
    numbers = {loop.replicate_seed(number): number for number in range(100)}
    space = Space.default(EPOCHS, learning_rate_init=(0.01, 3.0))  # none diverges or dies
    split = split_trainings(64, replicates=n_replicates, n_others=1)
    budget = Budget(split.n_trials, split.replicates, confirmation=split.confirmation)
    by_lockstep, by_loop = (
        search_with(trainer, space, budget=budget, sampling=Sampling())
        for trainer in (lockstep, loop)
    )

    assert by_loop.trials == by_lockstep.trials
    for one, other in zip(by_loop.finished, by_lockstep.finished, strict=True):
        assert one.params == other.params
        assert one.intermediate_values == pytest.approx(other.intermediate_values, rel=1e-6)
    assert by_loop.best == by_lockstep.best
    assert isinstance(budget.confirmation, ConfirmationBudget)
    assert by_loop.confirmation is not None
    assert by_lockstep.confirmation is not None
    assert [(each.trial, each.status) for each in by_loop.confirmation.contenders] == [
        (each.trial, each.status) for each in by_lockstep.confirmation.contenders
    ]
    assert by_loop.confirmed_loss == pytest.approx(by_lockstep.confirmed_loss, rel=1e-6)
    assert by_loop.trainings == by_lockstep.trainings
