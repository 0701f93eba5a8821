"""``lrtune search``, as a user runs it."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from lrtune.training.optimizers import OPTIMIZERS

KEYS = [
    "study", "storage", "dataset", "task", "best", "search_loss", "confirmed_loss", "confirmed_se",
    "default_loss", "score", "safe_range", "trials", "trial_epochs", "epochs_saved", "warnings",
    "seconds",
]  # fmt: skip
QUICK = ("--trials", "20", "--epochs", "4")


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "seconds"}


def load(path: Path, name: str) -> optuna.Study:
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(storage=storage, study_name=name)


def fingerprint(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [
        (t.number, t.state, t.params, t.value, t.intermediate_values, without_times(t.user_attrs))
        for t in study.trials
    ]


def test_json_is_the_documented_object_and_all_that_is_printed(lrtune: Callable[..., Any]) -> None:
    run = lrtune("search", "iris", *QUICK, "--json")

    assert run.code == 0
    assert list(run.json) == KEYS
    assert list(run.json["best"]) == ["learning_rate_init", "decay", "decay_rate"]
    assert list(run.json["trials"]) == ["complete", "pruned", "diverged", "failed"]
    assert list(run.json["seconds"]) == ["search", "confirm", "total"]
    assert sum(run.json["trials"].values()) == 20
    assert run.json["trial_epochs"] + run.json["epochs_saved"] == pytest.approx(20 * 3 * 4)
    assert run.out.count("\n") == 1


def test_the_same_seed_gives_the_same_json_in_two_fresh_folders(
    folder: Path, start: Callable[..., Any]
) -> None:
    results = []
    for name in ("first", "second"):
        (folder / name).mkdir()
        process = start(
            "search", "iris", "--trials", "64", "--seed", "0", "--json", cwd=folder / name
        )
        results.append(json.loads(process.communicate()[0]))

    assert without_times(results[0]) == without_times(results[1])


def test_another_seed_gives_other_trials(lrtune: Callable[..., Any]) -> None:
    first, second = (
        lrtune("search", "iris", *QUICK, "--json", "--seed", seed).json for seed in "01"
    )

    assert first["best"] != second["best"]


def test_a_second_search_neither_fails_nor_mixes(lrtune: Callable[..., Any], folder: Path) -> None:
    names = [lrtune("search", "iris", *QUICK, "--json").json["study"] for _ in range(3)]

    assert names == ["iris", "iris-2", "iris-3"]
    assert [len(load(folder / "lrtune.journal", name).trials) for name in names] == [20, 20, 20]


def test_killed_half_way_and_resumed_is_as_uninterrupted(
    folder: Path, start: Callable[..., Any], lrtune: Callable[..., Any]
) -> None:
    words = ("search", "digits", "--trials", "64", "--seed", "0", "--json")
    journal = folder / "lrtune.journal"
    process = start(*words)
    while not journal.exists() or journal.read_bytes().count(b"\n") < 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    half = len(load(journal, "digits").trials)
    resumed = lrtune(*words, "--resume").json
    whole = lrtune(*words, "--storage", "whole.journal").json

    assert 16 <= half < 64
    assert without_times(resumed) == without_times(whole) | {"storage": "lrtune.journal"}
    expected = fingerprint(load(folder / "whole.journal", "digits"))
    assert expected == fingerprint(load(journal, "digits"))


def test_a_record_cut_anywhere_resumes_as_uninterrupted(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    words = ("search", "iris", "--trials", "40", "--epochs", "2", "--json")
    whole = lrtune(*words).json
    journal = folder / "lrtune.journal"
    content = journal.read_bytes()
    lines = content.splitlines(keepends=True)
    expected = fingerprint(load(journal, "iris"))
    for n_lines, torn in [(1, 0), (2, 0), (2, 40), (9, 0), (18, 100), (25, 7), (len(lines) - 1, 1)]:
        cut = b"".join(lines[:n_lines])
        journal.write_bytes(content[: len(cut) + torn])
        run = lrtune(*words, "--resume")

        assert run.code == 0
        assert ("half-written line" in run.err) == bool(torn)
        assert without_times(whole) == without_times(run.json)
        assert expected == fingerprint(load(journal, "iris"))


def test_more_trials_go_on_where_fewer_ended(lrtune: Callable[..., Any]) -> None:
    words = ("search", "iris", "--epochs", "2", "--json")
    lrtune(*words, "--trials", "21")
    extended = lrtune(*words, "--trials", "50", "--resume").json
    whole = lrtune(*words, "--trials", "50", "--name", "whole").json

    assert without_times(whole) | {"study": "iris"} == without_times(extended)


def test_resuming_a_finished_study_shows_it_again(lrtune: Callable[..., Any]) -> None:
    first = lrtune("search", "iris", *QUICK, "--json").json
    again = lrtune("search", "iris", *QUICK, "--json", "--resume").json

    assert without_times(first) == without_times(again)


def test_ctrl_c_keeps_the_finished_trials_and_says_how_to_resume(
    folder: Path, start: Callable[..., Any], lrtune: Callable[..., Any]
) -> None:
    words = ("search", "digits", "--trials", "64", "--json")
    journal = folder / "lrtune.journal"
    process = start(*words)
    while not journal.exists() or journal.read_bytes().count(b"\n") < 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    kept = len(load(journal, "digits").trials)

    assert process.returncode == 130
    assert out == ""
    assert f"{kept} of 64 trials are kept; go on with:" in err
    assert "lrtune search digits --trials 64 --json --name digits --resume\n" in err
    assert "Traceback" not in err


def test_diverged_trials_are_an_outcome_of_their_own_and_cheap(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    result = lrtune("search", "iris", "--json").json
    study = load(folder / "lrtune.journal", "iris")
    diverged = [t for t in study.trials if t.user_attrs["diverged"]]
    epochs = sum(t.user_attrs["epochs"] for t in diverged)

    assert 0 < len(diverged) == result["trials"]["diverged"]
    assert {t.state for t in diverged} == {TrialState.PRUNED}
    assert all(t.constraints["diverged"] > 0 for t in diverged)
    assert epochs < 0.1 * 3 * 20 * len(diverged)
    assert "NaN" not in (folder / "lrtune.journal").read_text()
    assert "Infinity" not in (folder / "lrtune.journal").read_text()


def test_a_numeric_csv_with_text_classes(lrtune: Callable[..., Any], folder: Path) -> None:
    from sklearn.datasets import load_iris

    table = load_iris(as_frame=True).frame
    table["target"] = table["target"].map({0: "setosa", 1: "versicolor", 2: "virginica"})
    table.to_csv("my flowers.csv", index=False)
    run = lrtune("search", "my flowers.csv", *QUICK, "--json")

    assert run.json["study"] == "my flowers"
    assert run.json["task"] == "classification"
    assert run.json["score"] > 0.8
    assert "target: column 'target', the last" in run.err


def test_a_regression_is_scored_in_the_targets_own_unit(lrtune: Callable[..., Any]) -> None:
    result = lrtune("search", "diabetes", *QUICK, "--json").json

    assert result["task"] == "regression"
    assert 2000 < result["search_loss"] < 6000  # the target's variance is 5930
    assert 0.2 < result["score"] < 0.7


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_finds_a_setting(lrtune: Callable[..., Any], optimizer: str) -> None:
    result = lrtune("search", "iris", "--trials", "16", "--optimizer", optimizer, "--json").json

    assert result["score"] > 0.85


def test_the_space_is_the_users(lrtune: Callable[..., Any], folder: Path) -> None:
    words = ("--decay", "cosine,plateau", "--alpha0", "0.01:0.1", "--decay-rate", "0.1:0.2")
    lrtune("search", "iris", *QUICK, *words)
    trials = load(folder / "lrtune.journal", "iris").trials

    assert {t.params["decay"] for t in trials} == {"cosine", "plateau"}
    assert all(0.01 <= t.params["learning_rate_init"] <= 0.1 for t in trials)
    assert all(0.1 <= t.params["decay_rate"] <= 0.2 for t in trials)


def test_the_result_reads_at_a_glance(lrtune: Callable[..., Any]) -> None:
    run = lrtune("search", "iris", *QUICK)

    for word in ("learning_rate_init", "decay", "validation loss", "accuracy"):
        assert word in run.out
    assert "make_pipeline(StandardScaler(), MLPClassifier(" in run.out
    assert run.err == (
        "Note: the loss was measured on the replicates that chose the setting, so expect a "
        "higher one on fresh seeds, the more so the smaller the table.\n"
    )


def test_quiet_says_nothing_but_the_result(lrtune: Callable[..., Any]) -> None:
    run = lrtune("search", "iris", *QUICK, "--quiet")

    assert "learning_rate_init" in run.out
    assert "Note" not in run.out + run.err


def test_resuming_with_fewer_trials_loses_none(lrtune: Callable[..., Any]) -> None:
    first = lrtune("search", "iris", "--epochs", "2", "--trials", "40", "--json").json
    again = lrtune("search", "iris", "--epochs", "2", "--trials", "10", "--resume", "--json").json

    assert without_times(first) == without_times(again)


def test_a_batch_larger_than_the_table_is_the_table(lrtune: Callable[..., Any]) -> None:
    whole, larger = (
        lrtune("search", "iris", *QUICK, "--batch-size", size, "--json").json
        for size in ("112", "1000000000")
    )

    assert whole["search_loss"] == larger["search_loss"]


def test_classes_may_be_called_na_or_be_fractions(lrtune: Callable[..., Any], folder: Path) -> None:
    for labels in (("NA", "None"), ("0.5", "1.5")):
        rows = "".join(f"{i},{labels[i % 2]}\n" for i in range(40))
        (folder / "table.csv").write_text("a,y\n" + rows)
        run = lrtune("search", "table.csv", *QUICK, "--task", "classification", "--json")

        assert run.code == 0


def test_two_searches_at_once_into_a_new_database(start: Callable[..., Any], folder: Path) -> None:
    words = ("search", "iris", *QUICK, "--storage", "sqlite:///s.db", "--json")
    runs = [start(*words) for _ in range(2)]
    names = {json.loads(run.communicate()[0])["study"] for run in runs}

    assert names == {"iris", "iris-2"}


def test_time_limit_ends_the_search_and_says_so(lrtune: Callable[..., Any]) -> None:
    result = lrtune("search", "iris", "--timeout", "0.000001", "--json").json

    assert sum(result["trials"].values()) == 16
    assert "stopped by the time limit after 16 of 64 trials" in result["warnings"]


def test_sqlite_keeps_the_same_trials(lrtune: Callable[..., Any], folder: Path) -> None:
    journal = lrtune("search", "iris", *QUICK, "--json").json
    database = lrtune("search", "iris", *QUICK, "--json", "--storage", "sqlite:///s.db").json

    assert without_times(journal) | {"storage": "sqlite:///s.db"} == without_times(database)
    stored = optuna.load_study(storage="sqlite:///s.db", study_name="iris")
    assert fingerprint(load(folder / "lrtune.journal", "iris")) == fingerprint(stored)


def test_nothing_completed_is_exit_code_1(lrtune: Callable[..., Any]) -> None:
    run = lrtune("search", "digits", *QUICK, "--alpha0", "100:1000")

    assert run.code == 1
    assert "none of 20 trials completed, 20 diverged: standardise the columns" in run.err
