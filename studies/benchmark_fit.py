"""How fast one model trains, beside scikit-learn and torch.

Equal epochs, batches, networks, rate and optimizer (plain SGD), float32 where the peer has it, one
thread each. Every repetition trains each of them once, in turn, and the ratio is taken within the
repetition; the table shows medians.

    python studies/benchmark_fit.py [--repetitions 7]
"""

import argparse
import itertools
import os
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as ScikitLearnMLP
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

import lrtune
from lrtune import MLPClassifier

try:
    import torch
except ImportError:
    torch = None

Array = npt.NDArray[Any]
RATE = 0.05
RESULTS = Path(__file__).parent / "results" / "benchmark_fit.md"


@dataclass(frozen=True)
class Case:
    """What is trained."""

    name: str
    X: Array
    y: Array
    hidden: tuple[int, ...]
    epochs: int
    batch_size: int


def cases() -> list[Case]:
    """From a network whose steps are all overhead to one whose steps are all arithmetic."""
    iris, digits = (load(return_X_y=True) for load in (load_iris, load_digits))
    wide = make_classification(20_000, 100, n_informative=20, n_classes=10, random_state=0)
    return [
        Case("50-12 on iris", *standardised(iris), (50, 12), 100, 32),
        Case("64-32 on digits", *standardised(digits), (64, 32), 20, 32),
        Case("256-128 on digits", *standardised(digits), (256, 128), 10, 32),
        Case("512-512 on 20,000 × 100", *standardised(wide), (512, 512), 2, 256),
    ]


def standardised(table: tuple[Array, Array]) -> tuple[Array, Array]:
    """Float32 columns of mean 0 and variance 1."""
    X, y = table
    return scale(X).astype(np.float32), y


def fit_lrtune(case: Case) -> None:
    """Lrtune's estimator."""
    MLPClassifier(
        case.hidden,
        learning_rate_init=RATE,
        batch_size=case.batch_size,
        max_iter=case.epochs,
        random_state=0,
    ).fit(case.X, case.y)


def fit_scikit_learn(case: Case) -> None:
    """scikit-learn's estimator; it trains in float32 if the table is."""
    model = ScikitLearnMLP(
        case.hidden,
        solver="sgd",
        momentum=0,
        alpha=0,
        learning_rate_init=RATE,
        batch_size=case.batch_size,
        max_iter=case.epochs,
        tol=0,
        n_iter_no_change=case.epochs + 1,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(case.X, case.y)
    assert model.n_iter_ == case.epochs


def fit_torch(case: Case) -> None:
    """The usual loop, with the rows shuffled in memory rather than by a slower DataLoader."""
    torch.manual_seed(0)
    X, y = torch.from_numpy(case.X), torch.from_numpy(case.y)
    sizes = (X.shape[1], *case.hidden, len(np.unique(case.y)))
    layers: list[Any] = []
    for n, m in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(n, m), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for _ in range(case.epochs):
        for batch in torch.randperm(len(X)).split(case.batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(X[batch]), y[batch]).backward()
            optimizer.step()


PEERS: dict[str, Callable[[Case], None]] = {"scikit-learn": fit_scikit_learn}
if torch is not None:
    torch.set_num_threads(1)
    PEERS["torch"] = fit_torch


def seconds(fit: Callable[[Case], None], case: Case) -> float:
    """Wall time of one fit."""
    begun = time.perf_counter()
    fit(case)
    return time.perf_counter() - begun


def measure(case: Case, repetitions: int) -> dict[str, Array]:
    """Seconds ``(repetitions,)`` of each; one more is run first and left out."""
    fits = {"lrtune": fit_lrtune, **PEERS}
    rows = [[seconds(fit, case) for fit in fits.values()] for _ in range(repetitions + 1)]
    return dict(zip(fits, np.array(rows[1:]).T, strict=True))


def main() -> None:
    """Print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=7)
    repetitions = parser.parse_args().repetitions
    versions = f"numpy {np.__version__}, scikit-learn {sklearn.__version__}"
    versions += "" if torch is None else f", torch {torch.__version__}"
    lines = [
        "# How fast one model trains",
        "",
        f"`python studies/benchmark_fit.py --repetitions {repetitions}`: median seconds of a fit, "
        f"and of the ratio within a repetition; SGD, float32, one thread each; lrtune "
        f"{lrtune.__version__}, {versions}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores.",
        "",
        "| network | lrtune | " + " | ".join(f"{peer} | ratio" for peer in PEERS) + " |",
        "|---|---|" + "---|---|" * len(PEERS),
    ]
    print("\n".join(lines))
    with threadpool_limits(1, user_api="blas"):
        for case in cases():
            times = measure(case, repetitions)
            cells = [
                f"{np.median(times[peer]):.3f} s | {np.median(times[peer] / times['lrtune']):.1f}×"
                for peer in PEERS
            ]
            lines.append(
                f"| {case.name} | {np.median(times['lrtune']):.3f} s | " + " | ".join(cells) + " |"
            )
            print(lines[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
