"""``--config FILE.toml``: a command's options from a file; the command line wins over it."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from lrtune.cli.completion import complete_files
from lrtune.cli.types import DecayList, HiddenSizes, RangeType
from lrtune.exceptions import InvalidInputError
from lrtune.support.secrets import masked

__all__ = ["FORMS", "Form", "config_option", "read_config"]


@dataclass(frozen=True)
class Form:
    """How an option's values are written in TOML.

    Attributes
    ----------
    what : str
        In words.
    items : tuple of type
        What a value, or an item of a list, may be.
    separator : str
        Between the items of a list on the command line; empty if there are no lists.
    """

    what: str
    items: tuple[type, ...]
    separator: str = ""


FORMS: dict[type[Any], Form] = {
    click.types.BoolParamType: Form("true or false", (bool,)),
    click.types.IntParamType: Form("a whole number", (int,)),
    click.types.FloatParamType: Form("a number", (int, float)),
    RangeType: Form('[LOW, HIGH] or "LOW:HIGH"', (int, float, str), ":"),
    HiddenSizes: Form("a list of whole numbers", (int, str), ","),
    DecayList: Form("a list of names", (str,), ","),
    click.ParamType: Form("text in quotes", (str,)),
}
"""By the option's type, the more special ones first."""


def config_option(function: Any) -> Any:
    """``--config``, the same in every command."""
    return click.option(
        "--config",
        metavar="FILE.toml",
        is_eager=True,
        expose_value=False,
        callback=_take_over,
        shell_complete=complete_files,
        help="Read options from this file, by their names without dashes; the command line wins.",
    )(function)


def _take_over(ctx: click.Context, param: click.Parameter, value: str | None) -> None:  # noqa: ARG001
    if value is not None and not ctx.resilient_parsing:
        ctx.default_map = read_config(Path(value), ctx)


def read_config(path: Path, ctx: click.Context) -> dict[str, Any]:
    """A command's options from a TOML file, checked, by the names of its parameters.

    Parameters
    ----------
    path : Path
    ctx : click.Context
        Of the command.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, or a key or a value is not one of the command's; the message
        names file and key.
    """
    known = _options(ctx.command)
    values: dict[str, Any] = {}
    for key, value in _parse(path).items():
        name = key.replace("_", "-")
        if name not in known:
            raise InvalidInputError(f"{str(path)!r}: {_unknown(key, known, ctx)}")
        option, is_opposite = known[name]
        assert option.name is not None  # noqa: S101
        if option.name in values:
            raise InvalidInputError(
                f"{str(path)!r}: {key} must be given once, but is there twice: take one out"
            )
        try:
            converted = _convert(option, value, ctx)
        except click.BadParameter as error:
            raise InvalidInputError(f"{str(path)!r}: {key}: {error.message}") from error
        values[option.name] = not converted if is_opposite else converted
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


def _options(command: click.Command) -> dict[str, tuple[click.Option, bool]]:
    """The command's options by name, and whether the name says the opposite."""
    named = {}
    for option in command.params:
        if isinstance(option, click.Option) and option.name != "config":
            for names, is_opposite in ((option.opts, False), (option.secondary_opts, True)):
                named.update({name.lstrip("-"): (option, is_opposite) for name in names})
    return named


def _unknown(key: str, known: dict[str, Any], ctx: click.Context) -> str:
    arguments = [param.name for param in ctx.command.params if isinstance(param, click.Argument)]
    if key in arguments:
        return f"{key} is no option: give {key.upper()} on the command line"
    near = difflib.get_close_matches(key.replace("_", "-"), known, n=1)
    cure = f"do you mean {near[0]}?" if near else f"the keys are {', '.join(sorted(known))}"
    return (
        f"{key} must be an option of lrtune {ctx.info_name}, but there is none of that name: {cure}"
    )


def _convert(option: click.Option, value: Any, ctx: click.Context) -> Any:
    """What the command line would make of a value."""
    kind = click.types.BoolParamType if option.is_flag else type(option.type)
    form = next(form for each, form in FORMS.items() if issubclass(kind, each))
    items = value if isinstance(value, list) and form.separator else [value]
    if not items or any(type(item) not in form.items for item in items):
        raise click.BadParameter(f"must be {form.what}, but got {_shown(value)}")
    if option.is_flag:
        return value
    return option.type_cast_value(ctx, form.separator.join(map(str, items)))


def _shown(value: Any) -> str:
    """A value as TOML has it, or nearly so."""
    if isinstance(value, bool):
        return str(value).lower()
    text = masked(
        repr(value) if isinstance(value, str | int | float | list) else f"a {type(value).__name__}"
    )
    return text if len(text) <= 60 else f"{text[:60]}…"
