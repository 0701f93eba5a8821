"""The report on a study: one HTML file that says what to set, how certain that is, and why.

It needs neither a network nor scripts: style and figures are part of the file. Text from users
(names, columns, paths, commands) is escaped.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lrtune._version import __version__
from lrtune.exceptions import InvalidInputError
from lrtune.review.gallery import GALLERY, Picture
from lrtune.review.study import Study
from lrtune.review.tables import best_settings, code_samples, report_command, reproduction_rows
from lrtune.review.wording import GLOSSARY, PARAMETER, headline, paragraphs, progress_notes, visible
from lrtune.support.numbers import number
from lrtune.tuning.result import SearchResult

__all__ = ["EmbeddedFigure", "render_figures", "render_report"]


@dataclass(frozen=True)
class EmbeddedFigure:
    """A figure in the report: an SVG file in base 64, or the reason why it is missing."""

    title: str
    caption: str = ""
    image: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""

    @classmethod
    def of(cls, picture: Picture, study: Study) -> EmbeddedFigure:
        """Draw a picture."""
        missing = picture.missing(study)
        if missing:
            return cls(picture.title, missing=missing)
        svg, (width, height) = picture.svg(study)
        image = base64.b64encode(svg).decode("ascii")
        return cls(picture.title, picture.caption(study), image, width, height)


def render_report(result: SearchResult) -> str:
    """Return the report on a recorded search as HTML; the same result gives the same text."""
    if result.study is None:
        raise InvalidInputError(
            "a report needs a study in a record, but this search kept none: search again with "
            "`storage`"
        )
    template = _environment().get_template("report.html.jinja")
    return template.render(_content(Study(result)))


def render_figures(result: SearchResult) -> dict[str, bytes]:
    """Return the figures that the report on a search shows, as PNG files by name."""
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
    """Escape a message, and show the parameters in it as code."""
    parts = PARAMETER.split(visible(text))
    for index, part in enumerate(parts):
        parts[index] = Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
    return Markup().join(parts)


def _content(study: Study) -> dict[str, Any]:
    """Return what the template shows."""
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
        "figures": {name: EmbeddedFigure.of(each, study) for name, each in GALLERY.items()},
        "table": best_settings(study),
        "codes": code_samples(study),
        "command": study.environment.command,
        "facts": reproduction_rows(study),
        "notes": table.notes,
        "columns": table.columns,
        "report_command": report_command(study),
        "glossary": GLOSSARY,
    }


def _setting(study: Study) -> list[tuple[str, str]]:
    """Return the recommended parameters by name, without the decay rate of a constant rate."""
    if study.setting is None:
        return []
    params = study.setting.params
    if study.setting.decay == "constant":
        del params["decay_rate"]
    units = {"decay_rate": " per epoch"}
    return [
        (
            name,
            (number(value, 4) if isinstance(value, float) else str(value)) + units.get(name, ""),
        )
        for name, value in params.items()
    ]


def _tuned_for(study: Study) -> str:
    if study.recommended is None:
        return ""
    names = {"max_iter": "epochs", "batch_size": "batches of", "hidden_layer_sizes": "hidden units"}
    return ", ".join(
        f"{names.get(name, name)} {value}" for name, value in study.recommended.parameters
    )
