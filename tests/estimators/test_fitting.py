"""Fits: partial fits, warm starts, early stopping, divergence, rates and printing."""

import pickle
import warnings
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from lrtune import MLPClassifier, MLPRegressor, Schedule
from lrtune.exceptions import DivergenceWarning
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import rate_table

NETWORKS = [MLPClassifier, MLPRegressor]
CONFIGURATIONS: list[dict[str, Any]] = [
    {"optimizer": "momentum", "decay": "cosine", "decay_rate": 0.05, "warmup_epochs": 3.0},
    {"optimizer": "adam", "decay": "exponential", "decay_rate": 0.1, "update": "batch"},
    {"optimizer": "nesterov", "decay": "linear", "decay_rate": 0.2, "cycle_epochs": 4.0},
    {"optimizer": "adagrad", "decay": "compound", "decay_rate": 0.01, "dtype": "float32"},
]
CURVES = ["loss_curve_", "validation_loss_curve_", "learning_rate_curve_"]


def assert_same(one: Any, other: Any) -> None:
    """Equal weights and curves, bit for bit."""
    assert all(np.array_equal(a, b) for a, b in zip(one.coefs_, other.coefs_, strict=True))
    assert all(
        np.array_equal(a, b) for a, b in zip(one.intercepts_, other.intercepts_, strict=True)
    )
    assert [getattr(one, curve) for curve in CURVES] == [getattr(other, curve) for curve in CURVES]


def configured(network: type[Any], configuration: dict[str, Any], **more: Any) -> Any:
    return network(learning_rate_init=0.02, random_state=1, **configuration, **more)


# --- continuing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_partial_fits_are_a_fit(
    iris: tuple[Any, Any], network: type[Any], configuration: dict[str, Any]
) -> None:
    whole = configured(network, configuration, max_iter=10).fit(*iris)
    parts = configured(network, configuration)
    for _ in range(10):
        parts.partial_fit(*iris)

    assert_same(whole, parts)
    assert parts.n_iter_ == 1


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
@pytest.mark.parametrize("stored", [False, True])
def test_two_warm_fits_are_one(
    iris: tuple[Any, Any], network: type[Any], configuration: dict[str, Any], stored: bool
) -> None:
    whole = configured(network, configuration, max_iter=20).fit(*iris)
    warm = configured(network, configuration, max_iter=10, warm_start=True).fit(*iris)
    if stored:
        warm = pickle.loads(pickle.dumps(warm))  # noqa: S301

    assert_same(whole, warm.fit(*iris))
    assert warm.n_iter_ == 10


@pytest.mark.parametrize("network", NETWORKS)
def test_a_partial_fit_continues_a_fit(iris: tuple[Any, Any], network: type[Any]) -> None:
    whole = configured(network, CONFIGURATIONS[0], max_iter=7).fit(*iris)
    parts = configured(network, CONFIGURATIONS[0], max_iter=5).fit(*iris)

    assert_same(whole, parts.partial_fit(*iris).partial_fit(*iris))


