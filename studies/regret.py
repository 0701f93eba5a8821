"""Whether the recommended rate holds up on seeds that had no part in choosing it.

For each data set, a grid of 900 settings is trained on many replicates: the oracle. Then every
method searches with several seeds, and what it recommends is trained by lrtune's network on fresh
replicates, the judges. Regret is the mean loss there above that of the oracle's best setting, as a
share of the latter; a training that diverges counts as twice the loss of a guess.

    python studies/regret.py [--quick] [--seeds 20] [--datasets iris,wine] [--variants]

Finished work is kept in a CSV file and not done again; delete the file to start over.
"""

import argparse
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
import sklearn
from careless import METHODS, Problem, own_network
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

import lrtune
from lrtune.exceptions import NothingCompletedError
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import load_dataset
from lrtune.tuning.confirm.budget import split_budget
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import REFERENCE, Budget, search
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import DEFAULT_DECAYS, Space
from lrtune.tuning.table_search import TRAININGS
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.protocol import train_all
from lrtune.tuning.trainers.replicates import Replicate, draw_replicates, make_replicates

Array = npt.NDArray[Any]
Method = Callable[[Problem, int, int], Setting]

EPOCHS, TRIALS, REPLICATES = 20, 64, 3
HIDDEN = {"digits": (64, 32)}
ORACLE = {"iris": 40, "wine": 40, "breast_cancer": 24, "diabetes": 30, "digits": 12}
"""Replicates that the grid is trained on."""
JUDGES = {"iris": 60, "wine": 60, "breast_cancer": 40, "diabetes": 40, "digits": 24}
FINALISTS = 40
"""The oracle's best settings, trained on the judges too."""
JUDGE_SEED, ORACLE_SEED = 20_001, 20_002
RESULTS = Path(__file__).parent / "results"


# --- lrtune, as it is and with parts exchanged --------------------------------------------------


def lrtune_with(
    *,
    confirm: bool = True,
    trainings: int | None = TRAININGS,
    sampler: Callable[[int], Any] | None = None,
) -> Method:
    """Return the search of ``lrtune search`` with its defaults, except for the arguments.

    Without `trainings`, the number of trials sets the budget. Another sampler gets `REPLICATES` for
    each setting.
    """

    def method(problem: Problem, n_trials: int, seed: int) -> Setting:
        network = own_network(problem, seed).set_params(**{own_dtype(problem): "float32"})
        split = split_budget(
            None if sampler else trainings,
            n_trials if sampler or trainings is None else None,
            REPLICATES if sampler else None,
            n_others=1,
            confirm=confirm,
        )
        return search(
            NetworkTrainer.on_random_splits(network, problem.X, problem.y, REFERENCE, seed=seed),
            Space.default(problem.epochs),
            budget=Budget(
                split.n_trials, split.replicates, confirm=confirm, confirmation=split.confirmation
            ),
            sampling=Sampling(seed, None if sampler is None else sampler(seed)),
        ).best

    return method


def own_dtype(problem: Problem) -> str:
    """Name of the dtype parameter in the pipeline; the command line trains in float32."""
    return f"mlp{'classifier' if problem.task == 'classification' else 'regressor'}__dtype"


def tpe_sampler(seed: int) -> Any:
    """Return Optuna's TPE, which knows no replicates."""
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def random_sampler(seed: int) -> Any:
    """Return a sampler that draws settings at random."""
    return optuna.samplers.RandomSampler(seed=seed)


def quasi_random_sampler(seed: int) -> Any:
    """Return a sampler of a scrambled Sobol' sequence."""
    return optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)


def gp_sampler(seed: int) -> Any:
    """Return a Gaussian-process sampler (needs torch)."""
    return optuna.samplers.GPSampler(seed=seed, n_startup_trials=16)


RIVALS: dict[str, Method] = {"lrtune": lrtune_with(), **METHODS}
VARIANTS: dict[str, Method] = {
    "lrtune without confirmation": lrtune_with(confirm=False),
    "lrtune, TPE": lrtune_with(sampler=tpe_sampler),
    "lrtune, random sampler": lrtune_with(sampler=random_sampler),
    "lrtune, quasi-random sampler": lrtune_with(sampler=quasi_random_sampler),
    "lrtune, Gaussian-process sampler": lrtune_with(sampler=gp_sampler),
}
SLOW = {"lrtune, Gaussian-process sampler": 5}
"""Methods that are run with the first few seeds only."""


# --- training and judging ------------------------------------------------------------------------


def problem_of(name: str) -> Problem:
    """Return a bundled data set with its network."""
    dataset = load_dataset(name)
    return Problem(dataset.X, dataset.y, dataset.task, HIDDEN.get(name, (50, 12)), EPOCHS)


