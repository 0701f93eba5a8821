"""The guard before the dashboard, which knows no passwords: who may ask, and what.

A page from elsewhere that is open in the same browser can send requests to any local port, and a
name of its own can be made to point there. So a request must name this machine as its host, must
not come from another origin, and may only read unless writing was allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Guard", "HOME", "READS"]

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

HOME = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
"""Hosts by which only this machine can be meant; the port is another's where it is forwarded."""
READS = frozenset({"GET", "HEAD"})
_READ_ONLY = (
    "the dashboard is read-only: start it with lrtune dashboard --writable to change records"
)
_NO_FILES = "this dashboard keeps no files: it draws the pictures that it shows"


class Guard:
    """A WSGI application that passes on what may pass, and answers 403 to the rest.

    Parameters
    ----------
    application : WSGI application
        What is guarded.
    writable : bool, default=False
        Whether requests that write may pass; those from elsewhere may not in any case.

    Examples
    --------
    >>> def page(environ, start_response):
    ...     start_response("200 OK", [])
    ...     return [b"a page"]
    >>> answer = Guard(page)(
    ...     {"REQUEST_METHOD": "DELETE", "HTTP_HOST": "localhost:8080"}, lambda *_: print(_[0])
    ... )
    403 Forbidden
    """

    def __init__(self, application: Application, *, writable: bool = False) -> None:
        self._application = application
        self._writable = writable

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request."""
        reason = self._foreign(environ) or self._forbidden(environ)
        if reason is None:
            return self._application(environ, _unframed(start_response))
        body = json.dumps({"reason": reason}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        _unframed(start_response)("403 Forbidden", headers)
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]

    def _foreign(self, environ: dict[str, Any]) -> str | None:
        """Why a request is not this machine's own."""
        host, origin = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
        if not HOME.fullmatch(host):
            return "the dashboard answers to the name of this machine only: 127.0.0.1 or localhost"
        elsewhere = environ.get("HTTP_SEC_FETCH_SITE") in ("cross-site", "same-site")
        link = environ.get("HTTP_SEC_FETCH_MODE") == "navigate"  # who set it sees no answer
        followed = link and environ.get("REQUEST_METHOD") in READS
        if origin not in (None, f"http://{host}") or (elsewhere and not followed):
            return "the dashboard answers to its own pages only, not to those of another origin"
        return None

    def _forbidden(self, environ: dict[str, Any]) -> str | None:
        """Why a request of this machine's own may not be met."""
        if environ.get("REQUEST_METHOD") in READS:
            return None
        if not self._writable:
            return _READ_ONLY
        return _NO_FILES if environ.get("PATH_INFO", "").startswith("/api/artifacts/") else None


def _unframed(start_response: Callable[..., Any]) -> Callable[..., Any]:
    """Let no other page show the dashboard in a frame, and have its buttons pressed there."""

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        own = [("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer")]
        return start_response(status, [*headers, *own], *rest)

    return start
