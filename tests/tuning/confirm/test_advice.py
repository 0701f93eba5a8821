"""Advice: every warning where it is due, and nowhere else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lrtune.tuning.confirm.advice import EDGE_SHARE, FEW_ROWS, NARROW, advise
from lrtune.tuning.confirm.measurement import FACTORS, Profile
from lrtune.tuning.confirm.result import Confirmation, Contender, Estimate
from lrtune.tuning.confirm.statistics import EQUIVALENT
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space

SPACE = Space.default(20, learning_rate_init=(0.001, 1.0), decay_rate=(0.01, 1.0))
BEST = Setting(0.03, "cosine", 0.1)
N = len(FACTORS)


def profile(setting: Setting, n_safe: int = N, *, above: float = 9.0) -> Profile:
    """One whose middle `n_safe` rates are safe; the loss of those below is 9, and `above`."""
    beyond = (N - n_safe) // 2
    means = np.array([9.0] * beyond + [1.0] * n_safe + [above] * beyond)
    rates = [setting.learning_rate_init * factor for factor in FACTORS]
    return Profile.of(rates, np.tile(means[:, None], 4), 2.0)


def confirmed(setting: Setting = BEST, **changes: Any) -> Confirmation:
    """A confirmation that there is nothing to say about, but for the changes."""
    facts: dict[str, Any] = {
        "contenders": (Contender(0, setting, 1.0, 1.0, 8, "recommended"),),
        "recommended": Estimate(1.0, 0.01),
        "default": Estimate(1.5, 0.02),
        "gain": Estimate(0.5, 0.02),
        "score": 0.9,
        "profile": profile(setting),
        "naive_loss": 1.1,
        "replicates": 4,
        "tied_decays": (setting.decay,),
        "epochs": 100.0,
        "share": 1.0,
    }
    return Confirmation(**(facts | changes))


def said(confirmation: Confirmation, space: Space = SPACE, n_validation: int = 100) -> list[str]:
    return advise(confirmation, space, n_validation)


def place(share: float, bounds: tuple[float, float]) -> float:
    """The value at a share of a range, on a logarithmic scale."""
    low, high = bounds
    return float(low * (high / low) ** share)


def test_of_a_metric_it_is_named_and_the_loss_is_compared_with_that_of_a_guess() -> None:
    scored = {
        "metric": "roc_auc",
        "recommended": Estimate(-0.9, 0.01),
        "default": Estimate(-0.99, 0.01),
        "gain": Estimate(-0.09, 0.01),
        "loss": Estimate(0.5, 0.01),
        "profile": Profile.of(
            [BEST.learning_rate_init * factor for factor in FACTORS],
            np.tile(np.array([-0.9] * (N - 1) + [-0.95])[:, None], 4),
            np.inf,
            ideal=-1.0,
        ),
    }
    narrow = replace(SPACE, learning_rate_init=(0.001, 0.2))
    default, beyond = said(confirmed(**scored), narrow)
    (naive, *_) = said(confirmed(**(scored | {"loss": Estimate(1.2, 0.01)})))
    (even,) = said(confirmed(**(scored | {"gain": Estimate(0.01, 0.01)})))

    assert "default does better in roc_auc, by 0.09 ± 0.01" in default
    assert "outside the range searched, does better (roc_auc 0.95)" in beyond
    assert "predicts no better (1.2) than the mean or the class shares alone (1.1)" in naive
    assert even.endswith("0.01 ± 0.01 better in roc_auc")


def test_there_may_be_nothing_to_say() -> None:
    assert said(confirmed()) == []


# --- the edges of the space -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "lies at the low end of the range searched, 0.001 to 1: look further, "
              "`space={'learning_rate_init': (0.0001, 1)}`"),
        (EDGE_SHARE - 0.001, "lies at the low end"),
        (1 - EDGE_SHARE + 0.001, "lies at the high end"),
        (1.0, "lies at the high end of the range searched, 0.001 to 1: look further, "
              "`space={'learning_rate_init': (0.001, 10)}`"),
    ],
)  # fmt: skip
def test_a_rate_at_an_edge_of_its_range_is_told_with_the_wider_range(
    share: float, words: str
) -> None:
    rate = place(share, SPACE.rates)
    warnings = said(confirmed(replace(BEST, learning_rate_init=rate)))

    assert len(warnings) == 1
    assert warnings[0].startswith(f"the best learning_rate_init, {rate:.3g}, lies at the ")
    assert words in warnings[0]


@pytest.mark.parametrize("share", [EDGE_SHARE + 0.001, 0.5, 1 - EDGE_SHARE - 0.001])
def test_a_rate_inside_its_range_is_not(share: float) -> None:
    rate = place(share, SPACE.rates)

    assert said(confirmed(replace(BEST, learning_rate_init=rate))) == []


def test_a_rate_that_was_given_has_no_edge() -> None:
    assert said(confirmed(), replace(SPACE, learning_rate_init=(0.03, 0.03))) == []


def test_a_decay_at_its_fastest_is_told_but_not_at_its_slowest_which_is_none() -> None:
    (fastest,) = said(confirmed(replace(BEST, decay_rate=1.0)))

    assert "the best decay_rate, 1, lies at the high end" in fastest
    assert fastest.endswith("`space={'decay_rate': (0.01, 10)}`")
    assert said(confirmed(replace(BEST, decay_rate=0.01))) == []


def test_a_constant_rate_has_no_decay_rate_to_be_at_an_edge() -> None:
    assert said(confirmed(Setting(0.03, "constant", 1.0))) == []


# --- the safe range ---------------------------------------------------------------------------


@pytest.mark.parametrize(("n_safe", "narrow"), [(1, True), (3, False), (N, False)])
def test_a_narrow_safe_range_is_told(n_safe: int, narrow: bool) -> None:
    found = profile(BEST, n_safe)
    low, high = found.safe_range or (0, 0)
    warnings = said(confirmed(profile=found))

    assert narrow == (high / low < NARROW)
    assert warnings == [
        f"the safe range of learning_rate_init is narrow, {low:.3g} to {high:.3g}: tune again "
        "after any change of the data or the network"
    ] * narrow  # fmt: skip


def test_a_rate_just_below_those_that_diverge_has_no_margin() -> None:
    found = profile(BEST, 1, above=np.inf)
    low, high = found.safe_range or (0, 0)
    (warning,) = said(confirmed(profile=found))

    assert low < high == BEST.learning_rate_init
    assert warning == (
        f"there is no margin above the recommended learning_rate_init, 0.03: the next rate tested, "
        f"{0.03 * 100 ** (1 / (N - 1)):.3g}, diverged; a lower one, from {low:.3g} on, is safer"
    )


def test_a_range_that_may_extend_further_is_not_called_narrow() -> None:
    rates = [BEST.learning_rate_init * factor for factor in (1 / 1.1, 1.0, 1.1)]
    found = Profile.of(rates, np.ones((3, 4)), 2.0)

    assert found.safe_range == (rates[0], rates[-1])
    assert said(confirmed(profile=found)) == []


def test_divergence_further_above_leaves_a_margin() -> None:
    assert said(confirmed(profile=profile(BEST, 3, above=np.inf))) == []


# --- whether it means anything ------------------------------------------------------------------


def test_few_validation_rows_are_told() -> None:
    assert said(confirmed(), n_validation=FEW_ROWS) == []
    (warning,) = said(confirmed(), n_validation=FEW_ROWS - 1)

    assert f"a replicate validates with {FEW_ROWS - 1} rows only" in warning
    assert "more rows would say more than more trials" in warning


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (Estimate(0.1, 0.06), "not measurably better than the default: 0.1 ± 0.06 better"),
        (Estimate(-0.1, 0.06), "not measurably better than the default: 0.1 ± 0.06 worse"),
        (
            Estimate(-0.1, 0.04),
            "the untuned default does better, by 0.1 ± 0.04: keep it, or search ranges around it",
        ),
    ],
)
def test_no_measurable_gain_over_the_default_is_told(gain: Estimate, words: str) -> None:
    (warning,) = said(confirmed(gain=gain))

    assert words in warning


@pytest.mark.parametrize("loss", [1.0, 20.0])
def test_the_default_does_better_by_two_errors_and_not_negligibly(loss: float) -> None:
    def words(behind: float, error: float) -> str:
        (warning,) = said(
            confirmed(
                recommended=Estimate(loss, 0.01), gain=Estimate(-behind, error), naive_loss=loss + 1
            )
        )
        return warning

    negligible = EQUIVALENT * loss

    assert "default does better" in words(1.01 * negligible, 0.1 * negligible)
    assert "not measurably better" in words(0.99 * negligible, 0.1 * negligible)
    assert "default does better" in words(2.01 * negligible, negligible)
    assert "not measurably better" in words(1.99 * negligible, negligible)


@pytest.mark.parametrize("gain", [Estimate(0.1, 0.05), Estimate(0.1, 0.0), Estimate(0.1, None)])
def test_a_measurable_gain_and_one_of_unknown_error_are_not(gain: Estimate) -> None:
    assert said(confirmed(gain=gain)) == []


def test_a_default_that_diverged_is_told_and_not_compared() -> None:
    lost = Estimate(None, None, diverged=True)
    (warning,) = said(confirmed(default=lost, gain=lost))

    assert warning == "the untuned default diverged on at least one of 4 fresh replicates"


def test_a_default_that_is_recommended_is_told_and_nothing_is_claimed_to_be_gained() -> None:
    (told,) = said(confirmed(keeps_default=True, gain=Estimate(0.0, 0.0)))

    assert told == (
        "the untuned default is itself recommended: no other setting was measurably better, so "
        "nothing is gained over it"
    )


@pytest.mark.parametrize("loss", [1.1, 1.3])
def test_a_network_that_predicts_no_better_than_the_mean_is_told(loss: float) -> None:
    (warning,) = said(confirmed(recommended=Estimate(loss, 0.01), naive_loss=1.1))

    assert warning == (
        f"the network predicts no better ({loss:.3g}) than the mean or the class shares alone "
        "(1.1): more epochs, another network, or nothing to learn from these columns"
    )


def test_one_that_predicts_better_is_not() -> None:
    assert said(confirmed(recommended=Estimate(1.09, 0.01), naive_loss=1.1)) == []


# --- ties ---------------------------------------------------------------------------------------


def test_tied_decays_are_named_and_the_simplest_is_recommended() -> None:
    simple = Setting(0.03, "constant", 0.1)
    (warning,) = said(confirmed(simple, tied_decays=("constant", "cosine", "linear")))

    assert warning == (
        "constant, cosine, linear are statistically tied: constant, the simplest, is recommended"
    )


def test_without_a_constant_rate_among_them_the_lowest_rate_is_recommended() -> None:
    (warning,) = said(confirmed(tied_decays=("cosine", "linear")))

    assert warning.endswith("cosine, with the lowest learning_rate_init, is recommended")


def test_the_gravest_comes_first() -> None:
    setting = Setting(1.0, "constant", 0.1)
    warnings = said(
        confirmed(
            setting,
            gain=Estimate(0.0, 0.1),
            naive_loss=0.9,
            profile=profile(setting, 1),
            tied_decays=("constant", "cosine"),
        ),
        n_validation=3,
    )
    words = ["predicts no better", "3 rows only", "not measurably", "high end", "narrow", "tied"]

    assert len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))


def test_a_clearly_better_rate_beyond_the_range_is_named() -> None:
    setting = Setting(0.8, "cosine", 0.1)  # 0.8 to 1 lies within the range, the rest above it
    rates = [setting.learning_rate_init * factor for factor in FACTORS]
    falling = np.tile(np.linspace(2.0, 0.4, N)[:, None], 4)
    profiled = Profile.of(rates, falling, 2.0)
    recommended = Estimate(float(falling[N // 2, 0]), 0.01)
    words = said(confirmed(setting, profile=profiled, recommended=recommended, naive_loss=2.0))

    assert words == [
        "a learning_rate_init of 8, outside the range searched, does better (0.4): look further, "
        "`space={'learning_rate_init': (0.001, 80)}`"
    ]
