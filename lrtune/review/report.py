"""The report on a study: one HTML file with what to set, how certain that is, and why.

The file embeds its style and figures, and needs neither a network nor scripts. Text from users
(names, columns, paths, commands) is escaped.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lrtune._version import __version__
from lrtune.review.gallery import GALLERY, Picture
from lrtune.review.study import Study
from lrtune.review.tables import (
    best_settings,
    code_samples,
    report_command,
    reproduction_rows,
    to_text,
)
from lrtune.review.wording import (
    PARAMETER,
    glossary,
    headline,
    paragraphs,
    progress_notes,
    visible,
)
from lrtune.support.files import write_file
from lrtune.tuning.result import SearchResult


def write_report(result: SearchResult, path: str | os.PathLike[str]) -> None:
    """Write the report on a search's result to one HTML file.

    Parameters
    ----------
    result : SearchResult
        What `lrtune.search` returned, or the `result_` of a `LearningRateSearchCV`.
    path : str or path
        The file; one of that name is replaced.

    Examples
    --------
    >>> import lrtune
    >>> def train(schedule, seed):
    ...     x = 10.0
    ...     for epoch in range(5):
    ...         x -= schedule(epoch) * x
    ...         yield x * x
    >>> result = lrtune.search(train, epochs=5, trainings=12, storage=None)
    >>> lrtune.write_report(result, "report.html")  # doctest: +SKIP
    """
    write_file(Path(path), render_report(result).encode())


def render_report(result: SearchResult) -> str:
    """Return the report on a search as HTML; the same result gives the same text."""
    template = _environment().get_template("report.html.jinja")
    return template.render(_content(Study(result)))


def render_figures(result: SearchResult) -> dict[str, bytes]:
    """Return the figures of a search's report as PNG files, by name."""
    study = Study(result)
    return {
        name: picture.png(study) for name, picture in GALLERY.items() if not picture.missing(study)
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lrtune.review", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["message"] = _message
    return environment


def _message(text: str) -> Markup:
    """Escape a message, with its parameters as code."""
    parts = PARAMETER.split(visible(text))
    for index, part in enumerate(parts):
        parts[index] = Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
    return Markup().join(parts)


def _content(study: Study) -> dict[str, Any]:
    table = study.environment.table
    return {
        "version": __version__,
        "study": study.name,
        "storage": study.storage,
        "dataset": study.dataset,
        "headline": headline(study),
        "status": progress_notes(study),
        "setting": _setting(study),
        "paragraphs": paragraphs(study),
        "warnings": [f"{text[:1].upper()}{text[1:]}." for text in study.warnings],
        "tuned_for": _tuned_for(study),
        "figures": {name: _figure(picture, study) for name, picture in GALLERY.items()},
        "table": best_settings(study),
        "codes": code_samples(study),
        "command": study.environment.command,
        "facts": reproduction_rows(study),
        "notes": table.notes,
        "columns": sorted(table.columns, key=lambda column: not column.doubt),
        "report_command": report_command(study),
        "repeat": study.subject.repeat,
        "source": study.subject.source,
        "glossary": glossary(study),
    }


def _figure(picture: Picture, study: Study) -> dict[str, Any]:
    """Return a figure as an SVG file in base 64, or the reason why it is missing."""
    missing = picture.missing(study)
    if missing:
        return {"title": picture.titled(study), "missing": missing}
    svg, (width, height) = picture.svg(study)
    return {
        "title": picture.titled(study),
        "missing": "",
        "caption": picture.caption(study),
        "image": base64.b64encode(svg).decode("ascii"),
        "width": width,
        "height": height,
    }


def _setting(study: Study) -> list[tuple[str, str]]:
    """Return the recommended parameters by name, without the decay rate of a constant rate."""
    if study.setting is None:
        return []
    params = study.setting.params
    if study.setting.decay == "constant":
        del params["decay_rate"]
    units = {"decay_rate": " per epoch"}
    return [(name, to_text(value, 4) + units.get(name, "")) for name, value in params.items()]


def _tuned_for(study: Study) -> str:
    if study.recommended is None:
        return ""
    names = {"max_iter": "epochs", "batch_size": "batches of", "hidden_layer_sizes": "hidden units"}
    function = [f"the function {study.recommended.estimator}"] * study.recommended.is_function
    parameters = (
        f"{names.get(name, name)} {to_text(value, 4) if function else value}"
        for name, value in study.recommended.parameters
    )
    return ", ".join([*function, *parameters])
