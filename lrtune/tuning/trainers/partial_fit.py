"""The trainer of estimators with `partial_fit`: one setting on one replicate at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import InvalidParameterError

from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.support.blas import one_blas_thread
from lrtune.support.numbers import as_float
from lrtune.support.processes import Workers
from lrtune.tuning.record.schema import TrainerFacts
from lrtune.tuning.setting import SCHEDULE_PARAMETERS, Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.description import describe_estimator, hash_replicates, hash_table
from lrtune.tuning.trainers.loop import WIDE_RANGE, Loop, LoopTrainer
from lrtune.tuning.trainers.objective import Objective, Scorers
from lrtune.tuning.trainers.preparation import split_pipeline, transform_rows
from lrtune.tuning.trainers.protocol import DEFAULT_CONTROL, Control, Edges, Outcome
from lrtune.tuning.trainers.replicates import Folds, Replicate
from lrtune.tuning.trainers.scale import LossScale, divergence_limit
from lrtune.tuning.trainers.steps import fit_steps, require_no_weights
from lrtune.tuning.trainers.training_run import Run, RunResult, seeded
from lrtune.tuning.trainers.tunable import Tunable, accepts, require_tunable

Array = npt.NDArray[Any]

MODIFIERS = tuple(
    each.name for each in fields(Schedule) if each.name not in (*SCHEDULE_PARAMETERS, "patience")
)
"""Fields of a schedule that a space may name beside the estimator's parameters."""
BATCH_SIZE = 32
"""Rows between two rates that change within an epoch, of estimators without a batch size."""
AUTO_BATCH_SIZE = 200
"""Batch size that scikit-learn's networks call "auto"."""
TESTED_RATES = np.geomspace(WIDE_RANGE[1], 1e-8, 19)
"""Rates that are tested for one epoch, from the highest on, until one does not diverge."""
RANGE_BELOW = 1e-5
"""Lowest rate to search, as a share of the highest that does not diverge within an epoch."""
SCORE = "accuracy or R²"
"""Key of the score among the numbers of a training's last epoch."""
OVERFLOWS = ("overflow", "non-finite", "infinity", "NaN")
"""Words of the errors by which estimators end a training that diverges."""


@dataclass(frozen=True)
class RowSet:
    """Rows as the estimator gets them."""

    X: Any
    y: Any
    sample_weight: Array | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: Array) -> RowSet:
        weight = None if self.sample_weight is None else self.sample_weight[indices]
        return RowSet(_safe_indexing(self.X, indices), _safe_indexing(self.y, indices), weight)

    @property
    def weights(self) -> dict[str, Array]:
        """Return the weights as an argument, if there are any."""
        return {} if self.sample_weight is None else {"sample_weight": self.sample_weight}


@dataclass(frozen=True)
class PreparedFold:
    """A replicate's rows, transformed, and the transformers fitted on its training rows.

    `held_out` are the validation rows before they were transformed, for scorers.
    """

    rows: RowSet
    validation: RowSet
    seed: int
    pipeline: Pipeline | None = None
    held_out: tuple[Any, Any] | None = None


@dataclass(frozen=True)
class Training:
    """The training of an estimator on one replicate, as a function for `run_training`.

    Each yields the validation loss after each epoch, and the scores after the last one.
    """

    model: Any
    tunable: Tunable
    epochs: int
    classes: Array | None
    fold: PreparedFold
    scorers: Scorers | None = None

    @property
    def __name__(self) -> str:
        return type(self.model).__name__

    def __call__(self, schedule: Schedule, seed: int) -> Iterator[Any]:
        """Train a copy of the estimator."""
        model, fold = seeded_copy(self.model, seed), self.fold
        trained = train_epochs(
            model, self.tunable, fold.rows, schedule, self.epochs, seed, classes=self.classes
        )
        for epoch in range(1, self.epochs + 1):
            try:
                next(trained)
                loss = self._loss(model)
            except (ValueError, FloatingPointError) as error:
                if not any(word in str(error) for word in OVERFLOWS):
                    raise
                yield np.inf
                return
            is_last = epoch == self.epochs and np.isfinite(loss)
            yield {"loss": loss, **(self._scores(model) if is_last else {})}

    def _loss(self, model: Any) -> float:
        rows = self.fold.validation
        with _quiet():
            loss = self.tunable.loss(model, rows.X, rows.y, rows.sample_weight)
        number = as_float(loss)
        if number is not None:
            return number
        raise InvalidInputError(
            f"`loss` of {type(model).__name__} must return a number, but got {loss!r}: return the "
            "mean over the rows as a float"
        )

    def _scores(self, model: Any) -> dict[str, float]:
        scores: dict[str, float] = {}
        rows = self.fold.validation
        with _quiet():
            if hasattr(model, "score"):
                scores[SCORE] = float(model.score(rows.X, rows.y, **rows.weights))
            if self.scorers is not None and self.fold.held_out is not None:
                fitted = as_pipeline(self.fold.pipeline, model)
                scores.update(self.scorers(fitted, *self.fold.held_out))
        return scores


