"""The options of ``lrtune search``: each that decides the result is kept for workers."""

from dataclasses import fields

import click

from lrtune.cli.search import command
from lrtune.cli.search_options import SCRIPT_OPTIONS, TABLE_OPTIONS
from lrtune.tuning.record.schema import Request


def test_every_fact_of_a_request_is_a_parameter_of_the_command() -> None:
    parameters = {parameter.name for parameter in command.params}

    assert {field.name for field in fields(Request)} <= parameters


def test_every_option_has_a_help_text() -> None:
    options = [param for param in command.params if isinstance(param, click.Option)]

    assert [option.name for option in options if not option.help] == []


def test_options_of_one_kind_are_parameters_of_the_command() -> None:
    parameters = {parameter.name for parameter in command.params}

    assert {*TABLE_OPTIONS, *SCRIPT_OPTIONS} <= parameters
    assert not set(TABLE_OPTIONS) & set(SCRIPT_OPTIONS)
