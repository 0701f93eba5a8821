"""The search of a user's own training function: `lrtune.search`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from numbers import Integral
from typing import Any, Literal

from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.support.engines import is_elsewhere, open_workers
from lrtune.tuning.confirm.budget import split_budget
from lrtune.tuning.progress import Progress
from lrtune.tuning.record.record import Record, open_own_study, read_facts
from lrtune.tuning.record.schema import DataFacts
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget, Recording
from lrtune.tuning.search import search as search_with
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.loop import Loop, LoopTrainer
from lrtune.tuning.trainers.torch.trainer import TorchTrainer
from lrtune.tuning.trainers.training_run import function_name, require_function

TRAININGS = 48
"""Trainings of a search if neither their number nor that of the trials is given."""
REPLICATES = 3
"""Replicates of each setting with a sampler or pruner of the user's, which knows no replicates."""


def search(
    train: Callable[..., Any] | TorchTrainer,
    *,
    epochs: int,
    space: Mapping[str, Any] | None = None,
    trainings: int | None = None,
    n_trials: int | None = None,
    replicates: int | None = None,
    direction: Literal["minimize", "maximize"] = "minimize",
    metric: str = "loss",
    default: float | Schedule | None = None,
    warmup_epochs: float = 0.0,
    cycle_epochs: float | None = None,
    min_learning_rate: float = 0.0,
    update: Literal["epoch", "batch"] = "epoch",
    confirm: bool = True,
    seed: int = 0,
    timeout: float | None = None,
    n_jobs: int | None = None,
    gpus: Sequence[int] | None = None,
    per_gpu: int = 1,
    catch: Sequence[type[Exception]] = (),
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    storage: str | os.PathLike[str] | None = "lrtune.journal",
    study_name: str | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], Any] | None = None,
) -> SearchResult:
    """Search for the learning rate, and its decay, of any training.

    Parameters
    ----------
    train : callable or TorchTrainer
        A generator function ``train(schedule, seed)`` that yields the validation loss once per
        epoch: a number, or a mapping with `metric` and other metrics to record. Or a function
        ``train(schedule, seed, report)`` that calls ``report(loss)`` once per epoch and lets
        `lrtune.Halted` pass, which stops it. It sets the rate to ``schedule(t)``, t in epochs and
        fractional within one. The seed differs between replicates and is the same for every setting
        on one; before each training, Python's ``random``, NumPy and, if loaded, torch are seeded
        with it, too. Further parameters of the space arrive by name. A generator that is stopped
        is closed, so that its ``finally`` and ``with`` blocks run. Or a `TorchTrainer`, whose
        settings train many at once.
    epochs : int
        Epochs of a training: how often it yields or reports.
    space : mapping, optional
        Further parameters to search, by name: a list of choices, a (low, high) tuple or an Optuna
        distribution. ``learning_rate_init`` (default: 1e-5 to 10), ``decay`` and ``decay_rate``
        (1/epoch; default: 0.03/epochs to 30/epochs) replace the default ranges.
    trainings : int, optional
        Trainings in all: search, race of the best settings and measurement of the winner on fresh
        seeds. At least 12; 48 if `n_trials` is not given. One epoch at a negligible rate comes on
        top, which gives the scale of the loss.
    n_trials : int, optional
        Settings to try, in place of `trainings`; the confirmation comes on top, with about as many
        trainings for 64 to 300 settings, and fewer otherwise.
    replicates : int, optional
        Seeds that each setting is tried on, the same for all. By default each block of 8 settings
        has one seed of its own, and `ScheduleSampler` models how these differ; 3 with `sampler` or
        `pruner`.
    direction : {"minimize", "maximize"}, default="minimize"
        "maximize" if higher is better, as for an accuracy.
    metric : str, default="loss"
        Name of the number that is optimised, and its key where `train` yields a mapping.
    default : float or Schedule, optional
        The untuned rate or schedule, to compare with.
    warmup_epochs, cycle_epochs, min_learning_rate, update
        As of `Schedule`, for every setting.
    confirm : bool, default=True
        Confirm the best settings on fresh seeds before one is recommended.
    seed : int, default=0
        Seed of the settings and of the replicates' seeds.
    timeout : float, optional
        Seconds of the search, after which no training begins. Three fifths of them explore, and
        the confirmation has as many trainings as fit into the rest.
    n_jobs : int, optional
        Processes that train at the same time; -1 is one for each core. The result does not depend
        on it if a training's numbers do not. Within ``joblib.parallel_config("dask")``, or another
        of joblib's backends for clusters, so many of its workers train; all by default. A
        `TorchTrainer` has none, nor `gpus`: torch has threads of its own.
    gpus : sequence of int, optional
        Indices of this machine's GPUs, each with a process of its own that trains one setting at a
        time and sees this GPU alone (``CUDA_VISIBLE_DEVICES``), in place of `n_jobs`.
    per_gpu : int, default=1
        Processes on each of `gpus`: so many trainings at a time share it.
    catch : sequence of exception types, optional
        Errors of `train` that make its trial fail, while the search goes on. Others end the search
        with their own traceback; the finished trials are kept, and ``resume=True`` continues.
    sampler : optuna.samplers.BaseSampler, optional
        In place of `ScheduleSampler`.
    pruner : optuna.pruners.BasePruner, optional
        Also stops trainings that lag behind others, by their loss on a setting's first seed.
    storage : str, path or None, default="lrtune.journal"
        Record of the finished trials: a journal file or a database's URL; None for no record.
    study_name : str, optional
        Name of the study; by default that of the function.
    resume : bool, default=False
        Continue the study of that name.
    on_progress : callable, optional
        Called with the progress, whose text is a line: ``on_progress=print``.

    Returns
    -------
    SearchResult
        `schedule` is the recommended schedule, `confirmed_loss` its mean loss on seeds that had no
        part in choosing it, `safe_range` the rates around it that do about as well.

    Raises
    ------
    InvalidInputError
        If an argument breaks a rule, or `train` does: it yields no number, or too few or too many.
    NothingCompletedError
        If no trial completed, or none of the best ones on fresh seeds.
    WorkersLostError
        If a training ended all workers of a cluster that it was tried on. The finished trials are
        kept, and ``resume=True`` continues.

    See Also
    --------
    LearningRateSearchCV : The same for an estimator on a table.

    Examples
    --------
    A quadratic with noise, on which every rate above 1 diverges:

    >>> import random, lrtune
    >>> def train(schedule, seed):
    ...     x = 10.0
    ...     for epoch in range(20):
    ...         x -= schedule(epoch) * (2 * x + random.gauss(0, 1))
    ...         yield x * x
    >>> result = lrtune.search(train, epochs=20, trainings=24, storage=None)
    >>> 0.01 < result.schedule(0) < 1, result.trainings["total"] <= 24
    (True, True)
    """
    loop = make_loop(
        train,
        epochs,
        metric=metric,
        direction=direction,
        default=default,
        catch=catch,
        modifiers={
            "warmup_epochs": warmup_epochs,
            "cycle_epochs": cycle_epochs,
            "min_learning_rate": min_learning_rate,
            "update": update,
        },
    )
    is_users = sampler is not None or pruner is not None
    if replicates is None and is_users:
        replicates = REPLICATES
    n_others = int(loop.default is not None)
    split = split_budget(
        TRAININGS if trainings is None and n_trials is None else trainings,
        n_trials,
        replicates,
        n_others=n_others,
        confirm=confirm,
    )
    name = function_name(train.make_module if isinstance(train, TorchTrainer) else train)
    recording = None
    if storage is not None:
        open_record = Record.resume if resume else Record.create
        recording = Recording(partial(open_record, os.fspath(storage), study_name or name))
    elif resume:
        raise InvalidInputError(
            "`resume=True` continues a recorded study, but got `storage=None`: name its storage"
        )
    resumed = (os.fspath(storage), study_name or name) if resume and storage else None
    with _open_trainer(train, loop, seed, resumed, n_jobs, gpus, per_gpu) as trainer:
        result = search_with(
            trainer,
            Space.of(space, epochs),
            budget=Budget(
                split.n_trials,
                split.replicates,
                timeout,
                confirm,
                confirmation=split.confirmation,
            ),
            sampling=Sampling(seed, sampler, pruner),
            data=DataFacts(name),
            recording=recording,
            on_progress=on_progress,
        )
    return replace(result, trainer=trainer) if isinstance(train, TorchTrainer) else result


