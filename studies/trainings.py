"""How good the recommended rate is after 12 to 192 trainings, beside other tuners.

Every strategy plays on tables of losses, which are computed once. What it recommends is judged by
its regret: the mean loss on replicates that it could not train on above that of the best setting of
the table, as a share of the latter. A divergence counts as twice the loss of a guess.

    pip install torch==2.13.0 greenlet smac ax-platform syne-tune huggingface_hub
    python studies/trainings.py --tables FOLDER [--problems iris,wine] [--strategies lrtune,TPE]
        [--budgets 12,24,48,96,192] [--seeds 20] [--again] [--bounds]

Rows that ``results/trainings.csv`` has already are not played again, unless ``--again`` is given:
``--strategies lrtune --again`` plays lrtune alone again and leaves the peers' rows as they are.
``--bounds`` plays lrtune alone, and measures what bounds its regret, and whether its model knows
what a larger budget would bring; the rows are in ``results/trainings_bounds.csv``.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from threadpoolctl import threadpool_limits
from trainings_gain import gain_tables
from trainings_game import Game, Strategy, for_each_budget
from trainings_lrtune import BUDGETS as BOUNDED
from trainings_lrtune import bounds_tables, play_bounds, play_lrtune
from trainings_peers import NEEDS, PACKAGES, PEERS
from trainings_report import bars, beside_peers, budget_tables, figure_of
from trainings_tables import CNN, SOURCES, LossTable, Source, table_of
from tutorial import RESULTS, header, write

BUDGETS = (12, 24, 48, 96, 192)
SEEDS = 20
SLOW = {
    "GP": (5, 48),
    "GP × 3": (5, 48),
    "halving over epochs": (10, 48),
    "SMAC3": (10, 48),
    "SMAC3 × 10": (5, 48),
    "Ax": (5, 24),
    "Syne Tune": (5, 48),
}
"""Repetitions and largest budget of strategies that take seconds for each of them."""
KEY = ["problem", "strategy", "budget", "seed"]


STRATEGIES: dict[str, Strategy] = {"lrtune": for_each_budget(play_lrtune), **PEERS}


Play = Callable[[LossTable, str, str, Sequence[int], int], list[dict[str, Any]]]
"""Function of a table, a problem, a strategy, budgets and a seed that returns rows."""


class Rows:
    """The rows of a CSV file: one for each problem, strategy, budget and seed.

    `play` makes those of one repetition.
    """

    def __init__(self, path: Path, play: Play) -> None:
        self.path, self.play = path, play
        self.frame = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=KEY)

    def budgets(self, problem: str, strategy: str, seed: int) -> set[int]:
        """Return the budgets that have a row."""
        rows = self.frame
        kept = (rows.problem == problem) & (rows.strategy == strategy) & (rows.seed == seed)
        return set(rows.budget[kept])

    def replace(self, rows: list[dict[str, Any]]) -> None:
        """Add rows in place of those of the same key, in the file too."""
        frame = pd.DataFrame(rows)
        if len(self.frame):
            frame = pd.concat([self.frame, frame]).drop_duplicates(KEY, keep="last")
        order = {name: place for place, name in enumerate([*SOURCES, *STRATEGIES])}
        self.frame = frame.sort_values(
            KEY, key=lambda column: column.map(lambda value: order.get(value, value))
        )
        self.path.parent.mkdir(exist_ok=True)
        self.frame.to_csv(self.path, index=False, float_format="%.6g")


def play(
    table: LossTable, problem: str, strategy: str, budgets: Sequence[int], seed: int
) -> list[dict[str, Any]]:
    """Return a row for each budget of one repetition."""
    game, rows = Game(table, seed), []
    begun = time.perf_counter()
    for budget, setting in STRATEGIES[strategy](game, budgets, seed):
        if game.trainings > budget + 1e-9:
            raise RuntimeError(f"{strategy} took {game.trainings} trainings of {budget}")
        snapped = None if setting is None else game.snapped(setting)
        rows.append(
            {
                "problem": problem,
                "strategy": strategy,
                "budget": budget,
                "seed": seed,
                "regret": game.regret(setting),
                "diverging": game.diverging(setting),
                "trainings": game.trainings,
                "learning_rate_init": getattr(snapped, "learning_rate_init", None),
                "decay": getattr(snapped, "decay", None),
                "decay_rate": getattr(snapped, "decay_rate", None),
                "seconds": time.perf_counter() - begun,
            }
        )
    return rows


def run(
    problem: str,
    table: Callable[[], LossTable],
    strategies: Sequence[str],
    budgets: Sequence[int],
    n_seeds: int,
    rows: Rows,
    *,
    again: bool = False,
) -> None:
    """Play what has no row yet on one problem, or everything again."""
    for strategy in strategies:
        n_own, largest = SLOW.get(strategy, (n_seeds, max(budgets)))
        made: list[dict[str, Any]] = []
        for seed in range(min(n_own, n_seeds)):
            kept = set() if again else rows.budgets(problem, strategy, seed)
            missing = [each for each in sorted(budgets) if each <= largest and each not in kept]
            if missing:
                made += rows.play(table(), problem, strategy, missing, seed)
        if made:
            rows.replace(made)
            print(f"{problem}: {strategy}, {len(made)} rows", flush=True)


def missing_packages(strategies: Sequence[str], problems: Sequence[str]) -> dict[str, str]:
    """Return what cannot be played, with the module that it needs."""
    needs = {name: NEEDS[name] for name in strategies if name in NEEDS}
    if CNN in problems:
        needs[CNN] = "torch"
    return {name: module for name, module in needs.items() if not _is_installed(module)}


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def lines_of(rows: pd.DataFrame, sources: dict[str, Source]) -> list[str]:
    """Return the study's text."""
    n_seeds = int(rows.seed.nunique())
    strategies = [name for name in STRATEGIES if name in set(rows.strategy)]
    absent = [name for name in STRATEGIES if name not in strategies]
    absent += [name for name in sources if name not in set(rows.problem)]
    replicates = ", ".join(
        f"{name} {sources[name].replicates}" for name in dict.fromkeys(rows.problem)
    )
    about = (
        f"SGD on tables of 187 (digits CNN) to 900 settings, {n_seeds} repetitions (fewer where a "
        f"cell has their number in brackets), Optuna {optuna.__version__}"
    )
    lines = [
        *header("Regret after few trainings", "trainings.py --tables FOLDER", about),
        "Regret: mean loss on the 40 % of replicates that no strategy could train on, above that "
        "of the table's best setting, in per cent: median / 90th percentile over the repetitions. "
        "A training that diverges counts as twice the loss of a guess. †: share of the "
        "recommendations that diverge on some replicate of the table. A training is one setting on "
        "one seed, all epochs; lrtune's race and measurement are included.",
        "",
        f"Replicates of the tables: {replicates}.",
        "",
        "TPE, GP and random are Optuna's samplers, with the same seed for each trial, or (× 3) the "
        "mean over three. Halving is scikit-learn's `HalvingRandomSearchCV`, its resource the "
        "number of seeds (1, 3, 9) or of epochs (on three seeds). SMAC3 trains a setting on up to "
        "3 seeds (its default) or 10, as it chooses. Ax gets a new seed for each trial, infers the "
        "noise, and recommends by its model. Syne Tune's CQR gets the same seed for each trial. "
        "Seeds beyond the usable 60 % of replicates "
        "meet the first of them again.",
    ]
    if absent:
        lines += ["", f"Not played: {', '.join(absent)}."]
    lines += budget_tables(rows, strategies, n_seeds)
    if "lrtune" in strategies:
        lines += bars(rows) + beside_peers(rows)
    return lines


