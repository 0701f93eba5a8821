"""The audit of pruning: known trials, real pruners."""

from typing import Any

import numpy as np
import optuna
import pytest
from lrtune.tuning.trainers.judging import judge
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.audit import PruningAudit
from lrtune.tuning.sampling.competitive import PRUNERS
from lrtune.tuning.search import search
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import prepare
from lrtune.tuning.trainers.replicates import make_replicates

EPOCHS = 6


class PruneWorst(optuna.pruners.BasePruner):
    """Halts every trial with a rate above one, at its second epoch."""

    def prune(self, study: Any, trial: Any) -> bool:  # noqa: ARG002
        return trial.last_step == 2 and trial.params["learning_rate_init"] > 1.0


@pytest.fixture(scope="module")
def iris() -> dict[str, Any]:
    X, y = load_iris(return_X_y=True)
    return {
        "estimator": make_pipeline(StandardScaler(), MLPClassifier(max_iter=EPOCHS)),
        "X": X,
        "y": y,
        "replicates": make_replicates(y, 2, task="classification"),
        "space": Space.default(EPOCHS, learning_rate_init=(0.01, 1.5)),
        "n_trials": 32,
    }


@pytest.mark.parametrize("name", [name for name in PRUNERS if name != "none"])
def test_every_pruner_by_name_prunes_in_a_search(iris: dict[str, Any], name: str) -> None:
    result = search(**iris, pruner=PRUNERS[name](EPOCHS), audit_share=1.0).result
    audit = result.pruning_audit

    assert audit is not None
    assert audit.pruned == audit.finished == result.trials.pruned
    assert audit.pruned > 0 or name == "percentile"  # which halts few
    assert 0 <= audit.lost <= audit.best_tenth


def test_what_was_lost_is_what_a_search_without_the_pruner_finds_best(
    iris: dict[str, Any],
) -> None:
    sampler = optuna.samplers.RandomSampler(seed=0)  # draws the same settings either way
    pruned = search(**iris, sampler=sampler, pruner=PruneWorst(), audit_share=1.0)
    whole = search(**iris, sampler=optuna.samplers.RandomSampler(seed=0))
    complete = [trial for trial in whole.trials if trial.state.name == "COMPLETE"]
    n_best = int(np.ceil(len(complete) / 10))
    best = sorted(complete, key=lambda trial: trial.value)[:n_best]
    expected = sum(trial.params["learning_rate_init"] > 1.0 for trial in best)

    assert expected > 0  # on iris the highest rates that hold are the best ones
    assert pruned.result.pruning_audit == PruningAudit(
        pruned.result.trials.pruned, pruned.result.trials.pruned, n_best, expected
    )


def test_a_share_of_the_pruned_trials_is_finished(iris: dict[str, Any]) -> None:
    audit = search(**iris, pruner=PruneWorst(), audit_share=0.3).result.pruning_audit

    assert audit is not None
    assert audit.finished == np.ceil(0.3 * audit.pruned)


def test_nothing_pruned_leaves_nothing_to_audit(iris: dict[str, Any]) -> None:
    audit = search(**iris | {"n_trials": 8}, audit_share=1.0).result.pruning_audit

    assert audit is not None
    assert (audit.pruned, audit.finished, audit.lost) == (0, 0, 0)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(iris: dict[str, Any], share: float) -> None:
    with pytest.raises(InvalidInputError, match="share of pruned trials to finish must be above"):
        search(**iris, audit_share=share)


@pytest.mark.parametrize(("asked", "halted"), [(1, 4), (5, 5), (9, 12), (12, 12)])
def test_no_setting_is_pruned_during_its_warm_up_or_right_after_a_restart(
    asked: int, halted: int
) -> None:
    X, y = load_iris(return_X_y=True)
    model = MLPClassifier(max_iter=14, warmup_epochs=3, cycle_epochs=8)
    replicate = make_replicates(y, 1, task="classification")[0]
    prepared = prepare(make_pipeline(StandardScaler(), model), X, y, replicate)
    setting = Setting(0.1, "cosine", 0.1)
    outcome = judge([prepared], [setting], prune=lambda _, epoch, __: epoch >= asked)[0]

    assert outcome.pruned
    assert outcome.validation_curves.shape == (1, halted)
