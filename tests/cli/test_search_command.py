"""``lrtune search``, as a user runs it."""

import json
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from lrtune.schedules.decays import DECAYS
from lrtune.training.optimizers import OPTIMIZERS

KEYS = [
    "study", "storage", "dataset", "task", "validation", "best", "search_loss", "confirmed_loss",
    "confirmed_se", "default_loss", "confirmed_score", "confirmed_score_se", "default_score",
    "score", "balance", "test", "safe_range", "confirmation", "trials", "pruning_audit",
    "trial_epochs", "epochs_saved", "trainings", "warnings", "seconds",
]  # fmt: skip
CONFIRMATION_KEYS = [
    "replicates", "contenders", "epochs", "share", "metric", "default_se", "gain", "gain_se",
    "keeps_default", "baseline_loss", "naive_loss", "sensitivity", "safe_range_is_measured",
    "safe_range_is_bounded", "tied_decays",
]  # fmt: skip
QUICK = ("--trials", "20", "--epochs", "4")
GLANCE = [
    "learning_rate_init", "decay", "decay_rate", "validation loss", "in the search", "untuned",
    "accuracy", "safe range", "sensitivity", "trials", "study",
]  # fmt: skip


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
    assert list(run.json["confirmation"]) == CONFIRMATION_KEYS
    assert run.json["confirmation"]["naive_loss"] == pytest.approx(math.log(3), rel=1e-3)
    assert all(side in (True, False) for side in run.json["confirmation"]["safe_range_is_bounded"])
    assert sum(run.json["trials"].values()) == 20
    assert run.json["trial_epochs"] + run.json["epochs_saved"] == pytest.approx(20 * 4)
    assert run.out.count("\n") == 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_json_in_two_fresh_folders(
    folder: Path, start: Callable[..., Any]
) -> None:
    processes = []
    for name in ("first", "second"):
        (folder / name).mkdir()
        processes.append(
            start("search", "iris", *QUICK, "--seed", "0", "--json", cwd=folder / name)
        )
    results = [json.loads(process.communicate()[0]) for process in processes]

    assert without_times(results[0]) == without_times(results[1])


def test_another_seed_gives_other_trials(lrtune: Callable[..., Any]) -> None:
    first, second = (
        lrtune("search", "iris", *QUICK, "--no-confirm", "--json", "--seed", seed).json
        for seed in "01"
    )

    assert first["best"] != second["best"]


def test_a_second_search_neither_fails_nor_mixes(lrtune: Callable[..., Any], folder: Path) -> None:
    words = ("search", "iris", *QUICK, "--no-confirm", "--json")
    names = [lrtune(*words).json["study"] for _ in range(3)]

    assert names == ["iris", "iris-2", "iris-3"]
    assert [len(load(folder / "lrtune.journal", name).trials) for name in names] == [20, 20, 20]


@pytest.mark.slow
def test_killed_half_way_and_resumed_is_as_uninterrupted(
    folder: Path, start: Callable[..., Any], lrtune: Callable[..., Any]
) -> None:
    words = ("search", "digits", "--hidden", "8", "--trials", "32", "--epochs", "2", "--json")
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

    assert 8 <= half < 32
    assert without_times(resumed) == without_times(whole) | {"storage": "lrtune.journal"}
    expected = fingerprint(load(folder / "whole.journal", "digits"))
    assert expected == fingerprint(load(journal, "digits"))


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([(18, 100)], id="once"),
        pytest.param(
            [(1, 0), (2, 40), (9, 0), (25, 7), (-1, 1)],
            marks=pytest.mark.slow,
            id="anywhere",
        ),
    ],
)
def test_a_record_that_is_cut_resumes_as_uninterrupted(
    lrtune: Callable[..., Any], folder: Path, cuts: list[tuple[int, int]]
) -> None:
    words = ("search", "iris", "--hidden", "8", "--trials", "24", "--epochs", "2", "--json")
    whole = lrtune(*words).json
    journal = folder / "lrtune.journal"
    content = journal.read_bytes()
    lines = content.splitlines(keepends=True)
    expected = fingerprint(load(journal, "iris"))
    for n_lines, torn in cuts:
        cut = b"".join(lines[:n_lines])
        journal.write_bytes(content[: len(cut) + torn])
        run = lrtune(*words, "--resume")

        assert run.code == 0
        assert ("half-written line" in run.err) == bool(torn)
        assert without_times(whole) == without_times(run.json)
        assert expected == fingerprint(load(journal, "iris"))


