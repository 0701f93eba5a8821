"""Whether the promise holds for any training: digits, tuned through seven doors.

lrtune's network, a torch loop, a torch module whose settings train many at once, Keras, Lightning,
Transformers and scikit-learn's SGDClassifier are each tuned with 32 trainings. What is recommended
is then trained on further seeds by plain code without lrtune's trainer, and the loss compared with
the one that the search claims.

    pip install torch==2.13.0 keras lightning transformers accelerate
    python studies/any_training.py [--doors torch,keras] [--trainings 32] [--searches 20]

How often a claim holds is counted over further searches of lrtune's network, which trains fastest.
"""

import argparse
import importlib.metadata
import importlib.util
import inspect
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from digits_trainings import (
    BATCH_SIZE,
    EPOCHS,
    images,
    network,
    torch_trainer,
    train_keras,
    train_lightning,
    train_network,
    train_sgd_classifier,
    train_torch,
    train_torch_network,
    train_transformers,
)
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import sem
from scipy.stats import t as t_distribution
from threadpoolctl import threadpool_limits
from tutorial import RESULTS, header, logarithmic_losses, table, write

import lrtune
from lrtune import Schedule
from lrtune.review.plots import COLOURS
from lrtune.support.numbers import estimate
from lrtune.tuning.confirm.budget import split_trainings
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget
from lrtune.tuning.search import search as search_with
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer

Array = npt.NDArray[Any]

FIRST_SEED = 2**31
"""The first further seed: a search of a function takes its own from below."""
GUESS = math.log(10)
"""Loss of a guess."""
NOT_LEARNT = 0.9 * GUESS
"""A training that ends above it did not learn."""


def search_function(door: "Door", trainings: int, seed: int) -> SearchResult:
    """Search a training function."""
    return lrtune.search(
        door.train,
        epochs=EPOCHS,
        trainings=trainings,
        default=door.default,
        seed=seed,
        storage=None,
    )


def search_network(_: "Door", trainings: int, seed: int) -> SearchResult:
    """Search lrtune's network, whose settings train in lockstep."""
    split = split_trainings(trainings, n_others=1)
    return search_with(
        NetworkTrainer.on_random_splits(network(), *images(), split.replicates or 3, seed=seed),
        Space.default(EPOCHS),
        budget=Budget(split.n_trials, split.replicates, confirmation=split.confirmation),
        sampling=Sampling(seed),
    )


def search_torch_trainer(door: "Door", trainings: int, seed: int) -> SearchResult:
    """Search a torch module, whose settings train in lockstep."""
    return lrtune.search(
        torch_trainer(),
        epochs=EPOCHS,
        trainings=trainings,
        default=door.default,
        seed=seed,
        storage=None,
    )


