"""How few trainings a sampler needs on recurrent networks that others trained with Adam.

TaskSet (Metz and others 2020, arXiv:2002.11887) trained 1,000 settings of Adam, with a linear and
an exponential decay of its rate, for 10,000 steps on each of many tasks. A sampler is asked for
settings, one block after another; what it gets told are the nearest settings of the table that it
has not had, with their losses. Nothing is trained here.

    pip install torch==2.13.0
    python studies/taskset.py TABLES.npz [--repetitions 8] [--block 1] [--strategies random,TPE]

The file holds NAME.hp (settings × 8), NAME.valid and NAME.test (settings × points in time) for each
task of whatever name.
"""

import argparse
import importlib.util
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_limits
from tutorial import RESULTS, header, table

import lrtune
from lrtune.tuning.record.storage import quiet_optuna

Array = npt.NDArray[Any]

STEPS = 10_000
MARKS = (12, 24, 48)
"""Numbers of trainings after which the best is noted."""
SPACE = {
    "learning_rate": (1e-8, 10.0),
    "one_minus_beta1": (1e-4, 1.0),
    "one_minus_beta2": (1e-6, 1.0),
    "epsilon": (1e-10, 1e3),
    "l1": (1e-8, 10.0),
    "l2": (1e-8, 10.0),
    "linear_decay": (1e-7, 1e-4),
    "exponential_decay": (1e-6, 1e-3),
}
"""TaskSet's ranges, all logarithmic, in the order of the columns."""
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    name: FloatDistribution(low, high, log=True) for name, (low, high) in SPACE.items()
}


# --- the tables ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One task's settings and losses.

    Attributes
    ----------
    name : str
        Its name in the file.
    settings : ndarray of shape (n_settings, 8)
        Parameters in the order and unit of `SPACE`.
    losses : ndarray of shape (n_settings,)
        Validation loss at the end; that of a training that was not finite throughout, and whatever
        is higher, is twice the median loss at the start.
    diverged : ndarray of bool, shape (n_settings,)
        Whether the training was not finite throughout.
    """

    name: str
    settings: Array
    losses: Array
    diverged: Array

    @classmethod
    def of(cls, name: str, hp: Array, valid: Array) -> "Task":
        """Return the task of a table's two arrays."""
        settings = hp.astype(float)
        settings[:, 1:3] = 1 - settings[:, 1:3]
        lows, highs = np.array(list(SPACE.values())).T
        valid = valid.astype(float)
        diverged = np.asarray(~np.isfinite(valid).all(axis=1))
        cap = 2 * np.median(valid[np.isfinite(valid[:, 0]), 0])
        losses = np.where(diverged, cap, np.minimum(valid[:, -1], cap))
        return cls(name, np.clip(settings, lows, highs), losses, diverged)

    def regret(self, loss: float) -> float:
        """Return a loss, 0 being the best setting's and 1 the median setting's."""
        best = self.losses.min()
        return float((loss - best) / (np.median(self.losses) - best))


def read_tasks(path: Path) -> list[Task]:
    """Return the tasks of a file, by name."""
    with np.load(path) as arrays:
        names = sorted(key.removesuffix(".hp") for key in arrays if key.endswith(".hp"))
        return [Task.of(name, arrays[f"{name}.hp"], arrays[f"{name}.valid"]) for name in names]


def in_unit_cube(settings: Array) -> Array:
    """Scale the logarithm of each parameter to [0, 1]."""
    lows, highs = np.log(np.array(list(SPACE.values()))).T
    return np.asarray((np.log(settings) - lows) / (highs - lows))


@dataclass
class Rows:
    """The settings of a table, and which of them have not been tried."""

    settings: Array
    untried: Array = field(init=False)

    def __post_init__(self) -> None:
        self.untried = np.ones(len(self.settings), dtype=bool)
        self.points = in_unit_cube(self.settings)

    def take(self, params: Mapping[str, float]) -> int:
        """Return the nearest row that has not been tried, and count it as tried."""
        asked = in_unit_cube(np.array([params[name] for name in SPACE]))
        distance = np.where(self.untried, ((self.points - asked) ** 2).sum(axis=1), np.inf)
        row = int(distance.argmin())
        self.untried[row] = False
        return row

    def params(self, row: int) -> dict[str, float]:
        """Return a row as parameters."""
        return dict(zip(SPACE, self.settings[row].tolist(), strict=True))

    def columns(self) -> dict[str, Array]:
        """Return the untried rows by parameter."""
        return dict(zip(SPACE, self.settings[self.untried].T, strict=True))


# --- samplers ------------------------------------------------------------------------------------


