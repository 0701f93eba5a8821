"""A strategy's game on a table of losses: it asks for trainings, and is judged by its regret."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from trainings_tables import LossTable

from lrtune.schedules.schedule import Schedule
from lrtune.tuning.setting import Setting

Array = npt.NDArray[Any]

USABLE = 0.6
"""Share of the replicates that a strategy may train on; the others are fresh."""
NEGLIGIBLE = 0.1
"""A rate below this share of the grid's lowest does not learn."""


class Game:
    """One repetition of a table's game, whose seed deals the replicates.

    A schedule trains as the nearest setting of the grid: of the same decay type, nearest in the
    logarithms of α₀ and of the decay rate. Each new seed gets the next usable replicate, and after
    the last one the first again.

    Attributes
    ----------
    trainings : float
        Trainings begun; a part of the epochs counts as a part of a training.
    """

    def __init__(self, table: LossTable, seed: int) -> None:
        self.table = table
        order = np.random.default_rng(seed).permutation(len(table.losses))
        n_usable = int(USABLE * len(order))
        self.usable, self.fresh = order[:n_usable], order[n_usable:]
        self._capped = table.capped()
        self._best = int(self._capped.mean(axis=0).argmin())
        self._diverging = ~np.isfinite(table.losses[:, :, -1])
        decays = [setting.decay for setting in table.settings]
        self._members = {
            decay: np.array([index for index, other in enumerate(decays) if other == decay])
            for decay in dict.fromkeys(decays)
        }
        rates = [[each.learning_rate_init, each.decay_rate] for each in table.settings]
        self._points = np.log(rates)
        self.restart()

    def restart(self) -> None:
        """Forget the seeds and the trainings so far."""
        self.trainings = 0.0
        self._replicates: dict[int, int] = {}

    def nearest(self, setting: Setting) -> int:
        """Return the index of the nearest setting of the grid."""
        members = self._members[setting.decay]
        rate = np.log(setting.learning_rate_init)
        distance = (self._points[members, 0] - rate) ** 2
        if setting.decay != "constant":
            distance += (self._points[members, 1] - np.log(setting.decay_rate)) ** 2
        return int(members[distance.argmin()])

    def replicate(self, seed: int) -> int:
        """Return the replicate of a seed."""
        place = self._replicates.setdefault(seed, len(self._replicates))
        return int(self.usable[place % len(self.usable)])

    def curve(self, setting: Setting, seed: int) -> Array:
        """Train: return the loss after each epoch, inf from a divergence on."""
        self.trainings += 1
        losses: Array = self.table.losses[self.replicate(seed), self.nearest(setting)]
        return losses

    def loss(self, setting: Setting, seed: int, epochs: int | None = None) -> float:
        """Train for some epochs, by default all: return the loss at the end, at most the cap."""
        epochs = epochs or self.table.epochs
        self.trainings += epochs / self.table.epochs
        loss = self.table.losses[self.replicate(seed), self.nearest(setting), epochs - 1]
        return float(min(loss, self.table.cap))

    def train(self, schedule: Schedule, seed: int) -> Iterator[float]:
        """Yield the loss after each epoch of a training, as `lrtune.search` wants it."""
        lowest = self._points[:, 0].min()
        if np.log(schedule.learning_rate_init) < lowest + np.log(NEGLIGIBLE):
            loss = float(self.table.initial[self.replicate(seed)])
            yield from [loss] * self.table.epochs
            return
        setting = Setting(schedule.learning_rate_init, schedule.decay, schedule.decay_rate)
        yield from self.curve(setting, seed).tolist()

    def regret(self, setting: Setting | None) -> float:
        """Return the mean loss on fresh replicates above that of the table's best setting.

        It is a share of the latter. The best is the one of the lowest mean over all replicates, so
        that a regret may fall a little below 0. No recommendation counts as a divergence.
        """
        best = self._capped[self.fresh, self._best].mean()
        if setting is None:
            return float(self.table.cap / best - 1)
        return float(self._capped[self.fresh, self.nearest(setting)].mean() / best - 1)

    def diverging(self, setting: Setting | None) -> float:
        """Return the share of all replicates on which a setting diverges."""
        return 1.0 if setting is None else float(self._diverging[:, self.nearest(setting)].mean())

    def snapped(self, setting: Setting) -> Setting:
        """Return the nearest setting of the grid."""
        return self.table.settings[self.nearest(setting)]


Recommendation = tuple[int, Setting | None]
Strategy = Callable[[Game, Sequence[int], int], Iterator[Recommendation]]
"""Function of a game, the budgets in ascending order and a seed; yields a budget and what it
recommends after so many trainings, when the game counts those of this budget alone."""


def for_each_budget(play: Callable[[Game, int, int], Setting | None]) -> Strategy:
    """Return the strategy that starts anew for each budget."""

    def strategy(game: Game, budgets: Sequence[int], seed: int) -> Iterator[Recommendation]:
        for budget in budgets:
            game.restart()
            yield budget, play(game, budget, seed)

    return strategy
