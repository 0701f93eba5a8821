"""The search: ask a block of settings → train it → record it, until the budget is spent.

A block is a pure function of the seed and of the trials finished before it (`ask_block`), so the
same seed gives the same trials, and a resumed study goes on as an uninterrupted one would.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from lrtune._version import __version__
from lrtune.exceptions import InvalidInputError
from lrtune.replicates import Replicate
from lrtune.tuning.outcomes import Outcome, Scorers, judge
from lrtune.tuning.preparation import Prepared, check_space, prepare
from lrtune.tuning.result import (
    DIVERGED,
    EPOCHS,
    METRICS,
    SCORE,
    SECONDS,
    SearchResult,
    Seconds,
    TrialCounts,
    best_trial,
)
from lrtune.tuning.space import Space
from lrtune.tuning.storage import Record, quiet_optuna

__all__ = [
    "BLOCK_SIZE",
    "NOT_CONFIRMED",
    "Objective",
    "Progress",
    "Searched",
    "ask_block",
    "configuration",
    "make_sampler",
    "run_search",
    "search",
    "stable_repr",
    "to_trial",
]

BLOCK_SIZE = 16
"""Settings asked for at once."""

NOT_CONFIRMED = (
    "the loss was measured on the replicates that chose the setting, so expect a somewhat higher "
    "one on fresh seeds"
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
class Objective:
    """What a trial's value is: minus the mean of a metric over the replicates.

    Without one, a trial's value is its mean validation loss at the last epoch.

    Attributes
    ----------
    scorers : callable
        Called with a fitted estimator, X and y; returns scores by name, higher is better.
    metric : str
        The score that counts.
    """

    scorers: Scorers
    metric: str


@dataclass(frozen=True)
class Searched:
    """What a search leaves: its finished trials, the record that keeps them, and the result."""

    trials: Sequence[FrozenTrial]
    record: Record | None
    result: SearchResult


def make_sampler(seed: int, n_finished: int) -> BaseSampler:
    """The sampler of one block: TPE, after a first block drawn at random."""
    block_seed = int(np.random.SeedSequence([n_finished, seed]).generate_state(1)[0])
    return TPESampler(
        seed=block_seed, n_startup_trials=BLOCK_SIZE, multivariate=True, constant_liar=True
    )


def ask_block(
    finished: Sequence[FrozenTrial],
    space: Space,
    seed: int,
    *,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    notes: dict[str, Any] | None = None,
) -> list[Trial]:
    """The next block of trials, a pure function of its arguments.

    Parameters
    ----------
    finished : sequence of FrozenTrial
        All trials of the blocks before.
    space : Space
    seed : int
        The search's seed.
    sampler, pruner : optional
        The user's own; a sampler that keeps a state of its own makes this function less than
        pure (`_Asker` makes up for that).
    notes : dict, optional
        What such a sampler noted on the study of the block before; brought up to date.

    Returns
    -------
    list of optuna.Trial
        `BLOCK_SIZE` trials of a study in memory, each asked with those before it in mind
        (constant liar).

    Examples
    --------
    >>> space = Space.default("sgd", epochs=20)
    >>> first, again = ask_block([], space, seed=0), ask_block([], space, seed=0)
    >>> [trial.params for trial in first] == [trial.params for trial in again]
    True
    """
    with quiet_optuna():
        study = optuna.create_study(
            study_name="lrtune",  # HyperbandPruner draws its brackets by the name
            direction="minimize",
            sampler=sampler or make_sampler(seed, len(finished)),
            pruner=pruner or optuna.pruners.NopPruner(),
        )
    notes = {} if notes is None else notes
    for key, value in notes.items():
        study._storage.set_study_system_attr(study._study_id, key, value)
    study.add_trials(finished)
    distributions = space.distributions()
    block = [study.ask(fixed_distributions=distributions) for _ in range(BLOCK_SIZE)]
    notes.update(study._storage.get_study_system_attrs(study._study_id))
    return block


class _Asker:
    """Asks block after block, of a copy of the user's sampler if there is one.

    Such a sampler goes through its sequence from block to block. In a study that is gone on with
    it is asked for the earlier blocks first, so that it goes on where it was.
    """

    def __init__(
        self, space: Space, seed: int, sampler: BaseSampler | None, pruner: BasePruner | None
    ) -> None:
        self._space, self._seed = space, seed
        self._sampler, self._pruner = deepcopy((sampler, pruner))
        self._notes: dict[str, Any] = {}
        self._asked = 0

    def ask(self, finished: Sequence[FrozenTrial]) -> list[Trial]:
        """The block that follows the finished blocks."""
        if self._sampler is not None:
            for known in range(self._asked, len(finished), BLOCK_SIZE):
                self._ask(finished[:known])
        self._asked = len(finished) + BLOCK_SIZE
        return self._ask(finished)

    def _ask(self, finished: Sequence[FrozenTrial]) -> list[Trial]:
        return ask_block(
            finished,
            self._space,
            self._seed,
            sampler=self._sampler,
            pruner=self._pruner,
            notes=self._notes,
        )


def search(estimator: Any, X: Any, y: Any, **options: Any) -> SearchResult:
    """Search for the best learning-rate setting of an estimator: the result of `run_search`."""
    return run_search(estimator, X, y, **options).result


def run_search(
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
    asker = _Asker(space, seed, sampler, pruner)
    while len(finished) < n_trials:
        if timeout is not None and time.monotonic() - started > timeout and finished:
            break
        # the block that the next trial belongs to is asked whole; what is already done is skipped
        first = len(finished) // BLOCK_SIZE * BLOCK_SIZE
        block = asker.ask(finished[:first])
        asked = block[len(finished) - first : n_trials - first]
        trials = _train(prepared, asked, space, objective, cap, pruner, n_jobs)
        if sampler is not None or pruner is not None:
            _keep_notes(asked, trials)
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


def _keep_notes(asked: Sequence[Trial], trials: Sequence[FrozenTrial]) -> None:
    """Keep what a sampler or pruner of the user's noted on the trials, for the blocks to come."""
    known = asked[0].study.get_trials(deepcopy=False)
    for trial, finished in zip(asked, trials, strict=True):
        finished.system_attrs = {**known[trial.number].system_attrs, **finished.system_attrs}


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


