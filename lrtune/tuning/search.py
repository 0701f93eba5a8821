"""The search, from a trainer and a space to a recommended setting.

It finds the range of α₀, explores settings in blocks, and confirms the best ones on fresh
replicates.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.trial import FrozenTrial

from lrtune._version import __version__
from lrtune.exceptions import InvalidInputError, NothingCompletedError, RecordLostError
from lrtune.tuning.audit import audit_pruning, require_share
from lrtune.tuning.blocks import Explorer
from lrtune.tuning.confirm.advice import FEW_ROWS
from lrtune.tuning.confirm.budget import (
    ConfirmationBudget,
    confirmation_beside,
    confirmation_within,
    share_of_search,
)
from lrtune.tuning.confirm.clock import Clock
from lrtune.tuning.confirm.confirmation import confirm
from lrtune.tuning.confirm.judge import LEAST_MEASURED, TOO_LATE, UnconfirmedError
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.progress import Progress, Reporter, StopExploring
from lrtune.tuning.record.processes import at_work
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import (
    DataFacts,
    Ending,
    Environment,
    Plan,
    Request,
    ScriptRequest,
    SearchFacts,
    Seconds,
    TrialFacts,
)
from lrtune.tuning.record.trials import best_trial, n_replicates
from lrtune.tuning.record.workers import once, patience
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Sampling
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Control, Edges, Trainer
from lrtune.tuning.trainers.scale import LossScale

REFERENCE = 3
"""Replicates of the range test and of the reference losses, where each block has a fresh one."""
EXPLORING_SHARE = 0.6
"""Share of a time limit that is for exploring, where a confirmation follows: about as many of all
trainings explore without a time limit."""


@dataclass(frozen=True)
class Budget:
    """Limits of a search, and what it measures beside the search.

    Attributes
    ----------
    n_trials : int
        Trials in the study, including those that a resumed study already has.
    replicates : int or None
        Replicates of each setting, the same for all; None for a fresh one in each block.
    timeout : float or None
        Seconds of the search, of which `EXPLORING_SHARE` explore if it confirms. The first block is
        trained in any case, and an audit comes on top.
    confirm : bool
        True to confirm the best settings on fresh replicates.
    baseline : Setting or None
        Measured beside the recommended setting.
    audit_share : float or None
        Share of the pruned trials to train to the end after all.
    confirmation : ConfirmationBudget or None
        Trainings of the confirmation; None derives them from the search's.
    """

    n_trials: int = 64
    replicates: int | None = None
    timeout: float | None = None
    confirm: bool = True
    baseline: Setting | None = None
    audit_share: float | None = None
    confirmation: ConfirmationBudget | None = None

    def trainings(self, n_finished: int) -> int:
        """Return about how many trainings are left after some trials."""
        exploring = max(0, self.n_trials - n_finished) * (self.replicates or 1)
        confirming = 0 if self.confirmation is None else self.confirmation.limit
        return int(exploring + confirming)

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
    """The place of a search's record, and further facts for it.

    Attributes
    ----------
    open : callable
        Function of the search's facts that opens the record; called once all arguments are checked.
    environment : Environment
    request : Request, ScriptRequest or None
        What workers need to help; None if they cannot.
    """

    open: Callable[[SearchFacts], Record]
    environment: Environment = field(default_factory=Environment)
    request: Request | ScriptRequest | None = None

    def at_work(self, until: ExitStack) -> Recording:
        """Return the recording whose record says, once open, that this process is at work."""

        def enter(facts: SearchFacts) -> Record:
            record = self.open(facts)
            until.enter_context(at_work(record))
            return record

        return replace(self, open=enter)

    def write_beginning(self, record: Record, plan: Plan) -> None:
        """Write the facts that are known before the first trial."""
        if self.environment != Environment():
            record.write(self.environment)
        if self.request is not None:
            record.write(self.request)
        record.write(plan)


def search(
    trainer: Trainer,
    space: Space,
    *,
    budget: Budget,
    sampling: Sampling,
    data: DataFacts | None = None,
    scoring: Any = None,
    recording: Recording | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
    """Search a space for the best setting of a trainer.

    If the space has no range of α₀, a range test finds it. With a worker id in `sampling`, this
    process helps a search that runs elsewhere, whose study `recording` joins: the first process to
    see all trials finished runs the confirmation, and the others wait for it. `data` and `scoring`
    are for the record; without `recording` nothing is recorded.

    Raises
    ------
    InvalidInputError
        If an argument breaks a rule; nothing is recorded then.
    NothingCompletedError
        If no trial completed, or none of them on fresh replicates.
    RecordLostError
        If a worker loses the record; a search that does goes on without it.
    """
    with ExitStack() as until:
        return _search(
            trainer,
            space,
            budget=budget,
            sampling=sampling,
            data=data or DataFacts(),
            scoring=scoring,
            recording=None if recording is None else recording.at_work(until),
            on_progress=on_progress,
        )


def _search(
    trainer: Trainer,
    space: Space,
    *,
    budget: Budget,
    sampling: Sampling,
    data: DataFacts,
    scoring: Any,
    recording: Recording | None,
    on_progress: Callable[[Progress], None] | None,
) -> SearchResult:
    started = time.monotonic()
    reference = range(budget.replicates or REFERENCE)
    trainer.check(space)
    edges: Edges = ()
    if space.learning_rate_init is None:
        bounds, edges = trainer.find_rates(space, reference)
        space = replace(space, learning_rate_init=bounds)
        trainer.check(space)
    scale = trainer.scale(space, reference)  # of a user's function, it trains an epoch
    facts = _facts(trainer, space, budget, sampling, data, scoring)
    record = None if recording is None else recording.open(facts)
    finished = [] if record is None else record.pull()
    total = max(budget.n_trials, len(finished))
    study = None if record is None else record.name
    reporter = Reporter(
        on_progress,
        study,
        finished,
        total=total,
        planned=budget.trainings(len(finished)),
        maximize=facts.trainer.maximize or trainer.objective is not None,
    )
    reporter.report()
    explorer = Explorer(trainer, space, budget.replicates, sampling, record)
    if record is not None and record.is_shared:  # its surplus trials, if any, stay out
        total = budget.n_trials
    plan, environment = _plan(explorer, budget, total, edges, scale), Environment()
    if record is not None and recording is not None:
        facts = record.read(SearchFacts) or facts
        environment = recording.environment
        if sampling.worker:
            plan = record.read(Plan) or plan
            environment = record.read(Environment) or environment
        else:
            recording.write_beginning(record, plan)

    deadline = math.inf if budget.timeout is None else started + budget.timeout
    control = Control(deadline=deadline, on_training=reporter.count_training)
    lost, stop = _explore(explorer, finished, budget, control, reporter)
    record = None if lost else record
    surplus: tuple[FrozenTrial, ...] = ()
    is_shared = record is not None and (sampling.worker > 0 or record.is_shared)
    if is_shared:  # all processes use the same trials, even if one of them trained a block too many
        surplus = tuple(finished[budget.n_trials :])
        del finished[budget.n_trials :]
    confirmation, unconfirmed, clock = None, "", Clock(deadline)
    with _failure_recorded(record, finished):
        _require_completed(finished, trainer)
        searched = time.monotonic()
        if budget.confirm:
            reporter.report(confirming=True)
            clock.least = explorer.clock.each or _recorded_seconds(finished, trainer.epochs)
            try:
                confirmation, lost_now = _confirm(
                    explorer, finished, budget, record, control, clock, is_shared=is_shared
                )
                lost = lost or lost_now
            except UnconfirmedError as error:
                unconfirmed = str(error)
    done = time.monotonic()
    record = None if lost else record
    result = SearchResult(
        facts=facts,
        plan=plan,
        finished=tuple(finished),
        confirmation=confirmation,
        ending=None,
        environment=environment,
        study=None if record is None else record.name,
        storage=None if record is None else record.storage,
        surplus=surplus,
    )
    cure = "give a higher limit" + (", and `resume=True`" if record is not None else "")
    cut = confirmation if clock.has_refused else None
    audit = None
    if budget.audit_share is not None:
        audit = audit_pruning(explorer, finished, share=budget.audit_share)
    ending = Ending(
        n_trials=len(finished),
        confirmed=confirmation is not None,
        best_trial=result.best_trial,
        best_value=result.recommended_value,
        warnings=(
            *result.advice,
            *_shortfalls(len(finished), budget.n_trials, stop, cut, unconfirmed, cure, lost),
        ),
        seconds=Seconds(searched - started, done - searched, done - started),
        pruning_audit=audit,
    )
    if record is not None:
        with suppress(RecordLostError):  # the record then lacks its ending alone
            record.write(ending)
    return replace(result, ending=ending)


def _explore(
    explorer: Explorer,
    finished: list[FrozenTrial],
    budget: Budget,
    control: Control,
    reporter: Reporter,
) -> tuple[RecordLostError | None, str]:
    """Train blocks of trials; return why the record was lost, if it was, and what may end it."""
    try:
        lost = explorer.explore(
            finished,
            n_trials=budget.n_trials,
            control=replace(control, deadline=_end_of_exploring(control.deadline, budget)),
            on_trials=reporter.report,
        )
    except StopExploring as stopped:
        return None, str(stopped)
    return lost, "the time limit"


def _end_of_exploring(deadline: float, budget: Budget) -> float:
    """Return the time after which the rest of the time limit is the confirmation's."""
    if not budget.confirm or math.isinf(deadline):
        return deadline
    now = time.monotonic()
    return now + EXPLORING_SHARE * (deadline - now)


