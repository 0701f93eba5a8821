"""Variants of recorded studies, for the tests of review."""

from dataclasses import fields
from typing import Any

from lrtune.review.study import Study


def changed(study: Study, **values: Any) -> Study:
    """Return a copy of a study with other values of some fields or properties."""
    overrides = {name: property(lambda _, value=value: value) for name, value in values.items()}
    variant = object.__new__(type("Variant", (type(study),), overrides))
    names = {field.name for field in fields(study)}
    variant.__dict__.update({name: getattr(study, name) for name in names})
    return variant
