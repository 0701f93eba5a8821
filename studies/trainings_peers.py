"""How other tuners play, each as it is meant to be used: Optuna, halving, SMAC3, Ax and Syne Tune.

Optuna and Syne Tune know no seeds, so they get one seed for all trials, or the mean over three.
Halving can race over seeds. SMAC3 chooses the seeds itself. Ax models noise, so each trial has a
seed of its own. Packages are imported when they play.
"""

import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import optuna
from scipy.stats import loguniform
from sklearn.base import BaseEstimator
from trainings_game import Game, Recommendation, Strategy, for_each_budget

from lrtune.tuning.setting import Setting

FACTOR = 3
"""Halving keeps one candidate in so many, and trains it so many times as long."""
CANDIDATES = 1000
"""More than any budget pays for."""

MakeSampler = Callable[[int], optuna.samplers.BaseSampler]


# --- Optuna --------------------------------------------------------------------------------------


def tpe(seed: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's TPE over all parameters together."""
    return optuna.samplers.TPESampler(seed=seed, multivariate=True)


def gp(seed: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's Gaussian process, which needs torch."""
    return optuna.samplers.GPSampler(seed=seed)


def random(seed: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's random sampler."""
    return optuna.samplers.RandomSampler(seed=seed)


def optuna_with(sampler: MakeSampler, n_seeds: int) -> Strategy:
    """Return a strategy that judges each trial by the mean over the same seeds."""

    def strategy(game: Game, budgets: Sequence[int], seed: int) -> Iterator[Recommendation]:
        low_high = game.table.space
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(sampler=sampler(seed))
        for budget in budgets:  # a trial does not depend on how many follow
            while game.trainings + n_seeds <= budget:
                trial = study.ask()
                setting = Setting(
                    trial.suggest_float(
                        "learning_rate_init", *low_high["learning_rate_init"], log=True
                    ),
                    trial.suggest_categorical("decay", low_high["decay"]),
                    trial.suggest_float("decay_rate", *low_high["decay_rate"], log=True),
                )
                losses = [game.loss(setting, number) for number in range(n_seeds)]
                study.tell(trial, float(np.mean(losses)))
            yield budget, Setting.from_params(study.best_params)

    return strategy


# --- scikit-learn --------------------------------------------------------------------------------


def rungs(n_candidates: int, resources: int) -> list[tuple[int, int]]:
    """Return candidates and resource of each rung of `HalvingRandomSearchCV`.

    Its last rung uses the most resources that there are, and each before it a third of the next.
    """
    n_rungs = 1 + min(_log(n_candidates), _log(resources))
    first = max(1, resources // FACTOR ** (n_rungs - 1))
    return [
        (math.ceil(n_candidates / FACTOR**rung), first * FACTOR**rung) for rung in range(n_rungs)
    ]


def _log(number: int) -> int:
    """Return the logarithm to the base `FACTOR`, rounded down."""
    power = 0
    while FACTOR ** (power + 1) <= number:
        power += 1
    return power


def candidates_for(budget: float, resources: int) -> int:
    """Return the number of candidates that spends most of a budget, in units of the resource."""

    def cost(n_candidates: int) -> int:
        return sum(n * resource for n, resource in rungs(n_candidates, resources))

    affordable = [n for n in range(1, CANDIDATES) if cost(n) <= budget]
    return max(affordable, key=lambda n: (cost(n), n))


def halving(game: Game, budget: int, seed: int, *, over: str) -> Setting:
    """Play `HalvingRandomSearchCV` over a table, with seeds or epochs as the resource.

    Over seeds, a third of the candidates is trained on three times as many seeds, up to nine. Over
    epochs, a third is trained three times as long, on three seeds as the folds.
    """
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV

    class Training(BaseEstimator):  # its copies share the game
        """An estimator whose score is minus its loss."""

        def __init__(
            self,
            learning_rate_init: float = 0.1,
            decay: str = "constant",
            decay_rate: float = 1.0,
            resource: int = 1,
        ) -> None:
            self.learning_rate_init = learning_rate_init
            self.decay = decay
            self.decay_rate = decay_rate
            self.resource = resource

        def fit(self, X: Any, y: Any = None) -> "Training":  # noqa: ARG002
            """Train; the row of X is the number of the fold."""
            setting = Setting(self.learning_rate_init, self.decay, self.decay_rate)
            if over == "seeds":
                losses = [game.loss(setting, number) for number in range(self.resource)]
            else:
                losses = [game.loss(setting, int(X[0, 0]), epochs=self.resource)]
            self.loss_ = float(np.mean(losses))
            return self

        def score(self, X: Any, y: Any = None) -> float:  # noqa: ARG002
            """Return minus the loss."""
            return -self.loss_

    epochs = game.table.epochs
    folds, resources = (1, FACTOR**2) if over == "seeds" else (3, epochs)
    unit = 1 if over == "seeds" else folds / epochs
    n_candidates = candidates_for(budget / unit, resources)
    schedule = rungs(n_candidates, resources)
    space = game.table.space
    search = HalvingRandomSearchCV(
        Training(),
        {
            "learning_rate_init": loguniform(*space["learning_rate_init"]),
            "decay": space["decay"],
            "decay_rate": loguniform(*space["decay_rate"]),
        },
        n_candidates=n_candidates,
        factor=FACTOR,
        resource="resource",
        min_resources=schedule[0][1],
        max_resources=schedule[-1][1],
        cv=[(np.array([fold]), np.array([fold])) for fold in range(folds)],
        refit=False,
        return_train_score=False,
        random_state=seed,
    )
    search.fit(np.arange(folds)[:, np.newaxis], np.zeros(folds))
    return Setting.from_params({name: search.best_params_[name] for name in space})


# --- SMAC3 ---------------------------------------------------------------------------------------


def smac(game: Game, budget: int, seed: int, *, max_config_calls: int) -> Setting:
    """Play SMAC3, which trains its incumbents on up to so many seeds of its own choice."""
    from ConfigSpace import Categorical, ConfigurationSpace, Float
    from smac import HyperparameterOptimizationFacade, Scenario

    def loss(config: Any, seed: int = 0) -> float:
        return game.loss(Setting.from_params(dict(config)), seed)

    space = ConfigurationSpace(seed=seed)
    bounds = game.table.space
    space.add(
        Float("learning_rate_init", bounds["learning_rate_init"], log=True),
        Categorical("decay", bounds["decay"]),
        Float("decay_rate", bounds["decay_rate"], log=True),
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scenario = Scenario(
            space, deterministic=False, n_trials=budget, seed=seed, output_directory=folder
        )
        facade = HyperparameterOptimizationFacade(
            scenario,
            loss,
            intensifier=HyperparameterOptimizationFacade.get_intensifier(
                scenario, max_config_calls=max_config_calls
            ),
            logging_level=False,
            overwrite=True,
        )
        incumbent = facade.optimize()
    found = incumbent[0] if isinstance(incumbent, list) else incumbent
    return Setting.from_params(dict(found))


# --- Ax ------------------------------------------------------------------------------------------


def ax(game: Game, budgets: Sequence[int], seed: int) -> Iterator[Recommendation]:
    """Play Ax, which infers the noise of trials on fresh seeds, and recommends by its model."""
    from ax.api.client import Client
    from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

    logging.getLogger("ax").setLevel(logging.WARNING)
    bounds = game.table.space
    client = Client(random_seed=seed)
    client.configure_experiment(
        [
            RangeParameterConfig(
                "learning_rate_init", bounds["learning_rate_init"], "float", scaling="log"
            ),
            ChoiceParameterConfig("decay", bounds["decay"], "str", is_ordered=False),
            RangeParameterConfig("decay_rate", bounds["decay_rate"], "float", scaling="log"),
        ]
    )
    client.configure_optimization("-loss")
    for budget in budgets:  # a trial does not depend on how many follow
        while game.trainings + 1 <= budget:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ((index, params),) = client.get_next_trials(max_trials=1).items()
            loss = game.loss(Setting.from_params(params), index)
            client.complete_trial(index, {"loss": loss})
        yield budget, Setting.from_params(client.get_best_parameterization()[0])


# --- Syne Tune -----------------------------------------------------------------------------------


def syne_tune(game: Game, budgets: Sequence[int], seed: int) -> Iterator[Recommendation]:
    """Play Syne Tune's conformal quantile regression on one seed; the best trial is recommended."""
    from syne_tune.backend.trial_status import Trial
    from syne_tune.config_space import choice, loguniform
    from syne_tune.optimizer.baselines import CQR

    bounds = game.table.space
    space = {
        "learning_rate_init": loguniform(*bounds["learning_rate_init"]),
        "decay": choice(bounds["decay"]),
        "decay_rate": loguniform(*bounds["decay_rate"]),
    }
    scheduler = CQR(space, "loss", random_seed=seed)
    losses: dict[Setting, float] = {}
    for budget in budgets:  # a trial does not depend on how many follow
        while game.trainings + 1 <= budget:
            suggestion = scheduler.suggest()
            trial = Trial(len(losses), suggestion.config, datetime.now())
            setting = Setting.from_params(suggestion.config)
            losses[setting] = game.loss(setting, 0)
            scheduler.on_trial_add(trial)
            scheduler.on_trial_complete(trial, {"loss": losses[setting]})
        yield budget, min(losses, key=lambda setting: losses[setting])


PEERS: dict[str, Strategy] = {
    "TPE": optuna_with(tpe, 1),
    "TPE × 3": optuna_with(tpe, 3),
    "GP": optuna_with(gp, 1),
    "GP × 3": optuna_with(gp, 3),
    "random": optuna_with(random, 1),
    "random × 3": optuna_with(random, 3),
    "halving over seeds": for_each_budget(partial(halving, over="seeds")),
    "halving over epochs": for_each_budget(partial(halving, over="epochs")),
    "SMAC3": for_each_budget(partial(smac, max_config_calls=3)),
    "SMAC3 × 10": for_each_budget(partial(smac, max_config_calls=10)),
    "Ax": ax,
    "Syne Tune": syne_tune,
}
NEEDS = {
    "GP": "torch",
    "GP × 3": "torch",
    "SMAC3": "smac",
    "SMAC3 × 10": "smac",
    "Ax": "ax",
    "Syne Tune": "syne_tune",
}
"""Modules that a strategy needs, and that lrtune does not."""
PACKAGES = {"ax": "ax-platform", "syne_tune": "syne-tune"}
"""Packages that are called otherwise than their module."""
