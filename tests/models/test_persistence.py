"""Models in files: they predict as before, and a hostile file is refused and runs nothing."""

import contextlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from lrtune import MLPClassifier, MLPRegressor, load_model, save_model
from lrtune.exceptions import InvalidInputError, LrtuneWarning
from lrtune.models.format import FACTS, FORMAT, MOST_BYTES, SCHEMA, TRUSTED, ModelFacts
from lrtune.models.persistence import read_facts
from lrtune.tables.columns import Column
from lrtune.tables.preprocessors import make_preprocessing

NETWORK = MLPClassifier((5,), max_iter=2, random_state=0)


@pytest.fixture
def good(folder: Path) -> Path:
    """A file that loads."""
    X, y = load_iris(return_X_y=True, as_frame=True)
    save_model(make_pipeline(StandardScaler(), clone(NETWORK)).fit(X, y), "good.skops")
    return folder / "good.skops"


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def mixed_table() -> tuple[pd.DataFrame, np.ndarray, list[Column]]:
    X, y = load_iris(return_X_y=True, as_frame=True)
    X = X.assign(
        city=np.where(X.iloc[:, 0] > 5, "Bern", "Rome"),
        day=pd.date_range("2020-01-01", periods=len(X)),
        tall=X.iloc[:, 1] > 3,
    )
    X.iloc[3, 0] = np.nan
    kinds = ["number"] * 4 + ["category", "date", "boolean"]
    columns = [Column(name, kind, missing=1) for name, kind in zip(X, kinds, strict=True)]
    return X, np.array(["u", "v", "w"], dtype=object)[y], columns


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_loaded_network_is_the_saved_one(folder: Path, kind: Any, dtype: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    y = y > 140 if kind is MLPClassifier else y
    model = kind((8, 3), activation="tanh", dtype=dtype, random_state=0).fit(X, y)
    save_model(model, folder / "model.skops")
    loaded = load_model(folder / "model.skops")

    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert loaded.get_params() == model.get_params()
    assert loaded.loss_curve_ == model.loss_curve_
    for mine, its in zip(loaded.coefs_, model.coefs_, strict=True):
        assert np.array_equal(mine, its)
    assert (loaded.n_layers_, loaded.out_activation_) == (model.n_layers_, model.out_activation_)


def test_what_search_builds_of_a_mixed_table_can_be_saved(folder: Path) -> None:
    X, y, columns = mixed_table()
    model = make_pipeline(make_preprocessing(columns), clone(NETWORK)).fit(X, y)
    facts = ModelFacts(study="s", task="classification", target="t", columns=tuple(columns))
    save_model(model, "mixed.skops", facts=facts)
    known = read_facts("mixed.skops")
    unseen = X.assign(city="Oslo")

    for table in (X, unseen):
        assert np.array_equal(
            load_model("mixed.skops").predict_proba(table), model.predict_proba(table)
        )
    assert (known.study, known.target, known.columns) == ("s", "t", tuple(columns))
    assert known.versions is not None
    assert set(known.versions) == {"lrtune", "scikit-learn", "numpy", "skops"}


def test_the_training_session_is_left_out(folder: Path) -> None:
    X, y = load_diabetes(return_X_y=True)
    network = MLPRegressor((200, 200), optimizer="adam", learning_rate_init=0.001, max_iter=1)
    model = network.fit(X, y)
    save_model(model, "model.skops")
    size = Path("model.skops").stat().st_size

    assert size < 1.1 * model._parameters.nbytes
    assert hasattr(model, "_session")  # of the one that was saved, nothing is taken
    assert not hasattr(load_model("model.skops"), "_session")
    model.partial_fit(X, y)


def test_a_model_is_written_whole_or_not_at_all(
    folder: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, model = good.read_bytes(), load_model(good)
    with pytest.raises(InvalidInputError, match=r"new file, but 'good.skops' exists: name another"):
        save_model(model, "good.skops")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InvalidInputError, match=r"'new.skops' gave: No space left on device"):
        save_model(model, "new.skops")

    assert [path.name for path in folder.iterdir()] == ["good.skops"]
    assert before == good.read_bytes()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (clone(NETWORK), "must be fitted, but this MLPClassifier is not: call fit"),
        (LinearRegression(), "but got LinearRegression"),
        (make_pipeline(StandardScaler()), "but got StandardScaler"),
        (None, "but got NoneType"),
    ],
)
def test_what_is_no_fitted_network_is_not_saved(folder: Path, model: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        save_model(model, "model.skops")

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "step", [FunctionTransformer(np.abs), FunctionTransformer(lambda x: x)], ids=["ufunc", "lambda"]
)
def test_what_could_not_be_loaded_is_not_saved(folder: Path, step: Any) -> None:
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(step, clone(NETWORK)).fit(X, y)
    with pytest.raises(InvalidInputError, match="a model to save must"):
        save_model(model, "model.skops")

    assert list(folder.iterdir()) == []


