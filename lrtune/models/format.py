"""What a model file may hold, and how it is packed and unpacked.

A file is a zip archive: ``schema.json`` and arrays as skops writes them, and ``lrtune.json``, what
is known of the model. skops builds nothing before every type that the schema asks for was found in
`TRUSTED`, which no file can add to.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import skops.io

from lrtune.tables.columns import Column
from lrtune.tables.kinds import KINDS, THOUSANDS

__all__ = [
    "FACTS",
    "FORMAT",
    "MOST_BYTES",
    "ModelFacts",
    "RENAMED",
    "SCHEMA",
    "TRUSTED",
    "build",
    "foreign_type",
    "pack",
    "unpack",
]

FORMAT = 1
"""Of what is known of a model, and of what an estimator's state holds; raised as either changes."""
FACTS = "lrtune.json"
SCHEMA = "schema.json"
MOST_BYTES = 2**30
"""What a file may unpack to, all in all: a network of a hundred million weights."""

_INTEGERS = tuple(f"numpy.{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_FLOATS = tuple(f"numpy.float{bits}" for bits in (16, 32, 64))
_NUMBERS = (*_INTEGERS, *_FLOATS, "numpy.bool", "numpy.bool_", "numpy.str_")
TRUSTED: dict[str, tuple[str, ...]] = {
    "DictNode": ("builtins.dict",),
    "JsonNode": ("builtins.str",),
    "ListNode": ("builtins.list",),
    "SliceNode": ("builtins.slice",),
    "TupleNode": ("builtins.tuple",),
    "TypeNode": ("builtins.bool", "builtins.float", "builtins.int", "builtins.str", *_NUMBERS),
    "DTypeNode": ("numpy.dtype",),
    "NdArrayNode": ("numpy.ndarray", *_NUMBERS),
    "ObjectNode": (
        "lrtune.estimators.mlp.MLPClassifier",
        "lrtune.estimators.mlp.MLPRegressor",
        "lrtune.tables.transformers.DateParts",
        "lrtune.training.network.Network",
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.decomposition._pca.PCA",
        "sklearn.feature_selection._variance_threshold.VarianceThreshold",
        "sklearn.impute._base.MissingIndicator",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.pipeline.FeatureUnion",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.MaxAbsScaler",
        "sklearn.preprocessing._data.MinMaxScaler",
        "sklearn.preprocessing._data.Normalizer",
        "sklearn.preprocessing._data.PowerTransformer",
        "sklearn.preprocessing._data.QuantileTransformer",
        "sklearn.preprocessing._data.RobustScaler",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._encoders.OneHotEncoder",
        "sklearn.preprocessing._encoders.OrdinalEncoder",
        "sklearn.preprocessing._polynomial.PolynomialFeatures",
    ),
}
"""How skops may build what a file holds, and the types that it may build so: all there is."""

RENAMED: dict[tuple[Any, Any], str] = {
    ("lrtune.estimators", "MLPClassifier"): "lrtune.estimators.mlp",
    ("lrtune.estimators", "MLPRegressor"): "lrtune.estimators.mlp",
    ("lrtune.preprocessing", "DateParts"): "lrtune.tables.transformers",
}
"""Modules of lrtune's own types in files of release 0.1.0, and where these types are today."""

_PAIRS = {kind: {tuple(name.rsplit(".", 1)) for name in names} for kind, names in TRUSTED.items()}
_NODE_MARKS = frozenset({"__loader__", "__class__", "__module__", "__reduce__"})
_MEMBER = re.compile(rf"{re.escape(FACTS)}|{re.escape(SCHEMA)}|[0-9]+\.npy")


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a saved model, apart from its weights.

    Attributes
    ----------
    study : str or None
        The study that its learning rate is from.
    task : str
    target : str or None
        Name of what it predicts.
    columns : tuple of Column
        What it predicts from, in order; empty if the columns had no names.
    loss, se : float or None
        Mean loss of its setting on fresh replicates, and the standard error; None if it was not
        confirmed.
    rows : int or None
        How many it was trained on.
    seed : int or None
        Of its initial weights and shuffling.
    versions : dict of str to str
        Of lrtune and what it stands on, when it was saved.
    """

    study: str | None = None
    task: str = ""
    target: str | None = None
    columns: tuple[Column, ...] = ()
    loss: float | None = None
    se: float | None = None
    rows: int | None = None
    seed: int | None = None
    versions: dict[str, str] | None = None

    def to_json(self) -> bytes:
        """As a file holds them."""
        columns = [column.to_dict() for column in self.columns]
        return json.dumps({"format": FORMAT, **asdict(self), "columns": columns}, indent=2).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """From what `to_json` gave.

        Raises
        ------
        ValueError, TypeError, LookupError
            If it is not that.
        """
        values = json.loads(text)
        columns = tuple(map(Column.from_dict, values["columns"]))
        words = (values["study"], values["target"], *values["versions"].values())
        names = (word for each in columns for word in (each.name, each.kind, each.date_format))
        if not all(isinstance(word, str | None) for word in (*words, *names)):
            raise TypeError("names and versions must be text")
        if not {each.thousands for each in columns} <= {"", *THOUSANDS}:
            raise ValueError("a thousands separator that is not known")
        if not {each.kind for each in columns if each.used} <= set(KINDS):
            raise ValueError("a kind of column that is not known")
        del values["format"]
        return cls(**{**values, "columns": columns})


def pack(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of named members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def unpack(source: Path | io.BytesIO) -> dict[str, bytes]:
    """The members of an archive, none larger than it says, and not too large all in all.

    Raises
    ------
    ValueError
        If they are too large, or are not those of a model.
    zipfile.BadZipFile, zlib.error, EOFError, OSError, …
        If it is no whole archive.
    """
    members: dict[str, bytes] = {}
    with zipfile.ZipFile(source) as archive:
        if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
            raise ValueError("too large")
        for member in archive.infolist():
            if member.filename in members or not _MEMBER.fullmatch(member.filename):
                raise ValueError("not a member of a model")
            with archive.open(member) as file:  # reads no further than asked for
                members[member.filename] = file.read(member.file_size + 1)
    return members


def foreign_type(schema: Any) -> str | None:
    """A type that a schema asks for and that is not trusted to be built so; None if there is none.

    Examples
    --------
    >>> node = {"__loader__": "TypeNode", "__module__": "builtins", "__class__": "eval"}
    >>> foreign_type({"content": [node]})
    'builtins.eval'
    """
    for node in _nodes(schema):
        node_type = (node.get("__module__"), node.get("__class__"))
        trusted = _PAIRS.get(str(node.get("__loader__")), ())
        if "__reduce__" in node or node_type not in trusted:
            return f"{node_type[0]}.{node_type[1]}"
    return None


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping of a schema that stands for an object to build."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(node.values())
            if not _NODE_MARKS.isdisjoint(node):
                yield node


def build(members: dict[str, bytes]) -> Any:
    """What a file holds, once every type that it asks for was found to be trusted.

    Raises
    ------
    ValueError
        If one is not; nothing was imported or built then.
    """
    schema = json.loads(members[SCHEMA])
    for node in _nodes(schema):
        node_type = (node.get("__module__"), node.get("__class__"))
        if node_type in RENAMED:
            node["__module__"] = RENAMED[node_type]
    if foreign_type(schema) is not None:
        raise ValueError("a type that is not trusted")
    members = {**members, SCHEMA: json.dumps(schema).encode()}
    content = pack(members, zipfile.ZIP_STORED)  # what was unpacked, not what may unpack anew
    trusted = sorted({name for names in TRUSTED.values() for name in names})
    return skops.io.loads(content, trusted=trusted)
