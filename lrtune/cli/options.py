"""Option types shared by the commands."""

from __future__ import annotations

import math
from typing import Any

import click

from lrtune.training.schedules import DECAYS

__all__ = [
    "DecayList",
    "HiddenSizes",
    "MOST_UNITS",
    "PositiveFloat",
    "RangeType",
    "StudyName",
    "storage_option",
]


MOST_UNITS = 1_000_000


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


class PositiveFloat(click.ParamType):
    """A finite number above 0 (or, with `zero`, at least 0)."""

    name = "number"

    def __init__(self, *, zero: bool = False) -> None:
        self.zero = zero

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse and check."""
        rule = "at least 0" if self.zero else "positive"
        try:
            number = _number(str(value))
        except ValueError:
            self.fail(f"must be a finite number, but got {value!r}", param, ctx)
        if number < 0 or (number == 0 and not self.zero):
            self.fail(f"must be {rule}, but got {value!r}", param, ctx)
        return number


class RangeType(click.ParamType):
    """LOW:HIGH, two positive numbers in order; one number stands for both."""

    name = "low:high"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Parse and check."""
        if isinstance(value, tuple):
            return value
        low, colon, high = str(value).partition(":")
        try:
            bounds = (_number(low), _number(high if colon else low))
        except ValueError:
            self.fail(f"must be LOW:HIGH, for example 0.001:1, but got {value!r}", param, ctx)
        if not 0 < bounds[0] <= bounds[1]:
            self.fail(
                f"must be two positive numbers with LOW <= HIGH, but got {value!r}", param, ctx
            )
        return bounds


class HiddenSizes(click.ParamType):
    """Hidden units of each layer, separated by commas."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse and check."""
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(
                f"must be whole numbers separated by commas, for example 50,12, but got {value!r}",
                param,
                ctx,
            )
        if not 1 <= min(sizes) <= max(sizes) <= MOST_UNITS:
            self.fail(
                f"must be at least 1 and at most {MOST_UNITS} in every layer, but got {value!r}",
                param,
                ctx,
            )
        return sizes


class DecayList(click.ParamType):
    """Decay types separated by commas."""

    name = "types"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Parse and check."""
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip() for part in str(value).split(","))
        for name in names:
            if name not in DECAYS:
                self.fail(f"must be among {', '.join(DECAYS)}, but got {name!r}", param, ctx)
        if len(set(names)) < len(names):
            self.fail(f"must name each type once, but got {value!r}", param, ctx)
        return names


class StudyName(click.ParamType):
    """A name that can be shown on one line."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check."""
        text = str(value)
        if not text.strip() or not text.isprintable():
            self.fail(f"must be printable and not empty, but got {text!r}", param, ctx)
        return text


def storage_option(function: Any) -> Any:
    """``--storage``, the same in every command."""
    return click.option(
        "--storage",
        default="lrtune.journal",
        show_default=True,
        metavar="FILE-OR-URL",
        help="Record of finished trials: an Optuna journal file, or a database URL.",
    )(function)