def _recorded_seconds(trials: Sequence[FrozenTrial], epochs: int) -> float:
    """Return the seconds of a training in trials that were all finished before this search."""
    facts = [TrialFacts.of(trial) for trial in trials]
    trained = sum(each.epochs for each in facts)
    return epochs * sum(each.seconds for each in facts) / trained if trained else 0.0


def _require_completed(finished: Sequence[FrozenTrial], trainer: Trainer) -> None:
    """Raise NothingCompletedError if no trial completed."""
    if not finished:
        raise NothingCompletedError(
            "no trial ended within the time limit: give a higher `timeout`, or leave it out"
        )
    is_function = trainer.facts().function is not None
    best_trial(
        finished,
        "search lower rates (`space={'learning_rate_init': (LOW, HIGH)}`)" if is_function else "",
    )


def _facts(
    trainer: Trainer,
    space: Space,
    budget: Budget,
    sampling: Sampling,
    data: DataFacts,
    scoring: Any,
) -> SearchFacts:
    data_hash, splits_hash = trainer.hashes()
    return SearchFacts(
        version=__version__,
        data=data,
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


def _plan(
    explorer: Explorer, budget: Budget, n_trials: int, edges: Edges, scale: LossScale
) -> Plan:
    trainer, space = explorer.trainer, explorer.space
    default = trainer.default_setting(space)
    return Plan(
        n_trials=n_trials,
        confirm=budget.confirm,
        n_validation=trainer.n_validation,
        naive_loss=_finite(scale.naive),
        dead_loss=trainer.dead_loss(space),
        default=None if default is None else space.params(default),
        edges=tuple(tuple(map(_finite, row)) for row in edges),
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


@contextmanager
def _failure_recorded(record: Record | None, trials: Sequence[FrozenTrial]) -> Iterator[None]:
    """Record a NothingCompletedError that is raised inside as the search's ending."""
    try:
        yield
    except NothingCompletedError as error:
        if record is not None:
            record.write(Ending(len(trials), failure=str(error)))
        raise


def _confirm(
    explorer: Explorer,
    finished: Sequence[FrozenTrial],
    budget: Budget,
    record: Record | None,
    control: Control,
    clock: Clock,
    *,
    is_shared: bool,
) -> tuple[Confirmation, RecordLostError | None]:
    """Confirm and record it, once among all processes; also return the error if that fails."""
    default = explorer.trainer.default_setting(explorer.space)
    n_others = (default is not None) + (budget.baseline is not None)

    def run() -> Confirmation:
        return confirm(
            finished,
            explorer.space,
            explorer.trainer,
            fresh=itertools.count(n_replicates(finished) or budget.replicates or 1),
            budget=_in_time(_planned(explorer, len(finished), budget, n_others), n_others, clock),
            baseline=budget.baseline,
            control=control,
            simplify=budget.confirmation is not None,
        )

    if record is None:
        return run(), None
    if is_shared:
        n_trials = len(finished)
        wait = min(patience(finished), max(0.0, clock.deadline - time.monotonic()))
        try:
            values = once(
                record, Confirmation.KEY, lambda: run().to_json(), n_trials=n_trials, wait=wait
            )
        except RecordLostError as error:
            return run(), error
        return Confirmation.from_json(values), None
    confirmation = run()
    try:
        record.write(confirmation)
    except RecordLostError as error:
        return confirmation, error
    return confirmation, None


def _in_time(planned: ConfirmationBudget, n_others: int, clock: Clock) -> ConfirmationBudget:
    """Return the budget, or the largest one that fits into the time that is left."""
    if not clock.allows(planned.trainings(n_others)):
        if not clock.allows(LEAST_MEASURED):
            raise UnconfirmedError(TOO_LATE)
        planned = confirmation_within(clock.fitting(), n_others=n_others)
    return replace(planned, clock=clock)


def _planned(
    explorer: Explorer, n_finished: int, budget: Budget, n_others: int
) -> ConfirmationBudget:
    """Return the budget as planned, or that of the trials if there are more or fewer of them."""
    explored = n_finished * (budget.replicates or 1)
    if budget.confirmation is None:
        share = share_of_search(explorer.trainer.n_validation or FEW_ROWS)
        return ConfirmationBudget.of(share * explored)
    if n_finished == budget.n_trials:
        return budget.confirmation
    return confirmation_beside(explored, n_others=n_others)


def _shortfalls(
    n_finished: int,
    n_trials: int,
    stop: str,
    cut: Confirmation | None,
    unconfirmed: str,
    cure: str,
    lost: RecordLostError | None,
) -> Iterator[str]:
    """Yield warnings of a search that a limit stopped, or that lost its record."""
    if n_finished < n_trials:
        yield f"stopped by {stop} after {n_finished} of {n_trials} trials"
    if cut is not None:
        yield f"the time limit cut the confirmation short, to {cut.trainings} trainings"
    if unconfirmed:
        yield f"not confirmed, as {unconfirmed}: {cure}"
    if lost is not None:
        yield f"{lost}; this result, of {n_finished} trials, is not recorded in full"
