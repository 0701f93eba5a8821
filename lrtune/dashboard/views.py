"""What the dashboard is told about lrtune's studies, beside what it finds in the record.

A plugin of Bottle, which the dashboard is made with: it adds to the answers that the dashboard's
pages ask for. A note that somebody wrote there is kept in the record, and wins over lrtune's.
"""

from __future__ import annotations

import functools
import io
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import optuna
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from lrtune.dashboard.attributes import (
    objective_name,
    shown_curve,
    shown_value,
    study_attributes,
    trial_attributes,
    trial_columns,
)
from lrtune.dashboard.charts import CHARTS
from lrtune.dashboard.notes import study_note, trial_note
from lrtune.dashboard.pictures import PICTURES, draw_study, draw_trial, pictured
from lrtune.exceptions import InvalidInputError
from lrtune.review.study import Studied
from lrtune.tuning.record.schema import SearchFacts
from lrtune.tuning.record.trials import status
from lrtune.tuning.result import result_of

__all__ = ["Annotations", "NoFiles"]

_STUDIES = "/api/studies"
_STUDY = "/api/studies/<study_id:int>"
_FIGURE = "/artifacts/<study_id:int>/<artifact_id:re:[0-9a-fA-F-]+>"
_PICTURE = "/artifacts/<study_id:int>/<trial_id:int>/<artifact_id:re:[0-9a-fA-F-]+>"

Callback = Callable[..., Any]


