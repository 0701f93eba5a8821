"""``lrtune dashboard``: the Optuna dashboard over a record."""

from __future__ import annotations

from typing import Any

import click

from lrtune.cli.options import storage_option
from lrtune.cli.types import WholeNumber


@click.command("dashboard", short_help="Show a record in the Optuna dashboard.")
@storage_option
@click.option(
    "--port",
    type=WholeNumber(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on, for this machine only; 0 takes a free one.",
)
@click.option("--open", "show", is_flag=True, help="Open the dashboard in a browser.")
@click.option(
    "--writable", is_flag=True, help="Allow renaming and deleting studies, and writing notes."
)
def command(storage: str, port: int, show: bool, writable: bool) -> None:
    """Show a record in the Optuna dashboard: what was tried, what diverged, what is recommended.

    The page follows running searches, changes nothing, and is served to this machine only.
    It needs the extra: pip install 'lrtune[dashboard]'.

    \b
    Examples:
      lrtune dashboard --open
      lrtune dashboard --storage sqlite:///studies.db --port 0
    """
    from lrtune.dashboard.server import make_application, make_server
    from lrtune.tuning.record.storage import open_storage, public_name

    opened, _ = open_storage(storage, must_exist=True)
    server = make_server(make_application(opened, public_name(storage), writable=writable), port)
    with server:
        page = server.address + _latest_page(opened)
        click.echo(f"{public_name(storage)} at {server.address}/ {_rights(writable=writable)}")
        click.echo(f"start here: {page}")
        try:
            click.echo("Ctrl-C stops it")
            if show:
                _open(page)
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)


def _rights(*, writable: bool) -> str:
    return "(changes are allowed)" if writable else "(read-only)"


def _latest_page(storage: Any) -> str:
    """Return the path of the latest lrtune study's page, or of the list of studies."""
    from lrtune.tuning.record.schema import SearchFacts

    own = [
        study._study_id
        for study in storage.get_all_studies()
        if SearchFacts.KEY in study.user_attrs
    ]
    return f"/dashboard/studies/{max(own)}/note" if own else "/dashboard"


def _open(address: str) -> None:
    """Open a browser in a thread, since some browsers block until they are closed."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