class RandomRow(RandomSampler):
    """Draws from the rows themselves."""

    def __init__(self, seed: int, rows: Rows) -> None:
        super().__init__(seed)
        self._rows = rows
        self._generator = np.random.default_rng(seed)

    def infer_relative_search_space(self, *_: Any) -> dict[str, BaseDistribution]:
        """Return all parameters, as they are drawn together."""
        return DISTRIBUTIONS

    def sample_relative(self, *_: Any) -> dict[str, Any]:
        """Return an untried row."""
        return self._rows.params(int(self._generator.choice(np.flatnonzero(self._rows.untried))))


def tpe_among(seed: int, rows: Rows) -> BaseSampler:
    """Return TPE whose candidates are rows, drawn with the density that it draws settings with."""

    class Among(_ParzenEstimator):
        def sample(self, rng: np.random.RandomState, size: int) -> dict[str, Array]:
            columns = rows.columns()
            density = self.log_pdf(columns)
            chances = np.exp(density - density.max())
            drawn = rng.choice(len(chances), size, p=chances / chances.sum())
            return {name: column[drawn] for name, column in columns.items()}

    sampler = tpe(seed, rows)
    sampler._parzen_estimator_cls = Among
    return sampler


class GaussianProcessAmong(GPSampler):
    """Takes the untried row with the highest expected improvement."""

    def __init__(self, seed: int, rows: Rows) -> None:
        super().__init__(seed=seed)
        self._rows = rows

    def _optimize_acqf(self, acqf: Any, best_params: Array | None) -> Array:  # noqa: ARG002
        order = [list(SPACE).index(name) for name in sorted(SPACE)]  # Optuna sorts by name
        points = self._rows.points[self._rows.untried][:, order]
        return np.asarray(points[acqf.eval_acqf_no_grad(points).argmax()])


def tpe(seed: int, _: Rows) -> TPESampler:
    """Return Optuna's TPE over all parameters together."""
    return TPESampler(seed=seed, multivariate=True, constant_liar=True)


def schedule_of(
    learning_rate: float, linear_decay: float, exponential_decay: float
) -> Callable[[float], float]:
    """Return a setting's learning rate as a function of t in steps."""
    return lambda t: (
        learning_rate * max(0.0, 1 - linear_decay * t) * math.exp(-exponential_decay * t)
    )


def schedule_sampler(seed: int, _: Rows) -> BaseSampler:
    """Return lrtune's sampler, which is told each setting's schedule."""
    return lrtune.ScheduleSampler(epochs=STEPS, schedule=schedule_of, seed=seed)


class ScheduleSamplerAmong(lrtune.ScheduleSampler):
    """Takes the untried row that is the best in a draw of the model."""

    def __init__(self, seed: int, rows: Rows) -> None:
        super().__init__(epochs=STEPS, schedule=schedule_of, seed=seed)
        self._rows = rows

    def _candidates(self, *_: Any) -> list[dict[str, Any]]:
        return [self._rows.params(int(row)) for row in np.flatnonzero(self._rows.untried)]


STRATEGIES: dict[str, Callable[[int, Rows], BaseSampler]] = {
    "random": lambda seed, _: RandomSampler(seed),
    "TPE": tpe,
    "GP": lambda seed, _: GPSampler(seed=seed),
    "random row": RandomRow,
    "TPE among rows": tpe_among,
    "GP among rows": GaussianProcessAmong,
    "ScheduleSampler": schedule_sampler,
    "ScheduleSampler among rows": ScheduleSamplerAmong,
}
"""Functions of a seed and the table's rows that return a sampler; to add one, add a line."""
AMONG_ROWS = ("random row", "TPE among rows", "GP among rows", "ScheduleSampler among rows")
NEEDS_TORCH = ("GP", "GP among rows")
SLOW = {"GP": 2, "GP among rows": 4}
"""Strategies with so many repetitions at most."""


# --- the game ------------------------------------------------------------------------------------


def play(task: Task, strategy: str, seed: int, *, n: int, block: int = 1) -> tuple[Array, float]:
    """Return the losses that a sampler came upon, in order, and how far its wishes were from rows.

    Of a block, all are asked for before any is told. A wish is told as failed, which samplers
    ignore, and the row that it got as a finished trial of its own, so that the sampler sees which
    setting the loss belongs to. The distance is the median factor between learning rates.
    """
    rows = Rows(task.settings)
    sampler = STRATEGIES[strategy](seed, rows)
    study = optuna.create_study(sampler=sampler)
    found: list[float] = []
    factors = []
    while len(found) < n:
        asked, taken = [], []
        for _ in range(min(block, n - len(found))):
            trial = study.ask(DISTRIBUTIONS)
            taken.append(rows.take(trial.params))
            asked.append(trial)
            ratio = task.settings[taken[-1], 0] / trial.params["learning_rate"]
            factors.append(abs(math.log(ratio)))
        for trial, row in zip(asked, taken, strict=True):
            study.tell(trial, state=TrialState.FAIL)
            tell_row(study, rows.params(row), task.losses[row], diverged=bool(task.diverged[row]))
            found.append(float(task.losses[row]))
    return np.array(found), math.exp(np.median(factors))


