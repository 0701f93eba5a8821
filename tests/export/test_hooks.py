"""Source that trains a user's own function, or a framework's loop, with lrtune's schedule."""

from typing import Any

import pytest

from lrtune import Schedule, export_schedule
from lrtune.exceptions import InvalidInputError
from lrtune.export.export import EXPORTERS
from lrtune.export.hooks import HOOKS, function_line, function_source
from lrtune.export.provenance import Recommendation

SCHEDULE = Schedule(
    learning_rate_init=0.123456789, decay="cosine", decay_rate=0.05, warmup_epochs=1.0
)
ORIGIN = Recommendation(
    study="mine",
    estimator="train",
    task="training",
    schedule=SCHEDULE,
    parameters=(("epochs", 20), ("weight_decay", 0.000123456)),
    own_parameters=(("epochs", 20), ("weight_decay", 0.000123456)),
    trial=3,
    loss=0.75,
    se=0.01,
    replicates=4,
    loss_name="recall",
)


def test_the_source_makes_the_same_schedule_and_the_further_parameters() -> None:
    namespace: dict[str, Any] = {}
    exec(function_source(ORIGIN), namespace)  # noqa: S102

    assert namespace["schedule"] == SCHEDULE
    assert namespace["weight_decay"] == 0.000123456
    assert "# confirmed recall 0.75 ± 0.01 on 4 fresh replicates." in function_source(ORIGIN)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_python_and_makes_the_schedule(hook: str) -> None:
    source = HOOKS[hook](ORIGIN)
    compile(source, hook, "exec")

    assert "schedule = lrtune.Schedule(\n    learning_rate_init=0.123456789," in source


def test_the_line_to_read_calls_the_function() -> None:
    expected = (
        "train(lrtune.Schedule(learning_rate_init=0.1235, decay='cosine', decay_rate=0.05, "
        "warmup_epochs=1), seed, weight_decay=0.0001235)"
    )

    assert function_line(ORIGIN) == expected


def test_an_export_to_an_estimator_is_refused_with_a_cure() -> None:
    with pytest.raises(InvalidInputError, match="tuned the function 'train': export to torch"):
        export_schedule(SCHEDULE, "sklearn", origin=ORIGIN)


@pytest.mark.parametrize("to", sorted(EXPORTERS.keys() - {"sklearn"}))
def test_the_other_exports_name_the_users_loss(to: str) -> None:
    text = export_schedule(SCHEDULE, to, steps_per_epoch=10, origin=ORIGIN)

    assert "recall" in text
    assert "network" not in text
