"""``lrtune studies``."""

from collections.abc import Callable
from typing import Any

import optuna


def test_studies_are_listed_with_their_best_setting(lrtune: Callable[..., Any]) -> None:
    result = lrtune("search", "iris", "--trials", "3", "--epochs", "2", "--json").json
    lrtune("search", "wine", "--trials", "2", "--epochs", "2")
    listed = lrtune("studies", "--json").json

    assert [entry["study"] for entry in listed] == ["iris", "wine"]
    assert listed[0]["best"] == result["best"]
    assert listed[0]["best_loss"] == result["search_loss"]
    assert listed[0]["trials"] == result["trials"]


def test_the_table_names_study_data_and_loss(lrtune: Callable[..., Any]) -> None:
    result = lrtune("search", "iris", "--trials", "3", "--epochs", "2", "--json").json
    out = lrtune("studies").out

    assert "iris" in out
    assert f"{result['search_loss']:.4g}" in out


def test_studies_of_other_programs_are_left_out(lrtune: Callable[..., Any]) -> None:
    lrtune("search", "iris", "--trials", "2", "--epochs", "2", "--storage", "sqlite:///s.db")
    optuna.create_study(storage="sqlite:///s.db", study_name="foreign")
    listed = lrtune("studies", "--json", "--storage", "sqlite:///s.db").json

    assert [entry["study"] for entry in listed] == ["iris"]
