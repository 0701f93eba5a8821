"""The server of the dashboard."""

import json
import sys
import threading
from urllib.request import urlopen

import optuna
import pytest

from lrtune.dashboard.server import make_application, make_server
from lrtune.exceptions import InvalidInputError
from tests.dashboard.client import Client

pytest.importorskip("optuna_dashboard")


def test_the_server_listens_on_this_machine_alone_and_says_where(client: Client) -> None:
    with make_server(client.application, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert server.socket.getsockname()[0] == "127.0.0.1"
            with urlopen(f"{server.address}/api/studies") as answer:  # noqa: S310
                assert json.load(answer)["study_summaries"][0]["study_name"] == "iris"
            with pytest.raises(InvalidInputError, match="is taken: name another `port`"):
                make_server(client.application, server.server_port)
        finally:
            server.shutdown()
            thread.join()


def test_a_missing_dashboard_is_refused_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)

    with pytest.raises(InvalidInputError, match=r"pip install 'lrtune\[dashboard\]'"):
        make_application(optuna.storages.InMemoryStorage(), "memory")
