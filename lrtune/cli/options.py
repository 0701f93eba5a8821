"""Option types shared by the commands."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path
from typing import Any

import click

from lrtune.cli.completion import complete_data, complete_files
from lrtune.schedules.decays import DECAYS
from lrtune.training.optimizers import OPTIMIZERS

__all__ = [
    "DecayList",
    "FIGURE_FORMATS",
    "FigureFile",
    "HiddenSizes",
    "MOST_UNITS",
    "NewFile",
    "PREPROCESSORS",
    "PRUNERS",
    "PositiveFloat",
    "RangeType",
    "Share",
    "StudyName",
    "WholeNumber",
    "network_options",
    "storage_option",
    "table_options",
]


FIGURE_FORMATS = ("png", "svg", "pdf")
MOST_UNITS = 1_000_000
PRUNERS = ("none", "median", "percentile", "successive-halving", "hyperband")
"""Those of `lrtune.tuning.sampling.pruners`, named here so that help loads no Optuna."""
PREPROCESSORS = ("sklearn", "skrub")
"""Those of `lrtune.tables.preprocessing`, named here so that help loads no scikit-learn."""


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


class WholeNumber(click.IntRange):
    """A whole number in a range."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse and check."""
        try:
            int(str(value))
        except ValueError:
            self.fail(f"must be a whole number, but got {value!r}", param, ctx)
        number: int = super().convert(value, param, ctx)
        return number


class Share(click.FloatRange):
    """A number in a range."""

    name = "number"


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
        """Check."""
        text = str(value)
        if not text.strip() or not text.isprintable():
            self.fail(f"must be printable and not empty, but got {text!r}", param, ctx)
        return text


class _FileToWrite(click.ParamType):
    """What the shell completes as a file."""

    name = "file"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """Files, by the shell."""
        return complete_files(ctx, param, incomplete)


class FigureFile(_FileToWrite):
    """A file to draw to, in an existing folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check before anything is computed."""
        path = Path(str(value))
        if path.suffix.lstrip(".").lower() not in FIGURE_FORMATS:
            self.fail(
                f"must end in one of {', '.join(FIGURE_FORMATS)}, but got {str(value)!r}",
                param,
                ctx,
            )
        if path.is_dir():
            self.fail(f"must be a file, but {str(path)!r} is a folder", param, ctx)
        if not path.parent.is_dir():
            self.fail(
                f"must be a file in an existing folder, but {str(path.parent)!r} is none",
                param,
                ctx,
            )
        return path


class NewFile(_FileToWrite):
    """A file to write, which is not there yet, in an existing folder."""

    def __init__(self, ending: str = "") -> None:
        self.ending = ending

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Check before anything is computed."""
        path = Path(str(value))
        if path.suffix.lower() != self.ending and self.ending:
            self.fail(f"must end in {self.ending}, but got {str(value)!r}", param, ctx)
        if path.exists():
            self.fail(f"must be a new file, but {str(path)!r} exists: name another", param, ctx)
        folder = str(path.parent)
        if not path.parent.is_dir():
            self.fail(f"must be a file in an existing folder, but {folder!r} is none", param, ctx)
        if not os.access(folder, os.W_OK):
            self.fail(
                f"must be in a folder that may be written, but {folder!r} may not", param, ctx
            )
        return path


plot_option = click.option(
    "--plot", type=FigureFile(), help="Also draw it: a PNG, SVG or PDF file."
)
"""``--plot``, the same in every command."""


def table_options(function: Any) -> Any:
    """DATA, and how it is read and prepared."""
    options = (
        click.argument("data", shell_complete=complete_data),
        click.option(
            "--target",
            metavar="NAME-OR-POSITION",
            help="Column to predict; the first is 0, the last -1.  [default: the last]",
        ),
        click.option(
            "--task",
            type=click.Choice(["auto", "classification", "regression"]),
            default="auto",
            show_default=True,
            help="What kind of target it is.",
        ),
        click.option(
            "--separator",
            metavar="CHARACTER",
            help="Between the columns of a text file: one character, or comma, semicolon, tab, "
            "pipe or space.  [default: found]",
        ),
        click.option(
            "--encoding",
            metavar="NAME",
            help="Of a text file, for example cp1252.  [default: found]",
        ),
        click.option(
            "--preprocessor",
            type=click.Choice(PREPROCESSORS),
            default="sklearn",
            show_default=True,
            help="What makes numbers of other columns; skrub takes free text as well.",
        ),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), function)


def network_options(function: Any) -> Any:
    """``--hidden``, ``--batch-size`` and ``--optimizer``."""
    options = (
        click.option(
            "--hidden",
            type=HiddenSizes(),
            default="50,12",
            show_default=True,
            help="Hidden units of each layer.",
        ),
        click.option(
            "--batch-size",
            type=WholeNumber(1),
            default=32,
            show_default=True,
            help="Rows per step.",
        ),
        click.option(
            "--optimizer",
            type=click.Choice(list(OPTIMIZERS)),
            default="sgd",
            show_default=True,
            help="What the rate is for.",
        ),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), function)


def storage_option(function: Any) -> Any:
    """``--storage``, the same in every command."""
    return click.option(
        "--storage",
        shell_complete=complete_files,
        default="lrtune.journal",
        show_default=True,
        metavar="FILE-OR-URL",
        help="Record of finished trials: an Optuna journal file, or a database URL.",
    )(function)
