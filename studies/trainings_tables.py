"""Tables of losses, which let a search be played in no time: every setting on every replicate.

A problem's table holds the validation loss after each epoch of a grid of settings, each trained on
the same replicates. It is computed once and kept in a file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import trainings_cnn
from careless import Problem, own_network
from sklearn.datasets import make_classification, make_moons

from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import load_dataset
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import DEFAULT_DECAYS, Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.protocol import train_all
from lrtune.tuning.trainers.replicates import draw_replicates

Array = npt.NDArray[Any]
Trained = tuple[Array, float, float]
"""Losses ``(n_settings, n_epochs)`` of a replicate, inf from a divergence on; the loss of the
untrained network; and twice the loss of a guess, as which a divergence counts."""

RATES = (1e-3, 10.0)
"""Lowest and highest α₀."""
PRODUCTS = (0.1, 10.0)
"""Lowest and highest decay rate, times the epochs."""
EPOCHS = 20
SEED = 30_001
"""Seed of the replicates."""


def grid(n_rates: int, n_decay_rates: int, epochs: int) -> list[Setting]:
    """Return the settings of a grid, even in the logarithms; a constant has one decay rate.

    Examples
    --------
    >>> len(grid(25, 7, 20))
    900
    """
    return [
        Setting(float(rate), decay, float(decay_rate))
        for decay in DEFAULT_DECAYS
        for rate in np.geomspace(*RATES, n_rates)
        for decay_rate in np.geomspace(*PRODUCTS, n_decay_rates if decay != "constant" else 1)
        / epochs
    ]


@dataclass(frozen=True)
class Source:
    """Where the losses of a table come from.

    Attributes
    ----------
    train : callable
        Function of the settings and the number of a replicate; returns `Trained`.
    replicates : int
        How many a table has.
    """

    train: Callable[[list[Setting], int], Trained]
    replicates: int
    epochs: int
    n_rates: int
    n_decay_rates: int

    @property
    def settings(self) -> list[Setting]:
        """Return the grid."""
        return grid(self.n_rates, self.n_decay_rates, self.epochs)


# --- lrtune's networks ---------------------------------------------------------------------------


def moons() -> Problem:
    """Return two half circles with noise."""
    X, y = make_moons(400, noise=0.25, random_state=5)
    return Problem(X, y, "classification", (16, 16), EPOCHS)


def clusters() -> Problem:
    """Return three classes of two clusters each, five of 20 columns informative, labels noisy."""
    X, y = make_classification(
        300, 20, n_informative=5, n_redundant=5, n_classes=3, flip_y=0.05, random_state=5
    )
    return Problem(X, y, "classification", (50, 12), EPOCHS)


def bundled(name: str) -> Problem:
    """Return a data set that scikit-learn comes with, and the network that is to learn it."""
    dataset = load_dataset(name)
    hidden = (64, 32) if name == "digits" else (50, 12)
    return Problem(np.asarray(dataset.X), dataset.y, dataset.task, hidden, EPOCHS)


@cache
def problem_of(name: str) -> Problem:
    """Return a problem of lrtune's networks by name."""
    made = {"moons": moons, "clusters": clusters}
    return made[name]() if name in made else bundled(name)


def train_networks(name: str, settings: list[Setting], number: int) -> Trained:
    """Train all settings on a replicate, in lockstep."""
    problem = problem_of(name)
    replicate = next(draw_replicates(problem.y, task=problem.task, seed=SEED, first=number))
    network = own_network(problem, 0)
    network[-1].set_params(dtype="float32")  # as the command line trains
    trainer = NetworkTrainer(network, problem.X, problem.y, [replicate])
    losses = np.full((len(settings), problem.epochs), np.inf)
    for row, outcome in zip(losses, train_all(trainer, settings, [0]), strict=True):
        curve = outcome.validation_curves[0]
        row[: len(curve)] = curve
        if outcome.diverged is not None:
            row[-1] = np.inf
    scale = trainer.scale(Space.default(problem.epochs), [0])
    return losses, scale.initial, scale.cap


