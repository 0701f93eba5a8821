"""The audit of pruning: known trials, real pruners."""

from typing import Any

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.audit import require_share
from lrtune.tuning.record.schema import PruningAudit
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.sampling.competitive import PRUNERS
from lrtune.tuning.search import Budget, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer

EPOCHS = 6


class PruneHighRates(optuna.pruners.BasePruner):
    """Halts every trial with a rate above one, at its second epoch."""

    def prune(self, study: Any, trial: Any) -> bool:  # noqa: ARG002
        return trial.last_step == 2 and trial.params["learning_rate_init"] > 1.0


@pytest.fixture(scope="module")
def iris() -> NetworkTrainer:
    X, y = load_iris(return_X_y=True)
    estimator = make_pipeline(StandardScaler(), MLPClassifier(max_iter=EPOCHS))
    return NetworkTrainer.on_random_splits(estimator, X, y, 2)


def run(
    trainer: NetworkTrainer, share: float | None = None, *, n_trials: int = 32, **sampling: Any
) -> SearchResult:
    return search(
        trainer,
        Space.default(EPOCHS, learning_rate_init=(0.01, 1.5)),
        budget=Budget(n_trials, replicates=2, confirm=False, audit_share=share),
        sampling=Sampling(**sampling),
    )


@pytest.mark.parametrize("name", [name for name in PRUNERS if name != "none"])
def test_every_pruner_by_name_prunes_in_a_search(iris: NetworkTrainer, name: str) -> None:
    result = run(iris, 1.0, pruner=PRUNERS[name](EPOCHS))
    audit = result.pruning_audit

    assert audit is not None
    assert audit.pruned == audit.finished == result.trials.pruned
    assert audit.pruned > 0 or name == "percentile"  # which halts few
    assert 0 <= audit.lost <= audit.best_tenth


def test_the_lost_trials_are_those_that_a_search_without_the_pruner_finds_best(
    iris: NetworkTrainer,
) -> None:
    # a random sampler draws the same settings either way
    pruned = run(iris, 1.0, sampler=optuna.samplers.RandomSampler(seed=0), pruner=PruneHighRates())
    whole = run(iris, sampler=optuna.samplers.RandomSampler(seed=0))
    complete = [trial for trial in whole.finished if trial.state.name == "COMPLETE"]
    n_best = int(np.ceil(len(complete) / 10))
    best = sorted(complete, key=lambda trial: trial.value)[:n_best]
    n_lost = sum(trial.params["learning_rate_init"] > 1.0 for trial in best)

    assert n_lost > 0  # on iris the highest rates that hold are the best ones
    assert pruned.pruning_audit == PruningAudit(
        pruned.trials.pruned, pruned.trials.pruned, n_best, n_lost
    )


def test_a_share_of_the_pruned_trials_is_finished(iris: NetworkTrainer) -> None:
    audit = run(iris, 0.3, pruner=PruneHighRates()).pruning_audit

    assert audit is not None
    assert audit.finished == np.ceil(0.3 * audit.pruned)


def test_nothing_pruned_leaves_nothing_to_audit(iris: NetworkTrainer) -> None:
    audit = run(iris, 1.0, n_trials=8).pruning_audit

    assert audit is not None
    assert (audit.pruned, audit.finished, audit.lost) == (0, 0, 0)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(InvalidInputError, match=f"`audit_share` must .* but got {share}"):
        require_share(share)
