"""Numbers written as text: their marks, signs and units, and the texts that only look like them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

SHARE_READ = 0.9
"""Smallest share of readable values in a column of numbers or dates."""
THOUSANDS_NAMES = {".": "points", ",": "commas", "'": "apostrophes", " ": "spaces"}
PLACEHOLDERS = frozenset(
    "#div/0! #n/a #name? #null! #num! #ref! #value! * - -- --- – — . .. ... … : ? _ <na> missing"
    " (missing) n.a. n.a n.d. n/a n/d na nd nil none null undefined unknown -nan 1.#ind -1.#ind"
    " 1.#qnan n\\a \\n not·available no·data 0000-00-00 0000-00-00·00:00:00".replace(
        "·", "\xa0"
    ).split(" ")
)
"""Lower-case texts that stand for a missing value among numbers and dates."""
MULTIPLES = {"k": 1e3, "K": 1e3, "M": 1e6, "mn": 1e6, "B": 1e9, "bn": 1e9}
"""Letters behind a number that multiply it, as in "1.2M"."""

DURATION = "h:mm:ss"
"""Unit of durations, which are read in seconds."""

MOST_VERSIONS = 50
"""Most different texts of a column of version numbers."""
EXACT_DIGITS = 15
"""Most digits of a whole number that floats tell from all others."""
_LONGEST = 100
"""Most characters of a text that may be a number."""
_CURRENCIES = (
    r"(?:[A-Z]{0,2}[$€£¥₩₹₽₺₴₫฿₪₱₦₡₲₵]|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|INR|JPY|KRW|MXN"
    r"|NOK|NZD|PLN|RUB|SEK|SGD|TRY|USD|ZAR|Fr\.|Rs\.?|kr\.?|zł|Kč)"
)
_CELL = re.compile(
    rf"""(?P<limit>[<>]=?|[≤≥~≈])?\s*
    (?P<payer>{_CURRENCIES}\s*(?=[-+−–(]))?
    (?P<bracket>\()?\s*
    (?P<sign>[-+−–])?\s*
    (?P<currency>{_CURRENCIES})?\s*
    (?P<inner_sign>[-+−–])?
    (?P<body>[.,]?\d(?:[\d.,' ]*\d)?[.,]?)
    (?P<exponent>[eE][-+]?\d+)?
    (?P<unit>{_CURRENCIES}|\s*[%‰°][^\d()<>]{{0,15}}|\s+[^\W\d_][^\d()<>:]{{0,15}}[23]?
        |(?:[a-z]|[kKMB]|[^\W\d_]{{2}})[^\d()<>:,;]{{0,8}}[23]?|\s+{_CURRENCIES})?\s*
    (?P<closed>\))?(?P<minus_behind>-)?""",
    re.VERBOSE,
)
_FOOTNOTE = re.compile(r"(?<=\d)\s?(?:\*{1,3}|[†‡]|\[[a-z0-9]{1,2}\])$")
_DURATION = re.compile(
    r"(?P<sign>-)?(?:(?P<days>\d{1,7}) days? )?(?:(?P<hours>\d{1,5}):)?"
    r"(?P<minutes>\d{1,4}):(?P<seconds>[0-5]\d(?:\.\d{1,9})?)"
)
_WHOLE = re.compile(r"\d+")
_SINGLE_MARK = re.compile(r"(\d*)([.,])(\d*)")
_GROUPED = re.compile(
    r"(?P<whole>[1-9]\d{0,2}(?P<mark>[.,' ])\d{3}(?:(?P=mark)\d{3})*)(?P<rest>.*)"
)
_POINT_GROUPS = re.compile(r"-?[1-9]\d{0,2}(\.\d{3})+")
_UP_TO_999 = re.compile(r"-?\d{1,3}")
_INDIAN = re.compile(r"(?P<whole>\d{1,2}(?:,\d{2})+,\d{3})(?P<rest>(?:\.\d+)?)")
_DECIMALS = re.compile(r"([.,])(\d+)")
_NEGATIVE = ("-", "−", "–")
_LEADING_ZERO = re.compile(r"0\d+")
_UNSIGNED_EXPONENT = re.compile(r"\d+E\d+")
_VERSION = re.compile(r"\d+\.\d+")


@dataclass(frozen=True)
class NumberFormat:
    """Marks, unit and signs of the numbers in a column."""

    decimal: str = ""
    """Decimal mark; "" if none shows."""
    thousands: str = ""
    """Thousands separator; "" if none shows."""
    unit: str = ""
    """Unit, currency or "%" of most of the numbers."""
    limits: int = 0
    """Number of values that are limits, such as "<0.5", and are read as the limit itself."""
    marked: int = 0
    """Number of values with a footnote, such as "5*" or "5 [1]", that are read without it."""
    bare: int = 0
    """Number of values without the unit that others have."""


PLAIN = NumberFormat()
"""Format of numbers without marks and units."""


class _Digits(NamedTuple):
    """A number without sign and unit: its value, and what its marks say.

    `value` is None if one mark before three digits may be either; it then is `either`.
    """

    value: float | None
    decimal: str = ""
    thousands: str = ""
    either: str = ""


class _Cell(NamedTuple):
    digits: _Digits
    body: str
    factor: float
    unit: str
    is_limit: bool = False
    is_marked: bool = False


def plain(text: str) -> str:
    """Return a text without outer spaces, and with plain spaces and apostrophes."""
    if text.isascii():
        return text.strip()
    for odd, usual in (("\xa0", " "), ("\u202f", " "), ("\u2009", " "), ("\ufeff", "")):
        text = text.replace(odd, usual)
    return text.replace("\u2019", "'").replace("\u200b", "").strip()


def is_placeholder(text: str) -> bool:
    """Return True if a text stands for a missing value among numbers."""
    lower = text.lower()
    return lower in PLACEHOLDERS or lower.replace(" ", "\xa0") in PLACEHOLDERS


def _read_digits(body: str) -> _Digits | None:
    """Read digits and marks; return None if they do not make a number.

    >>> _read_digits("1.234,5").value, _read_digits("1,234").either, _read_digits("1.2.3")
    (1234.5, ',', None)
    """
    if _WHOLE.fullmatch(body):
        return _Digits(float(body))
    single = _SINGLE_MARK.fullmatch(body)
    if single and not (1 <= len(single[1]) <= 3 and len(single[3]) == 3 and body[0] != "0"):
        return _Digits(float(f"{single[1]}.{single[3]}"), decimal=single[2])
    if single:
        return _Digits(None, either=single[2])
    grouped = _INDIAN.fullmatch(body) or _GROUPED.fullmatch(body)
    if not grouped:
        return None
    mark = "," if grouped.re is _INDIAN else grouped["mark"]
    whole = grouped["whole"].replace(mark, "")
    decimals = _DECIMALS.fullmatch(grouped["rest"])
    if decimals and decimals[1] != mark:
        return _Digits(float(f"{whole}.{decimals[2]}"), decimals[1], mark)
    if grouped["rest"]:
        return None
    return _Digits(float(whole), {".": ",", ",": "."}.get(mark, ""), mark)


def _read_cell(text: str) -> _Cell | None:
    if len(text) > _LONGEST:
        return None
    if "  " in text:  # the pattern takes long to fail on many spaces in a row
        text = " ".join(text.split())
    if ":" in text:
        return _read_duration(text)
    unmarked = _FOOTNOTE.sub("", text)
    match = _CELL.fullmatch(unmarked)
    if match is None or bool(match["bracket"]) != bool(match["closed"]):
        return None
    digits = _read_digits(match["body"])
    if digits is None:
        return None
    signs = [match["sign"], match["inner_sign"], match["minus_behind"]]
    negative = any(sign in _NEGATIVE for sign in signs if sign) or bool(match["bracket"])
    unit = (match["unit"] or "").strip()
    if unit.lower().rstrip(".") in ("am", "pm", "a.m", "p.m"):
        return None
    factor = (-1.0 if negative else 1.0) * float(f"1{match['exponent'] or ''}")
    unit = (match["payer"] or match["currency"] or unit).strip()
    return _Cell(digits, match["body"], factor, unit, bool(match["limit"]), unmarked != text)


def _read_duration(text: str) -> _Cell | None:
    """Read a duration in seconds; minutes come first if there are only two parts.

    >>> _read_duration("26:03:04").digits.value, _read_duration("1:02.5").digits.value
    (93784.0, 62.5)
    """
    match = _DURATION.fullmatch(text)
    if match is None or (match["hours"] and int(match["minutes"]) > 59):
        return None
    if match["days"] and not match["hours"]:
        return None
    hours = 24 * int(match["days"] or 0) + int(match["hours"] or 0)
    seconds = 3600.0 * hours + 60.0 * int(match["minutes"]) + float(match["seconds"])
    return _Cell(_Digits(seconds), "", -1.0 if match["sign"] else 1.0, DURATION)


def _value(cell: _Cell, number_format: NumberFormat) -> float | None:
    """Return a cell's number, in which an ambiguous mark is read as the format says."""
    value = cell.digits.value
    if value is None:
        mark = cell.digits.either
        value = float(cell.body.replace(mark, "." if _is_decimal(mark, number_format) else ""))
    if number_format.unit == DURATION and not cell.unit:
        return None
    if cell.unit and _same_unit(cell.unit) != _same_unit(number_format.unit):
        if number_format.unit in MULTIPLES and cell.unit in MULTIPLES:
            return cell.factor * value * MULTIPLES[cell.unit]
        return None
    return cell.factor * value * MULTIPLES.get(cell.unit, 1.0)


def _is_decimal(mark: str, number_format: NumberFormat) -> bool:
    """Return True if a mark that may be either is the decimal mark in this format."""
    if number_format.decimal:
        return mark == number_format.decimal
    return bool(number_format.thousands) and mark != number_format.thousands


def _same_unit(unit: str) -> str:
    """Return a unit in the form in which it is compared: "Stars" as "star"."""
    return unit.lower().removesuffix("s") if len(unit) > 3 else unit


def read_numbers(texts: Iterable[str], number_format: NumberFormat) -> list[float | None]:
    """Return the numbers, with None for each text that is none in this format.

    >>> read_numbers(["$1,234", "(5)", "<0.5", "x"], NumberFormat(decimal=".", unit="$"))
    [1234.0, -5.0, 0.5, None]
    """
    cells = map(_read_cell, texts)
    return [None if cell is None else _value(cell, number_format) for cell in cells]


def find_number_format(
    counts: Mapping[str, int],
    decimal: str = "",
    *,
    share: float = SHARE_READ,
    usual: NumberFormat | None = None,
) -> NumberFormat | None:
    """Return the format of a column of numbers written as text; None if it is no such column.

    One mark before exactly three digits may be either. It is what the column's other numbers say,
    or else `decimal`, the mark that other columns of the file show, or else what it was in `usual`,
    the column's format in an earlier table; if nothing tells, a comma separates thousands, and a
    point decimals, unless numbers up to 999 have none (see `are_grouped`).

    >>> find_number_format({"1.234,50": 3, "12": 1})
    NumberFormat(decimal=',', thousands='.', unit='', limits=0, marked=0, bare=0)
    >>> find_number_format({"1,234": 3, "12": 1}).thousands
    ','
    >>> find_number_format({"S46": 3, "S17": 4}) is None
    True
    """
    present = {text: count for text, count in counts.items() if not is_placeholder(text)}
    total = sum(present.values())
    cells = {text: _read_cell(text) for text in present}
    read = [(cell, present[text]) for text, cell in cells.items() if cell is not None]
    if not total or sum(count for _, count in read) < share * total:
        return None
    decimals, marks, units, either = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for cell, count in read:
        decimals[cell.digits.decimal] += count
        marks[cell.digits.thousands] += count
        either[cell.digits.either] += count
        units[cell.unit] += count
    for counter in (decimals, marks, units, either):
        counter.pop("", None)
    own = _most_common(decimals)
    thousands = _most_common(marks)
    if either:
        own = own or decimal or _usual_decimal(usual) or ("," if are_grouped(present) else ".")
        if not thousands:
            thousands = next((mark for mark in either if mark != own), "")
    unit = _most_common(units)
    shows = any(own in cell.body for cell, _ in read)
    found = NumberFormat(
        own if shows else "",
        thousands,
        unit,
        limits=sum(n for cell, n in read if cell.is_limit),
        marked=sum(n for cell, n in read if cell.is_marked),
        bare=sum(n for cell, n in read if unit and not cell.unit),
    )
    readable = sum(count for cell, count in read if _value(cell, found) is not None)
    return found if readable >= share * total else None


def are_grouped(texts: Iterable[str], *, fewest: int = 10, fewest_whole: int = 3) -> bool:
    """Return True if points stand only before three digits, and numbers up to 999 have none.

    >>> numbers = [*(f"{n}.750" for n in range(1, 11)), "950", "870", "90"]
    >>> are_grouped(numbers), are_grouped([*numbers, "9.5"])
    (True, False)
    """
    grouped = whole = 0
    for text in texts:
        if _POINT_GROUPS.fullmatch(text):
            grouped += 1
        elif _UP_TO_999.fullmatch(text):
            whole += 1
        else:
            return False
    return grouped >= fewest and whole >= fewest_whole


def _usual_decimal(usual: NumberFormat | None) -> str:
    if usual is None:
        return ""
    return usual.decimal or {".": ",", ",": "."}.get(usual.thousands, "")


def _most_common(counter: Counter[str]) -> str:
    return counter.most_common(1)[0][0] if counter else ""


def decimal_marks(texts: Iterable[str]) -> Counter[str]:
    """Return how often each decimal mark shows beyond doubt."""
    found = Counter[str]()
    for text in texts:
        cell = _read_cell(text)
        if cell is not None and cell.digits.decimal:
            found[cell.digits.decimal] += 1
    return found


def why_names(texts: Sequence[str], n_rows: int) -> str:
    """Return why whole or plain numbers are names and no quantities; "" if nothing says so.

    >>> why_names(["007", "011"], 10), why_names(["3.1", "3.10"], 10), why_names(["1", "2"], 10)
    ('leading zeros', 'version numbers', '')
    """
    if any(_LEADING_ZERO.fullmatch(text) for text in texts):
        return "leading zeros"
    if any(text.isdigit() and len(text) > EXACT_DIGITS for text in texts):
        return "more digits than numbers can tell apart"
    if any(_UNSIGNED_EXPONENT.fullmatch(text) for text in texts):
        if not any("." in text for text in texts):
            return "letters E among the digits"
        return ""
    few = 0 < len(texts) <= min(MOST_VERSIONS, n_rows // 3)
    if few and all(_VERSION.fullmatch(text) for text in texts):
        fewest = min(len(text.partition(".")[2]) for text in texts)
        if any(text.endswith("0") and len(text.partition(".")[2]) > fewest for text in texts):
            return "version numbers"
    return ""


def is_number(text: str) -> bool:
    """Return True if a text is a plain finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def is_missing(text: str, missing: tuple[str, ...]) -> bool:
    """Return True if a text is one of those that stand for missing values, or the same number.

    >>> is_missing("-9999.0", ("-9999",)), is_missing("n.a.", ("N.A.",)), is_missing("9", ("99",))
    (True, True, False)
    """
    if not missing:
        return False
    return text.lower() in map(str.lower, missing) or (
        is_number(text) and any(is_number(each) and float(each) == float(text) for each in missing)
    )
