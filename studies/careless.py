"""What people do today to choose a learning rate, each way a function of the same problem.

Each method is given a data set and a network, a number of trials and a seed, and recommends a
setting; all train with plain SGD. They judge a setting as is common: by one split, or by
cross-validation, with one seed for all initial weights and shuffles.

    python studies/careless.py iris --trials 64 --seed 0
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import optuna
from scipy.stats import loguniform
from sklearn import neural_network
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingRandomSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from lrtune import MLPClassifier, MLPRegressor
from lrtune.exceptions import DivergenceWarning
from lrtune.schedules.schedule import Schedule
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import load_dataset
from lrtune.tuning.range_test import lr_range_test
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import DEFAULT_DECAYS

Array = npt.NDArray[Any]

ALPHA0 = (1e-3, 10.0)
"""Where α₀ is looked for. Someone who knows no better might stop at 1, but on standardised columns
plain SGD often does best at about 1, so the range reaches past it: it shall not be the range that
loses. It is narrower than lrtune's own, which reaches to 30."""

STEP = {"classification": 1.0, "regression": 2.0}
"""scikit-learn's squared error is half of lrtune's (and of Keras's and torch's), so it takes twice
the rate to make the same step. Settings are in lrtune's unit."""


@dataclass(frozen=True)
class Problem:
    """A data set and the network that is to learn it."""

    X: Array
    y: Array
    task: Literal["classification", "regression"]
    hidden: tuple[int, ...]
    epochs: int = 20
    batch_size: int = 32

    @property
    def decay_rate(self) -> tuple[float, float]:
        """Where k is looked for: as lrtune does."""
        return 0.03 / self.epochs, 30 / self.epochs


Method = Callable[[Problem, int, int], Setting]


# --- one split, and scikit-learn's network on it ------------------------------------------------


@dataclass(frozen=True)
class Split:
    """Training and validation rows; columns, and a regression's target, are standardised."""

    X: Array
    y: Array
    X_validation: Array
    y_validation: Array


def split_rows(problem: Problem, seed: int) -> Split:
    """Hold out a quarter of the rows; a classification's target becomes class numbers."""
    classifies = problem.task == "classification"
    y = np.unique(problem.y, return_inverse=True)[1] if classifies else problem.y
    X_train, X_validation, y_train, y_validation = train_test_split(
        problem.X, y, test_size=0.25, stratify=y if classifies else None, random_state=seed
    )
    scaler = StandardScaler().fit(X_train)
    if not classifies:
        y_train, y_validation = (
            (target - y_train.mean()) / y_train.std() for target in (y_train, y_validation)
        )
    return Split(scaler.transform(X_train), y_train, scaler.transform(X_validation), y_validation)


def validation_loss(model: Any, split: Split) -> float:
    """Log loss, or squared error."""
    if not hasattr(model, "predict_proba"):
        return float(np.mean((model.predict(split.X_validation) - split.y_validation) ** 2))
    probabilities = model.predict_proba(split.X_validation)
    of_target = probabilities[np.arange(len(split.y_validation)), split.y_validation]
    return float(-np.log(np.maximum(of_target, np.finfo(of_target.dtype).eps)).mean())


def train(problem: Problem, split: Split, setting: Setting, seed: int) -> Iterator[float]:
    """Yield the validation loss after each epoch, until it is not finite."""
    schedule = Schedule(
        learning_rate_init=setting.learning_rate_init,
        decay=setting.decay,
        decay_rate=setting.decay_rate,
    )
    rates = STEP[problem.task] * schedule(np.arange(problem.epochs))
    classifies = problem.task == "classification"
    network = neural_network.MLPClassifier if classifies else neural_network.MLPRegressor
    model = network(
        hidden_layer_sizes=problem.hidden,
        solver="sgd",
        momentum=0,
        nesterovs_momentum=False,
        alpha=0,
        batch_size=min(problem.batch_size, len(split.X)),
        learning_rate_init=rates[0],
        # a whole number would shuffle every epoch alike: partial_fit starts from it anew
        random_state=np.random.RandomState(seed),
    )
    first = {"classes": np.unique(split.y)} if classifies else {}
    for epoch, rate in enumerate(rates):
        try:
            if epoch == 0:
                model.partial_fit(split.X, split.y, **first)
            else:
                model._optimizer.learning_rate = rate
                model.partial_fit(split.X, split.y)
            loss = validation_loss(model, split)
        except ValueError as error:
            if "non-finite parameter weights" not in str(error):
                raise
            loss = float("inf")
        yield loss
        if not np.isfinite(loss):
            return


def final_loss(problem: Problem, setting: Setting, seed: int) -> float:
    """Return the validation loss of a setting at the last epoch, on the split of a seed."""
    with calm():
        *_, loss = train(problem, split_rows(problem, seed), setting, seed)
    return loss


