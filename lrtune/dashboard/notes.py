"""The dashboard's notes on a study and on each of its trials, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from optuna.trial import FrozenTrial

from lrtune.dashboard.attributes import NOT_FINITE, capped_value, setting_in_words
from lrtune.dashboard.pictures import PICTURES
from lrtune.review.study import Study
from lrtune.review.subject import DIED, DIED_BECAUSE
from lrtune.review.tables import (
    best_settings,
    code_samples,
    report_command,
    reproduction_rows,
    verdict,
)
from lrtune.review.wording import PARAMETER, headline, paragraphs, progress_notes
from lrtune.support.numbers import number
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import status

_MEANINGS = {
    "complete": "trained to the last epoch on all replicates; its value is the mean loss there.",
    "diverged": "training broke down, so it was stopped on all replicates. Optuna calls such a "
    "trial *pruned*; this dashboard draws it in grey and calls it *infeasible*. Its real loss "
    "would flatten the plots, so it is drawn at the worst completed value or at that of a guess; "
    "the trial's attributes have the real loss, and the step at which it diverged.",
    "pruned": "stopped early because others did better (only with a pruner).",
    "failed": "trained to the end, but the metric gave no number.",
}
_ELSEWHERE = (
    "[Figures and attributes](.) · [trials](trials) · this note is updated whenever the page is "
    "opened, even while a search runs"
)
_CAUTIONS = """\
- *Best Trial* is the recommended one. Once confirmed, it need not be the one with the lowest value,
  which is partly luck. The value there is that of the search; the one to expect is that on
  fresh replicates.
- *Hyperparameter Importance* compares completed trials only, so a rate that made its trials diverge
  seems to matter little; the figure of the loss by α₀ shows that it does.
- A trial's note has a picture: its loss on each replicate, and its learning rate over time. The
  pictures of the best trials, and of the diverged ones with the lowest rates, are artifacts too.
