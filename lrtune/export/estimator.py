"""Source of lrtune's estimator with a schedule, behind the transformers it was tuned with."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING, Any

from lrtune.exceptions import InvalidInputError
from lrtune.export import templates
from lrtune.export.source import changed, header
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule

if TYPE_CHECKING:
    from lrtune.export.provenance import Recommendation


def estimator_source(schedule: Schedule, origin: Recommendation | None) -> str:
    """Return the source of an estimator, in a pipeline if the preparation can be made again.

    Raises
    ------
    InvalidInputError
        If another model than one of lrtune's networks was tuned.
    """
    if origin is not None and origin.is_function:
        raise InvalidInputError(
            f"an estimator can be exported from studies of estimators, but {origin.study!r} tuned "
            f"the function {origin.estimator!r}: export to torch, keras, optax or json, or pass "
            "`result.schedule` to the function"
        )
    if origin is not None and not origin.is_network:
        raise InvalidInputError(
            f"an estimator can be exported from studies of lrtune's networks, but "
            f"{origin.study!r} tuned {origin.estimator}, which cannot follow a schedule by itself: "
            "use the search's `best_estimator_`, or export to torch, keras, optax or json"
        )
    estimator = "MLPClassifier" if origin is None else origin.estimator
    parameters = dict(() if origin is None else origin.parameters) | changed(schedule)
    arguments = "".join(f"    {name}={value!r},\n" for name, value in parameters.items())
    imports, step = _step_before(estimator, origin)
    model = f"{estimator}(\n{arguments})"
    if step:
        model = f"make_pipeline(\n    {step},\n{indent(model, '    ')},\n)"
    remarks = templates.FOLLOWS_TRAINING if DECAYS[schedule.decay].feedback else ""
    if not step and origin is not None and origin.preparation.steps:
        remarks += f"# Tuned {origin.preparation.describe()}\n"
    return "\n".join(header(schedule, origin)) + templates.SKLEARN.format(
        remark=remarks, imports=imports, model=model
    )


def estimator_line(origin: Recommendation) -> str:
    """Return an estimator's source on one line with rounded numbers, for reading."""
    parameters = dict(origin.own_parameters) | changed(origin.schedule)
    arguments = ", ".join(f"{name}={_rounded(value)}" for name, value in parameters.items())
    model = f"{origin.estimator}({arguments})"
    if not origin.preparation.steps:
        return model
    return f"make_pipeline({origin.preparation.source}, {model})"


def _rounded(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def _step_before(estimator: str, origin: Recommendation | None) -> tuple[str, str]:
    """Return the imports, and the step before the network if it can be made again."""
    if origin is not None and origin.preparation.is_scaled:
        return templates.SCALED.format(estimator=estimator), "StandardScaler()"
    if origin is not None and origin.preparation.is_table:
        imports = templates.TABLE.format(estimator=estimator, dataset=origin.preparation.dataset)
        return imports, "table.preprocessing"
    return f"from lrtune import {estimator}", ""
