"""The Dask recipe of studies/scaling.md, word for word, on a cluster of two processes."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.record.workers import OF_TRIALS
from lrtune.tuning.sampling.asking import BLOCK_SIZE

PAGE = Path(__file__).parents[2] / "studies" / "scaling.md"
NAME, TRIALS = "digits", 96
"""The study is named as in the recipe."""


@pytest.fixture
def scheduler(folder: Path) -> Iterator[str]:
    """Start a cluster of two processes; give its address."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(folder)
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.dask
def test_the_recipe_finishes_a_study_with_a_worker_on_each_of_the_clusters(
    folder: Path, scheduler: str, lrtune: Callable[..., Any]
) -> None:
    storage = f"sqlite:///{folder}/record.db"
    words = ("search", "iris", "--epochs", "3", "--hidden", "8", "--trials", f"{TRIALS}")
    lrtune(*words, "--storage", storage, "--name", NAME, "--timeout", "0.001")  # one block
    (recipe,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    Path("recipe.py").write_text(recipe, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "recipe.py"],
        env=os.environ | {"DASK_SCHEDULER_ADDRESS": scheduler, "LRTUNE_STORAGE": storage},
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    study = optuna.load_study(study_name=NAME, storage=open_storage(storage)[0])

    assert run.stdout == "[0, 0]\n", run.stderr
    assert TRIALS <= len(study.trials) <= TRIALS + 2 * BLOCK_SIZE
    assert study.user_attrs[Confirmation.KEY][OF_TRIALS] == TRIALS
    assert optuna.get_all_study_names(study._storage) == [NAME]  # no claim is left behind