def train_epochs(
    model: Any,
    tunable: Tunable,
    rows: RowSet,
    schedule: Schedule,
    epochs: int,
    seed: int,
    *,
    classes: Array | None = None,
) -> Iterator[None]:
    """Train a model by a schedule; yield after each epoch.

    The rows are shuffled by the seed, unless the model has ``shuffle=False``. An epoch whose rate
    does not change is one call of `partial_fit`; else each batch is.
    """
    rng = np.random.default_rng(seed)
    shuffles = getattr(model, "shuffle", True)
    own_size = getattr(model, "batch_size", None)
    size = BATCH_SIZE if own_size is None else AUTO_BATCH_SIZE
    if isinstance(own_size, int) and own_size > 0:
        size = own_size
    starts = np.arange(0, len(rows), size)
    first = {} if classes is None or not accepts(model, "classes") else {"classes": classes}
    for epoch in range(epochs):
        order = rng.permutation(len(rows)) if shuffles else np.arange(len(rows))
        rates = schedule(epoch + np.arange(len(starts)) / len(starts))
        batches = np.split(order, starts[1:])
        if (rates == rates[0]).all():
            rates, batches = rates[:1], [order]
        for rate, batch in zip(rates.tolist(), batches, strict=True):
            part = rows.take(batch)
            if size == own_size:
                model.batch_size = min(size, len(part))  # scikit-learn warns of a larger one
            tunable.set_rate(model, rate)
            with _quiet():
                model.partial_fit(part.X, part.y, **first, **part.weights)
            first = {}
        if size == own_size:
            model.batch_size = own_size
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Use one BLAS thread, and let numbers overflow: divergence is found by the loss."""
    with one_blas_thread(), np.errstate(all="ignore"):
        yield


def seeded_copy(model: Any, seed: int) -> Any:
    """Return an untrained copy with this seed, where the model has one."""
    model = clone(model)
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=seed)
    return model


def as_pipeline(pipeline: Pipeline | None, model: Any) -> Any:
    """Return a fitted model behind fitted transformers."""
    if pipeline is None:
        return model
    whole = copy(pipeline)
    whole.steps = [*pipeline.steps[:-1], (pipeline.steps[-1][0], model)]
    return whole


class PartialFitTrainer(LoopTrainer):
    """Trains settings of an estimator by its `partial_fit` on replicates of a table.

    `replicates` are numbers 0, 1, …; `fresh` returns the replicate of any further number. They are
    prepared when they are needed, and those of the search are kept. `objective` is optimised in
    place of the validation loss. A space may name the estimator's parameters and `MODIFIERS`.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        replicates: Sequence[Replicate],
        *,
        fresh: Callable[[int], Replicate],
        sample_weight: Array | None = None,
        objective: Objective | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.estimator = estimator
        _, self._model = split_pipeline(estimator)
        self._tunable, epochs = require_tunable(self._model)
        if sample_weight is not None and not accepts(self._model, "sample_weight"):
            raise InvalidInputError(
                "`sample_weight` must be a parameter of the estimator's partial_fit, but "
                f"{type(self._model).__name__}'s has none: leave it out"
            )
        super().__init__(Loop(self._model.partial_fit, epochs), workers=workers)
        self._rows = RowSet(X, y, sample_weight)
        self._classes = np.unique(np.asarray(y)) if is_classifier(self._model) else None
        self._replicates = tuple(replicates)
        self._fresh = fresh
        self.folds: Folds | None = None
        self._prepared: dict[int, PreparedFold] = {}
        self.objective = objective
        self.metric = None if objective is None else objective.metric
        self.n_validation = len(self._replicates[0].validation)

    def train(
        self,
        settings: Sequence[Setting],
        replicates: Sequence[int],
        control: Control = DEFAULT_CONTROL,
    ) -> Iterator[list[Outcome]]:
        """Train each setting on each replicate; yield each outcome when it is complete."""
        needed = {*range(len(self._replicates)), *replicates}
        self._prepared = {n: fold for n, fold in self._prepared.items() if n in needed}
        yield from super().train(settings, replicates, control)

    def replicate_seed(self, replicate: int) -> int:
        """Return the seed of a replicate's initial weights and shuffling."""
        return self._replicate(replicate).seed

    def _replicate(self, number: int) -> Replicate:
        is_first = number < len(self._replicates)
        return self._replicates[number] if is_first else self._fresh(number)

    def _fold(self, number: int) -> PreparedFold:
        if number not in self._prepared:
            has_scorers = self.objective is not None
            self._prepared[number] = prepare_fold(
                self.estimator, self._rows, self._replicate(number), has_scorers=has_scorers
            )
        return self._prepared[number]

    def _run(self, setting: Setting, replicate: int, limit: float) -> Run:
        fold = self._fold(replicate)
        function = Training(
            configured(self._model, self._tunable, setting),
            self._tunable,
            self.epochs,
            self._classes,
            fold,
            None if self.objective is None else self.objective.scorers,
        )
        return Run(function, schedule_of(setting), fold.seed, {}, self.epochs, limit=limit)

    def _outcome(self, setting: Setting, results: Sequence[RunResult]) -> Outcome:
        outcome = super()._outcome(setting, results)
        metrics = dict(outcome.metrics)
        scores = metrics.pop(SCORE, None)
        return replace(outcome, scores=scores, metrics=metrics)

    # --- facts ------------------------------------------------------------------------------------

    def facts(self) -> TrainerFacts:
        """Return the facts of the estimator and of the transformers before it."""
        loss = self._tunable.loss_name(self._model)
        facts = describe_estimator(self.estimator, loss=loss, epochs=self.epochs)
        others = {name: v for name, v in facts.parameters.items() if name not in MODIFIERS}
        weighted = self._rows.sample_weight is not None
        return replace(  # a `power` of its own is not the schedule's
            facts, parameters=others, is_network=False, weighted=weighted
        )

    def hashes(self) -> tuple[str, str]:
        """Return a hash of the table, and one of the search's replicates."""
        rows = self._rows
        return hash_table(rows.X, rows.y, rows.sample_weight), hash_replicates(self._replicates)

    def check(self, space: Space) -> None:
        """Raise InvalidInputError if a schedule or the estimator does not accept the space's ends.

        A parameter may be unknown, out of its range, or fixed for all trainings.
        """
        self._check_names(space)
        for decay in space.decay:
            if DECAYS[decay].feedback:
                raise InvalidInputError(
                    f"`decay` must be a function of time in a search of "
                    f"{type(self._model).__name__}, but got {decay!r}, which follows the loss: "
                    "leave it out"
                )
        ends = [((name, end),) for name, dimension in space.others for end in dimension.ends]
        for others in ((), *ends):
            for rate in space.learning_rate_init or (WIDE_RANGE[1],):
                for decay in space.decay:
                    schedule_of(Setting(rate, decay, space.decay_rate[0], others))
            setting = Setting(1.0, "constant", 0.0, others)
            model = configured(self._model, self._tunable, setting)
            if hasattr(model, "_parameter_constraints"):  # scikit-learn's own check
                try:
                    model._validate_params()
                except InvalidParameterError as error:
                    raise InvalidInputError(str(error)) from error

    def _check_names(self, space: Space) -> None:
        """Raise InvalidInputError unless all further parameters may be searched."""
        own = self._model.get_params()
        fixed = {*self._tunable.fixed, self._tunable.epochs, self._tunable.rate, "random_state"}
        for name, _ in space.others:
            if name in MODIFIERS:
                continue
            if name not in own or name in fixed:
                rule = "is fixed or set by the search" if name in own else "it does not have"
                raise InvalidInputError(
                    f"`space` may name learning_rate_init, decay, decay_rate, "
                    f"{', '.join(MODIFIERS)} and parameters of {type(self._model).__name__}, but "
                    f"got {name!r}, which {rule}: leave it out"
                )

    def find_rates(
        self, space: Space, replicates: Sequence[int]
    ) -> tuple[tuple[float, float], Edges]:
        """Return a range of α₀ below the highest rate that does not diverge within an epoch.

        Raises
        ------
        NothingCompletedError
            If every rate diverges.
        """
        limit = divergence_limit(self.scale(space, replicates).initial, None)
        others = self._others(space)
        floors = [v for name, d in space.others if name == "min_learning_rate" for v in d.ends]
        for rate in TESTED_RATES.tolist():
            if self._first_loss(Setting(rate, "constant", 0.0, others)) <= limit:
                floor = max(floors, default=0.0)
                return (max(float(f"{rate * RANGE_BELOW:.1e}"), floor), max(rate, floor)), ()
        raise NothingCompletedError(
            f"training diverged within an epoch even at the lowest rate, {rate:g}: standardise the "
            "columns, or give lower rates (`space={'learning_rate_init': (LOW, HIGH)}`)"
        )

    def _first_loss(self, setting: Setting) -> float:
        """Return the loss after one epoch on replicate 0."""
        run = replace(self._run(setting, 0, np.inf), stop_after=1)
        return self._run_alone(run).losses[0]

    def default_setting(self, space: Space) -> Setting | None:
        """Return the untuned setting; None if the estimator's own rate is no number."""
        rate = self._tunable.default_rate(self._model)
        if rate is None or not rate > 0:
            return None
        return Setting(rate, "constant", 0.0, self._others(space))

    def _others(self, space: Space) -> tuple[tuple[str, Any], ...]:
        """Return further parameters as the untuned estimator has them."""
        own = self._model.get_params()
        defaults = {each.name: each.default for each in fields(Schedule)}
        return tuple(
            (name, defaults[name] if name in MODIFIERS else own[name]) for name, _ in space.others
        )

    def floor(self, setting: Setting) -> float:
        """Return the learning rate that a schedule never falls below."""
        return float(schedule_of(setting).min_learning_rate)

    def scale(self, space: Space, replicates: Sequence[int]) -> LossScale:  # noqa: ARG002
        """Return the scale of the untrained loss: after an epoch at a rate of all but 0.

        Raises
        ------
        NothingCompletedError
            If that loss is not finite.
        """
        if self._scale is None:
            lowest = float(np.finfo(np.float64).tiny)
            initial = self._first_loss(Setting(lowest, "constant", 0.0, self._others(space)))
            if not np.isfinite(initial):
                raise NothingCompletedError(
                    f"the untrained {type(self._model).__name__} has a loss of {initial:g}: "
                    "standardise the columns"
                )
            self._scale = LossScale.from_initial(initial)
        return self._scale


