"""What the studies of the tutorial share: its data, its network, and how they are shown.

The tutorial trains a small Keras network on iris, as it comes, with four learning rates. These
studies train the same with lrtune's `MLPClassifier`; `tests/training/test_keras_parity.py` checks
that Keras gets the same losses. Validation rows are its test rows, as in the tutorial.
"""

import argparse
import platform
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import sklearn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

import lrtune
from lrtune import MLPClassifier
from lrtune.exceptions import DivergenceWarning
from lrtune.review.plots import COLOURS
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer

Array = npt.NDArray[Any]

RATES = (0.2, 0.1, 0.03, 0.01)
DECAY = 0.01
EPOCHS, BATCH_SIZE = 20, 32
TEST_SHARE, SPLIT_SEED = 0.25, 42
SEED = 0
TRAINING, VALIDATION = COLOURS[0], COLOURS[1]
RESULTS = Path(__file__).parent / "results"
DPI = 110


# --- data, network, training ---------------------------------------------------------------------


@cache
def data() -> tuple[Array, Array, Array, Array]:
    """Training rows, test rows, and the labels of both."""
    X, y = load_iris(return_X_y=True)
    return tuple(train_test_split(X, y, test_size=TEST_SHARE, random_state=SPLIT_SEED))


def network(rate: float, *, seed: int = SEED, **parameters: Any) -> MLPClassifier:
    """Return the tutorial's network: 4-50-12-3, relu, softmax, cross entropy, plain SGD."""
    return MLPClassifier(
        (50, 12),
        activation="relu",
        optimizer="sgd",
        learning_rate_init=rate,
        batch_size=BATCH_SIZE,
        max_iter=EPOCHS,
        random_state=seed,
    ).set_params(**parameters)


