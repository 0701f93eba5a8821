"""Variants of recorded studies, for the tests of review."""

from dataclasses import fields
from typing import Any

from lrtune.review.study import Studied


def changed(studied: Studied, **values: Any) -> Studied:
    """Return a copy of a study with other values of some fields or properties."""
    overrides = {name: property(lambda _, value=value: value) for name, value in values.items()}
    variant = object.__new__(type("Variant", (type(studied),), overrides))
    names = {field.name for field in fields(studied)}
    variant.__dict__.update({name: getattr(studied, name) for name in names})
    return variant
