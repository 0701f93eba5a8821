"""The record of a study, in real storages."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from lrtune.exceptions import (
    InvalidInputError,
    LrtuneWarning,
    RecordConflictError,
    RecordWarning,
)
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.record.journal import BlockJournal
from lrtune.tuning.record.record import Record, open_own_study, read_facts, recorded_seed
from lrtune.tuning.record.schema import SCHEMA_VERSION, FunctionFacts, Plan, Source, Step
from lrtune.tuning.record.storage import open_storage
from tests.tuning.record.facts import FACTS

STORAGES = ["record.journal", "sqlite:///record.db"]


def trials(n: int) -> list[optuna.trial.FrozenTrial]:
    return [
        create_trial(state=TrialState.COMPLETE, value=float(i), intermediate_values={1: float(i)})
        for i in range(n)
    ]


@pytest.mark.parametrize("storage", STORAGES)
def test_trials_are_pulled_in_the_order_of_their_pushes(folder: Path, storage: str) -> None:
    record = Record.create(storage, "study", FACTS)
    record.push(trials(3), seen=[])
    record.push(trials(2), seen=record.pull())
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
    record.push(trials(16), seen=[])

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
        first.push(trials(5), seen=first.pull())
        second.push(trials(4), seen=second.pull())

    assert (len(first.pull()), len(second.pull())) == (15, 12)


def test_two_writers_of_one_study_are_refused(folder: Path) -> None:
    first = Record.create("record.journal", "study", FACTS)
    second = Record.resume("record.journal", "study", FACTS)
    first.push(trials(5), seen=[])
    with pytest.raises(RecordConflictError, match="another search in the meantime"):
        second.push(trials(4), seen=[])

    assert len(second.pull()) == 5


def test_two_writers_at_once_are_refused_in_a_database_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Record.create("sqlite:///record.db", "study", FACTS)
    second = Record.resume("sqlite:///record.db", "study", FACTS)
    add = Record.add

    def late(record: Record, more: list[optuna.trial.FrozenTrial]) -> None:
        if record is first:
            second.push(trials(4), seen=[])
        add(record, more)

    monkeypatch.setattr(Record, "add", late)
    with pytest.raises(RecordConflictError, match=r"in the meantime \(9 trials were"):
        first.push(trials(5), seen=[])


def test_a_half_written_line_is_cut_off_with_a_warning(folder: Path) -> None:
    Record.create("record.journal", "study", FACTS).push(trials(2), seen=[])
    whole = Path("record.journal").read_bytes()
    Path("record.journal").write_bytes(whole + b'{"op_code":4,"wor')
    with pytest.warns(RecordWarning, match="half-written line of 17 bytes"):
        record = Record.resume("record.journal", "study", FACTS)

    assert whole == Path("record.journal").read_bytes()
    assert len(record.pull()) == 2


NETWORK = FACTS.trainer
SCALER = Step("StandardScaler", "StandardScaler()", {"with_mean": True})
UNCENTRED = Step("StandardScaler", "StandardScaler(with_mean=False)", {"with_mean": False})
OTHERS = (("alpha", Dimension.of("alpha", (1e-6, 1e-2))),)


def network(**parameters: Any) -> Any:
    return replace(FACTS, trainer=replace(NETWORK, parameters=NETWORK.parameters | parameters))


def behind(*steps: Step) -> Any:
    return replace(FACTS, trainer=replace(NETWORK, steps=steps))


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        (FACTS, replace(FACTS, data=replace(FACTS.data, dataset="wine")), "`dataset='wine'`"),
        (FACTS, replace(FACTS, seed=1), "`seed=0`, and now `seed=1` is given"),
        (FACTS, replace(FACTS, replicates=3), "`replicates=3`"),
        (FACTS, replace(FACTS, scoring=["a"]), "`scoring=['a']`"),
        (FACTS, replace(FACTS, data_hash="e"), "`data='e'`"),
        (FACTS, replace(FACTS, splits_hash="e"), "`splits='e'`"),
        (FACTS, replace(FACTS, pruner="MedianPruner"), "`pruner='MedianPruner'`"),
        (FACTS, network(max_iter=4), "`max_iter=3`, and now `max_iter=4` is given"),
        (FACTS, network(class_weight={0: 2.0}), "`class_weight={0: 2.0}`"),
        (network(class_weight={0: 1.0}), network(class_weight={0: 2.0}), "`class_weight={0: 1.0}`"),
        (network(random_state=Source("a")), network(random_state=Source("b")), "`random_state=b`"),
        (FACTS, behind(SCALER), "`steps=()`, and now `steps=('StandardScaler',)`"),
        (behind(SCALER), behind(UNCENTRED), "`with_mean=True`, and now `with_mean=False`"),
        (behind(Step("A", "A(1)")), behind(Step("A", "A(2)")), "`steps=('A(2)',)`"),
        (FACTS, replace(FACTS, space=replace(FACTS.space, others=OTHERS)), "`alpha=FloatDist"),
        (
            FACTS,
            replace(FACTS, space=replace(FACTS.space, decay=("step",))),
            "`decay=('cosine',)`, and now `decay=('step',)` is given",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_search_is_refused_and_the_difference_named(
    folder: Path, first: Any, second: Any, difference: str
) -> None:
    Record.create("record.journal", "study", first)
    before = Path("record.journal").read_bytes()
    with pytest.raises(InvalidInputError) as refused:
        Record.resume("record.journal", "study", second)

    assert difference in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "resume=True" in str(refused.value)
    assert before == Path("record.journal").read_bytes()
    assert Record.resume("record.journal", "study", first).pull() == []


def test_another_version_may_go_on(folder: Path) -> None:
    Record.create("record.journal", "study", FACTS)

    assert Record.resume("record.journal", "study", replace(FACTS, version="9")).pull() == []


def test_a_study_killed_before_it_had_facts_is_resumed(folder: Path) -> None:
    opened, _ = open_storage("record.journal")
    optuna.create_study(storage=opened, study_name="study")
    record = Record.resume("record.journal", "study", FACTS)

    assert read_facts(record.study) == FACTS


def test_a_study_of_another_program_is_refused(folder: Path) -> None:
    opened, _ = open_storage("record.journal")
    optuna.create_study(storage=opened, study_name="study").add_trials(trials(1))
    with pytest.raises(InvalidInputError, match="made by another program"):
        Record.resume("record.journal", "study", FACTS)


@pytest.mark.parametrize("storage", STORAGES)
def test_facts_are_read_as_they_were_written(folder: Path, storage: str) -> None:
    facts = network(class_weight={0: 2.0}, hidden_layer_sizes=(50, 12), random_state=Source("r"))
    plan = Plan(n_trials=3, edges=((0.5, None),))
    record = Record.create(storage, "study", facts)
    record.write(plan)
    again = Record.look(storage, "study")

    assert read_facts(again.study) == facts
    assert again.read(Plan) == plan
    assert record.storage == again.storage == storage


def test_a_study_of_a_newer_release_is_refused_in_one_line(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    record.write_json("lrtune", {"schema": SCHEMA_VERSION + 1, "of a later release": True})
    before = Path("record.journal").read_bytes()
    for read in (
        lambda: read_facts(Record.look("record.journal", "study").study),
        lambda: Record.resume("record.journal", "study", FACTS),
    ):
        with pytest.raises(InvalidInputError) as refused:
            read()
        message = str(refused.value)

        assert f"schema {SCHEMA_VERSION}" in message
        assert f"'study' has {SCHEMA_VERSION + 1}" in message
        assert "upgrade lrtune" in message
        assert "\n" not in message
    assert before == Path("record.journal").read_bytes()


def test_a_study_is_opened_to_read_if_it_is_our_own(folder: Path) -> None:
    Record.create("record.journal", "study", FACTS)
    optuna.create_study(storage=open_storage("record.journal")[0], study_name="theirs")
    options = {"purpose": "export", "otherwise": "export it with Optuna"}

    assert open_own_study("record.journal", "study", **options).study_name == "study"
    with pytest.raises(InvalidInputError, match=r"to export must exist, .* it has study, theirs"):
        open_own_study("record.journal", "none", **options)
    with pytest.raises(InvalidInputError, match=r"'theirs' .*: export it with Optuna"):
        open_own_study("record.journal", "theirs", **options)


def test_a_record_is_opened_by_name_whether_or_not_it_exists(folder: Path) -> None:
    first, again = (Record.open("record.journal", "study", FACTS) for _ in range(2))

    assert first.name == again.name == "study"
    assert first.study._study_id == again.study._study_id


def test_a_seed_is_read_where_there_is_one(folder: Path) -> None:
    assert recorded_seed("record.journal", "study") is None
    assert not Path("record.journal").exists()
    Record.create("record.journal", "study", replace(FACTS, seed=7))
    optuna.create_study(storage=open_storage("record.journal")[0], study_name="theirs")

    assert recorded_seed("record.journal", "study") == 7
    assert recorded_seed("record.journal", "theirs") is None
    assert recorded_seed("record.journal", "none") is None


@pytest.mark.parametrize("storage", STORAGES)
def test_a_name_is_claimed_by_one_until_it_is_released(folder: Path, storage: str) -> None:
    first = Record.create(storage, "study", FACTS)
    second = Record.look(storage, "study")

    assert first.claim("work")
    assert not second.claim("work")
    assert second.is_claimed("work")
    first.release("work")
    first.release("work")
    assert not second.is_claimed("work")
    assert second.claim("work")


def test_a_file_or_folder_that_is_not_writable_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, _: path != folder)  # root may write anywhere
    with pytest.raises(InvalidInputError, match=r"`storage` must be writable, but .* is not: "):
        Record.create("record.journal", "study", FACTS)


# --- a user's function whose source changed -------------------------------------------------------


def facts_of_source(digest: str, path: str | None = "/home/me/train.py") -> Any:
    function = FunctionFacts("train", path, digest, "def train(): ...")
    return replace(FACTS, trainer=replace(FACTS.trainer, function=function))


@pytest.mark.parametrize("storage", STORAGES)
def test_a_resumed_search_warns_once_of_a_changed_source(folder: Path, storage: str) -> None:
    Record.create(storage, "study", facts_of_source("a" * 64))
    now = facts_of_source("b" * 64, path="/home/you/train.py")

    Record.resume(storage, "study", facts_of_source("a" * 64))
    with pytest.warns(
        LrtuneWarning, match=r"'study' goes on .* was /home/me/train.py \(a+\)"
    ) as told:
        record = Record.resume(storage, "study", now)
    assert "now is /home/you/train.py (bbbbbbbbbbbb)" in str(told[0].message)
    assert read_facts(record.study) == now
    Record.resume(storage, "study", now)


def test_a_worker_with_another_source_is_refused(folder: Path) -> None:
    Record.create("a.journal", "study", facts_of_source("a" * 64))
    before = (folder / "a.journal").read_bytes()

    with pytest.raises(InvalidInputError, match=r"a worker must train what .* copy the search's"):
        Record.join("a.journal", "study", facts_of_source("b" * 64, path=None))
    assert before == (folder / "a.journal").read_bytes()
    assert Record.join("a.journal", "study", facts_of_source("a" * 64, path=None)).is_shared
