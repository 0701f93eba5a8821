"""Lists and reasons in messages."""

import pytest

from lrtune.tables.wording import listed, one_line, shortened


@pytest.mark.parametrize(
    ("n_parts", "expected"),
    [(0, ""), (1, "0"), (8, "0, 1, 2, 3, 4, 5, 6, 7"), (11, "0, 1, 2, 3, 4, 5, 6, 7 and 3 more")],
)
def test_eight_parts_are_shown_at_most(n_parts: int, expected: str) -> None:
    assert shortened([str(number) for number in range(n_parts)]) == expected


def test_names_are_quoted() -> None:
    assert listed(["a", 1, "b\n"]) == r"'a', '1', 'b\n'"


def test_an_error_is_told_on_one_line() -> None:
    assert one_line(ValueError("two\n  lines")) == "two lines"
    assert one_line(KeyError()) == "KeyError"