"""


def escaped(text: str) -> str:
    r"""Escape Markdown in a text, except for parameters in backticks.

    >>> print(escaped("a | <b> $x$ `resume=True`"))
    a \| \<b\> \$x\$ `resume=True`
    """
    parts = PARAMETER.split(text)
    for index, part in enumerate(parts):
        is_code = index % 2
        parts[index] = f"`{part}`" if is_code else re.sub(r"([\\`*_{}\[\]<>|$#~&])", r"\\\1", part)
    return "".join(parts)


def study_note(study: Study, pictures: Sequence[str] = ()) -> str:
    """Return the note on a study; `pictures` are the addresses of `PICTURES`."""
    title = headline(study)
    if study.setting is not None:
        title += f": {setting_in_words(study.setting.params)}"
    parts = [f"# {escaped(title)}", *(f"> **{escaped(text)}**" for text in progress_notes(study))]
    if not study.trials:
        parts.append("No trial has finished yet: come back in a moment.")
    parts.append(_ELSEWHERE)
    parts += [escaped(text) for text in paragraphs(study)]
    parts.append(
        " ".join(
            f"![{escaped(picture.titled(study))}]({address})"
            for picture, address in zip(PICTURES, pictures, strict=False)
        )
    )
    sections = {
        "Warnings": "\n".join(f"- {escaped(text)}" for text in study.warnings),
        "Best settings": _settings(study),
        "Outcomes of a trial": _meanings(study),
        "Reading the figures": _cautions(study),
        "Use it": _use(study),
        "Reproduce it": _reproduce(study),
    }
    parts += [f"## {name}\n\n{text}" for name, text in sections.items() if text]
    return "\n\n".join(filter(None, parts)) + "\n"


def _meanings(study: Study) -> str:
    meanings = {**_MEANINGS, **study.subject.meanings}
    return "".join(f"- **{outcome}**: {text}\n" for outcome, text in meanings.items())


def _cautions(study: Study) -> str:
    text = study.subject.titled(_CAUTIONS)
    return text if study.sign > 0 else text.replace("lowest value", "highest value")


def _settings(study: Study) -> str:
    if study.best is None:
        return ""
    table = best_settings(study)
    rows = [
        [f"[{trial}](trials?numbers={trial})", *map(escaped, cells)]
        for trial, *cells in (row.cells for row in table.rows)
    ]
    return f"{_table(table.heads, rows)}\n\n{escaped(table.caption)}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; heads are padded, since the page leaves no space between columns."""
    padded = [f"&nbsp;{head}&nbsp;" if head else "" for head in heads]
    lines = [padded, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _use(study: Study) -> str:
    source = next((code.source for code in code_samples(study) if code.source), "")
    if not source:
        return ""
    report = report_command(study)
    if not report:
        return f"```python\n{source}\n```"
    export = report.replace("lrtune report", "lrtune export", 1) + " --to torch"
    return f"```python\n{source}\n```\n\nFor other libraries: `{export}`. As a page: `{report}`."


def _reproduce(study: Study) -> str:
    command = study.environment.command
    table = _table(("", ""), [tuple(map(escaped, row)) for row in reproduction_rows(study)])
    return f"```sh\n{command}\n```\n\n{table}" if command else table


def trial_note(study: Study, trial: FrozenTrial) -> str:
    """Return the note on a trial: its setting and its outcome, explained."""
    is_recommended = study.recommended is not None and study.recommended.trial == trial.number
    default = study.default_trial
    title = study.outcome(trial)
    if default is not None and default.number == trial.number:
        title += ", the untuned default"
    if is_recommended:
        title += ", recommended" if study.confirmation is not None else ", best of the search"
    setting = escaped(setting_in_words(trial.params))
    return f"### {title}\n\n{setting}\n\n{OUTCOME_NOTES[status(trial)](study, trial)}\n"


def _complete(study: Study, trial: FrozenTrial) -> str:
    facts = TrialFacts.of(trial)
    losses, scores = facts.replicate_losses, facts.replicate_scores
    columns = {"replicate": [str(index + 1) for index in range(len(losses))]}
    name = study.subject.short
    columns[name] = [number(study.sign * loss, 4) for loss in losses]
    for metric, values in (facts.metrics or {}).items():
        columns[escaped(study.named(metric))] = [number(value, 4) for value in values]
    if scores:
        columns["score"] = [number(score, 4) for score in scores]
    epochs, mean = len(trial.intermediate_values), number(study.sign * sum(losses) / len(losses), 4)
    row = escaped(study.subject.row)
    text = f"{row[:1].upper()}{row[1:]} **{mean}** after {epochs} epochs"
    if died := study.died(trial):
        because = escaped(study.subject.titled(DIED_BECAUSE))
        text += f"; on {died} of {len(losses)} replicates it {DIED}: {because}"
    elif trial.value is not None and capped_value(study, trial) != study.sign * trial.value:
        guess = study.subject.guess
        text += f", which is worse than {guess}; its value is drawn at that of {guess}"
    return "\n\n".join(
        [f"{text}.{_race(study, trial)}", _table([*columns], zip(*columns.values(), strict=True))]
    )


def _race(study: Study, trial: FrozenTrial) -> str:
    """Describe a trial's result on fresh replicates; "" if it was not in the race."""
    contenders = () if study.confirmation is None else study.confirmation.contenders
    contender = next((each for each in contenders if each.trial == trial.number), None)
    if study.confirmation is None or contender is None:
        return ""
    name = escaped(study.metric or study.subject.short)
    loss = ""
    if contender.loss is not None:
        loss = f"{name} {number(study.optimised(contender.loss), 4)}, "
    text = f" In the race on {contender.replicates} fresh replicates: {loss}{verdict(contender)}."
    if contender.status == "recommended":
        expected = study.estimated(study.confirmation.recommended)
        n_further = study.confirmation.replicates
        name = escaped(study.measured.titled("Loss"))
        text += f" {name} to expect, from {n_further} further ones: **{expected}**."
    return text


def _diverged(study: Study, trial: FrozenTrial) -> str:
    divergence = TrialFacts.of(trial).diverged
    assert divergence is not None  # noqa: S101
    loss = NOT_FINITE if divergence.loss is None else number(study.sign * divergence.loss)
    value = number(capped_value(study, trial))
    cap = f"The value shown, {value}, is a cap that keeps the axes readable."
    if study.subject.is_function:
        return (
            f"The rate was too high: after **epoch {divergence.epoch}** of replicate "
            f"{divergence.replicate}, {escaped(study.subject.short)} was **{loss}**. The trial was "
            f"then stopped, which Optuna calls *pruned*. {cap}"
        )
    guess = ""
    if study.naive_loss is not None:
        guess = f", where a guess has {number(study.naive_loss)}"
    return (
        f"The rate was too high: after **{divergence.step} steps**, in epoch "
        f"{divergence.epoch} of replicate {divergence.replicate}, the loss of a batch was "
        f"**{loss}**{guess}. The trial was then stopped on all replicates, which Optuna calls "
        f"*pruned*. {cap}"
    )


def _pruned(study: Study, trial: FrozenTrial) -> str:
    losses = trial.intermediate_values
    last = max(losses, default=0)
    loss = ""
    if losses:
        value = number(study.sign * losses[last], 4)
        loss = f" with a {escaped(study.subject.short)} of **{value}**"
    return f"Stopped after {last} of {study.epochs} epochs{loss}, since other trials did better."


def _failed(study: Study, trial: FrozenTrial) -> str:  # noqa: ARG001
    failure = TrialFacts.of(trial).failure
    if failure is not None:
        return f"A training raised an error: **{escaped(failure)}**."
    return "It trained to the last epoch, but the metric that is optimised gave no number."


OUTCOME_NOTES: dict[str, Callable[[Study, FrozenTrial], str]] = {
    "complete": _complete,
    "pruned": _pruned,
    "diverged": _diverged,
    "failed": _failed,
}
"""Functions that explain a trial, by its outcome."""
