"""What lrtune chooses where the tutorial tries four rates, without and with decay.

For the fixed rates, the search is given constant rates alone; for those with decay, its default
space. It sees the training rows alone. What it recommends is trained beside the tutorial's four,
all of them with the same fresh seeds.

    python studies/lrtune_choice.py [--seeds 20]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from tutorial import (
    DECAY,
    EPOCHS,
    RATES,
    SEARCHED,
    SEED,
    TUTORIAL,
    Learned,
    arguments,
    header,
    keras_decay,
    learn,
    logarithmic_losses,
    network,
    recommended,
    spread,
    table,
    write,
)

from lrtune.review.plots import COLOURS

STYLES = (":", "-.", "--", (0, (6, 2)))


@dataclass(frozen=True)
class Question:
    """A study of the tutorial's, and what lrtune may choose from in its place."""

    title: str
    schedule: Mapping[str, Any]
    space: Mapping[str, Any]


QUESTIONS = (
    Question("Fixed rates", {}, {"decay": ["constant"]}),
    Question(f"Rates with a decay of {DECAY:g} per step", keras_decay(), {}),
)


def describe(params: Mapping[str, Any]) -> str:
    """Return a setting in words."""
    if params["decay"] == "constant":
        return f"lrtune: {params['learning_rate_init']:.3g}"
    return (
        f"lrtune: {params['learning_rate_init']:.3g}, {params['decay']}, "
        f"{params['decay_rate']:.2g}/epoch"
    )


def answer(question: Question, seeds: range) -> dict[str, list[Learned]]:
    """Trainings of the tutorial's four and of lrtune's choice, by label, lrtune's last."""
    settings: dict[str, Mapping[str, Any]] = {f"{rate:g}": question.schedule for rate in RATES}
    rates = dict(zip(settings, RATES, strict=True))
    best = recommended(network(RATES[1]), question.space).best_params
    label = describe(best)
    settings[label], rates[label] = best, best["learning_rate_init"]
    return {
        name: [learn(network(rates[name], seed=seed, **_rest(schedule))) for seed in seeds]
        for name, schedule in settings.items()
    }


def _rest(schedule: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schedule.items() if name != "learning_rate_init"}


# --- figure and table ----------------------------------------------------------------------------


def draw_curves(axes: Axes, runs: Mapping[str, Sequence[Learned]]) -> None:
    """Median loss on the test rows by epoch, and the middle half of the seeds."""
    epochs = np.arange(1, EPOCHS + 1)
    for index, (label, learned) in enumerate(runs.items()):
        own = index == len(RATES)
        colour = COLOURS[6] if own else COLOURS[index]
        low, middle, high = np.percentile([each.validation for each in learned], (25, 50, 75), 0)
        axes.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
        style: Any = "-" if own else STYLES[index]
        axes.plot(
            epochs,
            middle,
            color=colour,
            linestyle=style,
            linewidth=2.2 if own else 1.4,
            label=label,
        )
    axes.set(xlabel="epoch", xlim=(1, EPOCHS), ylim=(0.22, 2.4))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    logarithmic_losses(axes, (0.25, 0.5, 1, 2))
    axes.grid(alpha=0.3)


def draw_accuracies(axes: Axes, runs: Mapping[str, Sequence[Learned]]) -> None:
    """Test accuracy of every seed, and the mean."""
    for index, learned in enumerate(runs.values()):
        colour = COLOURS[6] if index == len(RATES) else COLOURS[index]
        values = np.array([each.accuracy for each in learned])
        beside = index + np.linspace(-0.25, 0.25, len(values))
        axes.plot(beside, np.sort(values), "o", color=colour, markersize=3, alpha=0.6)
        axes.plot([index - 0.35, index + 0.35], [values.mean()] * 2, color=colour, linewidth=2)
    labels = [*(f"{rate:g}" for rate in RATES), "lrtune"]
    axes.set_xticks(range(len(labels)), labels)
    axes.set(ylim=(20, 103))
    axes.grid(axis="y", alpha=0.3)


def draw(answers: Sequence[Mapping[str, Sequence[Learned]]], n_seeds: int) -> Figure:
    """Learning curves above, accuracies below."""
    figure = Figure(figsize=(9.2, 7.2), layout="constrained")
    figure.suptitle(
        f"lrtune's choice beside the tutorial's four rates: iris, {n_seeds} fresh seeds"
    )
    curves, accuracies = figure.subplots(2, 2, sharey="row", height_ratios=(3, 2))
    for column, (question, runs) in enumerate(zip(QUESTIONS, answers, strict=True)):
        curves[column].set_title(question.title, fontsize="medium")
        draw_curves(curves[column], runs)
        draw_accuracies(accuracies[column], runs)
        curves[column].legend(fontsize="small", loc="upper right")
    curves[0].set_ylabel("test loss (nats), median and middle half")
    accuracies[0].set_ylabel("test accuracy (%), every seed and mean")
    for axes in accuracies:
        axes.set_xlabel("learning rate")
    return figure


def row(label: str, learned: Sequence[Learned], chosen: Sequence[Learned]) -> tuple[str, ...]:
    """Return a line of the table, compared seed by seed with lrtune's choice."""
    pairs = zip(chosen, learned, strict=True)
    lower = sum(own.validation[-1] < other.validation[-1] for own, other in pairs)
    losses = [each.validation[-1] for each in learned]
    accuracies = [each.accuracy for each in learned]
    return (
        label,
        spread(losses, 3),
        f"{np.std(losses, ddof=1):.3f}" if len(losses) > 1 else "–",
        spread(accuracies, 1),
        f"{np.std(accuracies, ddof=1):.1f}" if len(accuracies) > 1 else "–",
        "–" if learned is chosen else f"{lower} of {len(losses)}",
    )


def main() -> None:
    """Print the tables, write them down, and draw the figure."""
    options = arguments(__doc__, seeds=20)
    seeds = range(SEED + 1, SEED + 1 + options.seeds)
    answers = [answer(question, seeds) for question in QUESTIONS]
    lines = [
        *header("The choice made by lrtune", f"lrtune_choice.py --seeds {options.seeds}", TUTORIAL),
        f"{SEARCHED}. Test loss and accuracy (%) after the last epoch: mean (lowest to highest) "
        f"and standard deviation over seeds {seeds[0]} to {seeds[-1]}, none of which the search "
        "saw. Lower: seeds on which lrtune's choice has the lower loss.",
    ]
    columns = ("rate", "test loss", "its deviation", "test accuracy", "its deviation", "lower")
    for question, runs in zip(QUESTIONS, answers, strict=True):
        chosen = list(runs.values())[-1]
        rows = [row(label, learned, chosen) for label, learned in runs.items()]
        lines += ["", f"## {question.title}", "", *table(columns, rows)]
    write(options.results, "lrtune_choice", lines, draw(answers, options.seeds))


if __name__ == "__main__":
    main()
