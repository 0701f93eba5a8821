"""``lrtune search --save`` and ``lrtune predict``."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

from lrtune import load_model
from lrtune.exceptions import DivergenceWarning
from lrtune.models.load import read_facts

FLOWERS = "table für Blumen.csv"
QUICK = ("--trials", "16", "--epochs", "10")


@pytest.fixture
def table(folder: Path) -> Any:
    """The iris flowers, as a table with text classes."""
    frame = load_iris(as_frame=True).frame
    frame.columns = ["länge", "breite", "petal length", "petal width", "art"]
    frame["art"] = frame["art"].map({0: "setosa", 1: "versicolor", 2: "virginica"})
    frame.to_csv(FLOWERS, index=False)
    return frame


@pytest.fixture(scope="module")
def saved() -> dict[str, bytes]:
    """The files of the search that saved the model, once it ran."""
    return {}


@pytest.fixture
def model(lrtune: Callable[..., Any], table: Any, folder: Path, saved: dict[str, bytes]) -> str:
    """A model of it, in a file with spaces."""
    name = "mein modell.skops"
    if not saved:
        run = lrtune("search", FLOWERS, *QUICK, "--save", name)

        assert run.code == 0
        assert f"saved: {name}, trained on all 150 rows with seed 0\n" in run.err
        saved.update((path.name, path.read_bytes()) for path in folder.iterdir())
    for each, content in saved.items():
        (folder / each).write_bytes(content)
    return name


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_recommended_setting_is_trained_on_all_rows_and_saved(
    lrtune: Callable[..., Any], table: Any, model: str
) -> None:
    result = lrtune("show", "table für Blumen", "--json").json
    loaded, facts = load_model(model), read_facts(model)

    assert {name: loaded[-1].get_params()[name] for name in result["best"]} == result["best"]
    assert loaded[-1].random_state == 0
    assert (facts.study, facts.target, facts.rows) == ("table für Blumen", "art", 150)
    assert (facts.loss, facts.se) == (result["confirmed_loss"], result["confirmed_se"])
    assert [column.name for column in facts.columns] == list(table.columns[:4])


def test_predictions_are_a_line_for_each_row(
    lrtune: Callable[..., Any], table: Any, model: str
) -> None:
    run = lrtune("predict", model, FLOWERS)
    predicted = [row["art"] for row in rows(run.out)]

    assert run.code == 0
    assert run.out.startswith("art\n")
    assert predicted == list(load_model(model).predict(table.iloc[:, :4].to_numpy()))
    assert np.mean(np.array(predicted) == table["art"]) > 0.9
    assert "columns ignored: 'art'" in run.err


def test_neither_order_nor_further_columns_matter(
    lrtune: Callable[..., Any], table: Any, model: str
) -> None:
    shuffled = table[["petal width", "breite", "länge", "petal length"]].assign(note="x", place=3)
    shuffled.to_csv("other.csv", index=False)
    run = lrtune("predict", model, "other.csv")

    assert run.out == lrtune("predict", model, FLOWERS).out
    assert "columns ignored: 'note', 'place'" in run.err


def test_probabilities_are_those_of_the_classes(
    lrtune: Callable[..., Any], table: Any, model: str
) -> None:
    run = lrtune("predict", model, FLOWERS, "--proba")
    told = rows(run.out)
    classes = ["setosa", "versicolor", "virginica"]
    names = [f"probability of {each}" for each in classes]

    assert list(told[0]) == ["art", *names]
    for row in told:
        values = [float(row[name]) for name in names]
        assert sum(values) == pytest.approx(1, abs=1e-6)
        assert row["art"] == classes[int(np.argmax(values))]


def test_predictions_go_to_a_new_file(lrtune: Callable[..., Any], model: str, folder: Path) -> None:
    printed = lrtune("predict", model, FLOWERS).out
    run = lrtune("predict", model, FLOWERS, "--output", "aus gabe.csv")
    again = lrtune("predict", model, FLOWERS, "--output", "aus gabe.csv")

    assert (run.code, run.out) == (0, "")
    assert "written: aus gabe.csv, 150 rows" in run.err
    assert (folder / "aus gabe.csv").read_text(encoding="utf-8") == printed
    assert (again.code, again.out) == (2, "")
    assert "new file, but 'aus gabe.csv'" in again.err


def test_quiet_is_the_predictions_alone(lrtune: Callable[..., Any], model: str) -> None:
    run = lrtune("predict", model, FLOWERS, "--quiet")

    assert run.err == ""
    assert len(rows(run.out)) == 150


def test_bundled_data_and_a_regression(lrtune: Callable[..., Any], folder: Path) -> None:
    lrtune("search", "diabetes", *QUICK, "--save", "d.skops", "--quiet", "--no-confirm")
    run = lrtune("predict", "d.skops", "diabetes")
    refused = lrtune("predict", "d.skops", "diabetes", "--proba")
    predicted = [float(row["target"]) for row in rows(run.out)]

    assert len(predicted) == 442
    assert 100 < np.mean(predicted) < 200
    assert (refused.code, refused.out) == (2, "")
    assert "--proba" in refused.err
    assert "'d.skops'" in refused.err
    assert "regressor" in refused.err


def test_a_table_of_all_kinds_is_saved_and_predicted_for(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    rng = np.random.default_rng(0)
    lines = [
        f"{'' if i == 3 else i},{'ABC'[i % 3]},2020-01-{i % 28 + 1:02d},{i % 2 == 0},"
        f"{2.5 * i + 10 * (i % 3) + rng.normal():.3f}"
        for i in range(60)
    ]
    (folder / "mixed.csv").write_text("\n".join(["size,city,day,old,price", *lines]))
    (folder / "new.csv").write_text("city,day,old,size\nA,2020-02-01,True,5\nZ,,False,tall\n")
    saved = lrtune("search", "mixed.csv", *QUICK, "--no-confirm", "--save", "m.skops")
    run = lrtune("predict", "m.skops", "new.csv")
    predicted = [float(row["price"]) for row in rows(run.out)]

    assert (saved.code, run.code) == (0, 0)
    assert "load_dataset(DATA, target='price').preprocessing" in saved.out
    assert len(predicted) == 2
    assert np.isfinite(predicted).all()
    assert run.err.splitlines()[-3:] == [
        "texts that are not a number treated as missing values: 'size' (1)",
        "missing values filled in with the median: 'size' (1), 'day' (1)",
        "categories not seen in training, treated as none of them: 'city' (1)",
    ]


def test_a_blank_line_of_a_single_column_is_a_row(lrtune: Callable[..., Any], folder: Path) -> None:
    (folder / "one.csv").write_text("x,y\n,0.5\n" + "".join(f"{i},{i}.5\n" for i in range(30)))
    (folder / "new.csv").write_text("x\n1\n\n3\n")
    lrtune("search", "one.csv", *QUICK, "--no-confirm", "--save", "m.skops")
    run = lrtune("predict", "m.skops", "new.csv")

    assert len(rows(run.out)) == 3
    assert "filled in with the median: 'x' (1)" in run.err


def test_a_column_that_is_missing_is_named(
    lrtune: Callable[..., Any], table: Any, model: str, folder: Path
) -> None:
    table.drop(columns=["länge", "petal width"]).to_csv("fewer.csv", index=False)
    run = lrtune("predict", model, "fewer.csv", "--output", "out.csv")

    assert (run.code, run.out) == (2, "")
    assert "lacks 'länge', 'petal width'" in run.err
    assert len(run.err.splitlines()) == 1
    assert not (folder / "out.csv").exists()


BAD = {
    ("none.skops", FLOWERS): ("'none.skops'", "must be a file"),
    (FLOWERS, FLOWERS): (repr(FLOWERS), "save_model", "nothing in it was loaded", "save the model"),
    ("mein modell.skops", "none.csv"): ("'none.csv'", "bundled data set", "spelling"),
    ("mein modell.skops",): ("Missing argument 'DATA'", "lrtune predict --help"),
    ("mein modell.skops", "mein modell.skops"): ("zip archive", "must hold one table", "unpack it"),
    ("mein modell.skops", FLOWERS, "--output", "no/such.csv"): ("--output", "'no'", "existing"),
    ("mein modell.skops", FLOWERS, "--output", FLOWERS): (
        "--output", repr(FLOWERS), "a new file", "name another",
    ),
    ("mein modell.skops", "iris"): ("lacks 'länge'", "columns of the training", "it has 'sepal l"),
    ("mein modell.skops", "empty.csv"): ("'empty.csv'", "header line", "another file"),
    ("mein modell.skops", "header.csv"): ("'header.csv'", "rows to predict for"),
    ("mein modell.skops", "huge.csv"): (
        "1e+300", "'breite' of huge.csv", "at most 1e+30", "larger unit",
    ),
}  # fmt: skip
"""The value, the rule and, where it is not the rule itself, the cure that each message names."""


def test_bad_input_is_one_line_and_changes_nothing(
    lrtune: Callable[..., Any], model: str, folder: Path
) -> None:
    (folder / "empty.csv").write_text("")
    header = "länge,breite,petal length,petal width\n"
    (folder / "header.csv").write_text(header)
    (folder / "huge.csv").write_text(f"{header}1,1e300,1,1\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for words, parts in BAD.items():
        run = lrtune("predict", *words)

        assert (run.code, run.out) == (2, "")
        assert [part for part in parts if part not in run.err] == []
        assert len(run.err.splitlines()) == 1
        assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_model_that_cannot_be_saved_costs_no_result(
    lrtune: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lrtune.estimators import MLPClassifier

    def diverge(self: Any, *_: Any, **__: Any) -> Any:
        import warnings

        warnings.warn("training diverged: use a smaller rate", DivergenceWarning, stacklevel=1)
        return self

    monkeypatch.setattr(MLPClassifier, "fit", diverge)
    run = lrtune("search", "iris", *QUICK, "--save", "m.skops")

    assert run.code == 1
    assert "learning_rate_init" in run.out
    assert "no model was saved" in run.err
    assert not (folder / "m.skops").exists()


def test_columns_are_kept_before_the_predictions(
    lrtune: Callable[..., Any], table: Any, model: str
) -> None:
    run = lrtune("predict", model, FLOWERS, "--keep", "art", "--keep", "länge", "--quiet")
    printed = rows(run.out)

    assert list(printed[0]) == ["art", "länge", "predicted art"]
    assert [row["art"] for row in printed] == table["art"].tolist()
    assert [float(row["länge"]) for row in printed] == table["länge"].tolist()
    alone = lrtune("predict", model, FLOWERS, "--quiet")
    assert [row["predicted art"] for row in printed] == [row["art"] for row in rows(alone.out)]


def test_a_column_to_keep_must_be_there(lrtune: Callable[..., Any], model: str) -> None:
    run = lrtune("predict", model, FLOWERS, "--keep", "id")

    assert (run.code, run.out) == (2, "")
    assert f"--keep must name columns of {FLOWERS}, but it lacks 'id': it has 'länge'" in run.err
