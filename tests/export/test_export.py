"""What is exported runs in the library that it is for, and gives lrtune's rate at every step."""

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtune import Schedule, export_schedule
from lrtune.exceptions import InvalidInputError
from lrtune.export.export import EXPORTERS
from lrtune.export.formulas import ARRAY_DECAYS, PYTHON_DECAYS
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.plateau import Plateau
from lrtune.schedules.schedule import rate_table

os.environ.setdefault("KERAS_BACKEND", "torch")
# Keras's, when it makes NumPy arrays of torch's tensors
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
EPOCHS = 12
PURE = [name for name, decay in DECAYS.items() if not decay.feedback]
SMOOTH = [name for name in PURE if name not in ("step", "compound")]
IN_STEPS = ["torch", "keras", "optax"]
LIBRARIES = [pytest.param(name, marks=getattr(pytest.mark, name)) for name in IN_STEPS]
BY_EPOCH = LIBRARIES[:2]
ALL = Schedule(
    learning_rate_init=0.3,
    decay="cosine",
    decay_rate=0.13,
    warmup_epochs=1.5,
    cycle_epochs=6,
    min_learning_rate=0.02,
    update="batch",
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    try:
        import torch
    except ImportError:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def executed(source: str) -> dict[str, Any]:
    """What a script has after the source was pasted into it."""
    namespace: dict[str, Any] = {"__name__": "training_script"}
    exec(compile(source, "exported", "exec"), namespace)  # noqa: S102
    return namespace


def in_torch(script: dict[str, Any], n: int) -> list[float]:
    """Rates that an optimizer has at n steps of the scheduler."""
    import torch

    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=script["LEARNING_RATE_INIT"])
    scheduler, rates = script["make_scheduler"](optimizer), []
    for _ in range(n):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def in_keras(script: dict[str, Any], n: int) -> Any:
    from keras import ops

    if "scheduler" in script:
        return [script["scheduler"].schedule(epoch, 9.9) for epoch in range(n)]
    steps = ops.arange(n, dtype="int32")
    return np.broadcast_to(ops.convert_to_numpy(script["LearningRate"]()(steps)), n)


def in_optax(script: dict[str, Any], n: int) -> Any:
    import jax.numpy as jnp

    return np.broadcast_to(script["learning_rate"](jnp.arange(n)), n)


RUNNERS: dict[str, Callable[..., Any]] = {"torch": in_torch, "keras": in_keras, "optax": in_optax}


def need(library: str) -> None:
    pytest.importorskip(library)
    if library == "optax":
        pytest.importorskip("jax")


def near(rates: Any, schedule: Schedule, library: str) -> Any:
    """1e-6 of the rate; float32 has less of an exponential below some thousandths of α₀."""
    faded = 1e-12 if library == "torch" else 1e-9
    return pytest.approx(rates, rel=1e-6, abs=faded * schedule.learning_rate_init)


@st.composite
def schedules(draw: st.DrawFn, decays: list[str] = PURE, *, whole: bool = False) -> Schedule:
    initial = draw(st.floats(1e-4, 10))
    warmup = draw(st.sampled_from([0.0, 1.0, 2.0] if whole else [0.0, 0.3, 1.0, 2.5]))
    update = draw(st.sampled_from(["epoch", "batch"]))
    cycles = [3.0, 5.0] if whole or (warmup and update == "epoch") else [3.5, 5.0]
    return Schedule(
        learning_rate_init=initial,
        decay=draw(st.sampled_from(decays)),
        decay_rate=draw(st.just(0.0) | st.floats(1e-4, 3)),
        step_size=draw(st.sampled_from([1.0, 3.0] if whole else [0.5, 1.0, 2.5])),
        power=draw(
            st.sampled_from([1.0, 1.5, 3.3])
        ),  # below 1, the last digit at its end is in view
        warmup_epochs=warmup,
        cycle_epochs=draw(st.none() | st.sampled_from(cycles)),
        min_learning_rate=draw(st.sampled_from([0.0, 0.1, 1.0])) * initial,
        update=update,
    )


float32_schedules = st.one_of(
    schedules(whole=True),
    st.builds(
        lambda schedule, warmup: replace(schedule, warmup_epochs=warmup),
        schedules(SMOOTH, whole=True),
        st.sampled_from([0.3, 1.5, 2.2]),
    ),
)
EXPORTABLE = {"torch": schedules(), "keras": float32_schedules, "optax": float32_schedules}


