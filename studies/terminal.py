"""A picture of what ``lrtune search iris`` prints on a terminal.

Run it as ``python studies/terminal.py``.
"""

import os
import pty
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

RESULTS = Path(__file__).parent.resolve() / "results" / "terminal.svg"
COMMAND = ("search", "iris")
WIDTH = 110


def main() -> None:
    """Run the command in an empty folder, and draw what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        told = _on_a_terminal([sys.executable, "-m", "lrtune", *COMMAND], folder)
    print(told)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(Text(f"$ lrtune {' '.join(COMMAND)}"))
        console.print(Text.from_ansi(told))
        drawn = console.export_svg(title="lrtune", unique_id="lrtune")
    RESULTS.write_text(re.sub(r"@font-face \{.*?\}\n", "", drawn, flags=re.DOTALL))  # no network


def _on_a_terminal(command: list[str], folder: str) -> str:
    """Return what a command prints to a terminal, on both of its streams."""
    ours, its = pty.openpty()
    environment = os.environ | {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    run = subprocess.Popen(  # noqa: S603
        command, cwd=folder, env=environment, stdout=its, stderr=subprocess.PIPE, text=True
    )
    os.close(its)
    told = b""
    with suppress(OSError):  # at its end
        while part := os.read(ours, 1 << 16):
            told += part
    _, besides = run.communicate()
    os.close(ours)
    lines = f"{told.decode()}{besides}".strip().splitlines()
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    main()
