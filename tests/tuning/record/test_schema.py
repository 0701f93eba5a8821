"""What a search notes beside its configuration."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_iris

from lrtune import MLPClassifier
from lrtune.exceptions import NothingCompletedError
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import ENDING, PLAN, Ending, Plan, noting_failure
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.search import search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.replicates import make_replicates


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return str(tmp_path / "r.journal")


def iris(storage: str, **options: Any) -> Any:
    X, y = load_iris(return_X_y=True)
    return search(
        MLPClassifier((8,), max_iter=2),
        X,
        y,
        replicates=make_replicates(y, 2, task="classification"),
        open_record=partial(Record.open, storage, "s"),
        **{"space": Space.default(2), "n_trials": 3, **options},
    )


def attributes(storage: str) -> dict[str, Any]:
    opened, _ = open_storage(storage)
    return dict(optuna.load_study(storage=opened, study_name="s").user_attrs)


def test_a_search_notes_its_plan_and_how_it_ended(storage: str) -> None:
    result = iris(storage).result
    plan, ending = Plan.of(attributes(storage)[PLAN]), Ending.of(attributes(storage)[ENDING])
    (edges,) = plan.edges

    assert (plan.n_trials, plan.confirm, plan.n_validation, plan.loss) == (3, False, 38, "log_loss")
    assert plan.naive_loss == pytest.approx(np.log(3), abs=0.01)
    assert plan.default == {"learning_rate_init": 0.1, "decay": "constant"}
    assert len(edges) == 2
    assert 0.01 < np.median([edge for edge in edges if edge is not None]) < 100
    assert (ending.n_trials, ending.confirmed, ending.failure) == (3, False, None)
    assert ending.warnings == result.warnings
    assert ending.seconds["total"] == result.seconds.total


def test_a_resumed_search_may_plan_for_more(storage: str) -> None:
    iris(storage)
    iris(storage, n_trials=5)

    assert attributes(storage)[PLAN]["n_trials"] == attributes(storage)[ENDING]["n_trials"] == 5


def test_a_given_range_has_no_edges(storage: str) -> None:
    iris(storage, space=Space.default(2, learning_rate_init=(0.2, 1.0)))
    plan = Plan.of(attributes(storage)[PLAN])

    assert plan.edges == ()
    assert plan.default is None  # the space does not hold it


def test_why_nothing_completed_is_noted(storage: str) -> None:
    with pytest.raises(NothingCompletedError):
        iris(storage, space=Space.default(2, learning_rate_init=(1e5, 1e6)))

    assert "none of 3 trials completed" in attributes(storage)[ENDING]["failure"]


def test_without_a_record_nothing_is_noted() -> None:
    Plan().keep(None)
    Ending().keep(None)
    with pytest.raises(NothingCompletedError), noting_failure(None, []):
        raise NothingCompletedError


def test_an_edge_that_was_not_met_is_kept_as_none() -> None:
    values = {"edges": [[0.5, None]], "unknown to this release": 1}

    assert Plan.of(values).edges == ((0.5, None),)
    assert Plan.of({}) == Plan()
    assert not any(isinstance(value, float) and math.isnan(value) for value in values["edges"][0])
