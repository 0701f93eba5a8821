"""Balanced accuracy of what is recommended, and its scores on a further table."""

from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss, mean_absolute_error

from lrtune.exceptions import InvalidInputError
from lrtune.tables.dataset import Dataset
from lrtune.tuning.confirm.errors import standard_error
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import Balance, FinalTest, Request
from lrtune.tuning.result import SearchResult, read_result
from lrtune.tuning.search import Recording
from lrtune.tuning.table_scores import (
    BALANCE_REPLICATES,
    FIRST_FRESH,
    fit_recommended,
    measure_balance,
    read_test,
    record_scores,
    score_test,
    with_scores,
)
from lrtune.tuning.table_search import load, make_network, search_table
from lrtune.tuning.trainers.replicates import draw_replicates

RNG = np.random.default_rng(0)


def request(data: str, **changes: Any) -> Request:
    options: dict[str, Any] = {
        "data": data, "target": None, "task": "auto", "separator": None, "encoding": None,
        "preprocessor": "sklearn", "hidden": (4,), "epochs": 3, "batch_size": 32,
        "optimizer": "adam", "decays": ("constant",), "alpha0": (0.01, 0.03), "decay_rate": None,
        "trials": 2, "replicates": 1, "confirm": False, "baseline": False, "pruner": "none",
        "seed": 3,
    }  # fmt: skip
    return Request(**options | changes)


def write(name: str, n: int, share: float = 0.5, labels: tuple[Any, Any] = ("no", "yes")) -> Any:
    """Write a table of classes; `share` of the rows are of the second one."""
    x = RNG.normal(size=(n, 2))
    y = np.where(
        x[:, 0] + 0.5 * RNG.normal(size=n) > np.quantile(x[:, 0], 1 - share), *labels[::-1]
    )
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y})
    frame.to_csv(name, index=False)
    return frame


def searched(asked: Request) -> tuple[SearchResult, Request, Dataset]:
    dataset = load(asked)
    recording = Recording(partial(Record.create, "a.journal", "study"), request=asked)
    return search_table(asked, dataset, recording=recording), asked, dataset


@pytest.mark.parametrize(
    ("share", "metric", "is_measured"),
    [(0.1, "loss", True), (0.1, "accuracy", True), (0.1, "auc", False), (0.5, "loss", False)],
)
def test_the_balanced_accuracy_is_measured_where_one_class_holds_most_rows(
    share: float, metric: str, is_measured: bool, folder: Path
) -> None:
    frame = write("table.csv", 300, share)
    result, asked, dataset = searched(request("table.csv", metric=metric))
    balance = measure_balance(result, replace(asked, confirm=True), dataset)

    assert (balance is not None) == is_measured
    if balance is not None:
        assert balance.share == (frame["y"] == "no").mean()
        assert balance.classes == 2
        assert balance.balanced_accuracy is not None
        assert 0.3 <= balance.balanced_accuracy <= 1


def test_the_balanced_accuracy_is_the_mean_over_single_fits_on_fresh_replicates(
    folder: Path,
) -> None:
    write("table.csv", 300, 0.15)
    result, asked, dataset = searched(request("table.csv"))
    drawn = draw_replicates(dataset.y, task="classification", seed=3, first=FIRST_FRESH)
    scores = []
    for replicate in islice(drawn, BALANCE_REPLICATES):
        model = make_network(asked, dataset)
        model[-1].set_params(**result.best_params, random_state=replicate.seed)
        model.fit(dataset.X[replicate.train], dataset.y[replicate.train])
        predicted = model.predict(dataset.X[replicate.validation])
        scores.append(balanced_accuracy_score(dataset.y[replicate.validation], predicted))

    balance = measure_balance(result, replace(asked, confirm=True), dataset)
    assert balance is not None
    assert balance.balanced_accuracy == pytest.approx(np.mean(scores))
    assert balance.se == pytest.approx(standard_error(np.array(scores)))


