"""The name of what a search optimises."""

import pytest

from lrtune.tuning.trainers.objective import metric_name


@pytest.mark.parametrize(
    ("metric", "scoring", "name"),
    [
        ("score", "accuracy", "accuracy"),
        ("score", "hits d41d8cd98f00b204e9800998ecf8427e", "hits"),
        ("f1", ["f1", "accuracy"], "f1"),
    ],
)
def test_a_metric_has_the_name_that_the_user_gave_it(
    metric: str, scoring: object, name: str
) -> None:
    assert metric_name(metric, scoring) == name
