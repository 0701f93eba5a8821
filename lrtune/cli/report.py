"""``lrtune report``: the result of a study as a page or as figures."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrtune.cli.completion import complete_studies
from lrtune.cli.options import storage_option
from lrtune.cli.types import OutputFile
from lrtune.exceptions import InvalidInputError

if TYPE_CHECKING:
    from lrtune.tuning.result import SearchResult


@click.command("report", short_help="Write a report on a study.")
@click.argument("study", shell_complete=complete_studies)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["html", "png"]),
    default="html",
    show_default=True,
    help="One page, or its figures as files in a folder.",
)
@storage_option
@click.option(
    "--output",
    type=OutputFile(),
    help="New file to write, or with png a new folder.  [default: STUDY.html, STUDY-figures]",
)
def command(study: str, kind: str, storage: str, output: Path | None) -> None:
    """Write a report on STUDY: what to set, how certain and how safe that is, and why.

    The page is one file for any browser, readable on a phone and on paper; it needs neither a
    network nor scripts.

    \b
    Examples:
      lrtune report iris
      lrtune report iris --output iris-tuned.html
      lrtune report iris --format png --output figures
    """
    ending, write = FORMATS[kind]
    if output is None:
        ctx = click.get_current_context()
        parameter = next(param for param in ctx.command.params if param.name == "output")
        output = OutputFile().convert(_file_name(study) + ending, parameter, ctx)
    write(study, storage, output)
    click.echo(f"written: {output}", err=True)


def _file_name(study: str) -> str:
    """Return the name of a study without characters that have a meaning in paths."""
    return re.sub(r"[^\w.-]+", "-", study).strip("-.") or "report"


def _read(study: str, storage: str) -> SearchResult:
    from lrtune.tuning.result import read_result

    otherwise = "look at it with optuna-dashboard"
    return read_result(study, storage, purpose="report on", otherwise=otherwise)


def _write_page(study: str, storage: str, path: Path) -> None:
    from lrtune.review.report import render_report
    from lrtune.support.files import write_new_file

    write_new_file(path, render_report(_read(study, storage)).encode("utf-8"))


def _write_figures(study: str, storage: str, path: Path) -> None:
    from lrtune.review.report import render_figures

    figures = render_figures(_read(study, storage))
    try:
        _write_folder(path, {f"{name}.png": content for name, content in figures.items()})
    except OSError as error:
        raise InvalidInputError(
            f"the folder to write must be in a writable folder with free space, but {str(path)!r} "
            f"gave: {error.strerror or error}"
        ) from error


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder whole, or leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix=".lrtune-", dir=path.parent))
    try:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        folder.chmod(path.parent.stat().st_mode & 0o777)
        folder.rename(path)  # fails if a folder that is not empty is there
    finally:
        shutil.rmtree(folder, ignore_errors=True)


FORMATS: dict[str, tuple[str, Callable[[str, str, Path], None]]] = {
    "html": (".html", _write_page),
    "png": ("-figures", _write_figures),
}
"""Ending of the default name, and function that writes the report, by format."""
