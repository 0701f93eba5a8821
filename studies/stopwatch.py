"""A stopwatch held against a program from the outside: no part of lrtune knows of it.

    python studies/stopwatch.py TIMES.json search digits --storage FILE

runs ``lrtune search digits --storage FILE`` with a watch around its functions, and writes down the
seconds of each part. Only the standard library is imported before the command begins, as without
the watch.
"""

import builtins
import importlib
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

START = "start"
REST = "the rest"
IMPORT = "import"


class Stopwatch:
    """Seconds by phase and part: while an inner part runs, the outer one's watch stands still."""

    now = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)
        self.entered = 0
        self._running = [(START, REST)]
        self._since = self.now()
        self._replaced: list[tuple[Any, str, Any]] = []

    @property
    def part(self) -> str:
        """The part that runs now."""
        return self._running[-1][1]

    def enter(self, part: str, phase: str | None = None) -> None:
        """Begin a part, of the phase that runs now or of a new one."""
        now = self.now()
        self.seconds[self._running[-1]] += now - self._since
        self._running.append((phase or self._running[-1][0], part))
        self.entered += 1
        self._since = now

    def leave(self) -> None:
        """End it, and go on with the one around it."""
        now = self.now()
        self.seconds[self._running.pop()] += now - self._since
        self._since = now

    def stop(self) -> None:
        """Add what runs now."""
        self.enter(REST)
        self.leave()

    def watch(
        self, owner: Any, name: str, part: str, phase: str | None = None, *, within: str = ""
    ) -> None:
        """Replace a function by one that is timed; with `within`, only inside that part."""
        function = getattr(owner, name)

        def timed(*args: Any, **keywords: Any) -> Any:
            if within and self.part != within:
                return function(*args, **keywords)
            self.enter(part, phase)
            try:
                return function(*args, **keywords)
            finally:
                self.leave()

        self.replace(owner, name, timed)

    def replace(self, owner: Any, name: str, function: Callable[..., Any]) -> None:
        """Replace a function until `restore`."""
        self._replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, function)

    def watch_imports(self) -> None:
        """Time imports, wherever they are made, by the package that is imported."""
        for owner, name in ((builtins, "__import__"), (importlib, "import_module")):
            self.replace(owner, name, partial(self._import, getattr(owner, name)))

    def _import(self, plain: Callable[..., Any], name: str, *args: Any, **keywords: Any) -> Any:
        level = keywords.get("level", args[3] if len(args) > 3 else 0)
        if level or name in sys.modules or name.startswith("."):  # of the package imported now
            return plain(name, *args, **keywords)
        self.enter(f"{IMPORT} {name.partition('.')[0]}")
        try:
            return plain(name, *args, **keywords)
        finally:
            self.leave()

    def restore(self) -> None:
        """Put back what was replaced."""
        while self._replaced:
            setattr(*self._replaced.pop())


def watch_search(watch: Stopwatch, trained: Counter[tuple[Any, ...]]) -> None:
    """Watch the parts of a search, and count the steps trained by the shape of their arrays."""
    for name in ("sklearn.pipeline", "lrtune.tables.dataset", "lrtune.tuning.search"):
        importlib.import_module(name)  # in the command's own order, on which the time depends
    import optuna
    import sklearn.model_selection

    import lrtune.tables.dataset
    import lrtune.tuning.search as searching
    import lrtune.tuning.trainers.network
    from lrtune.training.population import Population
    from lrtune.training.workspace import Workspace
    from lrtune.tuning.blocks import Explorer
    from lrtune.tuning.record.record import Record
    from lrtune.tuning.sampling import asking

    # the phases
    watch.watch(lrtune.tuning.trainers.network, "find_range", REST, "range test")
    watch.watch(Explorer, "explore", REST, "search")
    watch.watch(searching, "confirm", REST, "confirmation")
    # the parts
    watch.watch(lrtune.tables.dataset, "load_dataset", "load")
    watch.watch(sklearn.model_selection, "train_test_split", "prepare")
    for name in ("prepare", "check_space"):
        watch.watch(lrtune.tuning.trainers.network, name, "prepare")
    watch.watch(asking, "ask_block", "ask")
    watch.watch(Population, "train_epoch", "train")
    watch.watch(Population, "train_step", "train")
    watch.watch(Workspace, "read", "train: reading rows", within="train")
    for name in ("evaluate", "outputs"):
        watch.watch(Population, name, "evaluate")
    for name in ("_drop_diverged_in_training", "drop_diverged", "keep"):
        watch.watch(Population, name, "divergence check")
    for name in ("create", "push", "pull"):
        watch.watch(Record, name, "record")
    watch.watch(searching, "_facts", "record")
    watch.watch(optuna.Study, "set_user_attr", "record")
    train_epoch = Population.train_epoch

    def counted(self: Any, rows: Any, rates: Any, order: Any) -> Any:
        full, last = divmod(len(order), self.batch_size)
        trained[*self.network.layer_sizes, len(self), self.batch_size] += full
        if last:
            trained[*self.network.layer_sizes, len(self), last] += 1
        return train_epoch(self, rows, rates, order)

    watch.replace(Population, "train_epoch", counted)


def main() -> None:
    """Run lrtune's command line, and write down how long its parts took."""
    path, *words = sys.argv[1:]
    watch, trained = Stopwatch(), Counter[tuple[Any, ...]]()
    begun = time.perf_counter()
    watch.watch_imports()
    from lrtune.cli import LazyGroup
    from lrtune.cli import main as command

    get_command = LazyGroup.get_command

    def get_and_watch(*args: Any) -> Any:  # the rest is imported when the command line wants it
        watch_search(watch, trained)
        return get_command(*args)

    watch.replace(LazyGroup, "get_command", get_and_watch)
    command(words)
    watch.stop()
    watch.restore()
    told = {
        "begun": begun,  # by a clock that all processes share
        "ended": time.perf_counter(),
        "entered": watch.entered,
        "seconds": [[*key, seconds] for key, seconds in watch.seconds.items()],
        "trained": [[list(key), steps] for key, steps in trained.items()],
    }
    Path(path).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
