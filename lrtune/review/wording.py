"""A recommendation in plain words, for readers who are new to learning rates."""

from __future__ import annotations

import re

from lrtune.review.study import Study
from lrtune.support.numbers import estimate, number
from lrtune.tuning.confirm.measurement import SURENESS
from lrtune.tuning.confirm.result import Confirmation, Estimate

PARAMETER = re.compile(r"`([\w.]+(?:=[\w.,:()' /-]*)?)`")
"""A parameter in a message, with or without a value."""

_GLOSSARY = {
    "learning_rate_init (α₀)": "The learning rate at the start of training: how far each step "
    "goes. It has no unit.",
    "decay": "The shape of the rate's fall during training; a constant rate does not fall.",
    "decay_rate": "How fast it falls, in 1/epoch, for every decay type.",
    "epoch": "One pass over the training rows.",
    "setting": "One learning_rate_init, decay and decay_rate.",
    "trial": "One setting, trained and judged on the replicates of its block, or of the search.",
    "replicate": "One draw of everything random: the rows held out for validation, the initial "
    "weights, the order of the rows. A fresh replicate was not used to choose the setting.",
    "loss": "The error that training minimises, measured on held-out rows: lower is better.",
    "standard error (±)": "How far the mean over these replicates may be from the mean "
    "over all possible ones; it is rarely more than two standard errors away.",
    "diverged": "Training broke down: the loss was not finite, or more than ten times that of a "
    "guess, so the trial was stopped.",
    "pruned": "Stopped early because other trials did better at that point.",
    "divergence edge": "The lowest initial rate at which training diverges.",
    "safe range": "Initial rates whose loss is at most 10 % higher than that of the recommended "
    "one, and that diverged on no replicate.",
    "confirmation": "Training the best settings again on fresh replicates, before one of them is "
    "recommended.",
}


def glossary(study: Study) -> dict[str, str]:
    """Return what the words of a report mean, in the order of reading."""
    words = {**_GLOSSARY, **study.measured.glossary}
    return {word: meaning for word, meaning in words.items() if meaning}


def visible(text: str) -> str:
    r"""Spell out characters that are invisible or change the direction of the text.

    >>> print(visible("a\x00b\u202ec"))
    a\x00b\u202ec
    """
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def headline(study: Study) -> str:
    """Return a headline that says how far the recommendation can be trusted."""
    if study.best is None:
        return "No recommendation"
    if study.confirmation is not None:
        return "Recommended"
    if study.ending is not None and study.ending.failure is not None:
        return "Best of the search, not safe"
    return "Best of the search, not confirmed"


def progress_notes(study: Study) -> list[str]:
    """Describe anything unfinished or missing, the most serious first."""
    texts = []
    ending, n_trials = study.ending, len(study.trials)
    if study.best is None and n_trials:
        texts.append(
            f"There is no recommendation: none of {n_trials} trials completed, "
            f"{study.counts.diverged} diverged. {study.subject.cure}"
        )
        if study.failures:
            texts.append(_failures(study))
    if ending is not None and ending.failure is not None and study.best is not None:
        texts.append(f"No setting can be recommended as safe: {ending.failure}.")
    if n_trials < study.plan.n_trials and ending is None:
        texts.append(
            f"The search was interrupted, or is still running: {n_trials} of "
            f"{study.plan.n_trials} trials have finished. Repeat {_with_resume(study)} to "
            "continue."
        )
    elif ending is None and study.plan.confirm and study.confirmation is None:
        texts.append(
            "The search was interrupted before the best settings were tried on fresh replicates: "
            f"repeat {_with_resume(study)} to confirm them."
        )
    elif study.result.surplus:
        note = study.result.surplus_note
        texts.append(f"{note[:1].upper()}{note[1:]}.")
    elif ending is not None and ending.n_trials < n_trials:
        texts.append(
            f"{n_trials - ending.n_trials} trials were added since the search last ended: the "
            f"recommendation considers only the first {ending.n_trials}."
        )
    return texts


def _with_resume(study: Study) -> str:
    has_command = bool(study.environment.command)
    return "its command with --resume" if has_command else "it with `resume=True`"


def paragraphs(study: Study) -> list[str]:
    """Describe the recommendation, its certainty and its safety, in paragraphs."""
    if study.recommended is None:
        return []
    confirmation = study.confirmation
    if confirmation is None:
        evidence = [_unconfirmed(study)]
    else:
        evidence = [
            _expected(study, confirmation),
            _compared(study, confirmation),
            _safe(study, confirmation),
        ]
    evidence += [_balance(study), _tested(study)]
    return [text for text in (_course(study), *evidence, _trials(study)) if text]


