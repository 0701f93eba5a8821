"""A search's result as it is printed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lrtune.cli.summary import print_result
from lrtune.tuning.record.schema import PruningAudit
from lrtune.tuning.result import SearchResult, read_result

RELEASE = Path(__file__).parents[1] / "release"


def result(journal: str, study: str) -> SearchResult:
    return read_result(study, str(RELEASE / f"{journal}.journal"))


def test_a_confirmed_loss_stands_beside_that_of_the_search_and_the_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_result(result("python", "wide"), as_json=False)
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line)

    assert rows["learning_rate_init"].startswith("0.4182")
    assert rows["validation"].startswith("loss     0.3841 ± 0.015")
    assert "0.4134" in rows["in"]
    assert rows["untuned"].startswith("0.392 ± 0.013")
    assert rows["accuracy"].startswith("0.793")
    assert rows["trials"].startswith("6 complete")


def test_warnings_name_flags_and_go_to_standard_error_unless_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_result(result("python", "wide"), as_json=False)
    spoken = capsys.readouterr().err
    print_result(result("python", "wide"), as_json=False, quiet=True)

    assert "--alpha0 0.05:7.44" in spoken
    assert capsys.readouterr().err == ""


def test_json_holds_the_warnings_and_nothing_else_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupted = result("interrupted", "iris")
    print_result(interrupted, as_json=True)
    printed = capsys.readouterr()
    values = json.loads(printed.out)

    assert printed.err == ""
    assert list(values) == list(interrupted.to_dict())
    assert any("--resume" in warning for warning in values["warnings"])


def test_a_pruning_audit_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    searched = result("table", "houses")
    assert searched.ending is not None
    ending = replace(searched.ending, pruning_audit=PruningAudit(8, 2, 3, 1))
    print_result(replace(searched, ending=ending), as_json=False)

    assert "1 of the best 3 lost" in capsys.readouterr().out
