"""The recommended setting as a saved model."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lrtune import load_model
from lrtune.cli.saving import save_recommended
from lrtune.exceptions import NothingCompletedError
from lrtune.models.load import read_facts
from lrtune.tables.dataset import Dataset
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import Request
from lrtune.tuning.result import SearchResult, read_result
from lrtune.tuning.table_scores import fit_recommended
from lrtune.tuning.table_search import load, read_request

RELEASE = Path(__file__).parents[1] / "release"
Searched = tuple[SearchResult, Request, Dataset]


@pytest.fixture
def searched(folder: Path) -> Searched:
    """A search of a table by release 0.1.0, its request, and the table."""
    shutil.copy(RELEASE / "table.journal", folder)
    shutil.copy(RELEASE / "messy.csv", folder / "houses.csv")
    request = read_request(Record.look("table.journal", "houses"), data="houses.csv")
    return read_result("houses", "table.journal"), request, load(request)


def test_the_model_has_the_recommended_setting_and_the_searchs_seed(
    searched: Searched, folder: Path
) -> None:
    result, request, dataset = searched
    fit = partial(fit_recommended, result, request, dataset)
    save_recommended(result, request, dataset, folder / "houses.skops", fit)
    model, facts = load_model(folder / "houses.skops"), read_facts(folder / "houses.skops")

    params = model[-1].get_params()
    assert {name: params[name] for name in result.best_params} == result.best_params
    assert params["random_state"] == request.seed
    assert (facts.target, facts.rows, facts.study) == ("price", len(dataset.y), "houses")
    assert (facts.loss, facts.se) == (result.confirmed_loss, result.confirmed_se)
    assert np.isfinite(model.predict(dataset.X)).all()


def test_a_training_that_diverges_saves_nothing(searched: Searched, folder: Path) -> None:
    result, request, dataset = searched
    assert result.confirmation is not None
    winner = result.confirmation.contenders[0]
    steep = replace(winner, setting=replace(winner.setting, learning_rate_init=1e6))
    confirmation = replace(result.confirmation, contenders=(steep,))
    result = replace(result, confirmation=confirmation)

    fit = partial(fit_recommended, result, request, dataset)
    with pytest.raises(NothingCompletedError, match="no model was saved"):
        save_recommended(result, request, dataset, folder / "houses.skops", fit)
    assert not (folder / "houses.skops").exists()
