"""What three searches for a network's learning rate can do, each feature tried.

`LearningRateSearchCV` over lrtune's network, against optuna-integration's `OptunaSearchCV` and
scikit-learn's `HalvingRandomSearchCV` over scikit-learn's network. Every cell of the table is one
of the functions below, which does the thing on iris and looks at what came of it.

    pip install optuna-integration
    python studies/compare_searchers.py
"""

import os
import pickle
import platform
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import optuna_integration
import pandas as pd
import sklearn
from searchers import (
    CLIFF,
    EPOCHS,
    NO_TRAINING,
    SEARCHERS,
    SPLITS,
    TRIALS,
    Searcher,
    Theirs,
    X,
    Y,
    journal,
    ours,
    scaled,
    theirs,
)
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import lrtune
from lrtune.schedules.decays import DECAYS

WEIGHTS, GROUPS = np.linspace(0.1, 1, len(Y)), np.arange(len(Y)) % 7
RESULTS = Path(__file__).parent / "results" / "compare_searchers.md"

Feature = Callable[[Searcher], bool | int]
FEATURES: dict[str, Feature] = {}


def feature(text: str) -> Callable[[Feature], Feature]:
    """Make a function a row of the table."""

    def add(function: Feature) -> Feature:
        FEATURES[text] = function
        return function

    return add


@feature("every split has initial weights of its own, the same in the next run")
def _(kind: Searcher) -> bool:
    runs = []
    for _ in range(2):
        seen: set[float] = set()

        def capture(fitted: Any, X: Any, y: Any, seen: set[float] = seen) -> float:
            seen.add(round(float(fitted[-1].coefs_[0][0, 0]), 8))
            return float(fitted.score(X, y))

        network = scaled(kind.network())  # seeds are the search's to give
        kind.make(network, NO_TRAINING, n_trials=1, scoring=capture, refit=True).fit(X, Y)
        runs.append(seen)
    return runs[0] == runs[1] and len(runs[0]) == SPLITS


@feature("diverged settings are told apart from settings that merely learn nothing")
def _(kind: Searcher) -> bool:
    search = kind.make(rates=CLIFF, n_trials=32, scoring="accuracy").fit(X, Y)
    rates = np.array([rate for rate, _ in kind.trials(search)])
    status = np.array(kind.status(search))
    diverged, idle = set(status[rates > 20]), set(status[rates < 1e-4])
    return bool(diverged and idle and not diverged & idle)


@feature("a diverging training is broken off")
def _(kind: Searcher) -> bool:
    Theirs.epochs = 0
    search = kind.make(rates=CLIFF, refit=False).fit(X, Y)
    if kind.network is ours:
        return bool(search.result_.epochs_saved > 0)
    return Theirs.epochs < len(kind.trials(search)) * SPLITS * EPOCHS


@feature("decay types that can be searched together with how fast they decay")
def _(kind: Searcher) -> int:
    types, name, rate = list(DECAYS), "decay", "decay_rate"
    if kind.network is theirs:
        types, name, rate = ["constant", "invscaling", "adaptive"], "learning_rate", "power_t"
    space = {name: kind.choices(types), rate: kind.distribution(0.1, 1)}
    if not kind.own_names:
        space = {f"network__{key}": value for key, value in space.items()}
    kind.make(space=space).fit(X, Y)
    rows, acting = StandardScaler().fit_transform(X), 0
    for kind_of_decay in types:
        options = {"learning_rate_init": 1.0, "max_iter": 40, "random_state": 0}
        slow, fast = (
            kind.network(**options, **{name: kind_of_decay, rate: k}).fit(rows, Y)
            for k in (0.1, 0.9)
        )
        acting += not np.array_equal(slow.coefs_[0], fast.coefs_[0])
    return acting


def kill_at(n_calls: int) -> Callable[[Any, Any, Any], float]:
    """Return a scorer that ends its own process without notice."""
    calls = []

    def scorer(fitted: Any, X: Any, y: Any) -> float:
        calls.append(1)
        if len(calls) == n_calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return float(fitted.score(X, y))

    return scorer


@feature("finished trials are on disk, survive kill -9, and are not trained again")
def _(kind: Searcher) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        victim = [sys.executable, __file__, kind.name, str(path)]
        died = subprocess.run(victim, check=False, capture_output=True).returncode  # noqa: S603
        if died != -signal.SIGKILL:
            return False  # it did not even begin
        known = optuna.load_study(study_name="study", storage=journal(path)).trials
        kept = [next(iter(t.params.values())) for t in known if t.state.is_finished()]
        search = kind.make(n_trials=32, scoring=kill_at(10**9), **kind.record(path)).fit(X, Y)
        return bool(kept) and [rate for rate, _ in kind.trials(search)][: len(kept)] == kept


