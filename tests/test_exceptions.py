"""Exceptions and warnings can be caught as lrtune's, and as the built-ins that they derive from."""

import warnings

import pytest

from lrtune import exceptions

ERRORS = {
    "InvalidInputError": ValueError,
    "NothingCompletedError": RuntimeError,
    "RecordConflictError": RuntimeError,
    "RecordLostError": RuntimeError,
    "WorkersLostError": RuntimeError,
}
WARNINGS = ("DivergenceWarning", "RecordWarning")
BASES = ("LrtuneError", "LrtuneWarning")
SIGNALS = ("Halted",)


def test_every_exception_is_tested() -> None:
    classes = [name for name, value in vars(exceptions).items() if isinstance(value, type)]

    assert sorted([*ERRORS, *WARNINGS, *BASES, *SIGNALS]) == sorted(classes)


@pytest.mark.parametrize(("name", "builtin"), ERRORS.items())
def test_an_error_is_one_of_lrtune_and_a_builtin(name: str, builtin: type[Exception]) -> None:
    error = getattr(exceptions, name)

    assert issubclass(error, exceptions.LrtuneError)
    assert issubclass(error, builtin)


def test_halted_is_one_of_lrtune_and_no_error_of_input_or_running() -> None:
    assert issubclass(exceptions.Halted, exceptions.LrtuneError)
    assert not issubclass(exceptions.Halted, ValueError | RuntimeError)


@pytest.mark.parametrize("name", WARNINGS)
def test_all_warnings_of_lrtune_can_be_filtered_at_once(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", exceptions.LrtuneWarning)
        warnings.warn("a message", getattr(exceptions, name), stacklevel=1)

    assert caught == []
