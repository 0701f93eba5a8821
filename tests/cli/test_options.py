"""Options that several commands share."""

import click
import pytest

from lrtune.cli import COMMANDS, cli
from lrtune.cli.options import apply_options

SHARED = (
    "encoding", "jobs", "json", "plot", "quiet", "separator", "storage", "timeout",
)  # fmt: skip


def options(name: str) -> dict[str, list[click.Option]]:
    """Return the commands' options of a name, by the command."""
    commands = {each: cli.get_command(click.Context(cli), each) for each in COMMANDS}
    return {
        each: [
            param
            for param in command.params
            if isinstance(param, click.Option) and f"--{name}" in param.opts
        ]
        for each, command in commands.items()
        if command is not None
    }


@pytest.mark.parametrize("name", [name for name in SHARED if name != "json"])
def test_a_shared_option_is_the_same_in_every_command(name: str) -> None:
    found = [option for each in options(name).values() for option in each]
    texts = {(option.help, option.default, str(option.type)) for option in found}

    assert len(found) > 1
    assert len(texts) == 1


def test_help_lists_options_in_the_order_in_which_they_are_applied() -> None:
    def function() -> None: ...

    command = click.command()(
        apply_options(function, click.option("--first"), click.option("--second"))
    )

    assert [param.name for param in command.params] == ["first", "second"]


def test_seeds_and_replicates_have_the_same_limits_everywhere() -> None:
    for name in ("seed", "replicates"):
        found = [option for each in options(name).values() for option in each]

        assert len({str(option.type) for option in found}) == 1