@pytest.mark.slow
def test_more_trials_go_on_where_fewer_ended(lrtune: Callable[..., Any]) -> None:
    words = ("search", "iris", "--epochs", "2", "--json")
    lrtune(*words, "--trials", "18")
    extended = lrtune(*words, "--trials", "24", "--resume").json
    whole = lrtune(*words, "--trials", "24", "--name", "whole").json

    assert without_times(whole) | {"study": "iris"} == without_times(extended)


def test_resuming_a_finished_study_shows_it_again(lrtune: Callable[..., Any]) -> None:
    first = lrtune("search", "iris", *QUICK, "--json").json
    again = lrtune("search", "iris", *QUICK, "--json", "--resume").json

    assert without_times(first) == without_times(again)


@pytest.mark.slow
def test_ctrl_c_keeps_the_finished_trials_and_says_how_to_resume(
    folder: Path, start: Callable[..., Any], lrtune: Callable[..., Any]
) -> None:
    words = ("search", "digits", "--trials", "64", "--json")
    journal = folder / "lrtune.journal"
    process = start(*words)
    while not journal.exists() or journal.read_bytes().count(b"\n") < 20:
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.1)  # a block is recorded a moment before it is counted
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    kept = len(load(journal, "digits").trials)

    assert process.returncode == 130
    assert out == ""
    assert f"{kept} of 64 trials" in err
    assert "lrtune search digits --trials 64 --json --name digits --resume\n" in err
    assert "Traceback" not in err


def test_diverged_trials_are_an_outcome_of_their_own_and_cheap(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    result = lrtune("search", "iris", "--trials", "64", "--no-confirm", "--json").json
    study = load(folder / "lrtune.journal", "iris")
    diverged = [t for t in study.trials if t.user_attrs["diverged"]]
    epochs = sum(t.user_attrs["epochs"] for t in diverged)

    assert 0 < len(diverged) == result["trials"]["diverged"]
    assert {t.state for t in diverged} == {TrialState.PRUNED}
    assert all(t.constraints["diverged"] > 0 for t in diverged)
    assert epochs < 0.25 * 20 * len(diverged)
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


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(name, marks=[] if name in ("sgd", "dog") else pytest.mark.slow)
        for name in OPTIMIZERS
    ],
)
def test_every_optimizer_finds_a_setting(lrtune: Callable[..., Any], optimizer: str) -> None:
    result = lrtune("search", "iris", "--trials", "16", "--optimizer", optimizer, "--json").json

    assert result["score"] > 0.85


def test_the_space_is_the_users(lrtune: Callable[..., Any], folder: Path) -> None:
    words = ("--decay", "cosine,plateau", "--alpha0", "0.01:0.1", "--decay-rate", "0.1:0.2")
    lrtune("search", "iris", *QUICK, "--no-confirm", *words)
    trials = load(folder / "lrtune.journal", "iris").trials

    assert {t.params["decay"] for t in trials} == {"cosine", "plateau"}
    assert all(0.01 <= t.params["learning_rate_init"] <= 0.1 for t in trials)
    assert all(0.1 <= t.params["decay_rate"] <= 0.2 for t in trials)


def test_all_decays_can_be_searched_by_one_word(lrtune: Callable[..., Any], folder: Path) -> None:
    lrtune("search", "iris", *QUICK, "--no-confirm", "--decay", "all")
    lrtune("search", "iris", *QUICK, "--no-confirm", "--decay", ",".join(DECAYS))
    named, spelled = (load(folder / "lrtune.journal", name) for name in ("iris", "iris-2"))

    assert named.trials[0].distributions["decay"].choices == tuple(DECAYS)
    assert [trial.params for trial in named.trials] == [trial.params for trial in spelled.trials]


