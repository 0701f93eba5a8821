"""How fast one model trains, beside scikit-learn and torch.

Equal epochs, batches, networks, rate and optimizer (plain SGD), float32 where the peer has it, one
thread each. Every repetition trains each of them once, in turn, and the ratio is taken within the
repetition; the tables show medians. Then what bounds lrtune's step: its NumPy calls run alone, and
what the machine's largest product would reach.

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
from step_parts import Step, StepParts, sgemm_peak
from threadpoolctl import threadpool_limits

import lrtune
from lrtune import MLPClassifier
from lrtune.training.rows import Rows

try:
    import torch
except ImportError:
    torch = None

Array = npt.NDArray[Any]
RATE = 0.05
MEASURED_STEPS, ROUNDS = 40, 9
"""Steps that are measured at most, and how often in a repetition."""
LEAST = ("calls", "products", "arithmetic")
"""What a step could not do without, by ever stronger claims."""
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

    @property
    def rows(self) -> Rows:
        """What a fit makes of the table."""
        one_hot = np.eye(len(np.unique(self.y)), dtype=np.float32)
        return Rows(self.X, one_hot[self.y])

    @property
    def flops(self) -> int:
        """Operations that training on one row takes, biases left out.

        Two for every weight, forward, and for the gradients in weights and in inputs; the
        gradient in the table's own columns is not needed.
        """
        sizes = (self.X.shape[1], *self.hidden, len(np.unique(self.y)))
        weights = sum(n * m for n, m in itertools.pairwise(sizes))
        return 6 * weights - 2 * sizes[0] * sizes[1]


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
    """Run the usual loop, with the rows shuffled in memory instead of by a slower DataLoader."""
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


@dataclass(frozen=True)
class Measured:
    """What the repetitions gave."""

    case: Case
    fits: dict[str, Array]
    """Seconds ``(repetitions,)`` of lrtune and its peers."""
    parts: list[StepParts]
    peaks: Array
    """What the machine's products reached in each repetition, flops per second."""
    n_calls: float
    """NumPy calls in a step."""

    @property
    def flops(self) -> float:
        """Operations of a step, mean over those measured: the last of an epoch has fewer rows."""
        n_rows = min(len(self.case.X), MEASURED_STEPS * self.case.batch_size)
        return self.case.flops * n_rows / -(-n_rows // self.case.batch_size)

    def ratio_if(self, peer: str, part: str) -> float:
        """How much faster than a peer, if a step took one of its parts alone."""
        n_steps = -(-len(self.case.X) // self.case.batch_size) * self.case.epochs
        alone = self.flops / self.peaks if part == "arithmetic" else self.seconds_of(part)
        least = self.fits["lrtune"] - n_steps * (self.seconds_of("step") - alone)
        return float(np.median(self.fits[peer] / least))

    def seconds_of(self, part: str) -> Array:
        """Seconds ``(repetitions,)`` of a step, or of a part of it."""
        return np.array([getattr(parts, part) for parts in self.parts])

    @property
    def reached(self) -> tuple[float, float]:
        """The share of the peak that lrtune's steps reach, and that its whole fit reaches."""
        case = self.case
        steps = self.flops / self.seconds_of("step")
        fit = case.flops * len(case.X) * case.epochs / self.fits["lrtune"]
        return float(np.median(steps / self.peaks)), float(np.median(fit / self.peaks))


def measure(case: Case, repetitions: int) -> Measured:
    """Run everything once per repetition, in turn; one more comes first and is left out."""
    fits = {"lrtune": fit_lrtune, **PEERS}
    some = case.rows.take(slice(MEASURED_STEPS * case.batch_size))
    step = Step(some, case.hidden, case.batch_size)
    times, parts, peaks = [], [], []
    for _ in range(repetitions + 1):
        times.append([seconds(fit, case) for fit in fits.values()])
        parts.append(step.measure(ROUNDS))
        peaks.append(sgemm_peak())
    columns = dict(zip(fits, np.array(times[1:]).T, strict=True))
    return Measured(case, columns, parts[1:], np.array(peaks[1:]), step.n_calls)


def fit_row(told: Measured) -> str:
    """One line of the table of fits."""
    own = told.fits["lrtune"]
    cells = [f"{told.case.name}", f"{np.median(own):.3f} s"]
    for peer in PEERS:
        seconds = told.fits[peer]
        cells += [f"{np.median(seconds):.3f} s", f"{np.median(seconds / own):.1f}×"]
    return "| " + " | ".join(cells) + " |"


def bound_rows(told: Measured) -> list[str]:
    """Lines of the table of what the ratios could be."""
    return [
        f"| {told.case.name} | {peer} | "
        + " | ".join(f"{told.ratio_if(peer, part):.1f}×" for part in ("step", *LEAST))
        + " |"
        for peer in PEERS
    ]


def step_row(told: Measured) -> str:
    """One line of the table of what bounds a step."""

    def median(part: str) -> str:
        return f"{1e6 * np.median(told.seconds_of(part)):.1f}"

    cells = [told.case.name, *map(median, ("step", "products", "others", "rest"))]
    cells += [f"{told.n_calls:.1f}"]
    needed = told.flops / np.median(told.peaks)
    cells += [f"{1e6 * needed:.1f}", *(f"{share:.0%}" for share in told.reached)]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the tables and write them down."""
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
    measured = []
    with threadpool_limits(1, user_api="blas"):
        for case in cases():
            measured.append(measure(case, repetitions))
            lines.append(fit_row(measured[-1]))
            print(lines[-1], flush=True)
    peak = np.median([told.peaks for told in measured])
    about = [
        "",
        "## What bounds a step",
        "",
        "Microseconds of one step of `Population.train_epoch` (batches of 32, the last network's "
        "256), medians. Products: its matrix products, run alone on the same arrays. Other calls: "
        "its elementwise operations and sums, by running all of its NumPy calls alone, less the "
        "products. Rest: Python between them, and reading rows. Calls: how many. Arithmetic: what "
        f"its operations would take at this machine's peak, {peak / 1e9:.0f} GFLOP/s on one thread "
        "(the best of products of 1024, 1536 and 2048 squared float32 matrices; the median of "
        "repetitions). Reached: share of the peak of the same repetition, by steps, and by whole "
        "fits. Operations per row: 6 for each weight, less 2 for each of the first layer; biases "
        "and the rows evaluated after an epoch are not counted.",
        "",
        "| network | step | products | other calls | rest | calls | arithmetic | reached by steps "
        "| by fits |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(step_row, measured),
        "",
        "## What bounds the ratios",
        "",
        "The ratio, and what it would be if the steps of the same fits took their NumPy calls "
        "alone, their products alone, or their arithmetic at the peak, and all else (reading the "
        "table, the order of rows, the rows evaluated after an epoch) as long as it does.",
        "",
        "| network | peer | ratio | calls alone | products alone | at the peak |",
        "|---|---|---|---|---|---|",
        *(row for told in measured for row in bound_rows(told)),
    ]
    print("\n".join(about))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines + about) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
