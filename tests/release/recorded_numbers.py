"""Searches whose numbers were recorded with release 0.1.0, to compare with those of this release.

Run as a program, it prints the numbers in the form of ``numbers.json``. The last bits of a float
depend on the machine's BLAS and on the releases of the libraries, so `platform_facts` are recorded
with the numbers.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import threadpoolctl
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune
from lrtune.cli import main

HERE = Path(__file__).parent
TABLE = HERE / "messy.csv"
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "optuna")
VOLATILE = {"seconds", "storage"}
"""Keys of a result that differ from run to run."""


def platform_facts() -> dict[str, str]:
    """Return everything that the last bits of a float depend on."""
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    names = {f"{pool['internal_api']} {pool['version']} {pool['architecture']}" for pool in pools}
    versions = {library: importlib.metadata.version(library) for library in LIBRARIES}
    return versions | {"blas": ", ".join(sorted(names))}


def command(*words: str) -> Any:
    """Return the JSON object that a command prints, without its volatile keys."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        main([*words, "--json"])
    values = json.loads(printed.getvalue())
    return without_volatile(values)


def without_new_keys(today: Any, recorded: Any) -> Any:
    """Return nested dictionaries without the keys that a later release added."""
    if not (isinstance(today, dict) and isinstance(recorded, dict)):
        return today
    return {
        key: without_new_keys(value, recorded[key])
        for key, value in today.items()
        if key in recorded
    }


def without_volatile(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in VOLATILE}


def searched(model: Any, X: Any, y: Any, **options: Any) -> Any:
    """Return the result of `LearningRateSearchCV`, with the loss and parameters of every trial."""
    search = lrtune.LearningRateSearchCV(model, random_state=0, **options).fit(X, y)
    return {
        "result": without_volatile(search.result_.to_dict()),
        "best_params": search.best_params_,
        "best_index": search.best_index_,
        "score": search.score(X, y),
        "trials": [[trial.value, trial.params] for trial in search.study_.trials],
        "mean_test_score": search.cv_results_["mean_test_score"].tolist(),
    }


def wine() -> Any:
    X, y = load_wine(return_X_y=True)
    network = lrtune.MLPClassifier((16, 8), max_iter=10)
    return searched(make_pipeline(StandardScaler(), network), X, y, n_trials=32)


def diabetes() -> Any:
    X, y = load_diabetes(return_X_y=True)
    network = lrtune.MLPRegressor((16, 8), max_iter=8, optimizer="momentum", dtype="float32")
    space = {
        "decay": ["constant", "plateau"],
        "batch_size": [16, 32],
        "learning_rate_init": (1e-3, 1.0),
    }
    options = {"cv": KFold(3, shuffle=True, random_state=0), "scoring": "r2", "space": space}
    return searched(make_pipeline(StandardScaler(), network), X, y, n_trials=32, **options)


def range_test() -> Any:
    X, y = load_wine(return_X_y=True)
    network = lrtune.MLPClassifier((16, 8), optimizer="adam")
    return lrtune.lr_range_test(make_pipeline(StandardScaler(), network), X, y).to_dict()


CASES: dict[str, Callable[[], Any]] = {
    "search iris": lambda: command("search", "iris", "--seed", "0"),
    "search digits": lambda: command("search", "digits", "--hidden", "64,32", "--trials", "32"),
    "search messy": lambda: command(
        "search", str(TABLE), "--target", "price", "--pruner", "median"
    ),
    "range-test iris": lambda: command("range-test", "iris"),
    "LearningRateSearchCV wine": wine,
    "LearningRateSearchCV diabetes": diabetes,
    "lr_range_test wine": range_test,
}


def numbers_of(case: str) -> Any:
    """Run a case in an empty folder, and return its numbers as JSON holds them."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        values = CASES[case]()
    return json.loads(json.dumps(values, default=lambda number: number.item()))


def numbers() -> dict[str, Any]:
    """Return the numbers of all cases."""
    return {case: numbers_of(case) for case in CASES}


if __name__ == "__main__":
    json.dump({"platform": platform_facts(), "numbers": numbers()}, sys.stdout, indent=1)
