"""The stand-ins for type checkers name what scikit-learn has."""

import ast
from pathlib import Path

import pytest

from lrtune.support import typed_sklearn

STUB = Path(typed_sklearn.__file__).with_suffix(".pyi")


def declared() -> dict[str, list[str]]:
    """Return the methods of each class, and no methods of each function, of the stub."""
    return {
        node.name: [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
        for node in ast.parse(STUB.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }


def test_the_stub_declares_each_name() -> None:
    assert sorted(declared()) == typed_sklearn.__all__


@pytest.mark.parametrize("name", [n for n in declared() if n != "CallbackSupportMixin"])
def test_what_the_stub_declares_exists(name: str) -> None:
    for method in declared()[name]:
        assert callable(getattr(getattr(typed_sklearn, name), method))
