"""A training function in a script: found by its name, loaded anew in each process that trains."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.trainers.training_run import require_function, seeded

DEFAULT_FUNCTION = "train"
"""Name of the function if none is given."""
LOADING_SEED = 0
"""Seed of the random numbers that a script draws while it is loaded, the same in every process."""

_SCRIPT = re.compile(r"(?P<path>.+\.py)(?::(?P<function>.*))?", re.IGNORECASE)
_LOADED: dict[str, tuple[bytes, ModuleType]] = {}
"""Sources and modules of the scripts that this process has loaded, by path."""


@dataclass(frozen=True)
class Script:
    """A training function in a file.

    Attributes
    ----------
    path : str
    function : str
    """

    path: str
    function: str = DEFAULT_FUNCTION

    @classmethod
    def of(cls, text: str) -> Self | None:
        """Return the script that FILE.py or FILE.py:FUNCTION names; None if a text is neither.

        Examples
        --------
        >>> Script.of("train.py"), Script.of("table.csv")
        (Script(path='train.py', function='train'), None)
        >>> Script.of("nets/small.py:fit")
        Script(path='nets/small.py', function='fit')
        """
        match = _SCRIPT.fullmatch(text)
        if match is None:
            return None
        return cls(match["path"], match["function"] or DEFAULT_FUNCTION)

    @property
    def name(self) -> str:
        """Return the file's name without its ending, and the function's if it is another."""
        stem = Path(self.path).stem
        return stem if self.function == DEFAULT_FUNCTION else f"{stem}-{self.function}"

    def load(self) -> ScriptFunction:
        """Return the function; what the script itself raises passes through.

        Raises
        ------
        InvalidInputError
            If there is no such file, or no such function in it.
        """
        path = Path(self.path)
        if not path.is_file():
            raise InvalidInputError(
                f"`data` must be a script that exists, but there is no file {self.path!r}: check "
                "its spelling and folder"
            )
        function = ScriptFunction(str(path.resolve()), self.function, path.read_bytes())
        _LOADED.pop(function.path, None)  # what it imports may have changed
        require_function(function.__wrapped__)
        return function


class ScriptFunction:
    """A function of a script, which a process loads from its source when it first calls it.

    So nothing that the script holds, such as data or a model on a GPU, is sent to other processes,
    and a worker on another machine runs the same code, whether or not it has the file.
    """

    def __init__(self, path: str, name: str, source: bytes) -> None:
        self.path = path
        self.__name__ = name
        self.source = source

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """Return the script's own function, where `inspect` looks for it."""
        module = _load(self.path, self.source)
        if not hasattr(module, self.__name__):
            own = [
                name
                for name, value in vars(module).items()
                if inspect.isfunction(value) and value.__module__ == module.__name__
            ]
            file = Path(self.path).name
            cure = f"name one, as {file}:{own[0]}" if own else "write one"
            raise InvalidInputError(
                f"a script must have the function that trains, but {file!r} has none named "
                f"{self.__name__!r}; it has {', '.join(own) or 'none at all'}: {cure}"
            )
        function: Callable[..., Any] = getattr(module, self.__name__)
        return function

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.__wrapped__(*args, **options)


def _load(path: str, source: bytes) -> ModuleType:
    """Return the script as a module, which is run once in a process, not as ``__main__``."""
    loaded = _LOADED.get(path)
    if loaded is not None and loaded[0] == source:
        return loaded[1]
    folder, name = str(Path(path).parent), _module_name(path)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as Python does with a script, so that its imports are found
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # where pickle looks for what the script defines
    try:
        code = compile(source, path, "exec", dont_inherit=True)
        with seeded(LOADING_SEED):
            exec(code, vars(module))  # noqa: S102 -- an import would leave a __pycache__
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, SystemExit):
            raise
        status = "" if error.code is None else repr(error.code)
        raise InvalidInputError(
            f"a script must only define what it trains when it is loaded, but {Path(path).name!r} "
            f"called sys.exit({status}): put what it runs under `if __name__ == '__main__':`"
        ) from error
    _LOADED[path] = source, module
    return module


def _module_name(path: str) -> str:
    """Return the name that a script is imported by, unless another module has it."""
    stem = re.sub(r"\W", "_", Path(path).stem)
    taken = sys.modules.get(stem)
    is_free = (
        taken is None or getattr(taken, "__loader__", taken) is None
    )  # a script's, loaded before
    return stem if is_free else f"script_{stem}"
