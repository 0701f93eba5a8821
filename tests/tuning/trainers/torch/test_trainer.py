"""A `TorchTrainer` refuses bad arguments, and its example runs; without torch it is imported."""

import doctest
import subprocess
import sys
from typing import Any

import pytest

import lrtune
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.trainers.torch import trainer as module


def make(**options: Any) -> lrtune.TorchTrainer:
    arguments = {"make_module": lambda hidden=8: hidden, "loss": max, "train": None} | options
    return lrtune.TorchTrainer(arguments.pop("make_module"), arguments.pop("loss"), **arguments)


@pytest.mark.torch
def test_the_examples_run() -> None:
    pytest.importorskip("torch")
    from lrtune.tuning.trainers.torch import stack

    assert doctest.testmod(module).failed == doctest.testmod(stack).failed == 0


@pytest.mark.slow
def test_it_does_not_load_torch() -> None:
    code = "import sys, lrtune; lrtune.TorchTrainer, lrtune.search; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"make_module": 3}, "`make_module` must be a function, but got 3"),
        ({"loss": "mse"}, "`loss` must be a function, but got 'mse'"),
        ({"optimizer": "lion"}, "`optimizer` must be one of sgd, .*adamw, but got 'lion'"),
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1, but got 0"),
        ({"momentum": 1.0}, r"`momentum` must be a number in \[0, 1\), but got 1.0"),
        ({"weight_decay": -1}, "`weight_decay` must be a number at least 0 and finite"),
        ({"clip_norm": 0}, "`clip_norm` must be above 0, but got 0"),
        ({"lockstep": "yes"}, "`lockstep` must be True, False or None, but got 'yes'"),
        ({"max_stacked": 1.5}, "`max_stacked` must be a whole number of at least 1"),
        ({"randomness": "none"}, "`randomness` must be 'same' or 'different'"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make(**options)


def test_options_are_the_settings_own_or_else_the_trainers() -> None:
    trainer = make(optimizer="adamw", batch_size=64)

    assert trainer.options({"batch_size": 8, "hidden": 3}) == module.Options(8, 0.9, 0.01, None)
    assert make().options({}).weight_decay == 0
    assert trainer.module_parameters({"batch_size": 8, "hidden": 3}) == {"hidden": 3}
    assert trainer.defaults()["hidden"] == 8
    assert trainer.alone().lockstep is False