@dataclass(frozen=True)
class Door:
    """One way to train digits, and to have it tuned.

    Attributes
    ----------
    title, model : str
        The framework, and what it trains.
    default : float
        The customary rate, which is held.
    train : callable
        The training, as a generator or with `report`.
    search : callable
        Function of the door, a number of trainings and a seed that returns the search's result.
    needs : tuple of str
        Modules without which it is left out.
    """

    title: str
    model: str
    default: float
    train: Callable[..., Any]
    search: Callable[["Door", int, int], SearchResult] = search_function
    needs: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """Return the modules that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


DOORS = {
    "network": Door(
        "lrtune's network", "64-32 ReLUs, SGD", 0.1, train_network, search=search_network
    ),
    "torch": Door(
        "torch, a loop by hand",
        "convolutional, SGD with momentum",
        0.01,
        train_torch,
        needs=("torch",),
    ),
    "torch_trainer": Door(
        "torch, a `TorchTrainer`",
        "64-32 ReLUs, AdamW",
        0.001,
        train_torch_network,
        search=search_torch_trainer,
        needs=("torch",),
    ),
    "keras": Door("Keras `fit`", "64-32 ReLUs, Adam", 0.001, train_keras, needs=("keras", "torch")),
    "lightning": Door(
        "Lightning's Trainer",
        "convolutional with batch normalisation, Adam",
        0.001,
        train_lightning,
        needs=("lightning", "torch"),
    ),
    "transformers": Door(
        "Transformers' Trainer",
        "vision transformer, AdamW",
        0.001,
        train_transformers,
        needs=("transformers", "accelerate", "torch"),
    ),
    # LearningRateSearchCV takes its place as `search` once it tunes models with partial_fit
    "sgd_classifier": Door(
        "scikit-learn's `SGDClassifier`", "logistic regression", 0.01, train_sgd_classifier
    ),
}


# --- further seeds, by plain code ----------------------------------------------------------------


def last_loss(train: Callable[..., Any], schedule: Schedule, seed: int) -> float:
    """Train once, and return the last loss; inf if it is not finite."""
    if "report" in inspect.signature(train).parameters:
        reported: list[dict[str, float]] = []
        train(schedule, seed, reported.append)
        loss = reported[-1]["loss"]
    else:
        *_, loss = train(schedule, seed)
    return loss if math.isfinite(loss) else math.inf


def last_losses(train: Callable[..., Any], schedule: Schedule, n_seeds: int) -> Array:
    """Train with further seeds, and return the last losses."""
    seeds = range(FIRST_SEED, FIRST_SEED + n_seeds)
    return np.array([last_loss(train, schedule, seed) for seed in seeds])


# --- the claim, and what became of it ------------------------------------------------------------


@dataclass(frozen=True)
class Tuned:
    """A door's search, and the losses on further seeds at its schedule and at the default."""

    door: Door
    result: SearchResult
    further: Array
    default: Array
    minutes: float

    @property
    def distance(self) -> float:
        """How far the further seeds' mean lies above the claim, in standard errors of both.

        It is inf if one of them diverged.
        """
        own = self.result.confirmed_se
        return self._distance(math.inf if own is None else own)

    @property
    def distance_by_spread(self) -> float:
        """The same, with the claim's standard error by the further seeds' spread."""
        finite = self.further[np.isfinite(self.further)]
        return self._distance(float(finite.std(ddof=1)) / math.sqrt(self.claim_seeds))

    def _distance(self, claim_se: float) -> float:
        if not np.isfinite(self.further).all():
            return math.inf
        gap = float(self.further.mean()) - (self.result.confirmed_loss or math.nan)
        return gap / math.hypot(claim_se, sem(self.further))

    @property
    def claim_seeds(self) -> int:
        """How many seeds the claim is a mean of."""
        assert self.result.confirmation is not None
        return self.result.confirmation.replicates

    @property
    def lost(self) -> tuple[int, int]:
        """How many trainings diverged, and did not learn, in the search and among the race's."""
        assert self.result.confirmation is not None
        statuses = [each.status for each in self.result.confirmation.contenders]
        return (
            self.result.trials.diverged + statuses.count("diverged"),
            self.result.died + statuses.count("dead"),
        )


def tune(door: Door, trainings: int, n_seeds: int, seed: int = 0) -> Tuned:
    """Search, and train what is recommended and the default on further seeds."""
    begun = time.perf_counter()
    result = door.search(door, trainings, seed)
    minutes = (time.perf_counter() - begun) / 60
    default = Schedule(learning_rate_init=door.default)
    further, untuned = (
        last_losses(door.train, schedule, n_seeds) for schedule in (result.schedule, default)
    )
    return Tuned(door, result, further, untuned, minutes)


def describe(schedule: Schedule) -> str:
    """Return a schedule as short text.

    >>> describe(Schedule(learning_rate_init=0.0123456, decay="cosine", decay_rate=0.1))
    '0.0123, cosine, 0.1/epoch'
    """
    rate = f"{schedule.learning_rate_init:.3g}"
    if schedule.decay == "constant":
        return f"{rate}, constant"
    return f"{rate}, {schedule.decay}, {schedule.decay_rate:.2g}/epoch"


def mean_loss(losses: Array) -> str:
    """Return a mean and its standard error, and how many seeds did not learn.

    >>> mean_loss(np.array([0.1, 0.2, 0.3])), mean_loss(np.array([0.1, 2.3, np.inf]))
    ('0.2 ± 0.058', 'diverged on 1, not learnt on 1 of 3')
    """
    diverged, dead = (
        int(np.isinf(losses).sum()),
        int((np.isfinite(losses) & (losses > NOT_LEARNT)).sum()),
    )
    if diverged:
        return f"diverged on {diverged}, not learnt on {dead} of {len(losses)}"
    note = f" (not learnt on {dead} of {len(losses)})" if dead else ""
    return estimate(float(losses.mean()), float(sem(losses))) + note


COLUMNS = (
    "door",
    "model",
    "recommended schedule",
    "claimed loss",
    "further seeds",
    "default",
    "default on further seeds",
    "outside 2 s.e.",
    "trainings",
    "diverged / did not learn",
    "minutes",
)


