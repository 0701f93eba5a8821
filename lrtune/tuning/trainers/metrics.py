"""The objective of a metric of `lrtune.tables.metrics`, as scikit-learn scores it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics
from sklearn.metrics import make_scorer

from lrtune.tables.bundled import Task
from lrtune.tables.metrics import LOSS, METRICS, require_metric
from lrtune.tuning.trainers.objective import Objective
from lrtune.tuning.trainers.scoring import make_objective

Array = npt.NDArray[Any]


def metric_objective(name: str, estimator: Any, y: Array, task: Task) -> Objective | None:
    """Return the objective of a metric for a table with the target `y`; None for the loss.

    Its name is that of scikit-learn's scorer.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> model, y = DummyClassifier(), np.array(["no", "no", "yes"])
    >>> metric_objective("auc", model, y, "classification").name
    'roc_auc'
    """
    require_metric(name, task)
    if name == LOSS:
        return None
    metric, scorer = METRICS[name], scorer_name(name, y)
    scoring = _scorer(metric.of_class, positive_class(name, y)) if metric.of_class else scorer
    objective, _ = make_objective(estimator, scoring, refit=True, error_score=math.nan)
    assert objective is not None  # noqa: S101
    return replace(objective, name=scorer)


def scorer_name(name: str, y: Array) -> str:
    """Return the name of a metric's scorer for the target `y`; that of the loss is "loss".

    >>> scorer_name("f1", np.array([0, 1])), scorer_name("f1", np.array([0, 1, 2]))
    ('f1', 'f1_macro')
    """
    if name == LOSS:
        return name
    metric = METRICS[name]
    return metric.of_many if metric.of_many and len(np.unique(y)) > 2 else metric.scorer


def positive_class(name: str, y: Array) -> Any:
    """Return the class that a metric is of; None if it is of all, or there are more than two.

    It is 1 or True among 0 and 1, else the rarer one.

    >>> positive_class("f1", np.array(["no", "no", "yes"])).item()
    'yes'
    """
    if name not in METRICS or not METRICS[name].of_class:
        return None
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) != 2:
        return None
    is_binary = classes.dtype.kind in "bui" and classes.tolist() == [0, 1]
    return classes[1 if is_binary else counts.argmin()]


def _scorer(function: str, positive: Any) -> Any:
    """Return the scorer of the positive class, or if that is None of all with equal weights."""
    options: dict[str, Any] = {"average": "macro"} if positive is None else {"pos_label": positive}
    if function == "average_precision_score":
        options["response_method"] = "predict_proba"
    else:
        options["zero_division"] = 0.0
    return make_scorer(getattr(metrics, function), **options)
