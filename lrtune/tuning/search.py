"""The search: ask a block of settings → train it → record it, until the budget is spent.

A block is a pure function of the seed and of the trials finished before it (`ask_block`), so the
same seed gives the same trials, and a resumed study goes on as an uninterrupted one would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial

from lrtune._version import __version__
from lrtune.exceptions import InvalidInputError
from lrtune.replicates import Replicate
from lrtune.tuning.asking import BLOCK_SIZE, Asker, keep_notes
from lrtune.tuning.metrics import Objective, stable_repr
from lrtune.tuning.outcomes import judge
from lrtune.tuning.preparation import Prepared, check_space, prepare
from lrtune.tuning.result import EPOCHS, SCORE, SearchResult, Seconds, TrialCounts, best_trial
from lrtune.tuning.space import Space
from lrtune.tuning.storage import Record
from lrtune.tuning.trials import to_trial

__all__ = ["NOT_CONFIRMED", "Progress", "Searched", "configuration", "search"]

NOT_CONFIRMED = (
    "the loss was measured on the replicates that chose the setting, so expect a higher one on "
    "fresh seeds, the more so the smaller the table"
)


@dataclass(frozen=True)
class Progress:
    """How far a search is: at its start, and after each block."""

    study: str | None
    finished: int
    total: int
    best: FrozenTrial | None
    trials: TrialCounts


@dataclass(frozen=True)
class Searched:
    """What a search leaves: its finished trials, the record that keeps them, and the result."""

    trials: Sequence[FrozenTrial]
    record: Record | None
    result: SearchResult


def search(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    replicates: Sequence[Replicate],
    space: Space,
    n_trials: int = 64,
    seed: int = 0,
    timeout: float | None = None,
    sample_weight: npt.NDArray[Any] | None = None,
    objective: Objective | None = None,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    n_jobs: int | None = None,
    open_record: Callable[[Mapping[str, Any]], Record] | None = None,
    description: Mapping[str, Any] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Searched:
    """Search for the best learning-rate setting of an estimator.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or a Pipeline that ends in one
        What is tuned; its `max_iter` is the number of epochs of a trial. Not changed.
    X : array_like or DataFrame of shape (n, n_features)
    y : array_like of shape (n,) or (n, n_outputs)
    replicates : sequence of Replicate
        What each setting is judged on.
    space : Space
        What is searched.
    n_trials : int, default=64
        Trials in the study, counting those that a resumed study already has.
    seed : int, default=0
        Of the sampler.
    timeout : float, optional
        Seconds after which no further block is begun.
    sample_weight : ndarray of shape (n,), optional
        Weights of the rows, in training and in the validation loss.
    objective : Objective, optional
        What is optimised, by default the validation loss.
    sampler, pruner : optional
        The user's own, in place of TPE and of no competitive pruning.
    n_jobs : int, optional
        Processes that train; the result does not depend on it.
    open_record : callable, optional
        Given the search's configuration, opens the record of finished trials; called once all
        other arguments are checked. By default nothing is recorded.
    description : mapping, optional
        Further facts kept with the study; "dataset" and "task" name the result's fields.
    on_progress : callable, optional
        Called with a `Progress` at the start and after each block.

    Returns
    -------
    Searched

    Raises
    ------
    InvalidInputError
        If an argument breaks a rule; nothing is recorded then.
    NothingCompletedError
        If no trial completed.
    """
    started = time.monotonic()
    if n_trials < 1:
        raise InvalidInputError(f"trials must be at least 1, but got {n_trials}")
    if timeout is not None and not timeout > 0:
        raise InvalidInputError(f"timeout must be positive, but got {timeout}")
    description = description or {}
    prepared = [prepare(estimator, X, y, replicate, sample_weight) for replicate in replicates]
    check_space(prepared[0], space)
    record = None
    if open_record is not None:  # from here on nothing is to be wrong with the arguments
        facts = configuration(
            estimator, X, y, replicates, space, seed, objective, description, sample_weight
        )
        record = open_record(facts)
    study = None if record is None else record.name
    finished = [] if record is None else record.pull()
    report = on_progress or (lambda _: None)
    total = max(n_trials, len(finished))
    report(_progress(study, finished, total))
    cap = _cap(prepared)
    asker = Asker(space, seed, sampler, pruner)
    while len(finished) < n_trials:
        if timeout is not None and time.monotonic() - started > timeout and finished:
            break
        # the block that the next trial belongs to is asked whole; what is already done is skipped
        first = len(finished) // BLOCK_SIZE * BLOCK_SIZE
        block = asker.ask(finished[:first])
        asked = block[len(finished) - first : n_trials - first]
        trials = _train(prepared, asked, space, objective, cap, pruner, n_jobs)
        if sampler is not None or pruner is not None:
            keep_notes(asked, trials)
        if record is not None:
            record.push(trials, n_before=len(finished))
        for trial in trials:
            trial.number = len(finished)
            finished.append(trial)
        report(_progress(study, finished, total))
    epochs = prepared[0].model.max_iter * len(prepared)
    seconds = time.monotonic() - started
    result = _result(finished, record, space, description, epochs, n_trials, seconds)
    return Searched(finished, record, result)


def _train(
    prepared: Sequence[Prepared],
    asked: Sequence[Trial],
    space: Space,
    objective: Objective | None,
    cap: float,
    pruner: BasePruner | None,
    n_jobs: int | None,
) -> list[FrozenTrial]:
    """Train the trials that were asked, and make finished trials of them."""

    def prune(index: int, epoch: int, loss: float) -> bool:
        asked[index].report(loss, epoch)
        return asked[index].should_prune()

    begun = datetime.now()
    outcomes = judge(
        prepared,
        [space.setting(trial.params) for trial in asked],
        scorers=None if objective is None else objective.scorers,
        prune=None if pruner is None else prune,
        n_jobs=n_jobs,
    )
    metric = None if objective is None else objective.metric
    return [
        to_trial(trial.params, outcome, space, cap, begun, metric=metric)
        for trial, outcome in zip(asked, outcomes, strict=True)
    ]


def _cap(prepared: Sequence[Prepared]) -> float:
    """What a diverged trial's loss is told as: twice that of a guess."""
    return 2 * float(np.mean([replicate.guess_loss for replicate in prepared]))