def test_further_numeric_preprocessing_may_be_saved(folder: Path) -> None:
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), PCA(2), clone(NETWORK)).fit(X, y)
    save_model(model, "model.skops")

    assert np.array_equal(load_model("model.skops").predict(X), model.predict(X))


def test_other_versions_are_told(good: Path, folder: Path) -> None:
    content = members(good)
    facts = json.loads(content[FACTS])
    facts["versions"]["lrtune"] = "0.0.9"
    write(good, {**content, FACTS: json.dumps(facts).encode()})
    with pytest.warns(LrtuneWarning, match=r"saved with lrtune 0.0.9, and is loaded with lrtune"):
        load_model(good)


def test_a_newer_format_says_to_upgrade(good: Path) -> None:
    content = members(good)
    facts = json.loads(content[FACTS]) | {"format": FORMAT + 1}
    write(good, {**content, FACTS: json.dumps(facts).encode()})
    with pytest.raises(InvalidInputError, match="of a newer lrtune: upgrade lrtune"):
        load_model(good)


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
    """Nodes that would run something, or build what is not asked for, if they were trusted."""
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
        "a function of a trusted module": node(
            "ObjectNode", "lrtune.models.persistence", "load_model"
        ),
        "a module of a trusted module": node("ObjectNode", "lrtune.estimators.mlp", "np"),
        "a class of a trusted module": node("ObjectNode", "lrtune.estimators.mlp", "TableRows"),
        "another estimator": node("ObjectNode", "sklearn.svm._classes", "SVC"),
        "a trusted type built otherwise": node(
            "TypeNode", "lrtune.estimators.mlp", "MLPClassifier"
        ),
        "a subclass of dict": node("DictNode", "collections", "OrderedDict", content={}),
        "split otherwise": node("ObjectNode", "lrtune", "estimators.MLPClassifier"),
        "a reduced trusted type": node(
            "ObjectNode", "lrtune.estimators.mlp", "MLPClassifier", __reduce__={"args": []}
        ),
        "an unknown way": node("EvalNode", "builtins", "str"),
        "a way that is no text": node(["ObjectNode"], "builtins", "str"),  # type: ignore[arg-type]
        "a name that is no text": node("ObjectNode", ["os"], {"a": 1}),  # type: ignore[arg-type]
        "no way at all": {"__class__": "system", "__module__": "os"},
        "a file elsewhere": node(
            "NdArrayNode", "numpy", "ndarray", type="numpy", file="../../etc/passwd"
        ),
        "none of lrtune's": node("ObjectNode", "sklearn.preprocessing._data", "StandardScaler"),
        "a number": json_node(0),
        "an empty network": network,
    }


def refused(path: Path | str, folder: Path) -> str:
    """The one line that a file is refused with, once nothing of it ran."""
    with pytest.raises(InvalidInputError, match="so nothing of it was loaded") as raised:
        load_model(path)

    assert not (folder / "canary").exists()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("where", ["root", "attribute"])
