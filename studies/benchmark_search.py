"""How long a search takes, beside the same search as people write it today.

The same data, network, epochs and number of trials, on one replicate (one split) and without
confirmation, one process, one BLAS thread; then lrtune with its defaults (three replicates, and
confirmation). Every repetition runs each of them once, in turn; ratios are taken within it. What
bounds lrtune is measured after that (`search_parts.py`).

    python studies/benchmark_search.py [--repetitions 5]
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sklearn
from careless import Problem, Split, final_loss, halving, optuna_tpe, split_rows
from regret import lrtune_with, own_dtype, own_network, problem_of
from search_parts import parts_of
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import lrtune
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget, search
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.replicates import Replicate

try:
    import torch
except ImportError:
    torch = None

TRIALS = 64
TORCH = "Optuna + torch + MedianPruner, in memory"
RESULTS = Path(__file__).parent / "results" / "benchmark_search.md"


def train_torch(problem: Problem, split: Split, setting: Setting, seed: int) -> Iterator[float]:
    """Yield the validation loss after each epoch of the usual torch loop."""
    torch.manual_seed(seed)
    X, X_validation = (
        torch.from_numpy(rows.astype(np.float32)) for rows in (split.X, split.X_validation)
    )
    y, y_validation = (torch.from_numpy(rows) for rows in (split.y, split.y_validation))
    sizes = (X.shape[1], *problem.hidden, len(np.unique(split.y)))
    layers: list[Any] = []
    for n, m in pairwise(sizes):
        layers += [torch.nn.Linear(n, m), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    schedule = Schedule(
        learning_rate_init=setting.learning_rate_init,
        decay=setting.decay,
        decay_rate=setting.decay_rate,
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=setting.learning_rate_init)
    for rate in schedule(np.arange(problem.epochs)):
        optimizer.param_groups[0]["lr"] = float(rate)
        for batch in torch.randperm(len(X)).split(problem.batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(X[batch]), y[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            loss = torch.nn.functional.cross_entropy(model(X_validation), y_validation)
        yield float(loss)


def on_sqlite(problem: Problem, n_trials: int, seed: int) -> Setting:
    """Optuna with its trials in a database file."""
    with tempfile.TemporaryDirectory() as folder:
        return optuna_tpe(problem, n_trials, seed, storage=f"sqlite:///{folder}/studies.db")


def last_loss(problem: Problem, setting: Setting, seed: int) -> float:
    """Return torch's loss at the last epoch, on the split of a seed."""
    *_, loss = train_torch(problem, split_rows(problem, seed), setting, seed)
    return loss


def own_loss(problem: Problem, _: Setting, seed: int) -> float:
    """Return lrtune's lowest loss when its one replicate is the peers' split."""
    kept, held = train_test_split(
        np.arange(len(problem.y)), test_size=0.25, stratify=problem.y, random_state=seed
    )
    network = own_network(problem, seed).set_params(**{own_dtype(problem): "float32"})
    return search(
        NetworkTrainer(network, problem.X, problem.y, [Replicate(kept, held, seed)]),
        Space.default(problem.epochs),
        budget=Budget(TRIALS, replicates=1, confirm=False),
        sampling=Sampling(seed),
    ).search_loss


Method = Callable[[Problem, int, int], Setting]
PEERS: dict[str, Method] = {
    "Optuna + partial_fit + MedianPruner, SQLite": on_sqlite,
    "the same in memory": optuna_tpe,
    "HalvingRandomSearchCV": halving,
}
if torch is not None:
    torch.set_num_threads(1)
    PEERS[TORCH] = partial(optuna_tpe, trainer=train_torch)
ONE, DEFAULTS = "lrtune, one replicate", "lrtune"
OWN: dict[str, Method] = {
    ONE: lrtune_with(confirm=False, trainings=None),
    DEFAULTS: lrtune_with(),
}


