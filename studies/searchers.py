"""Three searches for a network's learning rate under one interface, for `compare_searchers.py`.

`LearningRateSearchCV` over lrtune's network, optuna-integration's `OptunaSearchCV` and
scikit-learn's `HalvingRandomSearchCV` over scikit-learn's network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import optuna_integration
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from scipy.stats import loguniform
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import lrtune
from lrtune import LearningRateSearchCV

X, Y = load_iris(return_X_y=True)
EPOCHS, TRIALS, SPLITS = 8, 16, 2
SAFE, CLIFF, NO_TRAINING = (1e-3, 1.0), (1e-6, 1e6), (1e-12, 1e-11)
"""Ranges of rates: none diverges; all beyond 20 do; the weights stay as they were drawn."""


class Theirs(neural_network.MLPClassifier):
    """scikit-learn's network with plain SGD for all epochs; counts the epochs of all of them."""

    epochs = 0

    def _update_no_improvement_count(self, *args: Any) -> None:
        Theirs.epochs += 1
        super()._update_no_improvement_count(*args)


def ours(**options: Any) -> Any:
    """Return lrtune's network."""
    return lrtune.MLPClassifier(**({"max_iter": EPOCHS} | options))


def theirs(**options: Any) -> Any:
    """Return scikit-learn's network with plain SGD."""
    sgd: dict[str, Any] = {"solver": "sgd", "momentum": 0, "tol": 0, "n_iter_no_change": 10**6}
    sizes = {"hidden_layer_sizes": (50, 12), "batch_size": 32, "max_iter": EPOCHS}
    return Theirs(**(sgd | sizes | options))


def scaled(network: Any) -> Pipeline:
    """Return a network behind a scaler."""
    return Pipeline([("scale", StandardScaler()), ("network", network)])


def journal(path: Path) -> JournalStorage:
    """Optuna's storage in a file."""
    return JournalStorage(JournalFileBackend(str(path)))


def study(**options: Any) -> dict[str, Any]:
    """`OptunaSearchCV`'s way to a sampler, a pruner and a record."""
    own = {"direction": "maximize", "sampler": optuna.samplers.TPESampler(seed=0)}
    return {"study": optuna.create_study(**(own | options))}


@dataclass(frozen=True)
class Searcher:
    """A search, with what a feature is called there; it refuses what it has no word for."""

    name: str
    network: Callable[..., Any]
    search: Callable[..., Any]
    own_names: bool
    distribution: Callable[[float, float], Any]
    choices: Callable[[list[Any]], Any]
    trials: Callable[[Any], list[tuple[float, float]]]
    status: Callable[[Any], list[Any]]
    sampler: Callable[[Any], dict[str, Any]]
    pruner: Callable[[Any], dict[str, Any]]
    record: Callable[[Path], dict[str, Any]]
    subsample: dict[str, Any]
    budget: str

    def make(
        self,
        estimator: Any = None,
        rates: tuple[float, float] = SAFE,
        n_trials: int = TRIALS,
        space: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Return a small search for a learning rate."""
        estimator = scaled(self.network(random_state=0)) if estimator is None else estimator
        piped = isinstance(estimator, Pipeline) and not self.own_names
        name = "network__learning_rate_init" if piped else "learning_rate_init"
        space = {name: self.distribution(*rates), **(space or {})}
        defaults = {"cv": SPLITS, "random_state": 0, self.budget: n_trials}
        return self.search(estimator, space, **(defaults | options))


def rates_and_scores(results: dict[str, Any]) -> list[tuple[float, float]]:
    """Of each row of `cv_results_`."""
    name = next(name for name in results if name.endswith("learning_rate_init"))
    return list(zip(map(float, results[name]), results["mean_test_score"], strict=True))


def finished(search: Any) -> list[Any]:
    """Optuna's trials that came to an end."""
    return [trial for trial in search.trials_ if trial.state.is_finished()]


SEARCHERS = [
    Searcher(
        name="lrtune's LearningRateSearchCV",
        network=ours,
        search=lambda estimator, space, **o: LearningRateSearchCV(estimator, space=space, **o),
        own_names=True,
        distribution=lambda low, high: (low, high),
        choices=list,
        trials=lambda search: rates_and_scores(search.cv_results_),
        status=lambda search: list(search.cv_results_["status"]),
        sampler=lambda sampler: {"sampler": sampler},
        pruner=lambda pruner: {"pruner": pruner},
        record=lambda path: {"storage": str(path), "study_name": "study"},
        subsample={"subsample": 0.5},
        budget="n_trials",
    ),
    Searcher(
        name="OptunaSearchCV",
        network=theirs,
        search=optuna_integration.OptunaSearchCV,
        own_names=False,
        distribution=lambda low, high: FloatDistribution(low, high, log=True),
        choices=CategoricalDistribution,
        trials=lambda search: [(*trial.params.values(), trial.value) for trial in finished(search)],
        status=lambda search: [trial.state.name for trial in finished(search)],
        sampler=lambda sampler: study(sampler=sampler),
        pruner=lambda p: study(pruner=p) | {"enable_pruning": True, "max_iter": EPOCHS},
        record=lambda path: study(storage=journal(path), study_name="study", load_if_exists=True),
        subsample={"subsample": 0.5},
        budget="n_trials",
    ),
    Searcher(
        name="HalvingRandomSearchCV",
        network=theirs,
        search=HalvingRandomSearchCV,
        own_names=False,
        distribution=loguniform,
        choices=list,
        trials=lambda search: rates_and_scores(
            {name.removeprefix("param_"): column for name, column in search.cv_results_.items()}
        ),
        status=lambda search: ["row"] * len(search.cv_results_["params"]),  # it knows of none
        sampler=lambda sampler: {"sampler": sampler},
        pruner=lambda pruner: {"pruner": pruner},
        record=lambda path: {"storage": str(path)},
        subsample={"max_resources": len(Y) // 2},
        budget="n_candidates",
    ),
]
