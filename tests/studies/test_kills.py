"""A search killed at any instant, and gone on with, ends as one that was never interrupted."""

import subprocess
import sys
from pathlib import Path

import pytest

STUDY = Path(__file__).parents[2] / "studies" / "kills.py"


@pytest.mark.slow
@pytest.mark.parametrize("instants", [4])
def test_killed_at_random_instants_nothing_is_lost_and_nothing_doubled(
    folder: Path, instants: int
) -> None:
    run = subprocess.run(  # forks, which is best done in a process without threads
        [sys.executable, str(STUDY), "--instants", str(instants), "--results", "kills.md"],
        capture_output=True,
        text=True,
    )
    rows = [
        line.split("|")[1:3]
        for line in Path("kills.md").read_text(encoding="utf-8").splitlines()[6:]
    ]
    counts = {name.strip(): int(count) for name, count in rows}

    assert run.returncode == 0, run.stderr
    assert counts["kills"] >= instants
    assert counts["searches that left another file than the record"] == 0
    assert (
        counts["ended with the trials, values and recommendation of an uninterrupted search"]
        == counts["searches"]
        > instants // 5
    )
