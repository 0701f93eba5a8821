"""`LearningRateSearchCV`: the search as a scikit-learn meta-estimator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import numpy.ma
import numpy.typing as npt
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import rankdata
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite, check_random_state, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from lrtune.exceptions import InvalidInputError
from lrtune.fitting import TrainableMLP
from lrtune.replicates import Replicate
from lrtune.tuning.preparation import split_pipeline
from lrtune.tuning.result import DIVERGED, METRICS, SECONDS, best_trial
from lrtune.tuning.search import Objective, search, stable_repr
from lrtune.tuning.space import Space
from lrtune.tuning.storage import Record, quiet_optuna

__all__ = ["LOSS", "LearningRateSearchCV"]

Array = npt.NDArray[Any]

LOSS = "score"
"""Name of the default metric in `cv_results_`: minus the validation loss."""


def _best_has(method: str) -> Callable[[Any], bool]:
    """Whether the estimator, or the best one, has a method (for ``available_if``)."""

    def check(search: LearningRateSearchCV) -> bool:
        if not search.refit:
            raise AttributeError(
                f"{method} needs a refitted estimator, but this search was made with refit=False: "
                "set refit=True, or fit an estimator with best_params_"
            )
        getattr(getattr(search, "best_estimator_", search.estimator), method)
        return True

    return check


class LearningRateSearchCV(MetaEstimatorMixin, BaseEstimator):
    """Search for the learning rate of an estimator by cross-validation.

    Each setting of initial rate, decay type and decay rate is trained on every split of the
    cross-validation, each with initial weights and shuffling of its own, and judged at the last
    epoch. Settings train in lockstep; those that diverge are stopped at once.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or a Pipeline that ends in one
        What is tuned. Transformers are fitted on each split's training rows alone.
    space : mapping or None, default=None
        Parameter names to lists of choices, (low, high) tuples or Optuna distributions:
        "learning_rate_init" and "decay_rate" to a range, which is searched on a logarithmic
        scale, "decay" to a list, and if wanted further parameters of the network such as
        "optimizer", "alpha" or "batch_size". What is left out of the first three has its default
        range.
    n_trials : int, default=64
        Settings to try; in a study that is gone on with, those it has count.
    cv : int, splitter, iterable or None, default=3
        As in `GridSearchCV`; None is 5 folds.
    scoring : str, callable, list, tuple, dict or None, default=None
        What is maximised, as in `GridSearchCV`. None is minus the validation loss (log loss or
        squared error), which tells settings apart more finely than accuracy.
    storage : str or None, default=None
        A journal file or an Optuna storage URL to keep the finished trials in.
    study_name : str or None, default=None
        A study of this name in `storage` is gone on with. None starts a new study.
    refit : bool, str or callable, default=True
        Fit the best setting on all rows; with several metrics, the name of the one that counts,
        or a function of `cv_results_` that returns the best row's index.
    n_jobs : int or None, default=None
        Processes that train. The result does not depend on it.
    random_state : int, RandomState or None, default=None
        Seed of the sampler and of every split's initial weights and shuffling; and of the refit,
        if the estimator has no seed of its own.
    timeout : float or None, default=None
        Seconds after which no further block of settings is begun.
    sampler, pruner : optuna sampler and pruner or None, default=None
        Your own, in place of TPE and of no competitive pruning. With a sampler of your own,
        `random_state` does not seed it.

    Attributes
    ----------
    best_params_ : dict
        Of the best setting; in a pipeline with the step's name before each.
    best_score_ : float
        Its mean score over the splits.
    best_index_ : int
        Its row in `cv_results_`.
    best_estimator_ : estimator
        Fitted on all rows, for as many epochs as were searched; with `refit`.
    cv_results_ : dict of arrays
        A row per trial, whatever came of it: "status" is "complete", "diverged", "pruned" or
        "failed" (trained, but the metric gave NaN), and scores of the latter three are NaN, never
        an average of the splits that went well.
    study_ : optuna.Study
    result_ : SearchResult
    scorer_ : callable or dict of callables
    n_splits_ : int
    refit_time_ : float
        Seconds.
    multimetric_ : bool
    classes_, n_features_in_, feature_names_in_
        Of `best_estimator_`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from lrtune import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), MLPClassifier())
    >>> search = LearningRateSearchCV(model, n_trials=16, random_state=0).fit(X, y)
    >>> sorted(search.best_params_)
    ['mlpclassifier__decay', 'mlpclassifier__decay_rate', 'mlpclassifier__learning_rate_init']
    >>> search.score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"])],
        "space": [Mapping, None],
        "n_trials": [Interval(Integral, 1, None, closed="left")],
        "cv": ["cv_object"],
        "scoring": [str, callable, list, tuple, dict, None],
        "storage": [str, None],
        "study_name": [str, None],
        "refit": ["boolean", str, callable],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "sampler": [BaseSampler, None],
        "pruner": [BasePruner, None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        space: Mapping[str, Any] | None = None,
        n_trials: int = 64,
        cv: Any = 3,
        scoring: Any = None,
        storage: str | None = None,
        study_name: str | None = None,
        refit: bool | str | Callable[[dict[str, Any]], int] = True,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        timeout: float | None = None,
        sampler: BaseSampler | None = None,
        pruner: BasePruner | None = None,
    ) -> None:
        self.estimator = estimator
        self.space = space
        self.n_trials = n_trials
        self.cv = cv
        self.scoring = scoring
        self.storage = storage
        self.study_name = study_name
        self.refit = refit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.timeout = timeout
        self.sampler = sampler
        self.pruner = pruner

    # --- fit ----------------------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Search, and refit the best setting.

        Parameters
        ----------
        X : array_like or DataFrame of shape (n, n_features)
        y : array_like of shape (n,) or (n, n_outputs)
        **params
            Passed on: ``groups`` to the splitter, ``sample_weight`` to the network (in a
            pipeline ``stepname__sample_weight``); with metadata routing, as requested.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If the estimator, the space or an option does not fit; nothing is recorded then.
        NothingCompletedError
            If no setting trained to the end.
        """
        network = self._network()
        X, y = indexable(X, y)
        if y is None:
            raise ValueError(
                "requires y to be passed, but the target y is None: a search needs a target"
            )
        assert_all_finite(np.asarray(y), input_name="y")
        if is_classifier(network):
            check_classification_targets(y)
        cv = check_cv(self.cv, y, classifier=is_classifier(network))
        splitter_params, fit_params = self._route(params, cv)
        seed = self._seed()
        replicates = _replicates(cv.split(X, y, **splitter_params), seed)
        objective, scorer = self._objective()
        searched = search(
            self.estimator,
            X,
            y,
            replicates=replicates,
            space=Space.of(self.space, network.optimizer, network.max_iter),
            n_trials=self.n_trials,
            seed=seed,
            timeout=self.timeout,
            sample_weight=self._network_weight(X, fit_params),
            objective=objective,
            sampler=self.sampler,
            pruner=self.pruner,
            n_jobs=self.n_jobs,
            open_record=self._record_opener(),
            description={"scoring": _description(self.scoring)},
        )
        self.n_splits_ = len(replicates)
        self.scorer_ = scorer
        self.multimetric_ = len(self._metrics(searched.trials, objective)) > 1
        self.result_ = searched.result
        self.study_ = _study(searched.trials) if searched.record is None else searched.record.study
        self.cv_results_ = self._cv_results(searched.trials, objective)
        self._choose(searched.trials, objective)
        if self.refit:
            self._refit(X, y, fit_params, seed)
        return self

    def _network(self) -> Any:
        """The network to tune, checked."""
        _, network = split_pipeline(self.estimator)
        if not isinstance(network, TrainableMLP):
            raise InvalidInputError(
                "estimator must be an MLPClassifier, an MLPRegressor or a Pipeline that ends in "
                f"one, but got {self.estimator!r}"
            )
        if network.early_stopping or network.tol is not None:
            raise InvalidInputError(
                "estimator must train for max_iter epochs, as schedules are judged at their last "
                f"one, but got early_stopping={network.early_stopping}, tol={network.tol}: set "
                "them to False and None"
            )
        return network

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _record_opener(self) -> Callable[[Mapping[str, Any]], Record] | None:
        if self.storage is None:
            if self.study_name is not None:
                raise InvalidInputError(
                    f"study_name needs a storage to keep the study in, but got "
                    f"study_name={self.study_name!r} and storage=None"
                )
            return None
        if self.study_name is None:
            return partial(Record.create, self.storage, "lrtune")
        return partial(Record.open, self.storage, self.study_name)

    def _objective(self) -> tuple[Objective | None, Any]:
        """What is optimised, and the scorer as scikit-learn's searches show it."""
        if self.scoring is None:
            return None, check_scoring(self.estimator)
        if isinstance(self.scoring, str) or callable(self.scoring):
            scorer = check_scoring(self.estimator, self.scoring)
            own_name = isinstance(self.refit, str) and callable(self.scoring)
            metric = str(self.refit) if own_name else LOSS
            return Objective(_Scoring(scorer, metric, self.refit), metric), scorer
        scorers = {
            name: check_scoring(self.estimator, scoring)
            for name, scoring in _named(self.scoring).items()
        }
        metric = _require_metric(self.refit, scorers)
        return Objective(_Scoring(scorers, metric, self.refit), metric), scorers

    def _choose(self, trials: Any, objective: Objective | None) -> None:
        if callable(self.refit):
            self.best_index_ = int(self.refit(self.cv_results_))
            if not 0 <= self.best_index_ < len(trials):
                raise IndexError("best_index_ index out of range")
        else:
            self.best_index_ = best_trial(trials).number
        metric = LOSS if objective is None else objective.metric
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        self.best_score_ = float(self.cv_results_[f"mean_test_{metric}"][self.best_index_])

    def _refit(self, X: Any, y: Any, fit_params: dict[str, Any], seed: int) -> None:
        best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        _, network = split_pipeline(best)
        if network.random_state is None:
            network.set_params(random_state=seed)
        started = time.perf_counter()
        best.fit(X, y, **fit_params)
        self.refit_time_ = time.perf_counter() - started
        self.best_estimator_ = best

    # --- metadata -----------------------------------------------------------------------------

    def get_metadata_routing(self) -> MetadataRouter:
        """Where metadata goes: to the estimator's fit and to the splitter."""
        return self._router(check_cv(self.cv, classifier=is_classifier(self.estimator)))

    def _router(self, cv: Any) -> MetadataRouter:
        router = MetadataRouter(owner=type(self).__name__)
        router.add(
            estimator=self.estimator,
            method_mapping=MethodMapping().add(caller="fit", callee="fit"),
        )
        router.add(
            splitter=cv,
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )
        return router

    def _route(self, params: dict[str, Any], cv: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters of the splitter's split and of the estimator's fit."""
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self._router(cv), "fit", **params)
            return dict(routed.splitter.split), dict(routed.estimator.fit)
        rest = dict(params)
        groups = rest.pop("groups", None)
        return {"groups": groups}, rest

    def _network_weight(self, X: Any, fit_params: dict[str, Any]) -> Array | None:
        """The sample weights that the estimator's fit would hand to its network."""
        name = "sample_weight"
        if isinstance(self.estimator, Pipeline):
            steps = [step for step, _ in self.estimator.steps]
            if get_config()["enable_metadata_routing"]:
                routed = process_routing(self.estimator, "fit", **fit_params)
                fit_params = {
                    f"{step}__{key}": value
                    for step in steps
                    for values in routed[step].values()
                    for key, value in values.items()
                }
            name = f"{steps[-1]}__sample_weight"
        unknown = sorted(set(fit_params) - {name})
        if unknown:
            raise InvalidInputError(
                f"fit takes groups and {name}, which goes to the network, but got "
                f"{', '.join(unknown)}: other metadata would not reach what is trained on the "
                "splits"
            )
        weight = fit_params.get(name)
        return None if weight is None else _check_sample_weight(weight, X)

    # --- results ------------------------------------------------------------------------------

    def _cv_results(self, trials: Any, objective: Objective | None) -> dict[str, Any]:
        """A row per trial, in the form of `GridSearchCV`'s."""
        prefix = (
            ""
            if split_pipeline(self.estimator)[1] is self.estimator
            else (f"{self.estimator.steps[-1][0]}__")
        )
        space = Space.of(self.space, *self._optimizer_and_epochs())
        params = [
            {prefix + name: value for name, value in space.setting(trial.params).params.items()}
            for trial in trials
        ]
        seconds = np.array([trial.user_attrs[SECONDS] for trial in trials])
        results: dict[str, Any] = {
            "mean_fit_time": seconds / self.n_splits_,
            "std_fit_time": np.zeros(len(trials)),
            "mean_score_time": np.zeros(len(trials)),
            "std_score_time": np.zeros(len(trials)),
        }
        for name in params[0]:
            column = np.empty(len(trials), dtype=object)
            column[:] = [row[name] for row in params]
            results[f"param_{name}"] = numpy.ma.MaskedArray(column, mask=False)
        results["params"] = params
        results["status"] = np.array([_status(trial) for trial in trials])
        for metric in self._metrics(trials, objective):
            splits = np.array([self._split_scores(trial, metric, objective) for trial in trials])
            for split, column in enumerate(splits.T):
                results[f"split{split}_test_{metric}"] = column
            mean = splits.mean(axis=1)
            results[f"mean_test_{metric}"] = mean
            results[f"std_test_{metric}"] = splits.std(axis=1)
            worst_last = np.where(np.isnan(mean), -np.inf, mean)
            results[f"rank_test_{metric}"] = rankdata(-worst_last, method="min").astype(np.int32)
        return results

    def _optimizer_and_epochs(self) -> tuple[str, int]:
        _, network = split_pipeline(self.estimator)
        return network.optimizer, network.max_iter

    @staticmethod
    def _metrics(trials: Any, objective: Objective | None) -> list[str]:
        if objective is None:
            return [LOSS]
        return list(best_trial(trials).user_attrs[METRICS])

    def _split_scores(
        self, trial: FrozenTrial, metric: str, objective: Objective | None
    ) -> list[float]:
        if trial.state != TrialState.COMPLETE:
            return [np.nan] * self.n_splits_
        if objective is None:
            return [-loss for loss in trial.user_attrs["replicate_losses"]]
        scores: list[float] = trial.user_attrs[METRICS][metric]
        return scores

    # --- what the best estimator can do -------------------------------------------------------

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator)
        tags.estimator_type = own.estimator_type
        tags.classifier_tags = deepcopy(own.classifier_tags)
        tags.regressor_tags = deepcopy(own.regressor_tags)
        tags.target_tags = deepcopy(own.target_tags)
        tags.input_tags = deepcopy(own.input_tags)
        return tags

    @property
    def classes_(self) -> Array:
        """The class labels, of `best_estimator_`."""
        _best_has("classes_")(self)
        classes: Array = self.best_estimator_.classes_
        return classes

    @property
    def feature_names_in_(self) -> Array:
        """Names of the columns, of `best_estimator_`."""
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(
                f"{type(self).__name__} object has no feature_names_in_ attribute."
            )
        names: Array = self.best_estimator_.feature_names_in_
        return names

    @property
    def n_features_in_(self) -> int:
        """Number of columns, of `best_estimator_`."""
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(f"{type(self).__name__} object has no n_features_in_ attribute.")
        return int(self.best_estimator_.n_features_in_)

    @available_if(_best_has("predict"))  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> Array:
        """Predict with the best estimator."""
        check_is_fitted(self)
        predicted: Array = self.best_estimator_.predict(X)
        return predicted

    @available_if(_best_has("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Class probabilities of the best estimator."""
        check_is_fitted(self)
        probabilities: Array = self.best_estimator_.predict_proba(X)
        return probabilities

    @available_if(_best_has("score"))  # type: ignore[untyped-decorator]
    def score(self, X: Any, y: Any = None) -> float:
        """Score of the best estimator, by `scoring` if it is given, else by its own."""
        check_is_fitted(self)
        scorer = self.scorer_[self.refit] if isinstance(self.scorer_, dict) else self.scorer_
        told = scorer(self.best_estimator_, X, y)
        return float(told[self.refit] if isinstance(told, Mapping) else told)


class _Scoring:
    """One scorer or several as a function that can be sent to another process."""

    def __init__(self, scorers: Any, metric: str, refit: Any) -> None:
        self.scorers = scorers
        self.metric = metric
        self.refit = refit

    def __call__(self, fitted: Any, X: Any, y: Any) -> dict[str, float]:
        if isinstance(self.scorers, dict):
            return {name: float(scorer(fitted, X, y)) for name, scorer in self.scorers.items()}
        told = self.scorers(fitted, X, y)
        if not isinstance(told, Mapping):
            return {self.metric: float(told)}
        _require_metric(self.refit, told)
        return {name: float(score) for name, score in told.items()}


def _named(scoring: Any) -> dict[str, Any]:
    """Several metrics by name."""
    if isinstance(scoring, Mapping):
        return dict(scoring)
    if not all(isinstance(name, str) for name in scoring):
        raise InvalidInputError(
            f"a list of metrics must hold names, but got {scoring!r}: give functions by name, in "
            "a dict"
        )
    return {name: name for name in scoring}


def _require_metric(refit: Any, metrics: Iterable[str]) -> str:
    if not (isinstance(refit, str) and refit in metrics):
        raise InvalidInputError(
            f"refit must name the metric that counts, one of {', '.join(metrics)}, when there are "
            f"several, but got {refit!r}"
        )
    return refit


def _description(scoring: Any) -> Any:
    """Scoring as JSON values, the same in every process."""
    if isinstance(scoring, Mapping):
        return {name: _description(scorer) for name, scorer in scoring.items()}
    if isinstance(scoring, list | tuple):
        return [_description(scorer) for scorer in scoring]
    if scoring is None or isinstance(scoring, str):
        return scoring
    return getattr(scoring, "__qualname__", None) or stable_repr(scoring)


def _replicates(splits: Any, seed: int) -> tuple[Replicate, ...]:
    """Each split with a seed of its own for initial weights and shuffling."""
    pairs = list(splits)
    if not pairs:
        raise InvalidInputError(
            "cv must give at least one split, but gave none: a generator can be used only once, "
            "give a list or a splitter"
        )
    children = np.random.SeedSequence(seed).spawn(len(pairs))
    return tuple(
        Replicate(np.asarray(train), np.asarray(test), int(child.generate_state(1)[0]))
        for (train, test), child in zip(pairs, children, strict=True)
    )


def _status(trial: FrozenTrial) -> str:
    if trial.state == TrialState.COMPLETE:
        return "complete"
    if trial.state == TrialState.FAIL:
        return "failed"
    return "diverged" if trial.user_attrs[DIVERGED] else "pruned"


def _study(trials: Any) -> optuna.Study:
    with quiet_optuna():
        study = optuna.create_study(direction="minimize")
    study.add_trials(trials)
    return study
