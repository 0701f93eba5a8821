"""The recommendation of a study, with its origin and its confirmed loss, for exports."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from lrtune.export.preparation import Preparation
from lrtune.export.tuned_for import tuned_for, tuned_parameters
from lrtune.schedules.schedule import Schedule
from lrtune.support.numbers import estimate
from lrtune.tuning.result import SearchResult


@dataclass(frozen=True)
class Recommendation:
    """A study's recommended setting."""

    study: str
    estimator: str
    """Class of the network that was tuned."""
    task: str
    schedule: Schedule
    parameters: tuple[tuple[str, Any], ...]
    """Parameters that the rate depends on, including all options of the optimizer."""
    own_parameters: tuple[tuple[str, Any], ...]
    """The same without options that are at their defaults."""
    trial: int
    loss: float | None
    """Confirmed mean loss, or the loss in the search if it was not confirmed; None if it diverged
    on a fresh replicate."""
    se: float | None
    """Standard error of the confirmed loss."""
    replicates: int | None
    """Number of fresh replicates; None if it was not confirmed."""
    preparation: Preparation = field(default_factory=Preparation)

    @property
    def optimizer(self) -> Any:
        return dict(self.parameters).get("optimizer")

    def describe(self) -> str:
        """Return the confirmed loss in words, or that it was not confirmed."""
        if self.replicates is None:
            return (
                f"not confirmed: loss {estimate(self.loss, None)} of the best trial, {self.trial}"
            )
        fresh = f"on {self.replicates} fresh replicates"
        if self.loss is None:
            return f"NOT SAFE: diverged {fresh}"
        return f"confirmed loss {estimate(self.loss, self.se)} {fresh}"


def recommend(result: SearchResult) -> Recommendation:
    """Return the confirmed setting of a search, or else the setting of its best trial."""
    setting, trainer, confirmation = result.best, result.facts.trainer, result.confirmation
    parameters = tuned_parameters(trainer, setting)
    return Recommendation(
        study=str(result.study),
        estimator=trainer.estimator,
        task=result.task,
        schedule=Schedule(**{each.name: parameters[each.name] for each in fields(Schedule)}),
        parameters=tuple(tuned_for(trainer, setting).items()),
        own_parameters=tuple(tuned_for(trainer, setting, options=False).items()),
        trial=result.best_trial,
        loss=result.search_loss if confirmation is None else result.confirmed_loss,
        se=result.confirmed_se,
        replicates=None if confirmation is None else confirmation.replicates,
        preparation=Preparation.of(result.facts),
    )
