"""A block of trials in a database: Optuna's own rows, in one transaction and few statements."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy.engine import Engine

from lrtune.tuning.record import database
from lrtune.tuning.record.database import PART, BlockDatabase
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.sampling.asking import BLOCK_SIZE
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.protocol import Outcome
from tests.tuning.record.facts import FACTS

URL = "sqlite:///record.db"
EPOCHS = 20


def made(seed: int, **changes: Any) -> FrozenTrial:
    curves = np.random.default_rng(seed).random((3, EPOCHS))
    setting = Setting(0.01 * (1 + seed), "cosine", 0.1)
    outcome = Outcome(setting, curves, curves[:, 0], epochs=3.0 * EPOCHS, trainings=3, **changes)
    begun = datetime(2026, 1, 1)
    return to_trial(setting.params, outcome, FACTS.space, (4, 5, 6), cap=9.0, begun=begun)


BLOCK = [made(seed) for seed in range(BLOCK_SIZE)]


def rows(url: str) -> dict[str, list[Any]]:
    """Return all that is in a database, by table, but for the day on which Optuna made it."""
    engine = sqlalchemy.create_engine(url)
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        found = {
            table.name: list(map(tuple, connection.execute(sqlalchemy.select(table))))
            for table in metadata.sorted_tables
        }
    engine.dispose()
    return found


@contextmanager
def statements() -> Iterator[Counter[str]]:
    """Count the statements that go to databases, a statement for many rows as one."""
    seen: Counter[str] = Counter()

    def count(*told: Any) -> None:
        seen[told[2]] += 1

    sqlalchemy.event.listen(Engine, "before_cursor_execute", count)
    yield seen
    sqlalchemy.event.remove(Engine, "before_cursor_execute", count)


def test_the_rows_are_those_that_optuna_itself_stores(folder: Path) -> None:
    extreme = made(20)
    extreme.intermediate_values |= {30: float("inf"), 31: float("-inf"), 32: float("nan")}
    trials = [*BLOCK, extreme, made(21, failure="MemoryError"), made(22, pruned=True)]
    theirs = RDBStorage("sqlite:///theirs.db")
    optuna.create_study(storage=theirs, study_name="study").add_trials(trials)
    ours = BlockDatabase("sqlite:///ours.db")
    study = optuna.create_study(storage=ours, study_name="study")
    for block in (trials[:3], [], trials[3:]):
        database.add_trials(study, block)
    for storage in (ours, theirs):
        storage.engine.dispose()

    assert rows("sqlite:///ours.db") == rows("sqlite:///theirs.db")


def test_a_block_takes_few_statements_and_is_added_whole_or_not_at_all(folder: Path) -> None:
    record = Record.create(URL, "study", FACTS)
    with statements() as seen:
        before = record.push(BLOCK, seen=[])

    assert seen.total() <= 300
    assert [trial.number for trial in before] == list(range(BLOCK_SIZE))

    broken = made(20)
    broken.user_attrs["seconds"] = {1}  # JSON has no sets
    with pytest.raises(TypeError):
        record.push([*BLOCK, broken], seen=before)
    assert record.pull() == before


def test_a_text_that_is_too_long_for_mysql_is_stored_in_parts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database.TEXT_BYTES, "sqlite", 500)
    long, longer = ['"\\é' * 100] * 3, {"numbers": list(range(1000))}
    record = Record.create(URL, "study", FACTS)
    for values in (longer, long, "short", long):
        record.write_json("fact", values)

        assert Record.look(URL, "study").read_json("fact") == values
    trial = made(1)
    trial.user_attrs["failure"] = long
    (stored,) = record.push([trial], seen=[])
    study = record.study
    (summary,) = study._storage.get_all_studies()

    assert stored.user_attrs == trial.user_attrs
    assert study.user_attrs == summary.user_attrs
    assert not any(key.startswith(PART) for key in study.user_attrs)
    texts = [text for _, _, _, text in rows(URL)["study_user_attributes"]]
    texts += [text for _, _, _, text in rows(URL)["trial_user_attributes"]]
    assert max(map(len, texts)) <= 500
