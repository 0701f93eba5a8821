"""Reading delimited text: what is detected, and what is mended."""

import io

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtune.exceptions import InvalidInputError
from lrtune.tables.delimited import (
    SEPARATORS,
    TextFormat,
    find_separator,
    note_renamed,
    read_delimited,
)

CHARACTERS = {name: " " if name == "space" else mark for name, mark in SEPARATORS.items()}
WORDS = st.text("abcdefgXYZ0123456789.-", min_size=1, max_size=6)


def read(
    content: str | bytes, text_format: TextFormat | None = None
) -> tuple[pd.DataFrame, list[str]]:
    data = content if isinstance(content, bytes) else content.encode()
    return read_delimited(io.BytesIO(data), data, text_format or TextFormat(), "t.csv")


@given(
    st.sampled_from(sorted(CHARACTERS)),
    st.integers(2, 5).flatmap(
        lambda width: st.lists(st.lists(WORDS, min_size=width, max_size=width), min_size=2)
    ),
)
@settings(max_examples=60, deadline=None)
def test_the_separator_of_plain_words_is_found(name: str, rows: list[list[str]]) -> None:
    text = "".join(CHARACTERS[name].join(row) + "\n" for row in rows)

    assert find_separator(text) == SEPARATORS[name]


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("full name,age\n" + "1,2\n" * 9, ","),
        ('"last; first",age\n' + "1,2\n" * 9, ","),
        ("x|y,z\n" + "1,2\n" * 9, ","),
        ("a;b;c\n1,5;2;3\n2,5;3;4\n", ";"),
        ("a | b | c\n1 | 2 | x\n", "|"),
        ("size   age\n 1.5    2\n", SEPARATORS["space"]),
        ("one column\n1\n2\n", ","),
        ("", ","),
        ("a;b\n" + "1;2\n" * 200 + "x,y,z\n" * 200, ";"),
    ],
)
def test_the_separator_is_found(text: str, separator: str) -> None:
    assert find_separator(text) == separator


def test_a_last_line_that_is_cut_off_does_not_count() -> None:
    assert find_separator("a,b,c\n1,2,3\n4,5") == ","


@pytest.mark.parametrize("separator", ["", "ab", '"', "\n", "§", "\0"])
def test_other_separators_are_refused(separator: str) -> None:
    with pytest.raises(InvalidInputError, match="`separator` must be one ASCII character"):
        TextFormat(separator)


@pytest.mark.parametrize("encoding", ["", "utf-9", "klingon"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(InvalidInputError, match="`encoding` must be one that Python knows"):
        TextFormat(encoding=encoding)


def test_an_encoding_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"'t\.csv' gave: .*name another `encoding`"):
        read("a,b\nö,1\n".encode("latin-1"), TextFormat(encoding="utf-8"))


def test_a_given_separator_counts_more_than_a_line_for_spreadsheets() -> None:
    frame, notes = read("sep=;\na|b\n1|2\n", TextFormat("pipe"))

    assert frame.to_dict("list") == {"a": [1], "b": [2]}
    assert notes == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2,3\n", "as many fields as the header"),
        ('a,b\n"1,2\n', "correct that line"),
        ("1,2\n3,4\n", "is all numbers: name the columns there"),
        ("a,b\n1,\0\n", "is binary"),
        ("\n\n", "readable CSV file with a header line"),
    ],
)
def test_other_text_is_refused(content: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read(content)


def test_columns_kept_as_text_keep_their_commas_and_zeros() -> None:
    frame, _ = read("a;zip\n1,5;01\n2,5;02\n", TextFormat(texts=("a", "zip")))

    assert frame.to_dict("list") == {"a": ["1,5", "2,5"], "zip": ["01", "02"]}


def test_missing_values_are_empty_or_nan_alone() -> None:
    frame, _ = read("a,b\n,NA\nNaN,None\nnan,null\n")

    assert frame["a"].isna().all()
    assert frame["b"].tolist() == ["NA", "None", "null"]


def test_a_blank_line_of_a_single_column_is_a_missing_value() -> None:
    assert read("a\n1\n\n3\n")[0]["a"].isna().tolist() == [False, True, False]
    assert len(read("a,b\n1,2\n\n3,4\n")[0]) == 2


def test_empty_columns_without_a_name_are_left_out() -> None:
    frame, notes = read("a,b,,\n1,2,,5\n3,4,,6\n")

    assert list(frame.columns) == ["a", "b", "Unnamed: 3"]
    assert notes == ["columns without a name or a value: 1 left out"]


def test_names_are_stripped_unless_that_makes_two_the_same() -> None:
    assert list(read("a , b\n1,2\n")[0].columns) == ["a", "b"]
    assert list(read("a ,a\n1,2\n")[0].columns) == ["a ", "a"]


def test_renamed_columns_are_noted() -> None:
    assert note_renamed([("a", "a")]) == []
    assert note_renamed([("a", "a.1")] * 9)[0].endswith("and 1 more")