def prepare_fold(
    estimator: Any, table: RowSet, replicate: Replicate, *, has_scorers: bool
) -> PreparedFold:
    """Fit the transformers on a replicate's training rows, and transform its rows."""
    transformers, _ = split_pipeline(estimator)
    require_no_weights(transformers, table.sample_weight)
    rows, validation = table.take(replicate.train), table.take(replicate.validation)
    held_out = (validation.X, validation.y) if has_scorers else None
    fitted, X, y, X_validation = transform_rows(table.X, rows.y, transformers, replicate)
    return PreparedFold(
        replace(rows, X=X, y=y),
        replace(validation, X=X_validation),
        replicate.seed,
        _with_transformers(estimator, fitted),
        held_out,
    )


def _with_transformers(estimator: Any, fitted: Pipeline | None) -> Pipeline | None:
    """Return a pipeline with fitted transformers in the place of its own."""
    if not isinstance(estimator, Pipeline):
        return None
    pipeline = copy(estimator)
    pipeline.steps = [*([] if fitted is None else fitted.steps), estimator.steps[-1]]
    return pipeline


def schedule_of(setting: Setting) -> Schedule:
    """Return the schedule of a setting, with those of its further parameters that belong to it."""
    modifiers = {name: value for name, value in setting.others if name in MODIFIERS}
    return Schedule(**setting.schedule_params, **modifiers)