def tell_row(study: Study, params: dict[str, float], loss: float, *, diverged: bool) -> FrozenTrial:
    """Add a row to the study; a diverged one has the capped loss and the attribute `diverged`."""
    trial = optuna.create_trial(
        params=params,
        distributions=DISTRIBUTIONS,
        value=float(loss),
        user_attrs={"diverged": diverged},
    )
    study.add_trial(trial)
    return trial


def regrets(task: Task, found: Array) -> list[float]:
    """Return the regret of the best so far at each mark."""
    return [task.regret(found[:mark].min()) for mark in MARKS if mark <= len(found)]


# --- the table -----------------------------------------------------------------------------------


def available(strategies: Iterable[str]) -> list[str]:
    """Return the strategies that can be played here."""
    lacking = set() if importlib.util.find_spec("torch") else set(NEEDS_TORCH)
    if not hasattr(lrtune, "ScheduleSampler"):
        lacking.add("ScheduleSampler")
    return [name for name in strategies if name not in lacking]


def measure(
    tasks: list[Task], strategy: str, repetitions: int, block: int
) -> tuple[Array, float, int]:
    """Return regrets ``(n_tasks, n_marks)``, the median factor, and the number of repetitions.

    A regret is the median over the repetitions.
    """
    repetitions = min(repetitions, SLOW.get(strategy, repetitions))
    medians, factors = [], []
    for task in tasks:
        games = [
            play(task, strategy, seed, n=max(MARKS), block=block) for seed in range(repetitions)
        ]
        medians.append(np.median([regrets(task, found) for found, _ in games], axis=0))
        factors += [factor for _, factor in games]
    return np.array(medians), float(np.median(factors)), repetitions


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tables", type=Path, help="NPZ file of TaskSet's tables")
    parser.add_argument("--repetitions", type=int, default=8)
    parser.add_argument("--block", type=int, default=1, help="settings asked for at once")
    parser.add_argument("--strategies", type=lambda text: text.split(","), default=list(STRATEGIES))
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")
    parser.add_argument("--name", default="taskset", help="name of the file to write")
    options = parser.parse_args()
    if unknown := [name for name in options.strategies if name not in STRATEGIES]:
        parser.error(f"--strategies must be of {', '.join(STRATEGIES)}, but got {unknown[0]!r}")
    if not options.tables.is_file():
        parser.error(f"there is no file {options.tables}")
    return options


def main() -> None:
    """Print the table and write it down."""
    options = parse()
    tasks = read_tasks(options.tables)
    rows = []
    with threadpool_limits(1), quiet_optuna(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        for name in available(options.strategies):
            medians, factor, played = measure(tasks, name, options.repetitions, options.block)
            rows.append(
                [
                    name,
                    *(f"{mean:.1%}" for mean in medians.mean(axis=0)),
                    f"{medians[:, -1].min():.1%} to {medians[:, -1].max():.1%}",
                    "–" if name in AMONG_ROWS else f"{factor:.2g}",
                    str(played),
                ]
            )
            print(*rows[-1], sep=" | ", flush=True)
    command = (
        f"taskset.py {options.tables.name} --repetitions {options.repetitions} "
        f"--block {options.block}"
    )
    if options.strategies != list(STRATEGIES):
        command += f" --strategies '{','.join(options.strategies)}'"
    lines = [
        *header(
            "Recurrent networks that others trained",
            command,
            f"{len(tasks)} tasks of TaskSet ({', '.join(task.name for task in tasks)}), "
            f"{len(tasks[0].losses):,} settings of Adam each, "
            f"{np.mean([task.diverged.mean() for task in tasks]):.0%} of which diverge; optuna "
            f"{optuna.__version__}",
        ),
        *table(
            (
                "sampler",
                *(f"regret after {mark} trainings" for mark in MARKS),
                f"least to most, after {MARKS[-1]}",
                "wish to row, factor of the rate",
                "repetitions",
            ),
            rows,
        ),
        "",
        "Regret: validation loss at the last step of the best setting so far, 0% being the best of "
        "the table and 100% its median; mean over the tasks of the median over the repetitions. A "
        "diverged training counts as twice the median loss at the start. A sampler is asked for a "
        "setting in TaskSet's ranges, and told the nearest row of the table that it has not had, "
        "by the logarithms scaled to their ranges. 1,000 rows are thin in eight dimensions: a row "
        "lies far from what was wished for. So samplers are also played among the rows, where "
        "they score these instead of points of the space: TPE draws its candidates from them, and "
        "the Gaussian process takes the one with the highest expected improvement. TPE is "
        "Optuna's, multivariate, GP Optuna's `GPSampler`; both begin with 10 random settings. "
        "The slower samplers have few repetitions, so that a few per cent between two samplers "
        "say little.",
    ]
    options.results.mkdir(exist_ok=True)
    path = options.results / f"{options.name}.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
