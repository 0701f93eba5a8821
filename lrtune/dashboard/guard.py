"""The dashboard's guard against requests from other origins, and against writing ones.

The dashboard has no passwords, and any web page open in the same browser can send requests to a
local port, directly or under a host name that resolves to this machine. So a request must name this
machine as its host, must come from the dashboard's own origin, and may only read unless the
dashboard is writable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

HOME = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
"""Names of this machine, with any port, since it may be forwarded."""
READS = frozenset({"GET", "HEAD"})
_READ_ONLY = (
    "the dashboard is read-only: start it with lrtune dashboard --writable to change records"
)
_NO_FILES = "this dashboard keeps no files: it draws the pictures that it shows"


class Guard:
    """WSGI middleware that forwards allowed requests and answers 403 to all others.

    >>> def page(environ, start_response):
    ...     start_response("200 OK", [])
    ...     return [b"a page"]
    >>> answer = Guard(page)(
    ...     {"REQUEST_METHOD": "DELETE", "HTTP_HOST": "localhost:8080"},
    ...     lambda status, headers: print(status),
    ... )
    403 Forbidden
    """

    def __init__(self, application: Application, *, writable: bool = False) -> None:
        self._application = application
        self._writable = writable

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        reason = self._foreign(environ) or self._forbidden(environ)
        if reason is None:
            return self._application(environ, _unframed(start_response))
        body = json.dumps({"reason": reason}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        _unframed(start_response)("403 Forbidden", headers)
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]

    def _foreign(self, environ: dict[str, Any]) -> str | None:
        """Return the reason to refuse a request from another origin, or None."""
        host, origin = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
        if not HOME.fullmatch(host):
            return "the dashboard answers only to the names of this machine: 127.0.0.1 or localhost"
        is_foreign = environ.get("HTTP_SEC_FETCH_SITE") in ("cross-site", "same-site")
        # a foreign page may link here, since it cannot read the response
        is_navigation = environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        is_link = is_navigation and environ.get("REQUEST_METHOD") in READS
        if origin not in (None, f"http://{host}") or (is_foreign and not is_link):
            return "the dashboard answers only to its own pages, not to those of another origin"
        return None

    def _forbidden(self, environ: dict[str, Any]) -> str | None:
        """Return the reason to refuse a request of the dashboard's own pages, or None."""
        if environ.get("REQUEST_METHOD") in READS:
            return None
        if not self._writable:
            return _READ_ONLY
        return _NO_FILES if environ.get("PATH_INFO", "").startswith("/api/artifacts/") else None


def _unframed(start_response: Callable[..., Any]) -> Callable[..., Any]:
    """Forbid other pages to frame the dashboard, against clickjacking."""

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        extra = [("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer")]
        return start_response(status, [*headers, *extra], *rest)

    return start
