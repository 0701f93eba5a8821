"""The search, from an estimator and a table to a recommended setting.

Replicates are made ready, α₀'s range is found, settings are explored, and the best of them are
confirmed on fresh replicates.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from lrtune._version import __version__
from lrtune.exceptions import InvalidInputError, RecordLostError
from lrtune.tuning.audit import audit_pruning, require_share
from lrtune.tuning.blocks import Exploration, explore
from lrtune.tuning.confirm.advice import NOT_CONFIRMED, advise
from lrtune.tuning.confirm.race import Budget, confirm, share_of_search
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.range_test import Edges, edge_range
from lrtune.tuning.record.record import CONFIRMATION, SHARED, Record
from lrtune.tuning.record.schema import Ending, Plan, noting_failure
from lrtune.tuning.record.trials import EPOCHS, SCORE, TrialCounts, best_trial
from lrtune.tuning.record.workers import once, patience
from lrtune.tuning.result import SearchResult, Seconds
from lrtune.tuning.sampling.asking import BLOCK_SIZE
from lrtune.tuning.space import Setting, Space
from lrtune.tuning.trainers.network import Prepared, check_space, default_setting, prepare
from lrtune.tuning.trainers.replicates import Replicate
from lrtune.tuning.trainers.scoring import Objective, stable_repr

__all__ = ["Progress", "Searched", "configuration", "search"]


@dataclass(frozen=True)
class Progress:
    """How far a search is: at its start, after each block, and when confirmation begins."""

    study: str | None
    finished: int
    total: int
    best: FrozenTrial | None
    trials: TrialCounts
    confirming: bool = False


@dataclass(frozen=True)
class Searched:
    """What a search leaves: trials, the space they are from, their record, and the result."""

    trials: Sequence[FrozenTrial]
    space: Space
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
    fresh: Iterable[Replicate] | None = None,
    baseline: Setting | None = None,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    audit_share: float | None = None,
    n_jobs: int | None = None,
    open_record: Callable[[Mapping[str, Any]], Record] | None = None,
    description: Mapping[str, Any] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    worker: int = 0,
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
        What is searched; without a range of α₀, around the edge that a range test finds.
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
    fresh : iterable of Replicate, optional
        Replicates that the search does not see, as many as are asked for: the best settings are
        confirmed on them. By default the recommended setting is not confirmed.
    baseline : Setting, optional
        Measured beside the recommended setting.
    sampler, pruner : optional
        The user's own, in place of TPE and of no competitive pruning.
    audit_share : float, optional
        Share of the pruned trials to finish after all, to see whether good ones were lost.
    n_jobs : int, optional
        Processes that train; the result does not depend on it.
    open_record : callable, optional
        Given the search's configuration, opens the record of finished trials; called once all
        other arguments are checked. By default nothing is recorded.
    description : mapping, optional
        Further facts kept with the study; "dataset" and "task" name the result's fields.
    on_progress : callable, optional
        Called with a `Progress` at the start and after each block.
    worker : int, default=0
        A number of one's own (`draw_worker`), to help a search that runs elsewhere: `open_record`
        then joins its study. Whoever finds all trials finished confirms, the others wait for it.

    Returns
    -------
    Searched

    Raises
    ------
    InvalidInputError
        If an argument breaks a rule; nothing is recorded then.
    NothingCompletedError
        If no trial completed, or none of them on fresh replicates.
    RecordLostError
        If a worker loses the record; a search that does goes on without it.
    """
    started = time.monotonic()
    _check(n_trials, timeout, audit_share)
    description = description or {}
    prepared = [prepare(estimator, X, y, replicate, sample_weight) for replicate in replicates]
    check_space(prepared[0], space)
    edges: Edges = ()
    if space.learning_rate_init is None:
        bounds, edges = edge_range(prepared, space)
        space = replace(space, learning_rate_init=bounds)
        check_space(prepared[0], space)
    record = None
    if open_record is not None:  # from here on nothing is to be wrong with the arguments
        facts = configuration(
            estimator, X, y, replicates, space, seed, objective, description, sample_weight
        )
        record = open_record({**facts, "pruner": None if pruner is None else _kind(pruner)})
    study = None if record is None else record.name
    finished = [] if record is None else record.pull()
    total = max(n_trials, len(finished))
    report = _reporter(on_progress, study, finished, total)
    report()
    default = default_setting(estimator, space)
    drawn, confirming = space.drawn(default), fresh is not None
    if not worker:
        Plan.made(prepared, total, drawn, edges, confirm=confirming).keep(record)
    means = Exploration(
        prepared, space, default, seed, objective, sampler, pruner, n_jobs, record, worker
    )
    lost = explore(
        means,
        finished,
        n_trials=n_trials,
        deadline=math.inf if timeout is None else started + timeout,
        on_block=report,
    )
    kept = None if lost else record
    shared = kept is not None and (worker > 0 or bool(kept.noted(SHARED)))
    if shared:  # so that all come to the same, whoever finished a block too many
        del finished[n_trials:]
    with noting_failure(kept, finished):
        best_trial(finished)  # from here on one is known to have completed
    searched = time.monotonic()
    confirmation = None
    if fresh is not None:
        report(confirming=True)

        def run() -> Confirmation:
            return confirm(
                finished,
                space,
                (prepare(estimator, X, y, replicate, sample_weight) for replicate in fresh),
                budget=_budget(finished, prepared),
                default=default,
                baseline=baseline,
                objective=objective,
                n_jobs=n_jobs,
            )

        with noting_failure(kept, finished):
            confirmation, unkept = _confirmed(run, kept, finished, shared=shared)
            lost = lost or unkept
    done = time.monotonic()
    seconds = Seconds(searched - started, done - searched, done - started)
    result = _result(
        finished, record, space, description, prepared, n_trials, confirmation, seconds
    )
    if lost is not None:
        result = replace(result, warnings=(*result.warnings, _unrecorded(lost, finished)))
        record = None
    if audit_share is not None:
        audit = audit_pruning(means, finished, share=audit_share)
        result = replace(result, pruning_audit=audit)
    with suppress(RecordLostError):  # only this last note is missing then
        Ending(len(finished), fresh is not None, result.warnings, asdict(seconds)).keep(record)
    return Searched(finished, space, record, result)


