"""Records and a model that release 0.1.0 wrote are read as it read them, and resumed.

What the release printed about each of them is in ``records.json``, without the texts of warnings.
"""

import ast
import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor, Schedule, load_model
from lrtune.exceptions import LrtuneWarning
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.result import read_result
from tests.iris import X, Y
from tests.release.recorded_numbers import (
    HERE,
    TABLE,
    platform_facts,
    without_new_keys,
    without_volatile,
)

EXPECTED = json.loads((HERE / "records.json").read_text(encoding="utf-8"))
NUMBERS = json.loads((HERE / "numbers.json").read_text(encoding="utf-8"))
SCHEDULE = ("learning_rate_init", "decay", "decay_rate")
LIBRARIES = ("torch", "keras")


@pytest.fixture(params=EXPECTED)
def storage(request: pytest.FixtureRequest, folder: Path) -> str:
    """Copy a record of the release into the current folder, and return how --storage names it."""
    name: str = request.param
    shutil.copy(HERE / name.removeprefix("sqlite:///"), folder)
    return name


def copy(name: str, to: str = "") -> str:
    shutil.copy(HERE / name, to or name)
    return to or name


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def without_texts(result: dict[str, Any]) -> dict[str, Any]:
    return result | {"warnings": len(result["warnings"])}


# --- reading --------------------------------------------------------------------------------------


def test_show_prints_the_result_of_the_release(lrtune: Callable[..., Any], storage: str) -> None:
    expected = EXPECTED[storage]["show"]
    as_json = lrtune("show", expected["study"], "--storage", storage, "--json")
    shown = lrtune("show", expected["study"], "--storage", storage)
    loss = expected["confirmed_loss"] or expected["search_loss"]
    words = [f"{expected['best']['learning_rate_init']:.4g}", expected["best"]["decay"]]
    words += [f"{loss:.4g}", f"{expected['trials']['complete']} complete", expected["study"]]

    now = without_new_keys(without_texts(as_json.json), expected)
    low, high = now.pop("safe_range") or (0.0, 0.0)  # its ends are surer than they were
    before = expected["safe_range"] or (0.0, 0.0)

    assert (as_json.code, shown.code) == (0, 0)
    assert {name: value for name, value in expected.items() if name != "safe_range"} == now
    assert before[0] <= low <= high <= before[1]
    assert [word for word in words if word not in shown.out] == []
    assert f"max_iter={EXPECTED[storage]['export']['about']['tuned_for']['max_iter']}" in shown.out


def test_studies_lists_it(lrtune: Callable[..., Any], storage: str) -> None:
    expected = EXPECTED[storage]["studies"]
    (listed,) = lrtune("studies", "--storage", storage, "--json").json
    best = listed.pop("best")

    assert {key: value for key, value in expected.items() if key != "best"} == without_new_keys(
        listed, expected
    )
    assert [expected["best"][name] for name in SCHEDULE] == [best[name] for name in SCHEDULE]
    assert expected["study"] in lrtune("studies", "--storage", storage).out


@pytest.mark.parametrize("words", ["show", "show --json", "studies", "export --to json"])
def test_reading_changes_no_byte_of_it(
    lrtune: Callable[..., Any], folder: Path, storage: str, words: str
) -> None:
    command, *options = words.split()
    study = [] if command == "studies" else [EXPECTED[storage]["show"]["study"]]
    before = content(folder)
    run = lrtune(command, *study, *options, "--storage", storage)

    assert run.code == 0, run.err
    assert before == content(folder)


@pytest.mark.parametrize(
    "storage",
    [
        pytest.param(name, marks=[] if name == "python.journal" else pytest.mark.slow)
        for name in EXPECTED
    ],
    indirect=True,
)
def test_a_report_of_it_is_written_and_changes_no_byte_of_it(
    lrtune: Callable[..., Any], folder: Path, storage: str
) -> None:
    expected = EXPECTED[storage]["show"]
    before = content(folder)
    run = lrtune("report", expected["study"], "--storage", storage, "--output", "page.html")
    after = content(folder)
    page = after.pop("page.html").decode()

    assert run.code == 0, run.err
    assert before == after
    assert f"{expected['best']['learning_rate_init']:.4g}" in page
    assert expected["study"] in page
    assert page.count("data:image/") > 1


