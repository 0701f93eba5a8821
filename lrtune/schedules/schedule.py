"""Learning-rate schedules as pure functions of time, their JSON, and tables of their rates.

For every decay type::

    learning_rate(t) = learning_rate_init * shape(decay_rate, t)        t in epochs, fractional

A training step never sees a schedule, only a row of the ``(steps, K)`` table of rates.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.decays import DECAYS, DecayName

Array = npt.NDArray[Any]

TABLE_ELEMENTS = 1 << 18
"""Most rates that `epoch_rates` tabulates at once (2 MiB)."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate as a pure function of time in epochs.

    Parameters
    ----------
    learning_rate_init : float
        α₀, the rate at t = 0. Positive.
    decay : str, default="constant"
        The decay type, a key of `DECAYS`.
    decay_rate : float, default=0.0
        k, how fast the rate decays, in 1/epoch for every decay type. Not negative.
    step_size : float, default=5
        Epochs between two drops of ``decay="step"``.
    power : float, default=2
        Exponent of ``decay="polynomial"``.
    patience : int, default=2
        Epochs without a better validation loss after which ``decay="plateau"`` lowers the rate.
    warmup_epochs : float, default=0
        Length of the warm-up, in which the rate rises linearly from 0 to α₀, step by step. The
        decay starts after it.
    cycle_epochs : float or None, default=None
        Restart the schedule, warm-up included, after this many epochs (warm restarts).
    min_learning_rate : float, default=0
        A lower bound of the rate.
    update : {"epoch", "batch"}, default="epoch"
        Keep the decayed rate constant within an epoch (t = ⌊t⌋), or change it at every step.

    Raises
    ------
    InvalidInputError
        If a value is out of its range.

    Notes
    -----
    One-cycle is ``cosine`` with a warm-up; a triangular schedule is ``linear`` with a warm-up and
    cycles; SGDR is ``cosine`` with cycles. The warm-up changes at every step even with
    ``update="epoch"``: otherwise a warm-up of one epoch would train that whole epoch at rate 0.

    References
    ----------
    Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts.
    Smith (2017), Cyclical learning rates for training neural networks.

    Examples
    --------
    >>> schedule = Schedule(learning_rate_init=0.2, decay="compound", decay_rate=0.01)
    >>> schedule([0, 1, 2, 3, 4, 5]).round(5)
    array([0.2    , 0.19802, 0.19414, 0.18848, 0.18123, 0.1726 ])
    >>> schedule(2.7) == schedule(2)
    True
    """

    learning_rate_init: float
    decay: DecayName = "constant"
    decay_rate: float = 0.0
    step_size: float = 5.0
    power: float = 2.0
    patience: int = 2
    warmup_epochs: float = 0.0
    cycle_epochs: float | None = None
    min_learning_rate: float = 0.0
    update: Literal["epoch", "batch"] = "epoch"

    def __post_init__(self) -> None:
        if not (isinstance(self.decay, str) and self.decay in DECAYS):
            raise InvalidInputError(
                f"`decay` must be one of {', '.join(DECAYS)}, but got {self.decay!r}"
            )
        if self.update not in ("epoch", "batch"):
            raise InvalidInputError(f"`update` must be 'epoch' or 'batch', but got {self.update!r}")
        for name in ("learning_rate_init", "step_size", "power"):
            _require(name, getattr(self, name), positive=True)
        for name in ("decay_rate", "patience", "warmup_epochs", "min_learning_rate"):
            _require(name, getattr(self, name), positive=False)
        if self.patience != int(self.patience):
            raise InvalidInputError(f"`patience` must be a whole number, but got {self.patience}")
        if self.min_learning_rate > self.learning_rate_init:
            raise InvalidInputError(
                f"`min_learning_rate` must be at most `learning_rate_init` "
                f"({self.learning_rate_init}), but got {self.min_learning_rate}"
            )
        if self.cycle_epochs is None:
            return
        _require("cycle_epochs", self.cycle_epochs, positive=True)
        if self.cycle_epochs <= self.warmup_epochs:
            raise InvalidInputError(
                f"`cycle_epochs` must be greater than `warmup_epochs` ({self.warmup_epochs}), "
                f"but got {self.cycle_epochs}"
            )
        if DECAYS[self.decay].feedback:
            raise InvalidInputError(
                f"`cycle_epochs` must be left out with `decay={self.decay!r}`, which follows "
                f"losses and not time, but got {self.cycle_epochs}"
            )

    def __call__(self, t: npt.ArrayLike) -> Any:
        """Return the rate at time `t`.

        Parameters
        ----------
        t : float or array_like
            Epochs since the start of training; not negative, possibly beyond the last epoch.

        Returns
        -------
        float or ndarray of float64
            The rate, of the shape of `t`.

        Raises
        ------
        InvalidInputError
            If `t` is negative or not finite, or if the decay type follows losses, so that the
            rate does not depend on `t` alone.

        Examples
        --------
        >>> Schedule(learning_rate_init=0.4, decay="linear", decay_rate=0.25)([0, 1, 2, 3, 4])
        array([0.4, 0.3, 0.2, 0.1, 0. ])
        """
        if DECAYS[self.decay].feedback:
            raise InvalidInputError(
                f"a schedule with `decay={self.decay!r}` follows the validation loss, so it has no "
                "rate at t alone: train with it and read the model's learning_rate_curve_"
            )
        time = np.asarray(t, dtype=np.float64)
        if not np.all(np.isfinite(time) & (time >= 0)):
            raise InvalidInputError(f"t must be at least 0 and finite, but got {time}")
        rates = _rates([self], time.ravel())[:, 0].reshape(time.shape)
        return rates if time.ndim else float(rates)

    def is_comparable(self, epoch: int) -> bool:
        """Return True if the loss after `epoch` epochs can be compared with other schedules'.

        It cannot during a warm-up, nor in the first half of a cycle after a restart, when a high
        rate raises the loss again.

        Parameters
        ----------
        epoch : int
            Epochs trained, from 1 on.

        Returns
        -------
        bool

        Examples
        --------
        >>> schedule = Schedule(learning_rate_init=0.1, warmup_epochs=2, cycle_epochs=6)
        >>> [epoch for epoch in range(1, 13) if schedule.is_comparable(epoch)]
        [3, 4, 5, 6, 9, 10, 11, 12]
        """
        if self.cycle_epochs is None:
            return epoch > self.warmup_epochs
        restarts = math.ceil(epoch / self.cycle_epochs) - 1
        within_cycle = epoch - restarts * self.cycle_epochs
        settled = self.cycle_epochs / 2 if restarts else 0.0
        return within_cycle > self.warmup_epochs and within_cycle >= settled

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, with NumPy numbers converted to Python's.

        Returns
        -------
        dict

        Examples
        --------
        >>> Schedule(learning_rate_init=np.float32(0.5)).to_dict()["learning_rate_init"]
        0.5
        """
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a schedule from what `to_dict` returned.

        Parameters
        ----------
        values : mapping
            Missing fields get their defaults.

        Returns
        -------
        Schedule

        Raises
        ------
        InvalidInputError
            If a name is unknown, `learning_rate_init` is missing, or a value is out of its range.

        Examples
        --------
        >>> Schedule.from_dict({"learning_rate_init": 0.5}) == Schedule(learning_rate_init=0.5)
        True
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise InvalidInputError(
                    f"a schedule has the fields {', '.join(names)}, but got {name!r}"
                )
        if "learning_rate_init" not in values:
            raise InvalidInputError("a schedule must have `learning_rate_init`, but got none")
        return cls(**values)

    @classmethod
    def from_trial(cls, trial: Any, prefix: str = "") -> Self:
        """Return the schedule that `lrtune.suggest_schedule` suggested in a trial.

        It has the options of the objective, too, such as a warm-up, and none of the trial's further
        parameters.

        Parameters
        ----------
        trial : optuna.trial.BaseTrial
            Running or finished, such as ``study.best_trial``.
        prefix : str, default=""
            That of the call of `suggest_schedule`.

        Returns
        -------
        Schedule

        Raises
        ------
        InvalidInputError
            If the trial has no schedule of this prefix.

        Examples
        --------
        >>> import optuna
        >>> from lrtune import suggest_schedule
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> def objective(trial):
        ...     ranges = {"learning_rate_init": (0.01, 1.0), "decay_rate": (0.1, 1.0)}
        ...     return suggest_schedule(trial, epochs=5, warmup_epochs=1, **ranges)(2)
        >>> study = optuna.create_study()
        >>> study.optimize(objective, n_trials=1)
        >>> schedule = Schedule.from_trial(study.best_trial)
        >>> schedule.warmup_epochs, schedule(2) == study.best_value
        (1, True)
        """
        rest = trial.user_attrs.get(trial_attribute(prefix))
        if rest is None:
            raise InvalidInputError(
                "`trial` must have a schedule that suggest_schedule suggested with "
                f"`prefix={prefix!r}`, but trial {trial.number} has "
                f"{', '.join(trial.params) or 'no parameters'}: give the prefix of that call, or "
                "pass the parameters that make the schedule to Schedule"
            )
        names = {each.name for each in fields(cls)}
        suggested = ("learning_rate_init", "decay", "decay_rate")
        return cls(
            **{name: trial.params[prefix + name] for name in suggested},
            **{name: value for name, value in rest.items() if name in names},
        )

    def to_json(self) -> str:
        """Return the schedule as a JSON object, for `from_json`.

        Returns
        -------
        str

        Examples
        --------
        >>> schedule = Schedule(learning_rate_init=0.1, decay="cosine", decay_rate=0.05)
        >>> Schedule.from_json(schedule.to_json()) == schedule
        True
        """
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a schedule from the output of `to_json` or ``lrtune export --to json``.

        Parameters
        ----------
        text : str
            A JSON object; the key "about" that ``lrtune export`` adds is ignored.

        Returns
        -------
        Schedule

        Raises
        ------
        InvalidInputError
            If the text is not a JSON object, or as for `from_dict`.

        Examples
        --------
        >>> Schedule.from_json('{"learning_rate_init": 0.1}').decay
        'constant'
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInputError(f"a schedule must be JSON, but: {error}") from error
        if not isinstance(values, dict):
            raise InvalidInputError(
                f"a schedule must be a JSON object, but got {text.strip()[:40]!r}"
            )
        values.pop("about", None)
        return cls.from_dict(values)


