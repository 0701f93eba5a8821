"""The source of lrtune's own estimator, behind what it was tuned behind."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

from lrtune.export import templates
from lrtune.export.source import changed, header
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule

if TYPE_CHECKING:
    from lrtune.export.provenance import Recommendation

__all__ = ["estimator_source"]


def estimator_source(schedule: Schedule, origin: Recommendation | None) -> str:
    """An estimator with a schedule, in a pipeline with what can be had again.

    Parameters
    ----------
    schedule : Schedule
    origin : Recommendation or None
    """
    is_regressor = origin is not None and origin.task == "regression"
    estimator = "MLPRegressor" if is_regressor else "MLPClassifier"
    parameters = dict(() if origin is None else origin.parameters) | changed(schedule)
    arguments = "".join(f"    {name}={value!r},\n" for name, value in parameters.items())
    imports, before = _before(estimator, origin)
    model = f"{estimator}(\n{arguments})"
    if before:
        model = f"make_pipeline(\n    {before},\n{indent(model, '    ')},\n)"
    remarks = templates.FOLLOWS_TRAINING if DECAYS[schedule.decay].feedback else ""
    if not before and origin is not None and origin.preprocessing.steps:
        remarks += f"# Tuned {origin.preprocessing.describe()}\n"
    return "\n".join(header(schedule, origin)) + templates.SKLEARN.format(
        remark=remarks, imports=imports, model=model
    )


def _before(estimator: str, origin: Recommendation | None) -> tuple[str, str]:
    """Imports, and the step before the network if it is known how to make it."""
    if origin is not None and origin.preprocessing.is_scaled:
        return templates.SCALED.format(estimator=estimator), "StandardScaler()"
    if origin is not None and origin.preprocessing.is_table:
        imports = templates.TABLE.format(estimator=estimator, dataset=origin.preprocessing.dataset)
        return imports, "table.preprocessing"
    return f"from lrtune import {estimator}", ""