def network_source(name: str, replicates: int) -> Source:
    """Return the source of a table of lrtune's network."""

    def train(settings: list[Setting], number: int) -> Trained:
        return train_networks(name, settings, number)

    return Source(train, replicates, EPOCHS, n_rates=25, n_decay_rates=7)


REPLICATES = {"iris": 40, "wine": 40, "breast_cancer": 24, "diabetes": 24, "digits": 12}
CNN = "digits CNN"
SOURCES = {
    **{name: network_source(name, REPLICATES[name]) for name in sorted(BUNDLED)},
    "moons": network_source("moons", 40),
    "clusters": network_source("clusters", 30),
    CNN: Source(trainings_cnn.train, 16, trainings_cnn.EPOCHS, n_rates=17, n_decay_rates=2),
}
"""By name of the problem."""


# --- tables --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LossTable:
    """Losses of settings on replicates.

    Attributes
    ----------
    settings : list of Setting
    losses : ndarray of shape (n_replicates, n_settings, n_epochs)
        Validation losses; inf from a divergence on.
    initial : ndarray of shape (n_replicates,)
        Losses of the untrained network.
    cap : float
        What a divergence counts as: twice the loss of a guess.
    """

    settings: list[Setting]
    losses: Array
    initial: Array
    cap: float

    @property
    def epochs(self) -> int:
        """Return the epochs of a training."""
        return int(self.losses.shape[2])

    @property
    def space(self) -> dict[str, Any]:
        """Return the space to search, as `lrtune.search` takes it."""
        low, high = (product / self.epochs for product in PRODUCTS)
        decays = list(dict.fromkeys(setting.decay for setting in self.settings))
        return {"learning_rate_init": RATES, "decay": decays, "decay_rate": (low, high)}

    def capped(self) -> Array:
        """Return the losses ``(n_replicates, n_settings)`` at the last epoch, at most the cap."""
        last = self.losses[:, :, -1]
        return np.where(np.isfinite(last), np.minimum(last, self.cap), self.cap)

    def save(self, path: Path) -> None:
        """Write a file; a reader sees all of it or nothing."""
        unfinished = path.with_suffix(".unfinished.npz")
        np.savez(
            unfinished,
            losses=self.losses.astype("float32"),
            initial=self.initial,
            cap=self.cap,
            rates=[setting.learning_rate_init for setting in self.settings],
            decays=[setting.decay for setting in self.settings],
            decay_rates=[setting.decay_rate for setting in self.settings],
        )
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path) -> "LossTable":
        """Read a file."""
        with np.load(path) as file:
            names = ("rates", "decays", "decay_rates")
            settings = [
                Setting(float(rate), str(decay), float(decay_rate))
                for rate, decay, decay_rate in zip(*(file[name] for name in names), strict=True)
            ]
            losses = file["losses"].astype(float)
            return cls(settings, losses, file["initial"], float(file["cap"]))


def table_of(name: str, folder: Path, sources: dict[str, Source] = SOURCES) -> LossTable:
    """Return a problem's table: that of the folder, with replicates that it lacks trained now."""
    source = sources[name]
    path = folder / f"{name.replace(' ', '_')}.npz"
    table = LossTable.load(path) if path.exists() else None
    settings = source.settings
    if table is not None and table.settings != settings:
        raise SystemExit(f"{path} is a table of other settings: delete it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(0 if table is None else len(table.losses), source.replicates):
        losses, initial, cap = source.train(settings, number)
        if table is None:
            table = LossTable(settings, losses[np.newaxis], np.array([initial]), cap)
        else:
            kept = len(table.losses)
            table = LossTable(
                settings,
                np.concatenate([table.losses, losses[np.newaxis]]),
                np.append(table.initial, initial),
                (kept * table.cap + cap) / (kept + 1),
            )
        table.save(path)
    assert table is not None
    return table