@contextmanager
def calm() -> Iterator[None]:
    """No warnings of diverging settings; one BLAS thread.

    With two, digits takes as long on two idle cores, and several times as long on busy ones.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield


# --- the methods --------------------------------------------------------------------------------


def optuna_tpe(
    problem: Problem,
    n_trials: int,
    seed: int,
    *,
    storage: str | None = None,
    pruner: optuna.pruners.BasePruner | None = None,
    trainer: Callable[..., Iterator[float]] = train,
) -> Setting:
    """Optuna as its tutorials have it: one split, TPE, and the median pruner on every epoch.

    `pruner` and `storage` take the place of the median pruner and of the memory.
    """
    split = split_rows(problem, seed)

    def objective(trial: optuna.Trial) -> float:
        setting = Setting(
            trial.suggest_float("learning_rate_init", *ALPHA0, log=True),
            trial.suggest_categorical("decay", DEFAULT_DECAYS),
            trial.suggest_float("decay_rate", *problem.decay_rate, log=True),
        )
        loss = float("inf")
        for epoch, loss in enumerate(trainer(problem, split, setting, seed)):
            if not np.isfinite(loss):
                raise optuna.TrialPruned  # kinder than a failure, which would teach TPE nothing
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return loss

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage,
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=pruner or optuna.pruners.MedianPruner(),
    )
    with calm():
        study.optimize(objective, n_trials=n_trials)
    return Setting.from_params(study.best_trial.params)


def random_search(problem: Problem, n_trials: int, seed: int) -> Setting:
    """Random settings, each trained to the end on one split."""
    split = split_rows(problem, seed)
    rng = np.random.default_rng(seed)
    losses = {}
    with calm():
        for _ in range(n_trials):
            setting = Setting(
                float(loguniform.rvs(*ALPHA0, random_state=rng)),
                str(rng.choice(DEFAULT_DECAYS)),
                float(loguniform.rvs(*problem.decay_rate, random_state=rng)),
            )
            *_, losses[setting] = train(problem, split, setting, seed)
    best = min(losses, key=lambda setting: losses[setting])
    if not np.isfinite(losses[best]):
        raise RuntimeError(f"all of {n_trials} random settings diverged")
    return best


def own_network(problem: Problem, seed: int) -> Any:
    """Return lrtune's network behind a scaler."""
    network = MLPClassifier if problem.task == "classification" else MLPRegressor
    return make_pipeline(
        StandardScaler(),
        network(
            problem.hidden,
            batch_size=problem.batch_size,
            max_iter=problem.epochs,
            random_state=seed,
        ),
    )


def halving(problem: Problem, n_trials: int, seed: int) -> Setting:
    """scikit-learn's successive halving over epochs, by 3-fold cross-validation.

    From 2 epochs on (or a ninth, for longer trainings), the better third of the settings trains
    three times as long. A decay rate is in 1/epoch, so that it does less in a short training.
    """
    estimator = own_network(problem, seed)
    prefix = f"{estimator.steps[-1][0]}__"
    space = {
        "learning_rate_init": loguniform(*ALPHA0),
        "decay": list(DEFAULT_DECAYS),
        "decay_rate": loguniform(*problem.decay_rate),
    }
    classifies = problem.task == "classification"
    search = HalvingRandomSearchCV(
        estimator,
        {prefix + name: values for name, values in space.items()},
        n_candidates=n_trials,
        factor=3,
        resource=prefix + "max_iter",
        min_resources=min(problem.epochs, max(2, problem.epochs // 9)),
        max_resources=problem.epochs,
        cv=3,
        scoring="neg_log_loss" if classifies else "neg_mean_squared_error",
        refit=False,
        return_train_score=False,
        random_state=seed,
    )
    with calm():
        # a diverged setting scores nothing, as with scikit-learn's network; without this it would
        # be judged by the last weights that were good
        warnings.simplefilter("error", DivergenceWarning)
        search.fit(problem.X, problem.y)
    rate, decay, decay_rate = (search.best_params_[prefix + name] for name in space)
    return Setting(float(rate), decay, float(decay_rate))


def fastai_valley(problem: Problem, n_trials: int, seed: int) -> Setting:
    """One range test with the numbers of fastai's `lr_find`, its "valley" taken as it is."""
    with calm():
        result = lr_range_test(
            own_network(problem, seed),
            problem.X,
            problem.y,
            n_replicates=1,
            low=1e-7,
            high=10.0,
            n_steps=100,
            smoothing=0.98,
            random_state=seed,
        )
    rate = float(result.suggestions["valley"][0])
    if not np.isfinite(rate):
        raise RuntimeError("the range test found no valley")
    return constant(rate)(problem, n_trials, seed)


def constant(rate: float) -> Method:
    """No search at all: a constant rate."""
    return lambda *_: Setting(rate, "constant", 0.0)


METHODS: dict[str, Method] = {
    "Optuna TPE + MedianPruner, partial_fit": optuna_tpe,
    "Optuna TPE, partial_fit, nothing pruned": partial(
        optuna_tpe, pruner=optuna.pruners.NopPruner()
    ),
    "random search, one split": random_search,
    "HalvingRandomSearchCV": halving,
    "fastai valley, constant rate": fastai_valley,
    "scikit-learn's default": constant(0.001),
    "Keras's default": constant(0.01),
    "0.1 constant": constant(0.1),
}


def main() -> None:
    """Run every method once, and print what it recommends and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=BUNDLED)
    parser.add_argument("--hidden", default="50,12")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.dataset)
    hidden = tuple(int(units) for units in arguments.hidden.split(","))
    problem = Problem(dataset.X, dataset.y, dataset.task, hidden)
    for name, method in METHODS.items():
        begun = time.perf_counter()
        setting = method(problem, arguments.trials, arguments.seed)
        seconds = time.perf_counter() - begun
        print(
            f"{name:40} {setting.learning_rate_init:9.4g} {setting.decay:12} "
            f"{setting.decay_rate:9.4g} {seconds:8.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