def parse(words: Sequence[str] | None, sources: dict[str, Source]) -> argparse.Namespace:
    """Return the checked arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="folder of the tables of losses")
    parser.add_argument("--problems", default=",".join(sources), help="separated by commas")
    parser.add_argument("--strategies", default=",".join(STRATEGIES), help="separated by commas")
    parser.add_argument("--budgets", default=",".join(map(str, BUDGETS)))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--again", action="store_true", help="play what has a row already, too")
    parser.add_argument("--bounds", action="store_true", help="what bounds lrtune, in its own rows")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args(words)
    for name, known in (("problems", sources), ("strategies", STRATEGIES)):
        chosen = [word.strip() for word in getattr(arguments, name).split(",")]
        for word in chosen:
            if word not in known:
                parser.error(f"--{name} must be some of {', '.join(known)}, but got {word!r}")
        setattr(arguments, name, chosen)
    arguments.budgets = [int(budget) for budget in arguments.budgets.split(",")]
    return arguments


def main(words: Sequence[str] | None = None, sources: dict[str, Source] = SOURCES) -> None:
    """Play what is missing, print the tables, and write them and the figure down."""
    arguments = parse(words, sources)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.bounds:
        arguments.strategies, arguments.budgets = ["lrtune"], list(BOUNDED)
    left_out = missing_packages(arguments.strategies, arguments.problems)
    for name, module in left_out.items():
        package = PACKAGES.get(module, module)
        print(f"{name} is left out: it needs {package} (pip install {package})", flush=True)
    rows = Rows(arguments.results / "trainings.csv", play)
    bounds = Rows(arguments.results / "trainings_bounds.csv", play_bounds)
    strategies = [name for name in arguments.strategies if name not in left_out]
    with threadpool_limits(1):
        for problem in arguments.problems:
            if problem in left_out:
                continue
            tables: list[LossTable] = []

            def table(problem: str = problem, tables: list[LossTable] = tables) -> LossTable:
                if not tables:
                    tables.append(table_of(problem, arguments.tables, sources))
                return tables[0]

            run(
                problem,
                table,
                strategies,
                arguments.budgets,
                arguments.seeds,
                bounds if arguments.bounds else rows,
                again=arguments.again,
            )
    kept = [name for name in STRATEGIES if name in set(rows.frame.strategy)]
    lines = lines_of(rows.frame, sources) if len(rows.frame) else []
    if len(bounds.frame):
        lines += bounds_tables(bounds.frame) + gain_tables(bounds.frame)
    write(arguments.results, "trainings", lines, figure_of(rows.frame, kept))


if __name__ == "__main__":
    main()
