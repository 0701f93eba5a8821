"""Time in epochs: fractional where the number of batches is fixed."""

import doctest
import math

import pytest

from lrtune import Schedule
from lrtune.exceptions import InvalidInputError
from lrtune.integrations import epochs

COSINE = {"learning_rate_init": 0.1, "decay": "cosine", "decay_rate": 0.05}


def test_the_examples_run() -> None:
    assert doctest.testmod(epochs).failed == 0


@pytest.mark.parametrize("n_batches", [None, math.inf])
def test_data_without_a_length_will_do_if_the_rate_holds_within_an_epoch(n_batches: float) -> None:
    assert epochs.epochs_at(Schedule(**COSINE), 3, 7, n_batches) == 3.0


@pytest.mark.parametrize("options", [{"update": "batch"}, {"warmup_epochs": 1}])
@pytest.mark.parametrize("n_batches", [None, math.inf])
def test_data_without_a_length_is_refused_if_not(n_batches: float, options: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="without a length: pass steps_per_epoch to Keras"):
        epochs.epochs_at(Schedule(**COSINE, **options), 3, 7, n_batches)
