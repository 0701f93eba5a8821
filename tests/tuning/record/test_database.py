"""A block of trials in a database: Optuna's own rows, in one transaction and few statements."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy.engine import Engine

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.record import database
from lrtune.tuning.record.database import CLAIM, PART, BlockDatabase, behind
from lrtune.tuning.record.manage import rename
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.sampling.asking import BLOCK_SIZE
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.protocol import Outcome
from tests.mariadb import MariaDB
from tests.tuning.record.facts import FACTS

URL = "sqlite:///record.db"
REAL = Dimension(FloatDistribution(0.0, 1.0))
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
    trials = [BLOCK[0], made(21, failure="MemoryError"), made(22, pruned=True), extreme]
    theirs = RDBStorage("sqlite:///theirs.db")
    optuna.create_study(storage=theirs, study_name="study").add_trials(trials)
    ours = BlockDatabase("sqlite:///ours.db")
    study = optuna.create_study(storage=ours, study_name="study")
    for block in (trials[:1], [], trials[1:]):
        ours.add_trials(study._study_id, block)
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


def test_parameters_of_one_name_are_refused_and_nothing_is_left_of_the_attempt(
    folder: Path,
) -> None:
    record = Record.create(URL, "study", FACTS)
    before = rows(URL)
    with pytest.raises(InvalidInputError, match="differ in case or accents alone"):
        behind(record.study._storage).require_storable("study", ["a", "b", "a"])

    assert rows(URL) == before


# --- MariaDB --------------------------------------------------------------------------------------


@pytest.mark.mariadb
@pytest.mark.slow
def test_mariadb_gives_back_what_it_was_given(mariadb: MariaDB) -> None:
    url = mariadb.create("kept")
    record = Record.create(url, "study", FACTS)
    with statements() as seen:
        before = record.push(BLOCK, seen=[])
    assert seen.total() <= 300
    for kept, given in zip(before, BLOCK, strict=True):
        assert kept.value == given.value
        assert kept.params == given.params
        assert kept.distributions == given.distributions
        assert kept.user_attrs == given.user_attrs
        assert kept.intermediate_values == given.intermediate_values

    random = np.random.default_rng(0)
    numbers = random.random(200) * 10.0 ** random.integers(-300, 300, 200)
    extreme = made(20)
    extreme.intermediate_values = dict(enumerate([*numbers.tolist(), 5e-324, -0.0, float("inf")]))
    extreme.user_attrs["failure"] = long = '"\\é' * 30_000
    record.write_json("environment", long)
    after = record.push([extreme], seen=before)

    assert after[-1].intermediate_values == extreme.intermediate_values
    assert after[-1].user_attrs == extreme.user_attrs
    assert Record.look(url, "study").read_json("environment") == long


@pytest.mark.mariadb
@pytest.mark.slow
def test_names_that_mariadb_does_not_tell_apart(mariadb: MariaDB) -> None:
    url = mariadb.create("named")
    record = Record.create(url, "größe", FACTS)

    assert Record.create(url, "GRÖSSE", FACTS).name == "GRÖSSE"
    assert Record.create(url, "Größe", FACTS).name == "Größe-2"
    assert Record.open(url, "größe", FACTS).name == "größe"
    with pytest.raises(InvalidInputError, match="none named 'Größe'"):
        Record.look(url, "Größe")
    with pytest.raises(InvalidInputError, match="does not tell 'Grösse' from"):
        rename(record, "Grösse")
    assert rename(record, "weite").name == "weite"


@pytest.mark.mariadb
@pytest.mark.slow
def test_names_that_mariadb_cannot_hold_are_refused_at_the_door(mariadb: MariaDB) -> None:
    url = mariadb.create("limited", character_set="latin1")
    others = (("A", REAL), ("a", REAL))
    alike = replace(FACTS, space=replace(FACTS.space, others=others))
    greek = replace(FACTS, space=replace(FACTS.space, others=(("σ", REAL),)))
    for name, facts, fragment in (
        ("σ", FACTS, "a study's name must be .* refuses 'σ'"),
        ("x" * 449, FACTS, "of at most 448 characters"),
        ("study", alike, "tell apart, .* cannot with learning_rate_init, .* A, a: rename"),
        ("study", greek, "names that `storage` can hold"),
    ):
        with pytest.raises(InvalidInputError, match=fragment) as refused:
            Record.create(url, name, facts)
        assert "s3cr3t" not in str(refused.value)

    opened, _ = open_storage(url)
    assert optuna.get_all_study_names(opened) == []
    assert Record.create(url, "x" * 448, FACTS).claim("x" * 448 + CLAIM)
