"""Turn the parameters in messages into flags of the command line.

Other rooms name a parameter in backticks and in Python's form, `` `task` `` or
`` `task='regression'` ``; the command line prints ``--task`` and ``--task regression`` instead.
"""

from __future__ import annotations

import re

__all__ = ["FLAGS", "with_flags"]

FLAGS = {
    "confirm=False": "--no-confirm",
    "data": "DATA",
    "hidden_layer_sizes": "--hidden",
    "learning_rate_init": "--alpha0",
    "max_iter": "--epochs",
    "model": "MODEL",
    "n_jobs": "--jobs",
    "n_replicates": "--replicates",
    "n_steps": "--steps",
    "n_trials": "--trials",
    "random_state": "--seed",
    "study_name": "--name",
}
"""Flags that differ from the parameter's name with dashes."""

_PARAMETER = re.compile(r"`(?P<name>\w+)(?:=(?P<value>[^`]*))?`")


def with_flags(message: str) -> str:
    """Return a message with flags in place of the parameters in backticks.

    >>> with_flags("name another `target`, or give `learning_rate_init=(0.01, 1)`")
    'name another --target, or give --alpha0 0.01:1'
    >>> with_flags("leave out `confirm=False` and `resume=True`")
    'leave out --no-confirm and --resume'
    """
    return _PARAMETER.sub(_flag, message)


def _flag(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    whole = match[0].strip("`")
    if whole in FLAGS:
        return FLAGS[whole]
    flag = FLAGS.get(name, f"--{name.replace('_', '-')}")
    if value is None or value == "True":
        return flag
    if value.startswith("("):
        return f"{flag} {':'.join(part.strip() for part in value.strip('()').split(','))}"
    return f"{flag} {value.strip(chr(39))}"
