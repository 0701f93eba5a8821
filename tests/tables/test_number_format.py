"""Numbers written as text: what is read, and what is not a number."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtune.tables.number_format import (
    PLACEHOLDERS,
    THOUSANDS_NAMES,
    NumberFormat,
    decimal_marks,
    find_number_format,
    is_placeholder,
    plain,
    read_numbers,
    why_names,
)


def read(texts: list[str], decimal: str = "", usual: NumberFormat | None = None) -> Any:
    found = find_number_format(dict.fromkeys(texts, 1), decimal, usual=usual)
    return found and read_numbers(texts, found)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1.5", "-2e3", "+4"], [1.5, -2000, 4]),
        (["−5", "–6", "7"], [-5, -6, 7]),
        (["(5)", "7-", "1"], [-5, -7, 1]),
        ([".5", "5.", "1"], [0.5, 5, 1]),
        (["1.234.567,5", "12", "-1.000", "99.5"], [1234567.5, 12, -1000, 99.5]),
        (["1,234.5", "+12"], [1234.5, 12]),
        (["1'234", "1'234.5"], [1234, 1234.5]),
        (["1 234,5", "1 234"], [1234.5, 1234]),
        (["12,34,567.5", "1,200"], [1234567.5, 1200]),
        (["12,345", "1,234", "7"], [12345, 1234, 7]),
        (["12,5", "1,75", "0,125"], [12.5, 1.75, 0.125]),
        (["0,123", "0,456", "0,789"], [0.123, 0.456, 0.789]),
        (["0,123", "1,456"], [0.123, 1.456]),
        (["1.234", "99.9"], [1.234, 99.9]),
        (["1.234", "5.678"], [1.234, 5.678]),
        (["$1,882.32", "$813.55", "-$5", "$-6"], [1882.32, 813.55, -5, -6]),
        (["€ 1.234,50", "5,00 €"], [1234.5, 5]),
        (["USD 5", "7.5 USD"], [5, 7.5]),
        (["31.2%", "-5.6 %", "7%"], [31.2, -5.6, 7]),
        (["43.0 kg", "79.6kg", "80.6 kg"], [43, 79.6, 80.6]),
        (["21 °C", "-3 °C"], [21, -3]),
        (["12 m2", "15 m2"], [12, 15]),
        (["3 bedrooms", "1 bedroom", "2 bedrooms"], [3, 1, 2]),
        (["1.2M", "350K", "7"], [1.2e6, 3.5e5, 7]),
        (["<0.61", "3.257", ">= 5", "≤6"], [0.61, 3.257, 5, 6]),
        (["1", "2", "..", "n.a.", "#DIV/0!", ":"], [1, 2, None, None, None, None]),
    ],
)
def test_numbers_are_read(texts: list[str], numbers: list[float | None]) -> None:
    assert read(texts) == numbers


@pytest.mark.parametrize(
    "texts",
    [
        ["S46", "S01"],
        ["46A", "12B"],
        ["12.05.2020", "13.05.2020"],
        ["1.2.345", "1.2.346"],
        ["044 123 45 67", "044 123 45 68"],
        ["13:12:75", "2:1"],
        ["<" + 90 * " " + "x", 9 * " " + 100_000 * "1,"],
        ["10 AM", "11 PM"],
        ["1st", "2nd", "3rd"],
        ["12 Main Street", "9 Oak Avenue"],
        ["5 lb", "7 kg"],
        ["1-2", "3-4"],
        ["2 Jan", "3 Feb"],
        ["1", "2", "3+"],
        ["in 1,234 words", "x"],
        ["..", "NA"],
        [],
    ],
)
def test_other_texts_are_no_numbers(texts: list[str]) -> None:
    assert read(texts) is None


@pytest.mark.parametrize(
    ("decimal", "usual", "number"),
    [
        ("", None, 6420),
        (".", None, 6420),
        (",", None, 6.42),
        ("", NumberFormat(decimal=","), 6.42),
        ("", NumberFormat(thousands=","), 6420),
        (".", NumberFormat(decimal=","), 6420),
    ],
)
def test_one_mark_before_three_digits_is_what_else_the_file_shows(
    decimal: str, usual: NumberFormat | None, number: float
) -> None:
    assert read(["6,420"], decimal, usual) == [number]


def test_a_column_tells_its_own_marks_before_the_file_does() -> None:
    assert read(["6,420", "1,5"], ".") == [6.42, 1.5]
    assert read(["6.420", "1.234.567"], ".") == [6420, 1234567]


@given(st.floats(-1e9, 1e9).map(lambda value: round(value, 2)), st.sampled_from([",", ".", "'"]))
def test_grouped_numbers_are_read_back(value: float, mark: str) -> None:
    decimal = {".": ",", ",": ".", "'": "."}[mark]
    text = f"{value:,.2f}".replace(",", "\0").replace(".", decimal).replace("\0", mark)

    assert read([text, f"1{decimal}25"]) == [value, 1.25]


@given(st.text(max_size=12))
@settings(max_examples=40, deadline=None)
def test_no_text_breaks_the_reading(text: str) -> None:
    found = find_number_format({plain(text): 1})
    values = read_numbers([plain(text)], found or NumberFormat())

    assert values == [None] or isinstance(values[0], float)


def test_formats_are_described() -> None:
    assert find_number_format({"$1,882.32": 1, "<$3": 1}) == NumberFormat(".", ",", "$", 1)
    assert set(THOUSANDS_NAMES) == {".", ",", "'", " "}


def test_decimal_marks_beyond_doubt_are_counted() -> None:
    assert decimal_marks(["1,5", "1.234,5", "0.25", "1,234", "x"]) == {",": 2, ".": 1}


@pytest.mark.parametrize("text", ["NA", "n/a", "..", "No data", "#REF!", *sorted(PLACEHOLDERS)])
def test_placeholders(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["007", "1"], "leading zeros"),
        (["0", "10"], ""),
        (["0.5", "00.5"], ""),
        (["1234567890123456", "1"], "more digits than numbers can tell apart"),
        (["2E0", "3E5"], "letters E among the digits"),
        (["2E0", "1.5"], ""),
        (["2e0", "1e300"], ""),
        (["2e-5", "1e-3"], ""),
        (["3.1", "3.10"], "version numbers"),
        (["3.10", "3.20"], ""),
        (["3.5", "3.25"], ""),
        ([], ""),
    ],
)
def test_numbers_that_are_names(texts: list[str], why: str) -> None:
    assert why_names(texts, 10 * len(texts)) == why


def test_thousands_alone_say_nothing_of_decimals() -> None:
    alone = find_number_format({"1.500.000": 3, "2.500": 4, "950": 1})
    both = find_number_format({"1.500.000": 3, "2.500,5": 4})

    assert alone is not None
    assert both is not None
    assert (alone.thousands, alone.decimal) == (".", "")
    assert read_numbers(["2.500", "1.500.000"], alone) == [2500.0, 1.5e6]
    assert (both.thousands, both.decimal) == (".", ",")