def final_losses(
    problem: Problem, settings: list[Setting], replicates: Iterator[Replicate]
) -> Array:
    """Return losses ``(n_settings, n_replicates)`` at the last epoch; inf if diverged."""
    columns = []
    for replicate in replicates:
        trainer = NetworkTrainer(own_network(problem, 0), problem.X, problem.y, [replicate])
        columns.append([outcome.values(1)[0] for outcome in train_all(trainer, settings, [0])])
    return np.array(columns).T


def grid(*, thin: bool) -> list[Setting]:
    """25 α₀ × (constant, and 5 decay types × 7 decay rates); thinned, every second of each."""
    every = 2 if thin else 1
    rates = np.geomspace(3e-3, 10, 25)[::every]
    decay_rates = np.geomspace(0.03 / EPOCHS, 30 / EPOCHS, 7)[::every]
    return [
        Setting(float(rate), decay, float(decay_rate))
        for decay in DEFAULT_DECAYS
        for rate in rates
        for decay_rate in (decay_rates if decay != "constant" else [0.0])
    ]


def cap_of(problem: Problem) -> float:
    """Twice the loss of a prediction that ignores the input."""
    replicate = make_replicates(problem.y, 1, task=problem.task, seed=ORACLE_SEED)[0]
    trainer = NetworkTrainer(own_network(problem, 0), problem.X, problem.y, [replicate])
    return trainer.scale(Space.default(EPOCHS), [0]).cap


def oracle(name: str, problem: Problem, *, quick: bool) -> tuple[Setting, Array]:
    """Return the best setting of the grid, and its losses on the judges.

    Chosen by the mean over the oracle's replicates and the judges together.
    """
    settings = grid(thin=quick)
    n_oracle, n_judges = (10, 10) if quick else (ORACLE[name], JUDGES[name])
    drawn = draw_replicates(problem.y, task=problem.task, seed=ORACLE_SEED)
    cap = cap_of(problem)
    losses = final_losses(problem, settings, islice(drawn, n_oracle))
    first = np.minimum(losses, cap)
    best = np.argsort(first.mean(axis=1))[:FINALISTS]
    judged = judged_losses(problem, [settings[index] for index in best], n_judges)
    pooled = np.hstack([first[best], np.minimum(judged, cap)]).mean(axis=1)
    return settings[best[pooled.argmin()]], judged[pooled.argmin()]


def judged_losses(problem: Problem, settings: list[Setting], n_judges: int) -> Array:
    """Losses on the judges."""
    drawn = draw_replicates(problem.y, task=problem.task, seed=JUDGE_SEED)
    return final_losses(problem, settings, islice(drawn, n_judges))


# --- the study -----------------------------------------------------------------------------------


class Kept:
    """Rows of a CSV file, by data set, method and seed; each is computed once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = pd.read_csv(path) if path.exists() else pd.DataFrame()

    def __contains__(self, key: tuple[str, str, int]) -> bool:
        if self.rows.empty:
            return False
        rows = self.rows
        return bool(((rows.data == key[0]) & (rows.method == key[1]) & (rows.seed == key[2])).any())

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Keep rows, in the file too."""
        self.rows = pd.concat([self.rows, pd.DataFrame(rows)], ignore_index=True)
        self.path.parent.mkdir(exist_ok=True)
        self.rows.to_csv(self.path, index=False)


def run(name: str, methods: dict[str, Method], seeds: range, kept: Kept, *, quick: bool) -> None:
    """Run whatever is not kept yet for one data set."""
    problem = problem_of(name)
    cap = cap_of(problem)
    n_judges = 10 if quick else JUDGES[name]
    if (name, "oracle", 0) not in kept:
        begun = time.perf_counter()
        setting, losses = oracle(name, problem, quick=quick)
        kept.add([row(name, "oracle", 0, setting, losses, cap, time.perf_counter() - begun)])
    for method_name, method in methods.items():
        made = []
        for seed in seeds[: SLOW.get(method_name)]:
            if (name, method_name, seed) in kept:
                continue
            begun = time.perf_counter()
            try:
                setting = method(problem, TRIALS, seed)
            except NothingCompletedError as error:
                warnings.warn(f"{name}, {method_name}, seed {seed}: {error}", stacklevel=1)
                continue
            made.append((seed, setting, time.perf_counter() - begun))
        if made:
            judged = judged_losses(problem, [setting for _, setting, _ in made], n_judges)
            kept.add(
                [
                    row(name, method_name, seed, setting, losses, cap, seconds)
                    for (seed, setting, seconds), losses in zip(made, judged, strict=True)
                ]
            )
            print(f"{name}: {method_name}, {len(made)} seeds", flush=True)


