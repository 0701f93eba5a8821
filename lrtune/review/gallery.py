"""The figures of a report, with their captions and the reasons why one is missing."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

from lrtune.review import figures
from lrtune.review.importance import MIN_TRIALS
from lrtune.review.study import Study
from lrtune.support.numbers import number

PNG_DPI = 200


@dataclass(frozen=True)
class Picture:
    """One figure of a report; `missing` returns why a study has none, or "" if it has one."""

    title: str
    draw: Callable[[Study], Figure]
    caption: Callable[[Study], str]
    missing: Callable[[Study], str]

    def titled(self, study: Study) -> str:
        """Return the title with the name of the study's loss."""
        return study.subject.titled(self.title)

    def svg(self, study: Study) -> tuple[bytes, tuple[int, int]]:
        """Draw a reproducible SVG file; return it and its size in CSS pixels."""
        with _style(), io.BytesIO() as file:
            figure = self.draw(study)
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
            width, height = (round(96 * inches) for inches in figure.get_size_inches())
            return file.getvalue(), (width, height)

    def png(self, study: Study, dpi: int = PNG_DPI) -> bytes:
        """Draw a PNG file, reproducible with the same version of matplotlib."""
        with _style(), io.BytesIO() as file:
            figure = self.draw(study)
            figure.savefig(file, format="png", dpi=dpi, metadata={"Software": None})
            return file.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    """Use matplotlib's defaults inside the block, not the user's matplotlibrc."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["svg.fonttype"] = "path"  # looks the same on every machine
        mpl.rcParams["svg.hashsalt"] = "lrtune"  # keeps identifiers the same in every run
        yield


# --- reasons why a figure is missing --------------------------------------------------------------


def _untried(study: Study) -> str:
    return "" if study.trials else "No trial has finished yet."


def _unfinished(study: Study) -> str:
    if study.trials and study.counts.failed == len(study.trials):
        return f"None of {len(study.trials)} trials has a {study.subject.short}: they failed."
    return _untried(study)


def _unmeasured(study: Study) -> str:
    if study.confirmation is None:
        return "Not measured: the recommended setting was not tried on fresh replicates."
    if len(study.confirmation.profile.rates) == 1:
        return "Not measured: too few trainings were left to try rates around the recommended one."
    return ""


def _unknown_schedule(study: Study) -> str:
    if study.recommended is None:
        return "No schedule is recommended: no trial completed."
    if not study.drawable:
        return "Its decay follows the validation loss, so its curve is not known before training."
    return ""


def _untested(study: Study) -> str:
    if study.plan.edges:
        return ""
    return f"{study.subject.untested} {number(study.rates[0])} to {number(study.rates[1])}."


def _too_few(study: Study) -> str:
    if study.importances:
        return ""
    return study.subject.titled(
        f"Not computed: at least {MIN_TRIALS} trials must differ in their settings and losses."
    )


# --- captions -------------------------------------------------------------------------------------


def _of_losses(study: Study) -> str:
    name = study.subject.short
    sentences = [f"Every mark is one trial: its initial learning rate, and its final {name}."]
    if study.counts.diverged:
        side = "upper" if study.sign > 0 else "lower"
        sentences.append(f"Trials that diverged are crosses on the {side} line.")
    if study.has_reference:
        subject = study.subject
        sentences.append(
            f"That line is the {subject.short} of {subject.guess}, {number(study.cap)}; "
            f"{subject.worse} {subject.plural} are drawn on it."
        )
    if study.counts.pruned:
        sentences.append("Open marks are pruned trials.")
    if study.confirmation is not None and study.confirmation.profile.safe_range is not None:
        sentences.append(f"The shaded band is the {study.safe_name}, with the recommended decay.")
    if study.edge is not None and study.edge.median is not None:
        sentences.append(
            "Right of the dashed line, a constant rate diverges within a few steps; a decaying one "
            "may not, and a lower one may diverge later."
        )
    return " ".join(sentences)


def _of_curves(study: Study) -> str:
    subject, row = study.subject, study.subject.row
    beyond = f"{'above' if study.sign > 0 else 'below'} {number(study.cap)}"
    plural = "" if study.n_replicates == 1 else "s"
    return (
        f"{row[:1].upper()}{row[1:]} after each epoch, mean of {study.n_replicates} "
        f"replicate{plural}. {subject.plural.capitalize()} {beyond} are drawn at that height, so "
        "that diverged trials do not flatten the others; a cross marks where one was stopped."
    )


def _of_schedule(study: Study) -> str:
    return (
        f"The learning rate over the {study.epochs} epochs that it was tuned for. If the number "
        "of epochs changes, tune again."
    )


def _of_range(study: Study) -> str:
    low, high = study.rates
    has_edge = study.edge is not None and study.edge.median is not None
    edge = "" if has_edge else " No rate diverged up to the highest one tested."
    return (
        "Before the search, fresh networks trained for a few steps at each of a grid of rates; "
        f"the lowest rate that diverged is the edge.{edge} The search therefore covered rates from "
        f"{number(low)} to {number(high)}, around the edge."
    )


def _of_profile(study: Study) -> str:
    assert study.confirmation is not None  # noqa: S101
    rates = study.confirmation.profile.rates
    span = "a tenth of the recommended one to ten times it"
    if rates[-1] < 99 * rates[0]:
        span = f"{number(rates[0])} to {number(rates[-1])}"
    return (
        f"The recommended decay at initial rates from {span}, on fresh replicates, which were not "
        "used to choose it; bars are standard errors, crosses diverged. In a wide, flat valley the "
        "rate need not be precise."
    )


def _of_importances(study: Study) -> str:
    text = study.subject.titled(
        "Each parameter's share of the loss's variance over the whole search space, as far as "
        "single parameters explain it (functional ANOVA on a random forest; bars: standard "
        "deviation over resamples of the trials). All trials count: a diverged one with the loss "
        "of a guess, a pruned one with its last loss. Leaving them out, as is common, makes the "
        "parameter that causes divergence look unimportant."
    )
    return text.replace("a guess", study.subject.guess)


def _of_outcomes(_: Study) -> str:
    return (
        "How many trials trained to the end, by initial learning rate, and how many did not. A "
        "search should reach the rates that diverge, on the right, but not try them often."
    )


GALLERY: dict[str, Picture] = {
    "loss": Picture("Loss by initial rate", figures.draw_losses, _of_losses, _unfinished),
    "sensitivity": Picture(
        "How precise the rate must be", figures.draw_profile, _of_profile, _unmeasured
    ),
    "schedule": Picture(
        "The recommended schedule", figures.draw_schedule, _of_schedule, _unknown_schedule
    ),
    "learning-curves": Picture(
        "Learning curves", figures.draw_learning_curves, _of_curves, _unfinished
    ),
    "range-test": Picture("Range test", figures.draw_range, _of_range, _untested),
    "importance": Picture(
        "What the loss depends on", figures.draw_importances, _of_importances, _too_few
    ),
    "outcomes": Picture("Trial outcomes", figures.draw_outcomes, _of_outcomes, _untried),
}
"""Figures by the name of their file, in the order of the report."""