def trial_attribute(prefix: str) -> str:
    """Return the name of the attribute that holds what a trial's schedule has beside parameters."""
    return f"{prefix}schedule"


def _plain(value: Any) -> Any:
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _require(name: str, value: float, *, positive: bool) -> None:
    rule = "positive" if positive else "at least 0"
    if not isinstance(value, Real):
        raise InvalidInputError(f"`{name}` must be a number, but got {value!r}")
    if not (math.isfinite(value) and (value > 0 if positive else value >= 0)):
        raise InvalidInputError(f"`{name}` must be {rule} and finite, but got {value}")


def _rates(schedules: Sequence[Schedule], t: Array) -> Array:
    """Return the rates ``(len(t), K)`` of schedules that differ only in α₀, k and lower bound."""
    first = schedules[0]
    initial, k, floor = (
        np.array([getattr(schedule, name) for schedule in schedules], dtype=np.float64)
        for name in ("learning_rate_init", "decay_rate", "min_learning_rate")
    )
    decay_time = t if first.update == "batch" else np.floor(t)
    if first.cycle_epochs is not None:
        t, decay_time = np.fmod(t, first.cycle_epochs), np.fmod(decay_time, first.cycle_epochs)
    since_warmup = np.maximum(0, decay_time - first.warmup_epochs)
    decay = DECAYS[first.decay]
    options = {name: getattr(first, name) for name in decay.options if not decay.feedback}
    factor = decay(k, since_warmup[:, np.newaxis], **options)
    if first.warmup_epochs > 0:
        warm = t < first.warmup_epochs
        factor[warm] = (t[warm] / first.warmup_epochs)[:, np.newaxis]
    return np.asarray(np.maximum(initial * factor, floor))


