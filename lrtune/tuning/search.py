"""The search, from a trainer and a space to a recommended setting.

α₀'s range is found, settings are explored in blocks, and the best of them are confirmed on fresh
replicates.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.trial import FrozenTrial

from lrtune._version import __version__
from lrtune.exceptions import InvalidInputError, NothingCompletedError, RecordLostError
from lrtune.tuning.audit import audit_pruning, require_share
from lrtune.tuning.blocks import Explorer
from lrtune.tuning.confirm.advice import NOT_CONFIRMED, advise
from lrtune.tuning.confirm.race import ConfirmationBudget, confirm, share_of_search
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.range_test import Edges, edge_range
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import (
    DataFacts,
    Ending,
    Environment,
    Plan,
    Request,
    SearchFacts,
    Seconds,
)
from lrtune.tuning.record.trials import TrialCounts, best_trial
from lrtune.tuning.record.workers import once, patience
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Sampling
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer

__all__ = ["Budget", "Progress", "Recording", "search", "search_facts"]


@dataclass(frozen=True)
class Budget:
    """What a search may spend.

    Attributes
    ----------
    n_trials : int
        Trials in the study, counting those that a resumed study already has.
    replicates : int
        That each setting is judged on.
    timeout : float or None
        Seconds after which no further block is begun.
    confirm : bool
        Whether the best settings are confirmed on fresh replicates.
    baseline : Setting or None
        Measured beside the recommended setting.
    audit_share : float or None
        Share of the pruned trials to finish after all.

    Raises
    ------
    InvalidInputError
        If one of them breaks a rule.
    """

    n_trials: int = 64
    replicates: int = 3
    timeout: float | None = None
    confirm: bool = True
    baseline: Setting | None = None
    audit_share: float | None = None

    def __post_init__(self) -> None:
        if self.audit_share is not None:
            require_share(self.audit_share)
        if self.n_trials < 1:
            raise InvalidInputError(
                f"`n_trials` must be at least 1, but got {self.n_trials}: the default is 64"
            )
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidInputError(
                f"`timeout` must be above 0, but got {self.timeout}: give seconds, or leave it out"
            )


@dataclass(frozen=True)
class Recording:
    """Where a search is recorded.

    Attributes
    ----------
    open : callable
        Opens the record, given the search's facts; called once all arguments are checked.
    environment : Environment
    request : Request or None
        For workers; without it none can help.
    """

    open: Callable[[SearchFacts], Record]
    environment: Environment = field(default_factory=Environment)
    request: Request | None = None


@dataclass(frozen=True)
class Progress:
    """How far a search is: at its start, after each block, and when confirmation begins."""

    study: str | None
    finished: int
    total: int
    best: FrozenTrial | None
    trials: TrialCounts
    confirming: bool = False


def search(
    trainer: NetworkTrainer,
    space: Space,
    *,
    budget: Budget,
    sampling: Sampling,
    data: DataFacts | None = None,
    scoring: Any = None,
    recording: Recording | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
    """Search for the best setting of what a trainer trains.

    Parameters
    ----------
    trainer : NetworkTrainer
    space : Space
        Without a range of α₀, it is laid around the edge that a range test finds.
    budget : Budget
    sampling : Sampling
        With a worker id, it helps a search that runs elsewhere, whose study `recording` joins: the
        first process to see all trials finished runs the confirmation, the others wait for it.
    data : DataFacts, optional
        The data's name and size, for the record.
    scoring : JSON value, optional
        The metric as the user gave it, for the record.
    recording : Recording, optional
        By default nothing is recorded.
    on_progress : callable, optional
        Called with a `Progress` at the start and after each block.

    Returns
    -------
    SearchResult

    Raises
    ------
    InvalidInputError
        If an argument breaks a rule; nothing is recorded then.
    NothingCompletedError
        If no trial completed, or none of them on fresh replicates.
    RecordLostError
        If a worker loses the record; a search that does goes on without it.
    """
    started = time.monotonic()
    replicates = range(budget.replicates)
    trainer.check(space)
    edges: Edges = ()
    if space.learning_rate_init is None:
        bounds, edges = edge_range(trainer, space, replicates)
        space = replace(space, learning_rate_init=bounds)
        trainer.check(space)
    facts = search_facts(trainer, space, budget, sampling, data=data, scoring=scoring)
    record = None if recording is None else recording.open(facts)  # all else is checked by now
    finished = [] if record is None else record.pull()
    total = max(budget.n_trials, len(finished))
    report = _reporter(on_progress, None if record is None else record.name, finished, total)
    report()
    explorer = Explorer(trainer, space, replicates, sampling, record)
    plan, environment = _plan(explorer, budget, total, edges), Environment()
    if recording is not None:
        environment = recording.environment
    if record is not None and recording is not None and not sampling.worker:
        _write_beginning(record, recording, plan)
    elif record is not None:
        plan = record.read(Plan) or plan
        environment = record.read(Environment) or environment
    deadline = math.inf if budget.timeout is None else started + budget.timeout
    lost = explorer.explore(finished, n_trials=budget.n_trials, deadline=deadline, on_block=report)
    kept = None if lost else record
    is_shared = kept is not None and (sampling.worker > 0 or kept.is_shared)
    if is_shared:  # so that all processes come to the same, whoever finished a block too many
        del finished[budget.n_trials :]
    with _failure_recorded(kept, finished):
        best_trial(finished)  # raises if none completed
    searched = time.monotonic()
    confirmation = None
    if budget.confirm:
        report(confirming=True)
        with _failure_recorded(kept, finished):
            confirmation, unwritten = _confirmed(
                lambda: _confirm(explorer, finished, budget), kept, finished, is_shared=is_shared
            )
            lost = lost or unwritten
    done = time.monotonic()
    warnings = _warnings(finished, space, trainer, budget, confirmation)
    if lost is not None:
        warnings.append(f"{lost}; this result, of {len(finished)} trials, is not recorded in full")
        record = None
    audit = None
    if budget.audit_share is not None:
        audit = audit_pruning(explorer, finished, share=budget.audit_share)
    ending = Ending(
        n_trials=len(finished),
        confirmed=budget.confirm,
        warnings=tuple(warnings),
        seconds=Seconds(searched - started, done - searched, done - started),
        pruning_audit=audit,
    )
    if record is not None:
        with suppress(RecordLostError):  # only this last note is missing then
            record.write(ending)
    return SearchResult(
        facts=facts,
        plan=plan,
        finished=tuple(finished),
        confirmation=confirmation,
        ending=ending,
        environment=environment,
        study=None if record is None else record.name,
        storage=None if record is None else record.storage,
    )


def search_facts(
    trainer: NetworkTrainer,
    space: Space,
    budget: Budget,
    sampling: Sampling,
    *,
    data: DataFacts | None = None,
    scoring: Any = None,
) -> SearchFacts:
    """Return what is searched: what a resumed search must share."""
    data_hash, splits_hash = trainer.hashes()
    return SearchFacts(
        version=__version__,
        data=data or DataFacts(),
        seed=sampling.seed,
        replicates=budget.replicates,
        trainer=trainer.facts(),
        metric=trainer.metric or "loss",
        scoring=scoring,
        data_hash=data_hash,
        splits_hash=splits_hash,
        space=space,
        block_size=BLOCK_SIZE,
        pruner=None if sampling.pruner is None else type(sampling.pruner).__name__,
    )


def _plan(explorer: Explorer, budget: Budget, n_trials: int, edges: Edges) -> Plan:
    trainer, space = explorer.trainer, explorer.space
    naive = trainer.naive_loss(explorer.replicates)
    return Plan(
        n_trials=n_trials,
        confirm=budget.confirm,
        n_validation=trainer.n_validation,
        naive_loss=naive if math.isfinite(naive) else None,
        default=space.drawn(trainer.default_setting(space)),
        edges=tuple(
            tuple(float(edge) if math.isfinite(edge) else None for edge in row) for row in edges
        ),
    )


def _write_beginning(record: Record, recording: Recording, plan: Plan) -> None:
    if recording.environment != Environment():
        record.write(recording.environment)
    if recording.request is not None:
        record.write(recording.request)
    record.write(plan)


@contextmanager
def _failure_recorded(record: Record | None, trials: Sequence[FrozenTrial]) -> Iterator[None]:
    """Record why nothing completed, if nothing does inside."""
    try:
        yield
    except NothingCompletedError as error:
        if record is not None:
            record.write(Ending(len(trials), failure=str(error)))
        raise


def _confirm(explorer: Explorer, finished: Sequence[FrozenTrial], budget: Budget) -> Confirmation:
    share = share_of_search(explorer.trainer.n_validation)
    return confirm(
        finished,
        explorer.space,
        explorer.trainer,
        fresh=itertools.count(budget.replicates),
        budget=ConfirmationBudget(share * len(finished) * budget.replicates),
        baseline=budget.baseline,
    )


def _confirmed(
    run: Callable[[], Confirmation],
    record: Record | None,
    trials: Sequence[FrozenTrial],
    *,
    is_shared: bool,
) -> tuple[Confirmation, RecordLostError | None]:
    """Confirm here, or take the confirmation of the process that was first.

    Also returns the error if it could not be recorded.
    """
    if record is None:
        return run(), None
    if is_shared:

        def work() -> Mapping[str, Any]:
            return run().to_json()

        try:
            wait, key = patience(trials), Confirmation.KEY
            values = once(record, key, work, n_trials=len(trials), wait=wait)
        except RecordLostError as error:
            return run(), error
        return Confirmation.from_json(values), None
    confirmation = run()
    try:
        record.write(confirmation)
    except RecordLostError as error:
        return confirmation, error
    return confirmation, None


def _warnings(
    finished: Sequence[FrozenTrial],
    space: Space,
    trainer: NetworkTrainer,
    budget: Budget,
    confirmation: Confirmation | None,
) -> list[str]:
    warnings = [NOT_CONFIRMED]
    if confirmation is not None:
        warnings = advise(confirmation, space, trainer.n_validation)
    if len(finished) < budget.n_trials:
        warnings.append(
            f"stopped by the time limit after {len(finished)} of {budget.n_trials} trials"
        )
    return warnings


def _reporter(
    on_progress: Callable[[Progress], None] | None,
    study: str | None,
    finished: Sequence[FrozenTrial],
    total: int,
) -> Callable[..., None]:
    """Return a function that reports progress; nothing is counted if nobody listens."""

    def report(*, confirming: bool = False) -> None:
        if on_progress is not None:
            counts = TrialCounts.of(finished)
            best = best_trial(finished) if counts.complete else None
            on_progress(Progress(study, len(finished), total, best, counts, confirming))

    return report