FOUND: dict[str, Callable[[Problem, Setting, int], float]] = {ONE: own_loss, TORCH: last_loss}
"""Where the lowest loss that a search saw is not that of scikit-learn's training."""


def measure(problem: Problem, repetitions: int) -> dict[str, np.ndarray]:
    """Seconds, loss and lowest loss seen ``(repetitions, 3)`` of each.

    One run more comes first and is left out.
    """
    told: dict[str, list[tuple[float, float, float]]] = {name: [] for name in OWN | PEERS}
    for seed in range(repetitions + 1):
        for name, method in (OWN | PEERS).items():
            begun = time.perf_counter()
            setting = method(problem, TRIALS, seed)
            seconds = time.perf_counter() - begun
            if seed:
                loss = final_loss(problem, setting, seed)
                found = FOUND[name](problem, setting, seed) if name in FOUND else loss
                told[name].append((seconds, found, loss))
    return {name: np.array(rows) for name, rows in told.items()}


def bounds(problem: Problem, peers: dict[str, float]) -> list[str]:
    """Return a table of the time of lrtune's searches, and of the ratios that they could reach."""
    lines = [
        "| seconds | all | asking | evaluating | training | its NumPy calls | its products | steps "
        "| no faster than, to each peer |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, method in OWN.items():
        parts = parts_of(partial(method, problem, TRIALS, 1))
        spent = (parts.total, parts.asking, parts.evaluating, parts.training, parts.calls)
        cells = [f"{value:.2f}" for value in (*spent, parts.products)]
        ratios = ", ".join(f"{seconds / parts.least:.1f}×" for seconds in peers.values())
        lines.append(f"| {' | '.join([name, *cells, f'{parts.steps:,}', ratios])} |")
    return lines


def main() -> None:
    """Print the tables and write them down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    versions = f"numpy {np.__version__}, scikit-learn {sklearn.__version__}"
    versions += "" if torch is None else f", torch {torch.__version__}"
    lines = [
        "# How long a search takes",
        "",
        f"`python studies/benchmark_search.py --repetitions {repetitions}`: {TRIALS} trials, 20 "
        f"epochs, medians; lrtune {lrtune.__version__}, optuna {optuna.__version__}, {versions}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores, one process, one thread.",
        "",
        "Ratio: seconds of the peer to those of lrtune on one replicate without confirmation, and "
        "to those of lrtune with its defaults. Found: the lowest loss that a search itself saw, "
        "all on the same split (the peers by scikit-learn or torch; lrtune's defaults judge by "
        "more than one). Retrained: the loss of the recommended setting when scikit-learn trains "
        "it on that split and with that seed; the peers chose by that number, lrtune, timed on a "
        "split of its own, did not see it. Below, what lrtune spends one such search on, watched; "
        "what the NumPy calls of its training steps, and their matrix products, take when "
        "run alone; and the ratios if training took its products alone, all else being as it is.",
    ]
    with threadpool_limits(1, user_api="blas"):
        for name in ("iris", "digits"):
            problem = problem_of(name)
            told = measure(problem, repetitions)
            one, full = (told[own][:, 0] for own in OWN)
            lines += [
                "",
                f"## {name}, {'-'.join(map(str, problem.hidden))}",
                "",
                "| search | seconds | to one replicate | to the defaults | found | retrained |",
                "|---|---|---|---|---|---|",
            ]
            for method, rows in told.items():
                seconds, found, loss = np.median(rows, axis=0)
                cell = "–" if method == DEFAULTS else f"{found:.3f}"
                lines.append(
                    f"| {method} | {seconds:.2f} | {np.median(rows[:, 0] / one):.1f}× "
                    f"| {np.median(rows[:, 0] / full):.1f}× | {cell} | {loss:.3f} |"
                )
            peers = {peer: float(np.median(told[peer][:, 0])) for peer in PEERS}
            lines += ["", *bounds(problem, peers)]
    print("\n".join(lines))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