def row(
    name: str, method: str, seed: int, setting: Setting, losses: Array, cap: float, seconds: float
) -> dict[str, Any]:
    """Return the row of one recommendation."""
    return {
        "data": name,
        "method": method,
        "seed": seed,
        "learning_rate_init": setting.learning_rate_init,
        "decay": setting.decay,
        "decay_rate": setting.decay_rate,
        "loss": float(np.where(np.isfinite(losses), losses, cap).mean()),
        "diverged": int((~np.isfinite(losses)).sum()),
        "judges": len(losses),
        "seconds": round(seconds, 4),
    }


def with_regret(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the methods' rows with their regret against the oracle in per cent."""
    reference = rows[rows.method == "oracle"].set_index("data").loss
    methods = rows[rows.method != "oracle"].copy()
    methods["regret"] = 100 * (methods.loss / methods.data.map(reference) - 1)
    return methods


def table(rows: pd.DataFrame, names: list[str]) -> list[str]:
    """Lines of a Markdown table: a row per data set and method."""
    lines = [
        "| data | method | median regret | 90th percentile | diverged | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for data in dict.fromkeys(rows.data):
        for name in names:
            some = rows[(rows.data == data) & (rows.method == name)]
            if len(some):
                lines.append(
                    f"| {data} | {name} | {some.regret.median():.1f} % "
                    f"| {some.regret.quantile(0.9):.1f} % | {(some.diverged > 0).mean():.0%} "
                    f"| {some.seconds.median():.2f} |"
                )
    return lines


def picture(rows: pd.DataFrame, names: list[str], path: Path) -> None:
    """Median and 90th percentile of the regret, by data set and method."""
    datasets = list(dict.fromkeys(rows.data))
    figure = Figure(figsize=(3.2 * len(datasets), 0.42 * len(names) + 1.6), layout="constrained")
    axes = figure.subplots(1, len(datasets), sharey=True, squeeze=False)[0]
    colors = mpl.color_sequences["tab10"]
    for ax, data in zip(axes, datasets, strict=True):
        for place, name in enumerate(reversed(names)):
            regret = rows[(rows.data == data) & (rows.method == name)].regret.clip(lower=0.1)
            color = colors[3] if name == "lrtune" else colors[7]
            ax.plot(regret, np.full(len(regret), place), "|", color=color, alpha=0.5)
            ends = [regret.median(), regret.quantile(0.9)]
            ax.plot(ends, [place, place], "-", color=color, linewidth=2)
            ax.plot(ends[:1], [place], "o", color=color)
        ax.set_xscale("log")
        ax.set_title(data)
        ax.set_xlabel("regret on fresh seeds, %")
        ax.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(names)), list(reversed(names)))
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run the study, print its tables, and write them and the figure down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a coarse look, under three minutes")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--datasets", default=",".join(BUNDLED))
    parser.add_argument("--variants", action="store_true", help="also lrtune with parts exchanged")
    arguments = parser.parse_args()
    quick = arguments.quick
    datasets = [name for name in arguments.datasets.split(",") if not (quick and name == "digits")]
    seeds = range(arguments.seeds or (2 if quick else 20))
    methods = RIVALS | (VARIANTS if arguments.variants else {})
    stem = "regret_quick" if quick else "regret"
    kept = Kept(RESULTS / f"{stem}.csv")
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with threadpool_limits(1, user_api="blas"):
        for name in datasets:
            run(name, methods, seeds, kept, quick=quick)
    rows = with_regret(kept.rows)
    lines = [
        "# Regret on fresh seeds",
        "",
        f"`python studies/regret.py{' --quick' if quick else ''}"
        f"{' --variants' if arguments.variants else ''}`: {TRIALS} trials ({TRAININGS} trainings in "
        f"all for lrtune), {EPOCHS} epochs, SGD, "
        f"batches of 32, 50-12 networks (64-32 on digits), {len(seeds)} seeds; lrtune "
        f"{lrtune.__version__}, optuna {optuna.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}, Python {platform.python_version()}, one process, one BLAS "
        "thread.",
        "",
        "Regret: mean loss on fresh replicates above that of the best of 900 settings. Diverged: "
        "share of the recommendations that diverge on any of them. Seconds: median wall time of "
        "the search.",
        "",
        *table(rows, list(RIVALS)),
    ]
    if arguments.variants:
        lines += ["", "## lrtune with parts exchanged", ""]
        lines += [f"({name}: the first {n} seeds.)" for name, n in SLOW.items()] + [""]
        lines += ["A sampler of one's own is not given the untuned default as its first trial.", ""]
        lines += table(rows, ["lrtune", *VARIANTS])
    print("\n".join(lines))
    (RESULTS / f"{stem}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    picture(rows, list(RIVALS), RESULTS / f"{stem}.png")


if __name__ == "__main__":
    main()
