"""Confirmation: the race of the search's best settings, and the winner's measurement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from optuna.trial import FrozenTrial

from lrtune.exceptions import NothingCompletedError
from lrtune.tuning.confirm.budget import ConfirmationBudget
from lrtune.tuning.confirm.judge import Judge, UnconfirmedError
from lrtune.tuning.confirm.race import Ranking, race
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.confirm.winner import Measured, measure
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Control, Trainer


def confirm(
    trials: Sequence[FrozenTrial],
    space: Space,
    trainer: Trainer,
    *,
    fresh: Iterator[int],
    budget: ConfirmationBudget,
    baseline: Setting | None = None,
    control: Control | None = None,
    simplify: bool = True,
) -> Confirmation:
    """Choose one of the search's best settings on fresh replicates, and measure it.

    At least one of `trials` is complete. `fresh` yields numbers of replicates that the search did
    not use. `control` has the deadline of a single training, and the listener to them; the clock of
    `budget` has that of rounds and parts. With `simplify`, a schedule that is constant in all but
    name is measured, and recommended, as a constant rate.

    Raises
    ------
    NothingCompletedError
        If every setting diverges on a fresh replicate.
    UnconfirmedError
        If the deadline passes, or the trainings are used up, before a setting is measured.
    """
    judge = Judge(trainer, space, trials, budget, control or Control(), simplify=simplify)
    ranking = race(trials, fresh, budget, judge)
    measured: Measured | None = None
    fallback: tuple[Ranking, Measured] | None = None
    ceiling = math.inf  # a high rate is what networks die of
    while measured is None:
        try:
            if not ranking.candidates:  # all diverged in the measurement, or died
                rest = ranking.rest(trials, ceiling)
                ranking = ranking.followed_by(race(rest, fresh, budget, judge))
            if not ranking.candidates and fallback is None:
                raise NothingCompletedError(
                    "every setting that completed in the search diverged on fresh replicates: "
                    "search lower rates (`space={'learning_rate_init': (LOW, HIGH)}`), or judge "
                    "each setting on more replicates"
                )
            if not ranking.candidates:
                raise UnconfirmedError("every setting died")
            winner = ranking.candidates[0]
            default = ranking.default(trials, judge)
            measured = measure(winner, default, baseline, fresh, budget, judge)
        except UnconfirmedError:
            if fallback is None:
                raise
            ranking, measured = fallback
            break
        if measured is None:
            ranking = ranking.without(winner, "diverged")
            continue
        winner = measured.leader
        ranking = ranking.led_by(winner)
        if measured.dead:
            if fallback is None or measured.dead_share < fallback[1].dead_share:
                fallback = ranking, measured
            ceiling = min(ceiling, measured.ceiling)
            ranking, measured = ranking.without(winner, "dead").up_to(ceiling, trials), None
    searched = sum(TrialFacts.of(trial).epochs for trial in trials)
    return Confirmation(
        contenders=ranking.contenders(),
        tied_decays=ranking.tied_decays(),
        epochs=round(judge.epochs, 2),
        trainings=judge.trainings,
        share=round(judge.epochs / searched, 3),
        **measured.facts,
    )
