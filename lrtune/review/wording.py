"""A recommendation in words, for one who reads of learning rates for the first time."""

from __future__ import annotations

from dataclasses import asdict

from lrtune.review.study import Studied
from lrtune.tuning.confirm.measurement import SAFE_MARGIN
from lrtune.tuning.confirm.result import Confirmation, Estimate
from lrtune.tuning.record.trials import status

__all__ = [
    "GLOSSARY",
    "SCORES",
    "estimate",
    "headline",
    "number",
    "paragraphs",
    "progress_notes",
    "visible",
]

SCORES = {"log_loss": "accuracy", "squared_error": "R²"}
"""What is scored beside each loss."""

GLOSSARY = {
    "learning_rate_init (α₀)": "The learning rate at the start of training: how far each step "
    "goes. It has no unit.",
    "decay": "How the rate falls during training, by name; constant does not fall.",
    "decay_rate": "How fast it falls, in 1/epoch, for every decay type.",
    "epoch": "One pass over the training rows.",
    "setting": "One learning_rate_init, decay and decay_rate.",
    "trial": "One setting, trained and judged on all replicates of the search.",
    "replicate": "One draw of everything random: which rows validate, the initial weights, the "
    "order of the rows. A fresh replicate had no part in choosing the setting.",
    "loss": "What training minimises, measured on rows that were held out: lower is better.",
    "standard error (±)": "How far the mean over these replicates may lie from the mean over "
    "all there could be: rarely more than two standard errors.",
    "diverged": "Training broke down: the loss was not finite or ten times that of a guess. The "
    "trial was then stopped.",
    "pruned": "Halted because other trials did better at the time.",
    "divergence edge": "The lowest initial rate at which training diverges.",
    "safe range": "Initial rates that lose at most 10 % more than the recommended one, and "
    "diverged on no replicate.",
    "confirmation": "Training the best settings again on fresh replicates, before one of them is "
    "recommended.",
}


def number(value: float, digits: int = 3) -> str:
    """A number with a few significant digits, without an exponent where it can be read so.

    Examples
    --------
    >>> number(3364.2), number(0.00123456), number(12345678.0), number(140.0, 2)
    ('3360', '0.00123', '1.23e+07', '140')
    """
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < 1e6 else text


def estimate(loss: float | None, se: float | None) -> str:
    """A mean and its standard error.

    Examples
    --------
    >>> estimate(0.11432, 0.0161), estimate(0.5, None), estimate(None, None)
    ('0.1143 ± 0.016', '0.5', 'diverged')
    """
    if loss is None:
        return "diverged"
    return number(loss, 4) + ("" if se is None else f" ± {number(se, 2)}")


