"""Variants of recorded studies, for the tests of review."""

from typing import Any

from lrtune.review.study import Study


def changed(study: Study, **values: Any) -> Study:
    """Return a copy of a study with other values of some attributes."""
    variant = Study(study.result)
    vars(variant).update(values)
    return variant
