"""The pictures in notes."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.image import imread

from lrtune.dashboard.pictures import draw_trial, trials_with_picture
from lrtune.review.study import Study
from tests.dashboard.client import Client, attributes

pytest.importorskip("optuna_dashboard")


def test_the_note_shows_what_was_tried_and_draws_it_anew_when_there_is_more(
    lrtune: Callable[..., Any], search_words: tuple[str, ...], client: Client
) -> None:
    first = re.findall(r"!\[(.*?)\]\((.*?)\)", client.study()["note"]["body"])
    for _, address in first:
        status, body = client.ask(address)
        assert status == 200
        assert imread(io.BytesIO(body)).shape[1] == 484  # two of them side by side
    lrtune(*search_words, "--resume", "--trials", "32")
    later = Client("lrtune.journal")
    second = re.findall(r"!\[(.*?)\]\((.*?)\)", later.study()["note"]["body"])

    assert [title for title, _ in first] == ["Loss by initial rate", "Learning curves"]
    assert not {address for _, address in first} & {address for _, address in second}
    assert later.ask(first[0][1])[0] == 404
    assert client.ask("/artifacts/7/0-18-1")[0] != 200


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


def test_the_default_and_the_recommended_trial_have_pictures(study: Study) -> None:
    numbers = trials_with_picture(study)

    for trial in (study.default_trial, study.recommended_trial):
        assert trial is not None
        assert trial.number in numbers


def test_a_trials_schedule_has_its_setting(study: Study) -> None:
    for trial in study.trials:
        schedule = study.schedule_of(trial)

        assert schedule.learning_rate_init == trial.params["learning_rate_init"]
        assert schedule.decay == trial.params["decay"]


def test_a_trial_without_curves_of_replicates_is_drawn_too(study: Study) -> None:
    trial = study.trials[0]
    trial.user_attrs.pop("replicate_curves")

    assert draw_trial(study, trial).startswith(b"\x89PNG")
