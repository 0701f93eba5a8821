"""The notes on studies and trials, in Markdown."""

import optuna
import pytest

from lrtune.dashboard.attributes import trial_attributes
from lrtune.dashboard.notes import escaped, study_note, trial_note
from lrtune.review.study import Study
from lrtune.tuning.result import read_result
from tests.dashboard.client import Client

pytest.importorskip("optuna_dashboard")


def test_the_note_says_what_is_recommended_how_sure_it_is_and_how_to_repeat_it(
    client: Client,
) -> None:
    note, study = client.study()["note"]["body"], Study(read_result("iris", "lrtune.journal"))
    assert study.confirmation is not None

    assert note.startswith("# Recommended: learning\\_rate\\_init")
    for heading in ("Warnings", "Best settings", "Outcomes of a trial", "Reproduce it"):
        assert f"## {heading}\n" in note or heading == "Warnings"
    assert f"{study.confirmation.recommended.loss:.4g} ±" in note
    assert all(escaped(warning) in note for warning in study.warnings)
    assert "lrtune search iris --trials 24" in note
    assert "lrtune export iris --to torch" in note
    best = study.confirmation.contenders[0].trial
    assert f"[{best}](trials?numbers={best})" in note


def test_a_trials_note_says_what_fresh_replicates_said_of_it(client: Client) -> None:
    confirmation = Study(read_result("iris", "lrtune.journal")).confirmation
    assert confirmation is not None
    told = {each["number"]: each["note"]["body"] for each in client.study()["trials"]}

    chosen, *others = confirmation.contenders
    assert told[chosen.trial].startswith("### complete")
    assert f"further ones: **{confirmation.recommended.loss:.4g} ±" in told[chosen.trial]
    for each in others:
        assert f"on {each.replicates} fresh replicates" in told[each.trial]
        assert f"{each.status}." in told[each.trial]
    assert told[0].startswith("### complete, the untuned default")


def test_what_a_table_is_called_is_no_markup() -> None:
    assert escaped("<script>|`$x$`*_") == "\\<script\\>\\|\\`\\$x\\$\\`\\*\\_"


def test_pruned_and_failed_trials_have_notes(study: Study) -> None:
    trial = next(each for each in study.trials if each.state.name == "COMPLETE")
    trial.state = optuna.trial.TrialState.PRUNED
    assert "Stopped after 5 of 5 epochs" in trial_note(study, trial)
    trial.state = optuna.trial.TrialState.FAIL
    assert "no number" in trial_note(study, trial)
    assert trial_attributes(study, trial)["outcome"] == "failed"
    assert "## Best settings" in study_note(study)


def test_parameters_in_a_message_stay_code() -> None:
    assert escaped("use `resume=True` or `a*b`") == "use `resume=True` or \\`a\\*b\\`"
    assert escaped("`learning_rate_init=(0.01, 1)`") == "`learning_rate_init=(0.01, 1)`"


@pytest.mark.parametrize("text", ["`a=<b>`", "`a=$x$`", "`a|b`", "`a=\nb`", "` a`"])
def test_other_text_in_backticks_is_escaped(text: str) -> None:
    assert escaped(text).startswith("\\`")


def test_a_table_lists_the_replicates_of_a_trial(study: Study) -> None:
    trial = next(trial for trial in study.trials if trial.state.name == "COMPLETE")
    note = trial_note(study, trial).replace("&nbsp;", "")

    assert "| replicate | loss | score |" in note
    assert note.count("\n| ") == 2 + study.n_replicates
