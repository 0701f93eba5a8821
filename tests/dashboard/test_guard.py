"""The guard before the dashboard: who may ask, and what."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lrtune.dashboard.guard import Guard

HOME = {"HTTP_HOST": "127.0.0.1:8080"}


def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a page"]


def ask(
    method: str, *, writable: bool = False, path: str = "/api/studies/0", **headers: str
) -> tuple[str, bytes, dict[str, str]]:
    told: dict[str, Any] = {}

    def start(status: str, sent: list[tuple[str, str]], *_: Any) -> None:
        told.update(status=status, headers=dict(sent))

    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, **HOME, **headers}
    body = b"".join(Guard(page, writable=writable)(environ, start))
    return told["status"], body, told["headers"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost:9000", "[::1]:8080", "localhost", "LocalHost:80"]
)
def test_this_machine_may_read(host: str) -> None:
    for method in ("GET", "HEAD"):
        assert ask(method, HTTP_HOST=host)[0] == "200 OK"
    assert ask("GET", HTTP_HOST=host, HTTP_ORIGIN=f"http://{host}")[0] == "200 OK"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_writing_is_refused_unless_it_was_allowed(method: str) -> None:
    status, body, _ = ask(method)

    assert status == "403 Forbidden"
    assert "--writable" in json.loads(body)["reason"]
    assert ask(method, writable=True)[0] == "200 OK"


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_HOST": "evil.example:8080"},  # a name made to point here
        {"HTTP_HOST": "127.0.0.1.evil.example"},
        {"HTTP_HOST": "localhost@evil.example"},
        {"HTTP_HOST": ""},
        {"HTTP_HOST": "[::1"},
        {"HTTP_HOST": "[::1]evil.example"},
        {"HTTP_HOST": "localhost.evil.example"},
        {"HTTP_HOST": "localhost/evil.example"},
        {"HTTP_HOST": "localhost#evil.example"},
        {"HTTP_HOST": "localhost:8080:80"},
        {"HTTP_HOST": "localhost:none"},
        {"HTTP_HOST": "localhost\n"},
        {"HTTP_HOST": "0.0.0.0:8080"},
        {"HTTP_HOST": "127.0.0.2"},
        {"HTTP_ORIGIN": "http://evil.example"},
        {"HTTP_ORIGIN": "http://127.0.0.1:9999"},  # another program on this machine
        {"HTTP_ORIGIN": "https://127.0.0.1:8080"},
        {"HTTP_ORIGIN": "null"},  # a file, or a sandboxed frame
        {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_MODE": "no-cors"},
        {"HTTP_SEC_FETCH_SITE": "same-site", "HTTP_SEC_FETCH_MODE": "cors"},
    ],
)
def test_whoever_comes_from_elsewhere_is_refused_always(
    headers: dict[str, str], writable: bool
) -> None:
    for method in ("GET", "DELETE"):
        assert ask(method, writable=writable, **headers)[0] == "403 Forbidden"


def test_a_link_from_elsewhere_may_be_followed() -> None:
    followed = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_MODE": "navigate"}

    assert ask("GET", **followed)[0] == "200 OK"


def test_a_form_that_another_page_sends_is_refused() -> None:
    sent = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_SEC_FETCH_MODE": "navigate"}

    assert ask("POST", writable=True, **sent, HTTP_ORIGIN="http://evil.example")[0][:3] == "403"
    assert ask("POST", writable=True, **sent)[0][:3] == "403"


def test_files_are_not_taken() -> None:
    status, body, _ = ask("POST", writable=True, path="/api/artifacts/0/1")

    assert status == "403 Forbidden"
    assert "keeps no files" in json.loads(body)["reason"]


def test_no_other_page_may_frame_it() -> None:
    assert ask("GET")[2]["X-Frame-Options"] == "DENY"
    assert ask("DELETE")[2]["X-Frame-Options"] == "DENY"


def test_a_refused_head_has_no_body() -> None:
    assert ask("HEAD", HTTP_HOST="evil.example")[1] == b""
