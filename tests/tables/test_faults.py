"""Tables as people have them are read as a person would read them.

Each case is a table with one fault, and the same table read by hand: the columns as they were
before the fault. A tree trained on what `load_dataset` makes of the first must score as well as on
the second, and the note that says what was done must appear.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from lrtune.estimators import MLPRegressor
from lrtune.exceptions import InvalidInputError
from lrtune.tables.apply import read_rows
from lrtune.tables.columns import Column
from lrtune.tables.dataset import Dataset, load_dataset

ROWS = 400


@dataclass(frozen=True)
class Fault:
    """A table as text, and how it is read by hand."""

    text: str
    X: pd.DataFrame
    y: Any
    note: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Draw:
    """Random columns: `x` decides the target, `noise` does not."""

    x: Any
    noise: Any
    rng: np.random.Generator


def draw() -> Draw:
    rng = np.random.default_rng(0)
    return Draw(rng.normal(size=ROWS), rng.normal(size=ROWS).round(3), rng)


def regression(x: Any, written: Any, note: str, *, separator: str = ",", **options: Any) -> Fault:
    """Return a fault in how the only column that matters, `x`, is written."""
    d = draw()
    y = (3 * np.asarray(x, dtype=float) + 0.1 * d.noise).round(3)
    frame = pd.DataFrame({"written": written, "noise": d.noise, "y": y})
    text = frame.to_csv(index=False, sep=separator)
    return Fault(text, pd.DataFrame({"x": x, "noise": d.noise}), y, note, options)


def groups_of(texts: Any, effects: Any, note: str) -> Fault:
    """Return a fault in names whose effects the target has."""
    d = draw()
    y = (effects + 0.2 * d.noise).round(3)
    frame = pd.DataFrame({"name": texts, "noise": d.noise, "y": y})
    by_hand = pd.get_dummies(frame[["name", "noise"]].astype({"name": str}))
    return Fault(frame.to_csv(index=False), by_hand, y, note)


def scaled(low: float, high: float, decimals: int = 2) -> Any:
    return draw().rng.uniform(low, high, ROWS).round(decimals)


def us_thousands() -> Fault:
    x = scaled(10, 90_000, 0)
    note = "commas treated as thousands separators: 'written'"
    return regression(x / 9e4, [f"{value:,.0f}" for value in x], note, separator="\t")


def decimal_commas_in_quotes() -> Fault:
    x = scaled(0, 9)
    written = [f"{value:.2f}".replace(".", ",") for value in x]
    return regression(x, written, "commas treated as decimal points: 'written'")


def currency() -> Fault:
    x = scaled(10, 3000)
    return regression(x / 3e3, [f"${value:,.2f}" for value in x], "numbers read without '$'")


def percent() -> Fault:
    x = scaled(-20, 90, 1)
    return regression(x / 90, [f"{value}%" for value in x], "numbers read without '%': 'written'")


def units() -> Fault:
    x = scaled(40, 120, 1)
    return regression(x / 90, [f"{value} kg" for value in x], "numbers read without 'kg'")


def signs() -> Fault:
    x = scaled(-9, 9)
    written = [f"\u2212{-value}" if value < 0 else f"+{value}" for value in x]
    return regression(x, written, "columns")


def gaps_of_a_statistics_office() -> Fault:
    x = scaled(0, 9)
    gap = np.arange(ROWS) % 6 == 0
    written = np.where(gap, np.where(np.arange(ROWS) % 12, "..", "n.a."), x.astype(str))
    by_hand = np.where(gap, np.median(x[~gap]), x)
    fault = regression(x, written, "texts that are not a number treated as missing values")
    X = fault.X.assign(x=by_hand, gap=gap)
    return Fault(fault.text, X, fault.y, fault.note)


def limits() -> Fault:
    x = np.maximum(scaled(-1, 9), 0.5)
    written = [f"<{value}" if value == 0.5 else str(value) for value in x]
    return regression(x, written, "limits, such as <0.5, read as the number: 'written'")


def gap_code() -> Fault:
    x = scaled(0, 9)
    gap = np.arange(ROWS) % 9 == 0
    fault = regression(x, np.where(gap, -9999, x), "-9999, far outside the other values, treated")
    X = fault.X.assign(x=np.where(gap, np.median(x[~gap]), x), gap=gap)
    return Fault(fault.text, X, fault.y, fault.note)


def outlier() -> Fault:
    x = scaled(0, 9)
    written = np.where(np.arange(ROWS) == 7, 1e9, x)
    return regression(x, written, "values far outside the others compressed: 'written'")


def days() -> Any:
    return pd.Timestamp("2015-01-01") + pd.to_timedelta(
        draw().rng.integers(0, 3000, ROWS), unit="D"
    )


def dates(date_format: str, note: str) -> Fault:
    moments = days()
    x = np.asarray((moments - moments.min()).days)
    return regression(x / 1000, moments.strftime(date_format), note)


def us_dates() -> Fault:
    return dates("%m/%d/%y", "dates, read as %m/%d/%y, made numbers: 'written'")


def mixed_dates() -> Fault:
    moments = days()
    formats = np.where(np.arange(ROWS) % 3, "%Y-%m-%d", "%d/%m/%Y")
    written = [day.strftime(form) for day, form in zip(moments, formats, strict=True)]
    x = np.asarray((moments - moments.min()).days) / 1000
    return regression(x, written, "read as ISO8601 and %d/%m/%Y,")


def times_of_day() -> Fault:
    minutes = draw().rng.integers(0, 1440, ROWS)
    written = [f"{m // 60 % 12 or 12}:{m % 60:02d} {'AP'[m // 720]}M" for m in minutes]
    return regression(minutes / 1440, written, "dates, read as %I:%M %p, made numbers: 'written'")


def compact_dates() -> Fault:
    return dates("%Y%m%d", "dates, read as %Y%m%d, made numbers: 'written'")


def postal_codes() -> Fault:
    rng = draw().rng
    codes = np.array([f"{code:05d}" for code in rng.permutation(90_000)[:20]])
    codes[0] = "00501"
    picked = rng.integers(0, 20, ROWS)
    effects = rng.normal(size=20)[picked]
    return groups_of(codes[picked], effects, "numbers with leading zeros are names")


def many_states() -> Fault:
    rng = draw().rng
    picked = rng.integers(0, 36, ROWS)
    names = np.array([f"S{n:02d}" for n in range(36)])[picked]
    effects = np.linspace(-2, 2, 36)[rng.permutation(36)][picked]
    return groups_of(names, effects, "categories encoded as columns of 0 and 1: 'name'")


def too_many_towns() -> Fault:
    rng = draw().rng
    picked = rng.integers(0, 70, ROWS)
    names = np.array([f"T{n:02d}" for n in range(70)])[picked]
    effects = np.linspace(-2, 2, 70)[picked]
    return groups_of(names, effects, "too many for a column each, encoded by the mean of the targe")


def stray_word() -> Fault:
    x = scaled(0, 9)
    fault = regression(
        x, x, "1 of 400 rows left out, as column 'y' holds no number there: 'pending'"
    )
    lines = fault.text.splitlines()
    lines[18] = lines[18].rpartition(",")[0] + ",pending"
    kept = np.arange(ROWS) != 17
    return Fault("\n".join(lines), fault.X[kept], fault.y[kept], fault.note)


def row_of_units() -> Fault:
    x = scaled(0, 9)
    fault = regression(x, x, "first row left out, as it holds units: 'mm', 'kg', 'eur'")
    header, _, rest = fault.text.partition("\n")
    return Fault(f"{header}\nmm,kg,eur\n{rest}", fault.X, fault.y, fault.note)


def title() -> Fault:
    x = scaled(0, 9)
    fault = regression(x, x, "lines before the header skipped: 2, 'Report 2024,,'")
    return Fault(f"Report 2024,,\n,,\n{fault.text}", fault.X, fault.y, fault.note)


def comments() -> Fault:
    x = scaled(0, 9)
    fault = regression(x, x, "lines before the header skipped: 1, '# exported: today'")
    return Fault(f"# exported: today\n{fault.text}", fault.X, fault.y, fault.note)


def no_header() -> Fault:
    x = scaled(0, 9)
    fault = regression(x, x, "target: column 'column 2', the last", header=False)
    return Fault(fault.text.partition("\n")[2], fault.X, fault.y, fault.note, fault.options)


def classes(labels: Any, written: Any, note: str) -> Fault:
    d = draw()
    frame = pd.DataFrame({"x": d.x.round(3), "noise": d.noise, "class": written})
    return Fault(frame.to_csv(index=False), frame[["x", "noise"]], np.asarray(labels), note)


def blanks_and_case() -> Fault:
    labels = np.where(draw().x > 0, "yes", "no")
    written = labels.astype(object)
    written[::3] = [f"{label} " for label in written[::3]]
    written[1::9] = [label.upper() for label in written[1::9]]
    return classes(labels, written, "classes that differ in case alone merged: 'NO'")


def agents() -> Fault:
    labels = np.select([draw().x > 0.5, draw().x > -0.5], ["007", "011"], "7")
    return classes(labels, labels, "classes '011'")


def versions() -> Fault:
    labels = np.select([draw().x > 0.5, draw().x > -0.5], ["3.1", "3.10"], "3.2")
    return classes(labels, labels, "classes '3.10'")


def grouped_by_points() -> Fault:
    x = np.r_[scaled(100, 900, 0)[:200], scaled(1000, 90_000, 0)[200:]]
    written = [f"{value:,.0f}".replace(",", ".") for value in x]
    noise = np.arange(ROWS) % 50
    frame = pd.DataFrame({"written": written, "noise": noise, "y": x.astype(int) + noise})
    note = "points treated as thousands separators: 'written'"
    X = pd.DataFrame({"x": x, "noise": noise})
    return Fault(frame.to_csv(index=False, sep=";"), X, frame.y.to_numpy(), note)


def points_among_decimal_commas() -> Fault:
    x = np.r_[scaled(0, 999, 0)[:9], scaled(1000, 90_000, 0)[9:]]
    written = [f"{value:,.0f}".replace(",", ".") for value in x]
    fault = regression(x / 9e4, written, "points treated as thousands separators", separator=";")
    lines = [line.split(";") for line in fault.text.splitlines()]
    text = "".join(f"{w};{n.replace('.', ',')};{y.replace('.', ',')}\n" for w, n, y in lines)
    return Fault(text, fault.X, fault.y, fault.note)


def footnotes() -> Fault:
    x = scaled(0, 9)
    written = [f"{value}{('', '*', ' [1]', '')[row % 4]}" for row, value in enumerate(x)]
    return regression(x, written, "footnotes, such as 5* or 5 [1], left out of the number: 'wri")


def debts() -> Fault:
    x = scaled(-9000, 9000)
    written = [f"GBP ({-value:,.2f})" if value < 0 else f"GBP {value:,.2f}" for value in x]
    return regression(x / 9e3, written, "numbers read without 'GBP'", separator="|")


def multiples() -> Fault:
    x = scaled(1, 4000, 1)
    written = [f"{value / 1000:.4f}M" if value > 1000 else f"{value}k" for value in x]
    return regression(x / 4e3, written, "letters such as 'M' read as multiples: 'written'")


def durations() -> Fault:
    x = scaled(0, 200_000, 0).astype(int)
    written = [f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}" for s in x]
    return regression(x / 2e5, written, "durations, as h:mm:ss, read in seconds: 'written'")


def lap_times() -> Fault:
    x = scaled(60, 7000, 3)
    written = [
        f"{s // 3600:.0f}:{s // 60 % 60:02.0f}:{s % 60:06.3f}"
        if s >= 3600
        else f"{s // 60:.0f}:{s % 60:06.3f}"
        for s in np.floor(x)
    ]
    return regression(x / 7e3, written, "durations, as h:mm:ss, read in seconds: 'written'")


def gaps_of_databases() -> Fault:
    x = scaled(0, 9)
    gap = np.arange(ROWS) % 6 == 0
    fault = regression(x, np.where(gap, r"\N", x.astype(str)), "texts that are not a number")
    X = fault.X.assign(x=np.where(gap, np.median(x[~gap]), x), gap=gap)
    return Fault(fault.text, X, fault.y, fault.note)


def dates_that_never_come() -> Fault:
    fault = dates("%Y-%m-%d", "texts that are not a date treated as missing values: 'written'")
    lines = fault.text.splitlines()
    x, gap = fault.X.x.to_numpy(), np.zeros(ROWS, dtype=bool)
    for row in range(0, ROWS, 8):
        never = ("9999-12-31", "0000-00-00")[row // 8 % 2]
        lines[row + 1] = f"{never},{lines[row + 1].partition(',')[2]}"
        gap[row] = True
    X = fault.X.assign(x=np.where(gap, np.median(x[~gap]), x), gap=gap)
    return Fault("\n".join(lines) + "\n", X, fault.y, fault.note)


def merged_header() -> Fault:
    x = scaled(0, 9)
    fault = regression(x, x, "lines before the header skipped: 1, 'Before,,'")
    return Fault(f"Before,,\n{fault.text}", fault.X, fault.y, fault.note)


def concatenated() -> Fault:
    x = scaled(0, 9)
    fault = regression(x, x, "rows left out, as they repeat the header: 1")
    header, *lines = fault.text.splitlines(keepends=True)
    return Fault(
        "".join([header, *lines[:150], header, *lines[150:]]), fault.X, fault.y, fault.note
    )


def total() -> Fault:
    x = scaled(0, 9)
    fault = regression(
        x, x, "last rows left out, as they are a total or a remark: 'Total', 'Source"
    )
    text = f"{fault.text}Total,,{fault.y.sum()}\nSource: Office of Statistics\n"
    return Fault(text, fault.X, fault.y, fault.note)


def old_mac() -> Fault:
    x = scaled(0, 9)
    fault = regression(x, x, "lines before the header skipped: 2, 'Report'")
    return Fault(f"Report\n\n{fault.text}".replace("\n", "\r"), fault.X, fault.y, fault.note)


FAULTS: tuple[Callable[[], Fault], ...] = (
    us_thousands, decimal_commas_in_quotes, currency, percent, units, signs,
    gaps_of_a_statistics_office, limits, gap_code, outlier, us_dates, mixed_dates, times_of_day,
    compact_dates, postal_codes, many_states, too_many_towns, stray_word, row_of_units, title,
    comments, no_header, blanks_and_case, agents, versions,
    grouped_by_points, points_among_decimal_commas, footnotes, debts, multiples, durations,
    lap_times, gaps_of_databases, dates_that_never_come, merged_header, concatenated, total,
    old_mac,
)  # fmt: skip


def score(X: Any, y: Any, task: str, *preprocessing: Any) -> float:
    tree = DecisionTreeClassifier if task == "classification" else DecisionTreeRegressor
    model = make_pipeline(*preprocessing, tree(min_samples_leaf=3, random_state=0))
    return float(cross_val_score(model, X, y, cv=KFold(5, shuffle=True, random_state=0)).mean())


def load(fault: Fault, name: str = "t.csv") -> Dataset:
    Path(name).write_text(fault.text, encoding="utf-8")
    return load_dataset(name, **fault.options)


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_a_table_is_read_as_by_hand(folder: Path, make: Callable[[], Fault]) -> None:
    fault = make()
    dataset = load(fault)
    by_hand = score(fault.X, fault.y, dataset.task)

    assert by_hand > 0.6
    assert score(dataset.X, dataset.y, dataset.task, dataset.preprocessing) > by_hand - 0.05
    assert fault.note in "\n".join(dataset.notes) or fault.note == "columns"
    if dataset.task == "classification":
        assert set(dataset.y) == set(fault.y)


def test_a_target_of_few_rows_is_no_class_for_every_value(folder: Path) -> None:
    table = pd.DataFrame({"x": range(30), "y": [n % 16 for n in range(30)]})
    table.to_csv("t.csv", index=False)

    assert load_dataset("t.csv").task == "regression"


PAIRS = {
    "thousands": (scaled(1000, 9e5, 0), lambda x: x, lambda x: [f"{value:,.0f}" for value in x]),
    "dates": (
        np.arange(ROWS) * 7,
        lambda x: (pd.Timestamp("2015-01-01") + pd.to_timedelta(x, unit="D")).strftime("%d/%m/%Y"),
        lambda x: (pd.Timestamp("2015-01-01") + pd.to_timedelta(x, unit="D")).strftime("%Y-%m-%d"),
    ),
    "currency": (scaled(1, 900), lambda x: x, lambda x: [f"${value}" for value in x]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_another_table_written_in_another_way_is_read_as_the_first(folder: Path, name: str) -> None:
    x, first, second = PAIRS[name]
    dataset = load(regression(x / np.max(x), first(x), ""))
    model = make_pipeline(dataset.preprocessing, MLPRegressor(max_iter=1)).fit(dataset.X, dataset.y)
    load(regression(x / np.max(x), second(x), "", separator="\t"), "new.tsv")
    again, _ = read_rows("new.tsv", dataset.columns, model)

    assert model.predict(again) == pytest.approx(model.predict(dataset.X), rel=1e-6)


def test_thousands_are_read_as_in_training_where_nothing_else_tells(folder: Path) -> None:
    x = scaled(1000, 9e5, 0)
    written = [f"{value:,.1f}".translate(str.maketrans(",.", ".,")) for value in x]
    dataset = load(regression(x / 9e5, written, "", separator=";"))
    model = make_pipeline(dataset.preprocessing, MLPRegressor(max_iter=1)).fit(dataset.X, dataset.y)
    Path("new.csv").write_text("written;noise\n1.500;0\n12.250;1\n", encoding="utf-8")
    rows, _ = read_rows("new.csv", dataset.columns, model)

    assert rows[:, 0].tolist() == [1500, 12_250]


def test_points_that_may_separate_thousands_are_in_doubt(folder: Path) -> None:
    written = [*range(100, 900, 20), *(f"{n}.{n + 100}" for n in range(1, 41))]
    pd.DataFrame({"written": written, "y": np.arange(80) / 7}).to_csv("t.csv", index=False)

    assert "points may separate thousands" in load_dataset("t.csv").columns[0].doubt


def test_numbers_without_the_unit_of_others_are_in_doubt(folder: Path) -> None:
    x = scaled(1, 99)
    written = [f"{value}%" if row % 2 else value / 100 for row, value in enumerate(x)]
    dataset = load(regression(x, written, ""))

    assert "200 are without '%': are they in another unit?" in dataset.columns[0].doubt
    assert dataset.columns[0].doubt in "\n".join(dataset.notes)


def test_a_gap_where_training_had_none_is_filled_and_said(folder: Path) -> None:
    x = scaled(0, 9)
    dataset = load(regression(x, x, ""))
    model = make_pipeline(dataset.preprocessing, MLPRegressor(max_iter=1)).fit(dataset.X, dataset.y)
    Path("new.csv").write_text("written,noise\n,0.5\n1,0.5\n", encoding="utf-8")
    rows, notes = read_rows("new.csv", dataset.columns, model)

    assert rows[0, 0] == pytest.approx(x.mean())
    assert "missing values filled in with the mean: 'written' (1)" in notes


def test_what_stood_for_gaps_in_training_does_so_later(folder: Path) -> None:
    fault = gap_code()
    Path("t.csv").write_text(fault.text, encoding="utf-8")
    dataset = load_dataset("t.csv", missing=["0.5"])
    columns = [replace(column, why="", doubt="") for column in dataset.columns]
    stored = [Column.from_dict(column.to_dict()) for column in columns]
    Path("new.csv").write_text("written,noise\n-9999.0,0.5\n1.5,2\n", encoding="utf-8")
    rows, _ = read_rows("new.csv", stored, None)

    assert stored == columns
    assert rows.isna().to_numpy().tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("written", "tall\nsmall\n", "held numbers in training, but in new.csv 2 of 2"),
        ("written", "1-2\n3-4\n", "write them as in the training table"),
    ],
)
def test_a_table_that_cannot_be_read_as_the_first_is_refused(
    folder: Path, column: str, values: str, message: str
) -> None:
    x = scaled(0, 9)
    dataset = load(regression(x, x, ""))
    model = make_pipeline(dataset.preprocessing, MLPRegressor(max_iter=1)).fit(dataset.X, dataset.y)
    lines = "".join(f"{line},0.5\n" for line in values.split())
    Path("new.csv").write_text(f"{column},noise\n{lines}", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=message):
        read_rows("new.csv", dataset.columns, model)
