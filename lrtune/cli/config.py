"""``--config FILE.toml``: options of a command from a file; the command line wins over it."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from lrtune.cli.completion import complete_files
from lrtune.cli.types import (
    ColumnKind,
    DecayList,
    GpuList,
    HiddenSizes,
    ParameterRange,
    RangeType,
    WordList,
)
from lrtune.exceptions import InvalidInputError
from lrtune.support.secrets import masked


@dataclass(frozen=True)
class Form:
    """The form of an option's values in TOML.

    Attributes
    ----------
    description : str
    types : tuple of type
        Allowed types of a value, or of an item of a list.
    separator : str
        Separator of the items on the command line; empty if a list is not allowed.
    """

    description: str
    types: tuple[type, ...]
    separator: str = ""


FORMS: dict[type[Any], Form] = {
    click.types.BoolParamType: Form("true or false", (bool,)),
    click.types.IntParamType: Form("a whole number", (int,)),
    click.types.FloatParamType: Form("a number", (int, float)),
    RangeType: Form('[LOW, HIGH] or "LOW:HIGH"', (int, float, str), ":"),
    HiddenSizes: Form("a list of whole numbers", (int, str), ","),
    DecayList: Form("a list of names", (str,), ","),
    GpuList: Form("a list of whole numbers", (int, str), ","),
    ParameterRange: Form('a list of texts such as "batch_size=32,64"', (str,)),
    ColumnKind: Form('a list of texts such as "zip=category"', (str,)),
    WordList: Form("a list of texts", (str,), ","),
    click.ParamType: Form("text in quotes", (str,)),
}
"""Forms by the type of the option, subclasses before their base classes."""


def config_option(function: Any) -> Any:
    """Add ``--config`` to a command."""
    return click.option(
        "--config",
        metavar="FILE.toml",
        is_eager=True,
        expose_value=False,
        callback=_use_file,
        shell_complete=complete_files,
        help="Read options from this file, by their names without dashes; the command line wins.",
    )(function)


def _use_file(ctx: click.Context, param: click.Parameter, value: str | None) -> None:  # noqa: ARG001
    if value is not None and not ctx.resilient_parsing:
        ctx.default_map = read_config(Path(value), ctx)


def read_config(path: Path, ctx: click.Context) -> dict[str, Any]:
    """Read and check a command's options from a TOML file, by the names of its parameters."""
    options = _options_by_key(ctx.command)
    values: dict[str, Any] = {}
    for key, value in _parse(path).items():
        name = key.replace("_", "-")
        if name not in options:
            raise InvalidInputError(f"{str(path)!r}: {_refuse_key(key, options, ctx)}")
        option, is_negated = options[name]
        assert option.name is not None  # noqa: S101
        if option.name in values:
            raise InvalidInputError(
                f"{str(path)!r}: {key} must be given once, but is there twice: remove one"
            )
        try:
            converted = _convert(option, value, ctx)
        except click.BadParameter as error:
            raise InvalidInputError(f"{str(path)!r}: {key}: {error.message}") from error
        values[option.name] = not converted if is_negated else converted
    return values


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError) as error:  # TOML's and the encoding's errors are ValueErrors
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidInputError(
            f"--config must be a readable TOML file, with lines such as epochs = 50, but "
            f"{str(path)!r} gave: {reason}"
        ) from error


def _options_by_key(command: click.Command) -> dict[str, tuple[click.Option, bool]]:
    """Return a command's options by name, and whether the name negates, as no-confirm does."""
    options = {}
    for option in command.params:
        if isinstance(option, click.Option) and option.name != "config":
            for names, is_negated in ((option.opts, False), (option.secondary_opts, True)):
                options.update({name.lstrip("-"): (option, is_negated) for name in names})
    return options


def _refuse_key(key: str, options: dict[str, Any], ctx: click.Context) -> str:
    arguments = [param.name for param in ctx.command.params if isinstance(param, click.Argument)]
    if key in arguments:
        return f"{key} is not an option: give {key.upper()} on the command line"
    near = difflib.get_close_matches(key.replace("_", "-"), options, n=1)
    cure = f"do you mean {near[0]}?" if near else f"the keys are {', '.join(sorted(options))}"
    return (
        f"{key} must be an option of lrtune {ctx.info_name}, but there is none of that name: {cure}"
    )


def _convert(option: click.Option, value: Any, ctx: click.Context) -> Any:
    """Return the value that the command line would convert to."""
    kind = click.types.BoolParamType if option.is_flag else type(option.type)
    form = next(form for each, form in FORMS.items() if issubclass(kind, each))
    may_list = form.separator or option.multiple
    items = value if isinstance(value, list) and may_list else [value]
    if not items or any(type(item) not in form.types for item in items):
        raise click.BadParameter(f"must be {form.description}, but got {_excerpt(value)}")
    if option.is_flag:
        return value
    if option.multiple:
        return option.type_cast_value(ctx, items)
    return option.type_cast_value(ctx, form.separator.join(map(str, items)))


def _excerpt(value: Any) -> str:
    """Return a value as TOML writes it, cut after 60 characters."""
    if isinstance(value, bool):
        return str(value).lower()
    text = masked(
        repr(value) if isinstance(value, str | int | float | list) else f"a {type(value).__name__}"
    )
    return text if len(text) <= 60 else f"{text[:60]}…"
