"""The search of a training function in a script, as ``lrtune search`` and its workers run it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, cast

from lrtune.exceptions import InvalidInputError
from lrtune.support.processes import Workers
from lrtune.tuning.confirm.budget import Split, split_budget
from lrtune.tuning.function_search import (
    REPLICATES,
    TRAININGS,
    make_loop,
)
from lrtune.tuning.progress import Progress
from lrtune.tuning.record.record import Record, read_facts
from lrtune.tuning.record.schema import DataFacts, ScriptRequest
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.sampling.competitive import PRUNERS
from lrtune.tuning.search import Budget, Recording, search
from lrtune.tuning.trainers.loop import LoopTrainer


def read_script_request(record: Record, data: str | None = None) -> ScriptRequest | None:
    """Read the request of a script's search from its record, for a worker; None if it has none.

    `data` is the place of the script on this machine, if it differs.
    """
    request = record.read(ScriptRequest)
    if request is None:
        return None
    if data is not None and not data.endswith(".py"):
        raise InvalidInputError(
            f"`data` must be the place of the search's script, a file FILE.py, but got {data!r}"
        )
    return replace(request, path=data or request.path, space=read_facts(record.study).space)


def split_request(request: ScriptRequest) -> Split:
    """Return the trials, replicates and confirmation that a request pays for."""
    replicates = request.replicates
    if replicates is None and request.pruner != "none":
        replicates = REPLICATES
    return split_budget(
        TRAININGS if request.trainings is None and request.n_trials is None else request.trainings,
        request.n_trials,
        replicates,
        n_others=int(request.default is not None),
        confirm=request.confirm,
    )


def search_script(
    request: ScriptRequest,
    function: Callable[..., Any],
    *,
    recording: Recording,
    timeout: float | None = None,
    make_workers: Callable[[], AbstractContextManager[Workers | None]] = nullcontext,
    worker: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
    """Run a requested search; further arguments are those of `search`, `Budget` and `Sampling`."""
    loop = make_loop(
        function,
        request.epochs,
        metric=request.metric,
        direction=request.direction,
        default=request.default,
        catch=(),
        modifiers=cast("dict[str, Any]", request.modifiers),
    )
    split = split_request(request)
    with make_workers() as workers:
        return search(
            LoopTrainer(loop, seed=request.seed, workers=workers),
            request.space,
            budget=Budget(
                split.n_trials,
                split.replicates,
                timeout,
                request.confirm,
                confirmation=split.confirmation,
            ),
            sampling=Sampling(
                request.seed, pruner=PRUNERS[request.pruner](request.epochs), worker=worker
            ),
            data=DataFacts(request.name),
            recording=recording,
            on_progress=on_progress,
        )