@pytest.mark.parametrize("kind", forged())
def test_a_forged_schema_is_refused_and_runs_nothing(
    good: Path, folder: Path, kind: str, where: str
) -> None:
    content, bad = members(good), forged()[kind]
    schema = json.loads(content[SCHEMA])
    steps = schema["content"]["content"]["steps"]["content"]
    network = steps[1]["content"][1]["content"]
    if where == "root":
        schema = {**bad, "protocol": schema["protocol"], "_skops_version": "0"}
    else:
        network["content"]["_parameters"] = network["content"]["hidden_layer_sizes"] = bad
    write(good, {**content, SCHEMA: json.dumps(schema).encode()})
    message = refused(good, folder)

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
def test_what_is_no_model_is_refused(good: Path, folder: Path, kind: str) -> None:
    good.write_bytes(FILES[kind](members(good)))
    refused(good, folder)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_model_is_refused(good: Path, folder: Path, share: float) -> None:
    content = good.read_bytes()
    good.write_bytes(content[: int(share * len(content))])
    refused(good, folder)


def test_no_flipped_byte_runs_anything(good: Path, folder: Path) -> None:
    """Each is refused, or was of no importance."""
    content = bytearray(good.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(len(content), size=60):
        good.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        with contextlib.suppress(InvalidInputError):
            load_model(good)

    assert sorted(path.name for path in folder.iterdir()) == ["good.skops"]


CHANGES: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "no facts": lambda m: {k: v for k, v in m.items() if k != FACTS},
    "no schema": lambda m: {k: v for k, v in m.items() if k != SCHEMA},
    "no arrays": lambda m: {k: v for k, v in m.items() if not k.endswith("npy")},
    "another member": lambda m: {**m, "evil.py": b"1"},
    "a member elsewhere": lambda m: {**m, "../1.npy": b"1"},
    "facts that are none": lambda m: {**m, FACTS: b'{"format": 1}'},
    "facts of another kind": lambda m: {**m, FACTS: b"[]"},
    "a schema that is none": lambda m: {**m, SCHEMA: b"{"},
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
def test_a_changed_model_is_refused(good: Path, folder: Path, kind: str) -> None:
    write(good, CHANGES[kind](members(good)))
    refused(good, folder)


def test_two_members_of_one_name_are_refused(good: Path, folder: Path) -> None:
    content = members(good)
    with zipfile.ZipFile(good, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(SCHEMA, content[SCHEMA])
    refused(good, folder)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(
    good: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtune.models.format.MOST_BYTES", 10**6)
    write(good, {**members(good), "1.npy": bytes(10**6)}, zipfile.ZIP_DEFLATED)

    assert good.stat().st_size < 50_000
    refused(good, folder)


def test_a_bomb_that_lies_about_its_size_unpacks_no_further(good: Path, folder: Path) -> None:
    large = bytes(50 * 10**6)
    write(good, {**members(good), "1.npy": large}, zipfile.ZIP_DEFLATED)
    said = len(large).to_bytes(4, "little")
    content = good.read_bytes()

    assert content.count(said) == 2  # the member's own header, and the directory
    good.write_bytes(content.replace(said, (100).to_bytes(4, "little")))
    refused(good, folder)


def test_the_trusted_types_are_those_that_are_named_and_exist() -> None:
    assert MOST_BYTES == 2**30
    for loader, names in TRUSTED.items():
        assert loader.endswith("Node")
        assert len(set(names)) == len(names)
    for name in TRUSTED["ObjectNode"]:
        module, _, attribute = name.rpartition(".")
        if attribute != "_RemainderColsList":  # of some releases of scikit-learn only
            assert isinstance(getattr(__import__(module, fromlist=["x"]), attribute), type)


def test_an_unfitted_step_is_noticed(good: Path, folder: Path) -> None:
    content = members(good)
    schema = json.loads(content[SCHEMA])
    network = schema["content"]["content"]["steps"]["content"][1]["content"][1]["content"]
    del network["content"]["n_features_in_"]
    write(good, {**content, SCHEMA: json.dumps(schema).encode()})
    refused(good, folder)
