"""Range tests whose numbers were recorded with release 0.1.0, to compare with today's.

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
from sklearn.datasets import load_wine
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


def range_test() -> Any:
    X, y = load_wine(return_X_y=True)
    network = lrtune.MLPClassifier((16, 8), optimizer="adam")
    return lrtune.lr_range_test(make_pipeline(StandardScaler(), network), X, y).to_dict()


CASES: dict[str, Callable[[], Any]] = {
    "range-test iris": lambda: command("range-test", "iris"),
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