def test_a_fit_starts_anew_unless_warm(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(random_state=0)

    assert_same(model.fit(*iris), MLPClassifier(random_state=0).fit(*iris).fit(*iris))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_warm_start_keeps_the_best_of_all_fits(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(
        early_stopping=True, validation_fraction=0.3, learning_rate_init=1.0, max_iter=12,
        warm_start=True, random_state=0,
    )  # fmt: skip
    for _ in range(5):
        model.fit(*iris)

        assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_scores_) == len(model.loss_curve_) > 12


def test_a_failed_first_fit_does_not_spoil_a_warm_start(iris: tuple[Any, Any]) -> None:
    X, y = iris
    model = MLPClassifier(
        early_stopping=True, n_iter_no_change=9, max_iter=99, warm_start=True, random_state=0
    )
    with pytest.raises(ValueError, match="must include every class and leave rows to train on"):
        model.fit(X[48:52], y[48:52])

    assert model.fit(X, y).score(X, y) > 0.8


def test_partial_fit_learns_classes_that_come_later(iris: tuple[Any, Any]) -> None:
    X, y = iris
    model = MLPClassifier(class_weight={1: 1.5, 2: 2.0}, random_state=0)
    model.partial_fit(X[:60], y[:60], classes=[2, 0, 1])
    for _ in range(30):
        model.partial_fit(X, y, classes=[0, 1, 2])

    assert model.classes_.tolist() == [0, 1, 2]
    assert model.score(X, y) > 0.9
    with pytest.raises(ValueError, match=r"classes seen in training, but got \[3\]"):
        model.partial_fit(X, y + 1)
    with pytest.raises(ValueError, match=r"must be those of the first call, \[0, 1, 2\], but got"):
        model.partial_fit(X, y, classes=[0, 1])


def test_partial_fit_keeps_the_first_scale_and_shape_of_the_target(iris: tuple[Any, Any]) -> None:
    X, y = iris
    model = MLPRegressor(random_state=0).partial_fit(X, y)
    mean, scale = model.target_mean_, model.target_scale_
    model.partial_fit(X, 2 * y)

    assert (model.target_mean_, model.target_scale_) == (mean, scale)
    with pytest.raises(ValueError, match="as many columns as in the first call, 1, but got 2"):
        model.partial_fit(X, np.c_[y, y])
    with pytest.raises(ValueError, match="as many columns as in the first call, 2, but got 1"):
        MLPRegressor().fit(X, np.c_[y, y]).partial_fit(X, y)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("parameters", [{"early_stopping": True}, {"decay": "plateau"}])
def test_there_is_no_partial_fit_if_rows_are_held_out(
    iris: tuple[Any, Any], network: type[Any], parameters: dict[str, Any]
) -> None:
    model = network(**parameters)

    assert hasattr(network(), "partial_fit")
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as error:
        model.partial_fit(*iris)
    assert "must train on all rows it is given" in str(error.value.__cause__)


# --- stopping --------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_early_stopping_keeps_the_best_weights(iris: tuple[Any, Any], network: type[Any]) -> None:
    options: dict[str, Any] = {
        "early_stopping": True, "validation_fraction": 0.3, "learning_rate_init": 0.3,
        "n_iter_no_change": 5, "random_state": 2,
    }  # fmt: skip
    model = network(max_iter=500, **options).fit(*iris)
    best = int(np.argmax(model.validation_scores_)) + 1
    with pytest.warns(ConvergenceWarning):
        until_then = network(max_iter=best, **options).fit(*iris)

    assert model.n_iter_ == best + 5 < 500
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == model.n_iter_
    assert all(np.array_equal(*pair) for pair in zip(model.coefs_, until_then.coefs_, strict=True))


@pytest.mark.parametrize("network", NETWORKS)
def test_early_stopping_scores_held_out_rows_by_their_weights(
    iris: tuple[Any, Any], network: type[Any]
) -> None:
    X, y = iris
    weight = np.random.default_rng(0).uniform(0, 2, len(y)) ** 4
    model = network(early_stopping=True, validation_fraction=0.3, max_iter=1, random_state=3)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y, sample_weight=weight)
    _, held_out = train_test_split(
        np.arange(len(y)),
        test_size=0.3,
        random_state=model._session.streams.split_seed,
        stratify=y if network is MLPClassifier else None,
    )
    expected = model.score(X[held_out], y[held_out], sample_weight=weight[held_out])

    assert model.best_validation_score_ == pytest.approx(expected)
    assert expected != pytest.approx(model.score(X[held_out], y[held_out]))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_early_stopping_weighs_the_classes_of_held_out_rows() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 6)), rng.integers(0, 3, 200)
    by_class, by_row = (
        MLPClassifier(early_stopping=True, max_iter=5, random_state=0, class_weight=weight)
        for weight in ({0: 10.0, 1: 0.01, 2: 0.01}, None)
    )
    by_class.fit(X, y)
    by_row.fit(X, y, sample_weight=np.where(y == 0, 10.0, 0.01))

    assert by_class.validation_scores_ == pytest.approx(by_row.validation_scores_)


