"""How lrtune plays, and what bounds it: the search, the choice of who races, the race, noise."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from trainings_gain import promises
from trainings_game import Game
from trainings_report import BARS, percentiles
from trainings_tables import LossTable
from tutorial import table as markdown

import lrtune
from lrtune.exceptions import NothingCompletedError
from lrtune.support.blas import one_blas_thread
from lrtune.tuning.confirm.race import ERRORS
from lrtune.tuning.record.trials import complete_trials
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.curve_features import Encoder
from lrtune.tuning.sampling.loss_model import LossModel
from lrtune.tuning.sampling.schedule_sampler import observe
from lrtune.tuning.setting import Setting

BUDGETS = (24, 48, 96, 192)
"""The last one only shows what twice the trainings bring."""
BOUNDS = {
    "chosen": "recommended",
    "model": "by the model alone",
    "race": "race of all replicates",
    "entrants": "perfect race",
    "tried": "best setting tried",
    "usable": "best of the table by the usable replicates",
}


def search(game: Game, budget: int, seed: int) -> SearchResult | None:
    """Run `lrtune.search` with its defaults; None if nothing completed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lrtune.exceptions.LrtuneWarning)
        try:
            return lrtune.search(
                game.train,
                epochs=game.table.epochs,
                trainings=budget,
                space=game.table.space,
                seed=seed,
                storage=None,
            )
        except NothingCompletedError:
            return None


def play_lrtune(game: Game, budget: int, seed: int) -> Setting | None:
    """Play `lrtune.search` with its defaults, race and measurement included in the trainings."""
    result = search(game, budget, seed)
    if result is None:
        return None
    schedule = result.schedule
    return Setting(schedule.learning_rate_init, schedule.decay, schedule.decay_rate)


# --- what bounds it ------------------------------------------------------------------------------


def bounds(game: Game, result: SearchResult) -> dict[str, float]:
    """Return the regret of the recommendation, and of what a perfect part would have chosen."""
    losses = game.table.capped()
    on_all, on_usable, on_fresh = (
        losses[replicates].mean(axis=0) for replicates in (slice(None), game.usable, game.fresh)
    )
    trials = complete_trials(result.finished)
    space = result.facts.space
    tried = np.array([game.nearest(space.setting(trial.params)) for trial in trials])
    raced = [] if result.confirmation is None else result.confirmation.contenders
    entered = [each.setting for each in raced] or [result.best]
    entrants = np.array([game.nearest(setting) for setting in entered])
    with one_blas_thread():
        encoder = Encoder(space.distributions(), result.facts.trainer.epochs)
        model = LossModel.fit(encoder, observe(result.finished))
        by_model = model.predict([trial.params for trial in trials]).bound(ERRORS)
    chosen = {
        "chosen": game.nearest(result.best),
        "model": tried[by_model.argmin()],
        "race": entrants[on_usable[entrants].argmin()],
        "entrants": entrants[on_all[entrants].argmin()],
        "tried": tried[on_all[tried].argmin()],
        "usable": on_usable.argmin(),
    }
    least = on_fresh[on_all.argmin()]
    return {name: float(on_fresh[index] / least - 1) for name, index in chosen.items()}


def play_bounds(
    table: LossTable, problem: str, strategy: str, budgets: Sequence[int], seed: int
) -> list[dict[str, Any]]:
    """Return a row for each budget of one repetition."""
    game, rows = Game(table, seed), []
    for budget in budgets:
        game.restart()
        result = search(game, budget, seed)
        if result is not None:
            row = {"problem": problem, "strategy": strategy, "budget": budget, "seed": seed}
            rows.append({**row, **bounds(game, result), **promises(result, seed)})
    return rows


def bounds_tables(rows: pd.DataFrame) -> list[str]:
    """Return the lines of the section on what bounds the regret."""
    lines = [
        "",
        "## What bounds it",
        "",
        "lrtune's regret, and what it would be with a part of it perfect, median / "
        "90th percentile in per cent. By the model alone: the tried setting that the model ranks "
        "first before the race. Race of all replicates: the entrant of the lowest mean on all "
        "replicates that a strategy may train on. Perfect race: the entrant of the lowest mean on "
        "all replicates, fresh ones too. Best setting tried: the same of all settings of the "
        "search. The last column is the noise: the best of the whole table, had all its settings "
        "trained on all usable replicates.",
    ]
    rows = rows[rows.budget < max(BUDGETS)]
    for budget, some in rows.groupby("budget"):
        body = [
            [problem, *(_shown(own[name]) for name in BOUNDS)] for problem, own in _problems(some)
        ]
        lines += ["", f"{budget} trainings:", "", *markdown(["problem", *BOUNDS.values()], body)]
    lines += [
        "",
        "Problems that miss the bar's median or 90th percentile, of the recommendations and with a "
        "perfect part:",
        "",
        *markdown(
            ["trainings", *BOUNDS.values()],
            [
                [str(budget), *(_missed(rows[rows.budget == budget], name) for name in BOUNDS)]
                for budget in BARS
            ],
        ),
        "",
        "Mean regret in per cent, and where it comes from: the search (regret of the best setting "
        "tried), the choice of who races (of the best entrant, above that), and the race (of the "
        "recommendation, above that).",
        "",
    ]
    body = [
        [f"{problem}, {budget}", *_parts(own)]
        for budget, some in rows.groupby("budget")
        for problem, own in _problems(some)
    ]
    return lines + markdown(["problem, trainings", "regret", "search", "entrants", "race"], body)


def _problems(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for problem in dict.fromkeys(rows.problem):
        yield problem, rows[rows.problem == problem]


def _missed(rows: pd.DataFrame, name: str) -> str:
    """Return the problems whose regret is beyond the bar of the rows' budget."""
    missed = [
        problem
        for problem, own in _problems(rows)
        if any(np.array(percentiles(own[name])) > BARS[int(own.budget.iloc[0])])
    ]
    return ", ".join(missed) or "none"


def _shown(regret: "pd.Series[float]") -> str:
    median, high = percentiles(regret)
    return f"{median:.1f} / {high:.1f}"


def _parts(rows: pd.DataFrame) -> Sequence[str]:
    tried, entrants, chosen = (100 * rows[name].mean() for name in ("tried", "entrants", "chosen"))
    return [f"{part:.1f}" for part in (chosen, tried, entrants - tried, chosen - entrants)]
