"""Warnings to read before trusting a recommendation."""

from __future__ import annotations

import math

import numpy as np

from lrtune.tuning.confirm.measurement import margin
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.confirm.statistics import EQUIVALENT
from lrtune.tuning.record.schema import TrainerFacts
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space

NOT_CONFIRMED = (
    "the {name} was measured on the replicates that chose the setting, so expect a {worse} one on "
    "fresh seeds, the more so the smaller the table"
)
"""Advice on a search on a table that was not confirmed."""
EDGE_SHARE = 0.05
"""A setting in the outermost share of a range, on a logarithmic scale, lies at its edge."""
WIDEN = 10.0
"""Factor by which to widen the range at such an edge."""
NARROW = 1.25
"""A safe range is narrow if its ends are less than this factor apart."""
FEW_ROWS = 30
"""With fewer validation rows per replicate, losses are rough."""


def not_confirmed(trainer: TrainerFacts, metric: str | None = None) -> str:
    """Return what to say of a search, of the loss or of a metric, that was not confirmed."""
    if metric is not None:
        return NOT_CONFIRMED.format(name=metric, worse="lower")
    if trainer.function is None:
        return NOT_CONFIRMED.format(name="loss", worse="higher")
    return (
        f"the {trainer.loss} was measured on the seeds that chose the setting and not confirmed, "
        f"so expect a {'lower' if trainer.maximize else 'higher'} one on fresh seeds"
    )


def advise(
    confirmation: Confirmation,
    space: Space,
    n_validation: int | None,
    trainer: TrainerFacts | None = None,
) -> list[str]:
    """Return warnings about a confirmed recommendation, the most serious first.

    `n_validation` is the number of validation rows of a replicate, where the trainer knows it.
    `trainer` says whether a network or a user's function was tuned; by default a network.
    """
    maximizes = confirmation.metric is not None or (trainer is not None and trainer.maximize)
    is_function = trainer is not None and trainer.function is not None
    best = confirmation.contenders[0].setting
    return [
        *_died(confirmation),
        *_same_splits(confirmation),
        *_learned(confirmation),
        *_measurable(confirmation, n_validation),
        *(_better_beyond(confirmation, space, -1 if maximizes else 1) or _at_the_edge(best, space)),
        *_narrow(confirmation, "function" if is_function else "network"),
        *_tied(confirmation),
    ]


def _died(confirmation: Confirmation) -> list[str]:
    """Warn if the recommended setting did not learn on some replicates."""
    if not confirmation.dead:
        return []
    return [
        f"on {confirmation.dead} of {confirmation.replicates} fresh replicates the recommended "
        "setting did not learn: its loss stayed at that of a constant guess, and no other setting "
        "was found that always learns; try other initial weights or activations, or lower rates"
    ]


def _same_splits(confirmation: Confirmation) -> list[str]:
    """Warn if the splits that chose the setting confirmed it, too."""
    n_splits = confirmation.fixed_splits
    if n_splits is None:
        return []
    if n_splits == 1:
        return [
            "the one split of `cv` chose the setting and confirmed it, so the standard error is "
            "that of other seeds alone: give a splitter that draws at random, if rows may be "
            "shuffled"
        ]
    return [
        f"the {n_splits} splits of `cv` chose the setting and confirmed it, and the standard error "
        "allows for their choice: it is smaller with a splitter that draws at random, such as one "
        "with `shuffle=True`, if rows may be shuffled"
    ]


def _learned(confirmation: Confirmation) -> list[str]:
    """Warn if the network predicts no better than the mean or the class shares."""
    loss, naive = confirmation.losses[0].loss, confirmation.naive_loss
    if loss is None or naive is None or loss < naive:
        return []
    return [
        f"the network predicts no better ({loss:.3g}) than the mean or the class shares alone "
        f"({naive:.3g}): more epochs, another network, or nothing to learn from these columns"
    ]


