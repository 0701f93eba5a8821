"""Two studies side by side: whether they can be compared, and which one is better."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrtune.review.studies import setting_in_words
from lrtune.review.study import Study
from lrtune.review.tables import data_in_words
from lrtune.support.numbers import estimate, number
from lrtune.tuning.confirm.result import Estimate

ERRORS = 2
"""A difference of more standard errors than this is one; a standard error covers in 95 % so."""


@dataclass(frozen=True)
class Difference:
    """Why two studies cannot be compared."""

    name: str
    first: str
    second: str


@dataclass(frozen=True)
class Comparison:
    """The comparison of two studies.

    Attributes
    ----------
    differences : tuple of Difference
        Why they cannot be compared; empty if they can.
    gain : Estimate or None
        How much better the confirmed value of the second one is; None if that cannot be told.
    better : str or None
        Name of the study that is better by more than the errors.
    verdict : str
        The same as a sentence or two.
    """

    differences: tuple[Difference, ...]
    gain: Estimate | None
    better: str | None
    verdict: str


def compare(first: Study, second: Study) -> Comparison:
    """Compare two studies by what was confirmed of them on fresh replicates."""
    differences = tuple(_differences(first, second))
    if differences:
        reasons = "; ".join(
            f"{each.name} ({each.first} in {first.name!r}, {each.second} in {second.name!r})"
            for each in differences
        )
        verdict = f"They cannot be compared, as they do not have the same {reasons}."
        return Comparison(differences, None, None, verdict)
    unconfirmed = [each for each in (first, second) if each.confirmation is None]
    if unconfirmed:
        names = " and ".join(repr(each.name) for each in unconfirmed)
        have = "has" if len(unconfirmed) == 1 else "have"
        verdict = (
            f"Which one is better cannot be told: {names} {have} no confirmation on fresh "
            "replicates, and values of a search are too good."
        )
        return Comparison((), None, None, verdict)
    return _judge(first, second)


def _judge(first: Study, second: Study) -> Comparison:
    """Compare the confirmed values of two studies that can be compared."""
    ours, theirs = _confirmed(first), _confirmed(second)
    name = first.measured.short
    if ours.loss is None or theirs.loss is None:
        diverged = [
            study for study, value in ((first, ours), (second, theirs)) if value.loss is None
        ]
        better = next((each.name for each in (first, second) if each not in diverged), None)
        names = " and ".join(repr(each.name) for each in diverged)
        verdict = f"The recommendation of {names} diverged on fresh replicates."
        return Comparison(
            (), None, better, f"{better!r} is better. {verdict}" if better else verdict
        )
    size = ours.loss - theirs.loss
    known = ours.se is not None and theirs.se is not None
    gain = Estimate(size, math.hypot(ours.se or 0.0, theirs.se or 0.0) if known else None)
    if size == 0:
        return Comparison((), gain, None, f"Both have the same {name}.")
    leader, side = (second if size > 0 else first), first.measured.worse
    side = {"higher": "lower", "lower": "higher"}[side]
    text = f"{leader.name!r} has the {side} {name}, by {estimate(abs(size), gain.se)}"
    if gain.se is None:
        return Comparison((), gain, None, f"{text}; the error of one training is unknown.")
    if abs(size) <= ERRORS * gain.se:
        return Comparison((), gain, None, f"Neither is better by more than the errors: {text}.")
    verdict = f"{leader.name!r} is better: {text}, which exceeds twice the error."
    return Comparison((), gain, leader.name, verdict)


def _confirmed(study: Study) -> Estimate:
    assert study.confirmation is not None  # noqa: S101
    return study.confirmation.recommended


def _differences(first: Study, second: Study) -> list[Difference]:
    """Return what two studies must share to be compared, where they differ."""
    pairs = zip(_basis(first).items(), _basis(second).values(), strict=True)
    return [
        Difference(name, ours[1], theirs[1])
        for (name, ours), theirs in pairs
        if ours[0] != theirs[0]
    ]


def _basis(study: Study) -> dict[str, tuple[object, str]]:
    """Return what a study's value depends on, to compare, and in words."""
    facts, trainer = study.facts, study.facts.trainer
    function = trainer.function
    metric = study.measured.loss + study.subject.unit
    basis: dict[str, tuple[object, str]] = {
        "data": (facts.data_hash, _data(study)),
        "target": (facts.data.target, facts.data.target or "not recorded"),
        "task": (trainer.task, trainer.task),
        "metric": ((metric, study.measured.sign), metric),
        "validation": (_splits(study), _validation(study)),
        "training function": (None, "none"),
    }
    if function is not None:
        words = f"source {function.digest[:12]}"
        basis["training function"] = ((function.name, function.digest), words)
    return basis


def _data(study: Study) -> str:
    words = data_in_words(study, with_target=False) or "the function's own"
    return f"{words}, fingerprint {study.facts.data_hash[:12]}" if study.facts.data_hash else words


def _splits(study: Study) -> object:
    """Return what tells apart how two studies validate; splits drawn at random are of one kind."""
    fixed = None if study.confirmation is None else study.confirmation.fixed_splits
    return study.plan.n_validation, fixed, None if fixed is None else study.facts.splits_hash


def _validation(study: Study) -> str:
    rows, fixed, digest = study.plan.n_validation, None, study.facts.splits_hash[:12]
    if study.confirmation is not None:
        fixed = study.confirmation.fixed_splits
    words = "the function's own" if rows is None else f"{rows} rows"
    return words if fixed is None else f"{words}, {fixed} fixed splits, fingerprint {digest}"


def side_rows(study: Study) -> list[tuple[str, str]]:
    """Return what is shown of each of two studies, as names and values."""
    confirmation, subject, result = study.confirmation, study.subject, study.result
    name = study.measured.row
    rows = [
        ("data", data_in_words(study) or "the function's own"),
        *((each, value) for each, value in subject.trained if each != "source fingerprint"),
        ("epochs", str(study.epochs)),
        ("trials", study.counts.describe() or "none yet"),
        ("trainings", str(result.trainings["total"] or "not recorded")),
        ("recommended", "–" if study.setting is None else setting_in_words(study.setting)),
    ]
    if confirmation is None:
        return [*rows, (name, "not confirmed"), ("  untuned", "–"), ("safe range", "–")]
    default, safe = confirmation.default, confirmation.safe_range
    return [
        *rows,
        (name, study.estimated(confirmation.recommended)),
        ("  untuned", "–" if default is None else study.estimated(default)),
        ("safe range", "–" if safe is None else " to ".join(number(end, 4) for end in safe)),
    ]
