"""`LearningRateSearchCV`: the search as a scikit-learn meta-estimator."""

from __future__ import annotations

import operator
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite, get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from lrtune.estimators.fitting import TrainableMLP, seed_of
from lrtune.estimators.mlp import require_labels
from lrtune.exceptions import InvalidInputError
from lrtune.schedules.schedule import Schedule
from lrtune.search_cv.callbacks import Callback, Listener
from lrtune.search_cv.cv_results import cv_results, metric_names
from lrtune.search_cv.delegation import Refitted
from lrtune.search_cv.splits import GROUPED, SplitReplicates
from lrtune.support.engines import open_workers
from lrtune.support.typed_sklearn import BaseEstimator, MetaEstimatorMixin, fit_context
from lrtune.tuning.record.record import Record, recorded_seed
from lrtune.tuning.record.storage import quiet_optuna
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget, Recording, search
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.objective import LOSS, Objective
from lrtune.tuning.trainers.partial_fit import PartialFitTrainer, fit_with_schedule, schedule_of
from lrtune.tuning.trainers.preparation import split_pipeline
from lrtune.tuning.trainers.protocol import Trainer
from lrtune.tuning.trainers.scoring import (
    describe_scoring,
    errors_named,
    make_objective,
    require_no_metadata,
)
from lrtune.tuning.trainers.steps import seed_samplers
from lrtune.tuning.trainers.tunable import require_tunable

Array = npt.NDArray[Any]


