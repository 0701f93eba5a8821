"""The notes that the dashboard shows, in Markdown: of a study, and of each of its trials."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from optuna.trial import FrozenTrial

from lrtune.dashboard.attributes import NOT_FINITE, setting_words, shown_value
from lrtune.dashboard.pictures import PICTURES
from lrtune.review.facts import Table, best_settings, codes, fact_rows, repeat
from lrtune.review.study import Studied
from lrtune.review.wording import estimate, headline, number, paragraphs, progress_notes
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import status

__all__ = ["OUTCOME_NOTES", "escaped", "study_note", "trial_note"]

_MEANINGS = """\
- **complete**: trained to the last epoch on all replicates; its value is the mean loss there.
- **diverged**: training broke down, so it was stopped on all replicates. Optuna knows such a trial
  as *pruned*; this dashboard draws it in grey, and calls it *infeasible*. Its value would hide all
  others, so it stands at the height of the worst that completed, or of a guess; how high the loss
  really was, and at which step, is among the trial's attributes.
- **pruned**: halted because others did better at the time (only with a pruner).
- **failed**: trained to the end, but the metric had no number for it.
"""
_ELSEWHERE = (
    "[Figures and attributes](.) · [trials](trials) · this note is told anew whenever the page is "
    "opened, also while a search runs"
)
_CAUTIONS = """\
- *Best Trial* is the recommended one: once it is confirmed, that need not be the one with the
  lowest value, which was lucky as well as good. The value there is that of the search; the loss to
  expect is the one on fresh replicates.
- *Hyperparameter Importance* compares completed trials only. A rate that made its trials diverge
  seems to matter little there; the figure of the loss by α₀ shows that it does.
- A trial's note has a picture: its loss on each replicate, and its learning rate over time. That
  of the best trials, and of those that diverged at the lowest rates, is an artifact as well.
"""


def escaped(text: str) -> str:
    r"""A text with what Markdown would take for its own marked as meant.

    Examples
    --------
    >>> print(escaped("a | <b> $x$"))
    a \| \<b\> \$x\$
    """
    return re.sub(r"([\\`*_{}\[\]<>|$#~&])", r"\\\1", text)


def study_note(studied: Studied, pictures: Sequence[str] = ()) -> str:
    """What was found, how sure it is, what to beware of, and how to go on from there.

    Parameters
    ----------
    studied : Studied
    pictures : sequence of str, optional
        Addresses of `PICTURES`.
    """
    title = headline(studied)
    if studied.setting is not None:
        title += f": {setting_words(studied.setting.params)}"
    parts = [f"# {escaped(title)}", *(f"> **{escaped(text)}**" for text in progress_notes(studied))]
    if not studied.trials:
        parts.append("No trial has finished yet: come back in a moment.")
    parts.append(_ELSEWHERE)
    parts += [escaped(text) for text in paragraphs(studied)]
    shown = zip(PICTURES, pictures, strict=False)
    parts.append(" ".join(f"![{picture.title}]({address})" for picture, address in shown))
    sections = {
        "Beware": _listed(studied.warnings),
        "Best settings": _settings(studied),
        "What came of a trial": _MEANINGS,
        "Reading the figures": _CAUTIONS,
        "Use it": _use(studied),
        "Get the same again": _reproduce(studied),
    }
    parts += [f"## {name}\n\n{text}" for name, text in sections.items() if text]
    return "\n\n".join(filter(None, parts)) + "\n"


def _listed(texts: Sequence[str]) -> str:
    return "\n".join(f"- {escaped(text)}" for text in texts)


def _settings(studied: Studied) -> str:
    """A table whose trials are links, from the note's address."""
    if studied.best is None:
        return ""
    table: Table = best_settings(studied)
    rows = [[_link(row.cells[0]), *map(escaped, row.cells[1:])] for row in table.rows]
    return f"{_table(table.heads, rows)}\n\n{escaped(table.caption)}"


