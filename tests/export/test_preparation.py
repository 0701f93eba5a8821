"""The preparation before the network: how it is made again, and how it is described."""

import pytest

from lrtune.export.preparation import Preparation
from lrtune.tuning.record.schema import Step

SCALER = Step("StandardScaler", "StandardScaler()")
WITHOUT_MEAN = Step("StandardScaler", "StandardScaler(with_mean=False)", changed=True)
COLUMNS = Step("ColumnTransformer", "ColumnTransformer(...)", changed=True)
POWER = Step("PowerTransformer", "PowerTransformer()")


def test_without_steps_there_is_nothing_to_do() -> None:
    assert Preparation().describe() == Preparation().source == ""
    assert Preparation().classes == ()


@pytest.mark.parametrize(
    ("steps", "is_scaled"),
    [((SCALER,), True), ((WITHOUT_MEAN,), False), ((SCALER, POWER), False), ((POWER,), False)],
)
def test_only_a_plain_scaler_alone_standardises(steps: tuple[Step, ...], is_scaled: bool) -> None:
    assert Preparation(steps).is_scaled == is_scaled
    assert ("standardise yours" in Preparation(steps).describe()) == is_scaled


def test_a_tables_preprocessing_is_loaded_again_with_its_target_and_preprocessor() -> None:
    table = Preparation((COLUMNS,), "the price", "skrub")

    assert table.is_table
    assert table.dataset == "load_dataset(DATA, target='the price', preprocessor='skrub')"
    assert table.source == f"lrtune.tables.dataset.{table.dataset}.preprocessing"
    assert Preparation((COLUMNS,), "y", "sklearn").dataset == "load_dataset(DATA, target='y')"
    assert not Preparation((SCALER,), "y", "sklearn").is_table


def test_other_steps_are_named_in_order() -> None:
    preparation = Preparation((SCALER, POWER))

    assert preparation.source == "StandardScaler(), PowerTransformer()"
    assert preparation.classes == ("StandardScaler", "PowerTransformer")
    assert preparation.source in preparation.describe()
