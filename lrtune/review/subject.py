"""The subject of a study, a network on a table or a user's function, and the words for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from lrtune.schedules.schedule import Schedule
from lrtune.support.numbers import number
from lrtune.tuning.confirm.measurement import SAFE_MARGIN
from lrtune.tuning.record.schema import FunctionFacts, SearchFacts, TrainerFacts
from lrtune.tuning.setting import SCHEDULE_PARAMETERS

SCORES = {"classification": "accuracy", "regression": "R²"}
"""Score reported beside the loss of an estimator, by its task."""
SCORERS = {"accuracy": "accuracy", "r2": "R²"}
"""The same scores by the names that scikit-learn's scorers have."""
DIED = "did not learn"
"""Outcome of a training whose loss stayed at that of a constant guess."""
DIED_BECAUSE = "the loss stayed at that of a constant guess"

UNTESTED = "No range test was run: the range of the initial learning rate was given, from"
UNTESTED_ESTIMATOR = "No range test is run with this estimator; the search covered rates from"

_SAFE = f"{100 * SAFE_MARGIN:.0f} %"


@dataclass(frozen=True)
class Subject:
    """The words that depend on what was trained; every reader of a study takes them from here.

    Attributes
    ----------
    loss : str
        Name of the loss.
    short, row, axis, plural : str
        The same in the heads of tables, beside a number, on axes, and of many.
    kind : str
        The loss with its article and kind, before "of …".
    better, worse : str
        Remark on axes if higher is better; "higher" or "lower".
    sign : int
        -1 if higher is better, as recorded values are then minus the user's numbers.
    safe, safe_briefly : str
        How rates in the safe range do.
    excess : str
        What the sensitivity to the rate is.
    score : str or None
        Name of the score beside the loss; None if there is none.
    has_root : bool
        True if the loss's root is in the target's own unit.
    reference, guess : str
        What the loss at the worst line of figures belongs to, in a legend and in a sentence.
    unit : str
        Remark on the loss's unit.
    trained : tuple of (str, str)
        What was trained, as names and values.
    is_function : bool
        True for a user's training function, whose divergence is seen epoch by epoch.
    cure : str
        What to do if no trial completed.
    untested : str
        Why there is no range test, before the range.
    repeat : str
        What gives the same trials again.
    source : str
        Source of the function.
    meanings : mapping
        What outcomes of trials mean, where it differs.
    glossary : mapping
        What words mean, where it differs.
    """

    loss: str
    short: str
    row: str
    axis: str
    kind: str
    trained: tuple[tuple[str, str], ...]
    plural: str = "losses"
    better: str = ""
    worse: str = "higher"
    sign: int = 1
    safe: str = f"loses at most {_SAFE} more"
    safe_briefly: str = f"loses at most {_SAFE}"
    excess: str = "mean excess loss"
    score: str | None = None
    has_root: bool = False
    reference: str = "a guess"
    guess: str = "a guess"
    unit: str = ""
    is_function: bool = False
    cure: str = (
        "Standardise the columns, look for outliers in them, or search lower rates "
        "(`learning_rate_init`)."
    )
    untested: str = UNTESTED
    repeat: str = "With the same command, data, seed and versions, a search gives the same trials."
    source: str = ""
    meanings: Mapping[str, str] = field(default_factory=dict)
    glossary: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: SearchFacts) -> Subject:
        """Return the subject of a search."""
        function = facts.trainer.function
        return _network(facts) if function is None else _function(facts, function)

    def of_metric(self, name: str, best: float | None) -> Subject:
        """Return the words for a metric that is measured in place of the loss; higher is better.

        `best` is its best possible value, if it has one.
        """
        margin = _SAFE if best is None else f"{_SAFE} of the distance to {best:g}"
        safe = f"has {article(name)} {name} lower by at most {margin}"
        return replace(
            self,
            loss=name,
            short=name,
            row=name,
            axis=f"{name}, higher is better",
            better=", higher is better",
            kind=f"{article(name)} {name}",
            plural="values",
            worse="lower",
            safe=safe,
            safe_briefly=safe,
            score=None if SCORERS.get(name) == self.score else self.score,
            has_root=False,
            unit="",
            sign=-1,
            glossary={
                **self.glossary,
                name: "The metric that the search maximised, measured on held-out rows: higher is "
                "better.",
                "safe range": f"Initial rates whose {name} is lower than that of the recommended "
                f"one by at most {margin}, and that diverged on no replicate.",
            },
        )

    def titled(self, text: str) -> str:
        """Return a title with the loss's name in place of "loss"."""
        name = self.short
        words = {"losses": self.plural, "loss": name, "Loss": name[:1].upper() + name[1:]}
        return re.sub(r"\b(losses|[Ll]oss)\b", lambda found: words[found[0]], text)


# --- lrtune's network, or another estimator -------------------------------------------------------


