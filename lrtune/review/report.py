"""The report on a study: one HTML file that says what to set, how sure that is, and why.

It needs no network and no script: style and figures stand in the file. Whatever comes from a user
(names, columns, paths, commands) is escaped.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from lrtune._version import __version__
from lrtune.review.facts import best_settings, codes, fact_rows, repeat
from lrtune.review.gallery import GALLERY, Picture
from lrtune.review.study import Studied
from lrtune.review.wording import GLOSSARY, headline, number, paragraphs, progress_notes, visible
from lrtune.tuning.result import SearchResult

__all__ = ["Shown", "render_figures", "render_report"]


@dataclass(frozen=True)
class Shown:
    """A figure in the report: an SVG file in base 64 with its size in pixels, or why it is not."""

    title: str
    caption: str = ""
    image: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""

    @classmethod
    def of(cls, picture: Picture, studied: Studied) -> Shown:
        """Draw it."""
        missing = picture.missing(studied)
        if missing:
            return cls(picture.title, missing=missing)
        svg, (width, height) = picture.svg(studied)
        image = base64.b64encode(svg).decode("ascii")
        return cls(picture.title, picture.caption(studied), image, width, height)


def render_report(result: SearchResult) -> str:
    """Render a report on a search as HTML, to be written as UTF-8.

    The same result gives the same text.

    Raises
    ------
    InvalidInputError
        If the search kept no record.
    """
    template = _environment().get_template("report.html.jinja")
    return template.render(_content(Studied(result)))


def render_figures(result: SearchResult) -> dict[str, bytes]:
    """Draw the report's figures as PNG files, by name; those without data are left out."""
    studied = Studied(result)
    return {
        name: picture.png(studied)
        for name, picture in GALLERY.items()
        if not picture.missing(studied)
    }


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("lrtune.review", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _content(studied: Studied) -> dict[str, Any]:
    """What the template shows."""
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
        "warnings": studied.warnings,
        "tuned_for": _tuned_for(studied),
        "figures": {name: Shown.of(picture, studied) for name, picture in GALLERY.items()},
        "table": best_settings(studied),
        "codes": codes(studied),
        "command": studied.environment.command,
        "facts": fact_rows(studied),
        "notes": table.notes,
        "columns": table.columns,
        "again": repeat(studied),
        "glossary": GLOSSARY,
    }


def _setting(studied: Studied) -> list[tuple[str, str]]:
    """The recommended parameters by name; of a constant rate, no decay rate."""
    if studied.setting is None:
        return []
    params = studied.setting.params
    if studied.setting.decay == "constant":
        del params["decay_rate"]
    units = {"decay_rate": " per epoch"}
    shown = {k: number(v, 4) if isinstance(v, float) else str(v) for k, v in params.items()}
    return [(name, value + units.get(name, "")) for name, value in shown.items()]


def _tuned_for(studied: Studied) -> str:
    if studied.recommended is None:
        return ""
    names = {"max_iter": "epochs", "batch_size": "batches of", "hidden_layer_sizes": "hidden units"}
    return ", ".join(
        f"{names.get(name, name)} {value}" for name, value in studied.recommended.parameters
    )