# --- exporting ------------------------------------------------------------------------------------


def exported(lrtune: Callable[..., Any], storage: str, to: str) -> str:
    study = EXPECTED[storage]["show"]["study"]
    run = lrtune("export", study, "--storage", storage, "--to", to)

    assert run.code == 0, run.err
    source: str = run.out
    return source


def test_its_schedule_is_exported_as_json(lrtune: Callable[..., Any], storage: str) -> None:
    text = exported(lrtune, storage, "json")
    values = json.loads(text)
    values["about"].pop("made_by")

    assert EXPECTED[storage]["export"] == values
    assert Schedule.from_json(text) == schedule_of(storage)


def schedule_of(storage: str) -> Schedule:
    values = {key: value for key, value in EXPECTED[storage]["export"].items() if key != "about"}
    return Schedule(**values)


@pytest.mark.parametrize("to", LIBRARIES)
def test_its_schedule_is_exported_as_a_function_of_the_epoch(
    lrtune: Callable[..., Any], storage: str, to: str
) -> None:
    """The library itself need not be installed: what builds its objects is left out."""
    source = ast.parse(exported(lrtune, storage, to))
    kinds = (ast.Import, ast.FunctionDef, ast.Assign)
    own = [each for each in source.body if isinstance(each, kinds) and to not in ast.unparse(each)]
    names: dict[str, Any] = {}
    exec(compile(ast.Module(own, []), "exported", "exec"), names)  # noqa: S102
    initial, schedule = names["LEARNING_RATE_INIT"], schedule_of(storage)
    rate = names["learning_rate"] if to == "keras" else lambda t: initial * names["factor"](t)

    assert initial == schedule.learning_rate_init
    assert [rate(t) for t in range(12)] == pytest.approx([float(schedule(t)) for t in range(12)])


def test_its_schedule_is_exported_as_an_estimator(
    lrtune: Callable[..., Any], folder: Path, storage: str
) -> None:
    about = EXPECTED[storage]["export"]["about"]
    source = ast.parse(exported(lrtune, storage, "sklearn"))
    for statement in source.body:  # the table's path, which a user has to fill in
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets) == "DATA":
            statement.value = ast.copy_location(ast.Constant(str(TABLE)), statement.value)
    names: dict[str, Any] = {}
    exec(compile(source, "exported", "exec"), names)  # noqa: S102
    model = names["model"]
    network = model if about["study"] == "wide" else model[-1]
    tuned_for = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in about["tuned_for"].items()
    }
    if "class_weight" in tuned_for:  # JSON's keys are texts
        tuned_for["class_weight"] = {int(k): v for k, v in tuned_for["class_weight"].items()}

    regression = about["task"] == "regression"
    assert type(network) is (MLPRegressor if regression else MLPClassifier)
    assert {name: getattr(network, name) for name in tuned_for} == tuned_for
    assert network.schedule()(2.0) == schedule_of(storage)(2.0)
    if about["preprocessing"] == ["StandardScaler"]:
        assert isinstance(model[0], StandardScaler)


# --- going on -------------------------------------------------------------------------------------


def test_an_interrupted_search_goes_on(lrtune: Callable[..., Any], folder: Path) -> None:
    words = ("search", "iris", "--trials", "24", "--epochs", "2", "--hidden", "8")
    words = (*words, "--replicates", "2", "--json", "--storage", copy("interrupted.journal"))
    before = read_result("iris", "interrupted.journal")
    resumed = lrtune(*words, "--resume")
    after = read_result("iris", "interrupted.journal")

    assert resumed.code == 0, resumed.err
    assert (len(before.finished), len(after.finished)) == (16, 24)
    assert [(trial.value, trial.params) for trial in before.finished] == [
        (trial.value, trial.params) for trial in after.finished[:16]
    ]
    assert all(TrialFacts.of(trial).trainings == 2 for trial in after.finished[16:])
    assert resumed.json["confirmed_loss"] == after.confirmed_loss is not None


