"""Templates: valid Python once they are filled in."""

import ast
import string
from typing import Any

import pytest

from lrtune.export import templates

VALUES: dict[str, Any] = {
    "unit": "epoch", "period": "epoch", "body": "    pass", "k": 0.5, "patience": 2, "floor": 0.1,
    "remark": "# remark\n", "imports": "from lrtune import MLPClassifier", "model": "None",
    "estimator": "MLPClassifier", "dataset": "load_dataset(DATA)",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in vars(templates) if name.isupper()])
def test_a_template_names_known_values_and_is_python(name: str) -> None:
    template = getattr(templates, name)
    fields = {field for _, field, _, _ in string.Formatter().parse(template) if field}
    body = "        pass" if name == "KERAS_STEPS" else VALUES["body"]

    assert fields <= VALUES.keys()
    ast.parse(template.format(**VALUES | {"body": body}))