def row(tuned: Tuned) -> tuple[str, ...]:
    """Return a line of the table."""
    result, distance = tuned.result, tuned.distance
    return (
        tuned.door.title,
        tuned.door.model,
        describe(result.schedule),
        estimate(result.confirmed_loss, result.confirmed_se),
        mean_loss(tuned.further),
        f"{tuned.door.default:g}",
        mean_loss(tuned.default),
        f"{'**yes**' if abs(distance) > 2 else 'no'} ({distance:+.2f}; "
        f"{tuned.distance_by_spread:+.2f})",
        str(result.trainings["total"]),
        "{} / {}".format(*tuned.lost),
        f"{tuned.minutes:.1f}",
    )


def verdict(tuned: Sequence[Tuned]) -> str:
    """Say where the further seeds' mean lies outside two standard errors of the claim."""
    above = [each.door.title for each in tuned if each.distance > 2]
    below = [each.door.title for each in tuned if each.distance < -2]
    if not above and not below:
        return "The further seeds' mean lies within 2 standard errors of the claim at every door."
    sentences = [
        f"The further seeds' mean lies more than 2 standard errors {where} the claim: "
        f"{', '.join(doors)}."
        for where, doors in (("above", above), ("below", below))
        if doors
    ]
    return " ".join(sentences)


def gains(tuned: Sequence[Tuned]) -> str:
    """Say where the recommended schedule is surely better than the default, seed by seed."""
    better = []
    for each in tuned:
        saved = each.default - each.further
        if np.isfinite(saved).all() and saved.mean() > 2 * sem(saved):
            better.append(each)
    return (
        f"On them the recommended schedule is better than the default by more than 2 standard "
        f"errors, seed by seed, at {len(better)} of {len(tuned)} doors."
    )


def notes(n_seeds: int, claim_seeds: int) -> str:
    """Say what the table shows."""
    missed = 2 * t_distribution.sf(2, claim_seeds - 1)
    return (
        "A claim is the confirmed loss, on seeds that had no part in choosing the schedule. "
        f"Further seeds: mean loss ± standard error of {n_seeds} trainings by a plain loop that "
        "does without lrtune's trainer, on seeds that the search cannot have used; the default's "
        "on the same. Outside: whether the further seeds' mean differs from the claim by more than "
        "2 standard errors of both; in brackets the distance in standard errors, first with the "
        f"claim's own, then with the one that the further seeds' spread gives a claim. A claim "
        f"comes of {claim_seeds} seeds, and with so few even a correct one lies more than 2 of its "
        f"own standard errors from the truth {missed:.0%} of the time. Diverged / did not learn: "
        "among the trainings of the search, and settings that left the race for it; a training "
        "that ends about where it began had a rate that is too low, or its network died. Minutes: "
        "the search."
    )


def how_often(searches: Sequence[Tuned]) -> list[str]:
    """Return lines that count how often a claim holds."""
    counted = {
        "searches": len(searches),
        "further mean more than 2 s.e. above the claim": sum(e.distance > 2 for e in searches),
        "more than 2 s.e. below it": sum(e.distance < -2 for e in searches),
        "more than 2 s.e. above it, by the further seeds' spread": sum(
            each.distance_by_spread > 2 for each in searches
        ),
        "more than 2 s.e. below it, by their spread": sum(
            each.distance_by_spread < -2 for each in searches
        ),
        "recommendations that diverged on a further seed (counted as above)": sum(
            not np.isfinite(each.further).all() for each in searches
        ),
        "recommendations with a further seed above 1 nat": sum(
            bool((each.further > 1).any()) for each in searches
        ),
        "recommendations with a higher further mean than the default's": sum(
            each.further.mean() > each.default.mean() for each in searches
        ),
    }
    return [
        "",
        "## How often a claim holds",
        "",
        f"Further searches of lrtune's network with other seeds, each recommendation trained on "
        f"{len(searches[0].further)} further seeds by plain code.",
        "",
        *table(("", ""), [(name, str(count)) for name, count in counted.items()]),
    ]


