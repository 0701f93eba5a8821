"""The format of a model file: facts, archives and trusted types."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline

from lrtune import MLPClassifier
from lrtune.exceptions import InvalidInputError
from lrtune.models.format import (
    RENAMED,
    SCHEMA,
    TRUSTED,
    ModelFacts,
    network_of,
    pack,
    unpack,
    untrusted_type,
)
from lrtune.tables.columns import Column
from tests.models.archives import read_members

FACTS = ModelFacts(
    study="s",
    task="regression",
    target="price",
    columns=(Column("a", "number", missing=2), Column("b", "text", used=False)),
    loss=0.5,
    se=0.01,
    rows=40,
    seed=3,
    versions={"lrtune": "0.1.0"},
)


def test_facts_are_read_as_they_were_written() -> None:
    assert ModelFacts.from_json(FACTS.to_json()) == FACTS


@pytest.mark.parametrize(
    "change",
    [
        {"study": 3},
        {"versions": {"lrtune": 1}},
        {"columns": [{**Column("a", "number").to_dict(), "kind": "picture"}]},
        {"columns": [{**Column("a", "number").to_dict(), "thousands": "x"}]},
        {"columns": [{**Column("a", "number").to_dict(), "name": ["a"]}]},
        {"unknown": 1},
    ],
)
def test_facts_of_another_form_are_refused(change: dict[str, Any]) -> None:
    values = json.loads(FACTS.to_json()) | change
    with pytest.raises((ValueError, TypeError, LookupError)):
        ModelFacts.from_json(json.dumps(values).encode())


def test_members_are_unpacked_as_they_were_packed() -> None:
    members = {SCHEMA: b"{}", "lrtune.json": b"[]", "17.npy": bytes(1000)}

    assert unpack(io.BytesIO(pack(members))) == members


@pytest.mark.parametrize("name", ["evil.py", "../1.npy", "1.npy.exe", "schema_json"])
def test_unexpected_members_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a member"):
        unpack(io.BytesIO(pack({name: b""})))


def test_the_trusted_types_exist_and_are_named_once() -> None:
    for loader, names in TRUSTED.items():
        assert loader.endswith("Node")
        assert len(set(names)) == len(names)
    for name in TRUSTED["ObjectNode"]:
        module, _, attribute = name.rpartition(".")
        if attribute != "_RemainderColsList":  # of some releases of scikit-learn only
            assert isinstance(getattr(__import__(module, fromlist=["x"]), attribute), type)


def test_renamed_types_are_trusted_where_they_are_today() -> None:
    for (_, name), module in RENAMED.items():
        assert f"{module}.{name}" in TRUSTED["ObjectNode"]


def test_types_that_skops_alone_would_load_are_untrusted(folder: Path) -> None:
    clusters = KMeans(2, random_state=0).fit(load_iris().data)
    Path("clusters.skops").write_bytes(skops.io.dumps(clusters))
    schema = json.loads(read_members(Path("clusters.skops"))[SCHEMA])

    assert isinstance(skops.io.load("clusters.skops"), KMeans)
    assert untrusted_type(schema) == "sklearn.cluster._kmeans.KMeans"


def test_a_schema_may_be_deeply_nested() -> None:
    schema: Any = {"__loader__": "TypeNode", "__module__": "os", "__class__": "system"}
    for _ in range(10**4):
        schema = [schema]

    assert untrusted_type(schema) == "os.system"


def test_the_network_of_a_pipeline_is_its_last_step() -> None:
    network = MLPClassifier()

    assert network_of(make_pipeline(network)) is network
    assert network_of(network) is network
    with pytest.raises(InvalidInputError, match="but got str"):
        network_of("a model")