def configured(model: Any, tunable: Tunable, setting: Setting) -> Any:
    """Return an untrained copy with the parameters that are fixed, or that a setting has."""
    own = {name: value for name, value in setting.others if name not in MODIFIERS}
    return clone(model).set_params(**tunable.fixed, **own)


def fit_with_schedule(
    estimator: Any,
    X: Any,
    y: Any,
    setting: Setting,
    *,
    seed: int,
    sample_weight: Array | None = None,
) -> Any:
    """Return a copy of an estimator that is fitted on all rows, with a setting's schedule."""
    transformers, model = split_pipeline(estimator)
    tunable, epochs = require_tunable(model)
    model_seed = getattr(model, "random_state", None)
    model = configured(model, tunable, setting)
    if model_seed is None:
        model = seeded_copy(model, seed)
    rows = RowSet(X, y, sample_weight)
    if transformers is not None:
        transformers, X, resampled = fit_steps(transformers, X, y, seed)
        rows = replace(rows, X=X, y=resampled)
    classes = np.unique(np.asarray(y)) if is_classifier(model) else None
    with seeded(seed % 2**32):
        for _ in train_epochs(
            model, tunable, rows, schedule_of(setting), epochs, seed, classes=classes
        ):
            pass
    return as_pipeline(_with_transformers(estimator, transformers), model)