def visible(text: str) -> str:
    r"""A text with what cannot be seen, or would turn the line around, spelled out.

    Examples
    --------
    >>> print(visible("a\x00b\u202ec"))
    a\x00b\u202ec
    """
    shown = (c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
    return "".join(shown)


def headline(studied: Studied) -> str:
    """How far the recommendation may be trusted, in a few words."""
    if studied.best is None:
        return "No recommendation"
    if studied.confirmation is not None:
        return "Recommended"
    if studied.ending is not None and studied.ending.failure is not None:
        return "Best of the search, not safe"
    return "Best of the search, not confirmed"


def progress_notes(studied: Studied) -> list[str]:
    """What is unfinished or missing, the gravest first."""
    said = []
    ending, n_trials = studied.ending, len(studied.trials)
    if studied.best is None and n_trials:
        said.append(
            f"There is no recommendation: none of {n_trials} trials completed, "
            f"{studied.counts.diverged} diverged. Standardise the columns, look for outliers in "
            "them, or search lower rates (--alpha0 LOW:HIGH)."
        )
    if ending is not None and ending.failure is not None and studied.best is not None:
        said.append(f"Nothing may be recommended as safe: {ending.failure}.")
    if n_trials < studied.plan.n_trials and ending is None:
        said.append(
            f"The search was interrupted, or runs still: {n_trials} of {studied.plan.n_trials} "
            "trials have finished. Repeat its command with --resume to go on."
        )
    elif ending is None and studied.plan.confirm and studied.confirmation is None:
        said.append(
            "The search was interrupted before the best settings met fresh replicates: repeat its "
            "command with --resume to confirm them."
        )
    elif ending is not None and ending.n_trials < n_trials:
        said.append(
            f"{n_trials - ending.n_trials} trials were added since the search last ended: the "
            f"recommendation knows the first {ending.n_trials} only."
        )
    return said


def paragraphs(studied: Studied) -> list[str]:
    """The recommendation, how sure it is, and how safe."""
    if studied.recommended is None:
        return []
    said = [_course(studied)]
    confirmation = studied.confirmation
    if confirmation is None:
        said.append(_unconfirmed(studied))
    else:
        said += [_expected(studied, confirmation), _compared(studied, confirmation)]
        said.append(_safe(confirmation))
    return [text for text in [*said, _trials(studied)] if text]


def _course(studied: Studied) -> str:
    assert studied.recommended is not None  # noqa: S101
    schedule, epochs = studied.recommended.schedule, studied.epochs
    start = f"Training starts at a learning rate of {number(schedule.learning_rate_init, 4)}"
    if not studied.drawable:
        return f"{start} and lowers it whenever the validation loss stops falling."
    if schedule.warmup_epochs:
        start = (
            f"The learning rate rises to {number(schedule.learning_rate_init, 4)} over "
            f"{number(schedule.warmup_epochs)} epochs"
        )
    if schedule.decay == "constant" or schedule.decay_rate == 0:
        return f"{start} and stays there."
    middle, last = schedule([epochs // 2, max(epochs - 1, 0)])
    return (
        f"{start}; it is {number(float(middle))} after {epochs // 2} of {epochs} epochs, and "
        f"{number(float(last))} in the last."
    )


def _unconfirmed(studied: Studied) -> str:
    assert studied.recommended is not None  # noqa: S101
    return (
        f"The search saw {_loss(studied)} of {number(studied.recommended.loss or 0.0, 4)}, mean of "
        f"the {studied.n_replicates} replicates that chose the setting. It was not confirmed on "
        "fresh replicates, so expect a higher loss: the winner of a search has been lucky too."
    )


def _expected(studied: Studied, confirmation: Confirmation) -> str:
    recommended = confirmation.recommended
    if recommended.loss is None:
        return (
            f"NOT SAFE: the setting diverged on one of {confirmation.replicates} fresh replicates."
        )
    score = SCORES.get(studied.facts.trainer.loss, "score")
    root = ""
    if studied.facts.trainer.loss == "squared_error" and recommended.loss >= 0:
        root = f" (its root, in the target's own unit: {number(recommended.loss**0.5)})"
    return (
        f"Expect {_loss(studied)} of {estimate(recommended.loss, recommended.se)} after "
        f"{studied.epochs} epochs{root}, and {'an' if score == 'accuracy' else 'a'} {score} of "
        f"{number(confirmation.score)}: means over {confirmation.replicates} fresh replicates, "
        f"which had no part in choosing the setting, ± standard error.{_flattered(studied)}"
    )


def _flattered(studied: Studied) -> str:
    """What the search saw of the recommended setting."""
    trial = studied.recommended_trial
    if trial is None:
        return ""
    seen = number(studied.loss(trial), 4)
    return f" The {studied.n_replicates} replicates that chose it had shown {seen}."


def _compared(studied: Studied, confirmation: Confirmation) -> str:
    default, gain = confirmation.default, confirmation.gain
    schedule = studied.default_schedule
    name = (
        f"The untuned default (learning_rate_init {number(schedule.learning_rate_init)}, "
        f"{schedule.decay})"
    )
    guess = f"A guess that ignores the columns has a loss of {number(confirmation.naive_loss)}."
    if default.loss is None:
        return f"{name} diverged there. {guess}"
    said = f"{name} reaches {estimate(default.loss, default.se)} there, {_gain(gain)}. {guess}"
    if confirmation.baseline is not None:
        known = estimate(confirmation.baseline.loss, confirmation.baseline.se)
        said += f" DoG, an optimizer that needs no learning rate: {known}."
    return said


def _gain(gain: Estimate) -> str:
    """The difference to the default, replicate by replicate."""
    if gain.loss is None:
        return "which cannot be compared"
    size = number(abs(gain.loss), 2) + ("" if gain.se is None else f" ± {number(gain.se, 2)}")
    if gain.se is None or abs(gain.loss) < 2 * gain.se:
        return f"a difference of {size}, which chance explains"
    side = "worse" if gain.loss > 0 else "better"
    return f"which is {size} {side}, compared replicate by replicate"


def _safe(confirmation: Confirmation) -> str:
    profile, rate = confirmation.profile, confirmation.contenders[0].setting.learning_rate_init
    if profile.safe_range is None:
        return ""
    low, high = profile.safe_range
    below, above = profile.is_bounded
    reach = {(False, False): "either side", (False, True): "the low side"}
    reach[True, False] = "the high side"
    open_end = reach.get((below, above))
    beyond = f" On {open_end} it may reach further: no unsafe rate was met." if open_end else ""
    room = f"{number(high / rate, 2)} times below the upper end"
    if high < 1.05 * rate:
        room = "at the upper end, with no margin"
    return (
        f"Any learning_rate_init from {number(low)} to {number(high)}, with the same decay, loses "
        f"at most {100 * SAFE_MARGIN:.0f} % more and did not diverge; the recommended "
        f"{number(rate)} is {room}.{beyond}"
    )


def _trials(studied: Studied) -> str:
    counts = {name: n for name, n in asdict(studied.counts).items() if n}
    edge = studied.edge
    known = ""
    if edge is not None and edge.median is not None:
        known = (
            f" Within a few steps, a rate of about {number(edge.median, 2)} or more diverges; "
            "lower ones may do so later."
        )
    diverged = [t.params["learning_rate_init"] for t in studied.trials if status(t) == "diverged"]
    if diverged:
        known = f" The lowest learning_rate_init that diverged was {number(min(diverged))}.{known}"
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    tried = "1 trial was" if len(studied.trials) == 1 else f"{len(studied.trials)} trials were"
    value = ""
    if studied.metric is not None:
        value = f" The search maximised {studied.metric}; losses are the network's own."
    return f"{tried} tried: {listed}.{known}{value}"


def _loss(studied: Studied) -> str:
    return f"a validation loss ({studied.loss_name})"