def draw(tuned: Sequence[Tuned]) -> Figure:
    """Draw claim, further seeds and default of every door."""
    figure = Figure(figsize=(8.0, 1.2 + 0.75 * len(tuned)), layout="constrained")
    axes = figure.subplots()
    for place, each in enumerate(tuned):
        claim, se = each.result.confirmed_loss, each.result.confirmed_se or 0.0
        assert claim is not None
        low = max(claim - 2 * se, claim / 3)
        axes.plot([low, claim + 2 * se], [place - 0.22] * 2, color=COLOURS[0], linewidth=1.5)
        axes.plot(claim, place - 0.22, "D", color=COLOURS[0], markersize=6)
        for losses, offset, colour in (
            (each.further, 0.0, COLOURS[1]),
            (each.default, 0.22, "0.45"),
        ):
            finite = losses[np.isfinite(losses)]
            if not finite.size:
                continue
            axes.plot(finite, [place + offset] * len(finite), "|", color=colour, alpha=0.6)
            axes.plot(finite.mean(), place + offset, "o", color=colour, markersize=6)
    axes.axvline(GUESS, color="0.4", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(tuned)), [each.door.title.replace("`", "") for each in tuned])
    axes.set(
        ylim=(len(tuned) - 0.5, -0.5), xlabel="validation loss (nats)", title="Digits, seven doors"
    )
    logarithmic_losses(axes, (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2), along="x")
    axes.grid(axis="x", alpha=0.3)
    handles = [
        Line2D([], [], marker="D", color=COLOURS[0], label="claimed, ± 2 standard errors"),
        Line2D(
            [], [], marker="o", linestyle="", color=COLOURS[1], label="further seeds: mean, all"
        ),
        Line2D([], [], marker="o", linestyle="", color="0.45", label="default on them, mean"),
        Line2D([], [], linestyle=":", color="0.4", label="a guess, ln 10"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize="small")
    return figure


# --- the command line ----------------------------------------------------------------------------


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--doors",
        type=lambda text: text.split(","),
        default=list(DOORS),
        help=f"some of {','.join(DOORS)} (all)",
    )
    parser.add_argument("--trainings", type=int, default=32, help="of each search (%(default)s)")
    parser.add_argument("--seeds", type=int, default=10, help="further seeds (%(default)s)")
    parser.add_argument(
        "--searches",
        type=int,
        default=20,
        help="further searches of lrtune's network that count how often a claim holds, each on "
        "four times as many further seeds (%(default)s)",
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder to write to (studies/results)"
    )
    options = parser.parse_args()
    for name in options.doors:
        if name not in DOORS:
            parser.error(f"--doors must be some of {','.join(DOORS)}, but got {name!r}")
    if options.seeds < 2:
        parser.error(f"--seeds must be at least 2, but got {options.seeds}")
    return options


def main() -> None:
    """Print the table, write it down, and draw the figure."""
    options = parse()
    doors = {name: DOORS[name] for name in options.doors}
    left_out = []
    for name, door in list(doors.items()):
        if missing := door.missing():
            left_out.append(
                f"{name} is left out: it needs {' and '.join(missing)}, which you can install by "
                f"pip install {' '.join(missing)}"
            )
            print(left_out[-1])
            del doors[name]
    if not doors:
        raise SystemExit("no door is left: install what is named above, or choose others")
    with threadpool_limits(1):
        tuned = [tune(door, options.trainings, options.seeds) for door in doors.values()]
        searches = [
            tune(DOORS["network"], options.trainings, 4 * options.seeds, seed)
            for seed in range(1, options.searches + 1)
        ]
    command = f"any_training.py --trainings {options.trainings} --seeds {options.seeds}"
    command += f" --searches {options.searches}"
    if options.doors != list(DOORS):
        command += f" --doors {','.join(options.doors)}"
    modules = dict.fromkeys(name for door in doors.values() for name in door.needs)
    versions = "".join(f", {name} {importlib.metadata.version(name)}" for name in modules)
    n_rows = len(images()[0])
    lines = [
        *header(
            "Any training",
            command,
            f"digits ({n_rows} rows, a quarter validates, split by the seed), batches of "
            f"{BATCH_SIZE} (SGDClassifier: of one row), {EPOCHS} epochs, cross entropy (nats), one "
            f"process and thread{versions}",
        ),
        *table(COLUMNS, [row(each) for each in tuned]),
        "",
        f"{verdict(tuned)} {gains(tuned)}",
        "",
        notes(options.seeds, tuned[0].claim_seeds),
        *(how_often(searches) if searches else ()),
        *(line for sentence in left_out for line in ("", f"{sentence}.")),
    ]
    write(options.results, "any_training", lines, draw(tuned))


if __name__ == "__main__":
    main()
