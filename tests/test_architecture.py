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
ROOMS = (
    "lrtune._version",
    "lrtune.exceptions",
    "lrtune.support",
    "lrtune.schedules",
    "lrtune.training",
    "lrtune.tables",
    "lrtune.estimators",
    "lrtune.models",
    "lrtune.tuning.dimensions",
    "lrtune.tuning.setting",
    "lrtune.tuning.space",
    "lrtune.tuning.record.schema",
    "lrtune.tuning.trainers",
    "lrtune.tuning.record",
    "lrtune.tuning.sampling",
    "lrtune.tuning.confirm",
    "lrtune.tuning",
    "lrtune.search_cv",
    "lrtune.export",
    "lrtune.review",
    "lrtune.dashboard",
    "lrtune.cli",
    "lrtune.__main__",
    "lrtune",
)
"""From the ground up: a module imports only from its own room and from those above it here."""
NUMPY_ALONE = ("lrtune.schedules", "lrtune.training")


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str:
    """Return the room that a module is in: the one with the longest name that it begins with."""
    names = [name for name in ROOMS if module == name or module.startswith(f"{name}.")]
    found = max(names, key=len)
    assert found != "lrtune" or module == "lrtune", f"{module} is in no room: add it to ROOMS"
    return found


def height(module: str) -> int:
    return ROOMS.index(room(module))


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


def reached(module: str) -> dict[str, str]:
    """Return every module that is imported in turn, and which one imports it."""
    importers: dict[str, str] = {}
    waiting = [module]
    while waiting:
        importer = waiting.pop()
        for name in own_imports(importer) & MODULES.keys():
            if name not in importers:
                importers[name] = importer
                waiting.append(name)
    return importers


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module: str) -> None:
    upward = {name for name in own_imports(module) if height(name) > height(module)}

    assert upward == set()


def test_imports_form_no_cycle() -> None:
    graph = {module: own_imports(module) - {module} for module in MODULES if module != "lrtune"}

    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) in NUMPY_ALONE])
def test_training_needs_numpy_alone(module: str) -> None:
    foreign = {name.split(".")[0] for name in imports(module)} - {"lrtune"}

    assert foreign <= {"numpy", *sys.stdlib_module_names}
    assert {room(name) for name in reached(module)} <= {"lrtune.exceptions", *NUMPY_ALONE}


TRAINS = {
    "lrtune.estimators.fitting",
    "lrtune.training.loop",
    "lrtune.training.population",
    "lrtune.tuning.search",
    "lrtune.tuning.trainers.lockstep",
}
ONLY_READS = ("lrtune.export", "lrtune.review", "lrtune.dashboard")


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) in ONLY_READS])
def test_what_only_reads_imports_nothing_that_trains(module: str) -> None:
    assert own_imports(module) & TRAINS == set()


PRINTS_IF_VERBOSE = "lrtune.estimators.fitting"


@pytest.mark.parametrize(
    "module",
    [name for name in MODULES if height(name) < ROOMS.index("lrtune.cli")],
)
def test_only_the_command_line_prints(module: str) -> None:
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(MODULES[module].read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert "print" not in calls or module == PRINTS_IF_VERBOSE


PASSED_ON = {
    "lrtune.estimators": ["MLPClassifier", "MLPRegressor"],
    "lrtune.estimators.callbacks": ["CallbackSupportMixin"],
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
