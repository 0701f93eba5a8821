"""Whether `ScheduleSampler` is no worse than TPE where every setting trains on all splits.

`LearningRateSearchCV` searches each table with its default sampler and with Optuna's TPE, and what
it recommends is trained on fresh replicates. Regret is the mean loss there above that of the best
of all recommendations for the table; a divergence counts as twice the loss of a guess.

    python studies/cv_samplers.py [--seeds 6] [--problems iris,wine] [--trials 24,64]
"""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from careless import own_network
from regret import cap_of, judged_losses, tpe_sampler
from threadpoolctl import threadpool_limits
from trainings_tables import problem_of
from tutorial import RESULTS, header, table

from lrtune import LearningRateSearchCV
from lrtune.exceptions import LrtuneWarning
from lrtune.tuning.setting import Setting

PROBLEMS = ("iris", "wine", "breast_cancer", "diabetes", "moons")
SAMPLERS = {"ScheduleSampler": lambda _: None, "TPE": tpe_sampler}
"""By name: a function of the seed; None is the default."""
JUDGES = 40
"""Fresh replicates."""


def recommend(problem: str, sampler: str, n_trials: int, seed: int) -> Setting:
    """Return what a search by 3-fold cross-validation recommends."""
    made = problem_of(problem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LrtuneWarning)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        search = LearningRateSearchCV(
            own_network(made, seed),
            n_trials=n_trials,
            refit=False,
            random_state=seed,
            sampler=SAMPLERS[sampler](seed),
        ).fit(made.X, made.y)
    return search.result_.best


def play(problem: str, trials: Sequence[int], n_seeds: int) -> pd.DataFrame:
    """Return a row for each sampler, number of trials and seed, with its regret in per cent."""
    rows = pd.DataFrame(
        [
            {"problem": problem, "sampler": sampler, "trials": n_trials, "seed": seed}
            for sampler in SAMPLERS
            for n_trials in trials
            for seed in range(n_seeds)
        ]
    )
    settings = [recommend(problem, row.sampler, row.trials, row.seed) for row in rows.itertuples()]
    made = problem_of(problem)
    losses = judged_losses(made, settings, JUDGES)
    means = np.where(np.isfinite(losses), losses, cap_of(made)).mean(axis=1)
    return rows.assign(
        regret=100 * (means / means.min() - 1), diverged=~np.isfinite(losses).all(axis=1)
    )


def lines_of(rows: pd.DataFrame) -> list[str]:
    """Return the table: a row for each problem and number of trials."""
    body = []
    for (problem, n_trials), some in rows.groupby(["problem", "trials"], sort=False):
        by = {name: own.set_index("seed") for name, own in some.groupby("sampler")}
        ours, theirs = (by[name] for name in SAMPLERS)
        change = 100 * ((100 + ours.regret) / (100 + theirs.regret) - 1)
        error = change.std() / np.sqrt(len(change))
        body.append(
            [
                str(problem),
                str(n_trials),
                *(
                    f"{own.regret.median():.1f} / {own.regret.quantile(0.9):.1f}"
                    for own in (ours, theirs)
                ),
                f"{change.mean():+.1f} ± {error:.1f}",
                f"{ours.diverged.mean():.0%}, {theirs.diverged.mean():.0%}",
            ]
        )
    columns = ["problem", "trials", *SAMPLERS, "loss against TPE", "diverged"]
    return table(columns, body)


def main() -> None:
    """Print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--trials", default="64")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    trials = [int(number) for number in arguments.trials.split(",")]
    frames = []
    with threadpool_limits(1):
        for problem in arguments.problems.split(","):
            frames.append(play(problem, trials, arguments.seeds))
            print("\n".join(lines_of(frames[-1])), flush=True)
    about = (
        f"SGD, 20 epochs, `LearningRateSearchCV` with its defaults (3 folds, confirmation), "
        f"{arguments.seeds} seeds, Optuna {optuna.__version__}"
    )
    lines = [
        *header("Samplers where every setting trains on all splits", "cv_samplers.py", about),
        "Median / 90th percentile of the regret in per cent: mean loss on "
        f"{JUDGES} fresh replicates above that of the best of all recommendations for the problem. "
        "Loss against TPE: mean of the paired changes of that loss, in per cent ± standard error. "
        "Diverged: share of the recommendations that do on some of these replicates, of each.",
        "",
        *lines_of(pd.concat(frames)),
    ]
    arguments.results.mkdir(exist_ok=True)
    (arguments.results / "cv_samplers.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
