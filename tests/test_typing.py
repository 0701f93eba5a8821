"""What type checkers know of lrtune: names and options that do not exist are found."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

import pytest

import lrtune
from lrtune.schedules.decays import DECAYS
from lrtune.training.network import ACTIVATIONS, INITIALIZERS
from lrtune.training.optimizers import OPTIMIZERS

PACKAGE = Path(lrtune.__file__).parent


@pytest.mark.parametrize(
    ("names", "registry"),
    [
        (lrtune.ActivationName, ACTIVATIONS),
        (lrtune.DecayName, DECAYS),
        (lrtune.InitializerName, INITIALIZERS),
        (lrtune.OptimizerName, OPTIMIZERS),
    ],
)
def test_the_names_for_type_checkers_are_those_of_the_registry(
    names: Any, registry: dict[str, Any]
) -> None:
    assert get_args(names) == tuple(registry)


@pytest.mark.parametrize(
    "fit",
    [
        lrtune.MLPClassifier.fit,
        lrtune.MLPRegressor.fit,
        lrtune.MLPClassifier.partial_fit,
        lrtune.MLPRegressor.partial_fit,
        lrtune.LearningRateSearchCV.fit,
    ],
)
def test_fits_return_self(fit: Any) -> None:
    assert get_type_hints(fit)["return"] is Self


def test_the_package_says_that_it_has_types() -> None:
    assert (PACKAGE / "py.typed").exists()


USE = """
import numpy as np
import optuna
import lrtune
from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor, Schedule, SearchResult
X = np.zeros((60, 4))
y = np.arange(60) % 2
search = LearningRateSearchCV(MLPClassifier()).fit(X, y)
result: SearchResult = search.result_
rate: float = search.best_score_ + search.score(X, y)
print(result.confirmed_loss, search.best_schedule_.to_json(), search.study_.best_value)
print(MLPClassifier(optimizer="adam", decay="cosine").fit(X, y).coefs_[0].shape)
print(MLPClassifier().partial_fit(X, y, classes=[0, 1]).set_params(alpha=1.0).predict_proba(X))
print(MLPRegressor().fit(X, y).target_mean_, MLPRegressor().get_params()["alpha"])
print(Schedule.from_trial(optuna.create_study().best_trial).warmup_epochs)
decay: lrtune.DecayName = "linear"
trainer = lrtune.TorchTrainer(dict, lambda o, y: o, train=(X, y), optimizer="adam")
print(lrtune.search(trainer, epochs=2).module(replicate=1))
try:
    raise lrtune.InvalidInputError
except lrtune.NothingCompletedError:
    pass
"""
MISTAKES = """
print(result.confirmed_los)
print(search.best_param_)
print(MLPClassifier().fit(X, y).coef_)
print(MLPClassifier().partial_fit(X, y).coef_)
print(MLPClassifier(optimizer="addam"))
print(MLPRegressor(decay="cosin"))
print(MLPClassifier(activation="rely"))
print(MLPClassifier(weights_init="he"))
print(Schedule(learning_rate_init=0.1, decay="cosin"))
print(Schedule(learning_rate_init=0.1).warm_up)
print(lrtune.TorchTrainer(dict, lambda o, y: o, train=(X, y), optimizer="addam"))
print(lrtune.MLPClasifier)
"""


@pytest.mark.slow
def test_mypy_finds_misspelt_names_and_options_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    script = tmp_path / "use.py"
    script.write_text(USE + MISTAKES, encoding="utf-8")
    shared = Path(__file__).parents[1] / ".mypy_cache"  # where CI has checked the package
    cache = shared if shared.is_dir() else tmp_path / "cache"
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", cache, script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        check=False,
    )
    found = [int(line.split(":")[1]) for line in run.stdout.splitlines() if ": error: " in line]
    first = len(USE.splitlines()) + 2  # after the empty line that begins MISTAKES

    assert found == list(range(first, first + len(MISTAKES.splitlines()) - 1)), run.stdout