@contextmanager
def _open_trainer(
    train: Callable[..., Any] | TorchTrainer,
    loop: Loop,
    seed: int,
    resumed: tuple[str, str] | None,
    n_jobs: int | None,
    gpus: Sequence[int] | None,
    per_gpu: int,
) -> Iterator[LoopTrainer]:
    """Yield the trainer, and end its processes; `resumed` are storage and name of its record."""
    if isinstance(train, TorchTrainer):
        _require_this_process(n_jobs=n_jobs, gpus=gpus, per_gpu=per_gpu)
        yield _torch_trainer(train, loop, seed, resumed)
        return
    with open_workers(n_jobs, gpus, per_gpu) as workers:
        yield LoopTrainer(loop, seed=seed, workers=workers)


def _torch_trainer(
    train: TorchTrainer, loop: Loop, seed: int, resumed: tuple[str, str] | None
) -> LoopTrainer:
    """Return the trainer of a torch module."""
    try:
        from lrtune.tuning.trainers.torch.lockstep import LockstepTrainer
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise InvalidInputError(
            "a TorchTrainer needs torch, but it is not installed: pip install torch"
        ) from error
    if loop.maximize:
        raise InvalidInputError(
            "`direction` must be 'minimize' with a TorchTrainer, whose loss is minimised, but got "
            "'maximize': leave it out"
        )
    choice = None
    if resumed is not None and train.lockstep is None:
        storage, name = resumed
        study = open_own_study(
            storage, name, purpose="resume", otherwise="give another `study_name`"
        )
        choice = read_facts(study).trainer.choice
    return LockstepTrainer(train, loop, seed=seed, choice=choice)


