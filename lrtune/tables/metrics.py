"""Metrics of a search on a table by short names; importing this module loads no scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

from lrtune.exceptions import InvalidInputError
from lrtune.tables.bundled import Task

LOSS = "loss"
"""The metric that is the validation loss itself."""


@dataclass(frozen=True)
class Metric:
    """A metric of a task.

    Attributes
    ----------
    task : {"classification", "regression"}
    scorer : str
        Name of scikit-learn's scorer.
    of_many : str
        Name of the scorer of more than two classes, if it differs.
    of_class : str
        Name of scikit-learn's function, if of two classes it is that of the positive one.
    """

    task: Task
    scorer: str
    of_many: str = ""
    of_class: str = ""


METRICS = {
    "accuracy": Metric("classification", "accuracy"),
    "balanced_accuracy": Metric("classification", "balanced_accuracy"),
    "auc": Metric("classification", "roc_auc", "roc_auc_ovr"),
    "average_precision": Metric(
        "classification", "average_precision", of_class="average_precision_score"
    ),
    "f1": Metric("classification", "f1", "f1_macro", "f1_score"),
    "precision": Metric("classification", "precision", "precision_macro", "precision_score"),
    "recall": Metric("classification", "recall", "recall_macro", "recall_score"),
    "r2": Metric("regression", "r2"),
    "mae": Metric("regression", "neg_mean_absolute_error"),
    "median_ae": Metric("regression", "neg_median_absolute_error"),
    "rmse": Metric("regression", "neg_root_mean_squared_error"),
    "mape": Metric("regression", "neg_mean_absolute_percentage_error"),
}
"""Metrics by name; higher is better, so errors are negative."""


def require_metric(name: str, task: Task) -> None:
    """Raise InvalidInputError unless a metric is the loss, or one of the task."""
    if name == LOSS or (name in METRICS and METRICS[name].task == task):
        return
    of_task = ", ".join([LOSS, *(each for each, metric in METRICS.items() if metric.task == task)])
    other = f", which is for a {METRICS[name].task}" if name in METRICS else ""
    raise InvalidInputError(
        f"`metric` must be one of a {task}, but got {name!r}{other}: choose among {of_task}, or "
        "another `task`"
    )
