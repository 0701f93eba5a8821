"""The format of a model file: the types that it may contain, and its packing and unpacking.

A file is a zip archive with the ``schema.json`` and arrays that skops writes, and the model's facts
in ``lrtune.json``.
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

import numpy as np
import skops.io
from sklearn import __version__ as sklearn_version
from sklearn.pipeline import Pipeline

from lrtune._version import __version__
from lrtune.estimators.fitting import TrainableMLP
from lrtune.exceptions import InvalidInputError
from lrtune.tables.columns import Column
from lrtune.tables.kinds import KINDS
from lrtune.tables.number_format import THOUSANDS_NAMES

FORMAT = 2
"""Version of the facts and of the estimators' state, to raise when either changes."""
FACTS = "lrtune.json"
SCHEMA = "schema.json"
MOST_BYTES = 2**30
"""Most bytes that a file may unpack to, enough for a hundred million weights."""

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
        "lrtune.tables.encoders.OneHot",
        "lrtune.tables.encoders.TargetMean",
        "lrtune.tables.transformers.DateParts",
        "lrtune.tables.transformers.SoftClip",
        "lrtune.training.network.Network",
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.decomposition._pca.PCA",
        "sklearn.feature_selection._variance_threshold.VarianceThreshold",
        "sklearn.impute._base.MissingIndicator",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.model_selection._split.KFold",
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
        "sklearn.preprocessing._target_encoder.TargetEncoder",
    ),
}
"""The types that a file may contain, by the skops node that builds them."""

RENAMED: dict[tuple[Any, Any], str] = {
    ("lrtune.estimators", "MLPClassifier"): "lrtune.estimators.mlp",
    ("lrtune.estimators", "MLPRegressor"): "lrtune.estimators.mlp",
    ("lrtune.preprocessing", "DateParts"): "lrtune.tables.transformers",
}
"""Types in files of release 0.1.0, and the modules that they are in today."""

_PAIRS = {kind: {tuple(name.rsplit(".", 1)) for name in names} for kind, names in TRUSTED.items()}
_NODE_MARKS = frozenset({"__loader__", "__class__", "__module__", "__reduce__"})
_MEMBER = re.compile(rf"{re.escape(FACTS)}|{re.escape(SCHEMA)}|[0-9]+\.npy")


@dataclass(frozen=True)
class ModelFacts:
    """Metadata of a model."""

    study: str | None = None
    """The study that recommended its learning rate."""
    task: str = ""
    target: str | None = None
    """Name of the column that it predicts."""
    columns: tuple[Column, ...] = ()
    """Its features in order; empty if they had no names."""
    loss: float | None = None
    """Mean loss of its setting in the confirmation, if it was confirmed."""
    se: float | None = None
    """Standard error of `loss`."""
    rows: int | None = None
    """Number of training rows."""
    seed: int | None = None
    versions: dict[str, str] | None = None
    """Versions of lrtune and its dependencies that saved the model."""

    def to_json(self) -> bytes:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read the output of `to_json`; raise ValueError, TypeError or LookupError if it is bad."""
        values = json.loads(text)
        columns = tuple(map(Column.from_dict, values["columns"]))
        words = (values["study"], values["target"], *values["versions"].values())
        names = (
            word
            for each in columns
            for word in (
                each.name,
                each.kind,
                each.decimal,
                each.unit,
                *each.date_formats,
                *each.gaps,
            )
        )
        if not all(isinstance(word, str | None) for word in (*words, *names)):
            raise TypeError("names and versions must be text")
        if not {each.thousands for each in columns} <= {"", *THOUSANDS_NAMES}:
            raise ValueError("an unknown thousands separator")
        if not {each.kind for each in columns if each.used} <= set(KINDS):
            raise ValueError("an unknown kind of column")
        del values["format"]
        return cls(**{**values, "columns": columns})


def current_versions() -> dict[str, str]:
    """Return the versions of lrtune and the packages that a model depends on."""
    return {
        "lrtune": __version__,
        "scikit-learn": sklearn_version,
        "numpy": np.__version__,
        "skops": skops.__version__,
    }


def network_of(model: Any) -> TrainableMLP:
    """Return the network of a model: the model itself, or the last step of a pipeline."""
    network = model[-1] if isinstance(model, Pipeline) else model
    if not isinstance(network, TrainableMLP):
        raise InvalidInputError(
            "a model to save must be lrtune's MLPClassifier or MLPRegressor, or a Pipeline that "
            f"ends in one, but got {type(network).__name__}: of a search, save its best_estimator_"
        )
    return network


def pack(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of named members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def unpack(source: Path | io.BytesIO) -> dict[str, bytes]:
    """Return the members of an archive; raise ValueError if they are too large or unexpected."""
    members: dict[str, bytes] = {}
    with zipfile.ZipFile(source) as archive:
        if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
            raise ValueError("too large")
        for member in archive.infolist():
            if member.filename in members or not _MEMBER.fullmatch(member.filename):
                raise ValueError("not a member of a model")
            with archive.open(member) as file:
                # unpack no more than the size that was checked, which a forged file may understate
                members[member.filename] = file.read(member.file_size + 1)
    return members


# The check in skops (`trusted=`) is weaker: it only adds to the hundreds of types that each release
# trusts by default. In 0.13 these include decision trees, whose node indices a forged file can
# point beyond their arrays. It also checks names only, whichever node builds the type.
def untrusted_type(schema: Any) -> str | None:
    """Return the first type in a schema that `TRUSTED` does not list, or None."""
    for node in _nodes(schema):
        node_type = (node.get("__module__"), node.get("__class__"))
        trusted = _PAIRS.get(str(node.get("__loader__")), ())
        if "__reduce__" in node or node_type not in trusted:
            return f"{node_type[0]}.{node_type[1]}"
    return None


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping in a schema that describes an object to build."""
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
    """Build the model in a file; raise ValueError before building if a type is not trusted."""
    schema = json.loads(members[SCHEMA])
    for node in _nodes(schema):
        node_type = (node.get("__module__"), node.get("__class__"))
        if node_type in RENAMED:
            node["__module__"] = RENAMED[node_type]
    if untrusted_type(schema) is not None:
        raise ValueError("an untrusted type")
    # repack the members that were checked: skops might unpack the file differently
    content = pack({**members, SCHEMA: json.dumps(schema).encode()}, zipfile.ZIP_STORED)
    trusted = sorted({name for names in TRUSTED.values() for name in names})
    return skops.io.loads(content, trusted=trusted)
