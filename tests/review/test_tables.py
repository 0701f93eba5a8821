"""The tables and the code samples of a report."""

import shlex
from dataclasses import replace

import click
import pytest

from lrtune.cli import cli
from lrtune.review.study import Study
from lrtune.review.tables import (
    CODE_TITLES,
    MAX_ROWS,
    best_settings,
    code_samples,
    data_in_words,
    report_command,
    reproduction_rows,
)
from tests.review.variants import changed


def test_the_settings_of_the_race_are_listed_with_the_recommended_one_first(
    regression: Study,
) -> None:
    table = best_settings(regression)
    assert regression.confirmation is not None

    assert [row.recommended for row in table.rows] == [True] + [False] * (len(table.rows) - 1)
    assert [row.cells[0] for row in table.rows] == [
        str(contender.trial) for contender in regression.confirmation.contenders[:MAX_ROWS]
    ]
    assert all(len(row.cells) == len(table.heads) for row in table.rows)


def test_without_a_race_the_best_of_the_search_are_listed(interrupted: Study) -> None:
    table = best_settings(interrupted)
    losses = [float(row.cells[-1]) for row in table.rows]

    assert losses == sorted(losses)
    assert len(losses) == MAX_ROWS
    assert interrupted.best is not None
    assert table.rows[0].cells[0] == str(interrupted.best.number)


def test_a_metric_is_shown_with_its_own_sign_beside_further_parameters(scored: Study) -> None:
    table = best_settings(scored)
    first = dict(zip(table.heads, table.rows[0].cells, strict=True))

    assert 0 < float(first["search accuracy"]) <= 1
    assert 0 < float(first["fresh accuracy"]) <= 1
    assert first["hidden_layer_sizes"] in ("(8,)", "(6, 4)")


def test_a_study_without_a_completed_trial_has_no_settings(interrupted: Study) -> None:
    empty = changed(interrupted, trials=[], recommended=None)

    assert best_settings(empty).rows == ()
    assert code_samples(empty) == []


def test_code_is_given_or_the_reason_why_not(regression: Study) -> None:
    samples = code_samples(regression)

    assert [sample.title for sample in samples] == list(CODE_TITLES.values())
    assert all(bool(sample.source) != bool(sample.missing) for sample in samples)
    for sample in samples:
        compile(sample.source, "sample", "exec")


@pytest.mark.parametrize("name", ["lrtune.journal", "my studies.journal"])
def test_the_report_command_is_one_of_the_command_line(interrupted: Study, name: str) -> None:
    lrtune, command, *words = shlex.split(report_command(changed(interrupted, storage=name)))
    parsed = cli.get_command(click.Context(cli), command)
    assert parsed is not None
    params = parsed.make_context(command, words).params

    assert lrtune == "lrtune"
    assert (params["study"], params["storage"]) == ("iris", name)


def test_what_a_repetition_needs_is_listed(regression: Study) -> None:
    rows = dict(reproduction_rows(regression))

    assert rows["data"] == "houses; 120 rows, 4 columns; target column: price; regression"
    assert rows["seed"] == "0"
    assert rows["replicates"].startswith("3 in the search, 6 fresh ones")
    assert rows["searched"].startswith("learning_rate_init: 0.002 to 2; decay: constant, ")
    assert "lrtune 0.1.0" in rows["versions"]


def test_data_that_were_not_recorded_are_left_out(regression: Study, scored: Study) -> None:
    facts = regression.facts
    one_column = changed(regression, facts=replace(facts, data=replace(facts.data, columns=1)))

    assert data_in_words(scored) == "classification"
    assert "120 rows, 1 column;" in data_in_words(one_column)
    assert data_in_words(regression, with_target=False) == "houses; 120 rows, 4 columns; regression"
