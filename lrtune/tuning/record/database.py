"""An Optuna database that takes a block of trials in one transaction, and long texts on MySQL.

Optuna adds trial by trial, and looks before each loss and attribute whether it is there already: a
hundred statements a trial. A block's rows are the same, but inserted table by table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Insert, insert, inspect
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from lrtune.exceptions import InvalidInputError
from lrtune.support.secrets import masked

TEXT_BYTES = {"mysql": 65_535, "mariadb": 65_535}
"""Limit on a text, Optuna's type for attributes, by database; others have none."""
PART = "lrtune:part:"
"""Beginning of the keys under which the parts of a long text are stored."""
PARTS = "lrtune:parts"
"""Key of an object that is stored in place of a long text: the keys of its parts."""
CLAIM = 64 * "-"
"""As long as what is added to a study's name to claim work, see `lrtune.tuning.record.workers`."""
_LOSS = ("intermediate_value", "intermediate_value_type")


def behind(storage: BaseStorage) -> BlockDatabase:
    """Return the database behind the cache that Optuna puts before it."""
    database: BlockDatabase = storage._backend  # type: ignore[attr-defined]
    return database


class BlockDatabase(RDBStorage):
    """Optuna's database, in which finished trials are added in one transaction.

    What Optuna stores is the same, but for texts that the database would refuse or cut: those are
    split in parts.
    """

    def add_trials(self, study_id: int, trials: Sequence[FrozenTrial]) -> None:
        """Add trials, all or none."""
        if not trials:
            return
        with self.scoped_session() as session, session.begin():
            models.StudyModel.find_or_raise_by_id(study_id, session, for_update=True)
            added = _number([_trial_row(study_id, trial) for trial in trials], session)
            rows: dict[Any, list[dict[str, Any]]] = {}
            for row, trial in zip(added, trials, strict=True):
                for model, columns in self._rows(trial):
                    rows.setdefault(model, []).append({"trial_id": row.trial_id, **columns})
            for model, of_model in rows.items():
                session.execute(self._insert(model), of_model)

    def require_storable(self, study_name: str, parameters: Sequence[str]) -> None:
        """Raise InvalidInputError if a study could not have this name, or such parameters.

        MySQL may ignore case and accents, and may hold no letters but Latin ones.
        """
        if not self._holds([study_name + CLAIM]):
            raise InvalidInputError(
                "a study's name must be one that `storage` can hold, of at most "
                f"{models.MAX_INDEXED_STRING_LENGTH - len(CLAIM)} characters, but "
                f"{masked(self.url)} refuses {study_name!r}: choose another `study_name`, or make "
                "a database with the character set utf8mb4"
            )
        if not self._holds(parameters):
            raise InvalidInputError(
                "parameters must have names that `storage` can hold and tell apart, but "
                f"{masked(self.url)} cannot with {', '.join(parameters)}: rename those that "
                "differ in case or accents alone, or make a database with the character set utf8mb4"
            )

    def _holds(self, names: Sequence[str]) -> bool:
        """Return whether a trial could have parameters of these names: it is tried, and undone."""
        session = self.scoped_session()
        try:
            trial = models.TrialModel(state=TrialState.RUNNING)
            session.add(trial)
            session.flush()
            rows = [{"trial_id": trial.trial_id, "param_name": name} for name in names]
            session.execute(insert(models.TrialParamModel), rows)
        except (DataError, IntegrityError):
            return False
        finally:
            session.rollback()
            session.close()
        return True

    def _insert(self, model: Any) -> Insert:
        """Return a statement that inserts rows.

        PostgreSQL's driver sends it once for each row, unless something is to be returned.
        """
        statement = insert(model)
        if self.engine.dialect.name == "postgresql":
            statement = statement.returning(inspect(model).primary_key[0])
        return statement

    def _rows(self, trial: FrozenTrial) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Yield all of a trial but its row in the table of trials, as Optuna stores it."""
        values, losses = models.TrialValueModel, models.TrialIntermediateValueModel
        for objective, value in enumerate(trial.values or ()):
            number, kind = values.value_to_stored_repr(value)
            yield values, {"objective": objective, "value": number, "value_type": kind}
        for name, value in trial.params.items():
            distribution = trial.distributions[name]
            yield (
                models.TrialParamModel,
                {
                    "param_name": name,
                    "param_value": distribution.to_internal_repr(value),
                    "distribution_json": distribution_to_json(distribution),
                },
            )
        for key, value in trial.user_attrs.items():
            for each, part in self._parts(key, value):
                row = {"key": each, "value_json": json.dumps(part)}
                yield models.TrialUserAttributeModel, row
        for key, value in trial.system_attrs.items():
            yield models.TrialSystemAttributeModel, {"key": key, "value_json": json.dumps(value)}
        for step, loss in trial.intermediate_values.items():
            stored = losses.intermediate_value_to_stored_repr(loss)
            yield losses, {"step": step, **dict(zip(_LOSS, stored, strict=True))}

    # --- long texts -------------------------------------------------------------------------------

    def _parts(self, key: str, value: Any) -> Iterator[tuple[str, Any]]:
        """Yield attributes that hold a value: the parts of one that is too long come first.

        The parts' keys tell their content, so that parts and what names them always agree.
        """
        text, limit = json.dumps(value), TEXT_BYTES.get(self.engine.dialect.name)
        if limit is not None and len(text) > limit:  # it is ASCII
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            size = limit // 2 - 1  # a part is quoted, which may double it
            parts = {
                f"{PART}{digest}:{start // size}": text[start : start + size]
                for start in range(0, len(text), size)
            }
            yield from parts.items()
            value = {PARTS: list(parts)}
        yield key, value

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        for each, part in self._parts(key, value):
            super().set_study_user_attr(study_id, each, part)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return _joined(super().get_study_user_attrs(study_id))

    def get_all_studies(self) -> list[FrozenStudy]:
        studies = super().get_all_studies()
        for study in studies:
            study.user_attrs = _joined(study.user_attrs)
        return studies

    def _build_frozen_trial_from_trial_model(self, trial: models.TrialModel) -> FrozenTrial:
        built = super()._build_frozen_trial_from_trial_model(trial)
        built.user_attrs = _joined(built.user_attrs)
        return built


def _trial_row(study_id: int, trial: FrozenTrial) -> models.TrialModel:
    return models.TrialModel(
        study_id=study_id,
        state=trial.state,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
    )


def _number(rows: Sequence[models.TrialModel], session: Session) -> Sequence[models.TrialModel]:
    """Insert rows in the table of trials, numbered from that of the study's trials before them.

    The study's row is locked; SQLite, which has no such lock, is locked by the first insertion.
    """
    first, *others = rows
    session.add(first)
    session.flush()
    n_before = first.number = first.count_past_trials(session)
    for number, row in enumerate(others, n_before + 1):
        row.number = number
    session.add_all(others)
    session.flush()
    return rows


def _joined(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with long texts in one, without their parts."""
    return {
        key: _whole(value, attributes)
        for key, value in attributes.items()
        if not key.startswith(PART)
    }


def _whole(value: Any, attributes: Mapping[str, Any]) -> Any:
    if isinstance(value, dict) and value.keys() == {PARTS}:
        return json.loads("".join(attributes[key] for key in value[PARTS]))
    return value
