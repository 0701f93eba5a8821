"""Types of the command line's options: parse a value, and refuse a bad one in one line."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import click

from lrtune.schedules.decays import DECAYS
from lrtune.tables.overrides import KIND_NAMES

FIGURE_ENDINGS = (".png", ".svg", ".pdf")
MAX_UNITS = 1_000_000
SCHEDULE_PARAMETERS = ("learning_rate_init", "decay", "decay_rate")
"""Parameters of the schedule, which have options of their own."""


class WholeNumber(click.IntRange):
    """A whole number in a range."""

    name = "integer"


class FiniteNumber(click.FloatRange):
    """A finite number in a range."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse a number and check that it is finite."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"must be a finite number, but got {value!r}", param, ctx)
        return number


class RangeType(click.ParamType):
    """LOW:HIGH, two positive numbers in order; one number stands for both."""

    name = "low:high"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Parse the two bounds."""
        if isinstance(value, tuple):
            return value
        low, colon, high = str(value).partition(":")
        try:
            bounds = (float(low), float(high if colon else low))
        except ValueError:
            bounds = (math.nan, math.nan)
        if not all(map(math.isfinite, bounds)):
            self.fail(f"must be LOW:HIGH, for example 0.001:1, but got {value!r}", param, ctx)
        if not 0 < bounds[0] <= bounds[1]:
            self.fail(
                f"must be two positive numbers with LOW <= HIGH, but got {value!r}", param, ctx
            )
        return bounds


class ParameterRange(click.ParamType):
    """NAME=LOW:HIGH, or NAME=A,B,… for choices: a parameter of the user's own to search."""

    name = "name=values"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Parse a name, and a (LOW, HIGH) tuple or a list of choices."""
        if isinstance(value, tuple):
            return value
        name, _, text = str(value).partition("=")
        if not name.isidentifier() or not text:
            self.fail(
                "must be NAME=LOW:HIGH or NAME=A,B, for example weight_decay=1e-6:1e-2, but got "
                f"{value!r}",
                param,
                ctx,
            )
        flag = {"learning_rate_init": "--alpha0"}.get(name, f"--{name.replace('_', '-')}")
        if name in SCHEDULE_PARAMETERS:
            self.fail(
                f"must name a parameter of your function, but got {name!r}: use {flag}", param, ctx
            )
        is_range = ":" in text
        parts = [_word(part.strip()) for part in text.split(":" if is_range else ",")]
        if is_range:
            is_number = [type(part) in (int, float) and math.isfinite(part) for part in parts]
            if len(parts) != 2 or not all(is_number) or parts[0] > parts[1]:
                self.fail(
                    f"must be two numbers with LOW <= HIGH after {name}=, but got {text!r}",
                    param,
                    ctx,
                )
            return name, tuple(parts)
        if "" in parts or len(set(map(repr, parts))) < len(parts):
            self.fail(f"must name each choice once after {name}=, but got {text!r}", param, ctx)
        return name, parts


class ColumnKind(click.ParamType):
    """NAME=KIND: the kind that a column of a table is to be read as."""

    name = "name=kind"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Parse a name, which may hold an equals sign itself, and a kind."""
        if isinstance(value, tuple):
            return value
        name, _, kind = str(value).rpartition("=")
        if not name or (kind not in KIND_NAMES and not kind.startswith("date:")):
            self.fail(
                f"must be NAME=KIND with one of {', '.join(KIND_NAMES)}, for example zip=category, "
                f"but got {value!r}",
                param,
                ctx,
            )
        return name, kind


class WordList(click.ParamType):
    """Texts separated by commas."""

    name = "text,text,…"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002
        ctx: click.Context | None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Split at commas, and strip."""
        if isinstance(value, tuple):
            return value
        return tuple(word.strip() for word in str(value).split(","))


def by_name(
    ctx: click.Context, param: click.Parameter, values: tuple[tuple[str, Any], ...]
) -> dict[str, Any]:
    """Return values by name, each given once."""
    named = dict(values)
    if len(named) < len(values):
        names = [name for name, _ in values]
        name = next(each for each in names if names.count(each) > 1)
        raise click.BadParameter(f"must name each once, but got {name!r} twice", ctx, param)
    return named


def _word(text: str) -> Any:
    """Return a whole number, a number, true or false as such, and any other word as it is."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


class GpuList(click.ParamType):
    """Indices of GPUs, separated by commas."""

    name = "indices"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse the indices."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if not all(part.isascii() and part.isdigit() for part in parts):
            self.fail(
                f"must be indices of GPUs separated by commas, for example 0,1, but got {value!r}",
                param,
                ctx,
            )
        return tuple(map(int, parts))


class HiddenSizes(click.ParamType):
    """Hidden units of each layer, separated by commas."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse the sizes of the layers."""
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
        if not 1 <= min(sizes) <= max(sizes) <= MAX_UNITS:
            self.fail(
                f"must be at least 1 and at most {MAX_UNITS} in every layer, but got {value!r}",
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
        """Parse the names of the decay types."""
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip() for part in str(value).split(","))
        if names == ("all",):
            return tuple(DECAYS)
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
        """Check that the name is printable."""
        text = str(value)
        if not text.strip() or not text.isprintable():
            self.fail(f"must be printable and not empty, but got {text!r}", param, ctx)
        return text


class OutputFile(click.Path):
    """A file to write in an existing folder, checked before anything is computed.

    Attributes
    ----------
    endings : tuple of str
        Allowed endings of its name; empty if any is.
    overwrite : bool
        Whether the file may exist already.
    """

    name = "file"

    def __init__(self, *endings: str, overwrite: bool = False) -> None:
        super().__init__(dir_okay=not overwrite)
        self.endings = endings
        self.overwrite = overwrite

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check the ending, the folder, and that no file is in the way."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if self.endings and path.suffix.lower() not in self.endings:
            endings = ", ".join(self.endings)
            self.fail(f"must end in {endings}, but got {str(value)!r}", param, ctx)
        if path.exists() and not self.overwrite:
            self.fail(f"must be a new file, but {str(path)!r} exists: name another", param, ctx)
        folder = str(path.parent)
        if not path.parent.is_dir():
            self.fail(f"must be a file in an existing folder, but {folder!r} is none", param, ctx)
        if not os.access(path.resolve().parent, os.W_OK):  # a link is followed
            self.fail(
                f"must be in a folder that may be written, but {folder!r} may not", param, ctx
            )
        return path
