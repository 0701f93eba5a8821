"""The list of studies in a record."""

from pathlib import Path

import optuna
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.review.studies import summarise_studies
from lrtune.tuning.record.trials import TrialCounts
from lrtune.tuning.result import read_result

RELEASE = Path(__file__).parents[1] / "release"


@pytest.mark.parametrize(
    ("journal", "study"), [("table", "houses"), ("python", "wide"), ("interrupted", "iris")]
)
def test_a_study_is_summarised_by_its_recommendation(journal: str, study: str) -> None:
    path = str(RELEASE / f"{journal}.journal")
    (summary,) = summarise_studies(path)
    result = read_result(study, path)

    assert (summary.study, summary.dataset) == (study, result.dataset)
    assert (summary.trials, summary.best) == (result.trials, result.best)
    if result.confirmation is not None:
        assert summary.best_loss == result.confirmed_loss
    else:
        assert summary.best_loss == result.recommended_trial.value


def test_other_programs_studies_are_left_out(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/theirs.db"
    optuna.create_study(storage=storage, study_name="theirs")

    assert summarise_studies(storage) == []


def test_trials_are_counted_by_outcome() -> None:
    (summary,) = summarise_studies(str(RELEASE / "interrupted.journal"))

    assert summary.trials == TrialCounts(complete=13, pruned=0, diverged=3, failed=0)


def test_a_record_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"missing\.journal"):
        summarise_studies(str(tmp_path / "missing.journal"))
