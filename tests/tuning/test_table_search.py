"""The search of a table: it follows its request, and workers read the same from the record."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier, MLPRegressor
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import Request
from lrtune.tuning.search import Recording
from lrtune.tuning.table_search import (
    STANDARD_INPUT,
    TRAININGS,
    load,
    make_network,
    read_request,
    search_table,
    split_request,
    with_path,
)


def request(**changes: Any) -> Request:
    options: dict[str, Any] = {
        "data": "iris", "target": None, "task": "auto", "separator": None, "encoding": None,
        "preprocessor": "sklearn", "hidden": (8, 4), "epochs": 2, "batch_size": 16,
        "optimizer": "adam", "decays": ("cosine",), "alpha0": None, "decay_rate": None,
        "trials": 2, "replicates": 2, "confirm": False, "baseline": False, "pruner": "none",
        "seed": 3,
    }  # fmt: skip
    return Request(**options | changes)


@pytest.mark.parametrize(("data", "network"), [("iris", MLPClassifier), ("diabetes", MLPRegressor)])
def test_the_network_is_as_requested(data: str, network: type) -> None:
    asked = request(data=data)
    dataset = load(asked)
    model = make_network(asked, dataset)

    assert isinstance(model[0], StandardScaler)
    assert isinstance(model[-1], network)
    options = model[-1].get_params()
    assert (options["hidden_layer_sizes"], options["batch_size"], options["max_iter"]) == (
        (8, 4), 16, 2
    )  # fmt: skip
    assert (options["optimizer"], options["dtype"]) == ("adam", "float32")
    assert model[-1].initial_rate() == 0.001


def test_a_search_follows_its_request_and_a_worker_reads_it(folder: Path) -> None:
    asked = request()
    recording = Recording(partial(Record.create, "a.journal", "iris"), request=asked)
    result = search_table(asked, load(asked), recording=recording)
    record = Record.look("a.journal", "iris")

    assert len(result.finished) == 2
    assert result.facts.seed == 3
    assert result.facts.space.decay == ("cosine",)
    assert (result.facts.data.dataset, result.facts.data.rows) == ("iris", 150)
    assert {trial.params["decay"] for trial in result.finished} == {"cosine"}
    # α₀'s range is the one that the search found
    assert read_request(record) == replace(asked, alpha0=result.facts.space.rates)
    assert read_request(record, data="elsewhere.csv").data == "elsewhere.csv"


def test_standard_input_cannot_be_read_by_a_worker(folder: Path) -> None:
    asked = request(data=STANDARD_INPUT)
    recording = Recording(partial(Record.create, "a.journal", "piped"), request=asked)
    search_table(asked, load(request()), recording=recording)
    record = Record.look("a.journal", "piped")

    with pytest.raises(InvalidInputError, match=r"came from standard input: name a file .* `data`"):
        read_request(record)
    assert read_request(record, data="iris").data == "iris"


def test_a_study_without_a_request_cannot_be_helped(folder: Path) -> None:
    asked = request()
    search_table(
        asked, load(asked), recording=Recording(partial(Record.create, "a.journal", "mine"))
    )

    with pytest.raises(InvalidInputError, match="does not say what to train"):
        read_request(Record.look("a.journal", "mine"))


def test_a_file_is_recorded_with_its_whole_path(folder: Path) -> None:
    np.savetxt("table.csv", np.eye(3), delimiter=",")

    assert with_path(request(data="table.csv")).data == str(folder.resolve() / "table.csv")
    assert with_path(request()).data == "iris"


def test_trainings_pay_for_trials_and_the_confirmation(folder: Path) -> None:
    asked = request(trainings=24, trials=None, replicates=None, confirm=True)
    recording = Recording(partial(Record.create, "a.journal", "iris"), request=asked)
    result = search_table(asked, load(asked), recording=recording)

    assert len(result.finished) == split_request(asked).n_trials == result.trainings["search"]
    assert 20 <= result.trainings["total"] <= 24
    worker = read_request(Record.look("a.journal", "iris"))
    assert (worker.trainings, worker.trials, worker.replicates) == (24, None, None)
    assert split_request(worker) == split_request(asked)


def test_a_request_without_numbers_pays_for_so_many_trainings() -> None:
    split = split_request(request(trials=None, replicates=None, confirm=True))
    assert split.confirmation is not None
    assert split.n_trials + split.confirmation.limit == TRAININGS
    assert split.replicates is None

    pruned = split_request(request(trials=None, replicates=None, pruner="median"))
    assert (pruned.n_trials, pruned.replicates) == (TRAININGS // 3, 3)
    chosen = split_request(request(trials=7, replicates=2))
    assert (chosen.n_trials, chosen.replicates, chosen.confirmation) == (7, 2, None)


def test_the_default_and_a_baseline_are_measured_within_the_trainings(folder: Path) -> None:
    asked = request(trainings=32, trials=None, replicates=None, confirm=True, baseline=True)
    result = search_table(asked, load(asked), recording=Recording(partial(Record.create, "a", "b")))

    assert result.trainings["total"] <= 32
    assert result.confirmation.default is not None
    assert result.confirmation.baseline is not None
