"""``--save``: the recommended setting, trained on all rows, as a model file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lrtune.exceptions import NothingCompletedError
from lrtune.models.format import ModelFacts
from lrtune.models.save import save_model
from lrtune.tables.dataset import Dataset
from lrtune.tuning.record.schema import Request
from lrtune.tuning.result import SearchResult


def save_recommended(
    result: SearchResult, request: Request, dataset: Dataset, path: Path, fit: Callable[[], Any]
) -> str:
    """Save what a search recommends, as `fit` trains it on all rows; return what was done.

    Raises
    ------
    NothingCompletedError
        If that training diverges; nothing is saved then.
    InvalidInputError
        If the file cannot be written.
    """
    seed = request.seed
    try:
        model = fit()
    except NothingCompletedError as error:
        raise NothingCompletedError(f"no model was saved, for {error}") from error
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
