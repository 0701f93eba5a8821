"""The subject of a search: lrtune's network on a table, or a script's function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lrtune.cli.measure import Measure
from lrtune.cli.progress import Count
from lrtune.cli.users_code import users_code

if TYPE_CHECKING:
    from lrtune.tables.dataset import Dataset
    from lrtune.tuning.record.schema import Request, ScriptRequest
    from lrtune.tuning.result import SearchResult
    from lrtune.tuning.scripts import Script


@dataclass(frozen=True)
class Subject:
    """The subject of a search, loaded.

    Attributes
    ----------
    name : str
        Of the data.
    request : Request or ScriptRequest
        What the record is to hold for workers.
    count : Count
        What its progress counts.
    run : callable
        Runs the search, by the keywords that `search_table` and `search_script` share.
    around : callable
        Makes the context that it is to run in.
    dataset : Dataset or None
        The table, if it is one.
    """

    name: str
    request: Request | ScriptRequest
    count: Count
    run: Callable[..., SearchResult]
    around: Callable[[], AbstractContextManager[None]] = nullcontext
    dataset: Dataset | None = None


def load_table(
    request: Request, *, n_jobs: int | None, audit_share: float | None = None
) -> Subject:
    """Return the subject of a request on a table."""
    from lrtune.tables.metrics import LOSS
    from lrtune.tuning.table_search import load, search_table, split_request, with_path
    from lrtune.tuning.trainers.metrics import scorer_name

    split = split_request(request)
    dataset = load(request)
    run = partial(search_table, request, dataset, audit_share=audit_share, n_jobs=n_jobs)
    measure = Measure(scorer_name(request.metric, dataset.y), maximize=request.metric != LOSS)
    count = Count(split.n_trials, measure=measure)
    return Subject(dataset.name, with_path(request), count, run, dataset=dataset)


def load_script(
    request: ScriptRequest, *, n_jobs: int | None, gpus: Sequence[int] | None, per_gpu: int
) -> Subject:
    """Return the subject of a request on a script, which is run once for it."""
    from lrtune.support.engines import open_workers
    from lrtune.tuning.script_search import search_script, split_request
    from lrtune.tuning.scripts import Script

    split = split_request(request)
    around = partial(users_code, request.path)
    with around():
        function = Script(request.path, request.function).load()
    planned = split.n_trials * (split.replicates or 1)
    if split.confirmation is not None:
        planned += int(split.confirmation.limit)
    measure = Measure(request.metric, request.direction == "maximize")
    make_workers = partial(open_workers, n_jobs, gpus, per_gpu)
    run = partial(search_script, request, function, make_workers=make_workers)
    request = replace(request, path=function.path)
    return Subject(request.name, request, Count(planned, "trainings", measure), run, around)


def script_request(script: Script, options: Mapping[str, Any]) -> ScriptRequest:
    """Return the request that the options of a command make."""
    from lrtune.tuning.record.schema import ScriptRequest
    from lrtune.tuning.space import Space

    ranges = {
        "learning_rate_init": options["alpha0"],
        "decay": options["decays"] and list(options["decays"]),
        "decay_rate": options["decay_rate"],
    }
    searched = {name: values for name, values in ranges.items() if values is not None}
    modifiers = ("warmup_epochs", "cycle_epochs", "min_learning_rate", "update")
    return ScriptRequest(
        path=script.path,
        function=script.function,
        name=script.name,
        epochs=options["epochs"],
        space=Space.of(searched | options["parameters"], options["epochs"]),
        trainings=options["trainings"],
        n_trials=options["trials"],
        replicates=options["replicates"],
        modifiers={name: options[name] for name in modifiers},
        **{
            name: options[name]
            for name in ("metric", "direction", "default", "confirm", "pruner", "seed")
        },
    )