@pytest.mark.parametrize("options", [{"early_stopping": True}, {"decay": "plateau"}])
def test_held_out_rows_must_have_weight(iris: tuple[Any, Any], options: dict[str, Any]) -> None:
    X, y = iris
    weight = np.zeros(len(y))
    weight[:3] = 1.0
    with pytest.raises(ValueError, match="weight of 0: use a greater validation_fraction"):
        MLPClassifier(random_state=1, **options).fit(X, y, sample_weight=weight)


def test_the_last_and_the_best_loss_are_those_of_the_curve(iris: tuple[Any, Any]) -> None:
    model = MLPRegressor(learning_rate_init=0.2, random_state=0).fit(*iris)
    stopped = MLPRegressor(early_stopping=True, max_iter=99, random_state=0).fit(*iris)

    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)
    assert stopped.loss_ == stopped.loss_curve_[-1]
    assert stopped.best_loss_ is None  # as in scikit-learn, where the score decides
    assert model.best_validation_score_ is None
    assert stopped.best_validation_score_ == max(stopped.validation_scores_)


def test_without_early_stopping_there_are_no_validation_scores(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(random_state=0).fit(*iris)

    assert model.validation_scores_ is None
    assert model.validation_loss_curve_ == []


def test_tol_stops_on_the_training_loss(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(tol=0.01, n_iter_no_change=3, max_iter=300, random_state=0).fit(*iris)
    best, waited = np.inf, []
    for loss in model.loss_curve_:
        waited.append(0 if loss < best - 0.01 else waited[-1] + 1)
        best = min(best, loss)

    assert model.n_iter_ == len(waited) < 300
    assert waited[-1] == 3
    assert max(waited[:-1]) < 3


@pytest.mark.parametrize(
    ("parameters", "warns"),
    [
        ({"max_iter": 5}, False),
        ({"max_iter": 5, "tol": 0.0}, True),
        ({"max_iter": 5, "early_stopping": True}, True),
        ({"max_iter": 5, "decay": "plateau"}, False),
        ({"max_iter": 300, "tol": 0.01, "n_iter_no_change": 3}, False),
        ({"max_iter": 300, "early_stopping": True, "n_iter_no_change": 3}, False),
    ],
)
def test_only_fits_that_should_converge_warn_when_they_do_not(
    iris: tuple[Any, Any], parameters: dict[str, Any], warns: bool
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        MLPClassifier(**parameters, random_state=0).fit(*iris)

    assert [warning.category for warning in caught] == [ConvergenceWarning] * warns
    assert all("stopped at `max_iter=5` epochs before" in str(w.message) for w in caught)
    assert all(warning.filename == __file__ for warning in caught)


def test_a_partial_fit_is_not_expected_to_converge(iris: tuple[Any, Any]) -> None:
    assert MLPClassifier(tol=0.0, random_state=0).partial_fit(*iris).n_iter_ == 1


# --- divergence ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_warning_points_at_the_call(
    iris: tuple[Any, Any], network: type[Any], method: str
) -> None:
    with pytest.warns(DivergenceWarning) as caught:
        getattr(network(learning_rate_init=1e4, random_state=0), method)(*iris)

    assert "in epoch 1 (step " in str(caught[0].message)
    assert "`learning_rate_init=10000.0`: use a smaller" in str(caught[0].message)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("rate", [1e3, 1e10, 1e20, 1e30, 1e150])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_divergence_in_the_very_last_step_is_noticed(
    iris: tuple[Any, Any], network: type[Any], rate: float, dtype: Any
) -> None:
    with pytest.warns(DivergenceWarning, match="diverged in epoch 1 "):
        model = network(
            learning_rate_init=rate, max_iter=1, batch_size=150, dtype=dtype, random_state=0
        ).fit(*iris)

    assert model.n_iter_ == 1
    assert model.loss_curve_ == []
    assert np.abs(model.coefs_[0]).max() < 1
    assert np.isfinite(model.predict(iris[0])).all()


def test_the_weights_before_the_divergence_are_kept(iris: tuple[Any, Any]) -> None:
    options: dict[str, Any] = {"learning_rate_init": 1.0, "batch_size": 150, "random_state": 0}
    with pytest.warns(DivergenceWarning):
        model = MLPRegressor(max_iter=20, **options).fit(*iris)

    assert 1 < model.n_iter_ < 20
    assert model.score(*iris) > -10
    assert_same(model, MLPRegressor(max_iter=model.n_iter_ - 1, **options).fit(*iris))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_can_continue_after_a_divergence(iris: tuple[Any, Any], method: str) -> None:
    model = MLPClassifier(max_iter=5, warm_start=True, random_state=0).fit(*iris)
    learned = model.score(*iris)
    with pytest.warns(DivergenceWarning, match="in epoch 6 "):
        model.set_params(learning_rate_init=1e4).fit(*iris)

    assert model.score(*iris) == learned
    assert len(model.loss_curve_) == 5
    for _ in range(20):
        getattr(model.set_params(learning_rate_init=0.1), method)(*iris)
    assert model.score(*iris) > learned
    assert model.loss_curve_[-1] < model.loss_curve_[4]


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_layer_sizes": (7,)},
        {"activation": "tanh"},
        {"optimizer": "adam"},
        {"dtype": "float32"},
    ],
)
def test_a_warm_start_refuses_another_network(
    iris: tuple[Any, Any], change: dict[str, Any]
) -> None:
    model = MLPClassifier(warm_start=True, max_iter=1, random_state=0).fit(*iris)
    with pytest.raises(ValueError, match=f"`{next(iter(change))}` must not change"):
        model.set_params(**change).fit(*iris)


