"""Find a learning rate, and its decay, that hold up on seeds that the search has not seen.

Names are imported when they are first used, so that ``import lrtune`` and ``lrtune --help`` load
neither scikit-learn nor optuna.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lrtune._version import __version__

if TYPE_CHECKING:
    from lrtune.estimators import MLPClassifier, MLPRegressor
    from lrtune.exceptions import (
        DivergenceWarning,
        Halted,
        InvalidInputError,
        LrtuneError,
        LrtuneWarning,
        NothingCompletedError,
        RecordConflictError,
        RecordLostError,
        RecordWarning,
        WorkersLostError,
    )
    from lrtune.export.export import export_schedule
    from lrtune.models.load import load_model
    from lrtune.models.save import save_model
    from lrtune.review.report import write_report
    from lrtune.schedules.decays import DecayName
    from lrtune.schedules.schedule import Schedule
    from lrtune.search_cv.search_cv import LearningRateSearchCV
    from lrtune.training.network import ActivationName, InitializerName
    from lrtune.training.optimizers import OptimizerName
    from lrtune.tuning.confirm.result import Confirmation
    from lrtune.tuning.function_search import search
    from lrtune.tuning.progress import Progress
    from lrtune.tuning.range_result import RangeTestResult
    from lrtune.tuning.range_test import lr_range_test
    from lrtune.tuning.result import SearchResult
    from lrtune.tuning.sampling.pruners import DivergencePruner
    from lrtune.tuning.sampling.schedule_sampler import ScheduleSampler
    from lrtune.tuning.sampling.suggest import suggest_schedule
    from lrtune.tuning.trainers.torch.trainer import TorchTrainer
    from lrtune.tuning.trainers.tunable import register_estimator

__all__ = [
    "ActivationName",
    "Confirmation",
    "DecayName",
    "DivergencePruner",
    "DivergenceWarning",
    "Halted",
    "InitializerName",
    "InvalidInputError",
    "LearningRateSearchCV",
    "LrtuneError",
    "LrtuneWarning",
    "MLPClassifier",
    "MLPRegressor",
    "NothingCompletedError",
    "OptimizerName",
    "Progress",
    "RangeTestResult",
    "RecordConflictError",
    "RecordLostError",
    "RecordWarning",
    "Schedule",
    "ScheduleSampler",
    "SearchResult",
    "TorchTrainer",
    "WorkersLostError",
    "__version__",
    "export_schedule",
    "load_model",
    "lr_range_test",
    "register_estimator",
    "save_model",
    "search",
    "suggest_schedule",
    "write_report",
]

_HOMES = {
    "ActivationName": "lrtune.training.network",
    "Confirmation": "lrtune.tuning.confirm.result",
    "DecayName": "lrtune.schedules.decays",
    "DivergencePruner": "lrtune.tuning.sampling.pruners",
    "DivergenceWarning": "lrtune.exceptions",
    "Halted": "lrtune.exceptions",
    "InitializerName": "lrtune.training.network",
    "InvalidInputError": "lrtune.exceptions",
    "LearningRateSearchCV": "lrtune.search_cv.search_cv",
    "LrtuneError": "lrtune.exceptions",
    "LrtuneWarning": "lrtune.exceptions",
    "MLPClassifier": "lrtune.estimators",
    "MLPRegressor": "lrtune.estimators",
    "NothingCompletedError": "lrtune.exceptions",
    "OptimizerName": "lrtune.training.optimizers",
    "Progress": "lrtune.tuning.progress",
    "RangeTestResult": "lrtune.tuning.range_result",
    "RecordConflictError": "lrtune.exceptions",
    "RecordLostError": "lrtune.exceptions",
    "RecordWarning": "lrtune.exceptions",
    "Schedule": "lrtune.schedules.schedule",
    "ScheduleSampler": "lrtune.tuning.sampling.schedule_sampler",
    "SearchResult": "lrtune.tuning.result",
    "TorchTrainer": "lrtune.tuning.trainers.torch.trainer",
    "WorkersLostError": "lrtune.exceptions",
    "export_schedule": "lrtune.export.export",
    "load_model": "lrtune.models.load",
    "lr_range_test": "lrtune.tuning.range_test",
    "register_estimator": "lrtune.tuning.trainers.tunable",
    "save_model": "lrtune.models.save",
    "search": "lrtune.tuning.function_search",
    "suggest_schedule": "lrtune.tuning.sampling.suggest",
    "write_report": "lrtune.review.report",
}

if not TYPE_CHECKING:  # a type checker would take every name for one that this function has

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