SEARCHES = {
    "table.journal": "search houses.csv --target price --name houses --trials 6 --epochs 3 "
    "--hidden 8 --replicates 3 --pruner median",
    "sqlite:///study.db": "search iris --trials 4 --epochs 2 --hidden 4 --replicates 3 "
    "--no-confirm",
}


def is_other_scikit_learn() -> bool:
    """Return whether the records were written with another scikit-learn than this one."""
    return platform_facts()["scikit-learn"] != NUMBERS["platform"]["scikit-learn"]


@pytest.mark.parametrize("storage", SEARCHES, indirect=True)
def test_a_finished_search_trains_no_further_trial_when_resumed(
    lrtune: Callable[..., Any], folder: Path, storage: str
) -> None:
    copy(TABLE.name, "houses.csv")
    run = lrtune(*SEARCHES[storage].split(), "--storage", storage, "--resume", "--json")
    if run.code == 2 and is_other_scikit_learn():  # whose transformers have other parameters
        assert "must keep its options" in run.err
        return
    expected, actual = (without_volatile(each) for each in (EXPECTED[storage]["show"], run.json))

    assert run.code == 0, run.err
    assert expected["trials"] == actual["trials"]
    assert expected["trial_epochs"] == actual["trial_epochs"]
    if expected["confirmed_loss"] is None:  # what is confirmed is chosen and trained again
        assert expected == without_new_keys(without_texts(actual), expected)


def test_a_search_in_python_is_resumed(folder: Path) -> None:
    weights = {0: 2.0, 1: 1.0, 2: 1.0}
    network = MLPClassifier(activation="tanh", class_weight=weights, max_iter=3)
    searched = LearningRateSearchCV(
        make_pipeline(PowerTransformer(), network),
        space={
            "learning_rate_init": (0.05, 0.5),
            "decay": ["polynomial", "cosine"],
            "power": (1.0, 3.0),
            "hidden_layer_sizes": [(8,), (6, 4)],
        },
        n_trials=6,
        cv=2,
        scoring="accuracy",
        random_state=0,
        storage=copy("python.journal"),
        study_name="wide",
    ).fit(X, Y)
    best = EXPECTED["python.journal"]["show"]["best"] | {"hidden_layer_sizes": (6, 4)}

    assert len(searched.study_.trials) == 6
    assert best == {
        name.removeprefix("mlpclassifier__"): value for name, value in searched.best_params_.items()
    }


@pytest.mark.parametrize(
    ("storage", "words", "value"),
    [
        (
            "interrupted.journal",
            "search iris --trials 24 --epochs 3 --hidden 8 --replicates 2",
            "--epochs 2",
        ),
        (
            "sqlite:///study.db",
            "search iris --trials 4 --epochs 2 --hidden 5 --replicates 3",
            "--hidden 4",
        ),
    ],
    indirect=["storage"],
)
def test_a_search_of_something_else_is_refused(
    lrtune: Callable[..., Any], folder: Path, storage: str, words: str, value: str
) -> None:
    before = content(folder)
    run = lrtune(*words.split(), "--storage", storage, "--resume")

    assert (run.code, run.out) == (2, "")
    assert value in run.err
    assert before == content(folder)


# --- a model --------------------------------------------------------------------------------------


def test_a_saved_model_is_loaded_and_predicts_the_same(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    with pytest.warns(LrtuneWarning, match="saved with lrtune 0.1.0"):
        model = load_model(copy("iris.skops"))
    run = lrtune("predict", "iris.skops", "iris", "--proba")
    rows = list(csv.DictReader(io.StringIO(run.out)))
    best = EXPECTED["sqlite:///study.db"]["show"]["best"]

    assert run.code == 0, run.err
    assert {name: getattr(model[-1], name) for name in SCHEDULE} == best
    assert Counter(row["target"] for row in rows) == {"0": 51, "1": 33, "2": 66}
    first = [float(rows[0][f"probability of {label}"]) for label in range(3)]
    assert first == pytest.approx([0.80043733, 0.16274574, 0.036816936], rel=1e-5)
