"""A schedule as lines of source code, in Python floats or in a library's float32 arrays.

Python floats give the rates of the rate table digit for digit. Arrays of float32 need more care:
epochs are counted in integers, and ``1 - decay_rate * t``, which loses its digits near its end, is
written as the remaining share of the decay, counted from that end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.schedule import Schedule

FLOAT32_RANGE = (1e-30, 1e30)
"""Smallest and largest number, other than 0, that is written in float32; a step count may multiply
it."""
LEAST_COMPOUND = 1e-7
"""Smallest decay rate of "compound" in float32: its table then has some 40,000 entries."""
MOST_STEPS = 2**31 - 1
"""Most steps that int32 can count."""


@dataclass(frozen=True)
class Formula:
    """Source code of a schedule: lines of constants, lines of a function's body, and factors.

    The factors are expressions whose product is the rate divided by α₀.
    """

    constants: tuple[str, ...]
    lines: tuple[str, ...]
    factors: tuple[str, ...]


@dataclass(frozen=True)
class Dialect:
    """Names and templates of an array library."""

    name: str
    """Name that its functions are imported as."""
    cast: str
    """Template that converts integers to float32."""
    table: str
    """Template that converts a list to an array."""
    look_up: str
    """Template that reads an entry of that array."""


JAX = Dialect("jnp", "{}", "jnp.array({})", "{0}[np.minimum({1}, {0}.size - 1)]")
KERAS = Dialect(
    "ops",
    'ops.cast({}, "float32")',
    'ops.convert_to_tensor({}, "float32")',
    "np.take({0}, np.minimum({1}, {0}.shape[0] - 1))",
)

PYTHON_DECAYS: dict[str, str] = {
    "inverse_time": "1 / (1 + {k} * {t})",
    "compound": "1 / math.prod(1 + {k} * i for i in range(1, int({t}) + 1))",
    "exponential": "math.exp(-{k} * {t})",
    "step": "math.exp(-{k} * ({t} // {step_size} * {step_size}))",
    "inverse_sqrt": "1 / math.sqrt(1 + {k} * {t})",
    "linear": "max(0, 1 - {k} * {t})",
    "polynomial": "max(0, 1 - {k} * {t}) ** {power}",
    "cosine": "math.sin(math.pi / 2 * max(0, 1 - {k} * {t})) ** 2",
}
"""Each decay as an expression in Python, t in epochs."""


def python_formula(schedule: Schedule, unit: str) -> Formula:
    """Return the formula, in Python floats, of a schedule without feedback.

    With the unit "step", it needs a constant STEPS_PER_EPOCH. A cycle with a warm-up that ends
    within an epoch whose rate is constant is refused.

    >>> schedule = Schedule(learning_rate_init=0.1, decay="exponential", decay_rate=0.5)
    >>> python_formula(schedule, "epoch").lines
    ('decay = math.exp(-0.5 * epoch)',)
    """
    warmup, cycle = schedule.warmup_epochs, schedule.cycle_epochs
    if warmup and schedule.update == "epoch":
        _require_whole(schedule, "cycle_epochs", "with a warm-up and update='epoch'")
    again = "" if cycle is None else f" % {number(cycle)}"
    lines, factors = [], []
    if warmup:
        lines.append(f"warmup = min(1, step / STEPS_PER_EPOCH{again} / {number(warmup)})")
        factors.append("warmup")
    if schedule.decay in PYTHON_DECAYS:
        division = "/" if schedule.update == "batch" else "//"
        t = ("epoch" if unit == "epoch" else f"step {division} STEPS_PER_EPOCH") + again
        if warmup:
            t = f"max(0, {t} - {number(warmup)})"
        if t != "epoch":
            lines.append(f"t = {t}")
        name = "epoch" if t == "epoch" else "t"
        lines.append(f"decay = {_fill(PYTHON_DECAYS[schedule.decay], schedule, t=name)}")
        factors.append("decay")
    return Formula((), tuple(lines), tuple(factors))


def array_formula(schedule: Schedule, dialect: Dialect, steps_per_epoch: int) -> Formula:
    """Return the formula, a function of the integer ``step``, of a schedule without feedback.

    Its arrays are float32; a schedule that float32 or int32 cannot represent is refused.

    >>> schedule = Schedule(learning_rate_init=0.1, decay="exponential", decay_rate=0.5)
    >>> array_formula(schedule, JAX, 100).lines
    ('t = step // STEPS_PER_EPOCH', 'decay = jnp.exp(-0.5 * t)')
    """
    _require_float32(schedule)
    _require_int32(schedule, steps_per_epoch)
    _require_whole(schedule, "cycle_epochs", "in float32")
    constants: list[str] = []
    lines, factors = [], []
    if schedule.cycle_epochs is not None:
        lines.append(f"step = step % ({number(schedule.cycle_epochs)} * STEPS_PER_EPOCH)")
    if schedule.warmup_epochs:
        steps = f"({number(schedule.warmup_epochs)} * STEPS_PER_EPOCH)"
        lines.append(f"warmup = np.minimum(1, {dialect.cast.format('step')} / {steps})")
        factors.append("warmup")
    if schedule.decay in ARRAY_DECAYS:
        template, prepare = ARRAY_DECAYS[schedule.decay]
        constants, built = prepare(schedule, dialect)
        looked_up = dialect.look_up.format("FACTORS", "t")
        lines += [*built, f"decay = {_fill(template, schedule, looked_up=looked_up)}"]
        factors.append("decay")
    spelt = (line.replace("np.", f"{dialect.name}.") for line in lines)
    return Formula(tuple(constants), tuple(spelt), tuple(factors))


Prepared = tuple[list[str], list[str]]
"""Constants, and lines of the body, that a decay's expression uses."""


