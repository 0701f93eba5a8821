"""``--save``: the recommended setting, trained on all rows, as a model file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from sklearn.base import clone

from lrtune.exceptions import DivergenceWarning, NothingCompletedError
from lrtune.models.format import ModelFacts
from lrtune.models.save import save_model
from lrtune.tables.dataset import Dataset
from lrtune.tuning.result import SearchResult

__all__ = ["save_recommended"]


def save_recommended(
    estimator: Any,
    result: SearchResult,
    dataset: Dataset,
    path: Path,
    *,
    seed: int,
) -> str:
    """Train what a search recommends on all rows, and save it; says what was done.

    Raises
    ------
    NothingCompletedError
        If that training diverges; nothing is saved then.
    InvalidInputError
        If the file cannot be written.
    """
    model = clone(estimator)
    model[-1].set_params(**result.best_params, random_state=seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DivergenceWarning)
            model.fit(dataset.X, dataset.y)
    except DivergenceWarning as error:
        raise NothingCompletedError(f"no model was saved, for on all rows {error}") from error
    facts = ModelFacts(
        study=result.study,
        task=result.task,
        target=dataset.target,
        columns=dataset.columns,
        loss=result.confirmed_loss,
        se=result.confirmed_se,
        rows=len(dataset.y),
        seed=seed,
    )
    save_model(model, path, facts=facts)
    return f"saved: {path}, trained on all {facts.rows} rows with seed {seed}"
