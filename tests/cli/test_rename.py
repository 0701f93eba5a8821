"""``lrtune rename``."""

from collections.abc import Callable
from typing import Any

import pytest

QUICK = ("search", "iris", "--trials", "4", "--epochs", "2", "--quiet")


@pytest.mark.parametrize(
    "storage", ["lrtune.journal", pytest.param("sqlite:///s.db", marks=pytest.mark.slow)]
)
def test_a_renamed_study_shows_the_same_and_is_resumed_as_before(
    lrtune: Callable[..., Any], storage: str
) -> None:
    place = ("--storage", storage)
    lrtune(*QUICK, *place)
    lrtune(*QUICK, "--name", "other", *place)
    before = lrtune("show", "iris", "--json", *place).json
    refused = lrtune("rename", "iris", "flowers", *place)
    run = lrtune("rename", "iris", "flowers", "--yes", *place)
    after = lrtune("show", "flowers", "--json", *place).json
    resumed = lrtune(*QUICK, "--name", "flowers", "--resume", "--json", *place).json

    assert (refused.code, refused.out) == (2, "")
    assert "add --yes" in refused.err
    assert (run.code, run.out) == (0, "")
    assert run.err == f"renamed: study 'iris' in {storage} is now 'flowers'\n"
    assert after == before | {"study": "flowers"}
    assert resumed["best"] == before["best"]
    assert lrtune("show", "iris", *place).code == 2


def test_a_name_that_is_taken_or_cannot_be_shown_is_refused(lrtune: Callable[..., Any]) -> None:
    lrtune(*QUICK)
    lrtune(*QUICK, "--name", "other")
    for name, message in {"other": "a new name must be free", "a\tb": "printable"}.items():
        run = lrtune("rename", "iris", name, "--yes")

        assert run.code == 2
        assert message in run.err
    assert [each["study"] for each in lrtune("studies", "--json").json] == ["iris", "other"]
