"""What a study recommends, and how sure it is: read from the record, for those who export it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import optuna

from lrtune.exceptions import InvalidInputError
from lrtune.export.preparation import Preprocessing, network_prefix
from lrtune.export.tuned_for import tuned_for
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.record.record import CONFIGURATION, CONFIRMATION
from lrtune.tuning.record.storage import DEFAULT_STORAGE, open_storage, public_name, quiet_optuna
from lrtune.tuning.record.trials import best_trial
from lrtune.tuning.space import Setting

__all__ = [
    "Recommendation",
    "load_study",
    "network_parameters",
    "read_recommendation",
    "recommendation_of",
    "task_of",
]


@dataclass(frozen=True)
class Recommendation:
    """A study's recommended setting.

    Attributes
    ----------
    study : str
    task : {"classification", "regression"}
    schedule : Schedule
    parameters : tuple of (str, value)
        What it was tuned for (`tuned_for`), and further parameters that were searched.
    trial : int
        Its number in the study.
    loss, se : float or None
        Confirmed mean loss and its standard error; of a search without confirmation, the loss
        that it saw. None if it diverged on a fresh replicate.
    replicates : int or None
        Fresh replicates that confirmed it; None if it was not confirmed.
    preprocessing : Preprocessing
        What stood before the network.
    """

    study: str
    task: str
    schedule: Schedule
    parameters: tuple[tuple[str, Any], ...]
    trial: int
    loss: float | None
    se: float | None
    replicates: int | None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)

    @property
    def optimizer(self) -> Any:
        """The optimizer that the rate was tuned for."""
        return dict(self.parameters).get("optimizer")

    def describe(self) -> str:
        """How sure it is, in words."""
        if self.replicates is None:
            return f"not confirmed: loss {self.loss:.4g} of the best trial, {self.trial}"
        fresh = f"on {self.replicates} fresh replicates"
        if self.loss is None:
            return f"NOT SAFE: diverged {fresh}"
        error = "" if self.se is None else f" ± {self.se:.2g}"
        return f"confirmed loss {self.loss:.4g}{error} {fresh}"


def read_recommendation(study: str, storage: str = DEFAULT_STORAGE) -> Recommendation:
    """What a study recommends: the confirmed setting, or else the search's best trial.

    Parameters
    ----------
    study : str
        Its name.
    storage : str, default="lrtune.journal"
        A journal file or a database URL.

    Raises
    ------
    InvalidInputError
        If there is no such study, or it was made by another program.
    NothingCompletedError
        If none of its trials completed.
    """
    return recommendation_of(load_study(study, storage))


def recommendation_of(loaded: optuna.Study) -> Recommendation:
    """The same, of a study that `load_study` gave."""
    configuration = loaded.user_attrs[CONFIGURATION]
    trials = loaded.get_trials(deepcopy=False)
    confirmed = loaded.user_attrs.get(CONFIRMATION)
    loss: float | None
    if confirmed is None:
        best = best_trial(trials)
        setting, trial, replicates = Setting.of(best.params), best.number, None
        replicate_losses = best.user_attrs["replicate_losses"]
        loss, se = sum(replicate_losses) / len(replicate_losses), None
    else:
        known = Confirmation.from_dict(confirmed)
        setting, trial = known.contenders[0].setting, known.contenders[0].trial
        loss, se, replicates = known.recommended.loss, known.recommended.se, known.replicates
    drawn = {name: _read(value) for name, value in setting.params.items()}
    parameters = {**network_parameters(configuration), **drawn}
    schedule = {field.name: parameters[field.name] for field in fields(Schedule)}
    told = tuned_for(parameters, searched=[name for name, _ in setting.others])
    return Recommendation(
        study=loaded.study_name,
        task=task_of(configuration),
        schedule=Schedule(**schedule),
        parameters=tuple(told.items()),
        trial=trial,
        loss=loss,
        se=se,
        replicates=replicates,
        preprocessing=Preprocessing.recorded(configuration),
    )


def load_study(
    name: str,
    storage: str = DEFAULT_STORAGE,
    *,
    purpose: str = "export",
    otherwise: str = "make a Schedule of its best_params and call export_schedule",
) -> optuna.Study:
    """One of lrtune's own studies.

    Parameters
    ----------
    name, storage : str
        As in `read_recommendation`.
    purpose : str, default="export"
        What it is loaded for; named where it is refused.
    otherwise : str, optional
        What to do with another program's study.

    Raises
    ------
    InvalidInputError
        If there is no such study, or it was made by another program.
    """
    opened, _ = open_storage(storage, must_exist=True)
    names = optuna.get_all_study_names(opened)
    if name not in names:
        raise InvalidInputError(
            f"a study to {purpose} must exist, but {public_name(storage)} has none named {name!r}; "
            f"it has {', '.join(names) or 'none at all'}"
        )
    with quiet_optuna():
        study = optuna.load_study(storage=opened, study_name=name)
    if CONFIGURATION not in study.user_attrs:
        raise InvalidInputError(
            f"a study to {purpose} must be lrtune's own, but {name!r} in {public_name(storage)} "
            f"was made by another program: {otherwise}"
        )
    return study


def network_parameters(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the network, which may be a step of a pipeline, as a study's record has them."""
    recorded, prefix = configuration["estimator"], network_prefix(configuration)
    own = (name for name in recorded if name.startswith(prefix))
    return {name.removeprefix(prefix): _read(recorded[name]) for name in own}


def task_of(configuration: Mapping[str, Any]) -> str:
    """As it was recorded; of a search in Python, by what only a classifier has."""
    known = f"{network_prefix(configuration)}class_weight" in configuration["estimator"]
    return str(configuration.get("task") or ("classification" if known else "regression"))


def _read(value: Any) -> Any:
    """A value that was recorded as a list or by its repr: the layer sizes, the class weights."""
    if isinstance(value, list):
        return tuple(value)
    if not (isinstance(value, str) and value.startswith(("(", "[", "{", "array("))):
        return value
    plain = re.sub(r"\b(?:np\.\w+|array)\(([^()]*)\)", r"\1", value)  # np.int64(2) and the like
    try:
        found = ast.literal_eval(plain)
    except (ValueError, SyntaxError):
        return value
    return _read(found)
