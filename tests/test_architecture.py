"""The house stands: imports run downwards, public names are listed, heavy imports stay away."""

import ast
import importlib
import inspect
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import lrtune

PACKAGE = Path(lrtune.__file__).parent
FLOORS = {
    "lrtune._version": 0,
    "lrtune.exceptions": 0,
    "lrtune.files": 0,
    "lrtune.masking": 0,
    "lrtune.unbroken": 0,
    "lrtune.training": 1,
    "lrtune.base": 2,
    "lrtune.callbacks": 2,
    "lrtune.columns": 2,
    "lrtune.data": 2,
    "lrtune.delimited": 2,
    "lrtune.estimators": 2,
    "lrtune.fitting": 2,
    "lrtune.inspection": 2,
    "lrtune.kinds": 2,
    "lrtune.preprocessing": 2,
    "lrtune.reading": 2,
    "lrtune.replicates": 2,
    "lrtune.splits": 2,
    "lrtune.targets": 2,
    "lrtune.tuning": 3,
    "lrtune.model_files": 4,
    "lrtune.model_selection": 4,
    "lrtune.persistence": 4,
    "lrtune.refitted": 4,
    "lrtune.review": 4,
    "lrtune.cli": 5,
    "lrtune.__main__": 6,
    "lrtune": 6,
}
GROUND_FLOOR_MAY_IMPORT = {"numpy", *sys.stdlib_module_names}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def floor(module: str) -> int:
    for prefix in (module, ".".join(module.split(".")[:2])):
        if prefix in FLOORS:
            return FLOORS[prefix]
    raise AssertionError(f"{module} stands on no floor: add it to FLOORS and to the design")


def imports(module: str) -> set[str]:
    """Every module that a module imports, anywhere in its file."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(name if name in MODULES else node.module for name in names)
    return found


def own_imports(module: str) -> set[str]:
    return {name for name in imports(module) if name.split(".")[0] == "lrtune"}


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downwards(module: str) -> None:
    upward = {name for name in own_imports(module) if floor(name) > floor(module)}

    assert upward == set()


def test_imports_form_no_cycle() -> None:
    graph = {module: own_imports(module) - {module} for module in MODULES if module != "lrtune"}

    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", [name for name in MODULES if floor(name) <= 1])
def test_the_training_floor_needs_numpy_alone(module: str) -> None:
    foreign = {name.split(".")[0] for name in imports(module)} - {"lrtune"}

    assert foreign <= GROUND_FLOOR_MAY_IMPORT


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("lrtune.review")])
def test_review_never_trains(module: str) -> None:
    trainers = {
        "lrtune.base",
        "lrtune.estimators",
        "lrtune.tuning.search",
        "lrtune.tuning.outcomes",
        "lrtune.tuning.replicated",
    }

    assert not own_imports(module) & trainers


PRINTS_IF_VERBOSE = "lrtune.fitting"


@pytest.mark.parametrize(
    "module", [name for name in MODULES if floor(name) < 5 and name != PRINTS_IF_VERBOSE]
)
def test_only_the_command_line_prints(module: str) -> None:
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(MODULES[module].read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert "print" not in calls


PASSED_ON = {
    "lrtune.callbacks": ["CallbackSupportMixin"],
    "lrtune.training.schedules": ["DECAYS"],
}
"""Public names that a module imports for others to find there."""


def public_definitions(module: str) -> list[str]:
    """Functions, classes and constants that a module defines under a public name."""
    names = []
    for node in ast.parse(MODULES[module].read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [t.id for t in targets if isinstance(t, ast.Name) and t.id.isupper()]
    return sorted(name for name in names if not name.startswith("_"))


@pytest.mark.parametrize("module", [name for name in MODULES if name != "lrtune"])
def test_all_lists_the_sorted_public_names(module: str) -> None:
    listed = getattr(importlib.import_module(module), "__all__", [])
    passed_on = PASSED_ON.get(module, [])

    assert sorted([*public_definitions(module), *passed_on]) == list(listed)


def test_the_package_lists_its_sorted_public_names() -> None:
    public = [
        name
        for name in dir(lrtune)
        if not name.startswith("_")
        and not inspect.ismodule(getattr(lrtune, name))
        and name not in {"annotations", "TYPE_CHECKING", "Any"}
    ]

    assert sorted([*public, "__version__"]) == lrtune.__all__


def test_every_public_name_can_be_imported() -> None:
    for name in lrtune.__all__:
        assert getattr(lrtune, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lrtune.nothing


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_help_loads_neither_scikit_learn_nor_optuna_nor_pandas_nor_matplotlib() -> None:
    code = """
import contextlib, io, lrtune.cli
for command in ([], *([name] for name in lrtune.cli.COMMANDS)):
    with contextlib.redirect_stdout(io.StringIO()):
        lrtune.cli.main([*command, "--help"])
"""
    heavy = {"sklearn", "optuna", "pandas", "matplotlib", "scipy", "jinja2"}

    assert not heavy & loaded_after(code)


def test_a_search_loads_no_plotting_and_into_a_file_no_database(tmp_path: Path) -> None:
    code = f"""
import contextlib, io, os, lrtune.cli
os.chdir({str(tmp_path)!r})
with contextlib.redirect_stdout(io.StringIO()):
    lrtune.cli.main(["search", "iris", "--trials", "2", "--epochs", "1", "--quiet"])
"""

    assert not {"matplotlib", "sqlalchemy"} & loaded_after(code)
