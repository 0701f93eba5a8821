"""The steps of a pipeline before its model: transformers, and imbalanced-learn's samplers.

A sampler resamples the rows to train on, and leaves those to validate with or to predict alone, as
in imbalanced-learn's own pipeline.
"""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from lrtune.exceptions import InvalidInputError


def _is_sampler(step: Any) -> bool:
    return hasattr(step, "fit_resample")


def samplers(steps: Pipeline | None) -> list[str]:
    """Return the names of the kinds of steps that resample rows."""
    kept = () if steps is None else steps.steps
    return [type(step).__name__ for _, step in kept if _is_sampler(step)]


def require_no_weights(steps: Pipeline | None, sample_weight: Any) -> None:
    """Raise InvalidInputError if rows with weights are resampled, which gives rows without."""
    resampling = samplers(steps)
    if resampling and sample_weight is not None:
        raise InvalidInputError(
            f"`sample_weight` must be left out with {resampling[0]}, as the rows that it makes "
            "have no weights: give class_weight, or leave out the step"
        )


def seed_samplers(steps: Pipeline, seed: int) -> None:
    """Give each sampler that has no seed of its own this one."""
    for _, step in steps.steps:
        if _is_sampler(step) and step.get_params().get("random_state", 0) is None:
            step.set_params(random_state=seed)


class _Collector(BaseEstimator):  # type: ignore[misc]
    """The end of a pipeline, which keeps the rows that its model would be trained on."""

    def fit(self, X: Any, y: Any = None) -> Self:
        self.rows_ = X, y
        return self


def fit_steps(steps: Pipeline, X: Any, y: Any, seed: int) -> tuple[Pipeline, Any, Any]:
    """Return a fitted copy of the steps, and the rows that the model is to be trained on."""
    steps = clone(steps)
    resampling = samplers(steps)
    if not resampling:
        return steps, steps.fit_transform(X, y), y
    if not hasattr(type(steps), "fit_resample"):
        raise InvalidInputError(
            f"a pipeline with {resampling[0]}, which resamples rows, must be one of "
            f"imbalanced-learn, but got {type(steps).__module__}.{type(steps).__name__}: make it "
            "by imblearn.pipeline.make_pipeline"
        )
    seed_samplers(steps, seed)
    collector = _Collector()
    steps.steps.append(("collector", collector))
    steps.fit(X, y)
    steps.steps.pop()
    return steps, *collector.rows_


def transform(steps: Pipeline, X: Any) -> Any:
    """Transform rows by fitted steps; samplers leave them alone."""
    if not samplers(steps):
        return steps.transform(X)
    for _, step in steps.steps:
        if not _is_sampler(step) and step not in (None, "passthrough"):
            X = step.transform(X)
    return X
