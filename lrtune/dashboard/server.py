"""The server of the dashboard, on the loopback address."""

from __future__ import annotations

import errno
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from optuna.storages import BaseStorage

from lrtune.dashboard.guard import Application, Guard
from lrtune.dashboard.views import Annotations
from lrtune.exceptions import InvalidInputError
from lrtune.support.system import IS_WINDOWS

HOST = "127.0.0.1"


class DashboardServer(ThreadingMixIn, WSGIServer):
    """A server with one thread per request, which stops without waiting for open requests."""

    allow_reuse_address = not IS_WINDOWS  # where it would let two servers share a port
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        """Bind without a lookup of this machine's name, which may be slow."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors of a connection, such as a page that was closed."""

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}"


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""


def make_application(
    storage: BaseStorage, public_name: str, *, writable: bool = False
) -> Application:
    """Return the Optuna dashboard over a storage, annotated and guarded."""
    try:
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise InvalidInputError(
            "the dashboard needs a package that is not installed: pip install 'lrtune[dashboard]'"
        ) from error
    annotations = Annotations(storage, public_name)
    dashboard: Any = wsgi(storage, artifact_store=annotations.store)
    annotations.annotate(dashboard)
    return Guard(dashboard, writable=writable)


def make_server(application: Application, port: int) -> DashboardServer:
    """Return a server on the loopback address; port 0 takes a free one."""
    try:
        server = DashboardServer((HOST, port), _Quiet)
    except OSError as error:
        reasons = {errno.EADDRINUSE: "is taken", errno.EACCES: "needs more privileges"}
        reason = reasons.get(error.errno or 0, "cannot be used")
        raise InvalidInputError(
            f"port {port} of {HOST} {reason}: name another `port`, or take any free one with "
            "`port=0`"
        ) from error
    server.set_app(application)
    return server