def _confirmed(
    run: Callable[[], Confirmation],
    record: Record | None,
    trials: Sequence[FrozenTrial],
    *,
    shared: bool,
) -> tuple[Confirmation, RecordLostError | None]:
    """What confirmation said, here or in the process that was first; and why it is not recorded."""
    if record is None:
        return run(), None
    try:
        if shared:
            wait, of = patience(trials), len(trials)
            told = once(record, CONFIRMATION, lambda: run().to_dict(), of=of, wait=wait)
            return Confirmation.from_dict(dict(told)), None
    except RecordLostError as error:
        return run(), error
    confirmation = run()
    try:
        record.note(CONFIRMATION, confirmation.to_dict())
    except RecordLostError as error:
        return confirmation, error
    return confirmation, None


def _unrecorded(lost: RecordLostError, trials: Sequence[FrozenTrial]) -> str:
    return f"{lost}; this result, of {len(trials)} trials, is not recorded in full"


def _check(n_trials: int, timeout: float | None, audit_share: float | None) -> None:
    if audit_share is not None:
        require_share(audit_share)
    if n_trials < 1:
        raise InvalidInputError(f"trials must be at least 1, but got {n_trials}")
    if timeout is not None and not timeout > 0:
        raise InvalidInputError(f"timeout must be positive, but got {timeout}")


def _kind(pruner: BasePruner) -> str:
    return type(pruner).__name__


def _budget(trials: Sequence[FrozenTrial], prepared: Sequence[Prepared]) -> Budget:
    share = share_of_search(len(prepared[0].validation))
    return Budget(share * len(trials) * len(prepared))


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
    given = estimator.get_params(deep=True).items()
    named = [(key, v.item() if isinstance(v, np.generic) else v) for key, v in given]
    parameters = {  # steps last, so that a message names the parameter that differs in one
        key: value if isinstance(value, plain) and value == value else stable_repr(value)
        for key, value in sorted(named, key=lambda item: not isinstance(item[1], plain))
    }
    data = (_to_hash(X), _to_hash(y))
    spanned = {
        "learning_rate_init": list(space.rates),
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
        "metric": "loss" if objective is None else objective.metric,
        "data": joblib.hash(data if sample_weight is None else (*data, sample_weight)),
        "splits": joblib.hash([(r.train, r.validation, r.seed) for r in replicates]),
        "space": spanned,
        "block_size": BLOCK_SIZE,
    }


def _to_hash(values: Any) -> Any:
    """Numbers as they are; others as lists, whose hash depends on no library's release."""
    array = np.asarray(values)
    return array.tolist() if array.dtype == object else array


def _reporter(
    on_progress: Callable[[Progress], None] | None,
    study: str | None,
    finished: Sequence[FrozenTrial],
    total: int,
) -> Callable[..., None]:
    """Tells who wants to know, as counting the trials finished so far takes its time."""

    def report(*, confirming: bool = False) -> None:
        if on_progress is not None:
            counts = TrialCounts.of(finished)
            best = best_trial(finished) if counts.complete else None
            on_progress(Progress(study, len(finished), total, best, counts, confirming))

    return report


def _result(
    trials: Sequence[FrozenTrial],
    record: Record | None,
    space: Space,
    description: Mapping[str, Any],
    prepared: Sequence[Prepared],
    n_trials: int,
    confirmation: Confirmation | None,
    seconds: Seconds,
) -> SearchResult:
    if confirmation is None:
        best, warnings = best_trial(trials), [NOT_CONFIRMED]
    else:
        best = trials[confirmation.contenders[0].trial]
        warnings = advise(confirmation, space, len(prepared[0].validation))
    if len(trials) < n_trials:
        warnings.append(f"stopped by the time limit after {len(trials)} of {n_trials} trials")
    trained = sum(trial.user_attrs[EPOCHS] for trial in trials)
    in_full = prepared[0].model.max_iter * len(prepared) * len(trials)
    return SearchResult(
        study=None if record is None else record.name,
        storage=None if record is None else record.storage,
        dataset=description.get("dataset", ""),
        task=description.get("task", ""),
        best=space.setting(best.params),
        search_loss=float(np.mean(best.user_attrs["replicate_losses"])),
        score=best.user_attrs[SCORE] if confirmation is None else confirmation.score,
        trials=TrialCounts.of(trials),
        trial_epochs=round(trained, 2),
        epochs_saved=round(in_full - trained, 2),
        warnings=tuple(warnings),
        seconds=seconds,
        confirmation=confirmation,
        best_trial=best.number,
    )
