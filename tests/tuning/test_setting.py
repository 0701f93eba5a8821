"""Settings: by name and back, and which of them train alike."""

import pytest

from lrtune.tuning.setting import LEARNING_RATE_FREE, Setting


def test_a_setting_and_its_parameters_are_the_same() -> None:
    setting = Setting(0.1, "cosine", 0.05, (("alpha", 1e-4), ("batch_size", 16)))

    assert Setting.from_params(setting.params) == setting
    assert Setting.from_params(dict(reversed(setting.params.items()))).params == setting.params
    assert list(setting.schedule_params) == ["learning_rate_init", "decay", "decay_rate"]


def test_the_baseline_needs_no_rate() -> None:
    assert LEARNING_RATE_FREE.params["optimizer"] == "dog"


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (Setting(0.1, "constant", 0.0), Setting(0.1, "constant", 0.7), True),
        (Setting(0.1, "constant", 0.0), Setting(0.2, "constant", 0.0), False),
        (Setting(0.1, "cosine", 0.1), Setting(0.1, "cosine", 0.1), True),
        (Setting(0.1, "cosine", 0.1), Setting(0.1, "cosine", 0.7), False),
        (Setting(0.1, "constant", 0.1), Setting(0.1, "cosine", 0.1), False),
        (Setting(0.1, "constant", 0.1, (("alpha", 1),)), Setting(0.1, "constant", 0.1), False),
    ],
)
def test_settings_are_alike_if_they_train_alike(one: Setting, other: Setting, alike: bool) -> None:
    assert one.is_like(other) == other.is_like(one) == alike
