"""How the search learns where learning rates diverge, and what diverging settings cost.

For each bundled data set and seed, with SGD and with Adam, the divergence edge is the lowest
constant rate of a grid that diverges on any of the first replicates. The default search is then
run, each block of 8 trials on a fresh replicate, and its asked α₀ are compared with that edge.

    python studies/divergence.py [--seeds 10]
"""

import argparse
import math
import platform
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sklearn
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune
from lrtune import MLPClassifier, MLPRegressor
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import load_dataset
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import REFERENCE, Budget, search
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.protocol import train_all

EPOCHS, TRIALS = 20, 64
GRIDS = {"sgd": np.logspace(-1.5, 1.5, 31), "adam": np.logspace(-2.0, 2.0, 41)}
"""Rates among which the edge is looked for, by optimizer."""
RESULTS = Path(__file__).parent / "results" / "divergence.md"


def measure(name: str, optimizer: str, seed: int) -> dict[str, float]:
    """Return the edge, and the share of the default search's trials that lie beyond it."""
    dataset = load_dataset(name)
    network = MLPClassifier if dataset.task == "classification" else MLPRegressor
    estimator = make_pipeline(
        StandardScaler(), network(optimizer=optimizer, max_iter=EPOCHS, dtype="float32")
    )
    trainer = NetworkTrainer.on_random_splits(estimator, dataset.X, dataset.y, REFERENCE, seed=seed)
    constant = [Setting(float(rate), "constant", 0.1) for rate in GRIDS[optimizer]]
    grid = train_all(trainer, constant, range(REFERENCE))
    diverging = [each.setting.learning_rate_init for each in grid if each.diverged is not None]
    edge = min(diverging, default=math.inf)
    trials = search(
        trainer,
        Space.default(EPOCHS),
        budget=Budget(TRIALS, confirm=False),
        sampling=Sampling(seed),
    ).finished
    rates = np.array([trial.params["learning_rate_init"] for trial in trials])
    epochs = [trial.user_attrs["epochs"] for trial in trials if trial.user_attrs["diverged"]]
    return {
        "edge": edge,
        "early": float((rates[: TRIALS // 2] >= edge).mean()),
        "late": float((rates[TRIALS // 2 :] >= edge).mean()),
        "diverged": len(epochs),
        "epochs": float(sum(epochs)),
    }


def row(name: str, optimizer: str, runs: list[dict[str, float]]) -> str:
    """One line of the table."""
    column: dict[str, Any] = {key: np.array([run[key] for run in runs]) for key in runs[0]}
    n_diverged = column["diverged"].sum()
    cost = column["epochs"].sum() / (n_diverged * EPOCHS) if n_diverged else 0.0
    return (
        f"| {name} | {optimizer} | {np.median(column['edge']):.2g} | {column['early'].mean():.1%} "
        f"| {column['late'].mean():.1%} | {column['diverged'].mean():.1f} | {cost:.1%} |"
    )


def main() -> None:
    """Print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    lines = [
        "# Where learning rates diverge, and what it costs",
        "",
        f"`python studies/divergence.py --seeds {seeds}`: {TRIALS} trials, {EPOCHS} epochs, "
        f"50-12 networks, seeds 0 to {seeds - 1}; lrtune "
        f"{lrtune.__version__}, optuna {optuna.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}, Python {platform.python_version()}.",
        "",
        f"Edge: the lowest constant rate that diverges on any of {REFERENCE} replicates, median "
        "over the seeds. "
        "Beyond: share of the asked α₀ that is at or above the edge. Cost: epochs that diverging "
        "trials ran, as a share of those that they would have run.",
        "",
        "| data | optimizer | edge | beyond, trials 1–32 | beyond, trials 33–64 | diverged trials "
        "| cost |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    for optimizer in GRIDS:
        for name in BUNDLED:
            runs = [measure(name, optimizer, seed) for seed in range(seeds)]
            lines.append(row(name, optimizer, runs))
            print(lines[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
