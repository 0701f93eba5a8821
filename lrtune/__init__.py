"""lrtune finds a learning rate, and how it should decay, that holds up on seeds it has not seen.

Names are imported when they are first used, so that ``import lrtune`` and ``lrtune --help`` load
neither scikit-learn nor optuna.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lrtune._version import __version__

if TYPE_CHECKING:
    from lrtune.estimators import MLPClassifier, MLPRegressor
    from lrtune.model_selection import LearningRateSearchCV
    from lrtune.persistence import load_model, save_model
    from lrtune.review.export import export_schedule
    from lrtune.training.schedules import Schedule
    from lrtune.tuning.pruners import DivergencePruner
    from lrtune.tuning.range_test import lr_range_test
    from lrtune.tuning.suggest import suggest_schedule

__all__ = [
    "DivergencePruner",
    "LearningRateSearchCV",
    "MLPClassifier",
    "MLPRegressor",
    "Schedule",
    "__version__",
    "export_schedule",
    "load_model",
    "lr_range_test",
    "save_model",
    "suggest_schedule",
]

_HOMES = {
    "DivergencePruner": "lrtune.tuning.pruners",
    "LearningRateSearchCV": "lrtune.model_selection",
    "MLPClassifier": "lrtune.estimators",
    "MLPRegressor": "lrtune.estimators",
    "Schedule": "lrtune.training.schedules",
    "export_schedule": "lrtune.review.export",
    "load_model": "lrtune.persistence",
    "lr_range_test": "lrtune.tuning.range_test",
    "save_model": "lrtune.persistence",
    "suggest_schedule": "lrtune.tuning.suggest",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
