"""``--save``: the recommended setting, trained on all rows, as a model file."""

from __future__ import annotations

import warnings
from pathlib import Path

from lrtune.exceptions import DivergenceWarning, NothingCompletedError
from lrtune.models.format import ModelFacts
from lrtune.models.save import save_model
from lrtune.tables.dataset import Dataset
from lrtune.tuning.record.schema import Request
from lrtune.tuning.result import SearchResult
from lrtune.tuning.table_search import make_network


def save_recommended(result: SearchResult, request: Request, dataset: Dataset, path: Path) -> str:
    """Train what a search recommends on all rows, and save it; return what was done.

    Raises
    ------
    NothingCompletedError
        If that training diverges; nothing is saved then.
    InvalidInputError
        If the file cannot be written.
    """
    seed = request.seed
    model = make_network(request, dataset)
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
