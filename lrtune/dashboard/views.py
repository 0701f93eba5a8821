"""Notes, attributes, figures and pictures that lrtune adds to its studies in the dashboard.

They are a plugin of Bottle, the dashboard's web framework, that extends the dashboard's responses.
A note that a user wrote in the dashboard replaces lrtune's.
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
    capped_curve,
    capped_value,
    objective_name,
    study_attributes,
    trial_attributes,
    trial_columns,
)
from lrtune.dashboard.charts import CHARTS
from lrtune.dashboard.notes import study_note, trial_note
from lrtune.dashboard.pictures import PICTURES, draw_study, draw_trial, trials_with_picture
from lrtune.exceptions import InvalidInputError
from lrtune.review.study import Study
from lrtune.tuning.record.schema import SearchFacts
from lrtune.tuning.record.trials import status
from lrtune.tuning.result import result_of

_STUDIES = "/api/studies"
_STUDY = "/api/studies/<study_id:int>"
_FIGURE = "/artifacts/<study_id:int>/<artifact_id:re:[0-9a-fA-F-]+>"
_PICTURE = "/artifacts/<study_id:int>/<trial_id:int>/<artifact_id:re:[0-9a-fA-F-]+>"

Callback = Callable[..., Any]


class NoFiles:
    """An artifact store without files, since pictures are drawn on request."""

    def open_reader(self, artifact_id: str) -> BinaryIO:
        raise ArtifactNotFound(artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:  # noqa: ARG002
        raise InvalidInputError(f"files are not kept, but got {artifact_id!r}")

    def remove(self, artifact_id: str) -> None:
        raise ArtifactNotFound(artifact_id)


class Annotations:
    """Adds notes, attributes, figures and pictures to the dashboard's responses."""

    name, api = "lrtune", 2  # required of a plugin by Bottle

    def __init__(self, storage: BaseStorage, public_name: str) -> None:
        self.store = NoFiles()
        self._storage = storage
        self._public_name = public_name
        self._drawing = threading.Lock()  # a page requests several at once; fonts are shared
        self._views: dict[str, Callback] = {
            _STUDIES: self._studies,
            _STUDY: self._study,
            _FIGURE: self._figure,
            _PICTURE: self._picture,
        }

    def annotate(self, dashboard: Any) -> None:
        """Install this plugin in a dashboard, or refuse one with other routes."""
        rules = {route.rule for route in dashboard.routes if route.method == "GET"}
        if not rules.issuperset(self._views):
            raise InvalidInputError(
                "the dashboard must be one that lrtune supports, but this release of "
                "optuna-dashboard is not: pip install --force-reinstall 'lrtune[dashboard]'"
            )
        dashboard.install(self)

    def apply(self, callback: Callback, route: Any) -> Callback:
        """Wrap the callback of a route that this plugin annotates; Bottle calls this for each."""
        view = self._views.get(route.rule) if route.method == "GET" else None
        if view is None:
            return callback
        return functools.wraps(callback)(functools.partial(view, callback))

    def _studies(self, callback: Callback) -> Any:
        """Hide the raw attributes of lrtune's studies in the list of studies.

        Readable ones, for which all of its trials must be read, are on each study's own page.
        """
        response = callback()
        for summary in response["study_summaries"] if isinstance(response, dict) else ():
            if self._is_own(summary["study_id"]):
                summary["user_attrs"] = None
        return response

    def _study(self, callback: Callback, study_id: int) -> Any:
        response = callback(study_id=study_id)
        if isinstance(response, dict) and "trials" in response:
            study = self._read(study_id)
            if study is not None:
                _annotate_study(response, study, study_id)
                _annotate_trials(response, study)
        return response

    def _figure(self, callback: Callback, study_id: int, artifact_id: str) -> Any:
        """Return a picture of a study's note, or the dashboard's own artifact."""
        study = self._read(study_id)
        names = [] if study is None else _figure_ids(study)
        if study is None or artifact_id not in names:
            return callback(study_id=study_id, artifact_id=artifact_id)
        with self._drawing:
            return _png(draw_study(study, names.index(artifact_id)))

    def _picture(self, callback: Callback, study_id: int, trial_id: int, artifact_id: str) -> Any:
        """Return a trial's picture, or the dashboard's own artifact."""
        study = self._read(study_id) if artifact_id == _picture_id(trial_id) else None
        trials = {} if study is None else {trial._trial_id: trial for trial in study.trials}
        if study is None or trial_id not in trials:
            return callback(study_id=study_id, trial_id=trial_id, artifact_id=artifact_id)
        with self._drawing:
            return _png(draw_trial(study, trials[trial_id]))

    def _is_own(self, study_id: int) -> bool:
        """Return True for a study of lrtune's that has not just been deleted."""
        try:
            return SearchFacts.KEY in self._storage.get_study_user_attrs(study_id)
        except KeyError:
            return False

    def _read(self, study_id: int) -> Study | None:
        """Read one of lrtune's studies; None for another program's."""
        if not self._is_own(study_id):
            return None
        name = self._storage.get_study_name_from_id(study_id)
        opened = optuna.load_study(study_name=name, storage=self._storage)
        return Study(result_of(opened, self._public_name))