def test_a_warm_start_may_change_the_penalty_and_the_batch_size(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(warm_start=True, max_iter=3, random_state=0).fit(*iris)
    free, bound = (
        deepcopy(model).set_params(alpha=alpha, batch_size=150).fit(*iris) for alpha in (0.0, 100.0)
    )

    assert np.abs(bound.coefs_[0]).sum() < np.abs(free.coefs_[0]).sum()


def followed(losses: list[float], rate: float, k: float, patience: int) -> list[float]:
    """Return the rates after each loss, by a plateau decay that has just begun."""
    best, waited, rates = np.inf, 0, []
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        rate *= np.exp(-k) if waited > patience else 1
        rates.append(rate)
    return rates


@pytest.mark.parametrize(
    "before", [{}, {"decay": "plateau"}, {"decay": "linear", "decay_rate": 0.01}]
)
def test_a_warm_start_may_change_to_a_plateau(
    iris: tuple[Any, Any], before: dict[str, Any]
) -> None:
    model = MLPClassifier(
        warm_start=True, max_iter=5, learning_rate_init=1.0, random_state=0, **before
    ).fit(*iris)
    model.set_params(decay="plateau", decay_rate=0.5, patience=1, max_iter=30).fit(*iris)
    losses = model.validation_loss_curve_[-30:]

    assert model.learning_rate_curve_[-1] < 1.0
    assert model.learning_rate_curve_[6:] == pytest.approx(followed(losses, 1.0, 0.5, 1)[:-1])


def test_a_warm_start_may_change_the_plateau(iris: tuple[Any, Any]) -> None:
    def lowered(model: Any) -> list[float]:
        curve = np.log(model.learning_rate_curve_)
        return sorted({round(float(-step), 9) for step in np.diff(curve)} - {0.0})

    options: dict[str, Any] = {"decay": "plateau", "decay_rate": 0.5, "patience": 0}
    first = MLPClassifier(
        warm_start=True, max_iter=20, learning_rate_init=1.0, random_state=0, **options
    ).fit(*iris)
    rate = first.learning_rate_curve_[-1]
    changed = deepcopy(first).set_params(decay_rate=0.25, max_iter=9).fit(*iris)
    patient = deepcopy(first).set_params(patience=99, max_iter=9).fit(*iris)
    bounded = deepcopy(first).set_params(min_learning_rate=0.9, max_iter=9).fit(*iris)
    timed = deepcopy(first).set_params(decay="constant", max_iter=9).fit(*iris)

    assert lowered(first) == [0.5]
    assert lowered(changed) == [0.25, 0.5]
    assert patient.learning_rate_curve_[21:] == [patient.learning_rate_curve_[20]] * 8
    assert min(bounded.learning_rate_curve_[20:]) == 0.9 > rate
    assert timed.learning_rate_curve_[20:] == [1.0] * 9


# --- rates and printing ---------------------------------------------------------------------------


@pytest.mark.parametrize("update", ["epoch", "batch"])
def test_the_rate_rises_through_the_warm_up(iris: tuple[Any, Any], update: Any) -> None:
    options: dict[str, Any] = {"decay": "cosine", "decay_rate": 0.1, "warmup_epochs": 3.0}
    model = MLPClassifier(**options, update=update, max_iter=8, random_state=0).fit(*iris)
    schedule = Schedule(learning_rate_init=0.1, **options, update=update)

    assert model.learning_rate_curve_[:4] == pytest.approx([0, 0.1 / 3, 0.2 / 3, 0.1])
    assert model.learning_rate_curve_ == pytest.approx(rate_table([schedule], 8, 5)[::5, 0])


@pytest.mark.parametrize("decay", [name for name, decay in DECAYS.items() if not decay.feedback])
def test_the_rates_used_are_those_of_the_schedule(iris: tuple[Any, Any], decay: str) -> None:
    model = MLPClassifier(decay=decay, decay_rate=0.07, max_iter=6, random_state=0).fit(*iris)
    schedule = Schedule(learning_rate_init=0.1, decay=decay, decay_rate=0.07)

    assert model.schedule() == schedule
    assert model.learning_rate_curve_ == pytest.approx(schedule(np.arange(6)).tolist())


def test_plateau_follows_the_loss_on_held_out_rows(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(
        decay="plateau", decay_rate=0.5, patience=0, learning_rate_init=1.0, max_iter=40,
        random_state=0,
    ).fit(*iris)  # fmt: skip
    best, expected = np.inf, [1.0]
    for loss in model.validation_loss_curve_[:-1]:
        expected.append(expected[-1] * (1 if loss < best else np.exp(-0.5)))
        best = min(best, loss)

    assert len(model.validation_loss_curve_) == 40
    assert model.learning_rate_curve_[-1] < 1.0
    assert model.learning_rate_curve_ == pytest.approx(expected)


def test_verbose_prints_a_line_per_epoch(
    iris: tuple[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    MLPClassifier(verbose=True, max_iter=3, random_state=0).fit(*iris)
    lines = capsys.readouterr().out.splitlines()

    assert [line.split(", ")[:2] for line in lines] == [
        [f"Epoch {epoch}", "rate = 0.1"] for epoch in (1, 2, 3)
    ]
    assert all(", loss = " in line for line in lines)


def test_verbose_prints_the_validation_score(
    iris: tuple[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    model = MLPClassifier(
        verbose=True, early_stopping=True, n_iter_no_change=2, max_iter=99, random_state=0
    ).fit(*iris)
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == model.n_iter_
    assert f"validation score = {model.validation_scores_[-1]:.6f}" in lines[-1]