def rate_table(
    schedules: Sequence[Schedule], epochs: int, steps_per_epoch: int, *, first_epoch: int = 0
) -> Array:
    """Return the rates of K schedules at every step, shape (epochs * steps_per_epoch, K).

    Row s holds the rates at t = `first_epoch` + s / `steps_per_epoch`, before `Plateau` lowers
    them.

    >>> halving = Schedule(learning_rate_init=1.0, decay="inverse_time", decay_rate=1.0)
    >>> fixed = Schedule(learning_rate_init=0.1)
    >>> rate_table([halving, fixed], epochs=2, steps_per_epoch=2)
    array([[1. , 0.1],
           [1. , 0.1],
           [0.5, 0.1],
           [0.5, 0.1]])
    """
    start = first_epoch * steps_per_epoch
    t = np.arange(start, start + epochs * steps_per_epoch) / steps_per_epoch
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, schedule in enumerate(schedules):
        options = (getattr(schedule, name) for name in DECAYS[schedule.decay].options)
        modifiers = (schedule.warmup_epochs, schedule.cycle_epochs, schedule.update)
        groups.setdefault((schedule.decay, *options, *modifiers), []).append(index)
    table = np.empty((len(t), len(schedules)))
    for members in groups.values():
        table[:, members] = _rates([schedules[index] for index in members], t)
    return table


def epoch_rates(
    schedules: Sequence[Schedule], epochs: range, steps_per_epoch: int
) -> Iterator[Array]:
    """Yield the rates ``(steps_per_epoch, K)`` of each epoch, a few epochs in memory at a time."""
    piece = max(1, TABLE_ELEMENTS // (steps_per_epoch * len(schedules)))
    for start in range(0, len(epochs), piece):
        part = epochs[start : start + piece]
        table = rate_table(schedules, len(part), steps_per_epoch, first_epoch=part.start)
        yield from table.reshape(len(part), steps_per_epoch, len(schedules))
