"""The recommendation of a study, with its origin and its confirmed loss, for exports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lrtune.export.preparation import Preparation
from lrtune.export.tuned_for import tuned_for
from lrtune.schedules.schedule import Schedule
from lrtune.support.numbers import estimate
from lrtune.tuning.result import SearchResult


@dataclass(frozen=True)
class Recommendation:
    """A study's recommended setting."""

    study: str
    estimator: str
    """Class of the network that was tuned, or name of the function."""
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
    loss_name: str = "loss"
    """The user's name for the loss of a training function."""
    is_network: bool = True
    """True if one of lrtune's networks was tuned."""
    score: str = ""
    """The confirmed metric in words, with its name; "" if the loss was confirmed alone."""

    @property
    def is_function(self) -> bool:
        """Return True if a user's training function was tuned."""
        return self.task == "training"

    @property
    def optimizer(self) -> Any:
        return dict(self.parameters).get("optimizer")

    def describe(self) -> str:
        """Return the confirmed loss in words, or that it was not confirmed."""
        if self.replicates is None:
            loss = f"{self.loss_name} {estimate(self.loss, None)}"
            return f"not confirmed: {loss} of the best trial, {self.trial}"
        fresh = f"on {self.replicates} fresh replicates"
        if self.loss is None:
            return f"NOT SAFE: diverged {fresh}"
        score = f"{self.score} and " if self.score else ""
        return f"confirmed {score}{self.loss_name} {estimate(self.loss, self.se)} {fresh}"


def recommend(result: SearchResult) -> Recommendation:
    """Return the confirmed setting of a search, or else the setting of its best trial."""
    setting, trainer, confirmation = result.best, result.facts.trainer, result.confirmation
    return Recommendation(
        study=str(result.study),
        estimator=trainer.estimator,
        task=result.task,
        schedule=result.schedule,
        parameters=tuple(tuned_for(trainer, setting).items()),
        own_parameters=tuple(tuned_for(trainer, setting, options=False).items()),
        trial=result.best_trial,
        loss=result.search_loss if confirmation is None else result.confirmed_loss,
        se=result.confirmed_se,
        replicates=None if confirmation is None else confirmation.replicates,
        preparation=Preparation.of(result.facts),
        loss_name="loss" if trainer.function is None else trainer.loss,
        is_network=trainer.is_network,
        score=f"{result.metric} {result.describe_score()}" if result.describe_score() else "",
    )
