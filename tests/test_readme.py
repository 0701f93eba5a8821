"""What the README shows works as shown."""

import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrtune.schedules.decays import DECAYS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


PRINTED = [
    r"Schedule\(.*\)\n\d\.\d+ ± 0\.\d+, safe: \(.*\)",
    r"Schedule\(.*\)",
    r"Schedule\(.*\)",
    r"{.*'mlpclassifier__learning_rate_init': .*}\n(1.0|0.9\d+)",
    r"Schedule\(.*\)\n0\.9\d+",
    r"(1.0|0.9\d+)",
    "True",
]
"""What the examples print."""


SHORT_EXAMPLE = {
    "EPOCHS = 10": "EPOCHS = 4",
    "fit(X_train, y_train, epochs=5": "fit(X_train, y_train, epochs=2",
    "search(train, epochs=5": "search(train, epochs=2",
    "search(trainer, epochs=10": "search(trainer, epochs=2, trainings=16",
}
"""What the examples in torch and Keras are run with in place of what they show."""
SLOW = re.compile("SearchCV|TorchTrainer")
EXAMPLES = [
    pytest.param(code, printed, marks=[pytest.mark.slow] if SLOW.search(code) else [])
    for code, printed in zip(blocks("python"), PRINTED, strict=True)
]
"""Searches by cross-validation, which take long as a user runs them, are searched shorter in
`tests/search_cv`, and those of torch modules in `tests/tuning/trainers/torch`."""


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_python_examples_run(
    code: str, printed: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for framework in ("torch", "keras"):
        if f"import {framework}" in code:
            pytest.importorskip(framework)
    if "import torch" in code:
        importlib.import_module("torch").set_num_threads(1)  # two would wait for each other
    for shown, short in SHORT_EXAMPLE.items():
        code = code.replace(shown, short)
    path = folder / "train.py"
    path.write_text(code, encoding="utf-8")
    exec(compile(code, str(path), "exec"), {"__name__": "__main__"})  # noqa: S102

    assert re.fullmatch(printed, capsys.readouterr().out.strip())


SERVES = "lrtune dashboard"
"""Does not end by itself."""


SHORT = {"--trials": "2", "--epochs": "1"}
"""What a search of a table is given, unless the README itself gives it."""
SHORT_TRAINING = {"--epochs 10": "--epochs 2", "--trainings 48": "--trainings 12"}
"""What the search of the script is given in place of what the README gives it."""


def test_commands_run_in_the_order_shown(lrtune: Callable[..., Any], folder: Path) -> None:
    rng = np.random.default_rng(0)
    pd.DataFrame(rng.normal(size=(80, 3)), columns=["size", "age", "price"]).to_csv(
        "table.csv", index=False
    )
    Path("run.toml").write_text("epochs = 2\nalpha0 = [0.01, 1]\n", encoding="utf-8")
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("lrtune ") and SERVES not in line]
    script = blocks("python")[0].replace("EPOCHS = 10", "EPOCHS = 2")
    Path("train.py").write_text(script, encoding="utf-8")
    if find_spec("torch") is None:
        commands = [line for line in commands if "train.py" not in line]
    for command in commands:
        if "train.py" in command:
            for shown, short in SHORT_TRAINING.items():
                assert shown in command
                command = command.replace(shown, short)
        command, _, check = command.partition(" | ")
        words = shlex.split(command, comments=True)[1:]
        is_table = words[0] == "search" and "train.py" not in words
        given = {*words, *(("--epochs",) if "run.toml" in words else ())}
        shorter = [word for name in SHORT if name not in given for word in (name, SHORT[name])]
        run = lrtune(*words, *(shorter if is_table else ()))

        assert run.code == 0, f"{command}: {run.err}"
        if check:
            study = [
                sys.executable,
                ROOT / check.split()[1],
                *check.split()[2:],
                "--trainings",
                "3",
            ]
            checked = subprocess.run(study, input=run.out, capture_output=True, text=True)
            assert "stated loss" in checked.stdout, checked.stderr
    assert len(commands) >= 6


def test_the_two_commands_are_those_of_ci() -> None:
    setup, test = (block.strip() for block in blocks("sh")[:2])

    assert setup.startswith("python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/lrtune")
    assert test.endswith(
        ".venv/bin/pip install '.[test]' && .venv/bin/python -m pytest -n 2 --dist loadfile"
    )


def test_every_decay_type_is_documented() -> None:
    for decay in DECAYS:
        assert f"| `{decay}` |" in README