def test_without_confirmation_the_shares_are_noted_and_nothing_is_trained(folder: Path) -> None:
    write("table.csv", 300, 0.1)
    found = searched(request("table.csv"))
    result = replace(found[0], balance=measure_balance(*found))
    (note,) = [each for each in result.warnings if "the largest class holds" in each]

    assert result.balance is not None
    assert (result.balance.replicates, result.balance.balanced_accuracy) == (0, None)
    assert "`metric='balanced_accuracy'` searches for it" in note
    assert "its balanced accuracy is" not in note


def test_no_balanced_accuracy_is_measured_where_no_time_is_left(folder: Path) -> None:
    write("table.csv", 300, 0.1)
    result, asked, dataset = searched(request("table.csv"))
    late = measure_balance(result, replace(asked, confirm=True), dataset, deadline=0.0)
    result = replace(result, balance=late, plan=replace(result.plan, confirm=True))

    assert late is not None
    assert (late.replicates, late.balanced_accuracy) == (0, None)
    assert any("the time limit left none to measure" in each for each in result.advice)


def test_a_network_no_better_than_the_largest_class_is_told_so(folder: Path) -> None:
    x, y = RNG.normal(size=(200, 1)), np.where(np.arange(200) % 5 < 3, "a", "b")
    pd.DataFrame({"x": x[:, 0], "y": y}).to_csv("table.csv", index=False)
    found = searched(request("table.csv"))
    unable = replace(found[0], balance=measure_balance(*found))

    assert unable.balance is not None
    assert unable.balance.share == 0.6
    assert any("the largest class holds 60.0% of the rows" in each for each in unable.warnings)


@pytest.mark.parametrize(
    "labels", [("no", "yes"), (0, 1), (False, True), (1.5, 2.5), ("1", "x"), (7, 12)]
)
def test_a_test_scores_as_scikit_learn_does(labels: tuple[Any, Any], folder: Path) -> None:
    write("table.csv", 200, 0.3, labels)
    further = write("new.csv", 80, 0.3, labels)
    found = searched(request("table.csv", metric="f1", task="classification"))
    table = read_test("new.csv", *found[1:])
    model = fit_recommended(*found)
    test = score_test(model, table, *found[1:])

    X = further[["a", "b"]].to_numpy()
    assert (test.file, test.rows, test.metric) == ("new.csv", 80, "f1")
    assert test.loss == pytest.approx(log_loss(table.y, model.predict_proba(X)), rel=1e-4)
    assert test.score == np.mean(model.predict(X) == table.y)
    positive = labels[1]
    expected = f1_score(table.y.astype(str), model.predict(X).astype(str), pos_label=str(positive))
    assert test.metric_score == pytest.approx(expected)
    assert [str(each) for each in table.y] == [str(each) for each in further["y"]]


def test_a_test_of_numbers(folder: Path) -> None:
    x = RNG.normal(size=(300, 2))
    frame = pd.DataFrame({"a": x[:, 0], "city": np.where(x[:, 1] > 0, "Ulm", "Bonn")})
    frame["y"] = 1e4 * (x[:, 0] + (x[:, 1] > 0)) + 1e5
    frame[:200].to_csv("table.csv", index=False)
    frame["more"] = 1.0
    frame.loc[203, "y"] = None
    frame[200:].to_csv("new.csv", index=False)
    found = searched(request("table.csv", metric="mae"))
    table = read_test("new.csv", *found[1:])
    model = fit_recommended(*found)
    test = score_test(model, table, *found[1:])

    y = frame["y"][200:].dropna().to_numpy()
    predicted = model.predict(frame[["a", "city"]][200:][frame["y"][200:].notna()])
    assert table.y.tolist() == y.tolist()
    assert table.notes[-1] == "test: 1 of 100 rows left out, as column 'y' has no value there"
    assert "test: columns ignored: 'more'" in table.notes
    assert (test.rows, test.metric) == (99, "neg_mean_absolute_error")
    assert test.loss == pytest.approx(np.mean((predicted - y) ** 2), rel=1e-4)
    assert test.metric_score == pytest.approx(-mean_absolute_error(y, predicted))