def _png(content: bytes) -> Any:
    from bottle import HTTPResponse

    return HTTPResponse(io.BytesIO(content), headers={"Content-Type": "image/png"})


def _annotate_study(response: dict[str, Any], study: Study, study_id: int) -> None:
    response["user_attrs"] = _pairs(study_attributes(study))
    response["union_user_attrs"] = [
        {"key": name, "sortable": sortable} for name, sortable in trial_columns(study).items()
    ]
    response.setdefault("objective_names", [objective_name(study)])
    addresses = [f"/artifacts/{study_id}/{name}" for name in _figure_ids(study)]
    _add_note(response, study_note(study, addresses))
    charts = [
        {"id": f"lrtune-{name}", "graph_object": json.dumps(chart(study))}
        for name, chart in CHARTS.items()
        if study.trials
    ]
    response["plotly_graph_objects"] = [*charts, *response["plotly_graph_objects"]]


def _annotate_trials(response: dict[str, Any], study: Study) -> None:
    if study.sign < 0:
        response["directions"] = ["maximize"]
    trials = {trial._trial_id: trial for trial in (*study.trials, *study.result.surplus)}
    with_picture = trials_with_picture(study)
    recommended = study.recommended_trial
    if recommended is not None and response["best_trials"]:
        response["best_trials"] = [_replace_trial(response["best_trials"][0], recommended)]
    for entry in (*response["trials"], *response["best_trials"]):
        trial = trials.get(entry["trial_id"])
        if trial is not None:
            _annotate_trial(entry, study, trial, has_picture=trial.number in with_picture)


def _annotate_trial(
    entry: dict[str, Any], study: Study, trial: FrozenTrial, *, has_picture: bool
) -> None:
    entry["user_attrs"] = _pairs(trial_attributes(study, trial))
    picture_id = _picture_id(trial._trial_id)
    path = f"/artifacts/{entry['study_id']}/{trial._trial_id}/{picture_id}"
    _add_note(entry, f"{trial_note(study, trial)}\n![losses and learning rates]({path})\n")
    if "values" in entry:
        entry["values"] = [_rounded(capped_value(study, trial))]
    entry["intermediate_values"] = [
        {"step": epoch, "value": _rounded(loss)}
        for epoch, loss in capped_curve(study, trial).items()
    ]
    if status(trial) == "diverged":
        entry["constraints"] = [1.0]  # violated, so the dashboard draws the trial in grey
    if has_picture:
        name = f"trial-{trial.number}.png"
        artifact = {"artifact_id": picture_id, "mimetype": "image/png", "filename": name}
        entry["artifacts"] = [*entry["artifacts"], artifact | {"encoding": None}]


def _replace_trial(entry: Mapping[str, Any], trial: FrozenTrial) -> dict[str, Any]:
    """Return the dashboard's entry of a best trial, changed to show another trial."""
    params = [
        {**param, "param_external_value": str(trial.params[param["name"]])}
        for param in entry["params"]
    ]
    return {
        **entry,
        "trial_id": trial._trial_id,
        "number": trial.number,
        "params": params,
        "artifacts": [],
    }


def _add_note(entry: dict[str, Any], text: str) -> None:
    if not entry["note"]["version"]:
        entry["note"] = {"version": 0, "body": text}


def _figure_ids(study: Study) -> list[str]:
    """Return ids of the pictures in a study's note; they change with it, so none is cached."""
    if any(picture.missing(study) for picture in PICTURES):
        return []
    state = f"{len(study.trials):x}-{int(study.confirmation is not None)}"
    return [f"{index}-{state}" for index in range(len(PICTURES))]


def _picture_id(trial_id: int) -> str:
    return f"{trial_id:032x}"


def _rounded(value: float) -> float:
    """Round to six digits, since the page shows every digit."""
    return float(f"{value:.6g}")


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]
