"""A journal loses nothing: half-written lines, full disks, stale locks, several writers."""

import multiprocessing
import os
import warnings
from collections import Counter
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from lrtune.exceptions import RecordLostError, RecordWarning
from lrtune.tuning.record.journal import LOCK_SECONDS, BlockJournal
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import TrialFacts
from tests.full_disk import largest_file
from tests.tuning.record.facts import FACTS


def trials(n: int, start: int = 0) -> list[FrozenTrial]:
    return [
        create_trial(state=TrialState.COMPLETE, value=float(i), user_attrs={"curve": [0.5] * 20})
        for i in range(start, start + n)
    ]


def resumed() -> Record:
    return Record.resume("record.journal", "study", FACTS)


@pytest.mark.parametrize("step", [17, pytest.param(3, marks=pytest.mark.slow)])
def test_a_journal_cut_anywhere_in_its_last_lines_keeps_its_whole_lines(
    folder: Path, step: int
) -> None:
    record = Record.create("record.journal", "study", FACTS)
    record.push(trials(5), seen=[])
    content = Path("record.journal").read_bytes()
    whole = content.splitlines(keepends=True)
    for cut in range(len(content) - len(whole[-1]) - len(whole[-2]), len(content), step):
        Path("record.journal").write_bytes(content[:cut])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kept = resumed().pull()
        n_lines = content[:cut].count(b"\n")

        assert [trial.value for trial in kept] == [float(i) for i in range(n_lines - 2)]
        assert Path("record.journal").read_bytes() == b"".join(whole[:n_lines])
        assert len(caught) == (not content[:cut].endswith(b"\n"))


def test_a_half_line_of_another_process_is_cut_off_before_the_next_one(
    folder: Path,
) -> None:
    record = Record.create("record.journal", "study", FACTS)
    record.push(trials(2), seen=[])
    with Path("record.journal").open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    with pytest.warns(RecordWarning, match="half-written line of 17 bytes"):
        record.push(trials(2, start=2), seen=record.pull())

    assert [trial.value for trial in resumed().pull()] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("room", [0, 1, 700, 3000])
def test_a_full_disk_loses_no_earlier_trial_and_leaves_no_half_written_line(
    folder: Path, room: int
) -> None:
    record = Record.create("record.journal", "study", FACTS)
    record.push(trials(3), seen=[])
    before = Path("record.journal").read_bytes()
    with (
        largest_file(len(before) + room),
        pytest.raises(RecordLostError, match=r"record.journal can no longer be used \(OSError: "),
    ):
        record.push(trials(16, start=3), seen=record.pull())
    after = Path("record.journal").read_bytes()

    assert after.startswith(before)
    assert after.endswith(b"\n")
    assert len(resumed().pull()) in (3, 4)  # the first trial of a block may have had room
    again = resumed()
    again.push(trials(4, start=3), seen=again.pull())


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_record_that_is_deleted_or_replaced_is_not_created_again(
    folder: Path, replaced: bool
) -> None:
    record = Record.create("record.journal", "study", FACTS)
    record.push(trials(3), seen=[])
    seen = record.pull()
    content = Path("record.journal").read_bytes()
    Path("record.journal").unlink()
    if replaced:
        Path("record.journal").write_bytes(content)
    with pytest.raises(RecordLostError, match="replaced" if replaced else "deleted"):
        record.push(trials(2), seen=seen)

    assert Path("record.journal").exists() is replaced
    assert not replaced or Path("record.journal").read_bytes() == content


@pytest.mark.filterwarnings("ignore:The value of `grace_period` might be too small")
def test_a_lock_left_by_a_killed_run_is_removed_with_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtune.tuning.record.journal.LOCK_SECONDS", 0.5)
    record = Record.create("record.journal", "study", FACTS)
    Path("record.journal.lock").symlink_to("record.journal")
    with pytest.warns(RecordWarning, match="lock on record.journal was removed"):
        record.push(trials(1), seen=[])

    assert len(resumed().pull()) == 1
    assert not os.path.lexists("record.journal.lock")
    assert LOCK_SECONDS < 10


def _write(number: int, folder: str, n_blocks: int) -> None:
    os.chdir(folder)
    record = Record.resume("record.journal", "study", FACTS)
    for _ in range(n_blocks):
        record.push(trials(4), seen=record.pull(), worker=number)


@pytest.mark.slow
def test_several_processes_write_into_one_study_at_once(folder: Path) -> None:
    n_processes = 3
    Record.create("record.journal", "study", FACTS)
    context = multiprocessing.get_context("spawn")
    numbers = range(1, n_processes + 1)
    processes = [
        context.Process(target=_write, args=(number, str(folder), 10)) for number in numbers
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    finished = resumed().pull()
    by_worker = Counter(TrialFacts.of(trial).worker for trial in finished)

    assert [process.exitcode for process in processes] == [0] * n_processes
    assert by_worker == dict.fromkeys(numbers, 40)
    assert [trial.number for trial in finished] == list(range(40 * n_processes))


def test_the_journal_is_found_after_a_change_of_folder(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")
    record.push(trials(2), seen=[])
    os.chdir("..")

    assert len(resumed().pull()) == 2
    assert not list(Path("elsewhere").iterdir())


def test_a_journal_of_another_program_is_written_by_both(folder: Path) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    record = Record.create("record.journal", "study", FACTS)
    theirs = optuna.load_study(
        study_name="study", storage=JournalStorage(JournalFileBackend("record.journal"))
    )
    record.push(trials(2), seen=[])
    theirs.set_user_attr("note", "seen")
    seen = record.pull()
    record.push(trials(2), seen=seen)

    assert len(theirs.trials) == 4
    assert resumed().study.user_attrs["note"] == "seen"
    assert BlockJournal("record.journal").read_logs(0) is not None
