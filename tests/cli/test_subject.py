"""The subject of a search: what the options ask for, and what of it is for workers."""

from pathlib import Path
from typing import Any

import pytest

from lrtune.cli.progress import Count
from lrtune.cli.search import command
from lrtune.cli.subject import load_script, load_table, script_request
from lrtune.tuning.record.schema import Request, ScriptRequest
from lrtune.tuning.scripts import Script
from lrtune.tuning.table_search import split_request


def options(*words: str) -> dict[str, Any]:
    """Return the options of search."""
    with command.make_context("search", list(words), obj=words) as ctx:
        return dict(ctx.params)


def table_request(*words: str) -> Request:
    """Return what ``lrtune search`` asks for with these words."""
    return Request.from_json(options(*words))


def test_trainings_of_a_table_pay_for_its_trials() -> None:
    request = table_request("iris", "--trainings", "64")
    chosen = table_request("iris", "--trainings", "64", "--replicates", "2")
    plain = table_request("iris")

    assert (request.trainings, request.trials, request.replicates) == (64, None, None)
    assert 64 // 3 <= split_request(request).n_trials < 64
    assert split_request(chosen).n_trials == split_request(request).n_trials // 2
    assert (plain.trainings, plain.trials, plain.replicates) == (None, None, None)
    assert split_request(plain) == split_request(table_request("iris", "--trainings", "256"))


def test_a_table_is_counted_in_trials() -> None:
    subject = load_table(table_request("iris", "--trials", "7"), n_jobs=1)

    assert (subject.name, subject.count) == ("iris", Count(7))


@pytest.mark.parametrize(
    ("metric", "shown"),
    [("loss", "loss 0.5"), ("auc", "roc_auc_ovr -0.5"), ("f1", "f1_macro -0.5")],
)
def test_progress_is_in_the_numbers_of_the_metric(metric: str, shown: str) -> None:
    measure = load_table(table_request("iris", "--metric", metric), n_jobs=1).count.measure

    assert f"{measure.name} {measure.show(0.5)}" == shown


def test_a_script_is_asked_for_what_is_given(folder: Path) -> None:
    words = ("train.py:fit", "--epochs", "5", "--alpha0", "0.01:1", "--param", "size=8,16")
    request = script_request(Script("train.py", "fit"), options(*words, "--warmup-epochs", "2"))

    assert (request.name, request.function, request.epochs) == ("train-fit", "fit", 5)
    assert (request.trainings, request.n_trials, request.replicates) == (None, None, None)
    assert request.space.learning_rate_init == (0.01, 1.0)
    assert [name for name, _ in request.space.others] == ["size"]
    assert request.modifiers["warmup_epochs"] == 2
    assert ScriptRequest.from_json(request.to_json()) == request


@pytest.mark.parametrize(("words", "planned"), [(["--trainings", "24"], 24), ([], 48)])
def test_a_script_is_counted_in_trainings(folder: Path, words: list[str], planned: int) -> None:
    Path("train.py").write_text("def train(schedule, seed):\n    yield 1.0\n", encoding="utf-8")
    given = options("train.py", "--epochs", "5", *words)
    subject = load_script(script_request(Script("train.py"), given), n_jobs=1, gpus=None, per_gpu=1)

    assert subject.count.unit == "trainings"
    assert planned - 2 <= subject.count.total <= planned
    assert subject.request.path == str(folder.resolve() / "train.py")
