"""``lrtune export``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier, Schedule, __version__
from lrtune.export.export import EXPORTERS

SEARCH = ("search", "iris", "--trials", "4", "--epochs", "3", "--alpha0", "0.05:0.2", "--json")


@pytest.fixture
def result(lrtune: Callable[..., Any]) -> Any:
    """A confirmed study named iris."""
    return lrtune(*SEARCH).json


def test_json_is_the_recommended_schedule_and_says_how_sure_it_is(
    lrtune: Callable[..., Any], result: Any
) -> None:
    run = lrtune("export", "iris")
    about = json.loads(run.out)["about"]

    assert run.code == 0
    assert Schedule.from_json(run.out) == Schedule(**result["best"])
    assert about["study"] == "iris"
    assert (about["loss"], about["se"]) == (result["confirmed_loss"], result["confirmed_se"])
    assert about["confirmed"] is True
    assert about["tuned_for"]["hidden_layer_sizes"] == [50, 12]


@pytest.mark.parametrize("to", ["keras", "torch", "optax", "sklearn"])
def test_source_begins_with_the_study_and_its_confirmed_loss(
    lrtune: Callable[..., Any], result: Any, to: str
) -> None:
    run = lrtune("export", "iris", "--to", to, "--steps-per-epoch", "4")
    loss, se = result["confirmed_loss"], result["confirmed_se"]
    first, second, third = run.out.splitlines()[:3]

    compile(run.out, "exported", "exec")
    assert first == f"# Learning rate of study 'iris', written by lrtune {__version__}:"
    assert f"confirmed loss {loss:.4g} ± {se:.2g} on" in second
    assert "optimizer='sgd', batch_size=32, max_iter=3" in third
    assert f"confirmed loss {loss:.4g}" in run.err


def test_the_exported_estimator_is_the_tuned_one(lrtune: Callable[..., Any], result: Any) -> None:
    namespace: dict[str, Any] = {}
    exec(lrtune("export", "iris", "--to", "sklearn").out, namespace)  # noqa: S102
    scaler, model = namespace["model"]

    assert isinstance(scaler, StandardScaler)  # without it, the rate would be another
    assert isinstance(model, MLPClassifier)
    assert np.array_equal(model.schedule()(np.arange(4)), Schedule(**result["best"])(np.arange(4)))
    assert (model.hidden_layer_sizes, model.max_iter) == ((50, 12), 3)
    assert namespace["model"].fit(*load_iris(return_X_y=True))[-1].n_iter_ == 3


def test_an_estimator_for_a_table_is_exported_with_its_preprocessing(
    lrtune: Callable[..., Any],
) -> None:
    rows = "".join(f"{i % 7},{'uv'[i % 2]},{i % 5}.5\n" for i in range(40))
    Path("homes.csv").write_text(f"size,kind,price\n{rows}", encoding="utf-8")
    lrtune("search", "homes.csv", "--trials", "4", "--epochs", "2", "--no-confirm")
    source = lrtune("export", "homes", "--to", "sklearn").out
    namespace: dict[str, Any] = {}
    exec(source.replace("the path of the table that was searched", "homes.csv"), namespace)  # noqa: S102
    table = namespace["table"]

    assert table.target == "price"
    assert namespace["model"].fit(table.X, table.y).predict(table.X).shape == (40,)
    for to in ("torch", "keras"):
        told = lrtune("export", "homes", "--to", to).out
        assert "# Tuned on standardised numbers, and categories as 0 and 1:" in told
        assert "# The target was standardised as well.\n" in told


def test_a_study_that_was_not_confirmed_says_so(lrtune: Callable[..., Any]) -> None:
    result = lrtune(*SEARCH, "--no-confirm").json
    run = lrtune("export", "iris", "--to", "torch")

    assert f"not confirmed: loss {result['search_loss']:.4g} of the best trial" in run.err
    assert "# not confirmed: loss" in run.out
    assert repr(result["best"]["learning_rate_init"]) in run.out


def test_output_goes_to_a_new_file(lrtune: Callable[..., Any], result: Any, folder: Path) -> None:
    words = ("export", "iris", "--to", "torch")
    printed = lrtune(*words).out
    run = lrtune(*words, "--output", "schedule.py")

    assert (run.code, run.out) == (0, "")
    assert (folder / "schedule.py").read_text(encoding="utf-8") == printed
    assert "written: schedule.py" in run.err


def test_an_existing_file_is_left_alone(
    lrtune: Callable[..., Any], result: Any, folder: Path
) -> None:
    (folder / "mine.py").write_text("precious")
    run = lrtune("export", "iris", "--output", "mine.py")

    assert (run.code, run.out) == (2, "")
    assert "must be a new file, but 'mine.py' exists" in run.err
    assert (folder / "mine.py").read_text() == "precious"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("wine",), "has none named 'wine'; it has iris"),
        (("iris", "--to", "optax"), "--steps-per-epoch"),
        (("iris", "--to", "caffe"), "'caffe' is not one of"),
        (("iris", "--steps-per-epoch", "0"), "0 is not in the range"),
        (("iris", "--storage", "none.journal"), "no file 'none.journal'"),
        (("iris", "--output", "no/such/f.py"), "existing folder"),
        (("iris", "--output", "."), "must be a new file"),
        ((), "Missing argument 'STUDY'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    lrtune: Callable[..., Any], result: Any, folder: Path, words: tuple[str, ...], message: str
) -> None:
    before = sorted(folder.iterdir())
    run = lrtune("export", *words)

    assert (run.code, run.out) == (2, "")
    assert message in run.err
    assert len(run.err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before


def test_a_study_of_another_program_is_refused_with_the_cure(lrtune: Callable[..., Any]) -> None:
    optuna.create_study(storage="sqlite:///s.db", study_name="foreign")
    run = lrtune("export", "foreign", "--storage", "sqlite:///s.db")

    assert run.code == 2
    assert "made by another program: make its schedule with `lrtune.Schedule.from_trial(" in run.err


def test_every_exporter_can_be_asked_for(lrtune: Callable[..., Any], result: Any) -> None:
    for to in EXPORTERS:
        assert lrtune("export", "iris", "--to", to, "--steps-per-epoch", "4").code == 0