def _course(study: Study) -> str:
    assert study.recommended is not None  # noqa: S101
    schedule, epochs = study.recommended.schedule, study.epochs
    start = f"Training starts at a learning rate of {number(schedule.learning_rate_init, 4)}"
    if not study.drawable:
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


def _unconfirmed(study: Study) -> str:
    assert study.recommended is not None  # noqa: S101
    measured, loss = study.measured, ""
    if study.is_scored:
        loss = f" and {study.subject.kind} of {number(study.result.search_loss, 4)}"
    return (
        f"The search measured {measured.kind} of {number(study.in_search, 4)}{loss}, "
        f"{_chosen_on(study)}. It was not confirmed on fresh "
        f"replicates, so expect a {measured.worse} {measured.short}: the winner of a "
        "search is partly lucky."
    )


def _expected(study: Study, confirmation: Confirmation) -> str:
    recommended = confirmation.recommended
    if recommended.loss is None:
        return (
            f"NOT SAFE: the setting diverged on one of {confirmation.replicates} fresh replicates."
        )
    subject, measured, root = study.subject, study.measured, ""
    loss = study.result.confirmed_loss or 0.0
    if subject.has_root and loss >= 0:
        root = f" (its root, in the target's own unit: {number(loss**0.5)})"
    parts = [f"{measured.kind} of {study.estimated(recommended)} after {study.epochs} epochs"]
    if study.is_scored:
        parts.append(f"{subject.kind} of {study.result.describe_loss()}")
    parts[-1] += root
    if measured.score is not None and confirmation.score is not None:
        article = "a" if measured.score == "score" else "an"
        parts.append(f"{article} {measured.score} of {number(confirmation.score)}")
    means = "the mean" if len(parts) == 1 else "means"
    last = f", and {parts.pop()}" if len(parts) > 1 else ""
    return (
        f"Expect {', '.join(parts)}{last}: {means} over {confirmation.replicates} fresh "
        "replicates, which were not used to choose the setting, ± standard error. In the search, "
        f"the {measured.short} was {number(study.in_search, 4)}, {_chosen_on(study)}. "
        f"{_error_is_over(study)}"
    )


def _error_is_over(study: Study) -> str:
    """Say what a standard error is over."""
    assert study.confirmation is not None  # noqa: S101
    text = f"The error is over {study.error_is_over}"
    if study.subject.is_function:
        return f"{text}; other data would vary more."
    n_splits = study.confirmation.fixed_splits
    if n_splits is None:
        return f"{text}; new rows would vary more."
    if n_splits == 1:
        return f"{text} alone, as there is one split."
    return f"{text} that `cv` always gives (Nadeau and Bengio 2003)."


def _balance(study: Study) -> str:
    """Return the balanced accuracy, where one class holds most rows; "" elsewhere."""
    balance = study.result.balance
    if balance is None or balance.balanced_accuracy is None:
        return ""
    return (
        f"Its balanced accuracy, the mean over the {balance.classes} classes, is "
        f"{estimate(balance.balanced_accuracy, balance.se)} on {balance.replicates} further "
        f"replicates; {number(1 / balance.classes)} is that of a guess. The largest class holds "
        f"{balance.share:.1%} of the rows."
    )


def _tested(study: Study) -> str:
    """Return the scores on a further table; "" if none was given."""
    test = study.result.test
    if test is None:
        return ""
    if test.failure is not None:
        return f"It was not scored on {test.file}: {test.failure}."
    names = {"loss": test.loss, study.subject.score: test.score, test.metric: test.metric_score}
    scores = [f"{name} {number(value, 4)}" for name, value in names.items() if value is not None]
    return (
        f"On the {test.rows} rows of {test.file}, scored once, at the end, by a network trained on "
        f"all rows of {study.dataset}: {', '.join(scores)}."
    )


def _chosen_on(study: Study) -> str:
    """Return in words the replicates that a loss in the search is of."""
    if study.has_fresh_replicates:
        return study.judged_on
    n = study.n_replicates
    return f"the mean of the {n} replicates that chose it" if n > 1 else "on the one that chose it"