# --- the rate at every step -----------------------------------------------------------------------


@pytest.mark.parametrize("library", LIBRARIES)
def test_in_steps_every_rate_is_that_of_the_table(library: str) -> None:
    need(library)

    @given(schedule=EXPORTABLE[library], steps=st.sampled_from([1, 3, 10, 32]))
    @settings(deadline=None, max_examples=60)
    def check(schedule: Schedule, steps: int) -> None:
        script = executed(export_schedule(schedule, library, steps_per_epoch=steps))
        table = rate_table([schedule], EPOCHS, steps)[:, 0]

        assert RUNNERS[library](script, len(table)) == near(table, schedule, library)

    check()


@pytest.mark.parametrize("library", BY_EPOCH)
def test_in_epochs_every_rate_is_that_of_the_table(library: str) -> None:
    need(library)

    @given(schedule=schedules())
    @settings(deadline=None, max_examples=60)
    def check(schedule: Schedule) -> None:
        schedule = replace(schedule, warmup_epochs=0, update="epoch")
        script = executed(export_schedule(schedule, library))
        table = rate_table([schedule], EPOCHS, 1)[:, 0]

        assert RUNNERS[library](script, EPOCHS) == near(table, schedule, library)

    check()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("update", ["epoch", "batch"])
@pytest.mark.parametrize("decay", PURE)
def test_every_decay_type_with_all_modifiers(library: str, update: Any, decay: str) -> None:
    need(library)
    schedule = replace(ALL, decay=decay, update=update, warmup_epochs=2, power=0.5)
    script = executed(export_schedule(schedule, library, steps_per_epoch=7))
    table = rate_table([schedule], 20, 7)[:, 0]

    assert RUNNERS[library](script, len(table)) == near(table, schedule, library)


@pytest.mark.parametrize("library", LIBRARIES[1:])
@pytest.mark.parametrize("decay", ["inverse_time", "linear", "step", "compound"])
def test_after_billions_of_steps_epochs_are_still_told_apart(library: str, decay: str) -> None:
    need(library)
    first, steps = 1_999_990, 1000
    options = {"learning_rate_init": 0.1, "decay": decay, "cycle_epochs": 7, "step_size": 2}
    schedule = Schedule(decay_rate=0.1, **options)
    script = executed(export_schedule(schedule, library, steps_per_epoch=steps))
    function = script["learning_rate"] if library == "optax" else script["LearningRate"]()
    counted = np.arange(first * steps, (first + 10) * steps, 499, dtype=np.int32)
    table = rate_table([schedule], 10, steps, first_epoch=first)[counted - first * steps, 0]

    assert [float(function(int(step))) for step in counted] == near(table, schedule, library)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("decay", ["linear", "polynomial", "cosine"])
def test_the_last_steps_before_the_end_are_not_lost_to_cancellation(
    library: str, decay: str
) -> None:
    need(library)
    steps, end = 1000, 97.0001  # epochs; 1 - decay_rate * t is 1e-6 at the last step but one
    options = {"decay": decay, "decay_rate": 1 / end, "update": "batch"}
    schedule = Schedule(learning_rate_init=1.0, **options)
    script = executed(export_schedule(schedule, library, steps_per_epoch=steps))
    at = np.arange(96_990, 97_005)
    functions = {"keras": "LearningRate", "optax": "learning_rate", "torch": "factor"}
    function = script[functions[library]]
    function = function() if library == "keras" else function
    table = rate_table([schedule], 1, steps, first_epoch=97)[:5, 0]
    before = rate_table([schedule], 1, steps, first_epoch=96)[-10:, 0]
    expected = np.concatenate([before, table])

    found = [float(function(int(step))) for step in at]

    assert found == pytest.approx(expected, rel=1e-6, abs=1e-18)