def _link(trial: str) -> str:
    return f"[{trial}](trials?numbers={trial})"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the page leaves no room between its columns, so the heads bring theirs along."""
    roomy = [f"&nbsp;{head}&nbsp;" if head else "" for head in heads]
    lines = [roomy, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _use(studied: Studied) -> str:
    known = next((code.source for code in codes(studied) if code.source), "")
    if not known:
        return ""
    also = repeat(studied)
    other = also.replace("lrtune report", "lrtune export", 1) + " --to torch"
    return f"```python\n{known}\n```\n\nFor other libraries: `{other}`. As a page: `{also}`."


def _reproduce(studied: Studied) -> str:
    command = studied.environment.command
    told = _table(("", ""), [tuple(map(escaped, row)) for row in fact_rows(studied)])
    return f"```sh\n{command}\n```\n\n{told}" if command else told


def trial_note(studied: Studied, trial: FrozenTrial) -> str:
    """What a trial's setting was, what came of it, and what that means."""
    came = status(trial)
    chosen = studied.recommended is not None and studied.recommended.trial == trial.number
    default = studied.default_trial
    title = came
    if default is not None and default.number == trial.number:
        title += ", the untuned default"
    if chosen:
        title += ", recommended" if studied.confirmation is not None else ", best of the search"
    setting = escaped(setting_words(trial.params))
    return f"### {title}\n\n{setting}\n\n{OUTCOME_NOTES[came](studied, trial)}\n"


def _complete(studied: Studied, trial: FrozenTrial) -> str:
    facts = TrialFacts.of(trial)
    losses, scores = facts.replicate_losses, facts.replicate_scores or ()
    heads = ("replicate", "loss", "score")[: 3 if scores else 2]
    columns = [[str(index + 1) for index in range(len(losses))], _numbers(losses), _numbers(scores)]
    rows = list(zip(*columns[: len(heads)], strict=True))
    epochs, mean = len(trial.intermediate_values), number(sum(losses) / len(losses), 4)
    told = f"Validation loss **{mean}** after {epochs} epochs"
    if trial.value is not None and shown_value(studied, trial) < trial.value:
        told += ", which is worse than a guess; its value is shown at the height of one"
    return "\n\n".join([f"{told}.{_fresh(studied, trial)}", _table(heads, rows)])


def _fresh(studied: Studied, trial: FrozenTrial) -> str:
    """What fresh replicates said of it, if it met them."""
    if studied.confirmation is None:
        return ""
    contenders = {each.trial: each for each in studied.confirmation.contenders}
    if (met := contenders.get(trial.number)) is None:
        return ""
    name, sign = ("loss", 1) if studied.metric is None else (escaped(studied.metric), -1)
    came = "" if met.loss is None else f"{name} {number(sign * met.loss, 4)}, "
    said = f" In the race on {met.replicates} fresh replicates: {came}{met.status}."
    if met.status == "recommended":
        told, further = studied.confirmation.recommended, studied.confirmation.replicates
        said += f" To expect, from {further} further ones: loss **{estimate(told.loss, told.se)}**."
    return said


def _numbers(values: Iterable[float]) -> list[str]:
    return [number(value, 4) for value in values]


def _diverged(studied: Studied, trial: FrozenTrial) -> str:
    at = TrialFacts.of(trial).diverged
    assert at is not None  # noqa: S101
    loss = NOT_FINITE if at.loss is None else number(at.loss)
    known = studied.naive_loss
    guess = "" if known is None else f", where a guess has {number(known)}"
    return (
        f"The rate was too high: after **{at.step} steps**, in epoch {at.epoch} of replicate "
        f"{at.replicate}, the loss of a batch was **{loss}**{guess}. It was then stopped on all "
        f"replicates, which Optuna calls *pruned*. The value shown, "
        f"{number(shown_value(studied, trial))}, is a cap that keeps the axes readable."
    )


def _pruned(studied: Studied, trial: FrozenTrial) -> str:
    told = trial.intermediate_values
    last = max(told, default=0)
    loss = f" with a loss of **{number(told[last], 4)}**" if told else ""
    return f"Halted after {last} of {studied.epochs} epochs{loss}, as others did better."


def _failed(studied: Studied, trial: FrozenTrial) -> str:  # noqa: ARG001
    return "It trained to the last epoch, but the metric that is optimised had no number for it."


OUTCOME_NOTES: dict[str, Callable[[Studied, FrozenTrial], str]] = {
    "complete": _complete,
    "pruned": _pruned,
    "diverged": _diverged,
    "failed": _failed,
}
"""What to say of a trial, by what came of it."""
