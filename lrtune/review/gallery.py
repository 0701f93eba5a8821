"""Which figures a report shows, where each says something, and how each is explained."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

from lrtune.review import figures
from lrtune.review.importance import FEWEST_TRIALS
from lrtune.review.study import Studied
from lrtune.review.wording import number

__all__ = ["GALLERY", "PNG_DPI", "Picture"]

PNG_DPI = 200


@dataclass(frozen=True)
class Picture:
    """One figure of a report.

    Attributes
    ----------
    title : str
    draw : callable
        Gives the figure of a study.
    caption : callable
        What it shows, and how to read it.
    missing : callable
        Why there is no such figure of a study; empty if there is.
    """

    title: str
    draw: Callable[[Studied], Figure]
    caption: Callable[[Studied], str]
    missing: Callable[[Studied], str]

    def svg(self, studied: Studied) -> tuple[bytes, tuple[int, int]]:
        """An SVG file, the same bytes whenever it is drawn, and its size in CSS pixels."""
        with _style(), io.BytesIO() as file:
            figure = self.draw(studied)
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
            width, height = (round(96 * inches) for inches in figure.get_size_inches())
            return file.getvalue(), (width, height)

    def png(self, studied: Studied, dpi: int = PNG_DPI) -> bytes:
        """A PNG file, the same bytes whenever the same matplotlib draws it."""
        with _style(), io.BytesIO() as file:
            figure = self.draw(studied)
            figure.savefig(file, format="png", dpi=dpi, metadata={"Software": None})
            return file.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    """The same look and the same bytes, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["svg.fonttype"] = "path"  # looks the same wherever it is read
        mpl.rcParams["svg.hashsalt"] = "lrtune"  # else its identifiers change from run to run
        yield


# --- why one may be missing -----------------------------------------------------------------------


def _untried(studied: Studied) -> str:
    return "" if studied.trials else "No trial has finished yet."


def _unconfirmed(studied: Studied) -> str:
    if studied.confirmation is None:
        return "Not measured: the recommended setting has not met fresh replicates."
    return ""


def _unknown_schedule(studied: Studied) -> str:
    if studied.recommended is None:
        return "There is none: no trial completed."
    if not studied.drawable:
        return "Its decay follows the validation loss, so its curve is not known before training."
    return ""


def _untested(studied: Studied) -> str:
    if studied.plan.edges:
        return ""
    return (
        "None was recorded: the range of the initial learning rate was given, from "
        f"{number(studied.rates[0])} to {number(studied.rates[1])}."
    )


def _too_few(studied: Studied) -> str:
    if studied.importances:
        return ""
    return f"Not told: it takes {FEWEST_TRIALS} trials or more, whose settings and losses differ."


# --- what they show -------------------------------------------------------------------------------


def _of_losses(studied: Studied) -> str:
    said = ["Every mark is one trial: its initial learning rate, and the loss that it ended with."]
    if studied.counts.diverged:
        said.append("Trials that diverged are crosses on the upper line.")
    if studied.naive_loss is not None:
        guess = number(studied.cap)
        said.append(f"That line is the loss of a guess, {guess}; higher losses are drawn there.")
    if studied.counts.pruned:
        said.append("Open marks were pruned.")
    if studied.confirmation is not None:
        said.append("The shaded stretch is the safe range, with the recommended decay.")
    if studied.edge is not None and studied.edge.median is not None:
        said.append(
            "From the dashed line on, a rate that is held diverges; one that decays may pass it, "
            "and a lower one may diverge later."
        )
    return " ".join(said)


def _of_curves(studied: Studied) -> str:
    return (
        f"Validation loss after each epoch, mean of {studied.n_replicates} replicates. Losses "
        f"above {number(studied.cap)} are drawn at that height, or the diverged trials would "
        "flatten all others; a cross marks where one was stopped."
    )


def _of_schedule(studied: Studied) -> str:
    return (
        f"The learning rate over the {studied.epochs} epochs that it was tuned for. With more or "
        "fewer epochs, tune again."
    )


def _of_range(studied: Studied) -> str:
    low, high = studied.rates
    met = studied.edge is not None and studied.edge.median is not None
    edge = "" if met else " No edge was met up to the highest rate tested."
    return (
        "Before the search, fresh networks trained for a few steps at each of a grid of rates; "
        f"the lowest rate that diverged is the edge.{edge} So the search looked from {number(low)} "
        f"to {number(high)}, the edge inside."
    )


def _of_profile(_: Studied) -> str:
    return (
        "The recommended decay at initial rates from a tenth to tenfold the recommended one, on "
        "replicates that had no part in choosing it; bars are standard errors, crosses diverged. "
        "A wide, flat valley forgives a rate that is somewhat off."
    )


def _of_importances(_: Studied) -> str:
    return (
        "Each parameter's share in the variance of the loss over the whole space searched, as far "
        "as they explain it one by one (functional ANOVA on a random forest; bars: standard "
        "deviation over resamples of the trials). All trials count: a diverged one as much as a "
        "guess, a pruned one with its loss when it was halted. Leaving them out, as is common, "
        "makes the parameter that causes divergence look unimportant."
    )


def _of_outcomes(_: Studied) -> str:
    return (
        "How many trials trained to the end, by initial learning rate, and how many did not. A "
        "search is to meet the cliff on its right, but not to fall off it often."
    )


GALLERY: dict[str, Picture] = {
    "loss": Picture("Loss by initial rate", figures.draw_losses, _of_losses, _untried),
    "sensitivity": Picture(
        "How precise the rate must be", figures.draw_profile, _of_profile, _unconfirmed
    ),
    "schedule": Picture(
        "The recommended schedule", figures.draw_schedule, _of_schedule, _unknown_schedule
    ),
    "learning-curves": Picture(
        "Learning curves", figures.draw_learning_curves, _of_curves, _untried
    ),
    "range-test": Picture("Range test", figures.draw_range, _of_range, _untested),
    "importance": Picture(
        "What the loss depends on", figures.draw_importances, _of_importances, _too_few
    ),
    "outcomes": Picture("Trial outcomes", figures.draw_outcomes, _of_outcomes, _untried),
}
"""Name of each figure's file, in the order of the report."""