# --- in a real training ---------------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.parametrize("steps", [3, None])
def test_a_keras_model_trains_at_these_rates(steps: int | None) -> None:
    keras = pytest.importorskip("keras")
    schedule = (
        replace(ALL, decay="linear")
        if steps
        else Schedule(learning_rate_init=0.3, decay="inverse_time", decay_rate=0.4)
    )
    script = executed(export_schedule(schedule, "keras", steps_per_epoch=steps))
    rates: list[float] = []
    rate = script["LearningRate"]() if steps else script["LEARNING_RATE_INIT"]
    optimizer = keras.optimizers.SGD(rate)

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            rates.append(float(optimizer.learning_rate))

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse")
    callbacks = [Watch()] if steps else [script["scheduler"], Watch()]
    X, y = np.zeros((9, 2)), np.zeros(9)
    model.fit(X, y, batch_size=3, epochs=8, verbose=0, callbacks=callbacks)

    assert rates == near(rate_table([schedule], 8, 3)[:, 0], schedule, "keras")


@pytest.mark.keras
def test_a_keras_optimizer_with_the_schedule_can_be_saved_and_loaded() -> None:
    keras = pytest.importorskip("keras")
    schedule = executed(export_schedule(ALL, "keras", steps_per_epoch=5))["LearningRate"]()
    optimizer = keras.optimizers.SGD(schedule)

    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))

    assert float(again.learning_rate) == float(optimizer.learning_rate)
    assert type(again._learning_rate) is type(schedule)


@pytest.mark.optax
@pytest.mark.parametrize("schedule", [ALL, Schedule(learning_rate_init=0.3)], ids=["all", "fixed"])
def test_an_optax_optimizer_steps_at_these_rates_when_compiled(schedule: Schedule) -> None:
    need("optax")
    import jax
    import jax.numpy as jnp
    import optax

    script = executed(export_schedule(schedule, "optax", steps_per_epoch=4))
    optimizer = optax.sgd(script["learning_rate"])
    weight, rates = jnp.zeros(()), []
    state, update = optimizer.init(weight), jax.jit(optimizer.update)
    for _ in range(40):
        step, state = update(jnp.ones(()), state)
        rates.append(-float(step))

    assert rates == near(rate_table([schedule], 10, 4)[:, 0], schedule, "optax")


# --- plateau --------------------------------------------------------------------------------------


def losses_and_rates(seed: int, schedule: Schedule) -> tuple[list[float], list[float]]:
    losses = [float(v) for v in np.random.default_rng(seed).integers(1, 30, size=40)]
    losses[5], losses[6] = math.nan, math.inf
    plateau, table = Plateau([schedule]), np.full((1, 1), schedule.learning_rate_init)
    rates = []
    for loss in losses:
        plateau.update(np.array([loss]))
        rates.append(float(plateau.apply(table)[0, 0]))
    return losses, rates


@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("floor", [0.0, 0.1])
@pytest.mark.parametrize("library", BY_EPOCH)
def test_plateau_follows_the_same_losses_alike(library: str, patience: int, floor: float) -> None:
    need(library)
    schedule = Schedule(
        learning_rate_init=0.3,
        decay="plateau",
        decay_rate=0.05,
        patience=patience,
        min_learning_rate=floor,
    )
    losses, expected = losses_and_rates(patience, schedule)
    script = executed(export_schedule(schedule, library))
    follow = {"torch": plateau_in_torch, "keras": plateau_in_keras}[library]

    assert follow(script, losses) == near(expected, schedule, library)
    assert expected[-1] < 0.3


def plateau_in_torch(script: dict[str, Any], losses: list[float]) -> list[float]:
    import torch

    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=script["LEARNING_RATE_INIT"])
    scheduler, rates = script["make_scheduler"](optimizer), []
    for loss in losses:
        scheduler.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def plateau_in_keras(script: dict[str, Any], losses: list[float]) -> list[float]:
    import keras

    optimizer = keras.optimizers.SGD(script["LEARNING_RATE_INIT"])
    callback, rates = script["scheduler"], []
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"loss": 0.0, "val_loss": loss})
        rates.append(float(optimizer.learning_rate))
    return rates


# --- scikit-learn and JSON ------------------------------------------------------------------------


@given(schedule=schedules())
@settings(deadline=None, max_examples=50)
def test_the_estimator_has_the_same_schedule(schedule: Schedule) -> None:
    if schedule.decay == "constant":  # its decay rate has no effect and is left out
        schedule = replace(schedule, decay_rate=0.0)

    assert executed(export_schedule(schedule, "sklearn"))["model"].schedule() == schedule


def test_a_plateau_in_the_estimator_says_which_loss_it_follows() -> None:
    schedule = Schedule(learning_rate_init=0.1, decay="plateau", decay_rate=0.1)
    source = export_schedule(schedule, "sklearn")

    assert "follows the training loss" in source
    assert executed(source)["model"].schedule() == schedule


