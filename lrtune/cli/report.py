"""``lrtune report``: what a study found, as a page to read or as figures."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from lrtune.cli.completion import complete_studies
from lrtune.cli.options import storage_option
from lrtune.cli.types import OutputFile
from lrtune.exceptions import InvalidInputError

__all__ = ["FORMATS", "command"]


@click.command("report", short_help="Write a report on a study.")
@click.argument("study", shell_complete=complete_studies)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["html", "png"]),
    default="html",
    show_default=True,
    help="One page to read, or its figures as files in a folder.",
)
@storage_option
@click.option(
    "--output",
    type=OutputFile(),
    help="A new file, or with png a new folder.  [default: STUDY.html, STUDY-figures]",
)
def command(study: str, kind: str, storage: str, output: Path | None) -> None:
    """Write a report on STUDY: what to set, how sure and how safe that is, and what it rests on.

    The page is one file, to be read in any browser, on a phone and on paper; it needs neither
    network nor script.

    \b
    Examples:
      lrtune report iris
      lrtune report iris --output iris-tuned.html
      lrtune report iris --format png --output figures
    """
    ending, write = FORMATS[kind]
    if output is None:
        ctx = click.get_current_context()
        parameter = next(each for each in ctx.command.params if each.name == "output")
        output = OutputFile().convert(_file_name(study) + ending, parameter, ctx)
    write(study, storage, output)
    click.echo(f"written: {output}", err=True)


def _file_name(study: str) -> str:
    """A study's name without what has a meaning in paths."""
    return re.sub(r"[^\w.-]+", "-", study).strip("-.") or "report"


def _write_page(study: str, storage: str, path: Path) -> None:
    from lrtune.review.report import render_report
    from lrtune.support.files import write_new_file

    write_new_file(path, render_report(study, storage).encode("utf-8"))


def _write_figures(study: str, storage: str, path: Path) -> None:
    from lrtune.review.report import render_figures

    drawn = render_figures(study, storage)
    try:
        _write_folder(path, {f"{name}.png": content for name, content in drawn.items()})
    except OSError as error:
        raise InvalidInputError(
            f"a folder to write must be in one with space that may be written, but {str(path)!r} "
            f"gave: {error.strerror or error}"
        ) from error


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder whole, or leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix=".lrtune-", dir=path.parent))
    try:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        folder.chmod(path.parent.stat().st_mode & 0o777)
        folder.rename(path)  # refused by a folder that holds something
    finally:
        shutil.rmtree(folder, ignore_errors=True)


FORMATS: dict[str, tuple[str, Callable[[str, str, Path], None]]] = {
    "html": (".html", _write_page),
    "png": ("-figures", _write_figures),
}
"""What a report's name ends in by default, and what writes it."""