def stable_repr(value: Any) -> str:
    """A representation that is the same in every process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _progress(study: str | None, finished: Sequence[FrozenTrial], total: int) -> Progress:
    counts = TrialCounts.of(finished)
    best = best_trial(finished) if counts.complete else None
    return Progress(study, len(finished), total, best, counts)


def to_trial(
    params: Mapping[str, Any],
    outcome: Outcome,
    space: Space,
    cap: float,
    begun: datetime,
    *,
    metric: str | None = None,
) -> FrozenTrial:
    """A finished trial; one that diverged is PRUNED, infeasible, and ends in a finite capped loss.

    Told so, the sampler learns where the cliff is: it ignores failed trials, ranks infeasible
    ones last, the later in training they diverged the better. FAILED is a trial that trained to
    the end, but that the metric has no number for.

    Parameters
    ----------
    params : mapping
        As they were drawn.
    outcome : Outcome
    space : Space
    cap : float
        Told in place of the loss at which it diverged.
    begun : datetime
        When its block was begun.
    metric : str, optional
        The metric that counts in place of the loss.
    """
    curve = outcome.validation_curves.mean(axis=0)
    values = {epoch + 1: float(loss) for epoch, loss in enumerate(curve)}
    attributes: dict[str, Any] = {
        EPOCHS: outcome.epochs,
        DIVERGED: None,
        SECONDS: outcome.seconds,
        "replicate_losses": outcome.validation_curves[:, -1].tolist() if len(curve) else [],
    }
    state, violation = TrialState.PRUNED, -1.0
    if outcome.diverged is not None:
        attributes[DIVERGED] = asdict(outcome.diverged)
        values[len(values) + 1] = cap
        violation = 1 / outcome.diverged.epoch
    value = values[max(values)]
    if outcome.scores is not None:
        state = TrialState.COMPLETE
        attributes[SCORE] = float(np.mean(outcome.scores))
        attributes["replicate_scores"] = outcome.scores.tolist()
        attributes[METRICS] = {name: told.tolist() for name, told in outcome.metrics.items()}
        if metric is not None:
            value = -float(np.mean(outcome.metrics[metric]))
        if math.isnan(value):
            state = TrialState.FAIL
    trial = create_trial(
        state=state,
        value=None if state == TrialState.FAIL else value,
        params=dict(params),
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