def configuration(
    estimator: Any,
    X: Any,
    y: Any,
    replicates: Sequence[Replicate],
    space: Space,
    seed: int,
    objective: Objective | None,
    description: Mapping[str, Any],
    sample_weight: npt.NDArray[Any] | None = None,
) -> dict[str, Any]:
    """What is searched, and how, as JSON values: what a resumed search must share."""
    plain = int | float | str | bool | None
    named = estimator.get_params(deep=True).items()
    parameters = {  # steps last, so that a message names the parameter that differs in one
        key: value if isinstance(value, plain) else stable_repr(value)
        for key, value in sorted(named, key=lambda item: not isinstance(item[1], plain))
    }
    data = (np.asarray(X), np.asarray(y))
    spanned = {
        "learning_rate_init": list(space.learning_rate_init),
        "decay": list(space.decay),
        "decay_rate": list(space.decay_rate),
        **{name: repr(dimension.distribution) for name, dimension in space.others},
    }
    return {
        "version": __version__,
        **description,
        "seed": seed,
        "replicates": len(replicates),
        "estimator": parameters,
        "space": spanned,
        "metric": "loss" if objective is None else objective.metric,
        "data": joblib.hash(data if sample_weight is None else (*data, sample_weight)),
        "splits": joblib.hash([(r.train, r.validation, r.seed) for r in replicates]),
        "block_size": BLOCK_SIZE,
    }


def _progress(study: str | None, finished: Sequence[FrozenTrial], total: int) -> Progress:
    counts = TrialCounts.of(finished)
    best = best_trial(finished) if counts.complete else None
    return Progress(study, len(finished), total, best, counts)


def _result(
    trials: Sequence[FrozenTrial],
    record: Record | None,
    space: Space,
    description: Mapping[str, Any],
    epochs: int,
    n_trials: int,
    seconds: float,
) -> SearchResult:
    best = best_trial(trials)
    trained = sum(trial.user_attrs[EPOCHS] for trial in trials)
    warnings = [NOT_CONFIRMED]
    if len(trials) < n_trials:
        warnings.append(f"stopped by the time limit after {len(trials)} of {n_trials} trials")
    return SearchResult(
        study=None if record is None else record.name,
        storage=None if record is None else record.storage,
        dataset=description.get("dataset", ""),
        task=description.get("task", ""),
        best=space.setting(best.params),
        search_loss=float(np.mean(best.user_attrs["replicate_losses"])),
        score=best.user_attrs[SCORE],
        trials=TrialCounts.of(trials),
        trial_epochs=round(trained, 2),
        epochs_saved=round(epochs * len(trials) - trained, 2),
        warnings=tuple(warnings),
        seconds=Seconds(search=seconds, confirm=0.0, total=seconds),
    )
