"""Three approaches to a changing rate: decay, schedules, adaptive rates; tuned and by default.

The tutorial's network trains with each of them, at the rate that lrtune's search recommends for it
and at the untuned default. The search sees the training rows alone, and its seeds are none of those
that judge; the test rows are those of the tutorial.

    python studies/three_approaches.py [--seeds 10]
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import sem
from sklearn.metrics import log_loss
from tutorial import (
    DECAY,
    EPOCHS,
    SEARCHED,
    SEED,
    TUTORIAL,
    arguments,
    data,
    header,
    keras_decay,
    logarithmic_losses,
    network,
    recommended,
    spread,
    table,
    write,
)

from lrtune.exceptions import DivergenceWarning
from lrtune.review.plots import COLOURS
from lrtune.training.optimizers import DEFAULT_RATES

Array = npt.NDArray[Any]

CYCLE, WARMUP = 5, 6


@dataclass(frozen=True)
class Method:
    """One way to change the rate.

    Attributes
    ----------
    approach, name : str
    parameters : mapping
        Of the network, with a decay rate as people take it.
    tunes_decay_rate : bool
        Whether the search may choose the decay rate as well; not where the epochs set it.
    """

    approach: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tunes_decay_rate: bool = False

    @property
    def default(self) -> dict[str, Any]:
        """Parameters at the untuned default rate."""
        rate = DEFAULT_RATES[self.parameters.get("optimizer", "sgd")]
        return {**self.parameters, "learning_rate_init": rate}

    def tuned(self) -> dict[str, Any]:
        """Parameters that the search recommends."""
        space: dict[str, Any] = {"decay": [self.parameters.get("decay", "constant")]}
        if not self.tunes_decay_rate and "decay_rate" in self.parameters:
            space["decay_rate"] = self.parameters["decay_rate"]
        model = network(0.1).set_params(**self.default)
        return {**self.parameters, **recommended(model, space).best_params}


APPROACHES = dict(
    zip(
        ("fixed", "decay", "schedule", "adaptive"),
        (COLOURS[6], COLOURS[0], COLOURS[1], COLOURS[2]),
        strict=True,
    )
)
METHODS = (
    Method("fixed", "fixed rate"),
    Method("decay", "inverse time", keras_decay(), tunes_decay_rate=True),
    Method(
        "decay",
        "exponential",
        {"decay": "exponential", "decay_rate": 0.05},
        tunes_decay_rate=True,
    ),
    Method(
        "schedule",
        "step",
        {"decay": "step", "decay_rate": math.log(2) / 5, "step_size": 5},
        tunes_decay_rate=True,
    ),
    Method("schedule", "cosine", {"decay": "cosine", "decay_rate": 1 / EPOCHS}),
    Method(
        "schedule",
        "warm restarts",
        {"decay": "cosine", "decay_rate": 1 / CYCLE, "cycle_epochs": CYCLE, "update": "batch"},
    ),
    Method(
        "schedule",
        "one-cycle",
        {
            "decay": "cosine",
            "decay_rate": 1 / (EPOCHS - WARMUP),
            "warmup_epochs": WARMUP,
            "update": "batch",
        },
    ),
    Method(
        "schedule",
        "plateau",
        {"decay": "plateau", "decay_rate": math.log(2), "patience": 2},
        tunes_decay_rate=True,
    ),
    Method("adaptive", "adagrad", {"optimizer": "adagrad"}),
    Method("adaptive", "rmsprop", {"optimizer": "rmsprop"}),
    Method("adaptive", "adam", {"optimizer": "adam"}),
)


@dataclass(frozen=True)
class Judged:
    """Test loss and accuracy (%) over the seeds ``(S,)``, and how many of them diverged."""

    parameters: Mapping[str, Any]
    losses: Array
    accuracies: Array
    diverged: int


def judge(parameters: Mapping[str, Any], seeds: range) -> Judged:
    """Train with every seed; one that diverges keeps its last good weights."""
    X, X_test, y, y_test = data()
    losses, accuracies, diverged = [], [], 0
    for seed in seeds:
        model = network(0.1, seed=seed).set_params(**parameters)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model.fit(X, y)
        diverged += any(issubclass(each.category, DivergenceWarning) for each in told)
        losses.append(log_loss(y_test, model.predict_proba(X_test)))
        accuracies.append(100 * model.score(X_test, y_test))
    return Judged(parameters, np.array(losses), np.array(accuracies), diverged)


# --- figure and table ----------------------------------------------------------------------------


def draw_spread(axes: Axes, place: float, values: Array, colour: str, *, filled: bool) -> None:
    """Every seed, the range, and the median."""
    axes.plot([values.min(), values.max()], [place] * 2, color=colour, linewidth=1, alpha=0.6)
    axes.plot(values, [place] * len(values), "|", color=colour, markersize=6, alpha=0.6)
    face = colour if filled else "white"
    axes.plot(np.median(values), place, "o", color=colour, markerfacecolor=face, markersize=6)


def draw(tuned: Sequence[Judged], default: Sequence[Judged]) -> Figure:
    """Draw a line per method: tuned above, by default below."""
    figure = Figure(figsize=(9.0, 6.4), layout="constrained")
    figure.suptitle(f"Three approaches on iris: {len(tuned[0].losses)} seeds")
    left, right = figure.subplots(1, 2, sharey=True)
    for place, (method, own, other) in enumerate(zip(METHODS, tuned, default, strict=True)):
        colour = APPROACHES[method.approach]
        for judged, offset, filled in ((own, -0.17, True), (other, 0.17, False)):
            draw_spread(left, place + offset, judged.losses, colour, filled=filled)
            draw_spread(right, place + offset, judged.accuracies, colour, filled=filled)
    left.set(xlabel="test loss (nats)", xlim=(0.045, 1.3), ylim=(len(METHODS) - 0.5, -0.5))
    left.set_yticks(range(len(METHODS)), [method.name for method in METHODS])
    logarithmic_losses(left, (0.05, 0.1, 0.2, 0.5, 1), along="x")
    left.axvline(math.log(3), color="0.4", linestyle=":", linewidth=1)
    right.set(xlabel="test accuracy (%)")
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
        for place in range(1, len(METHODS)):
            if METHODS[place].approach != METHODS[place - 1].approach:
                axes.axhline(place - 0.5, color="0.8", linewidth=0.8)
    for approach, colour in APPROACHES.items():
        places = [i for i, method in enumerate(METHODS) if method.approach == approach]
        right.text(
            1.02, np.mean(places), approach, color=colour, va="center", rotation=270,
            transform=right.get_yaxis_transform(),
        )  # fmt: skip
    handles = [
        Line2D([], [], marker="o", color="0.2", label="at its own tuned rate: median, all seeds"),
        Line2D([], [], marker="o", color="0.2", markerfacecolor="white", label="at the default"),
        Line2D([], [], linestyle=":", color="0.4", label="a guess, ln 3"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def gain(tuned: Judged, default: Judged) -> str:
    """Mean difference of their losses, seed by seed, and its standard error."""
    differences = tuned.losses - default.losses
    if len(differences) == 1:
        return f"{differences[0]:+.3f}"
    return f"{differences.mean():+.3f} ± {sem(differences):.3f}"


def row(method: Method, setting: str, judged: Judged, beside: str) -> tuple[str, ...]:
    """Return a line of the table."""
    decay_rate = judged.parameters.get("decay_rate", 0)
    has_decay = judged.parameters.get("decay", "constant") != "constant"
    return (
        method.approach,
        method.name,
        setting,
        f"{judged.parameters['learning_rate_init']:.3g}",
        f"{decay_rate:.3g}" if has_decay else "–",
        spread(judged.losses, 3),
        beside,
        spread(judged.accuracies, 1),
        str(judged.diverged),
    )


def main() -> None:
    """Print the table, write it down, and draw the figure."""
    options = arguments(__doc__, seeds=10)
    seeds = range(SEED + 1, SEED + 1 + options.seeds)
    default = [judge(method.default, seeds) for method in METHODS]
    tuned = [judge(method.tuned(), seeds) for method in METHODS]
    rows = []
    for method, own, other in zip(METHODS, tuned, default, strict=True):
        rows += [row(method, "tuned", own, gain(own, other)), row(method, "default", other, "–")]
    lines = [
        *header("Three approaches", f"three_approaches.py --seeds {options.seeds}", TUTORIAL),
        f"{SEARCHED}. It tuned α₀, and the decay rate where the epochs do not set it. "
        f"Default: the library's rate, and a decay of {DECAY:g} per step (inverse time), 5 % per "
        "epoch (exponential), one half every 5 epochs (step) or per epoch without a better loss "
        f"(plateau). Warm restarts come every {CYCLE} epochs; one-cycle warms up for {WARMUP}. "
        f"Mean (lowest to highest) of test loss and accuracy (%) over seeds {seeds[0]} to "
        f"{seeds[-1]}, none of which the search saw. Less the default: mean difference of the test "
        "losses, seed by seed, ± its standard error; what is within two of these may be chance.",
        "",
        *table(
            (
                "approach",
                "method",
                "rate",
                "α₀",
                "decay rate (1/epoch)",
                "test loss",
                "less the default",
                "test accuracy",
                "diverged",
            ),
            rows,
        ),
    ]
    write(options.results, "three_approaches", lines, draw(tuned, default))


if __name__ == "__main__":
    main()
