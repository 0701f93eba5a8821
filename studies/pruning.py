"""Whether competitive pruning pays: what each pruner saves, and which good settings it loses.

Each search is run with a pruner, and every trial that it halted is finished after all.

    python studies/pruning.py [--seeds 10]
"""

import argparse
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
from lrtune.tuning.sampling.competitive import PRUNERS
from lrtune.tuning.search import Budget, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer

EPOCHS, REPLICATES, TRIALS = 20, 3, 64
RESULTS = Path(__file__).parent / "results" / "pruning.md"


def measure(name: str, pruner: str, seed: int) -> dict[str, float]:
    """One search, its pruned trials finished after all."""
    dataset = load_dataset(name)
    network = MLPClassifier if dataset.task == "classification" else MLPRegressor
    estimator = make_pipeline(StandardScaler(), network(max_iter=EPOCHS, dtype="float32"))
    result = search(
        NetworkTrainer.on_random_splits(estimator, dataset.X, dataset.y, REPLICATES, seed=seed),
        Space.default(EPOCHS),
        budget=Budget(TRIALS, REPLICATES, confirm=False, audit_share=1.0),
        sampling=Sampling(seed, pruner=PRUNERS[pruner](EPOCHS)),
    )
    audit = result.pruning_audit
    assert audit is not None
    return {
        "pruned": audit.pruned,
        "saved": result.epochs_saved / (result.epochs_saved + result.trial_epochs),
        "best": audit.best_tenth,
        "lost": audit.lost,
        "loss": result.search_loss,
    }


def row(name: str, pruner: str, runs: list[dict[str, float]], without: np.ndarray) -> str:
    """One line of the table."""
    column: dict[str, Any] = {key: np.array([run[key] for run in runs]) for key in runs[0]}
    worse = column["loss"] / without - 1
    return (
        f"| {name} | {pruner} | {column['pruned'].mean():.1f} | {column['saved'].mean():.0%} "
        f"| {column['lost'].sum() / column['best'].sum():.0%} | {np.median(worse):+.1%} |"
    )


def main() -> None:
    """Print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    seeds = parser.parse_args().seeds
    lines = [
        "# What competitive pruning saves, and what it loses",
        "",
        f"`python studies/pruning.py --seeds {seeds}`: {TRIALS} trials, {EPOCHS} epochs, "
        f"{REPLICATES} replicates, 50-12 networks, SGD, seeds 0 to {seeds - 1}; lrtune "
        f"{lrtune.__version__}, optuna {optuna.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}, Python {platform.python_version()}.",
        "",
        "Pruned: trials halted by competition, mean. Saved: share of the search's epochs that "
        "were not trained; without a pruner, divergence alone saves them. Lost: share of the best "
        "tenth of all trials that had been halted (all were finished after all). Best loss: that "
        "of the search's best trial against the search without a pruner, median.",
        "",
        "| data | pruner | pruned | saved | lost of the best tenth | best loss |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    for name in BUNDLED:
        without = np.array([])
        for pruner in PRUNERS:
            runs = [measure(name, pruner, seed) for seed in range(seeds)]
            without = np.array([run["loss"] for run in runs]) if pruner == "none" else without
            lines.append(row(name, pruner, runs, without))
            print(lines[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
