"""Studies of a user's training function, as they are shown: by the user's own number and name."""

import functools
import html
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import lrtune
from lrtune.cli.summary import print_result
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
from lrtune.dashboard.pictures import draw_trial
from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.export.provenance import recommend
from lrtune.review.figures import draw_learning_curves, draw_losses, draw_outcomes, draw_profile
from lrtune.review.gallery import GALLERY
from lrtune.review.plots import plot_safe_range
from lrtune.review.report import render_figures, render_report
from lrtune.review.studies import summarise_studies
from lrtune.review.study import Study
from lrtune.review.tables import best_settings
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.record.trials import status
from lrtune.tuning.result import SearchResult, read_result
from tests.review.variants import changed

EPOCHS = 5
NOT_APPLYING = re.compile(r"\b(columns?|networks?|accuracy|R²|of a batch|a guess)\b", re.IGNORECASE)
"""Words about tables, networks and scores."""


def descend(schedule: Schedule, seed: int) -> Iterator[float]:
    """A quadratic with noise."""
    x = 10.0
    for epoch in range(EPOCHS):
        x -= float(schedule(epoch)) * (2 * x + random.gauss(0, 1))
        yield x * x


def ascend(schedule: Schedule, seed: int, momentum: float = 0.5) -> Iterator[dict[str, float]]:
    """The same with a number to maximise, and another one."""
    for epoch, loss in enumerate(descend(schedule, seed)):
        yield {"recall": 100 - loss, "distance": loss**0.5 + momentum + epoch}


def fragile(schedule: Schedule, seed: int) -> Iterator[float]:
    """The same, but rates above 0.6 kill it, and those above 2 raise an error."""
    rate = schedule.learning_rate_init
    if rate > 2:
        raise FloatingPointError("overflow in <step> 3")
    for loss in descend(schedule, seed):
        yield 100.0 if rate > 0.6 else loss


SEARCHES: dict[str, Callable[[str], SearchResult]] = {
    "minimised": lambda journal: lrtune.search(
        descend, epochs=EPOCHS, trainings=24, storage=journal
    ),
    "maximised": lambda journal: lrtune.search(
        ascend, epochs=EPOCHS, trainings=40, storage=journal,
        direction="maximize", metric="recall", space={"momentum": (0.1, 0.9)},
    ),
    "compared": lambda journal: lrtune.search(
        fragile, epochs=EPOCHS, trainings=80, storage=journal, metric="perplexity",
        default=0.01, warmup_epochs=0.5, update="batch", catch=[FloatingPointError],
    ),
    "unconfirmed": lambda journal: lrtune.search(
        descend, epochs=EPOCHS, trainings=15, storage=journal, confirm=False
    ),
}  # fmt: skip
NAMES = {"minimised": "loss", "maximised": "recall", "compared": "perplexity",
         "unconfirmed": "loss"}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SearchResult]:
    """Each search's result, read from its record."""
    folder = tmp_path_factory.mktemp("searched")
    found = {}
    for name, search in SEARCHES.items():
        journal = str(folder / f"{name}.journal")
        searched = search(journal)
        assert searched.study is not None
        found[name] = read_result(searched.study, journal)
    return found


