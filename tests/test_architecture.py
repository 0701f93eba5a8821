"""The house stands: imports run downwards, public names are listed, heavy imports stay away."""

import ast
import functools
import inspect
import subprocess
import sys
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

import lrtune
import lrtune.exceptions

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
    "lrtune.tuning.range_result",
    "lrtune.tuning.record.schema",
    "lrtune.tuning.trainers",
    "lrtune.tuning.record",
    "lrtune.tuning.sampling",
    "lrtune.tuning.confirm",
    "lrtune.tuning",
    "lrtune.integrations",
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


@functools.cache
def parse(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@functools.cache
def imports(module: str) -> frozenset[str]:
    """Every module that a module imports, anywhere in its file."""
    found = set()
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(name if name in MODULES else node.module for name in names)
    return frozenset(found)


@functools.cache
def own_imports(module: str) -> frozenset[str]:
    return frozenset(name for name in imports(module) if name.split(".")[0] == "lrtune")


def packages(module: str) -> set[str]:
    """Return the packages that Python imports before a module, but for the whole of lrtune."""
    parts = module.split(".")
    return {".".join(parts[:depth]) for depth in range(2, len(parts))}


def reached(module: str) -> dict[str, str]:
    """Return every module that is imported in turn, and which one imports it."""
    importers: dict[str, str] = {}
    waiting = [module]
    while waiting:
        importer = waiting.pop()
        for name in (own_imports(importer) & MODULES.keys()) | packages(importer):
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
    "lrtune.tuning.trainers.network",
}
ONLY_READS = ("lrtune.export", "lrtune.review", "lrtune.dashboard")


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) in ONLY_READS])
def test_what_only_reads_imports_nothing_that_trains(module: str) -> None:
    chains = {name: importer for name, importer in reached(module).items() if name in TRAINS}

    assert chains == {}


PRINTS_IF_VERBOSE = "lrtune.estimators.fitting"


@pytest.mark.parametrize(
    "module",
    [name for name in MODULES if height(name) < ROOMS.index("lrtune.cli")],
)
def test_only_the_command_line_prints(module: str) -> None:
    calls = {
        node.func.id
        for node in ast.walk(parse(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert "print" not in calls or module == PRINTS_IF_VERBOSE


def test_the_package_lists_its_sorted_public_names() -> None:
    assert dir(lrtune) == lrtune.__all__ == sorted(["__version__", *lrtune._HOMES])


def test_every_exception_is_a_public_name() -> None:
    own = {name for name, _ in inspect.getmembers(lrtune.exceptions, inspect.isclass)}

    assert own <= set(lrtune.__all__)


def test_every_public_name_can_be_imported() -> None:
    for name in lrtune.__all__:
        assert getattr(lrtune, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lrtune.nothing


# --- short ways in ------------------------------------------------------------------------------

MOST_PARAMETERS = 8
MANY_PARAMETERS = {
    "lrtune.estimators.base.BaseMLP.__init__",
    "lrtune.estimators.mlp.MLPClassifier.__init__",
    "lrtune.estimators.mlp.MLPRegressor.__init__",
    "lrtune.search_cv.search_cv.LearningRateSearchCV.__init__",
    "lrtune.tables.dataset.load_dataset",
    "lrtune.tuning.function_search.search",
    "lrtune.tuning.range_test.lr_range_test",
    "lrtune.tuning.sampling.suggest.suggest_schedule",
}
"""Public functions, whose parameters are their options."""


def functions(module: str) -> dict[str, ast.FunctionDef]:
    """Return the functions and methods that a module defines, by their full names."""
    defined = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                name = f"{prefix}.{child.name}"
                if isinstance(child, ast.FunctionDef):
                    defined[name] = child
                visit(child, name)
            else:
                visit(child, prefix)

    visit(parse(module), module)
    return defined


def is_command(function: ast.FunctionDef) -> bool:
    """Return whether a function is a command of click, whose parameters are its options."""
    return any("command" in ast.unparse(decorator) for decorator in function.decorator_list)


@pytest.mark.parametrize("module", MODULES)
def test_no_function_takes_more_than_eight_parameters(module: str) -> None:
    n_parameters = {}
    for name, function in functions(module).items():
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        counted = [each for each in arguments if each.arg not in ("self", "cls")]
        if not (module.startswith("lrtune.cli") and is_command(function)):
            n_parameters[name] = len(counted)
    long = {name: n for name, n in n_parameters.items() if n > MOST_PARAMETERS}

    assert long.keys() <= MANY_PARAMETERS, long


# --- a test file for every module ---------------------------------------------------------------

TESTS = PACKAGE.parent / "tests"
NEED_NO_TEST = {"__init__", "__main__", "_version"}


def own_tests(module: str) -> Path:
    """Return the place of a module's tests: of its name, in the folder of its room."""
    _, *rooms, name = module.split(".")
    folder = TESTS.joinpath(*rooms)
    command = folder / f"test_{name}_command.py"
    return command if rooms == ["cli"] and command.exists() else folder / f"test_{name}.py"


@pytest.mark.parametrize(
    "module", [name for name, path in MODULES.items() if path.stem not in NEED_NO_TEST]
)
def test_every_module_has_a_test_file_of_its_name(module: str) -> None:
    assert own_tests(module).exists()


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


READS_IN_A_MOMENT = (
    "studies", "show iris", "show iris --json", "compare iris iris", "export iris --to torch",
    "rename iris one --yes", "delete one --yes",
)  # fmt: skip
"""Commands that read a record, and train nothing."""
HEAVY = {
    "jinja2", "joblib", "matplotlib", "pandas", "scipy.linalg", "scipy.optimize", "scipy.stats",
    "sklearn", "skrub", "sqlalchemy", "threadpoolctl",
}  # fmt: skip
"""What takes longer to load than to read a record."""


def test_what_reads_a_journal_loads_nothing_heavy(lrtune: Callable[..., Any]) -> None:
    lrtune("search", "iris", "--trials", "16", "--epochs", "2", "--quiet")
    commands = [command.split() for command in READS_IN_A_MOMENT]
    code = f"""
import contextlib, io, lrtune.cli
for command in {commands}:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        lrtune.cli.main(command)
"""

    assert not HEAVY & loaded_after(code)
