"""Two studies compared: only like with like, and by more than the errors."""

from dataclasses import replace
from typing import Any

import pytest

from lrtune.review.comparison import compare, side_rows
from lrtune.review.study import Study
from lrtune.tuning.confirm.result import Estimate


def confirmed(study: Study, name: str, loss: float | None, se: float | None) -> Study:
    """Return a study with another name and another confirmed value."""
    assert study.confirmation is not None
    recommended = Estimate(loss, se, diverged=loss is None)
    confirmation = replace(study.confirmation, recommended=recommended)
    return Study(replace(study.result, study=name, confirmation=confirmation))


def with_facts(study: Study, **changes: Any) -> Study:
    return Study(replace(study.result, facts=replace(study.facts, **changes)))


@pytest.mark.parametrize(
    ("first", "second", "better", "said"),
    [
        ((2.0, 0.3), (1.0, 0.4), None, "Neither is better by more than the errors: 'b' has the lo"),
        ((2.0, 0.3), (0.9, 0.4), "b", "'b' is better: 'b' has the lower loss, by 1.1 ± 0.5, which"),
        ((0.9, 0.3), (2.0, 0.4), "a", "'a' is better: 'a' has the lower loss, by 1.1 ± 0.5, which"),
        ((1.0, 0.3), (1.0, 0.4), None, "Both have the same loss."),
        (
            (1.0, None),
            (0.9, 0.4),
            None,
            "'b' has the lower loss, by 0.1; the error of one training",
        ),
        ((None, None), (0.9, 0.4), "b", "'b' is better. The recommendation of 'a' diverged"),
        ((None, None), (None, None), None, "The recommendation of 'a' and 'b' diverged"),
    ],
)
def test_one_is_better_if_the_difference_exceeds_twice_its_error(
    regression: Study, first: Any, second: Any, better: str | None, said: str
) -> None:
    found = compare(confirmed(regression, "a", *first), confirmed(regression, "b", *second))

    assert found.verdict.startswith(said)
    assert (found.better, found.differences) == (better, ())
    if None not in (*first, *second):
        assert found.gain is not None
        assert found.gain.loss == pytest.approx(first[0] - second[0])
        assert found.gain.se == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["data", "target", "task", "metric", "validation"])
def test_only_like_is_compared_with_like(regression: Study, name: str) -> None:
    facts, plan = regression.facts, regression.plan
    others = {
        "data": with_facts(regression, data_hash="0123456789abcdef"),
        "target": with_facts(regression, data=replace(facts.data, target="rent")),
        "task": with_facts(regression, trainer=replace(facts.trainer, task="classification")),
        "metric": with_facts(regression, trainer=replace(facts.trainer, weighted=True)),
        "validation": Study(
            replace(
                regression.result, plan=replace(plan, n_validation=(plan.n_validation or 0) + 1)
            )
        ),
    }
    found = compare(regression, others[name])

    assert [each.name for each in found.differences] == [name]
    assert (found.gain, found.better) == (None, None)
    assert f"do not have the same {name} (" in found.verdict


def test_another_seed_is_another_draw_of_the_same_splits(regression: Study) -> None:
    assert compare(regression, with_facts(regression, seed=1, splits_hash="s")).differences == ()


def test_fixed_splits_must_be_the_same_ones(regression: Study) -> None:
    assert regression.confirmation is not None
    fixed = replace(regression.confirmation, fixed_splits=3)
    first = Study(replace(regression.result, confirmation=fixed))
    found = compare(first, with_facts(first, splits_hash="s"))

    assert [each.name for each in found.differences] == ["validation"]
    assert compare(first, first).differences == ()


def test_without_a_confirmation_no_verdict_is_given(interrupted: Study) -> None:
    found = compare(interrupted, interrupted)

    assert (found.gain, found.better) == (None, None)
    assert "have no confirmation on fresh replicates" in found.verdict
    assert dict(side_rows(interrupted))["validation loss"] == "not confirmed"


def test_of_a_metric_higher_is_better(scored: Study) -> None:
    assert scored.confirmation is not None
    confirmation = replace(scored.confirmation, metric=scored.facts.metric)
    metric = Study(replace(scored.result, confirmation=confirmation))
    found = compare(confirmed(metric, "a", -0.9, 0.01), confirmed(metric, "b", -0.8, 0.01))

    assert found.better == "a"
    assert "'a' has the higher accuracy, by 0.1 ± 0.014" in found.verdict
    assert [each.name for each in compare(metric, scored).differences] == ["metric"]


def test_each_side_shows_what_was_searched_and_found(regression: Study) -> None:
    rows = dict(side_rows(regression))

    assert rows["data"].startswith("houses; ")
    assert rows["trials"] == regression.counts.describe()
    assert {"network", "epochs", "recommended", "validation loss", "safe range"} <= rows.keys()
