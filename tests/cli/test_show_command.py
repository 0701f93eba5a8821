"""``lrtune show``: what a search printed, from the record alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import lrtune as package
from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor
from lrtune.tables.dataset import load_dataset
from tests.iris import X, Y

QUICK = ("search", "iris", "--trials", "20", "--epochs", "3")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="confirmed"),
        pytest.param(["--no-confirm"], id="not confirmed"),
        pytest.param(["--optimizer", "adam", "--hidden", "8"], id="adam", marks=pytest.mark.slow),
    ],
)
def test_what_search_printed_is_shown_again(lrtune: Callable[..., Any], words: list[str]) -> None:
    search = lrtune(*QUICK, *words)
    shown = lrtune("show", "iris")
    as_json = lrtune("show", "iris", "--json")

    assert shown.code == 0
    assert shown.out.startswith(search.out)
    assert shown.out.removeprefix(search.out).startswith(
        "\nColumns: 4 number ('sepal length (cm)', "
    )
    assert shown.err == search.err
    assert as_json.json == lrtune(*QUICK, *words, "--resume", "--json").json | {
        "seconds": as_json.json["seconds"]
    }
    assert as_json.json["seconds"]["total"] > 0


def test_a_regression_and_a_database_are_shown_too(lrtune: Callable[..., Any]) -> None:
    storage = ("--storage", "sqlite:///s.db")
    search = lrtune("search", "diabetes", "--trials", "4", "--epochs", "2", *storage)
    shown = lrtune("show", "diabetes", *storage)

    assert shown.out.startswith(search.out)
    assert "R²" in shown.out


def test_of_an_interrupted_search_what_is_finished_is_shown(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    lrtune(*QUICK)
    journal = folder / "lrtune.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:15]))
    kept = len(optuna.load_study(
        storage=optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(journal))
        ),
        study_name="iris",
    ).trials)  # fmt: skip
    run = lrtune("show", "iris")
    result = lrtune("show", "iris", "--json").json

    assert 0 < kept < 20
    assert f"{kept} of 20" in run.err
    assert "--resume" in run.err
    assert sum(result["trials"].values()) == kept
    assert result["confirmed_loss"] is None
    assert result["seconds"]["search"] > 0


def test_a_study_without_trials_says_so(lrtune: Callable[..., Any], folder: Path) -> None:
    lrtune(*QUICK, "--no-confirm")
    journal = folder / "lrtune.journal"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:2]))
    run = lrtune("show", "iris")

    assert run.code == 1
    assert "'iris' in lrtune.journal" in run.err
    assert "no finished trial" in run.err


def test_a_search_in_python_is_shown(lrtune: Callable[..., Any]) -> None:
    for name, model in {
        "bare": MLPClassifier(8, max_iter=3),
        "piped": make_pipeline(StandardScaler(), MLPClassifier([8, 4], max_iter=3)),
    }.items():
        LearningRateSearchCV(
            model, n_trials=4, storage="lrtune.journal", study_name=name, random_state=0
        ).fit(X / 8, Y)
        run = lrtune("show", name)

        assert run.code == 0
        assert "accuracy" in run.out
        assert "MLPClassifier(hidden_layer_sizes=" in run.out


def test_the_code_to_use_has_all_that_was_tuned_for(lrtune: Callable[..., Any]) -> None:
    network = MLPClassifier(
        8, activation="tanh", optimizer="momentum", warmup_epochs=1, batch_size=16, max_iter=3
    )
    search = LearningRateSearchCV(
        make_pipeline(MinMaxScaler(), network),
        space={"batch_size": [64], "momentum": (0.5, 0.8)},
        n_trials=4,
        storage="lrtune.journal",
        study_name="own",
        random_state=0,
    ).fit(X, Y)
    code = lrtune("show", "own").out.rpartition("Use it:")[2].strip()  # not of a table
    names = {kind.__name__: kind for kind in (make_pipeline, MinMaxScaler, MLPClassifier)}
    model = eval(code, names)  # noqa: S307
    told = {"activation": "tanh", "optimizer": "momentum", "warmup_epochs": 1, "batch_size": 64}

    assert {name: getattr(model[-1], name) for name in told} == told
    assert model[-1].hidden_layer_sizes == 8
    best = search.best_estimator_[-1]
    assert model[-1].momentum == pytest.approx(best.momentum, rel=1e-3)


def test_the_code_to_use_reads_the_table_as_the_search_did(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"price": rng.normal(size=60), "size": rng.normal(size=60)})
    table["colour"] = rng.choice(["red", "blue"], 60)
    table.to_csv("table.csv", index=False)
    run = lrtune("search", "table.csv", "--target", "price", "--trials", "4", "--no-confirm")
    code = run.out.rpartition("Use it:")[2].strip()
    names = {"make_pipeline": make_pipeline, "MLPRegressor": MLPRegressor, "lrtune": package}
    model = eval(code.removesuffix(", or --save"), {**names, "DATA": "table.csv"})  # noqa: S307
    data = load_dataset("table.csv", target="price")

    shown = lrtune("show", "table").out.rpartition("Use it:")[2].strip().splitlines()

    assert shown[0] == code
    assert shown[2] == "Columns: 1 number ('size'); 1 category ('colour')"
    notes = [line.removeprefix("Table:   ") for line in shown[3:]]
    assert "categories encoded as columns of 0 and 1: 'colour'" in notes
    assert all(note in run.err for note in notes)  # the search printed them as it read the table
    assert np.isfinite(model.fit(data.X, data.y).predict(data.X)).all()


def test_a_study_must_exist_and_be_lrtunes(lrtune: Callable[..., Any], folder: Path) -> None:
    assert lrtune("show", "iris").code == 2
    optuna.create_study(storage="sqlite:///s.db", study_name="foreign")
    for words, message in {
        ("wine",): "'wine'; it has foreign",
        ("foreign",): "another program",
    }.items():
        run = lrtune("show", *words, "--storage", "sqlite:///s.db")

        assert (run.code, run.out) == (2, "")
        assert message in run.err
        assert len(run.err.splitlines()) == 1
    assert [path.name for path in folder.iterdir()] == ["s.db"]


def test_the_record_says_by_which_command_and_versions(lrtune: Callable[..., Any]) -> None:
    import sklearn

    storage = "sqlite:///s.db?password=hunter2"
    lrtune("search", "iris", "--trials", "2", "--epochs", "1", "--storage", "sqlite:///s.db")
    study = optuna.load_study(storage="sqlite:///s.db", study_name="iris")
    told = study.user_attrs["environment"]

    assert told["command"] == ("lrtune search iris --trials 2 --epochs 1 --storage sqlite:///s.db")
    assert told["versions"]["scikit-learn"] == sklearn.__version__
    assert set(told["versions"]) == {"lrtune", "numpy", "scikit-learn", "optuna", "python"}
    from lrtune.cli.environment import command_line

    assert "hunter2" not in command_line(["search", "--storage", storage])
