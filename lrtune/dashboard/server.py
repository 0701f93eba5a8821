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

__all__ = ["DashboardServer", "HOST", "make_application", "make_server"]

HOST = "127.0.0.1"


class DashboardServer(ThreadingMixIn, WSGIServer):
    """A thread per request; it stops without waiting for them."""

    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        """Bind, without asking a name server who this machine is."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over what ends a connection: a page that was closed meanwhile."""

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.server_port}"


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing of each request."""


def make_application(storage: BaseStorage, shown_as: str, *, writable: bool = False) -> Application:
    """The Optuna dashboard, annotated and guarded, as a WSGI application.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
    shown_as : str
        The storage as it may be shown.
    writable : bool, default=False
        Whether studies may be renamed, deleted and noted on.

    Raises
    ------
    InvalidInputError
        If the dashboard is not installed, or is one that lrtune does not know.
    """
    try:
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise InvalidInputError(
            "the dashboard needs a package that is not installed: pip install 'lrtune[dashboard]'"
        ) from error
    annotations = Annotations(storage, shown_as)
    dashboard: Any = wsgi(storage, artifact_store=annotations.store)
    annotations.annotate(dashboard)
    return Guard(dashboard, writable=writable)


def make_server(application: Application, port: int) -> DashboardServer:
    """A server that listens, on the loopback address alone.

    Parameters
    ----------
    application : WSGI application
    port : int
        0 takes a free one.

    Raises
    ------
    InvalidInputError
        If the port cannot be had.
    """
    try:
        server = DashboardServer((HOST, port), _Quiet)
    except OSError as error:
        why = {errno.EADDRINUSE: "is taken", errno.EACCES: "is not for everyone"}
        raise InvalidInputError(
            f"port {port} of {HOST} {why.get(error.errno or 0, 'cannot be had')}: name another "
            "with --port, or take any free one with --port 0"
        ) from error
    server.set_app(application)
    return server
