"""The record of a study, in real storages."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from lrtune.exceptions import InvalidInputError, RecordConflictError, RecordWarning
from lrtune.tuning.record.journal import BlockJournal
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.storage import open_storage

FACTS = {"dataset": "iris", "space": {"decay": ["cosine"]}, "version": "0"}
STORAGES = ["record.journal", "sqlite:///record.db"]


def trials(n: int) -> list[optuna.trial.FrozenTrial]:
    return [
        create_trial(state=TrialState.COMPLETE, value=float(i), intermediate_values={1: float(i)})
        for i in range(n)
    ]


@pytest.mark.parametrize("storage", STORAGES)
def test_what_is_pushed_is_pulled_in_order(folder: Path, storage: str) -> None:
    record = Record.create(storage, "study", FACTS)
    record.push(trials(3), known=[])
    record.push(trials(2), known=record.pull())
    pulled = Record.resume(storage, "study", FACTS).pull()

    assert [trial.value for trial in pulled] == [0.0, 1.0, 2.0, 0.0, 1.0]
    assert [trial.number for trial in pulled] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("storage", STORAGES)
def test_a_taken_name_gets_a_number(folder: Path, storage: str) -> None:
    names = [Record.create(storage, "study", FACTS).name for _ in range(3)]

    assert names == ["study", "study-2", "study-3"]


def test_a_block_is_written_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record.create("record.journal", "study", FACTS)
    sizes = []
    append = BlockJournal._append
    monkeypatch.setattr(
        BlockJournal, "_append", lambda self, logs: (sizes.append(len(logs)), append(self, logs))
    )
    record.push(trials(16), known=[])

    assert sizes == [1, 15]


def test_a_block_that_fails_writes_nothing(folder: Path) -> None:
    journal = BlockJournal("record.journal")

    def interrupted_block() -> None:
        with journal.block():
            journal.append_logs([{"op_code": 0}])
            raise KeyError

    with pytest.raises(KeyError):
        interrupted_block()

    assert Path("record.journal").read_bytes() == b""
    journal.append_logs([{"op_code": 0}])
    assert Path("record.journal").read_bytes() != b""


def test_two_studies_in_one_file_keep_apart(folder: Path) -> None:
    first = Record.create("record.journal", "study", FACTS)
    second = Record.create("record.journal", "study", FACTS)
    for _ in range(3):
        first.push(trials(5), known=first.pull())
        second.push(trials(4), known=second.pull())

    assert (len(first.pull()), len(second.pull())) == (15, 12)


def test_two_writers_of_one_study_are_told(folder: Path) -> None:
    first = Record.create("record.journal", "study", FACTS)
    second = Record.resume("record.journal", "study", FACTS)
    first.push(trials(5), known=[])
    with pytest.raises(RecordConflictError, match="another search meanwhile"):
        second.push(trials(4), known=[])

    assert len(second.pull()) == 5


def test_two_writers_at_once_are_told_also_by_a_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Record.create("sqlite:///record.db", "study", FACTS)
    second = Record.resume("sqlite:///record.db", "study", FACTS)
    add = first.study.add_trials

    def late(more: list[optuna.trial.FrozenTrial]) -> None:
        second.push(trials(4), known=[])
        add(more)

    monkeypatch.setattr(first.study, "add_trials", late)
    with pytest.raises(RecordConflictError, match=r"another search meanwhile \(9 trials were"):
        first.push(trials(5), known=[])


def test_a_torn_line_is_cut_off_and_said(folder: Path) -> None:
    Record.create("record.journal", "study", FACTS).push(trials(2), known=[])
    whole = Path("record.journal").read_bytes()
    Path("record.journal").write_bytes(whole + b'{"op_code":4,"wor')
    with pytest.warns(RecordWarning, match="half-written line of 17 bytes"):
        record = Record.resume("record.journal", "study", FACTS)

    assert whole == Path("record.journal").read_bytes()
    assert len(record.pull()) == 2


def test_another_configuration_is_refused_by_name(folder: Path) -> None:
    Record.create("record.journal", "study", FACTS)
    with pytest.raises(InvalidInputError, match=r"with decay=\['cosine'\], and now \['step'\]"):
        Record.resume("record.journal", "study", FACTS | {"space": {"decay": ["step"]}})


def test_another_version_may_go_on(folder: Path) -> None:
    Record.create("record.journal", "study", FACTS)

    assert Record.resume("record.journal", "study", FACTS | {"version": "9"}).pull() == []


def test_a_study_without_its_first_attribute_is_taken_up(folder: Path) -> None:
    opened, _ = open_storage("record.journal")
    optuna.create_study(storage=opened, study_name="study")
    record = Record.resume("record.journal", "study", FACTS)

    assert record.study.user_attrs["lrtune"] == FACTS


def test_a_study_of_another_program_is_refused(folder: Path) -> None:
    opened, _ = open_storage("record.journal")
    optuna.create_study(storage=opened, study_name="study").add_trials(trials(1))
    with pytest.raises(InvalidInputError, match="made by another program"):
        Record.resume("record.journal", "study", FACTS)