@feature("a search in two sittings ends as in one")
def _(kind: Searcher) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        parts, whole = (kind.record(Path(folder) / name) for name in ("parts", "whole"))
        kind.make(n_trials=16, **parts).fit(X, Y)
        rest = 32 if kind.network is ours else 16  # Optuna's budget is that of a sitting
        parts = kind.record(Path(folder) / "parts")
        search = kind.make(n_trials=rest, **parts).fit(X, Y)
        return kind.trials(search) == kind.trials(kind.make(n_trials=32, **whole).fit(X, Y))


@feature("the result is the same with one process and with two")
def _(kind: Searcher) -> bool:
    one, two = (kind.make(n_trials=32, n_jobs=n_jobs).fit(X, Y) for n_jobs in (1, 2))
    return kind.trials(one) == kind.trials(two)


@feature("an own sampler")
def _(kind: Searcher) -> bool:
    random = [
        kind.trials(kind.make(**kind.sampler(optuna.samplers.RandomSampler(seed=3))).fit(X, Y))
        for _ in range(2)
    ]
    return random[0] == random[1] != kind.trials(kind.make().fit(X, Y))


class EveryOther(optuna.pruners.BasePruner):
    """Halts every other trial in its third epoch."""

    def prune(self, study: Any, trial: Any) -> bool:  # noqa: ARG002
        """Whether to halt it."""
        return bool(trial.number % 2 and len(trial.intermediate_values) == 3)


def prunes(kind: Searcher, estimator: Any) -> bool:
    """Whether a pruner is obeyed."""
    search = kind.make(estimator, **kind.pruner(EveryOther())).fit(X, Y)
    return "pruned" in {str(status).lower() for status in kind.status(search)}


@feature("an own pruner")
def _(kind: Searcher) -> bool:
    return prunes(kind, kind.network(random_state=0))


@feature("an own pruner, in a pipeline")
def _(kind: Searcher) -> bool:
    return prunes(kind, scaled(kind.network(random_state=0)))


@feature("several metrics at once")
def _(kind: Searcher) -> bool:
    metrics = ["accuracy", "neg_log_loss"]
    results = kind.make(scoring=metrics, refit="accuracy").fit(X, Y).cv_results_
    return all(f"mean_test_{metric}" in results for metric in metrics)


@feature("the table of results has every trial with its parameters")
def _(kind: Searcher) -> bool:
    search = kind.make(rates=CLIFF).fit(X, Y)
    table = pd.DataFrame(search.cv_results_)
    return len(table) == len(kind.trials(search)) and any("learning_rate" in c for c in table)


@feature("a time limit")
def _(kind: Searcher) -> bool:
    return len(kind.trials(kind.make(n_trials=10_000, timeout=0.5).fit(X, Y))) < 10_000


@feature("scikit-learn's checks of estimators that it fails, over a bare network")
def _(kind: Searcher) -> int:
    search = kind.make(kind.network(random_state=0), n_trials=8)
    results = check_estimator(search, on_skip=None, on_fail=None)
    return sum(result["status"] == "failed" for result in results)


class Recorder(TransformerMixin, BaseEstimator):
    """Notes which rows it is fitted on: the last column has their numbers."""

    seen: list[set[int]] = []  # noqa: RUF012

    def fit(self, X: Any, y: Any = None) -> "Recorder":  # noqa: ARG002
        """Take note."""
        self.seen.append(set(X[:, -1].astype(int)))
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        """Take the numbers off."""
        return X[:, :-1]


@feature("transformers are fitted on training rows alone")
def _(kind: Searcher) -> bool:
    Recorder.seen.clear()
    steps = [("record", Recorder()), ("scale", StandardScaler()), ("network", kind.network())]
    kind.make(Pipeline(steps), n_trials=4).fit(np.column_stack([X, np.arange(len(Y))]), Y)
    *searched, refit = Recorder.seen
    return len(refit) == len(Y) and all(len(rows) <= len(Y) / SPLITS for rows in searched)


@feature("sample weights in the training")
def _(kind: Searcher) -> bool:
    weighted = kind.make().fit(X, Y, network__sample_weight=WEIGHTS)
    return kind.trials(weighted) != kind.trials(kind.make().fit(X, Y))


def weighs_scores(kind: Searcher, **options: Any) -> bool:
    """Whether weights change the scores of networks that do not train."""
    network = kind.network(random_state=0).set_fit_request(sample_weight=True)
    network.set_score_request(sample_weight=True)
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    estimator = Pipeline([("scale", scaler), ("network", network)])
    plain, weighted = (
        kind.trials(kind.make(estimator, NO_TRAINING, n_trials=4, **options).fit(X, Y, **metadata))[
            0
        ][1]
        for metadata in ({}, {"sample_weight": WEIGHTS})
    )
    return bool(abs(plain - weighted) > 1e-6)


@feature("sample weights in the default score")
def _(kind: Searcher) -> bool:
    with config_context(enable_metadata_routing=True):
        return weighs_scores(kind)


