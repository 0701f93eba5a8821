"""A picture of what ``lrtune search iris`` prints on a terminal.

Run it as ``python studies/terminal.py``.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

RESULTS = Path(__file__).parent.resolve() / "results" / "terminal.svg"
COMMAND = ("search", "iris")
WIDTH = 110


def main() -> None:
    """Run the command in an empty folder, and draw what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "lrtune", *COMMAND],
            cwd=folder,
            env=os.environ | {"COLUMNS": str(WIDTH)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
    told = "\n".join(line.rstrip() for line in run.stdout.strip().splitlines())
    print(told)
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere)
        console.print(Text(f"$ lrtune {' '.join(COMMAND)}\n{told}"))
        drawn = console.export_svg(title="lrtune", unique_id="lrtune")
    RESULTS.write_text(re.sub(r"@font-face \{.*?\}\n", "", drawn, flags=re.DOTALL))  # no network


if __name__ == "__main__":
    main()
