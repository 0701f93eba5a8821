"""Bundled data sets by name."""

import subprocess
import sys

import pytest
from sklearn import datasets

from lrtune.tables.bundled import BUNDLED


@pytest.mark.parametrize("name", BUNDLED)
def test_the_task_is_what_the_target_asks_for(name: str) -> None:
    y = getattr(datasets, f"load_{name}")().target

    assert BUNDLED[name] == ("classification" if len(set(y)) < 20 else "regression")


@pytest.mark.parametrize("module", ["bundled", "preprocessors"])
def test_names_are_imported_without_heavy_packages(module: str) -> None:
    code = f"import sys, lrtune.tables.{module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {"sklearn", "pandas", "numpy", "optuna"} & set(run.stdout.split())
