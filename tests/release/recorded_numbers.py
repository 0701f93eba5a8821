"""Every number that a few searches gave in release 0.1.0, to compare with those of this one.

As a program it prints them, as they stand in ``numbers.json``.
The last bits of a float depend on the machine's BLAS and on NumPy's release, so the numbers are
recorded together with these (`platform_facts`).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune
from lrtune.cli import main

HERE = Path(__file__).parent
TABLE = HERE / "messy.csv"
CLOCK = {"seconds", "storage"}
"""What differs from run to run."""


def platform_facts() -> dict[str, str]:
    """Return what the last bits of a float depend on."""
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    names = {f"{pool['internal_api']} {pool['version']} {pool['architecture']}" for pool in pools}
    return {"numpy": np.__version__, "blas": ", ".join(sorted(names))}


def command(*words: str) -> Any:
    """Return the JSON object that a command prints, without what the clock or a path enters."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        main([*words, "--json"])
    values = json.loads(printed.getvalue())
    return {key: value for key, value in values.items() if key not in CLOCK}


def searched(model: Any, X: Any, y: Any, **options: Any) -> Any:
    """Return what `LearningRateSearchCV` found, and every trial's losses."""
    search = lrtune.LearningRateSearchCV(model, random_state=0, **options).fit(X, y)
    result = search.result_.to_dict()
    return {
        "result": {key: value for key, value in result.items() if key not in CLOCK},
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


def numbers() -> dict[str, Any]:
    """Return the numbers of all cases, as JSON has them."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            found = {name: case() for name, case in CASES.items()}
        finally:
            os.chdir(before)
    plain: dict[str, Any] = json.loads(json.dumps(found, default=lambda value: value.item()))
    return plain


if __name__ == "__main__":
    json.dump({"platform": platform_facts(), "numbers": numbers()}, sys.stdout, indent=1)