def _measurable(confirmation: Confirmation, n_validation: int | None) -> list[str]:
    """Warn of few validation rows, and if the default is recommended, as good or better."""
    warnings = []
    if n_validation is not None and n_validation < FEW_ROWS:
        warnings.append(
            f"a replicate validates with {n_validation} rows only, so losses are rough: more rows "
            "would say more than more trials"
        )
    default, gain = confirmation.default, confirmation.gain
    if confirmation.keeps_default:
        warnings.append(
            "the untuned default is itself recommended: no other setting was measurably better, so "
            "nothing is gained over it"
        )
        return warnings
    of_metric = f" in {confirmation.metric}" if confirmation.metric else ""
    if default is None or gain is None:
        return warnings
    if default.diverged:
        warnings.append(
            "the untuned default diverged on at least one of "
            f"{confirmation.replicates} fresh replicates"
        )
    elif gain.loss is None or gain.se is None:
        return warnings
    elif gain.loss < -_least_difference(confirmation, 2):
        warnings.append(
            f"on fresh replicates the untuned default does better{of_metric}, by "
            f"{-gain.loss:.2g} ± {gain.se:.2g}: keep it, or search ranges around it"
        )
    elif gain.loss < 2 * gain.se:
        better = "better" if gain.loss >= 0 else "worse"
        warnings.append(
            f"on fresh replicates the recommended setting is not measurably better than the "
            f"default: {abs(gain.loss):.2g} ± {gain.se:.2g} {better}{of_metric}"
        )
    return warnings


def _better_beyond(confirmation: Confirmation, space: Space, sign: int) -> list[str]:
    """Warn of a rate outside the range searched that is clearly better."""
    low, high = space.rates
    rates, mean = np.array(confirmation.profile.rates), confirmation.profile.mean
    outside = np.where((rates < low) | (rates > high), mean, np.inf)
    best, recommended = float(outside.min()), confirmation.recommended.loss
    ideal = confirmation.profile.ideal
    if recommended is None or not best < recommended - margin(recommended, ideal):
        return []
    value = f"{confirmation.metric or ''} {sign * best:.3g}".strip()
    rate = float(rates[outside.argmin()])
    wider = (min(low, rate / WIDEN), max(high, rate * WIDEN))
    return [
        f"a learning_rate_init of {rate:.3g}, outside the range searched, does better "
        f"({value}): look further, "
        f"`space={{'learning_rate_init': ({wider[0]:.3g}, {wider[1]:.3g})}}`"
    ]


def _least_difference(confirmation: Confirmation, n_errors: float) -> float:
    """Return the least difference that matters: above some standard errors and `EQUIVALENT`."""
    loss = confirmation.recommended.loss or 0.0
    error = (confirmation.gain and confirmation.gain.se) or 0.0
    return max(n_errors * error, margin(loss, confirmation.profile.ideal, EQUIVALENT))


def _at_the_edge(best: Setting, space: Space) -> list[str]:
    """Warn if the best rate or decay rate lies at an end of its range."""
    ranges = {"learning_rate_init": space.rates}
    if best.decay != "constant":
        ranges["decay_rate"] = space.decay_rate
    warnings = []
    for name, (low, high) in ranges.items():
        value = best.params[name]
        share = math.log(value / low) / math.log(high / low) if low < high else 0.5
        # a decay rate at its low end is as good as none
        if share <= EDGE_SHARE and name == "learning_rate_init":
            side, wider = "low", (low / WIDEN, high)
        elif share >= 1 - EDGE_SHARE:
            side, wider = "high", (low, high * WIDEN)
        else:
            continue
        warnings.append(
            f"the best {name}, {value:.3g}, lies at the {side} end of the range searched, "
            f"{low:.3g} to {high:.3g}: look further, "
            f"`space={{{name!r}: ({wider[0]:.3g}, {wider[1]:.3g})}}`"
        )
    return warnings


def _narrow(confirmation: Confirmation, tuned: str) -> list[str]:
    profile = confirmation.profile
    safe = profile.safe_range
    if safe is None:
        return []
    rate, above = profile.rates[len(profile.rates) // 2], profile.rates[len(profile.rates) // 2 + 1]
    if profile.losses[profile.rates.index(above)][0] is None:
        return [
            f"there is no margin above the recommended learning_rate_init, {rate:.3g}: the next "
            f"rate tested, {above:.3g}, diverged; a lower one, from {safe[0]:.3g} on, is safer"
        ]
    if safe[1] / safe[0] >= NARROW or not all(profile.is_bounded):  # it may extend further
        return []
    return [
        f"the safe range of learning_rate_init is narrow, {safe[0]:.3g} to {safe[1]:.3g}: tune "
        f"again after any change of the data or the {tuned}"
    ]


def _tied(confirmation: Confirmation) -> list[str]:
    first, *others = confirmation.tied_decays
    if not others:
        return []
    reason = "the simplest" if first == "constant" else "with the lowest learning_rate_init"
    return [
        f"{', '.join(confirmation.tied_decays)} are statistically tied: {first}, {reason}, is "
        "recommended"
    ]