@feature("sample weights in an own score that requests them")
def _(kind: Searcher) -> bool:
    with config_context(enable_metadata_routing=True):
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        return weighs_scores(kind, scoring=scorer)


@feature("groups for the splitter")
def _(kind: Searcher) -> bool:
    grouped = kind.make(cv=GroupKFold(SPLITS)).fit(X, Y, groups=GROUPS)
    return kind.trials(grouped) != kind.trials(kind.make().fit(X, Y))


@feature("metadata routing: weights and groups as requested, through cross_validate")
def _(kind: Searcher) -> bool:
    with config_context(enable_metadata_routing=True):
        network = kind.network(random_state=0).set_fit_request(sample_weight=True)
        network.set_score_request(sample_weight=False)
        search = kind.make(network, cv=GroupKFold(SPLITS))
        params = {"sample_weight": WEIGHTS, "groups": GROUPS}
        scores = cross_validate(search, X, Y, params=params, cv=2, error_score="raise")
        return bool(np.isfinite(scores["test_score"]).all())


@feature("a fitted search can be pickled")
def _(kind: Searcher) -> bool:
    search = kind.make().fit(X, Y)
    again = pickle.loads(pickle.dumps(search))  # noqa: S301
    return np.array_equal(search.predict(X), again.predict(X))


@feature("any estimator")
def _(kind: Searcher) -> bool:
    search = kind.search(LogisticRegression(), {"C": kind.distribution(0.1, 1)}, cv=SPLITS)
    return bool(search.fit(X, Y).best_params_["C"] > 0)


@feature("parameters of any step of a pipeline")
def _(kind: Searcher) -> bool:
    search = kind.make(space={"scale__with_mean": kind.choices([True, False])})
    return "scale__with_mean" in search.fit(X, Y).best_params_


@feature("poor settings get fewer resources, unasked")
def _(kind: Searcher) -> bool:
    Theirs.epochs = 0
    search = kind.make(refit=False).fit(X, Y)
    if hasattr(search, "n_resources_"):
        return bool(search.n_resources_[0] < search.n_resources_[-1])
    spared = SPLITS * EPOCHS * TRIALS - Theirs.epochs
    return bool(search.result_.epochs_saved if kind.network is ours else spared)


@feature("scores on the training rows")
def _(kind: Searcher) -> bool:
    return "mean_train_score" in kind.make(return_train_score=True).fit(X, Y).cv_results_


@feature("goes on when a setting raises an error")
def _(kind: Searcher) -> bool:
    def fails(fitted: Any, X: Any, y: Any) -> float:
        if fitted[-1].learning_rate_init > 0.1:
            raise ValueError
        return float(fitted.score(X, y))

    return bool(kind.make(scoring=fails).fit(X, Y).best_score_ > 0)


@feature("searches on a part of the rows")
def _(kind: Searcher) -> bool:
    return bool(kind.make(**kind.subsample).fit(X, Y).best_score_ > 0)


@feature("a callback after every trial")
def _(kind: Searcher) -> bool:
    called: list[Any] = []
    kind.make(callbacks=[lambda study, trial: called.append((study, trial))]).fit(X, Y)
    return len(called) == TRIALS


def cell(function: Feature, kind: Searcher) -> str:
    """Try a feature."""
    try:
        found = function(kind)
    except NameError:
        raise  # that would be an error of this study
    except Exception as error:  # noqa: BLE001
        return f"no ({type(error).__name__})"
    return str(found) if type(found) is int else "yes" if found else "no"


def main() -> None:
    """Print the table and write it down."""
    lines = [
        "# Searches for a learning rate, feature by feature",
        "",
        f"`python studies/compare_searchers.py`: iris, {EPOCHS} epochs, 50-12 networks, SGD; "
        f"lrtune {lrtune.__version__}, optuna-integration {optuna_integration.__version__}, optuna "
        f"{optuna.__version__}, scikit-learn {sklearn.__version__}, numpy {np.__version__}, Python "
        f"{platform.python_version()}.",
        "",
        "lrtune searches over its own network, the others over scikit-learn's `MLPClassifier`. "
        "Every cell was tried; in brackets, what it was refused with.",
        "",
        f"| feature | {' | '.join(kind.name for kind in SEARCHERS)} |",
        "|---|---|---|---|",
    ]
    print("\n".join(lines))
    for text, function in FEATURES.items():
        cells = [cell(function, kind) for kind in SEARCHERS]
        lines.append(f"| {text} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def die(name: str, path: str) -> None:
    """Begin a recorded search, and be killed in its second half."""
    kind = next(kind for kind in SEARCHERS if kind.name == name)
    scoring = kill_at(SPLITS * (TRIALS + 4))
    kind.make(n_trials=2 * TRIALS, scoring=scoring, **kind.record(Path(path))).fit(X, Y)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    if sys.argv[1:]:
        die(*sys.argv[1:])
    else:
        main()