def _since_warmup(schedule: Schedule, t: str) -> str:
    if not schedule.warmup_epochs:
        return t
    return f"np.maximum(0, {t} - {number(schedule.warmup_epochs)})"


def _epochs(schedule: Schedule, dialect: Dialect) -> Prepared:
    """Return the line of ``t``, the epochs since the warm-up."""
    if schedule.update == "batch":
        t = f"{dialect.cast.format('step')} / STEPS_PER_EPOCH"
    else:
        t = dialect.cast.format("step // STEPS_PER_EPOCH")
    return [], [f"t = {_since_warmup(schedule, t)}"]


def _whole_epochs(schedule: Schedule) -> str:
    """Return an expression of the whole epochs since the warm-up, for both kinds of update."""
    _require_whole(schedule, "warmup_epochs", f"with decay={schedule.decay!r} in float32")
    return _since_warmup(schedule, "step // STEPS_PER_EPOCH")


def _drops(schedule: Schedule, dialect: Dialect) -> Prepared:
    """Return the line of ``t``, which changes every `step_size` epochs."""
    _require_whole(schedule, "step_size", "in float32")
    size = number(schedule.step_size)
    return [], [f"t = {dialect.cast.format(f'{_whole_epochs(schedule)} // {size} * {size}')}"]


def _table(schedule: Schedule, dialect: Dialect) -> Prepared:
    """Return the table ``FACTORS``, a product without a closed form, and its index ``t``."""
    if schedule.decay_rate < LEAST_COMPOUND:
        raise InvalidInputError(
            f"`decay_rate` must be at least {LEAST_COMPOUND:g} for decay='compound' in float32, "
            f"but got {schedule.decay_rate}: choose decay='constant', or export to torch"
        )
    constants = [
        "FACTORS = [1.0]",
        "while FACTORS[-1] > 1e-38:  # where float32 ends",
        f"    FACTORS.append(FACTORS[-1] / (1 + {schedule.decay_rate!r} * len(FACTORS)))",
        f"FACTORS = {dialect.table.format('FACTORS')}",
    ]
    return constants, [f"t = {_whole_epochs(schedule)}"]


def _remainder(schedule: Schedule, dialect: Dialect) -> Prepared:
    """Return the line of ``left``, which is 1 - decay_rate * t without cancellation."""
    counted, per_epoch, unit = "step // STEPS_PER_EPOCH", "", "epochs"
    if schedule.update == "batch":
        counted, per_epoch, unit = "step", " * STEPS_PER_EPOCH", "steps"
    end = "SPAN"
    constants = [f"SPAN = {1 / schedule.decay_rate!r}{per_epoch}  # {unit} of decay"]
    if schedule.warmup_epochs:
        end = "END"
        constants.append(f"END = SPAN + {number(schedule.warmup_epochs)}{per_epoch}")
    whole = dialect.cast.format(f"int({end}) - {counted}")
    return constants, [
        f"whole = {whole}  # first, as float32 would lose the difference",
        f"left = np.clip((whole + {end} % 1) / SPAN, 0, 1)",
    ]


ARRAY_DECAYS: dict[str, tuple[str, Callable[[Schedule, Dialect], Prepared]]] = {
    "inverse_time": ("1 / (1 + {k} * t)", _epochs),
    "compound": ("{looked_up}", _table),
    "exponential": ("np.exp(-{k} * t)", _epochs),
    "step": ("np.exp(-{k} * t)", _drops),
    "inverse_sqrt": ("1 / np.sqrt(1 + {k} * t)", _epochs),
    "linear": ("left", _remainder),
    "polynomial": ("left ** {power}", _remainder),
    "cosine": ("np.sin(math.pi / 2 * left) ** 2", _remainder),
}
"""Each decay as an expression in float32 arrays, and the function that prepares its variables."""


def number(value: float) -> str:
    """Return a number of epochs as source, without a decimal point where it is whole."""
    return repr(int(value)) if value == int(value) else repr(float(value))


def _fill(template: str, schedule: Schedule, **words: str) -> str:
    values = {"k": float(schedule.decay_rate), "power": float(schedule.power)}
    return template.format(**values, step_size=number(schedule.step_size), **words)


def _require_whole(schedule: Schedule, name: str, where: str) -> None:
    value = getattr(schedule, name)
    if value is not None and value != int(value):
        raise InvalidInputError(
            f"`{name}` must be a whole number of epochs to be exported {where}, but got {value}"
        )


def _require_float32(schedule: Schedule) -> None:
    low, high = FLOAT32_RANGE
    for name in ("learning_rate_init", "decay_rate", "power", "warmup_epochs", "min_learning_rate"):
        value = getattr(schedule, name)
        if value and not low <= value <= high:
            raise InvalidInputError(
                f"`{name}` must lie between {low:g} and {high:g} in float32, but got {value}"
            )


def _require_int32(schedule: Schedule, steps_per_epoch: int) -> None:
    ends = schedule.decay in ARRAY_DECAYS and ARRAY_DECAYS[schedule.decay][1] is _remainder
    span = 1 / schedule.decay_rate if ends else 0.0
    epochs = max(schedule.warmup_epochs + span, schedule.cycle_epochs or 0, schedule.step_size)
    if epochs * steps_per_epoch > MOST_STEPS:
        raise InvalidInputError(
            f"a schedule must fit into {MOST_STEPS} steps where int32 counts them, but got one of "
            f"{epochs:g} epochs of {steps_per_epoch} steps: export to torch"
        )