def keras_decay(decay: float = DECAY) -> dict[str, Any]:
    """Legacy Keras' ``SGD(rate, decay=d)``: rate / (1 + d · step), as lrtune's parameters.

    `decay_rate` is per epoch, so it is d times the steps of an epoch.
    """
    steps = -(-len(data()[0]) // BATCH_SIZE)
    return {"decay": "inverse_time", "decay_rate": decay * steps, "update": "batch"}


@dataclass(frozen=True)
class Learned:
    """What a training gave.

    Attributes
    ----------
    training, validation : ndarray of shape (EPOCHS,)
        Mean loss of each epoch while it trained, and on the test rows at its end; NaN from a
        divergence on.
    accuracy : float
        On the test rows at the end, in per cent.
    """

    training: Array
    validation: Array
    accuracy: float

    @property
    def diverged(self) -> bool:
        """Whether the training broke off."""
        return bool(np.isnan(self.training[-1]))


def learn(model: MLPClassifier) -> Learned:
    """Train epoch by epoch; the same as ``fit``, with the loss on the test rows noted."""
    X, X_test, y, y_test = data()
    validation = np.full(model.max_iter, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        for epoch in range(model.max_iter):
            model.partial_fit(X, y)
            if len(model.loss_curve_) == epoch:
                break
            validation[epoch] = log_loss(y_test, model.predict_proba(X_test))
    training = np.full(model.max_iter, np.nan)
    training[: len(model.loss_curve_)] = model.loss_curve_
    return Learned(training, validation, 100 * model.score(X_test, y_test))


def recommended(model: MLPClassifier, space: Mapping[str, Any]) -> SearchResult:
    """Search on the training rows alone: 64 trials, 3 replicates."""
    X, _, y, _ = data()
    return search(
        NetworkTrainer.on_random_splits(model, X, y, 3, seed=SEED),
        Space.of(space, EPOCHS),
        budget=Budget(),
        sampling=Sampling(SEED),
    )


# --- lines, tables, figures ----------------------------------------------------------------------


def arguments(doc: str | None, *, seeds: int | None = None) -> argparse.Namespace:
    """Where to write, and how many seeds."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    if seeds is not None:
        parser.add_argument(
            "--seeds", type=int, default=seeds, help="how many to train with (%(default)s)"
        )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder to write to (studies/results)"
    )
    return parser.parse_args()


def header(title: str, command: str, about: str) -> list[str]:
    """Return the first lines of a table: title, command, description and versions."""
    return [
        f"# {title}",
        "",
        f"`python studies/{command}`: {about}; lrtune {lrtune.__version__}, scikit-learn "
        f"{sklearn.__version__}, numpy {np.__version__}, Python {platform.python_version()}.",
        "",
    ]


TUTORIAL = (
    f"iris unscaled, {TEST_SHARE:.0%} test rows (random_state {SPLIT_SEED}), 50-12-3 network, "
    f"cross entropy, SGD, batches of {BATCH_SIZE}, {EPOCHS} epochs"
)


SEARCHED = (
    "lrtune's search saw the training rows alone: 64 trials on 3 replicates of them, confirmed on "
    "fresh ones. A replicate trains on three quarters of them, 3 steps per epoch; what is judged "
    "trains on all, 4 steps"
)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    head = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return [*head, *("| " + " | ".join(row) + " |" for row in rows)]


def accuracy_line(rate: float, accuracy: float) -> str:
    """Return the tutorial's line for a rate; the accuracy is in per cent."""
    return f"Learning Rate: {rate:f} Test Accuracy: {accuracy:.2f}"


def spread(values: Sequence[float] | Array, digits: int) -> str:
    """Mean and range."""
    return (
        f"{np.mean(values):.{digits}f} ({np.min(values):.{digits}f} to {np.max(values):.{digits}f})"
    )


def write(folder: Path, name: str, lines: Sequence[str], figure: Figure) -> None:
    """Write a table and its figure, and print the table."""
    folder.mkdir(exist_ok=True)
    text = "\n".join([*lines, "", f"![{lines[0].lstrip('# ')}]({name}.png)"]) + "\n"
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    _save(figure, folder / f"{name}.png")
    print("\n".join(lines))


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG file of few colours: a third of the size, and it looks the same."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture.quantize(128).save(path, optimize=True)


def losses_figure(title: str, runs: Mapping[float, Sequence[Learned]]) -> Figure:
    """Draw the tutorial's figure: losses of its four rates, further seeds behind them."""
    figure = Figure(figsize=(7.2, 5.6), layout="constrained")
    figure.suptitle(title)
    epochs = np.arange(1, EPOCHS + 1)
    grid = figure.subplots(2, 2, sharex=True, sharey=True)
    for axes, (rate, (first, *others)) in zip(grid.flat, runs.items(), strict=True):
        for other in others:
            axes.plot(epochs, other.validation, color="0.8", linewidth=0.7, label="other seeds")
        axes.plot(epochs, first.training, color=TRAINING, label="training")
        axes.plot(epochs, first.validation, "--", color=VALIDATION, label="validation")
        axes.set_title(f"Learning Rate: {rate:.2f}", fontsize="medium")
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in grid[1]:
        axes.set_xlabel("epoch")
    for axes in grid[:, 0]:
        axes.set_ylabel("cross entropy (nats)")
    grid[0, 0].set(xlim=(1, EPOCHS), ylim=(0.22, 4.5))
    logarithmic_losses(grid[0, 0])
    handles, labels = grid[0, 0].get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    order = [label for label in ("training", "validation", "other seeds") if label in shown]
    grid[0, 1].legend([shown[label] for label in order], order, fontsize="small", ncols=2)
    return figure


def logarithmic_losses(
    axes: Axes, ticks: Sequence[float] = (0.25, 0.5, 1, 2, 4), *, along: Literal["x", "y"] = "y"
) -> None:
    """Make an axis logarithmic, with plain numbers."""
    axis = axes.xaxis if along == "x" else axes.yaxis
    axes.set(**{f"{along}scale": "log"})
    axis.set_ticks(ticks)
    axis.set_ticks([], minor=True)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def study_of_rates(name: str, title: str, doc: str | None, schedule: Mapping[str, Any]) -> None:
    """Train with the tutorial's four rates: its lines, its figure, and further seeds beside it."""
    options = arguments(doc, seeds=20)
    runs: dict[float, list[Learned]] = {}
    printed = []
    for rate in RATES:
        seeds = range(SEED, SEED + options.seeds)
        runs[rate] = [learn(network(rate, seed=seed, **schedule)) for seed in seeds]
        printed.append(accuracy_line(rate, runs[rate][0].accuracy))
    rows = [
        (
            f"{rate:g}",
            f"{learned[0].training[-1]:.4f}",
            f"{learned[0].validation[-1]:.4f}",
            f"{learned[0].accuracy:.2f}",
            spread([each.validation[-1] for each in learned], 3),
            spread([each.accuracy for each in learned], 1),
        )
        for rate, learned in runs.items()
    ]
    last = SEED + options.seeds - 1
    lines = [
        *header(title, f"{name}.py --seeds {options.seeds}", TUTORIAL),
        "```text",
        *printed,
        "```",
        "",
        f"That is seed {SEED}. A seed decides the initial weights and the order of the rows; mean "
        f"(lowest to highest) is over seeds {SEED} to {last}. Losses and accuracy (%) are those "
        "after the last epoch; validation rows are the test rows.",
        "",
        *table(
            (
                "rate",
                f"training loss, seed {SEED}",
                f"validation loss, seed {SEED}",
                f"accuracy, seed {SEED}",
                f"validation loss, {options.seeds} seeds",
                f"accuracy, {options.seeds} seeds",
            ),
            rows,
        ),
    ]
    write(options.results, name, lines, losses_figure(f"{title}: iris, seed {SEED}", runs))
