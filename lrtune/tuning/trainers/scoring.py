"""The objective that `scoring` asks for: the loss, or scikit-learn's scorers, one or several."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import joblib
from sklearn import get_config, metrics
from sklearn.metrics import check_scoring
from sklearn.utils.metadata_routing import get_routing_for_object

from lrtune.exceptions import InvalidInputError, LrtuneWarning, NothingCompletedError
from lrtune.tuning.record.schema import stable_repr
from lrtune.tuning.trainers.objective import LOSS, Objective, metric_name

PERFECT_AT_ONE = (
    metrics.accuracy_score,
    metrics.average_precision_score,
    metrics.balanced_accuracy_score,
    metrics.cohen_kappa_score,
    metrics.d2_absolute_error_score,
    metrics.explained_variance_score,
    metrics.f1_score,
    metrics.fbeta_score,
    metrics.jaccard_score,
    metrics.matthews_corrcoef,
    metrics.precision_score,
    metrics.r2_score,
    metrics.recall_score,
    metrics.roc_auc_score,
    metrics.top_k_accuracy_score,
)
"""Scores whose best value is 1, so that the distance to it is the error."""


def make_objective(
    estimator: Any, scoring: Any, refit: Any, error_score: float | str = "raise"
) -> tuple[Objective | None, Any]:
    """Return the objective, None for the loss, and the scorer or scorers for `scorer_`.

    `error_score` is the score where a scorer raises an error, or "raise" to let it pass.

    Raises
    ------
    InvalidInputError
        If there are several metrics and `refit` names none of them.
    """
    if scoring is None:
        return None, check_scoring(estimator)
    if isinstance(scoring, str) or callable(scoring):
        scorer = check_scoring(estimator, scoring)
        metric = refit if isinstance(refit, str) and callable(scoring) else LOSS
        name = metric_name(metric, describe_scoring(scoring))
        function = _Scoring(scorer, metric, refit, error_score)
        return Objective(function, metric, name, _best(scorer)), scorer
    scorers = {name: check_scoring(estimator, each) for name, each in _named(scoring).items()}
    if not scorers:
        raise InvalidInputError(f"`scoring` must name at least one metric, but got {scoring!r}")
    metric = _require_metric(refit, scorers)
    best = _best(scorers[metric])
    return Objective(_Scoring(scorers, metric, refit, error_score), metric, metric, best), scorers


def _best(scorer: Any) -> float | None:
    """Return the best possible value of a scorer that scikit-learn made; None if it is unknown."""
    function, sign = getattr(scorer, "_score_func", None), getattr(scorer, "_sign", 1)
    is_perfect_at_one = any(function is each for each in PERFECT_AT_ONE) and sign > 0
    return 1.0 if is_perfect_at_one else None


class _Scoring:
    """One scorer or several as a function that can be sent to another process."""

    def __init__(self, scorers: Any, metric: str, refit: Any, error_score: float | str) -> None:
        self.scorers = scorers
        self.metric = metric
        self.refit = refit
        self.error_score = error_score
        self.failure = ""
        """The first error that was raised in this process."""

    def __call__(self, fitted: Any, X: Any, y: Any) -> dict[str, float]:
        if isinstance(self.scorers, dict):
            return {
                name: self._score(scorer, fitted, X, y) for name, scorer in self.scorers.items()
            }
        scores = self._score(self.scorers, fitted, X, y)
        if not isinstance(scores, Mapping):
            return {self.metric: scores}
        _require_metric(self.refit, scores)
        return dict(scores)

    def _score(self, scorer: Any, fitted: Any, X: Any, y: Any) -> Any:
        try:
            scores = scorer(fitted, X, y)
            if isinstance(scores, Mapping):
                return {name: _finite(score) for name, score in scores.items()}
            return _finite(scores)
        except Exception as error:
            if self.error_score == "raise":
                raise
            self.failure = self.failure or f"{type(error).__name__}: {error}"
            warnings.warn(
                f"a scorer raised {type(error).__name__}: {error}; the score is {self.error_score} "
                "there: `error_score='raise'` ends the search instead",
                LrtuneWarning,
                stacklevel=2,
            )
            return self.error_score


@contextmanager
def errors_named(objective: Objective | None) -> Iterator[None]:
    """Name the error that a scorer raised where no trial completed inside the block."""
    try:
        yield
    except NothingCompletedError as error:
        failure = getattr(None if objective is None else objective.scorers, "failure", "")
        if not failure:
            raise
        raise NothingCompletedError(f"{error}: it raised {failure}") from error


def _finite(score: Any) -> float:
    """Return a score as a float, which may be NaN; raise InvalidInputError if it is infinite."""
    number = float(score)
    if math.isinf(number):
        raise InvalidInputError(f"a scorer must return a finite number, but got {score}")
    return number


def _named(scoring: Any) -> dict[str, Any]:
    """Return several metrics by name."""
    if isinstance(scoring, Mapping):
        return dict(scoring)
    if not all(isinstance(name, str) for name in scoring):
        raise InvalidInputError(
            f"a list in `scoring` must hold names, but got {scoring!r}: give functions by name, in "
            "a dict"
        )
    return {name: name for name in scoring}


def _require_metric(refit: Any, metrics: Iterable[str]) -> str:
    if not (isinstance(refit, str) and refit in metrics):
        raise InvalidInputError(
            f"`refit` must name one of several metrics, {', '.join(metrics)}, but got {refit!r}: "
            "the one that counts"
        )
    return refit


def require_no_metadata(scorers: Any, params: dict[str, Any]) -> None:
    """Raise InvalidInputError if scorers request metadata passed to fit, which they do not get."""
    for scorer in scorers.values() if isinstance(scorers, dict) else [scorers]:
        requested = get_routing_for_object(scorer).consumes("score", params)
        if get_config()["enable_metadata_routing"] and requested:
            raise InvalidInputError(
                f"scorers get no metadata in this search, but {scorer!r} requests "
                f"{', '.join(sorted(requested))}: request none, or leave `scoring` out, as "
                "the validation loss is weighted by sample_weight"
            )


def describe_scoring(scoring: Any) -> Any:
    """Return `scoring` as JSON values that are the same in every process."""
    if isinstance(scoring, Mapping):
        return {name: describe_scoring(scorer) for name, scorer in scoring.items()}
    if isinstance(scoring, list | tuple):
        return [describe_scoring(scorer) for scorer in scoring]
    if scoring is None or isinstance(scoring, str):
        return scoring
    code = getattr(scoring, "__code__", None)
    if code is None:
        return getattr(scoring, "__qualname__", None) or stable_repr(scoring)
    body = joblib.hash((code.co_code, code.co_names, stable_repr(code.co_consts)))
    return f"{scoring.__qualname__} {body}"  # two lambdas have one name
