"""A search's result told again, from what the record says of its study."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from lrtune.exceptions import NothingCompletedError
from lrtune.export.provenance import task_of
from lrtune.review.study import Studied
from lrtune.tuning.record.trials import EPOCHS, SCORE, SECONDS, best_trial
from lrtune.tuning.result import SearchResult, Seconds
from lrtune.tuning.space import Setting

__all__ = ["INTERRUPTED", "retell", "tuned_network"]

INTERRUPTED = (
    "the search did not end: it was interrupted after {finished} of {total} trials, or it still "
    "runs; go on with it by its command and --name {name} --resume{command}"
)


def retell(studied: Studied) -> SearchResult:
    """The result of a study's search, or of what it has finished so far.

    What finishing pruned trials showed (the pruning audit) is not in the record. Of a search that
    did not end, the seconds are those that its trials took.

    Parameters
    ----------
    studied : Studied

    Raises
    ------
    NothingCompletedError
        If no trial completed.
    """
    trials, confirmation = studied.trials, studied.confirmation
    if not trials:
        raise NothingCompletedError(
            f"study {studied.name!r} in {studied.storage} has no finished trial yet: go on with "
            "its search by the same options and --resume"
        )
    best = best_trial(trials)
    if confirmation is not None:
        wanted = confirmation.contenders[0].trial
        best = next(trial for trial in trials if trial.number == wanted)
    trained = sum(trial.user_attrs[EPOCHS] for trial in trials)
    in_full = studied.epochs * studied.n_replicates * len(trials)
    return SearchResult(
        study=studied.name,
        storage=studied.storage,
        dataset=str(studied.configuration.get("dataset", "")),
        task=task_of(studied.configuration),
        best=Setting.of(best.params)
        if confirmation is None
        else confirmation.contenders[0].setting,
        search_loss=float(np.mean(best.user_attrs["replicate_losses"])),
        score=best.user_attrs[SCORE] if confirmation is None else confirmation.score,
        trials=studied.counts,
        trial_epochs=round(trained, 2),
        epochs_saved=round(in_full - trained, 2),
        seconds=_seconds(studied),
        warnings=(*_unfinished(studied), *studied.warnings),
        confirmation=confirmation,
        best_trial=best.number,
    )


def tuned_network(studied: Studied) -> Any:
    """What a summary says of the network that was tuned: its class's name and its parameters."""
    values = dict(studied.parameters)
    sizes = np.atleast_1d(values["hidden_layer_sizes"]).tolist()
    kind = "MLPClassifier" if task_of(studied.configuration) == "classification" else "MLPRegressor"
    return type(kind, (SimpleNamespace,), {})(**{**values, "hidden_layer_sizes": tuple(sizes)})


def _seconds(studied: Studied) -> Seconds:
    if studied.ending is not None and studied.ending.seconds:
        return Seconds(**studied.ending.seconds)
    spent = math.fsum(trial.user_attrs.get(SECONDS, 0.0) for trial in studied.trials)
    return Seconds(spent, 0.0, spent)


def _unfinished(studied: Studied) -> list[str]:
    """Whether there is more in the study than the search's end told of."""
    ending, finished = studied.ending, len(studied.trials)
    if ending is not None and ending.n_trials == finished:
        return []
    total, command = studied.plan.n_trials, studied.environment.get("command")
    told = f": {command}" if command else ""
    facts = {"finished": finished, "total": max(total, finished), "name": studied.name}
    return [INTERRUPTED.format(**facts, command=told)] if total else []
