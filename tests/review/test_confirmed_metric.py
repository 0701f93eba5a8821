"""A search of a metric: every reader says the metric with its sign, and the loss beside it."""

from typing import Any

import pytest

from lrtune import LearningRateSearchCV, MLPClassifier
from lrtune.cli.summary import print_result
from lrtune.dashboard.attributes import study_attributes, trial_attributes, trial_columns
from lrtune.dashboard.charts import loss_by_rate
from lrtune.dashboard.notes import trial_note
from lrtune.export.provenance import recommend
from lrtune.review.figures import draw_losses, draw_profile
from lrtune.review.plots import plot_safe_range
from lrtune.review.report import render_report
from lrtune.review.study import Study
from lrtune.review.tables import best_settings
from lrtune.review.wording import glossary, paragraphs
from lrtune.support.numbers import estimate, number
from tests.iris import X, Y, scaled

METRIC = "roc_auc_ovr"


def searched(**options: Any) -> Study:
    estimator = scaled(MLPClassifier(max_iter=4))
    search = LearningRateSearchCV(estimator, n_trials=16, cv=2, random_state=0, **options)
    return Study(search.fit(X, Y).result_)


@pytest.fixture(scope="module")
def auc() -> Study:
    return searched(scoring=METRIC)


def expected(study: Study) -> tuple[str, str]:
    """The texts of the confirmed metric and of the loss beside it."""
    result = study.result
    assert 0.5 < result.confirmed_score < 1
    return (
        estimate(result.confirmed_score, result.confirmed_score_se),
        estimate(result.confirmed_loss, result.confirmed_se),
    )


def test_the_paragraphs_expect_the_metric_and_then_the_loss(auc: Study) -> None:
    text = "\n".join(paragraphs(auc))
    score, loss = expected(auc)
    confirmation = auc.confirmation
    default = estimate(auc.result.default_score, confirmation.default.se)

    assert f"Expect a {METRIC} of {score} after 4 epochs, a validation loss (log loss) of" in text
    assert f"{loss}, and an accuracy of {number(auc.result.score)}: means over" in text
    assert (
        f"In the search, the {METRIC} was {number(-auc.result.recommended_trial.value, 4)}" in text
    )
    assert f"reaches {default} there" in text
    assert f"Its validation loss is {number(auc.result.default_loss, 4)}." in text
    assert f"has a {METRIC} lower by at most 10 % of the distance to 1 and did not" in text
    assert METRIC in glossary(auc)["safe range"]


@pytest.mark.slow
def test_every_other_reader_names_both(auc: Study, capsys: pytest.CaptureFixture[str]) -> None:
    score, loss = expected(auc)
    print_result(auc.result, as_json=False)
    summary = capsys.readouterr().out
    readers = {
        "summary": summary,
        "notebook": auc.result._repr_html_(),
        "export": recommend(auc.result).describe(),
        "dashboard": study_attributes(auc)["recommended"],
        "report": render_report(auc.result),
    }

    assert [name for name, text in readers.items() if METRIC not in text] == []
    assert [name for name, text in readers.items() if score not in text] == []
    assert [name for name, text in readers.items() if loss not in text] == []
    assert "sensitivity" not in summary
    assert f"{METRIC[:1].upper()}{METRIC[1:]} to expect".replace("_", r"\_") in trial_note(
        auc, auc.recommended_trial
    )
    assert METRIC in trial_columns(auc)
    assert METRIC in trial_attributes(auc, auc.recommended_trial)
    assert f"the {METRIC} to expect" in best_settings(auc).caption


def test_figures_of_the_profile_show_the_metric_and_those_of_the_loss_do_not(auc: Study) -> None:
    profile = auc.confirmation.profile
    for axes in (plot_safe_range(auc.result).axes[0], draw_profile(auc).axes[0]):
        heights = axes.lines[0].get_ydata()

        assert axes.get_ylabel().startswith(f"{METRIC}, higher is better")
        assert max(heights) == pytest.approx(-min(profile.mean))
        assert axes.get_ylim()[0] < auc.result.default_score < axes.get_ylim()[1]
    labels = draw_losses(auc).axes[0].get_legend_handles_labels()[1]
    chart = loss_by_rate(auc)
    assert f"safe range by {METRIC}" in labels
    assert not any("fresh replicates" in trace["name"] for trace in chart["data"])
    assert f"{METRIC} {expected(auc)[0]} on" in chart["layout"]["title"]["text"]


def test_without_a_confirmation_it_is_the_metric_of_the_search() -> None:
    study = searched(scoring="accuracy", confirm=False)
    text = paragraphs(study)[1]
    value = number(-study.best.value, 4)

    assert f"The search measured an accuracy of {value} and a validation loss (log loss) of" in text
    assert "expect a lower accuracy" in text
    assert "the accuracy was measured on the replicates" in study.warnings[0]
    assert study.result.confirmed_score is None


def test_of_an_error_the_safe_range_is_a_share_of_its_size() -> None:
    text = "\n".join(paragraphs(searched(scoring="neg_log_loss")))

    assert "Expect a neg_log_loss of -" in text
    assert "has a neg_log_loss lower by at most 10 % and did not diverge" in text


def test_a_record_of_before_is_read_on_as_of_the_loss(scored: Study) -> None:
    text = "\n".join(paragraphs(scored))

    assert scored.metric == "accuracy"
    assert scored.measured is scored.subject
    assert scored.result.confirmed_score is None
    stated = scored.result.describe_loss()
    assert scored.result.confirmed_loss == scored.confirmation.recommended.loss
    assert f"Expect a validation loss (log loss, weighted by class_weight) of {stated}" in text
    assert "accuracy lower" not in text


def test_a_metric_that_is_the_score_is_said_once() -> None:
    study = searched(scoring="accuracy")
    score, loss = expected(study)
    text = paragraphs(study)[1]

    assert f"Expect an accuracy of {score} after 4 epochs, and a validation loss (log loss)" in text
    assert f"{loss}: means over" in text
