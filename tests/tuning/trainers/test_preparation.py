"""Preparation: the loss of a prediction that ignores the columns, and the untuned default."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_diabetes, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from lrtune import MLPClassifier, MLPRegressor
from lrtune.training.optimizers import DEFAULT_RATES
from lrtune.training.rows import TableRows
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.preparation import SCALED_AT_ONCE, Prepared, default_setting, prepare
from lrtune.tuning.trainers.protocol import train_all
from lrtune.tuning.trainers.replicates import Replicate, make_replicates

WEIGHTS = [None, np.random.default_rng(0).uniform(0, 3, 442)]
TABLES = {
    MLPClassifier: load_iris(return_X_y=True),
    MLPRegressor: load_diabetes(return_X_y=True),
}


def split(network: Any, weight: Any = None, *, y: Any = None, **options: Any) -> Prepared:
    """A table split in two, whatever its order, in a random one."""
    X, target = TABLES[network]
    order = np.random.default_rng(1).permutation(len(X))
    replicate = Replicate(order[:100], order[100:], seed=0)
    given = None if weight is None else weight[: len(X)]
    return prepare(network(**options), X, target if y is None else y, replicate, given)


def parts(values: Any) -> tuple[Any, Any]:
    """What `split` trains with, and what it validates with."""
    order = np.random.default_rng(1).permutation(len(values))
    return values[order[:100]], values[order[100:]]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weight", WEIGHTS, ids=["even", "weighted"])
def test_the_naive_loss_of_classes_is_that_of_the_training_rows_shares(
    weight: Any, dtype: str
) -> None:
    y = TABLES[MLPClassifier][1]
    train, held_out = parts(y)
    w_train, w_held_out = parts(np.ones(150) if weight is None else weight[:150])
    shares = np.array([w_train[train == label].sum() for label in range(3)]) / w_train.sum()
    expected = (w_held_out * -np.log(shares[held_out])).sum() / w_held_out.sum()

    assert split(MLPClassifier, weight, dtype=dtype).naive_loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weight", WEIGHTS, ids=["even", "weighted"])
def test_the_naive_loss_of_a_target_is_that_of_the_training_rows_mean_in_its_own_unit(
    weight: Any, dtype: str
) -> None:
    y = TABLES[MLPRegressor][1]
    train, held_out = parts(y)
    w_train, w_held_out = parts(np.ones(442) if weight is None else weight)
    mean = (w_train * train).sum() / w_train.sum()
    expected = (w_held_out * (held_out - mean) ** 2).sum() / w_held_out.sum()
    found = split(MLPRegressor, weight, dtype=dtype).naive_loss
    in_thousands = split(MLPRegressor, weight, dtype=dtype, y=y / 1000).naive_loss

    assert found == pytest.approx(expected, rel=1e-5)
    assert in_thousands == pytest.approx(expected / 1e6, rel=1e-5)


def test_several_targets_which_share_no_unit_count_alike() -> None:
    y = TABLES[MLPRegressor][1]
    both = np.column_stack([y, 7 - 100 * np.roll(y, 5)])
    train, held_out = parts(both)
    expected = ((held_out - train.mean(axis=0)) ** 2 / train.var(axis=0)).mean()

    assert split(MLPRegressor, y=both).naive_loss == pytest.approx(expected, rel=1e-9)


def test_two_classes_have_the_shares_of_both() -> None:
    y = TABLES[MLPClassifier][1] == 0
    train, held_out = parts(y)
    share = train.mean()
    expected = -np.where(held_out, math.log(share), math.log(1 - share)).mean()

    assert split(MLPClassifier, y=y).naive_loss == pytest.approx(expected, rel=1e-9)


@pytest.mark.filterwarnings("ignore:the training rows of a split hold no row of class 2")
def test_a_class_that_no_training_row_has_leaves_the_naive_loss_finite() -> None:
    X, y = TABLES[MLPClassifier]
    prepared = prepare(MLPClassifier(), X, y, Replicate(np.arange(100), np.arange(100, 150), 0))

    assert math.isfinite(prepared.naive_loss)
    assert prepared.naive_loss > 100


def test_preprocessing_is_fitted_on_the_training_rows_alone() -> None:
    X, y = load_iris(return_X_y=True)
    (replicate,) = make_replicates(y, 1, task="classification")
    X[replicate.validation] += 1000
    prepared = prepare(make_pipeline(StandardScaler(), MLPClassifier()), X, y, replicate)

    assert np.abs(np.asarray(prepared.rows.X).mean(axis=0)).max() < 1e-5
    assert np.asarray(prepared.validation.X).min() > 100


# --- the untuned default ------------------------------------------------------------------------


def test_the_default_is_the_estimators_own_with_whatever_else_the_space_names() -> None:
    others = tuple(
        (name, Dimension.of(name, spec))
        for name, spec in {"alpha": (1e-5, 1.0), "hidden_layer_sizes": [(9,), (50, 12)]}.items()
    )
    space = Space((0.01, 1.0), ("cosine",), (0.1, 1.0), others)
    network = MLPClassifier(
        learning_rate_init=0.3, decay="cosine", decay_rate=0.2, alpha=0.05, batch_size=7
    )
    expected = Setting(0.3, "cosine", 0.2, (("alpha", 0.05), ("hidden_layer_sizes", (50, 12))))

    assert default_setting(network, space) == expected
    assert default_setting(make_pipeline(StandardScaler(), network), space) == expected


@pytest.mark.parametrize(("optimizer", "rate"), DEFAULT_RATES.items())
def test_the_default_of_an_estimator_without_a_rate_is_its_optimizers(
    optimizer: str, rate: float
) -> None:
    others = (("optimizer", Dimension.of("optimizer", ["sgd", "adam"])),)
    space = Space((0.01, 1.0), ("cosine",), (0.1, 1.0), others)
    setting = default_setting(MLPClassifier(optimizer=optimizer), space)

    assert setting == Setting(rate, "constant", 0.0, (("optimizer", optimizer),))


@pytest.mark.parametrize("sizes", [[50, 12], np.array([50, 12]), (50, 12)], ids=repr)
def test_layer_sizes_may_be_given_as_a_list_or_an_array(sizes: Any) -> None:
    others = (("hidden_layer_sizes", Dimension.of("hidden_layer_sizes", [(9,), (50, 12)])),)
    space = Space((0.01, 1.0), ("constant",), (0.1, 1.0), others)
    setting = default_setting(MLPClassifier(sizes), space)
    params = space.params(setting)

    assert hash(setting) == hash(default_setting(MLPClassifier((50, 12)), space))
    assert params is not None
    assert params["hidden_layer_sizes"] == "(50, 12)"


# --- rows read in place ---------------------------------------------------------------------------


ROUNDS_MEAN_FIRST = parse_version(sklearn.__version__) >= parse_version("1.7")
"""Older scalers subtract a float64 mean from float32 columns, and round then; here it is 1e4."""


def replicate_of(n_rows: int) -> Replicate:
    order = np.random.default_rng(0).permutation(n_rows)
    return Replicate(order[: n_rows // 2], order[n_rows // 2 :], seed=3)


def table(dtype: str = "float64") -> tuple[Any, Any]:
    X, y = load_iris(return_X_y=True)
    X[:, 1] += 1e4
    return np.ascontiguousarray(X, dtype=dtype), y


def pipeline(**options: Any) -> Any:
    return make_pipeline(StandardScaler(), MLPClassifier(max_iter=4, **options))


def curve(estimator: Any, X: Any, y: Any, replicate: Replicate) -> list[list[float]]:
    """Return the validation losses, epoch by epoch."""
    trainer = NetworkTrainer(estimator, X, y, [replicate])
    (outcome,) = train_all(trainer, [Setting(0.1, "cosine", 0.1)], [0])
    curves: list[list[float]] = outcome.validation_curves.tolist()
    return curves


@pytest.mark.parametrize("trained_in", ["auto", "float32", "float64"])
@pytest.mark.parametrize("given_in", ["float32", "float64"])
@pytest.mark.parametrize("estimator", [pipeline, MLPClassifier], ids=["scaled", "as it is"])
def test_rows_read_in_place_are_those_of_the_pipeline_bit_for_bit(
    estimator: Any, given_in: str, trained_in: str
) -> None:
    X, y = table(given_in)
    replicate, model = replicate_of(len(y)), estimator(dtype=trained_in)
    in_place, copied = (prepare(model, each, y, replicate) for each in (X, np.asfortranarray(X)))

    assert isinstance(in_place.rows.X, TableRows)
    assert isinstance(copied.rows.X, np.ndarray)
    assert in_place.rows.X.dtype == copied.rows.X.dtype
    pairs = ((in_place.rows, copied.rows), (in_place.validation, copied.validation))
    if not ROUNDS_MEAN_FIRST and estimator is pipeline and given_in == "float32":
        assert all(np.asarray(one.X) == pytest.approx(other.X, abs=2e-3) for one, other in pairs)
        return
    assert all(np.array_equal(np.asarray(one.X), other.X) for one, other in pairs)
    curves = [curve(model, each, y, replicate) for each in (X, np.asfortranarray(X))]
    assert curves[0] == curves[1]


def test_replicates_share_the_table_and_hold_row_numbers() -> None:
    X, y = table()
    replicate = replicate_of(len(y))
    prepared = prepare(pipeline(), X, y, replicate)

    assert prepared.rows.X.table is prepared.validation.X.table is X
    assert prepared.rows.X.index is replicate.train


def test_means_and_scales_learned_in_pieces_are_those_of_the_whole() -> None:
    n_rows = 3 * SCALED_AT_ONCE
    rng = np.random.default_rng(0)
    X = rng.normal([[1e3, 0.0]], [[1.0, 1e-3]], size=(n_rows, 2))
    prepared = prepare(pipeline(), X, rng.integers(0, 2, n_rows), replicate_of(n_rows))
    whole = StandardScaler().fit(X[replicate_of(n_rows).train])

    assert prepared.rows.X.mean == pytest.approx(whole.mean_, rel=1e-12, abs=1e-12)
    assert prepared.rows.X.scale == pytest.approx(whole.scale_, rel=1e-12)


def test_a_value_that_is_not_finite_is_refused_wherever_it_is() -> None:
    X, y = table()
    X[replicate_of(len(y)).validation[0], 2] = np.nan

    with pytest.raises(ValueError, match="NaN"):
        prepare(pipeline(), X, y, replicate_of(len(y)))


@pytest.mark.parametrize(
    "options", [{"with_mean": False}, {"with_std": False}], ids=["no mean", "no scale"]
)
def test_a_scaler_does_as_much_in_place_as_it_is_asked_to(options: dict[str, bool]) -> None:
    X, y = table()
    model = make_pipeline(StandardScaler(**options), MLPClassifier(dtype="float64"))
    prepared = prepare(model, X, y, replicate_of(len(y)))

    assert np.array_equal(
        np.asarray(prepared.rows.X), prepared.pipeline[:-1].transform(X[replicate_of(len(y)).train])
    )


def test_the_search_fits_the_same_model_from_memory_and_from_a_memory_map(tmp_path: Path) -> None:
    X, y = table()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    one, other = (curve(pipeline(), each, y, replicate_of(len(y))) for each in (X, mapped))

    assert one == other


@pytest.mark.parametrize("unit", [1e-27, 1e-50, 1e26])
def test_reference_losses_hold_in_any_unit_of_the_target(unit: float) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), 10 + rng.normal(size=60)
    (replicate,) = make_replicates(y, 1, task="regression")
    own, scaled = (
        prepare(MLPRegressor((4,), dtype="float32"), X, y * factor, replicate)
        for factor in (1.0, unit)
    )

    for name in ("naive_loss", "guess_loss", "initial_loss"):
        expected = getattr(own, name) * unit * unit
        assert getattr(scaled, name) == pytest.approx(expected, rel=1e-4)