def test_the_first_trial_is_what_was_measured_untuned(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    words = ("search", "iris", *QUICK, "--no-confirm")
    lrtune(*words)
    lrtune(*words, "--alpha0", "0.2:1", "--name", "without")
    first, without = (
        load(folder / "lrtune.journal", name).trials[0].params for name in ("iris", "without")
    )

    assert (first["learning_rate_init"], first["decay"]) == (0.1, "constant")
    assert without["learning_rate_init"] >= 0.2


def test_nothing_to_learn_is_told(lrtune: Callable[..., Any], folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = "".join(f"{rng.normal()},{'ab'[rng.integers(2)]}\n" for _ in range(80))
    (folder / "noise.csv").write_text("x,y\n" + rows)
    words = ("--trials", "16", "--epochs", "4", "--alpha0", "5:10")
    run = lrtune("search", "noise.csv", *words)

    assert "Note: " in run.err
    assert "class shares" in run.err


def test_the_result_reads_at_a_glance(lrtune: Callable[..., Any]) -> None:
    words = ("search", "iris", "--trainings", "120", "--epochs", "4", "--decay", "cosine")
    run = lrtune(*words)
    result = lrtune(*words, "--json").json
    lines = {line[:19].strip(): line[19:] for line in run.out.splitlines()}

    assert list(lines)[: len(GLANCE)] == GLANCE
    assert f"{result['best']['learning_rate_init']:.4g}" in lines["learning_rate_init"]
    assert (
        f"{result['confirmed_loss']:.4g} ± {result['confirmed_se']:.2g}"
        in (lines["validation loss"])
    )
    assert f"on {result['confirmation']['replicates']} fresh replicates" in lines["validation loss"]
    assert f"{result['search_loss']:.4g}" in lines["in the search"]
    assert f"{result['default_loss']:.4g}" in lines["untuned"]
    assert "at 0.1" in lines["untuned"]
    below, above = result["confirmation"]["safe_range_is_bounded"]
    low, high = result["safe_range"]
    ends = f"{'' if below else '≤ '}{low:.4g} to {'' if above else '≥ '}{high:.4g}"
    assert lines["safe range"].strip().startswith(f"{ends} ")
    assert f"{result['confirmation']['sensitivity']:.3g}" in lines["sensitivity"]
    assert "diverged as untrained" in lines["sensitivity"]
    assert "make_pipeline(StandardScaler(), MLPClassifier(" in run.out


def test_warnings_are_notes_on_standard_error(lrtune: Callable[..., Any]) -> None:
    words = ("search", "iris", *QUICK, "--alpha0", "0.001:0.01", "--decay", "constant,cosine")
    run = lrtune(*words)
    warnings = lrtune(*words, "--json").json["warnings"]

    assert any("--alpha0" in each for each in warnings)
    assert run.err == "".join(f"Note: {warning}.\n" for warning in warnings)
    assert "Note" not in run.out


def test_the_advised_range_can_be_pasted(lrtune: Callable[..., Any]) -> None:
    words = ("search", "iris", *QUICK, "--decay", "constant", "--json")
    first = lrtune(*words, "--alpha0", "0.001:0.01").json
    (advice,) = (each for each in first["warnings"] if "--alpha0" in each)
    again = lrtune(*words, *advice.split()[-2:]).json

    assert again["confirmed_loss"] < first["confirmed_loss"]


def test_without_confirmation_nothing_is_claimed_of_fresh_seeds(lrtune: Callable[..., Any]) -> None:
    run = lrtune("search", "iris", *QUICK, "--no-confirm")
    result = lrtune("search", "iris", *QUICK, "--no-confirm", "--json").json
    first, last = KEYS.index("confirmed_loss"), KEYS.index("default_score")
    unknown = [*KEYS[first : last + 1], "balance", "test", "safe_range", "confirmation"]

    assert [key for key in KEYS if result[key] is None] == [*unknown, "pruning_audit"]
    assert result["seconds"]["confirm"] < 0.01  # nothing trains
    assert f"{result['search_loss']:.4g}" in run.out
    assert "fresh" not in run.out
    assert run.err.count("\n") == run.err.count("Note: ") == 1
    assert "fresh seeds" in run.err


def test_confirmation_may_recommend_another_trial_than_the_searchs_best(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    same = ("search", "iris", *QUICK, "--replicates", "2", "--json")  # for comparable values
    confirmed, plain = (lrtune(*same, *words).json for words in ([], ["--no-confirm"]))
    study = load(folder / "lrtune.journal", "iris")
    trials = study.trials
    recommended = trials[study.user_attrs["confirmation"]["contenders"][0]["trial"]]

    assert confirmed["search_loss"] == pytest.approx(recommended.value, rel=1e-6)
    assert plain["search_loss"] == pytest.approx(
        min(t.value for t in trials if t.value is not None and not t.user_attrs["diverged"]),
        rel=1e-6,
    )
    assert plain["search_loss"] <= confirmed["search_loss"]


@pytest.mark.slow
def test_a_baseline_without_a_learning_rate_is_measured_too(lrtune: Callable[..., Any]) -> None:
    words = ("search", "iris", *QUICK, "--baseline")
    result, run = lrtune(*words, "--json").json, lrtune(*words)

    assert result["confirmation"]["baseline_loss"] > 0
    assert f"  DoG               {result['confirmation']['baseline_loss']:.4g}" in run.out
    assert "DoG" not in lrtune("search", "iris", *QUICK).out


def test_a_resumed_search_confirms_the_same(lrtune: Callable[..., Any], folder: Path) -> None:
    words = ("search", "iris", *QUICK, "--json")
    first = lrtune(*words).json
    stored = load(folder / "lrtune.journal", "iris").user_attrs["confirmation"]
    again = lrtune(*words, "--resume").json

    assert first["confirmation"] == again["confirmation"]
    assert stored == load(folder / "lrtune.journal", "iris").user_attrs["confirmation"]
    assert stored["contenders"][0]["setting"] == first["best"]
    assert stored["recommended"]["loss"] == first["confirmed_loss"]


def test_a_time_limit_that_is_over_at_once_leaves_one_block_and_says_that_it_is_unconfirmed(
    lrtune: Callable[..., Any],
) -> None:
    result = lrtune("search", "iris", "--timeout", "0.000001", "--json").json

    assert sum(result["trials"].values()) == 8
    assert result["confirmation"] is None
    assert any("not confirmed, as the time limit" in warning for warning in result["warnings"])


def test_quiet_says_nothing_but_the_result(lrtune: Callable[..., Any]) -> None:
    run = lrtune("search", "iris", *QUICK, "--quiet")

    assert "learning_rate_init" in run.out
    assert "Note" not in run.out + run.err


def test_resuming_with_fewer_trials_loses_none(lrtune: Callable[..., Any]) -> None:
    first = lrtune("search", "iris", "--epochs", "2", "--trials", "20", "--json").json
    again = lrtune("search", "iris", "--epochs", "2", "--trials", "10", "--resume", "--json").json

    assert without_times(first) == without_times(again)


def test_a_batch_larger_than_the_table_is_the_table(lrtune: Callable[..., Any]) -> None:
    whole, larger = (
        lrtune("search", "iris", *QUICK, "--no-confirm", "--batch-size", size, "--json").json
        for size in ("112", "1000000000")
    )

    assert whole["search_loss"] == larger["search_loss"]


def test_classes_may_be_called_na_or_be_fractions(lrtune: Callable[..., Any], folder: Path) -> None:
    for labels in (("NA", "None"), ("0.5", "1.5")):
        rows = "".join(f"{i},{labels[i % 2]}\n" for i in range(40))
        (folder / "table.csv").write_text("a,y\n" + rows)
        words = ("--no-confirm", "--task", "classification", "--json")
        run = lrtune("search", "table.csv", *QUICK, *words)

        assert run.code == 0


@pytest.mark.slow
def test_two_searches_at_once_into_a_new_database(start: Callable[..., Any], folder: Path) -> None:
    few = ("--trials", "4", "--epochs", "1", "--hidden", "8", "--no-confirm")
    words = ("search", "iris", *few, "--storage", "sqlite:///s.db", "--json")
    runs = [start(*words) for _ in range(2)]
    names = {json.loads(run.communicate()[0])["study"] for run in runs}

    assert names == {"iris", "iris-2"}


def test_time_limit_ends_the_search_and_says_so(lrtune: Callable[..., Any]) -> None:
    result = lrtune("search", "iris", "--timeout", "0.000001", "--json").json

    assert sum(result["trials"].values()) == 8
    assert any("time limit" in each and "after 8 of " in each for each in result["warnings"])


@pytest.mark.slow
def test_sqlite_keeps_the_same_trials(lrtune: Callable[..., Any], folder: Path) -> None:
    journal = lrtune("search", "iris", *QUICK, "--json").json
    database = lrtune("search", "iris", *QUICK, "--json", "--storage", "sqlite:///s.db").json

    assert without_times(journal) | {"storage": "sqlite:///s.db"} == without_times(database)
    stored = optuna.load_study(storage="sqlite:///s.db", study_name="iris")
    assert fingerprint(load(folder / "lrtune.journal", "iris")) == fingerprint(stored)


def test_nothing_completed_is_exit_code_1(lrtune: Callable[..., Any]) -> None:
    run = lrtune("search", "digits", *QUICK, "--alpha0", "100:1000")

    assert run.code == 1
    assert "20 diverged" in run.err
    assert "standardise" in run.err


def test_a_pruner_halts_trials_and_the_audit_finishes_some(lrtune: Callable[..., Any]) -> None:
    words = ("search", "iris", *QUICK, "--no-confirm", "--pruner", "hyperband")
    run = lrtune(*words, "--audit-pruning", "0.5", "--json").json
    audit = run["pruning_audit"]

    assert run["trials"]["pruned"] == audit["pruned"] > 0
    assert audit["finished"] == -(-audit["pruned"] // 2)
    shown = lrtune(*words, "--audit-pruning", "0.5").out
    assert f"{audit['lost']} of the best {audit['best_tenth']} lost" in shown
    assert f"{audit['finished']} of {audit['pruned']} pruned trials finished after all" in shown


def test_another_pruner_is_another_search(lrtune: Callable[..., Any]) -> None:
    lrtune("search", "iris", *QUICK, "--no-confirm")
    run = lrtune("search", "iris", *QUICK, "--no-confirm", "--pruner", "median", "--resume")

    assert run.code == 2
    assert "--pruner" in run.err
    assert "MedianPruner" in run.err


def test_the_safe_range_can_be_drawn(lrtune: Callable[..., Any], folder: Path) -> None:
    run = lrtune("search", "iris", *QUICK, "--plot", "safe.png")

    assert (run.code, run.err.splitlines()[-1]) == (0, "drawn: safe.png")
    assert (folder / "safe.png").read_bytes().startswith(b"\x89PNG")
    assert "Use it:" in run.out


@pytest.mark.parametrize(
    "path",
    [
        "dangling.png",
        pytest.param(
            "/proc/safe.png",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is none"),
            ],
        ),
    ],
)
def test_a_figure_that_cannot_be_written_costs_no_result(
    lrtune: Callable[..., Any], folder: Path, path: str
) -> None:
    (folder / "dangling.png").symlink_to(folder / "nowhere" / "safe.png")
    words = ("search", "iris", *QUICK)
    as_json, shown = (
        lrtune(*words, "--plot", path, *more) for more in (["--json"], ["--name", "again"])
    )

    assert (as_json.code, shown.code) == (2, 2)
    if not as_json.out:  # refused at once, before anything was trained
        assert not (folder / "lrtune.journal").exists()
        return
    assert without_times(as_json.json) == without_times(
        lrtune(*words, "--json", "--name", "whole").json
    ) | {"study": "iris"}
    assert "Use it:" in shown.out
    for run in (as_json, shown):
        assert run.err.splitlines()[-1].startswith("lrtune: ")
        assert f"writable, but {path!r}" in run.err.splitlines()[-1]
        assert "drawn" not in run.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--plot", "safe.txt"), "must end in .png, .svg, .pdf, but got 'safe.txt'"),
        (("--plot", "nowhere/safe.png"), "existing folder, but 'nowhere' is none"),
        (("--plot", "safe.png", "--no-confirm"), "--plot draws what confirmation measures"),
        (("--audit-pruning", "0"), "0<x<=1"),
        (("--pruner", "magic"), "'magic' is not one of"),
    ],
)
def test_what_cannot_be_drawn_or_audited_is_refused_at_the_door(
    lrtune: Callable[..., Any], folder: Path, words: tuple[str, ...], message: str
) -> None:
    run = lrtune("search", "iris", *words)

    assert run.code == 2
    assert message in " ".join(run.err.split())
    assert list(folder.iterdir()) == []


def test_many_classes_are_said_once_and_not_doubted_at_every_step(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    rows = "".join(f"{place % 25},{place},sku-{place % 25}\n" for place in range(100))
    (folder / "goods.csv").write_text(f"a,b,label\n{rows}")
    run = lrtune("search", "goods.csv", "--trials", "2", "--epochs", "1")

    assert run.code == 0
    assert "25 different" in run.err
    assert "warning" not in run.err