def _network(facts: SearchFacts) -> Subject:
    trainer = facts.trainer
    loss = trainer.loss.replace("_", " ") or "loss"
    names: tuple[str, ...] = ("max_iter", *trainer.changed)
    if trainer.is_network:
        names = ("hidden_layer_sizes", "activation", "optimizer", "batch_size", "max_iter", "dtype")
    parameters = trainer.parameters
    network = ", ".join(f"{name}={parameters[name]}" for name in names if name in parameters)
    is_squared = trainer.loss == "squared_error"
    weights = _weights(trainer)
    return Subject(
        loss=loss,
        short="loss",
        row="validation loss",
        axis=f"validation {loss}",
        kind=f"a validation loss ({loss}{weights})",
        trained=(
            ("estimator", ", ".join([*(step.source for step in trainer.steps), trainer.estimator])),
            ("network" if trainer.is_network else "parameters", network),
        ),
        score=SCORES[trainer.task],
        has_root=is_squared,
        unit=(", squared error in the target's unit" if is_squared else "") + weights,
        untested=UNTESTED if trainer.is_network else UNTESTED_ESTIMATOR,
    )


def _weights(trainer: TrainerFacts) -> str:
    """Say what a validation loss weighs its rows by; "" if they count alike."""
    by_class = trainer.is_network and trainer.parameters.get("class_weight") is not None
    names = ["sample_weight"] * trainer.weighted + ["class_weight"] * by_class
    return f", weighted by {' and '.join(names)}" if names else ""


# --- a user's training function -------------------------------------------------------------------


def _function(facts: SearchFacts, function: FunctionFacts) -> Subject:
    trainer, name = facts.trainer, facts.trainer.loss
    side = "higher" if trainer.maximize else "lower"
    better = ", higher is better" if trainer.maximize else ""
    worse = "lower" if trainer.maximize else "higher"
    as_usual = {each.name: each.default for each in fields(Schedule)}
    held = {
        key: value
        for key, value in trainer.parameters.items()
        if key not in SCHEDULE_PARAMETERS and value != as_usual.get(key)
    }
    return Subject(
        loss=name,
        short=name,
        row=name,
        axis=f"{name}{better}",
        better=better,
        kind=f"a final {name}",
        trained=(
            ("function", f"{function.name} in {function.path}" if function.path else function.name),
            ("source fingerprint", function.digest),
            ("held for every setting", _in_words(held)),
            *(() if trainer.choice is None else (("settings train", trainer.choice.describe()),)),
        ),
        worse=worse,
        sign=-1 if trainer.maximize else 1,
        excess=f"mean {name} lost" if trainer.maximize else f"mean excess {name}",
        safe_briefly=f"has {article(name)} {name} at most {_SAFE} {worse}",
        safe=f"has {article(name)} {name} at most {_SAFE} {worse}",
        plural="losses" if name == "loss" else "values",
        reference=DIED,
        guess=f"a training that {DIED}",
        is_function=True,
        cure="Search lower rates (`learning_rate_init`), and correct what made trials fail.",
        untested="No range test is run with a training function; the search covered rates from",
        repeat="With the same function, data, seed and versions, a search gives the same trials.",
        source=function.source,
        meanings={
            "complete": "trained to the last epoch on all replicates; its value is the mean "
            f"{name} there. One that *{DIED}* ended with the {name} of a constant guess: its rate "
            "is too low, or the model died.",
            "diverged": f"{name} was not finite, or far worse than where trainings begin, so the "
            "trial was stopped. Optuna calls such a trial *pruned*; this dashboard draws it in "
            "grey and calls it *infeasible*. Its value is a cap that keeps the axes readable.",
            "failed": "the function raised an error of a kind that the search lets pass.",
        },
        glossary={
            "epoch": "What the function yields or reports one number for.",
            "setting": "One learning_rate_init, decay and decay_rate, and a value of each further "
            "parameter.",
            "training": "One setting on one replicate, from the first epoch to the last.",
            "replicate": "A seed that the function is called with, the same for every setting. A "
            "fresh replicate was not used to choose the setting.",
            "loss": "",
            name: f"What the function yields or reports after an epoch: {side} is better.",
            "diverged": f"Training broke down: {name} was not finite, or far worse than where "
            "trainings begin, so the trial was stopped.",
            DIED: f"Trained to the end, but its {name} stayed at that of a constant guess: the "
            "rate is too low, or the model died.",
            "failed": "The function raised an error of a kind that the search lets pass.",
            "divergence edge": "",
            "safe range": f"Initial rates whose {name} is at most 10 % worse than that of the "
            "recommended one, and that diverged on no replicate.",
        },
    )


def article(name: str) -> str:
    """Return the indefinite article of a name.

    >>> article("accuracy"), article("perplexity"), article("f1_macro")
    ('an', 'a', 'an')
    """
    return "an" if re.match(r"[aeiou]|[fhlmnrsx]\d", name.lower()) else "a"


def _in_words(parameters: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {number(value) if isinstance(value, float) else value}"
        for name, value in parameters.items()
    )
