"""A search killed at any instant, and gone on with, ends as one that was never interrupted."""

import subprocess
import sys
from pathlib import Path

STUDY = Path(__file__).parents[2] / "studies" / "kills.py"


def test_killed_at_25_random_instants_nothing_is_lost_and_nothing_doubled(folder: Path) -> None:
    run = subprocess.run(  # forks, which is best done in a process without threads
        [sys.executable, str(STUDY), "--instants", "25", "--results", "kills.md"],
        capture_output=True,
        text=True,
    )
    rows = [line.split("|")[1:3] for line in Path("kills.md").read_text().splitlines()[6:]]
    told = {name.strip(): int(count) for name, count in rows}

    assert run.returncode == 0, run.stderr
    assert told["kills"] >= 25
    assert told["searches that left another file than the record"] == 0
    assert (
        told["ended with the trials, values and recommendation of an uninterrupted search"]
        == told["searches"]
        > 5
    )
