"""Loading models: as saved, by this and the earlier release; a hostile file runs nothing."""

import contextlib
import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from lrtune import load_model
from lrtune.exceptions import InvalidInputError, LrtuneWarning
from lrtune.models.format import FACTS, FORMAT, MOST_BYTES, SCHEMA
from lrtune.models.load import read_facts
from tests.models.archives import read_members, write_members

RELEASE = Path(__file__).parents[1] / "release"
"""``iris.skops``, and ``iris_predicted.csv`` with what release 0.1.0 predicts with it."""


@pytest.fixture
def ignore_versions() -> Any:
    """Let a model of an earlier release be loaded without a failure of the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LrtuneWarning)
        yield


def test_a_model_of_release_0_1_0_predicts_as_it_did(ignore_versions: None) -> None:
    expected = pd.read_csv(RELEASE / "iris_predicted.csv")
    iris = load_iris()
    model, facts = load_model(RELEASE / "iris.skops"), read_facts(RELEASE / "iris.skops")

    assert model.predict(iris.data).tolist() == expected["target"].tolist()
    probabilities = expected.iloc[:, 1:].to_numpy()
    assert model.predict_proba(iris.data) == pytest.approx(probabilities, abs=1e-6)
    assert [column.name for column in facts.columns] == list(iris.feature_names)
    assert facts.versions is not None
    assert facts.versions["lrtune"] == "0.1.0"


def test_the_command_line_predicts_with_a_model_of_release_0_1_0(
    lrtune: Callable[..., Any],
) -> None:
    run = lrtune("predict", str(RELEASE / "iris.skops"), "iris", "--proba")
    predicted = pd.read_csv(io.StringIO(run.out))
    expected = pd.read_csv(RELEASE / "iris_predicted.csv")

    assert run.code == 0, run.err
    pd.testing.assert_frame_equal(predicted, expected, atol=1e-6)


def test_other_versions_are_warned_of(saved: Path) -> None:
    members = read_members(saved)
    facts = json.loads(members[FACTS])
    facts["versions"]["lrtune"] = "0.0.9"
    write_members(saved, {**members, FACTS: json.dumps(facts).encode()})
    with pytest.warns(LrtuneWarning, match=r"saved with lrtune 0.0.9, and is loaded with lrtune"):
        load_model(saved)


def test_a_newer_format_asks_to_upgrade(saved: Path) -> None:
    members = read_members(saved)
    facts = json.loads(members[FACTS]) | {"format": FORMAT + 1}
    write_members(saved, {**members, FACTS: json.dumps(facts).encode()})
    with pytest.raises(InvalidInputError, match="of a newer lrtune: upgrade lrtune"):
        load_model(saved)


def test_a_missing_file_is_named(folder: Path) -> None:
    for path in ("none.skops", "."):
        with pytest.raises(InvalidInputError, match=f"there is none at '{path}'"):
            load_model(path)


# --- hostile files ----------------------------------------------------------------------------


def node(loader: str, module: str, name: str, **more: Any) -> dict[str, Any]:
    return {"__loader__": loader, "__module__": module, "__class__": name, "__id__": 10**15, **more}


def json_node(value: Any) -> dict[str, Any]:
    return node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def plain(loader: str, *items: Any) -> dict[str, Any]:
    return node(loader, "builtins", loader.removesuffix("Node").lower(), content=list(items))


COMMAND = "touch canary"
CODE = "open('canary', 'w').close()"


def forged() -> dict[str, dict[str, Any]]:
    """Return nodes that would run a command, or build an unexpected object, if trusted."""
    partial = {
        "func": node("FunctionNode", "os", "system"),
        "args": plain("TupleNode", json_node(COMMAND)),
        "kwds": node("DictNode", "builtins", "dict", content={}, key_types=plain("ListNode")),
        "namespace": json_node(None),
    }
    call = {"content": plain("TupleNode", json_node(CODE))}
    network = node("ObjectNode", "lrtune.estimators.mlp", "MLPClassifier", content=json_node({}))
    return {
        "os.system": node("FunctionNode", "os", "system"),
        "eval": node("TypeNode", "builtins", "eval"),
        "reduced eval": node("ConstructorFromReduceNode", "builtins", "eval", **call),
        "reduced exec": node("ConstructorFromReduceNode", "builtins", "exec", **call),
        "partial": node("PartialNode", "functools", "partial", content=partial),
        "tree": node("TreeNode", "sklearn.tree._tree", "Tree", **call),
        "method": node(
            "MethodNode",
            "lrtune.estimators.mlp",
            "MLPClassifier",
            content={"func": "fit", "obj": network},
        ),
        "operator": node("OperatorFuncNode", "operator", "methodcaller", attrs=plain("TupleNode")),
        "a function of a trusted module": node("ObjectNode", "lrtune.models.load", "load_model"),
        "a module of a trusted module": node("ObjectNode", "lrtune.estimators.mlp", "np"),
        "a class of a trusted module": node("ObjectNode", "lrtune.estimators.mlp", "TableRows"),
        "another estimator": node("ObjectNode", "sklearn.svm._classes", "SVC"),
        "a trusted type in another node": node(
            "TypeNode", "lrtune.estimators.mlp", "MLPClassifier"
        ),
        "a subclass of dict": node("DictNode", "collections", "OrderedDict", content={}),
        "a name split elsewhere": node("ObjectNode", "lrtune", "estimators.MLPClassifier"),
        "a reduced trusted type": node(
            "ObjectNode", "lrtune.estimators.mlp", "MLPClassifier", __reduce__={"args": []}
        ),
        "an unknown node": node("EvalNode", "builtins", "str"),
        "a node type that is not text": node(["ObjectNode"], "builtins", "str"),  # type: ignore[arg-type]
        "a name that is not text": node("ObjectNode", ["os"], {"a": 1}),  # type: ignore[arg-type]
        "no node type at all": {"__class__": "system", "__module__": "os"},
        "a file elsewhere": node(
            "NdArrayNode", "numpy", "ndarray", type="numpy", file="../../etc/passwd"
        ),
        "a step without a network": node(
            "ObjectNode", "sklearn.preprocessing._data", "StandardScaler"
        ),
        "a number": json_node(0),
        "an empty network": network,
    }


def refused(path: Path | str, folder: Path) -> str:
    """Return the one line that a file is refused with; check that nothing of it ran."""
    with pytest.raises(InvalidInputError, match="so nothing in it was loaded") as raised:
        load_model(path)

    assert not (folder / "canary").exists()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("where", ["root", "attribute"])
@pytest.mark.parametrize("kind", forged())
def test_a_forged_schema_is_refused_and_runs_nothing(
    saved: Path, folder: Path, kind: str, where: str
) -> None:
    members, bad = read_members(saved), forged()[kind]
    schema = json.loads(members[SCHEMA])
    steps = schema["content"]["content"]["steps"]["content"]
    network = steps[1]["content"][1]["content"]
    if where == "root":
        schema = {**bad, "protocol": schema["protocol"], "_skops_version": "0"}
    else:
        network["content"]["_parameters"] = network["content"]["hidden_layer_sizes"] = bad
    write_members(saved, {**members, SCHEMA: json.dumps(schema).encode()})
    message = refused(saved, folder)

    assert "os" not in message.split()  # what the file asks for is not repeated


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, (CODE,))


FILES: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "a pickle": lambda _: pickle.dumps(Bomb()),
    "empty": lambda _: b"",
    "text": lambda _: b"a precious note",
    "an empty zip": lambda _: b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("kind", FILES)
def test_another_kind_of_file_is_refused(saved: Path, folder: Path, kind: str) -> None:
    saved.write_bytes(FILES[kind](read_members(saved)))
    refused(saved, folder)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_model_is_refused(saved: Path, folder: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    refused(saved, folder)


def test_a_flipped_byte_runs_nothing(saved: Path, folder: Path) -> None:
    """Each file is refused, or loads because the byte did not matter."""
    content = bytearray(saved.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(len(content), size=60):
        saved.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        with contextlib.suppress(InvalidInputError):
            load_model(saved)

    assert sorted(path.name for path in folder.iterdir()) == ["saved.skops"]


CHANGES: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "no facts": lambda m: {k: v for k, v in m.items() if k != FACTS},
    "no schema": lambda m: {k: v for k, v in m.items() if k != SCHEMA},
    "no arrays": lambda m: {k: v for k, v in m.items() if not k.endswith("npy")},
    "another member": lambda m: {**m, "evil.py": b"1"},
    "a member elsewhere": lambda m: {**m, "../1.npy": b"1"},
    "incomplete facts": lambda m: {**m, FACTS: b'{"format": 1}'},
    "facts of another kind": lambda m: {**m, FACTS: b"[]"},
    "a broken schema": lambda m: {**m, SCHEMA: b"{"},
    "a deep schema": lambda m: {**m, SCHEMA: b"[" * 10**6},
    "pickled arrays": lambda m: {
        k: _pickled_array() if k.endswith("npy") else v for k, v in m.items()
    },
    "huge arrays": lambda m: {k: _huge_array() if k.endswith("npy") else v for k, v in m.items()},
    "wrong arrays": lambda m: {k: _array(3) if k.endswith("npy") else v for k, v in m.items()},
}


def _array(length: int) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(length))
    return stream.getvalue()


def _pickled_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Bomb()], dtype=object), allow_pickle=True)
    return stream.getvalue()


def _huge_array() -> bytes:
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_model_is_refused(saved: Path, folder: Path, kind: str) -> None:
    write_members(saved, CHANGES[kind](read_members(saved)))
    refused(saved, folder)


def test_two_members_of_one_name_are_refused(saved: Path, folder: Path) -> None:
    members = read_members(saved)
    with zipfile.ZipFile(saved, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(SCHEMA, members[SCHEMA])
    refused(saved, folder)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(
    saved: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtune.models.format.MOST_BYTES", 10**6)
    write_members(saved, {**read_members(saved), "1.npy": bytes(10**6)}, zipfile.ZIP_DEFLATED)

    assert MOST_BYTES == 2**30
    assert saved.stat().st_size < 50_000
    refused(saved, folder)


def test_a_bomb_that_lies_about_its_size_unpacks_no_further(saved: Path, folder: Path) -> None:
    large = bytes(50 * 10**6)
    write_members(saved, {**read_members(saved), "1.npy": large}, zipfile.ZIP_DEFLATED)
    size = len(large).to_bytes(4, "little")
    content = saved.read_bytes()

    assert content.count(size) == 2  # in the member's own header, and in the directory
    saved.write_bytes(content.replace(size, (100).to_bytes(4, "little")))
    refused(saved, folder)


def test_an_unfitted_network_is_refused(saved: Path, folder: Path) -> None:
    members = read_members(saved)
    schema = json.loads(members[SCHEMA])
    network = schema["content"]["content"]["steps"]["content"][1]["content"][1]["content"]
    del network["content"]["n_features_in_"]
    write_members(saved, {**members, SCHEMA: json.dumps(schema).encode()})
    refused(saved, folder)