class NoFiles:
    """An artifact store without files: pictures are drawn when they are asked for."""

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """There is none."""
        raise ArtifactNotFound(artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:  # noqa: ARG002
        """None is kept."""
        raise InvalidInputError(f"files are not kept, but got {artifact_id!r}")

    def remove(self, artifact_id: str) -> None:
        """There is none."""
        raise ArtifactNotFound(artifact_id)


class Annotations:
    """Adds notes, attributes, figures and pictures to the dashboard's answers.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
    shown_as : str
        The storage as it may be shown.
    """

    name, api = "lrtune", 2  # as Bottle wants a plugin

    def __init__(self, storage: BaseStorage, shown_as: str) -> None:
        self.store = NoFiles()
        self._storage = storage
        self._shown_as = shown_as
        self._drawing = threading.Lock()  # a page asks for several at once; fonts are shared
        self._views: dict[str, Callback] = {
            _STUDIES: self._studies,
            _STUDY: self._study,
            _FIGURE: self._figure,
            _PICTURE: self._picture,
        }

    def annotate(self, dashboard: Any) -> None:
        """Take part in a dashboard.

        Raises
        ------
        InvalidInputError
            If it answers under other addresses than those known.
        """
        known = {route.rule for route in dashboard.routes if route.method == "GET"}
        if not known.issuperset(self._views):
            raise InvalidInputError(
                "the dashboard must be one that lrtune knows, but this release of "
                "optuna-dashboard is not: pip install --force-reinstall 'lrtune[dashboard]'"
            )
        dashboard.install(self)

    def apply(self, callback: Callback, route: Any) -> Callback:
        """Annotate one of the dashboard's answers, if there is something to say."""
        view = self._views.get(route.rule) if route.method == "GET" else None
        return (
            callback
            if view is None
            else functools.wraps(callback)(functools.partial(view, callback))
        )

    def _studies(self, callback: Callback) -> Any:
        """The list of studies; lrtune's attributes are left to each study's own page.

        There they are readable, and told without reading all trials of all studies here.
        """
        answer = callback()
        for summary in answer["study_summaries"] if isinstance(answer, dict) else ():
            if self._is_own(summary["study_id"]):
                summary["user_attrs"] = None
        return answer

    def _study(self, callback: Callback, study_id: int) -> Any:
        """A study and its trials."""
        answer = callback(study_id=study_id)
        studied = self._read(study_id) if isinstance(answer, dict) and "trials" in answer else None
        if studied is not None:
            _tell_study(answer, studied, study_id)
            _tell_trials(answer, studied)
        return answer

    def _figure(self, callback: Callback, study_id: int, artifact_id: str) -> Any:
        """A picture in a study's note, or another file."""
        studied = self._read(study_id)
        names = [] if studied is None else _figure_ids(studied)
        if studied is None or artifact_id not in names:
            return callback(study_id=study_id, artifact_id=artifact_id)
        with self._drawing:
            return _png(draw_study(studied, names.index(artifact_id)))

    def _picture(self, callback: Callback, study_id: int, trial_id: int, artifact_id: str) -> Any:
        """A trial's picture, or another file."""
        studied = self._read(study_id) if artifact_id == _picture_id(trial_id) else None
        found = {} if studied is None else {each._trial_id: each for each in studied.trials}
        if studied is None or trial_id not in found:
            return callback(study_id=study_id, trial_id=trial_id, artifact_id=artifact_id)
        with self._drawing:
            return _png(draw_trial(studied, found[trial_id]))

    def _is_own(self, study_id: int) -> bool:
        """Whether it is one of lrtune's studies, and was not just deleted."""
        try:
            return SearchFacts.KEY in self._storage.get_study_user_attrs(study_id)
        except KeyError:
            return False

    def _read(self, study_id: int) -> Studied | None:
        """One of lrtune's own studies."""
        if not self._is_own(study_id):
            return None
        name = self._storage.get_study_name_from_id(study_id)
        study = optuna.load_study(study_name=name, storage=self._storage)
        return Studied(result_of(study, self._shown_as))


def _png(content: bytes) -> Any:
    from bottle import HTTPResponse

    return HTTPResponse(io.BytesIO(content), headers={"Content-Type": "image/png"})


def _tell_study(answer: dict[str, Any], studied: Studied, study_id: int) -> None:
    answer["user_attrs"] = _pairs(study_attributes(studied))
    answer["union_user_attrs"] = [
        {"key": name, "sortable": sortable} for name, sortable in trial_columns(studied).items()
    ]
    answer.setdefault("objective_names", [objective_name(studied)])
    addresses = [f"/artifacts/{study_id}/{name}" for name in _figure_ids(studied)]
    _tell_note(answer, study_note(studied, addresses))
    drawn = [
        {"id": f"lrtune-{name}", "graph_object": json.dumps(chart(studied))}
        for name, chart in CHARTS.items()
        if studied.trials
    ]
    answer["plotly_graph_objects"] = [*drawn, *answer["plotly_graph_objects"]]


def _tell_trials(answer: dict[str, Any], studied: Studied) -> None:
    known = {trial._trial_id: trial for trial in studied.trials}
    pictures = pictured(studied)
    recommended = studied.recommended_trial
    if recommended is not None and answer["best_trials"]:
        answer["best_trials"] = [_in_place_of(answer["best_trials"][0], recommended)]
    for told in (*answer["trials"], *answer["best_trials"]):
        trial = known.get(told["trial_id"])
        if trial is not None:
            _tell_trial(told, studied, trial, pictures)


def _tell_trial(
    told: dict[str, Any], studied: Studied, trial: FrozenTrial, pictures: frozenset[int]
) -> None:
    told["user_attrs"] = _pairs(trial_attributes(studied, trial))
    name = _picture_id(trial._trial_id)
    path = f"/artifacts/{told['study_id']}/{trial._trial_id}/{name}"
    _tell_note(told, f"{trial_note(studied, trial)}\n![losses and learning rates]({path})\n")
    if "values" in told:
        told["values"] = [_rounded(shown_value(studied, trial))]
    told["intermediate_values"] = [
        {"step": epoch, "value": _rounded(loss)}
        for epoch, loss in shown_curve(studied, trial).items()
    ]
    if status(trial) == "diverged":
        told["constraints"] = [1.0]  # which the dashboard draws in grey
    if trial.number in pictures:
        picture = {"artifact_id": name, "mimetype": "image/png"}
        named = {**picture, "filename": f"trial-{trial.number}.png", "encoding": None}
        told["artifacts"] = [*told["artifacts"], named]


def _in_place_of(told: Mapping[str, Any], trial: FrozenTrial) -> dict[str, Any]:
    """Another trial in the dashboard's form, with what its card of the best trial shows."""
    params = [
        {**each, "param_external_value": str(trial.params[each["name"]])} for each in told["params"]
    ]
    own = {"trial_id": trial._trial_id, "number": trial.number, "params": params}
    return {**told, **own, "artifacts": []}


def _tell_note(told: dict[str, Any], text: str) -> None:
    if not told["note"]["version"]:
        told["note"] = {"version": 0, "body": text}


def _figure_ids(studied: Studied) -> list[str]:
    """Of the pictures in a study's note: others once there is more to show, so none is stale."""
    if not studied.trials:
        return []
    state = f"{len(studied.trials):x}-{int(studied.confirmation is not None)}"
    return [f"{index}-{state}" for index in range(len(PICTURES))]


def _picture_id(trial_id: int) -> str:
    return f"{trial_id:032x}"


def _rounded(value: float) -> float:
    """A number with the digits that mean something; the page shows all that it is told."""
    return float(f"{value:.6g}")


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]
