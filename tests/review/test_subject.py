"""The words that depend on what was trained."""

from dataclasses import replace

import pytest

from lrtune.review.study import Study
from lrtune.review.subject import Subject
from lrtune.tuning.record.schema import FunctionFacts, SearchFacts

FUNCTION = FunctionFacts("train", "/home/me/train.py", "0123", "def train(schedule, seed): ...")


def facts_of(study: Study, loss: str, *, maximize: bool = False) -> SearchFacts:
    """Return the facts of a study as if a user's function had been searched."""
    parameters = {"warmup_epochs": 2.0, "update": "epoch"}
    trainer = replace(
        study.facts.trainer, estimator="train", task="training", loss=loss, parameters=parameters,
        function=FUNCTION, maximize=maximize,
    )  # fmt: skip
    return replace(study.facts, trainer=trainer)


def test_a_network_has_a_score_and_a_function_has_none(
    interrupted: Study, regression: Study
) -> None:
    assert (interrupted.subject.score, regression.subject.score) == ("accuracy", "R²")
    assert dict(interrupted.subject.trained)["network"].startswith("hidden_layer_sizes=")
    assert regression.subject.has_root
    assert Subject.of(facts_of(interrupted, "log_loss")).score is None
    assert not Subject.of(facts_of(interrupted, "squared_error")).has_root


def test_the_users_name_for_the_loss_is_kept(interrupted: Study) -> None:
    subject = Subject.of(facts_of(interrupted, "val_loss"))

    assert subject.row == subject.short == "val_loss"
    assert subject.titled("Loss of the loss, losses, lossless") == (
        "Val_loss of the val_loss, values, lossless"
    )


@pytest.mark.parametrize(
    ("maximize", "axis", "safe"),
    [
        (False, "recall", "has a recall at most 10 % higher"),
        (True, "recall, higher is better", "has a recall at most 10 % lower"),
    ],
)
def test_the_better_side_is_said(interrupted: Study, maximize: bool, axis: str, safe: str) -> None:
    subject = Subject.of(facts_of(interrupted, "recall", maximize=maximize))

    assert (subject.axis, subject.safe) == (axis, safe)


def test_a_function_is_told_by_its_file_and_what_holds_for_every_setting(
    interrupted: Study,
) -> None:
    subject = Subject.of(facts_of(interrupted, "loss"))

    assert dict(subject.trained) == {
        "function": "train in /home/me/train.py",
        "source fingerprint": "0123",
        "held for every setting": "warmup_epochs 2",
    }
    assert subject.source == FUNCTION.source
