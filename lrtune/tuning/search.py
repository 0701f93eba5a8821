"""The search: ask a block of settings → train it → record it, until the budget is spent.

A block is a pure function of the seed and of the trials finished before it (`ask_block`), so the
same seed gives the same trials, and a resumed study goes on as an uninterrupted one would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import joblib
import numpy as np
import optuna
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from lrtune._version import __version__
from lrtune.data import Replicate
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.outcomes import Outcome, judge, prepare
from lrtune.tuning.result import (
    DIVERGED,
    EPOCHS,
    SCORE,
    SearchResult,
    Seconds,
    TrialCounts,
    best_trial,
)
from lrtune.tuning.space import Setting, Space
from lrtune.tuning.storage import Record, quiet_optuna

__all__ = [
    "BLOCK_SIZE",
    "NOT_CONFIRMED",
    "Progress",
    "ask_block",
    "configuration",
    "make_sampler",
    "search",
    "to_trial",
]

BLOCK_SIZE = 16
"""Settings asked for at once."""

NOT_CONFIRMED = (
    "search_loss is judged on the replicates that chose the setting, so expect a somewhat higher "
    "loss on fresh seeds"
)


@dataclass(frozen=True)
class Progress:
    """How far a search is: at its start, and after each block."""

    study: str | None
    finished: int
    total: int
    best: FrozenTrial | None
    trials: TrialCounts


def make_sampler(seed: int, n_finished: int) -> BaseSampler:
    """The sampler of one block: TPE, after a first block drawn at random."""
    block_seed = int(np.random.SeedSequence([n_finished, seed]).generate_state(1)[0])
    return TPESampler(
        seed=block_seed, n_startup_trials=BLOCK_SIZE, multivariate=True, constant_liar=True
    )


def ask_block(finished: Sequence[FrozenTrial], space: Space, seed: int) -> list[Setting]:
    """The next block of settings, a pure function of its arguments.

    Parameters
    ----------
    finished : sequence of FrozenTrial
        All trials of the blocks before.
    space : Space
    seed : int
        The search's seed.

    Returns
    -------
    list of Setting
        `BLOCK_SIZE` settings, each asked with those before it in mind (constant liar).

    Examples
    --------
    >>> space = Space.default("sgd", epochs=20)
    >>> ask_block([], space, seed=0) == ask_block([], space, seed=0)
    True
    """
    with quiet_optuna():
        study = optuna.create_study(direction="minimize", sampler=make_sampler(seed, len(finished)))
    study.add_trials(finished)
    return [space.suggest(study.ask()) for _ in range(BLOCK_SIZE)]


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
    storage: str | None = None,
    name: str = "study",
    resume: bool = False,
    description: Mapping[str, Any] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
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
    storage : str, optional
        Where finished trials are recorded; by default nowhere.
    name : str, default="study"
        The study's name in the record; a number is added if it is taken.
    resume : bool, default=False
        Go on with the study of that name.
    description : mapping, optional
        Further facts kept with the study; "dataset" and "task" name the result's fields.
    on_progress : callable, optional
        Called with a `Progress` at the start and after each block.

    Returns
    -------
    SearchResult

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
    prepared = [prepare(estimator, X, y, replicate) for replicate in replicates]
    record = None
    if storage is not None:
        facts = configuration(estimator, X, y, replicates, space, seed, description or {})
        record = (Record.resume if resume else Record.create)(storage, name, facts)
    finished = [] if record is None else record.pull()[:n_trials]
    study = None if record is None else record.name
    report = on_progress or (lambda _: None)
    report(_progress(study, finished, n_trials))
    cap = 2 * float(np.mean([replicate.guess_loss for replicate in prepared]))
    while len(finished) < n_trials:
        if timeout is not None and time.monotonic() - started > timeout and finished:
            break
        # the block that the next trial belongs to is asked whole; what is already done is skipped
        first = len(finished) // BLOCK_SIZE * BLOCK_SIZE
        block = ask_block(finished[:first], space, seed)[len(finished) - first : n_trials - first]
        begun = datetime.now()
        trials = [to_trial(outcome, space, cap, begun) for outcome in judge(prepared, block)]
        if record is not None:
            record.push(trials)
        for trial in trials:
            trial.number = len(finished)
            finished.append(trial)
        report(_progress(study, finished, n_trials))
    epochs = prepared[0].model.max_iter * len(prepared)
    return _result(
        finished, record, description or {}, epochs, n_trials, time.monotonic() - started
    )


def configuration(
    estimator: Any,
    X: Any,
    y: Any,
    replicates: Sequence[Replicate],
    space: Space,
    seed: int,
    description: Mapping[str, Any],
) -> dict[str, Any]:
    """What is searched, and how, as JSON values: what a resumed search must share."""
    parameters = {
        key: value if isinstance(value, int | float | str | bool | None) else repr(value)
        for key, value in estimator.get_params(deep=True).items()
    }
    return {
        "version": __version__,
        **description,
        "seed": seed,
        "replicates": len(replicates),
        "space": {key: list(value) for key, value in asdict(space).items()},
        "estimator": parameters,
        "data": joblib.hash((np.asarray(X), np.asarray(y))),
        "splits": joblib.hash([(r.train, r.validation, r.seed) for r in replicates]),
        "block_size": BLOCK_SIZE,
    }


def _progress(study: str | None, finished: Sequence[FrozenTrial], total: int) -> Progress:
    counts = TrialCounts.of(finished)
    best = best_trial(finished) if counts.complete else None
    return Progress(study, len(finished), total, best, counts)


def to_trial(outcome: Outcome, space: Space, cap: float, begun: datetime) -> FrozenTrial:
    """A finished trial; one that diverged is PRUNED, infeasible, and ends in a finite capped loss.

    Told so, the sampler learns where the cliff is: it ignores failed trials, ranks infeasible
    ones last, the later in training they diverged the better.
    """
    curve = outcome.validation_curves.mean(axis=0)
    values = {epoch + 1: float(loss) for epoch, loss in enumerate(curve)}
    attributes: dict[str, Any] = {EPOCHS: outcome.epochs, DIVERGED: None}
    if outcome.diverged is None:
        attributes[SCORE] = float(np.mean(outcome.scores))  # type: ignore[arg-type]
        attributes["replicate_losses"] = outcome.validation_curves[:, -1].tolist()
        attributes["replicate_scores"] = np.asarray(outcome.scores).tolist()
        state, value, violation = TrialState.COMPLETE, float(curve[-1]), -1.0
    else:
        attributes[DIVERGED] = asdict(outcome.diverged)
        values[len(values) + 1] = cap
        state, value = TrialState.PRUNED, cap
        violation = 1 / outcome.diverged.epoch
    trial = create_trial(
        state=state,
        value=value,
        params=asdict(outcome.setting),
        distributions=space.distributions(),
        user_attrs=attributes,
        intermediate_values=values,
        constraints={DIVERGED: violation},
    )
    trial.datetime_start = begun
    return trial


def _result(
    trials: Sequence[FrozenTrial],
    record: Record | None,
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
        best=Space.setting(best.params),
        search_loss=float(best.values[0]),
        score=best.user_attrs[SCORE],
        trials=TrialCounts.of(trials),
        trial_epochs=round(trained, 2),
        epochs_saved=round(epochs * len(trials) - trained, 2),
        warnings=tuple(warnings),
        seconds=Seconds(search=seconds, confirm=0.0, total=seconds),
    )
