"""Parameters in messages become flags."""

import click
import pytest

from lrtune.cli import COMMANDS, cli
from lrtune.cli.flags import FLAGS, with_flags

MESSAGES = {
    "`target` must be": "--target must be",
    "`batch_size` must be": "--batch-size must be",
    "`n_jobs=2`": "--jobs 2",
    "`task='regression'`": "--task regression",
    "`learning_rate_init=(0.01, 1)`": "--alpha0 0.01:1",
    "`space={'learning_rate_init': (0.01, 1)}`": "--alpha0 0.01:1",
    "`space={'decay_rate': (LOW, HIGH)}`": "--decay-rate LOW:HIGH",
    "`confirm=False`": "--no-confirm",
    "`resume=True`": "--resume",
    "`space` or `trainings=5`": "--param or --trainings 5",
    "take `report`": "take `report`",
    "`data` must be": "DATA must be",
    "a column `a b` and an open ` stay": "a column `a b` and an open ` stay",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_a_parameter_becomes_its_flag(message: str) -> None:
    assert with_flags(message) == MESSAGES[message]


def test_the_flags_exist() -> None:
    commands = [cli.get_command(click.Context(cli), name) for name in COMMANDS]
    params = [param for command in commands if command is not None for param in command.params]
    words = {word for param in params for word in (*param.opts, *param.secondary_opts)}
    arguments = {param.name.upper() for param in params if isinstance(param, click.Argument)}

    assert set(FLAGS.values()) <= words | arguments
