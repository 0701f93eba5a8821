"""Columns parsed as numbers at once: the same as read text by text, whatever the table holds."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tables import delimited, plain_numbers
from lrtune.tables.delimited import TextFormat, read_delimited
from lrtune.tables.plain_numbers import list_parsed

CELLS: dict[str, Callable[[np.random.Generator], str]] = {
    "float": lambda rng: repr(float(rng.normal() * 10.0 ** rng.integers(-5, 6))),
    "group": lambda rng: rng.choice([f"{rng.integers(1, 9)}.{rng.integers(999):03d}", "950", "7"]),
    "whole": lambda rng: str(rng.integers(-50, 5000)),
    "code": lambda rng: f"{rng.integers(99999):05d}",
    "version": lambda rng: f"{rng.integers(1, 4)}.{rng.integers(11)}",
    "exponent": lambda rng: f"{rng.integers(9)}E{rng.integers(9)}",
    "long": lambda rng: str(rng.integers(10**15, 10**18)),
    "gap": lambda rng: rng.choice(["", "NaN", "nan", "NAN", "1", "2.5", " 3 "]),
    "odd": lambda rng: rng.choice(["1", "inf", "1e400", "+5", "-0", ".5", "5.", "1_0", "0x1"]),
    "truth": lambda rng: rng.choice(["True", "false"]),
    "text": lambda rng: rng.choice(["a", "b ", "05:30", "1,5", "1.234,5", "12"]),
    "empty": lambda _: "",
}
PLAIN = ("float", "group", "whole", "version", "gap", "odd", "empty", "truth")


def _table(seed: int) -> tuple[bytes, TextFormat]:
    """Return a table of a few columns, of which some hold an odd value, a total or a unit."""
    rng = np.random.default_rng(seed)
    separator = str(rng.choice([",", ";", "\t", "|"]))
    kinds = rng.choice(PLAIN if seed % 2 else list(CELLS), rng.integers(1, 7)).tolist()
    rows = [[str(CELLS[kind](rng)) for kind in kinds] for _ in range(rng.integers(3, 80))]
    if rng.random() < 0.2:
        row = rows[rng.integers(len(rows))]
        row[rng.integers(len(kinds))] = str(CELLS[rng.choice(list(CELLS))](rng))
    header = [str(rng.choice([f"c{place}", str(place), ""], p=[0.9, 0.05, 0.05]))
              for place in range(len(kinds))]  # fmt: skip
    if rng.random() < 0.1:
        rows.insert(int(rng.integers(len(rows))), header)
    if rng.random() < 0.1:
        rows.insert(0, [str(rng.choice(["kg", "m/s", "(s)"])) for _ in kinds])
    if rng.random() < 0.2:
        rows.append([str(rng.choice(["Total", "Source: x", "2023"])), *rows[-1][1:]])
    quoted = [
        [f'"{cell}"' if separator in cell or rng.random() < 0.1 else cell for cell in row]
        for row in (header, *rows)
    ]
    text = "".join(separator.join(row) + "\n" for row in quoted)
    return text.encode(str(rng.choice(["utf-8", "utf-16", "cp1252"]))), TextFormat(
        missing=("1",) if rng.random() < 0.05 else (),
        texts=("c0",) if rng.random() < 0.1 else (),
        header=bool(rng.random() < 0.9),
    )


def _read(content: bytes, text_format: TextFormat) -> tuple[pd.DataFrame, list[str]] | str:
    try:
        return read_delimited(BytesIO(content), content, text_format, "t.csv")
    except InvalidInputError as error:
        return str(error)


@pytest.mark.parametrize(
    "seeds", [range(8), pytest.param(range(8, 150), marks=pytest.mark.slow)], ids=str
)
def test_numbers_parsed_at_once_are_those_read_text_by_text(
    monkeypatch: pytest.MonkeyPatch, seeds: range
) -> None:
    tables = [_table(seed) for seed in seeds]
    at_once = [_read(*table) for table in tables]
    monkeypatch.setattr(delimited, "list_doubtful", lambda frame, *_: list_parsed(frame))
    by_text = [_read(*table) for table in tables]

    for found, expected in zip(at_once, by_text, strict=True):
        if isinstance(found, str) or isinstance(expected, str):
            assert found == expected
        else:
            assert found[1] == expected[1]
            pd.testing.assert_frame_equal(found[0], expected[0], check_exact=True)


def test_plain_numbers_are_not_read_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(200, 3))
    content = pd.DataFrame(rows, columns=list("abc")).to_csv(index=False).encode()
    calls = []
    read_csv = pd.read_csv
    monkeypatch.setattr(pd, "read_csv", lambda *a, **k: calls.append(k) or read_csv(*a, **k))
    frame, _ = read_delimited(BytesIO(content), content, TextFormat(), "t.csv")

    assert np.allclose(frame.to_numpy(), rows, rtol=1e-13, atol=0)  # pandas 2 rounds them
    assert len(calls) == 2  # the header, and the rows


@pytest.mark.parametrize("cell", ["007", "2E0", "1234567890123456"])
def test_a_code_is_seen_wherever_it_is_in_a_file(
    monkeypatch: pytest.MonkeyPatch, cell: str
) -> None:
    monkeypatch.setattr(plain_numbers, "_AT_ONCE", 64)  # as blocks of long files end anywhere
    for place in range(0, 40, 3):
        rows = [f"{number / 8},{number}" for number in range(60)]
        rows[place] = f"1.5,{cell}"
        content = "\n".join(["a,b", *rows, ""]).encode()
        frame, _ = read_delimited(BytesIO(content), content[:100], TextFormat(), "t.csv")

        assert frame["b"].iloc[place] == cell
        assert frame["a"].dtype == np.float64