_INSTEAD = {
    "n_jobs": "torch.set_num_threads sets its threads",
    "gpus": "TorchTrainer(device='cuda:1') names another GPU",
    "per_gpu": "TorchTrainer(max_stacked=…) limits the settings at once",
}
"""Advice in place of an argument that a `TorchTrainer` has no use for."""


def _require_this_process(**asked: Any) -> None:
    """Raise InvalidInputError if other processes are asked for, or joblib's are on a cluster."""
    for name, value in asked.items():
        if value not in (None, 1):
            raise InvalidInputError(
                f"`{name}` must be left out with a TorchTrainer, which trains many settings at "
                f"once in one process, but got {value!r}: {_INSTEAD[name]}"
            )
    if is_elsewhere():
        raise InvalidInputError(
            "a TorchTrainer trains in this process, but joblib's active backend is a cluster: "
            "search outside its `parallel_config`"
        )


def make_loop(
    train: Callable[..., Any] | TorchTrainer,
    epochs: int,
    *,
    metric: str,
    direction: str,
    default: float | Schedule | None,
    catch: Sequence[type[Exception]],
    modifiers: dict[str, Any],
) -> Loop:
    """Return a checked loop."""
    if not isinstance(train, TorchTrainer):
        require_function(train)
    if isinstance(epochs, bool) or not isinstance(epochs, Integral) or epochs < 1:
        raise InvalidInputError(
            f"`epochs` must be a whole number of at least 1, but got {epochs!r}: give the number "
            "of times that `train` yields or reports"
        )
    if direction not in ("minimize", "maximize"):
        raise InvalidInputError(
            f"`direction` must be 'minimize' or 'maximize', but got {direction!r}"
        )
    catch = tuple(catch) if isinstance(catch, Sequence) else (catch,)
    for kind in catch:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise InvalidInputError(f"`catch` must hold exception types, but got {kind!r}")
    return Loop(
        train,
        int(epochs),
        metric=metric,
        maximize=direction == "maximize",
        modifiers=modifiers,
        default=_default_schedule(default, modifiers),
        catch=catch,
    )


def _default_schedule(
    default: float | Schedule | None, modifiers: dict[str, Any]
) -> Schedule | None:
    if isinstance(default, Schedule):
        own = {name: getattr(default, name) for name in modifiers}
        if own != modifiers:
            raise InvalidInputError(
                f"`default` must have the warm-up, cycles, floor and update of the search, "
                f"{modifiers}, but has {own}: pass them to the search, too, or a rate as `default`"
            )
        if DECAYS[default.decay].feedback:
            raise InvalidInputError(
                f"`default` must be a function of time, but its `decay` is {default.decay!r}, "
                "which follows the loss: give another schedule, or a rate"
            )
        return default
    if default is None:
        return None
    try:
        return Schedule(learning_rate_init=default, **modifiers)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"`default` must be a learning rate or a Schedule, but got {default!r}: {error}"
        ) from error
