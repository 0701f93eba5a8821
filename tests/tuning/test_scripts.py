"""A training function in a script: found by its name, loaded as a module but not as main."""

import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.scripts import Script

SCRIPT = """
import random, sys
drawn = random.random()
def train(schedule, seed, size=8):
    yield drawn
def fit(schedule, seed, report):
    report(1.0)
if __name__ == "__main__":
    sys.exit(3)
"""


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("train.py", Script("train.py", "train")),
        ("a b/train.py:fit", Script("a b/train.py", "fit")),
        ("train.py:", Script("train.py", "train")),
        ("table.csv", None),
        ("iris", None),
        ("-", None),
        ("py", None),
    ],
)
def test_a_name_that_ends_in_py_is_a_script(text: str, script: Script | None) -> None:
    assert Script.of(text) == script


def test_a_script_is_named_by_its_file_and_function() -> None:
    assert Script("nets/small.py").name == "small"
    assert Script("nets/small.py", "fit").name == "small-fit"


def test_a_function_is_loaded_with_its_parameters(folder: Path) -> None:
    Path("mine.py").write_text(SCRIPT, encoding="utf-8")
    train = Script("mine.py").load()

    assert train.__name__ == "train"
    assert list(inspect.signature(train).parameters) == ["schedule", "seed", "size"]
    assert inspect.getsourcefile(inspect.unwrap(train)) == str(folder.resolve() / "mine.py")
    assert sys.modules["mine"].train is train.__wrapped__
    assert sorted(path.name for path in folder.iterdir()) == ["mine.py"]


def test_another_process_loads_it_with_the_same_random_numbers(folder: Path) -> None:
    Path("mine.py").write_text(SCRIPT, encoding="utf-8")
    train = Script("mine.py").load()
    (folder / "train.pickle").write_bytes(pickle.dumps(train))
    code = "import pickle; print(next(pickle.load(open('train.pickle', 'rb'))(None, 0)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert float(told.stdout) == next(train(None, 0))


def test_a_script_that_changed_is_loaded_again(folder: Path) -> None:
    losses = []
    for loss in (1.0, 2.0):
        Path("mine.py").write_text(
            f"def train(schedule, seed):\n    yield {loss}\n", encoding="utf-8"
        )
        losses.append(next(Script("mine.py").load()(None, 0)))

    assert losses == [1.0, 2.0]


def test_modules_beside_it_are_found(folder: Path) -> None:
    Path("deep").mkdir()
    Path("deep/beside_it.py").write_text("loss = 3.0\n", encoding="utf-8")
    Path("deep/mine.py").write_text(
        "import beside_it\ndef train(schedule, seed):\n    yield beside_it.loss\n", encoding="utf-8"
    )

    assert next(Script("deep/mine.py").load()(None, 0)) == 3.0


def test_a_script_does_not_take_the_place_of_a_module(folder: Path) -> None:
    Path("json.py").write_text("def train(schedule, seed):\n    yield 1.0\n", encoding="utf-8")
    import json

    assert next(Script("json.py").load()(None, 0)) == 1.0
    assert sys.modules["json"] is json


BAD = {
    "none.py": "there is no file 'none.py': check its spelling",
    "mine.py:run": "'mine.py' has none named 'run'; it has train, fit: name one, as mine.py:train",
    "empty.py": "it has none at all: write one",
    "exits.py": r"'exits.py' called sys.exit\(4\): put what it runs under `if __name__",
    "number.py": r"must be a generator function .*, but got a int, 3",
    "class.py": "but got a class",
    "coroutine.py": "`train` is a coroutine: make it a plain `def`",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_script_is_refused(folder: Path, text: str) -> None:
    Path("mine.py").write_text(SCRIPT, encoding="utf-8")
    Path("empty.py").write_text("x = 1\n", encoding="utf-8")
    Path("exits.py").write_text("import sys\nsys.exit(4)\n", encoding="utf-8")
    Path("number.py").write_text("train = 3\n", encoding="utf-8")
    Path("class.py").write_text("class train: pass\n", encoding="utf-8")
    Path("coroutine.py").write_text("async def train(schedule, seed): pass\n", encoding="utf-8")
    script = Script.of(text)
    assert script is not None

    with pytest.raises(InvalidInputError, match=BAD[text]):
        script.load()


def test_what_a_script_raises_passes(folder: Path) -> None:
    Path("mine.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    with pytest.raises(ModuleNotFoundError):
        Script("mine.py").load()

    assert "mine" not in sys.modules or sys.modules["mine"].__file__ != str(folder / "mine.py")
