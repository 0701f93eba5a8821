"""Turn the parameters in messages into flags of the command line.

Other rooms name a parameter in backticks and in Python's form, `` `task` `` or
`` `task='regression'` ``; the command line prints ``--task`` and ``--task regression`` instead.
"""

from __future__ import annotations

import re

from lrtune.support.commands import as_typed

FLAGS = {
    "audit_share": "--audit-pruning",
    "columns": "--column",
    "confirm=False": "--no-confirm",
    "data": "DATA",
    "header=False": "--no-header",
    "hidden_layer_sizes": "--hidden",
    "learning_rate_init": "--alpha0",
    "max_iter": "--epochs",
    "model": "MODEL",
    "n_jobs": "--jobs",
    "n_replicates": "--replicates",
    "n_steps": "--steps",
    "n_trials": "--trials",
    "random_state": "--seed",
    "space": "--param",
    "study_name": "--name",
}
"""Parameters that have another name on the command line."""
SAME = frozenset({
    "baseline", "batch_size", "class_weight", "config", "cycle_epochs", "decay", "decay_rate",
    "default", "direction", "encoding", "engine", "epochs", "force", "gpus", "group", "high",
    "json", "keep", "low", "metric", "min_learning_rate", "missing", "optimizer", "output",
    "per_gpu", "plot", "port", "power", "preprocessor", "proba", "pruner", "replicates",
    "resume", "save", "seed", "separator", "skip_lines", "step_size", "steps_per_epoch",
    "storage", "target", "task", "test", "time", "timeout", "to", "trainings", "update",
    "warmup_epochs", "writable", "yes",
})  # fmt: skip
"""Parameters whose flag is their name with dashes; `report` is that of a user's training."""

RANGES = ("learning_rate_init", "decay_rate")
"""Parameters whose values are LOW:HIGH."""

_IN_SPACE = re.compile(r"`space=\{'(?P<name>\w+)': (?P<value>[^`]*)\}`")
_PARAMETER = re.compile(r"`(?P<name>\w+)(?:=(?P<value>[^`]*))?`")


def with_flags(message: str) -> str:
    """Return a message with flags in place of the parameters in backticks.

    Other words in backticks, such as a column's name, stay as they are.

    Examples
    --------
    >>> with_flags("name another `target`, or give `learning_rate_init=(0.01, 1)`")
    'name another --target, or give --alpha0 0.01:1'
    >>> with_flags("leave out `confirm=False` and `resume=True`")
    'leave out --no-confirm and --resume'
    """
    message = _IN_SPACE.sub(r"`\g<name>=\g<value>`", message)
    return _PARAMETER.sub(_flag, message)


def _flag(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    whole = match[0].strip("`")
    if whole in FLAGS:
        return FLAGS[whole]
    if name not in SAME and name not in FLAGS:
        return match[0]
    flag = FLAGS.get(name, f"--{name.replace('_', '-')}")
    if value is None or value == "True":
        return flag
    if value.startswith("("):
        separator = ":" if name in RANGES else ","
        parts = (part.strip(" '") for part in value.strip("()").split(","))
        return f"{flag} {separator.join(part for part in parts if part)}"
    text = value.strip(chr(39))
    return f"{flag} {as_typed([text]) if ' ' in text else text}"
