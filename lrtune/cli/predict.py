"""``lrtune predict``: a saved model's predictions for a table, as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrtune.cli.completion import complete_data, complete_files
from lrtune.cli.flags import with_flags
from lrtune.cli.options import encoding_option, quiet_option, separator_option
from lrtune.cli.types import OutputFile
from lrtune.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

    from lrtune.models.format import ModelFacts

__all__ = ["NAMELESS", "UNSEEN", "command"]

NAMELESS = "prediction"
"""Heads the column of what a model predicts that was saved without the target's name."""
UNSEEN = "categories that were not learned from, taken for none or for a rare one"
"""What is said of values of a column of categories."""


@click.command("predict", short_help="Predict with a saved model.")
@click.argument("model", shell_complete=complete_files)
@click.argument("data", shell_complete=complete_data)
@click.option(
    "--output",
    type=OutputFile(),
    metavar="FILE.csv",
    help="File to write.  [default: standard output]",
)
@click.option("--proba", is_flag=True, help="Also the probability of every class.")
@separator_option
@encoding_option
@quiet_option
def command(
    model: str,
    data: str,
    output: Path | None,
    proba: bool,
    separator: str | None,
    encoding: str | None,
    quiet: bool,
) -> None:
    """Predict with MODEL, a file that search --save wrote, for every row of DATA.

    DATA is read as search reads it. It must have the columns that MODEL was trained on, in any
    order; others are ignored. The predictions are CSV, a line for each row.

    \b
    Examples:
      lrtune predict iris.skops iris
      lrtune predict price.skops new.csv --output predicted.csv
      lrtune predict iris.skops flowers.csv --proba
    """
    import warnings

    from lrtune.models.persistence import load_model, read_facts
    from lrtune.support.files import write_new_file

    if quiet:
        warnings.simplefilter("ignore")  # until the command line is done
    estimator, facts = load_model(model), read_facts(model)
    _require_usable(estimator, facts, model, proba=proba)
    X, notes = _rows(data, estimator, facts, separator=separator, encoding=encoding)
    text = _predict(estimator, X, facts.target or NAMELESS, data, proba=proba).to_csv(index=False)
    for note in () if quiet else notes:
        click.echo(with_flags(note), err=True)
    if output is None:
        click.echo(text, nl=False)
        return
    write_new_file(output, text.encode())
    if not quiet:
        click.echo(f"written: {output}, {len(X)} rows", err=True)


def _require_usable(estimator: Any, facts: ModelFacts, model: str, *, proba: bool) -> None:
    if proba and not hasattr(estimator, "predict_proba"):
        raise InvalidInputError(
            f"--proba needs a model of classes, but {model!r} is one of a regression: leave it out"
        )
    if not facts.columns:
        raise InvalidInputError(
            f"a model to predict with must know its columns' names, but {model!r} was trained on "
            "an array without: train it on a DataFrame, or predict in Python"
        )


def _rows(
    data: str, estimator: Any, facts: ModelFacts, *, separator: str | None, encoding: str | None
) -> tuple[Any, list[str]]:
    """The rows as the model takes them, and what there is to say of the table."""
    import numpy as np
    import pandas as pd

    from lrtune.tables.bundled import BUNDLED
    from lrtune.tables.columns import conform, listed, text_columns
    from lrtune.tables.dataset import load_dataset
    from lrtune.tables.inspection import require_ordinary
    from lrtune.tables.reading import read_table

    notes: list[str] = []
    if data in BUNDLED:
        bundled = load_dataset(data)
        names = [column.name for column in bundled.columns if column.used]
        frame = pd.DataFrame(bundled.X, columns=names)
    else:
        texts = text_columns(facts.columns)
        table = read_table(data, separator=separator, encoding=encoding, texts=texts)
        frame, notes = table.frame, list(table.notes)
    X = conform(frame, facts.columns, source=data)
    if not len(X):
        raise InvalidInputError(f"DATA must have rows to predict for, but {data!r} has none")
    for place, column in enumerate(column for column in facts.columns if column.used):
        if column.kind == "number":
            values = X[:, place] if isinstance(X, np.ndarray) else X[column.name]
            require_ordinary(pd.Series(values), f"column {column.name!r} of {data}")
    known = {column.name for column in facts.columns if column.used}
    others = [name for name in frame.columns if name not in known]
    if others:
        notes.append(f"columns ignored: {listed(others)}")
    notes += _notes_on_values(frame, estimator, facts)
    if isinstance(X, np.ndarray) and hasattr(estimator, "feature_names_in_"):
        X = pd.DataFrame(X, columns=estimator.feature_names_in_)
    return X, notes


def _notes_on_values(frame: pd.DataFrame, estimator: Any, facts: ModelFacts) -> list[str]:
    """What is made of values that the model cannot take as they are."""
    from dataclasses import replace

    from lrtune.tables.columns import notes_on
    from lrtune.tables.inspection import list_done

    learned, met = _categories(estimator), []
    for column in facts.columns:
        if column.used:
            converted = column.convert(frame[column.name])
            if column.name in learned:
                unseen = int((~converted.isin(learned[column.name])).sum())
                done = [(UNSEEN, unseen)] if unseen else []
            else:
                done = list(list_done(column.kind, frame[column.name], converted))
            met.append(replace(column, done=tuple(done)))
    return list(notes_on(met))


def _categories(estimator: Any) -> dict[str, Any]:
    """The categories that were learned from, by column."""
    from sklearn.compose import ColumnTransformer

    first = estimator[0] if hasattr(estimator, "named_steps") else None
    steps = first.transformers_ if isinstance(first, ColumnTransformer) else []
    return {
        str(name): known
        for _, step, names in steps
        if hasattr(step, "categories_")
        for name, known in zip(names, step.categories_, strict=True)
    }


def _predict(estimator: Any, X: Any, target: str, data: str, *, proba: bool) -> pd.DataFrame:
    import pandas as pd

    try:
        columns = {target: estimator.predict(X)}
        if proba:
            probabilities = estimator.predict_proba(X)
            for place, label in enumerate(estimator.classes_):
                columns[f"probability of {label}"] = probabilities[:, place]
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(
            f"DATA must be a table like the one that the model was trained on, but predicting for "
            f"{data!r} gave: {reason}"
        ) from error
    return pd.DataFrame(columns)
