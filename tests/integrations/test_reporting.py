"""What is reported, and the stop that a report may ask for; nothing is loaded before it is used."""

import doctest
import math
import subprocess
import sys

import numpy as np
import pytest

import lrtune
from lrtune.exceptions import InvalidInputError
from lrtune.integrations import reporting
from lrtune.integrations.reporting import is_halted, loss_and_metrics


def test_the_examples_run() -> None:
    assert doctest.testmod(reporting).failed == 0


def test_numbers_alone_are_reported_and_a_diverged_loss_too() -> None:
    logs = {"val_loss": np.float32(math.inf), "loss": 0.1, "time": "noon", "accuracy": 1}

    assert loss_and_metrics(logs, "val_loss", "") == {"loss": math.inf, "accuracy": 1.0}


def test_a_missing_loss_is_refused_with_what_there_is() -> None:
    with pytest.raises(InvalidInputError, match=r"\(loss, size\), but got 'val_loss': validate"):
        loss_and_metrics({"loss": 0.1, "size": 2}, "val_loss", "validate")
    with pytest.raises(InvalidInputError, match=r"\(there is none\)"):
        loss_and_metrics({}, "val_loss", "validate")


def test_only_halted_is_caught() -> None:
    def halt(losses: object) -> None:
        raise lrtune.Halted

    def fail(losses: object) -> None:
        raise OSError("disk full")

    assert is_halted(halt, {"loss": 1.0})
    with pytest.raises(OSError, match="disk full"):
        is_halted(fail, {"loss": 1.0})


def test_importing_lrtune_and_its_integrations_loads_no_framework() -> None:
    code = "import sys, lrtune, lrtune.integrations; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {"torch", "keras", "lightning", "transformers"} & set(run.stdout.split())
