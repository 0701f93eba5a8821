"""A client of the dashboard without a server, for its tests."""

import io
import json
from typing import Any

from lrtune.dashboard.server import make_application
from lrtune.tuning.record.storage import open_storage


class Client:
    """Sends requests to the dashboard as a browser would."""

    def __init__(self, storage: str, *, writable: bool = False) -> None:
        self.storage, _ = open_storage(storage, must_exist=True)
        self.application = make_application(self.storage, storage, writable=writable)

    def ask(self, path: str, *, method: str = "GET", body: Any = None) -> tuple[int, bytes]:
        statuses: list[str] = []
        content = b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "HTTP_HOST": "127.0.0.1:8080",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.input": io.BytesIO(content),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
        }
        answer = self.application(environ, lambda status, *_: statuses.append(status))
        return int(statuses[0][:3]), b"".join(answer)

    def json(self, path: str) -> Any:
        status, body = self.ask(path)
        assert status == 200, body
        return json.loads(body)

    def study(self, study: int = 0, after: int = 0) -> Any:
        return self.json(f"/api/studies/{study}?after={after}")


def attributes(entry: Any) -> dict[str, str]:
    """Return the attributes of a study or a trial in a response."""
    return {pair["key"]: pair["value"] for pair in entry["user_attrs"]}