def _compared(study: Study, confirmation: Confirmation) -> str:
    sentences = [_default(study, confirmation)]
    if confirmation.naive_loss is not None:
        sentences.append(
            f"A guess that ignores the columns has a loss of {number(confirmation.naive_loss)}."
        )
    default, baseline = confirmation.default, confirmation.baseline
    if baseline is not None and (default is None or default.loss is not None):
        reached = study.estimated(baseline)
        sentences.append(f"DoG, an optimizer that needs no learning rate, reaches {reached}.")
    return " ".join(filter(None, sentences))


def _default(study: Study, confirmation: Confirmation) -> str:
    """Compare with the untuned default; "" if there is none."""
    default, schedule = confirmation.default, study.default_schedule
    if default is None or schedule is None:
        return ""
    name = (
        f"The untuned default (learning_rate_init {number(schedule.learning_rate_init)}, "
        f"{schedule.decay})"
    )
    if default.loss is None:
        return f"{name} diverged there."
    if confirmation.keeps_default:
        return (
            f"{name} is itself the recommended setting: no other was measurably better, so nothing "
            "is gained over it."
        )
    gain = ""
    if confirmation.gain is not None:
        gain = f", {_gain(confirmation.gain, study.measured.short)}"
    loss = ""
    if study.is_scored and study.result.default_loss is not None:
        loss = f" Its {study.subject.row} is {number(study.result.default_loss, 4)}."
    return f"{name} reaches {study.estimated(default)} there{gain}.{loss}"


def _gain(gain: Estimate, loss: str) -> str:
    if gain.loss is None:
        return "which cannot be compared"
    if gain.loss == 0:
        return f"the same {loss}"
    size = number(abs(gain.loss), 2) + ("" if gain.se is None else f" ± {number(gain.se, 2)}")
    if gain.se is None or abs(gain.loss) < 2 * gain.se:
        return f"a difference of {size}, which chance explains"
    side = "worse" if gain.loss > 0 else "better"
    return f"which is {size} {side}, compared replicate by replicate"


def _safe(study: Study, confirmation: Confirmation) -> str:
    profile, rate = confirmation.profile, confirmation.contenders[0].setting.learning_rate_init
    if profile.safe_range is None:
        return _predicted(study, confirmation)
    low, high = profile.safe_range
    open_ends = {(False, False): "either", (False, True): "the low", (True, False): "the high"}
    beyond = ""
    if open_end := open_ends.get(profile.is_bounded):
        beyond = (
            f" The range may extend further on {open_end} side: no tested rate there was unsafe."
        )
    margin = f"{number(high / rate, 2)} times below the upper end"
    if high < 1.05 * rate:
        margin = "at the upper end, with no margin"
    return (
        f"Any learning_rate_init from {number(low)} to {number(high)}, with the same decay, "
        f"{study.measured.safe} and did not diverge (each end at a confidence of "
        f"{100 * SURENESS:.1f} %); the recommended {number(rate)} is {margin}.{beyond}"
    )


def _predicted(study: Study, confirmation: Confirmation) -> str:
    """Return the safe range that the model predicts, where no rate of it was trained."""
    if confirmation.predicted_range is None:
        return ""
    low, high = map(number, confirmation.predicted_range)
    return (
        f"By the model of the losses, any learning_rate_init from {low} to {high}, with the same "
        f"decay, {study.measured.safe}; no training checked this."
    )


def _failures(study: Study) -> str:
    errors = "; ".join(f"{error} ({n})" for error, n in study.failures.items())
    return f"Trials that failed raised: {errors}."


def _trials(study: Study) -> str:
    n_trials = len(study.trials)
    subject = "1 trial was" if n_trials == 1 else f"{n_trials} trials were"
    sentences = [f"{subject} tried: {study.counts.describe()}."]
    if study.diverged:
        lowest = number(study.diverged[0].params["learning_rate_init"])
        sentences.append(f"The lowest learning_rate_init that diverged was {lowest}.")
    edge = study.edge
    if edge is not None and edge.median is not None:
        sentences.append(
            f"A rate of about {number(edge.median, 2)} or more diverges within a few steps; lower "
            "ones may diverge later."
        )
    if study.failures:
        sentences.append(_failures(study))
    if study.subject.is_function:
        n_trainings = study.result.trainings["total"]
        sentences.append(f"It took {n_trainings} trainings: {study.trainings}.")
    if study.metric is not None:
        sentences.append(f"The search maximised {study.metric}; losses are the estimator's own.")
    return " ".join(sentences)
