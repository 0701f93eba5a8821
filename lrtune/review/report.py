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
from lrtune.review.numbers import number
from lrtune.review.study import Studied
from lrtune.review.tables import best_settings, code_samples, report_command, reproduction_rows
from lrtune.review.wording import GLOSSARY, PARAMETER, headline, paragraphs, progress_notes, visible
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
    def of(cls, picture: Picture, studied: Studied) -> EmbeddedFigure:
        """Draw a picture."""
        missing = picture.missing(studied)
        if missing:
            return cls(picture.title, missing=missing)
        svg, (width, height) = picture.svg(studied)
        image = base64.b64encode(svg).decode("ascii")
        return cls(picture.title, picture.caption(studied), image, width, height)


def render_report(result: SearchResult) -> str:
    """Return the report on a recorded search as HTML; the same result gives the same text."""
    if result.study is None:
        raise InvalidInputError(
            "a report needs a study in a record, but this search kept none: search again with "
            "`storage`"
        )
    template = _environment().get_template("report.html.jinja")
    return template.render(_content(Studied(result)))


def render_figures(result: SearchResult) -> dict[str, bytes]:
    """Return the figures that the report on a search shows, as PNG files by name."""
    studied = Studied(result)
    return {
        name: picture.png(studied)
        for name, picture in GALLERY.items()
        if not picture.missing(studied)
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


def _content(studied: Studied) -> dict[str, Any]:
    """Return what the template shows."""
    table = studied.environment.table
    return {
        "version": __version__,
        "study": studied.name,
        "storage": studied.storage,
        "dataset": studied.dataset,
        "headline": headline(studied),
        "status": progress_notes(studied),
        "setting": _setting(studied),
        "paragraphs": paragraphs(studied),
        "warnings": [f"{text[:1].upper()}{text[1:]}." for text in studied.warnings],
        "tuned_for": _tuned_for(studied),
        "figures": {name: EmbeddedFigure.of(each, studied) for name, each in GALLERY.items()},
        "table": best_settings(studied),
        "codes": code_samples(studied),
        "command": studied.environment.command,
        "facts": reproduction_rows(studied),
        "notes": table.notes,
        "columns": table.columns,
        "report_command": report_command(studied),
        "glossary": GLOSSARY,
    }


def _setting(studied: Studied) -> list[tuple[str, str]]:
    """Return the recommended parameters by name, without the decay rate of a constant rate."""
    if studied.setting is None:
        return []
    params = studied.setting.params
    if studied.setting.decay == "constant":
        del params["decay_rate"]
    units = {"decay_rate": " per epoch"}
    return [
        (
            name,
            (number(value, 4) if isinstance(value, float) else str(value)) + units.get(name, ""),
        )
        for name, value in params.items()
    ]


def _tuned_for(studied: Studied) -> str:
    if studied.recommended is None:
        return ""
    names = {"max_iter": "epochs", "batch_size": "batches of", "hidden_layer_sizes": "hidden units"}
    return ", ".join(
        f"{names.get(name, name)} {value}" for name, value in studied.recommended.parameters
    )