class LearningRateSearchCV(Refitted, MetaEstimatorMixin, BaseEstimator):
    """Search for the learning rate of an estimator by cross-validation.

    Each setting of initial rate, decay type and decay rate is trained on every split, with
    different initial weights and shuffling per split, and scored at the last epoch. Settings that
    diverge are stopped at once. lrtune's networks train in lockstep; other estimators one at a time
    by `partial_fit`, for as many epochs as their ``max_iter`` (skorch: ``max_epochs``) says, with
    the schedule in place of their own.

    Parameters
    ----------
    estimator : estimator or a Pipeline that ends in one
        The estimator to tune: lrtune's MLPClassifier or MLPRegressor; scikit-learn's SGDClassifier,
        SGDRegressor, Perceptron, MLPClassifier or MLPRegressor; a skorch net; or one of a class
        that `register_estimator` was given. Transformers are fitted on each split's training rows
        only; so do samplers in a pipeline of imbalanced-learn resample these rows only.
    space : mapping or None, default=None
        Maps parameter names to lists of choices, (low, high) tuples or Optuna distributions:
        "learning_rate_init" and "decay_rate" to a range, which is searched on a logarithmic
        scale, "decay" to a list, and optionally further parameters of the network such as
        "optimizer", "alpha" or "batch_size"; in a pipeline, the name of its last step may go before
        each, as in `best_params_`. The first three have default ranges. For estimators
        with `partial_fit`, fields of `Schedule` such as ``"update": ["batch"]`` can be named, too.
    n_trials : int, default=64
        Settings to try, including those that a continued study already has.
    cv : int, splitter, iterable or None, default=3
        As in `GridSearchCV`; None is 5 folds.
    scoring : str, callable, list, tuple, dict or None, default=None
        Score to maximise, as in `GridSearchCV`. None is minus the validation loss (log loss or
        squared error; the own loss of an SGDClassifier, SGDRegressor or skorch net; the hinge loss
        of a Perceptron), which distinguishes settings more finely than accuracy.
    storage : str, path or None, default=None
        A journal file or an Optuna storage URL that records the finished trials.
    study_name : str or None, default=None
        Name of the study in `storage`. An existing study is continued if its data, splits, space,
        seed and so on are the same; without a `random_state`, its seed is used. None starts a new
        study.
    refit : bool, str or callable, default=True
        True to fit the best setting on all rows. With several metrics, the name of the one that
        counts, or a function of `cv_results_` that returns the index of the best row.
    n_jobs : int or None, default=None
        Number of training processes. The result does not depend on it. Within
        ``joblib.parallel_config("dask")``, or another of joblib's backends for clusters, so many of
        its workers train; all by default.
    random_state : int, RandomState or None, default=None
        Seed of the sampler and of every split's initial weights and shuffling; also of the refit,
        unless the estimator has a seed.
    timeout : float or None, default=None
        Seconds of the search. Three fifths of them explore, and the confirmation has as many
        trainings as fit into the rest. The first block of 8 settings is trained in any case, and
        the refit comes on top.
    confirm : bool, default=True
        Train the best settings again before recommending one, with fresh initial weights and
        shuffling, and on fresh splits if `cv` draws its splits at random, as
        ``KFold(shuffle=True)`` does, if it is a number, or if it keeps groups together, as
        `GroupKFold` does. Else, as with an order in time, the same splits are trained on again, and
        the standard error allows for their choice.
    error_score : "raise" or float, default=np.nan
        Score where a scorer of `scoring` raises an error, as in `GridSearchCV`: with NaN, the
        setting has failed, and a warning names the error; "raise" ends the search by it.
    sampler, pruner : optuna sampler and pruner or None, default=None
        By default `ScheduleSampler`, and no pruning beyond diverged settings. `random_state` does
        not seed a `sampler` that you pass.
    callbacks : list of callables or None, default=None
        Each is called as ``callback(study, trial)`` when a trial ends, as in Optuna's
        ``study.optimize``, with the finished trials in memory. Settings that train in lockstep end
        together, a block of 8 at a time. ``study.stop()`` ends the search; the best of its trials
        are still confirmed. An error ends the search by itself.
    verbose : bool or int, default=False
        Print a line of progress when trials end.

    Attributes
    ----------
    best_params_ : dict
        Parameters of the best setting, without the decay rate if the rate is constant; for a
        pipeline that ends in one of lrtune's networks, prefixed with the step's name.
    best_schedule_ : Schedule
        Its schedule: call it with t in epochs.
    best_score_ : float
        Mean score of the best setting over the splits.
    best_index_ : int
        Row of the best setting in `cv_results_`; after confirmation not always the row with the
        best score.
    best_estimator_ : estimator
        The estimator with the best setting, fitted on all rows for `max_iter` epochs; only with
        `refit`. (With ``decay="plateau"``, a share `validation_fraction` of the rows is held out
        to measure the loss that the schedule follows.)
    cv_results_ : dict of arrays
        A row per trial: "status" is "complete", "diverged", "pruned" or "failed" (trained, but the
        metric is NaN). Scores of the latter three are NaN, never an average of the splits that
        succeeded.
    study_ : optuna.Study
        The trials, in memory.
    result_ : SearchResult
        The result of the search, including its warnings and the confirmed loss.
    scorer_ : callable or dict of callables
    n_splits_ : int
    refit_time_ : float
        Seconds of the refit.
    multimetric_ : bool
    classes_, n_features_in_, feature_names_in_
        As those of `best_estimator_`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from lrtune import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), MLPClassifier())
    >>> search = LearningRateSearchCV(model, n_trials=16, random_state=0).fit(X, y)
    >>> 0.01 < search.best_params_["mlpclassifier__learning_rate_init"] < 10
    True
    >>> search.score(X, y) > 0.9
    True
    """

    best_params_: dict[str, Any]
    best_schedule_: Schedule
    best_score_: float
    best_index_: int
    cv_results_: dict[str, Any]
    study_: optuna.Study
    result_: SearchResult
    n_splits_: int
    refit_time_: float
    multimetric_: bool

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit"])],
        "space": [Mapping, None],
        "n_trials": [Interval(Integral, 1, None, closed="left")],
        "cv": ["cv_object"],
        "scoring": [str, callable, list, tuple, dict, None],
        "storage": [str, os.PathLike, None],
        "study_name": [str, None],
        "refit": ["boolean", str, callable],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "confirm": ["boolean"],
        "error_score": [StrOptions({"raise"}), Real],
        "sampler": [BaseSampler, None],
        "pruner": [BasePruner, None],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        space: Mapping[str, Any] | None = None,
        n_trials: int = 64,
        cv: Any = 3,
        scoring: Any = None,
        storage: str | os.PathLike[str] | None = None,
        study_name: str | None = None,
        refit: bool | str | Callable[[dict[str, Any]], int] = True,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        timeout: float | None = None,
        confirm: bool = True,
        error_score: float | Literal["raise"] = np.nan,
        sampler: BaseSampler | None = None,
        pruner: BasePruner | None = None,
        callbacks: Sequence[Callback] | None = None,
        verbose: bool | int = False,
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
        self.confirm = confirm
        self.error_score = error_score
        self.sampler = sampler
        self.pruner = pruner
        self.callbacks = callbacks
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Search, and refit the best setting.

        Parameters
        ----------
        X : array_like or DataFrame of shape (n, n_features)
        y : array_like of shape (n,) or (n, n_outputs)
        **params
            ``groups`` for the splitter, ``sample_weight`` for the network (in a pipeline
            ``stepname__sample_weight``); with metadata routing, as requested.

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            If the estimator, the space or an option is invalid; nothing is recorded.
        NothingCompletedError
            If no setting trained to the end.
        """
        epochs = _require_epochs(self.estimator)
        X, y = indexable(X, y.toarray() if issparse(y) else y)
        _check_target(y, self.estimator)
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splitter_params, fit_params = self._route(params, cv)
        seed = self._seed()
        may_shuffle = self.cv is None or isinstance(self.cv, (Integral, *GROUPED))
        splits = SplitReplicates(cv, X, y, splitter_params, seed, may_shuffle=may_shuffle)
        if not splits.first:
            raise InvalidInputError(
                "`cv` must give at least one split, but gave none: a generator can be used only "
                "once, so give a list or a splitter"
            )
        space = Space.of(_own_names(self.space or {}, self.estimator), epochs)
        objective, scorer = make_objective(
            self.estimator, self.scoring, self.refit, self.error_score
        )
        if objective is not None:
            require_no_metadata(scorer, params)
        weight = self._sample_weight(X, fit_params)
        listener = Listener(self.callbacks, verbose=bool(self.verbose))
        n_splits = len(splits.first)
        with (
            errors_named(objective),
            self._trainer(X, y, splits, weight, objective) as trainer,
        ):
            result = search(
                trainer,
                space,
                budget=Budget(self.n_trials, n_splits, self.timeout, self.confirm),
                sampling=Sampling(seed, self.sampler, self.pruner),
                scoring=describe_scoring(self.scoring),
                recording=self._recording(),
                on_progress=listener,
            )
        trials = result.finished
        self.n_splits_ = n_splits
        self.scorer_ = scorer
        self.multimetric_ = len(metric_names(trials)) > 1
        self.result_ = result
        self.study_ = _study(trials, result.study)
        pastes = isinstance(self.estimator, Pipeline) and is_network(self.estimator)
        prefix = f"{self.estimator.steps[-1][0]}__" if pastes else ""
        self.cv_results_ = cv_results(trials, result.facts.space, n_splits, prefix=prefix)
        self._choose(trials, objective)
        setting = result.facts.space.setting(trials[self.best_index_].params)
        self.best_schedule_ = self._schedule(setting)
        if self.refit:
            self._refit(X, y, fit_params, setting, weight, seed)
        return self

    @contextmanager
    def _trainer(
        self,
        X: Any,
        y: Any,
        splits: SplitReplicates,
        sample_weight: Array | None,
        objective: Objective | None,
    ) -> Iterator[Trainer]:
        """Provide the trainer of the estimator, and its processes while it is used."""
        options: dict[str, Any] = {
            "fresh": splits,
            "sample_weight": sample_weight,
            "objective": objective,
        }
        if is_network(self.estimator):
            network = NetworkTrainer(
                self.estimator, X, y, splits.first, **options, n_jobs=self.n_jobs
            )
            network.folds = splits.folds
            yield network
            return
        with open_workers(self.n_jobs) as workers:
            trainer = PartialFitTrainer(
                self.estimator, X, y, splits.first, **options, workers=workers
            )
            trainer.folds = splits.folds
            yield trainer

    def _seed(self) -> int:
        """Return the seed from `random_state`, else that of a continued study, else a new one."""
        if self.random_state is None and self.storage is not None and self.study_name is not None:
            recorded = recorded_seed(os.fspath(self.storage), self.study_name)
            if recorded is not None:
                return recorded
        return seed_of(self.random_state)

    def _recording(self) -> Recording | None:
        if self.storage is None:
            if self.study_name is not None:
                raise InvalidInputError(
                    f"`study_name` needs a storage to record the study in, but got "
                    f"{self.study_name!r} and `storage=None`: give both, or neither"
                )
            return None
        storage = os.fspath(self.storage)
        if self.study_name is None:
            return Recording(partial(Record.create, storage, "lrtune"))
        return Recording(partial(Record.open, storage, self.study_name))

    def _choose(self, trials: Any, objective: Objective | None) -> None:
        if callable(self.refit):
            self.best_index_ = operator.index(self.refit(self.cv_results_))
            if not 0 <= self.best_index_ < len(trials):
                raise IndexError("best_index_ index out of range")
        else:
            self.best_index_ = self.result_.best_trial
        metric = LOSS if objective is None else objective.metric
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        self.best_score_ = float(self.cv_results_[f"mean_test_{metric}"][self.best_index_])

    def _refit(
        self,
        X: Any,
        y: Any,
        fit_params: dict[str, Any],
        setting: Setting,
        sample_weight: Array | None,
        seed: int,
    ) -> None:
        started = time.perf_counter()
        if is_network(self.estimator):
            best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
            steps, network = split_pipeline(best)
            if network.random_state is None:
                network.random_state = seed
            if steps is not None:
                seed_samplers(steps, seed)
            best.fit(X, y, **fit_params)
        else:
            best = fit_with_schedule(
                self.estimator, X, y, setting, seed=seed, sample_weight=sample_weight
            )
        self.refit_time_ = time.perf_counter() - started
        self.best_estimator_ = best

    def _schedule(self, setting: Setting) -> Schedule:
        """Return the schedule that the estimator has with a setting."""
        if not is_network(self.estimator):
            return schedule_of(setting)
        _, network = split_pipeline(self.estimator)
        params = clone(setting.params, safe=False)
        schedule: Schedule = clone(network).set_params(**params).schedule()
        return schedule

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the metadata router to the estimator's fit and the splitter's split."""
        return self._router(check_cv(self.cv, classifier=is_classifier(self.estimator)))

    def _router(self, cv: Any) -> MetadataRouter:
        to_fit, to_split = (
            MethodMapping().add(caller="fit", callee=name) for name in ("fit", "split")
        )
        router = MetadataRouter(owner=type(self).__name__)
        router.add(estimator=self.estimator, method_mapping=to_fit)
        return router.add(splitter=cv, method_mapping=to_split)

    def _route(self, params: dict[str, Any], cv: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the parameters of the splitter's split and of the estimator's fit."""
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self._router(cv), "fit", **params)
            return dict(routed.splitter.split), dict(routed.estimator.fit)
        fit_params = dict(params)
        return {"groups": fit_params.pop("groups", None)}, fit_params

    def _sample_weight(self, X: Any, fit_params: dict[str, Any]) -> Array | None:
        """Return the sample weights that the estimator's fit would pass to its last step."""
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
                f"fit takes groups and {name}, which goes to what is tuned, but got "
                f"{', '.join(unknown)}: other metadata would not reach what is trained on the "
                "splits"
            )
        weight = fit_params.get(name)
        return None if weight is None else _check_sample_weight(weight, X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        own = deepcopy(get_tags(self.estimator))
        for name in (
            "estimator_type", "classifier_tags", "regressor_tags", "target_tags", "input_tags",
        ):  # fmt: skip
            setattr(tags, name, getattr(own, name))
        return tags


def is_network(estimator: Any) -> bool:
    """Return whether an estimator is, or ends in, one of lrtune's networks."""
    return isinstance(split_pipeline(estimator)[1], TrainableMLP)


def _own_names(space: Mapping[str, Any], estimator: Any) -> dict[str, Any]:
    """Return a space with the names of what is tuned, without those of its step in a pipeline."""
    prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    own = {name.removeprefix(prefix): value for name, value in space.items()}
    if len(own) < len(space):
        twice = next(name for name in own if name in space and prefix + name in space)
        raise InvalidInputError(
            f"`space` must name each parameter once, but got {twice!r} and {prefix + twice!r}: "
            "leave out one of them"
        )
    return own


def _require_epochs(estimator: Any) -> int:
    """Return the epochs of an estimator that can be tuned; else raise InvalidInputError."""
    _, model = split_pipeline(estimator)
    if not isinstance(model, TrainableMLP):
        return require_tunable(model)[1]
    if model.early_stopping or model.tol is not None:
        raise InvalidInputError(
            "`estimator` must train for max_iter epochs, as schedules are judged at their last "
            f"one, but got early_stopping={model.early_stopping}, tol={model.tol}: set "
            "them to False and None"
        )
    return int(model.max_iter)


def _check_target(y: Any, estimator: Any) -> None:
    if y is None:
        raise ValueError(
            "requires y to be passed, but the target y is None: a search needs a target"
        )
    assert_all_finite(np.asarray(y), input_name="y")
    if not is_classifier(estimator):
        return
    check_classification_targets(y)
    if is_network(estimator):
        require_labels(np.asarray(y))
    if not is_network(estimator) and np.ndim(y) > 1:
        raise InvalidInputError(
            f"`y` must be one column of classes, but got shape {np.shape(y)}: search for each "
            "column by itself"
        )


def _study(trials: Any, name: str | None) -> optuna.Study:
    """Return the trials as a study in memory, which can be pickled without its storage."""
    with quiet_optuna():
        study = optuna.create_study(direction="minimize", study_name=name)
    study.add_trials(trials)
    return study