def test_a_test_is_weighted_as_validation_is(folder: Path) -> None:
    write("table.csv", 200, 0.2)
    write("new.csv", 80, 0.2)
    found = searched(request("table.csv", class_weight="balanced"))
    table = read_test("new.csv", *found[1:])
    model = fit_recommended(*found)
    weight = np.where(
        table.y == "yes", 0.5 / (table.y == "yes").mean(), 0.5 / (table.y == "no").mean()
    )

    test = score_test(model, table, *found[1:])
    expected = log_loss(table.y, model.predict_proba(table.X), sample_weight=weight)
    assert test.loss == pytest.approx(expected, rel=1e-4)


def test_a_test_of_one_row_has_no_r2(folder: Path) -> None:
    x = RNG.normal(size=100)
    pd.DataFrame({"x": x, "y": 2 * x}).to_csv("table.csv", index=False)
    Path("new.csv").write_text("x,y\n0.5,1.0\n", encoding="utf-8")
    found = searched(request("table.csv"))
    test = score_test(fit_recommended(*found), read_test("new.csv", *found[1:]), *found[1:])

    assert (test.rows, test.score) == (1, None)
    assert test.loss is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "`test`: .*neither"),
        ("a,b\n1,2\n", "`test`: .* the target column 'y', but new.csv lacks it: it has 'a', 'b'"),
        ("a,y\n1,no\n", "`test`: .*lacks 'b'"),
        ("a,b,y\n1,2,maybe\n", "`test`: .* column 'y' of new.csv holds 'maybe': leave these"),
        ("a,b,y\n1,2,\n3,4,\n", "`test`: .* column 'y' of new.csv has none"),
    ],
)
def test_a_test_that_cannot_be_scored_is_refused(
    content: str | None, message: str, folder: Path
) -> None:
    write("table.csv", 100)
    if content is not None:
        Path("new.csv").write_text(content, encoding="utf-8")
    asked = request("table.csv")

    with pytest.raises(InvalidInputError, match=message):
        read_test("new.csv", asked, load(asked))


def test_standard_input_is_no_test(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="`test` must be a file"):
        read_test("-", request("iris"), load(request("iris")))


def test_scores_are_recorded_and_those_of_an_earlier_run_replaced(folder: Path) -> None:
    write("table.csv", 200, 0.1)
    found = searched(request("table.csv"))
    fit = partial(fit_recommended, *found)
    table = read_test("table.csv", *found[1:])
    scored = with_scores(*found, test=table, fit=fit)
    record_scores(scored, "a.journal")
    read = read_result("study", "a.journal")

    assert isinstance(scored.balance, Balance)
    assert isinstance(scored.test, FinalTest)
    assert (read.balance, read.test) == (scored.balance, scored.test)
    record_scores(with_scores(*found, test=None, fit=fit), "a.journal")
    assert read_result("study", "a.journal").test is None


def test_a_training_that_diverges_leaves_the_reason(folder: Path) -> None:
    write("table.csv", 200)
    steep = {"optimizer": "sgd", "alpha0": (0.1, 0.1)}
    result, asked, dataset = searched(request("table.csv", **steep))
    for trial in result.finished:  # as if a steep rate had been recommended
        trial.params["learning_rate_init"] = 1e8
    fit = partial(fit_recommended, result, asked, dataset)
    table = read_test("table.csv", asked, dataset)
    test = with_scores(result, asked, dataset, test=table, fit=fit).test

    assert test is not None
    assert test.failure is not None
    assert test.failure.startswith("on all rows training diverged")
    assert (test.rows, test.loss, test.score) == (200, None, None)
