"""The search of a script: it follows its request, and workers read the same from the record."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import ScriptRequest
from lrtune.tuning.script_search import read_script_request, search_script, split_request
from lrtune.tuning.scripts import Script
from lrtune.tuning.search import Recording
from lrtune.tuning.space import Space
from tests.tuning.record.facts import FACTS

SCRIPT = """
def train(schedule, seed, size):
    x = 10.0
    for epoch in range(3):
        x -= schedule(epoch) * 2 * x
        yield {"score": -x * x, "size": size}
"""


def request(**changes: Any) -> ScriptRequest:
    options: dict[str, Any] = {
        "path": "mine.py", "function": "train", "name": "mine", "epochs": 3,
        "space": Space.of({"decay": ["linear"], "size": [8, 16]}, 3), "trainings": 16,
        "n_trials": None, "replicates": None, "metric": "score", "direction": "maximize",
        "default": 0.1, "modifiers": {"warmup_epochs": 0.5}, "confirm": True, "pruner": "none",
        "seed": 3,
    }  # fmt: skip
    return ScriptRequest(**options | changes)


def test_a_search_follows_its_request_and_a_worker_reads_it(folder: Path) -> None:
    Path("mine.py").write_text(SCRIPT, encoding="utf-8")
    asked = request()
    recording = Recording(partial(Record.create, "a.journal", "mine"), request=asked)
    result = search_script(asked, Script("mine.py").load(), recording=recording)
    record = Record.look("a.journal", "mine")

    assert result.facts.seed == 3
    assert result.facts.data.dataset == "mine"
    assert (result.facts.trainer.loss, result.facts.trainer.maximize) == ("score", True)
    assert result.facts.trainer.parameters["warmup_epochs"] == 0.5
    assert {trial.params["decay"] for trial in result.finished} == {"linear"}
    assert {trial.params["size"] for trial in result.finished} == {8, 16}
    assert result.trainings["total"] <= 16
    # α₀'s range is the one that was searched
    assert read_script_request(record) == replace(asked, space=result.facts.space)
    elsewhere = read_script_request(record, data="elsewhere/mine.py")
    assert elsewhere is not None
    assert (elsewhere.path, elsewhere.name) == ("elsewhere/mine.py", "mine")
    with pytest.raises(InvalidInputError, match=r"a file FILE.py, but got 'elsewhere'"):
        read_script_request(record, data="elsewhere")


def test_another_study_has_no_request_of_a_script(folder: Path) -> None:
    assert read_script_request(Record.create("a.journal", "study", FACTS)) is None


def test_each_block_has_a_fresh_seed_but_with_a_pruner() -> None:
    assert split_request(request()).replicates is None
    split = split_request(request(trainings=None, n_trials=5))
    assert (split.n_trials, split.replicates) == (5, None)
    assert split_request(request(pruner="median", trainings=40)).replicates == 3
    assert split_request(request(confirm=False)).confirmation is None