@given(schedule=schedules())
@settings(deadline=None, max_examples=50)
def test_json_reads_back_into_an_equal_schedule(schedule: Schedule) -> None:
    text = export_schedule(schedule, "json")

    assert Schedule.from_json(text) == schedule
    assert Schedule.from_json(schedule.to_json()) == schedule
    assert json.loads(text)["about"]["made_by"].startswith("lrtune ")


# --- what is written ------------------------------------------------------------------------------


def test_every_pure_decay_but_the_constant_has_both_formulas() -> None:
    assert list(PYTHON_DECAYS) == list(ARRAY_DECAYS) == PURE[1:]


@pytest.mark.parametrize("to", EXPORTERS)
@pytest.mark.parametrize("decay", PURE)
def test_source_is_short_compiles_and_needs_that_library_alone(to: str, decay: str) -> None:
    schedule = replace(ALL, decay=decay, warmup_epochs=2)
    source = export_schedule(schedule, to, steps_per_epoch=100)
    own = {"torch": {"torch"}, "keras": {"keras"}, "optax": {"jax.numpy"}, "sklearn": {"lrtune"}}
    words = [line.split() for line in source.splitlines()]
    imported = {line[1] for line in words if line and line[0] in ("import", "from")}

    assert len(words) < 45
    if to != "json":
        compile(source, "exported", "exec")
        assert imported - {"math"} == own[to]
        assert ("import math" in source) == ("math." in source)


@pytest.mark.parametrize("to", ["torch", "keras", "optax"])
def test_numbers_of_numpy_are_written_as_numbers(to: str) -> None:
    exact = Schedule(learning_rate_init=0.25, decay="linear", decay_rate=0.5, cycle_epochs=2)
    values = {"learning_rate_init": np.float64(0.25), "decay_rate": np.float32(0.5)}
    schedule = Schedule(decay="linear", cycle_epochs=np.int64(2), **values)
    source = export_schedule(schedule, to, steps_per_epoch=np.int64(3))

    assert source == export_schedule(exact, to, steps_per_epoch=3)


# --- what is refused ------------------------------------------------------------------------------


REFUSED = {
    "optax without steps": ("optax", {}, None, "steps"),
    "torch, warm-up": ("torch", {"warmup_epochs": 1}, None, "steps"),
    "keras, by batch": ("keras", {"update": "batch"}, None, "steps"),
    "optax, plateau": ("optax", {"decay": "plateau"}, 5, "losses"),
    "torch, plateau": ("torch", {"decay": "plateau", "warmup_epochs": 1}, 5, "warmup_epochs"),
    "keras, plateau": ("keras", {"decay": "plateau", "warmup_epochs": 1}, 5, "warmup_epochs"),
    "optax, cycles": ("optax", {"cycle_epochs": 2.5}, 5, "cycle_epochs"),
    "keras, drops": ("keras", {"decay": "step", "step_size": 2.5}, 5, "step_size"),
    "optax, late drops": ("optax", {"decay": "step", "warmup_epochs": 0.5}, 5, "warmup_epochs"),
    "torch, cut epochs": ("torch", {"cycle_epochs": 2.5, "warmup_epochs": 1}, 5, "cycle_epochs"),
    "optax, compound": ("optax", {"decay": "compound", "decay_rate": 1e-8}, 5, "1e-07"),
    "keras, overflow": ("keras", {"learning_rate_init": 1e38}, 5, "1e-30"),
    "optax, underflow": ("optax", {"decay_rate": 1e-40}, 5, "1e-30"),
    "optax, too long": ("optax", {"decay": "linear", "decay_rate": 1e-7}, 999, "2147483647"),
    "no steps": ("torch", {}, 0, "got 0"),
    "half steps": ("torch", {}, 2.5, "2.5"),
    "unknown": ("caffe", {}, 5, "keras, torch, optax, sklearn, json"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_exact_is_refused(case: str) -> None:
    to, options, steps, message = REFUSED[case]
    basics = {"learning_rate_init": 0.1, "decay": "exponential", "decay_rate": 0.1}
    schedule = Schedule(**basics | options)

    with pytest.raises(InvalidInputError) as told:
        export_schedule(schedule, to, steps_per_epoch=steps)
    assert message in str(told.value)
