"""Messy tables, the same for the same seed: the faults that users' tables have.

`MESSY` maps names to functions; `write_table` writes a table to a file as a user would have it.
As a program this writes all of them: ``python tests/messy_tables.py FOLDER``.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 7
ROWS = 60
CITIES = np.array(["Bern", "Zürich", "Roma", "São Paulo"], dtype=object)


@dataclass(frozen=True)
class Messy:
    """A table, the format of its file, and what reading it must lead to."""

    frame: pd.DataFrame
    task: str
    notes: tuple[str, ...] = ()  # what the search must print
    used: tuple[str, ...] = ()  # columns that must be used
    dropped: tuple[str, ...] = ()  # columns that must not
    file: str = "table.csv"
    header: tuple[str, ...] | None = None  # where that differs from the frame's
    separator: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    options: tuple[str, ...] = field(default=())


def write_table(messy: Messy, folder: Path) -> Path:
    """Write a table in its format, and return the path."""
    path = folder / messy.file
    if path.suffix == ".parquet":
        messy.frame.to_parquet(path)
        return path
    text = messy.frame.to_csv(
        index=False,
        sep=messy.separator,
        decimal=messy.decimal,
        header=True if messy.header is None else list(messy.header),
        lineterminator="\n",
    )
    content = text.encode(messy.encoding)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def _base(rng: np.random.Generator, rows: int = ROWS) -> pd.DataFrame:
    """Return two columns of numbers, and the classes that depend on them in the last column."""
    size, age = rng.normal(size=rows), rng.normal(40, 9, size=rows)
    return pd.DataFrame(
        {"size": size, "age": age, "kind": np.where(size + (age - 40) / 9 > 0, "big", "small")}
    )


def _insert(frame: pd.DataFrame, **columns: object) -> pd.DataFrame:
    for name, values in columns.items():
        frame.insert(0, name, values)
    return frame


def clean(rng: np.random.Generator) -> Messy:
    return Messy(_base(rng), "classification", used=("size", "age"))


def missing_numbers(rng: np.random.Generator) -> Messy:
    frame = _base(rng)
    frame.loc[::5, "age"] = np.nan
    frame.loc[1, "size"] = np.nan
    notes = ("missing values filled in with the median: 'size' (1), 'age' (12)",)
    return Messy(frame, "classification", notes, ("size", "age"))


def placeholders(rng: np.random.Generator) -> Messy:
    frame = _base(rng).astype({"age": object, "size": object})
    frame.loc[::6, "age"] = "NA"
    frame.loc[[2, 3], "size"] = "?"
    notes = ("texts that are not a number treated as missing values: 'size' (2), 'age' (10)",)
    return Messy(frame, "classification", notes, ("size", "age"))


def infinities(rng: np.random.Generator) -> Messy:
    frame = _base(rng)
    frame.loc[[3, 4], "size"] = [np.inf, -np.inf]
    return Messy(
        frame, "classification", ("infinities treated as missing values: 'size' (2)",), ("size",)
    )


def categories(rng: np.random.Generator) -> Messy:
    frame = _insert(_base(rng), city=rng.choice(CITIES, ROWS), grade=rng.choice(["1", "2", "3+"]))
    frame["grade"] = rng.choice(["1", "2", "3+"], ROWS)
    frame.loc[7, "city"] = None
    notes = (
        "categories encoded as columns of 0 and 1: 'grade', 'city'",
        "missing values made a category of their own: 'city' (1)",
    )
    return Messy(frame, "classification", notes, ("city", "grade"))


def rare_category(rng: np.random.Generator) -> Messy:
    """A category in a single row, which most replicates do not train on."""
    city = rng.choice(CITIES, ROWS)
    city[-1] = "Atlantis"
    return Messy(_insert(_base(rng), city=city), "classification", used=("city",))


def booleans(rng: np.random.Generator) -> Messy:
    whole, gaps = rng.random(ROWS) > 0.5, (rng.random(ROWS) > 0.5).astype(object)
    gaps[[2, 9]] = None
    frame = _insert(_base(rng), whole=whole, gaps=gaps)
    notes = ("missing values filled in with the median: 'gaps' (2)",)
    return Messy(frame, "classification", notes, ("whole", "gaps"))


def dates(rng: np.random.Generator) -> Messy:
    days = pd.Timestamp("2019-05-01") + pd.to_timedelta(rng.integers(0, 900, ROWS), unit="D")
    frame = _insert(_base(rng), iso=days.strftime("%Y-%m-%d"), german=days.strftime("%d.%m.%Y"))
    frame.loc[4, "iso"] = None
    notes = (
        "dates, read as %d.%m.%Y, made numbers: 'german'",
        "dates, read as ISO8601, made numbers: 'iso'",
    )
    return Messy(frame, "classification", notes, ("iso", "german"))


def texts(rng: np.random.Generator) -> Messy:
    words = rng.choice(CITIES, (ROWS, 4))
    remarks = [f"{' '.join(row)} {place}" for place, row in enumerate(words)]
    notes = ("columns dropped, as they hold free text or too many categories",)
    return Messy(_insert(_base(rng), note=remarks), "classification", notes, ("size",), ("note",))


def constants(rng: np.random.Generator) -> Messy:
    frame = _insert(_base(rng), five=5, word="x", nothing=None)
    notes = (
        "columns dropped, as they hold no value: 'nothing'",
        "columns dropped, as they hold the same value in every row: 'word', 'five'",
    )
    return Messy(frame, "classification", notes, ("size",), ("five", "word", "nothing"))


def identifiers(rng: np.random.Generator) -> Messy:
    keys = [f"{value:08x}" for value in rng.permutation(10**6)[:ROWS]]
    frame = _insert(_base(rng), customer_id=rng.permutation(ROWS) + 1000, key=keys)
    notes = (
        "columns dropped, as they are named like identifiers, and differ in every row",
        "columns dropped, as they hold a different word in every row: 'key'",
    )
    return Messy(frame, "classification", notes, ("size",), ("customer_id", "key"))


def row_numbers(rng: np.random.Generator) -> Messy:
    frame = _insert(_base(rng), number=range(ROWS))
    header = ("", "size", "age", "kind")
    return Messy(frame, "classification", dropped=("Unnamed: 0",), header=header)


def duplicate_names(rng: np.random.Generator) -> Messy:
    frame = _insert(_base(rng), extra=rng.normal(size=ROWS))
    notes = ("columns of the same name: 'size' renamed to 'size.1'",)
    header = ("size", "size", "age", "kind")
    return Messy(frame, "classification", notes, ("size", "size.1"), header=header)


def strange_names(rng: np.random.Generator) -> Messy:
    frame = _base(rng)
    frame.columns = ["<script>alert(1)</script>", "tab\tnew\nline\x1b[31m", "klaße, \"kind\" 'é'"]
    return Messy(
        frame, "classification", used=tuple(frame.columns[:2]), file="mit leer & ünïcode 表.csv"
    )


def gaps_in_the_target(rng: np.random.Generator) -> Messy:
    frame = _base(rng)
    frame.loc[:8, "kind"] = None
    notes = (f"target: 9 of {ROWS} rows left out, as column 'kind' has no value there",)
    return Messy(frame, "classification", notes, ("size",))


def rare_classes(rng: np.random.Generator) -> Messy:
    frame = _base(rng)
    frame.loc[[3, 5], "kind"] = ["odd", "even"]
    notes = (f"target: 2 of {ROWS} rows left out, each the only one of its class",)
    return Messy(frame, "classification", notes, ("size",))


def odd_integers(rng: np.random.Generator) -> Messy:
    """Classes −3, 7 and 40 in a middle column, which is named by its position."""
    frame = _base(rng)
    frame.insert(1, "class", np.select([frame["size"] > 0.5, frame["age"] > 45], [-3, 7], 40))
    return Messy(
        frame,
        "classification",
        ("target: column 'class', at position 1",),
        ("size", "age", "kind"),
        options=("--target", "1"),
    )


def gaps_in_integers(rng: np.random.Generator) -> Messy:
    """Whole-number classes that pandas reads as floats because of a gap."""
    frame = _base(rng)
    frame["kind"] = np.where(frame["kind"] == "big", 2.0, 5.0)
    frame.loc[0, "kind"] = np.nan
    return Messy(frame, "classification", (f"target: 1 of {ROWS} rows left out",), ("size",))


def prices(rng: np.random.Generator) -> Messy:
    """A regression whose target has a gap and an infinity."""
    frame = _base(rng).drop(columns="kind")
    frame["price"] = 100 * frame["size"] + frame["age"]
    frame.loc[[0, 1], "price"] = [np.nan, np.inf]
    return Messy(frame, "regression", (f"target: 2 of {ROWS} rows left out",), ("size", "age"))


def tabs(rng: np.random.Generator) -> Messy:
    notes = ("separator: tab",)
    return Messy(_base(rng), "classification", notes, ("age",), file="table.tsv", separator="\t")


def compressed(rng: np.random.Generator) -> Messy:
    frame = _insert(_base(rng), city=rng.choice(CITIES, ROWS))
    return Messy(frame, "classification", used=("city",), file="table.tsv.gz", separator="\t")


def european(rng: np.random.Generator) -> Messy:
    """Semicolons, decimal commas, Windows-1252."""
    frame = _insert(_base(rng), ort=rng.choice(CITIES, ROWS))
    notes = ("encoding: cp1252", "separator: semicolon", "commas treated as decimal points: 'size'")
    return Messy(
        frame, "classification", notes, ("ort", "size"), separator=";", decimal=",",
        encoding="cp1252",
    )  # fmt: skip


def thousands(rng: np.random.Generator) -> Messy:
    """German prices with decimal commas, and points between thousands in some rows."""
    euros = rng.uniform(1, 1100, ROWS)
    euros[:3] = 1234.5, 1001, 12
    signs = str.maketrans(",.", ".,")
    frame = _insert(_base(rng), preis=[f"{value:,.2f}".translate(signs) for value in euros])
    frame["miete"] = frame.pop("kind").map({"big": "1.234,50", "small": "999"})
    notes = (
        "points treated as thousands separators: 'preis'",
        "target: points treated as thousands separators",
        "commas treated as decimal points: 'preis', 'size', 'age'",
    )
    return Messy(frame, "regression", notes, ("preis",), separator=";", decimal=",")


def utf_16(rng: np.random.Generator) -> Messy:
    """The format that spreadsheets call "Unicode text"."""
    frame = _insert(_base(rng), ort=rng.choice(CITIES, ROWS))
    notes = ("encoding: utf-16", "separator: tab")
    return Messy(
        frame, "classification", notes, ("ort",), file="table.txt", separator="\t",
        encoding="utf-16",
    )  # fmt: skip


def byte_order_mark(rng: np.random.Generator) -> Messy:
    frame = _base(rng)
    return Messy(frame, "classification", used=("size",), encoding="utf-8-sig")


def parquet(rng: np.random.Generator) -> Messy:
    frame = _insert(
        _base(rng),
        city=pd.Categorical(rng.choice(CITIES, ROWS)),
        count=pd.array(rng.integers(0, 9, ROWS), dtype="Int64"),
        seen=pd.Timestamp("2020-01-01", tz="Europe/Zurich")
        + pd.to_timedelta(rng.integers(0, 9999, ROWS), unit="h"),
    )
    frame.loc[3, "count"] = pd.NA
    notes = ("dates made numbers: 'seen'", "missing values filled in with the median: 'count' (1)")
    return Messy(frame, "classification", notes, ("city", "count", "seen"), file="table.parquet")


def wide(rng: np.random.Generator, rows: int = 300, columns: int = 200) -> Messy:
    """Many columns of all kinds, each with a fault."""
    frame = _base(rng, rows)
    more: dict[str, object] = {}
    for place in range(columns - 3):
        values = rng.normal(size=rows).astype(object)
        values[rng.random(rows) < 0.1] = rng.choice(["", "NA", "inf"])
        kinds = (values, rng.choice(CITIES, rows), rng.random(rows) > 0.5, 1)
        more[f"column {place}"] = kinds[place % len(kinds)]
    frame = pd.concat([pd.DataFrame(more), frame], axis=1)
    notes = ("columns dropped, as they hold the same value in every row:", " and 41 more")
    return Messy(frame, "classification", notes, ("column 0", "column 1", "column 2"))


def long(rng: np.random.Generator, rows: int = 100_000) -> Messy:
    """Many rows of two columns with gaps."""
    x = rng.normal(size=rows)
    frame = pd.DataFrame({"x": x, "y": 3 * x + rng.normal(size=rows)})
    frame.loc[::1000, "x"] = np.nan
    notes = (f"missing values filled in with the median: 'x' ({rows // 1000})",)
    return Messy(frame, "regression", notes, ("x",))


def everything(rng: np.random.Generator) -> Messy:
    """Several faults at once."""
    parts = [function(np.random.default_rng(SEED)) for function in (dates, booleans, constants)]
    parts += [function(np.random.default_rng(SEED)) for function in (texts, identifiers)]
    frame = _base(rng)
    frame.loc[::7, "age"] = np.nan
    frame.loc[2, "size"] = np.inf
    for part in parts:
        others = part.frame.drop(columns=["size", "age", "kind"])
        frame = pd.concat([others, frame], axis=1)
    frame.loc[[4, 5, 6], "kind"] = [None, None, "alone"]
    notes = tuple(line for part in parts for line in part.notes if "'iso'" not in line)
    return Messy(
        frame,
        "classification",
        tuple(line for line in notes if "dropped" not in line and "median" not in line),
        ("iso", "german", "whole", "gaps", "size", "age"),
        ("five", "word", "nothing", "note", "customer_id", "key"),
        file="alles auf einmal.csv.gz",
        separator=";",
        encoding="cp1252",
    )


MESSY: dict[str, Callable[[np.random.Generator], Messy]] = {
    function.__name__: function
    for function in (
        clean, missing_numbers, placeholders, infinities, categories, rare_category, booleans,
        dates, texts, constants, identifiers, row_numbers, duplicate_names, strange_names,
        gaps_in_the_target, rare_classes, odd_integers, gaps_in_integers, prices, tabs, compressed,
        european, thousands, utf_16, byte_order_mark, parquet, wide, long, everything,
    )
}  # fmt: skip


def make_table(name: str, seed: int = SEED) -> Messy:
    """Return the table of that name in `MESSY`."""
    return MESSY[name](np.random.default_rng(seed))


if __name__ == "__main__":
    for each in MESSY:
        (Path(sys.argv[1]) / each).mkdir(parents=True, exist_ok=True)
        write_table(make_table(each), Path(sys.argv[1]) / each)