@pytest.fixture(params=SEARCHES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def result(results: dict[str, SearchResult], kind: str) -> SearchResult:
    return results[kind]


@pytest.fixture
def study(result: SearchResult) -> Study:
    return Study(result)


@pytest.fixture(scope="module")
def page(results: dict[str, SearchResult]) -> Callable[[str], str]:
    """The report on each search, rendered once."""
    return functools.cache(lambda kind: render_report(results[kind]))


def words(page: str) -> str:
    """Return the text of a page, without its style, its figures, and the user's own source."""
    page = re.sub(r"<style>.*?</style>|<details>.*?</details>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(page).split())


def printed(result: SearchResult, capsys: pytest.CaptureFixture[str]) -> str:
    print_result(result, as_json=False)
    return capsys.readouterr().out


# --- all kinds ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_report_has_the_users_number_and_nothing_that_does_not_apply(
    kind: str, result: SearchResult, page: Callable[[str], str]
) -> None:
    text = words(page(kind))

    assert not NOT_APPLYING.findall(text)
    assert result.describe_loss().split(" ")[0] in text
    assert f"{NAMES[kind]} by initial rate" in text.replace("Loss", "loss").replace(
        "Perplexity", "perplexity"
    ).replace("Recall", "recall")
    assert f"It took {result.trainings['total']} trainings" in text


def test_the_summary_has_the_users_number_and_the_trainings(
    kind: str, result: SearchResult, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(result, capsys)
    rows = dict(line.split(maxsplit=1) for line in text.splitlines() if line)

    assert rows[NAMES[kind]].startswith(result.describe_loss())
    assert rows["trainings"].startswith(f"{result.trainings['total']} ")
    assert ("not confirmed" in text) == (kind == "unconfirmed")
    assert f"{result.facts.trainer.estimator}(lrtune.Schedule(learning_rate_init=" in text
    assert not NOT_APPLYING.findall(text)


def test_the_json_object_can_be_printed(
    result: SearchResult, capsys: pytest.CaptureFixture[str]
) -> None:
    print_result(result, as_json=True)
    values = json.loads(capsys.readouterr().out)

    assert values["trainings"] == result.trainings
    assert values["score"] is None
    assert values["task"] == "training"


def test_the_notes_have_the_users_name_and_nothing_that_does_not_apply(
    kind: str, study: Study
) -> None:
    notes = [study_note(study, ["a", "b"]), *(trial_note(study, trial) for trial in study.trials)]
    attributes = study_attributes(study)
    text = " ".join(["\n".join(notes), *attributes, *attributes.values()])

    assert not NOT_APPLYING.findall(text)
    assert f"search {NAMES[kind]}" in text
    assert NAMES[kind] in objective_name(study)
    assert attributes["function"].endswith(f"{EPOCHS} epochs, seed 0")
    assert attributes["trainings"].startswith(f"{study.result.trainings['total']}: ")


def test_every_attribute_of_a_trial_has_a_column(study: Study) -> None:
    for trial in study.trials:
        assert trial_attributes(study, trial).keys() <= trial_columns(study).keys()


def test_charts_and_pictures_are_drawn(study: Study) -> None:
    axes = [str(chart(study)["layout"]["yaxis"]["title"]) for chart in CHARTS.values()]

    assert all(study.subject.short in axis for axis in axes)
    assert draw_trial(study, study.trials[0]).startswith(b"\x89PNG")


def test_values_and_curves_are_on_the_better_side_of_the_cap(study: Study) -> None:
    for trial in study.trials:
        assert study.sign * capped_value(study, trial) <= study.sign * study.worst
        assert all(study.sign * loss <= study.sign * study.cap
                   for loss in capped_curve(study, trial).values())  # fmt: skip


@pytest.mark.parametrize("to", ["torch", "keras", "optax", "json"])
def test_the_schedule_is_exported(result: SearchResult, to: str) -> None:
    origin = recommend(result)
    text = lrtune.export_schedule(origin.schedule, to, steps_per_epoch=10, origin=origin)

    assert origin.schedule == result.schedule
    assert result.facts.trainer.loss in text
    assert not re.search(r"network|column|accuracy", text)


def test_an_export_to_an_estimator_is_refused(result: SearchResult) -> None:
    with pytest.raises(InvalidInputError, match=r"tuned the function '\w+': export to torch"):
        lrtune.export_schedule(result.schedule, "sklearn", origin=recommend(result))


def test_the_table_of_a_notebook_names_the_loss(kind: str, result: SearchResult) -> None:
    text = words(result._repr_html_())

    assert f"{NAMES[kind]} {result.describe_loss()}" in text
    assert f"trainings {result.trainings['total']}" in text


def test_the_list_of_studies_has_the_users_number(result: SearchResult) -> None:
    assert result.storage is not None
    (summary,) = summarise_studies(result.storage)

    assert summary.metric == result.facts.trainer.loss
    assert summary.best_loss == pytest.approx(result.confirmed_loss or result.search_loss)


# --- higher is better -----------------------------------------------------------------------------


@pytest.fixture
def maximised(results: dict[str, SearchResult]) -> Study:
    return Study(results["maximised"])


@pytest.mark.slow
def test_a_maximised_number_has_its_own_sign_everywhere(
    maximised: Study, page: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    table = best_settings(maximised)
    place = table.heads.index("search recall")
    note = "\n".join(trial_note(maximised, trial) for trial in maximised.trials)
    text = " ".join([
        words(page("maximised")),
        printed(maximised.result, capsys),
        study_note(maximised),
        str(study_attributes(maximised)),
    ])  # fmt: skip

    assert 90 < maximised.result.confirmed_loss <= 100  # type: ignore[operator]
    assert all(float(row.cells[place]) > 50 for row in table.rows)
    assert "Recall **9" in note
    assert not re.search(r"recall(?: of| at divergence)?:? \**-\d", text + note)
    assert not re.search(r"-9\d", text)


def test_a_maximised_number_is_drawn_with_its_own_sign(maximised: Study) -> None:
    drawn = {
        name: draw(maximised).axes[0]
        for name, draw in (("losses", draw_losses), ("curves", draw_learning_curves),
                           ("profile", draw_profile))
    }  # fmt: skip
    (bars,) = [line.get_ydata() for line in drawn["profile"].lines if line.get_marker() == "o"]

    assert all("recall, higher is better" in axes.get_ylabel() for axes in drawn.values())
    assert all(axes.get_yscale() == "linear" for axes in drawn.values())
    assert max(bars) == pytest.approx(maximised.result.confirmed_loss, abs=5)
    assert plot_safe_range(maximised.result).axes[0].get_ylabel().startswith("recall, higher is")


def test_the_other_metrics_are_shown(maximised: Study) -> None:
    assert maximised.best is not None

    assert "distance" in trial_attributes(maximised, maximised.best)
    assert "distance" in trial_note(maximised, maximised.best)


def test_further_parameters_are_part_of_the_code(page: Callable[[str], str]) -> None:
    assert "momentum = 0." in html.unescape(page("maximised"))


# --- a default, trainings that did not learn, and errors ------------------------------------------


@pytest.fixture
def compared(results: dict[str, SearchResult]) -> Study:
    return Study(results["compared"])


@pytest.mark.slow
def test_errors_and_trainings_that_did_not_learn_are_told(
    compared: Study, page: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    n_failed = compared.counts.failed
    text = printed(compared.result, capsys)

    assert n_failed > 0
    assert compared.result.died > 0
    for shown in (text, words(page("compared"))):
        assert "FloatingPointError: overflow in <step> 3" in shown
        assert f"{n_failed} failed" in shown
        assert f"{compared.result.died} of those in the search did not learn" in shown
        assert "the perplexity stayed at that of a constant guess" in shown


def test_the_notes_of_such_trials_say_why(compared: Study) -> None:
    failed = next(trial for trial in compared.trials if status(trial) == "failed")
    dead = next(trial for trial in compared.trials if compared.died(trial))

    assert r"FloatingPointError: overflow in \<step\> 3" in trial_note(compared, failed)
    assert trial_attributes(compared, failed)["error"].startswith("FloatingPointError")
    assert trial_note(compared, dead).startswith("### did not learn")
    assert trial_attributes(compared, dead)["outcome"] == "did not learn"


def test_a_setting_that_did_not_learn_in_the_race_says_so(compared: Study) -> None:
    assert compared.confirmation is not None
    first, *others = compared.confirmation.contenders
    dead = replace(others[0], status="dead")
    confirmation = replace(compared.confirmation, contenders=(first, dead))
    variant = changed(compared, confirmation=confirmation)
    trial = next(each for each in compared.trials if each.number == dead.trial)

    assert best_settings(variant).rows[1].cells[-1] == "did not learn"
    assert "perplexity" in trial_note(variant, trial).partition("In the race")[2]


def test_a_search_of_which_all_trials_failed_is_shown(tmp_path: Path) -> None:
    def broken(schedule: Schedule, seed: int) -> Iterator[float]:
        yield 1.0
        if schedule.learning_rate_init > 1e-5:
            raise ValueError("broken")

    journal = str(tmp_path / "broken.journal")
    with pytest.raises(NothingCompletedError):
        lrtune.search(broken, epochs=2, trainings=12, storage=journal, catch=[ValueError])
    study = Study(read_result("broken", journal))
    text = words(render_report(study.result))

    assert "ValueError: broken (" in text
    assert "ValueError: broken (" in study_note(study)
    assert not NOT_APPLYING.findall(text)
    assert "they failed" in text
    assert all(chart(study) for chart in CHARTS.values())
    assert draw_trial(study, study.trials[0]).startswith(b"\x89PNG")


def test_the_figure_of_outcomes_tells_them_apart(compared: Study) -> None:
    labels = draw_outcomes(compared).axes[0].get_legend_handles_labels()[1]
    counts = dict(label.split(maxsplit=1)[::-1] for label in labels)

    assert counts["did not learn"] == str(sum(map(bool, map(compared.died, compared.trials))))
    assert sum(map(int, counts.values())) == len(compared.trials)


def test_the_default_is_compared_with(
    compared: Study, page: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared.result.default_loss is not None
    untuned = f"{compared.result.default_loss:.4g}"

    assert f"The untuned default (learning_rate_init 0.01, constant) reaches {untuned}" in words(
        page("compared")
    )
    assert re.search(rf"untuned +{untuned} ", printed(compared.result, capsys))


def test_without_a_default_none_is_named(
    results: dict[str, SearchResult],
    page: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "untuned" not in words(page("minimised")) + printed(results["minimised"], capsys)


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_figure_but_the_range_test_can_be_drawn(compared: Study) -> None:
    assert {name for name, each in GALLERY.items() if each.missing(compared)} == {"range-test"}
    assert "No range test is run" in GALLERY["range-test"].missing(compared)


@pytest.mark.slow
def test_every_figure_but_the_range_test_is_written(compared: Study) -> None:
    assert render_figures(compared.result).keys() == GALLERY.keys() - {"range-test"}


@pytest.mark.slow
def test_a_report_is_written_to_a_file(
    results: dict[str, SearchResult], page: Callable[[str], str], tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    lrtune.write_report(results["minimised"], str(path))

    assert path.read_text(encoding="utf-8") == page("minimised")


@pytest.mark.slow
def test_a_search_that_kept_no_record_has_a_report_and_few_trainings_no_profile(
    tmp_path: Path,
) -> None:
    result = lrtune.search(descend, epochs=EPOCHS, trainings=12, storage=None)
    assert result.confirmation is not None
    lrtune.write_report(result, tmp_path / "report.html")
    text = words((tmp_path / "report.html").read_text(encoding="utf-8"))

    assert "A learning rate for descend" in text
    assert "which was not recorded" in text
    assert (len(result.confirmation.profile.rates) == 1) == ("too few trainings were left" in text)
