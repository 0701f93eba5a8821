"""A recommendation in words."""

from dataclasses import replace
from typing import Any

import pytest

from lrtune.review.study import Study
from lrtune.review.wording import PARAMETER, headline, paragraphs, progress_notes, visible
from lrtune.tuning.confirm.result import Estimate
from lrtune.tuning.record.schema import Balance, Environment, FinalTest
from tests.review.variants import changed


def confirmed_as(study: Study, **changes: Any) -> str:
    """Return the paragraphs on a study whose confirmation has other results."""
    assert study.confirmation is not None
    return " ".join(paragraphs(changed(study, confirmation=replace(study.confirmation, **changes))))


def test_the_headline_says_how_far_the_recommendation_goes(
    interrupted: Study, regression: Study
) -> None:
    assert headline(regression) == "Recommended"
    assert headline(interrupted) == "Best of the search, not confirmed"
    assert headline(changed(interrupted, trials=[])) == "No recommendation"


def test_an_interrupted_search_is_continued_as_it_was_started(interrupted: Study) -> None:
    (from_command_line,) = progress_notes(interrupted)
    (from_python,) = progress_notes(changed(interrupted, environment=Environment()))

    assert "16 of 24 trials" in from_command_line
    assert "its command with --resume" in from_command_line
    assert "`resume=True`" in from_python


def test_trials_that_were_added_later_are_reported(regression: Study) -> None:
    assert regression.ending is not None
    ending = replace(regression.ending, n_trials=4)
    (text,) = progress_notes(changed(regression, ending=ending))

    assert "2 trials were added" in text
    assert "first 4" in text
    assert progress_notes(regression) == []


def test_a_search_where_all_trials_diverged_has_a_cure(interrupted: Study) -> None:
    diverged = [trial for trial in interrupted.trials if trial.user_attrs.get("diverged")]
    texts = progress_notes(changed(interrupted, trials=diverged, recommended=None))

    assert "none of 3 trials completed, 3 diverged" in texts[0]
    assert "`learning_rate_init`" in texts[0]


def test_a_confirmed_loss_comes_with_its_error_and_its_unit(regression: Study) -> None:
    text = " ".join(paragraphs(regression))

    assert "squared error) of 1.277e+09 ± 2.3e+08 after 3 epochs" in text
    assert "its root, in the target's own unit: 35700" in text
    assert "R² of 0.579" in text
    assert "6 trials were tried: 5 complete, 1 diverged." in text


def test_an_unconfirmed_loss_comes_with_a_caution(interrupted: Study) -> None:
    text = " ".join(paragraphs(interrupted))

    assert "not confirmed" in text
    assert "expect a higher loss" in text


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (Estimate(-0.4, 0.1), "0.4 ± 0.1 better"),
        (Estimate(0.4, 0.1), "0.4 ± 0.1 worse"),
        (Estimate(-0.1, 0.1), "which chance explains"),
        (Estimate(0.0, 0.0), "the same loss"),
        (Estimate(None, None), "cannot be compared"),
    ],
)
def test_the_gain_over_the_default_is_weighed(
    regression: Study, gain: Estimate, words: str
) -> None:
    assert words in confirmed_as(regression, gain=gain)


def test_divergence_on_fresh_replicates_is_never_called_safe(regression: Study) -> None:
    assert "NOT SAFE" in confirmed_as(regression, recommended=Estimate(None, None))
    assert "diverged there" in confirmed_as(regression, default=Estimate(None, None))


def test_a_baseline_is_compared(regression: Study) -> None:
    assert "DoG, an optimizer that needs no learning rate, reaches 2 ± 0.5." in confirmed_as(
        regression, baseline=Estimate(2.0, 0.5)
    )


def test_invisible_characters_are_spelled_out() -> None:
    assert visible("a\x00b\u202ec\td\n") == "a\\x00b\\u202ec\td\n"


@pytest.mark.parametrize(
    "text", ["target", "resume=True", "task='regression'", "learning_rate_init=(0.01, 1)"]
)
def test_a_parameter_is_recognised(text: str) -> None:
    assert PARAMETER.findall(f"give `{text}` instead") == [text]


@pytest.mark.parametrize("text", ["a b", "", "a=<b>", "a|b", "a=$x$", "<script>"])
def test_other_text_in_backticks_is_no_parameter(text: str) -> None:
    assert PARAMETER.findall(f"`{text}`") == []


@pytest.mark.parametrize(
    ("n_splits", "words"),
    [
        (None, "over seeds and splits of this table; new rows would vary more"),
        (1, "over seeds alone, as there is one split"),
        (3, "over seeds and the choice of the 3 splits that `cv` always gives"),
    ],
)
def test_it_is_said_what_the_error_is_over(
    regression: Study, n_splits: int | None, words: str
) -> None:
    assert words in confirmed_as(regression, fixed_splits=n_splits)


@pytest.mark.parametrize(
    ("weighted", "class_weight", "words"),
    [
        (False, None, "(squared error)"),
        (True, None, "(squared error, weighted by sample_weight)"),
        (True, "balanced", "(squared error, weighted by sample_weight and class_weight)"),
    ],
)
def test_it_is_said_what_the_loss_is_weighted_by(
    regression: Study, weighted: bool, class_weight: str | None, words: str
) -> None:
    facts, trainer = regression.facts, regression.facts.trainer
    parameters = {**trainer.parameters, "class_weight": class_weight}
    changed_facts = replace(
        facts, trainer=replace(trainer, weighted=weighted, parameters=parameters)
    )

    assert words in paragraphs(Study(replace(regression.result, facts=changed_facts)))[1]


def test_a_balanced_accuracy_is_told_with_the_share_of_the_largest_class(regression: Study) -> None:
    balance = Balance(0.977, 2, 0.52, 0.01, 8)
    text = " ".join(
        paragraphs(changed(regression, result=replace(regression.result, balance=balance)))
    )

    assert "balanced accuracy, the mean over the 2 classes, is 0.52 ± 0.01 on 8 further" in text
    assert "0.5 is that of a guess. The largest class holds 97.7% of the rows." in text


def test_a_test_is_told_or_why_there_is_none(regression: Study) -> None:
    test = FinalTest("new.csv", 40, loss=1.25, score=0.75, metric="f1", metric_score=0.5)
    failed = FinalTest("new.csv", 40, failure="on all rows training diverged")
    told, failure = (
        " ".join(paragraphs(changed(regression, result=replace(regression.result, test=each))))
        for each in (test, failed)
    )

    assert "On the 40 rows of new.csv, scored once, at the end, by a network trained on all" in told
    assert "loss 1.25, R² 0.75, f1 0.5." in told
    assert "It was not scored on new.csv: on all rows training diverged." in failure
