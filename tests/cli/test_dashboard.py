"""``lrtune dashboard``."""

import json
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("optuna_dashboard")

SEARCH = ("search", "iris", "--trials", "4", "--epochs", "2", "--no-confirm", "--quiet")


@contextmanager
def running(process: Any) -> Iterator[tuple[str, Any]]:
    """A dashboard's address; the process is stopped at the end."""
    lines = [process.stdout.readline() for _ in range(3)]
    try:
        assert lines[2] == "Ctrl-C stops it\n", process.stderr.read()
        yield lines[0].split(" at ")[1].split()[0], lines
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def test_it_says_its_address_serves_and_stops_on_ctrl_c(
    lrtune: Callable[..., Any], start: Callable[..., Any]
) -> None:
    lrtune(*SEARCH)
    process = start("dashboard", "--port", "0")
    with running(process) as (address, lines):
        assert lines[0] == f"lrtune.journal at {address} (read-only)\n"
        assert lines[1] == f"start here: {address}dashboard/studies/0/note\n"
        with urlopen(f"{address}api/studies/0") as answer:  # noqa: S310
            assert len(json.load(answer)["trials"]) == 4
        with pytest.raises(HTTPError, match="403"):
            urlopen(Request(f"{address}api/studies/0", method="DELETE"))  # noqa: S310
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "stopped\n")


def test_writable_lets_a_study_be_deleted(
    lrtune: Callable[..., Any], start: Callable[..., Any]
) -> None:
    lrtune(*SEARCH)
    with running(start("dashboard", "--port", "0", "--writable")) as (address, lines):
        assert "(changes are allowed)" in lines[0]
        with urlopen(Request(f"{address}api/studies/0", method="DELETE")) as answer:  # noqa: S310
            assert answer.status == 204

    assert json.loads(lrtune("studies", "--json").out) == []


def test_a_port_that_is_taken_is_refused_with_the_cure(lrtune: Callable[..., Any]) -> None:
    lrtune(*SEARCH)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = lrtune("dashboard", "--port", str(port))

    assert run.code == 2
    assert run.err == (
        f"lrtune: port {port} of 127.0.0.1 is taken: name another with --port, or take any free "
        "one with --port 0\n"
    )


def test_without_the_extra_it_says_what_to_install(
    lrtune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lrtune(*SEARCH)
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    run = lrtune("dashboard", "--port", "0")

    assert run.code == 2
    assert run.err.count("\n") == 1
    assert "pip install 'lrtune[dashboard]'" in run.err


def test_without_a_record_it_says_what_to_do(lrtune: Callable[..., Any]) -> None:
    run = lrtune("dashboard")

    assert run.code == 2
    assert "run lrtune search first" in run.err


def test_a_password_is_shown_nowhere(lrtune: Callable[..., Any]) -> None:
    run = lrtune("dashboard", "--storage", "postgresql+psycopg://me:secret@127.0.0.1:1/x")

    assert run.code == 2
    assert "secret" not in run.out + run.err


def test_open_shows_the_latest_of_lrtunes_studies(
    lrtune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lrtune.dashboard import server

    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    def stop(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(server.DashboardServer, "serve_forever", stop)
    lrtune(*SEARCH)
    lrtune(*SEARCH)
    run = lrtune("dashboard", "--port", "0", "--open")

    assert run.code == 0
    assert opened == [run.out.splitlines()[1].removeprefix("start here: ")]
    assert opened[0].endswith("/dashboard/studies/1/note")
