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
    assert listed[0]["best_loss"] == result["confirmed_loss"]
    assert listed[0]["trials"] == result["trials"]


def test_the_table_names_study_data_and_loss(lrtune: Callable[..., Any]) -> None:
    result = lrtune("search", "iris", "--trials", "3", "--epochs", "2", "--json").json
    out = lrtune("studies").out

    assert "iris" in out
    assert f"{result['confirmed_loss']:.4g}" in out
    assert f"{result['best']['learning_rate_init']:.4g}" in out


def test_a_study_is_listed_with_what_was_confirmed_of_it_and_else_with_the_searchs_best(
    lrtune: Callable[..., Any],
) -> None:
    words = ("search", "iris", "--trials", "20", "--epochs", "3", "--json")
    confirmed, plain = lrtune(*words).json, lrtune(*words, "--no-confirm").json
    first, second = lrtune("studies", "--json").json

    assert confirmed["confirmed_loss"] != plain["search_loss"]
    assert (first["best"], first["best_loss"]) == (confirmed["best"], confirmed["confirmed_loss"])
    assert (second["best"], second["best_loss"]) == (plain["best"], plain["search_loss"])


def test_studies_of_other_programs_are_left_out(lrtune: Callable[..., Any]) -> None:
    lrtune("search", "iris", "--trials", "2", "--epochs", "2", "--storage", "sqlite:///s.db")
    optuna.create_study(storage="sqlite:///s.db", study_name="foreign")
    listed = lrtune("studies", "--json", "--storage", "sqlite:///s.db").json

    assert [entry["study"] for entry in listed] == ["iris"]
