"""The study of few trainings: its tables, its games, and what it writes, on a tiny table."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrtune.schedules.schedule import Schedule
from lrtune.tuning.setting import Setting

FOLDER = Path(__file__).parents[2] / "studies"
LARGEST_PICTURE = 150_000
EPOCHS = 4


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)


def study(name: str = "trainings") -> Any:
    return importlib.import_module(name)


def bowl(settings: list[Setting], number: int) -> tuple[np.ndarray, float, float]:
    """Return losses that are least at a rate of 0.1, differ by replicate, and diverge at 10."""
    noise = np.random.default_rng(number).uniform(0.9, 1.1, len(settings))
    rates = np.array([setting.learning_rate_init for setting in settings])
    last = noise * (0.1 + 0.1 * np.log10(rates / 0.1) ** 2)
    losses = 1 + (last[:, np.newaxis] - 1) * np.linspace(0.25, 1, EPOCHS)
    losses[rates > 9, 1:] = np.inf
    return losses, 1.0, 2.0


@pytest.fixture
def sources() -> dict[str, Any]:
    return {"bowl": study("trainings_tables").Source(bowl, 10, EPOCHS, 9, 2)}


@pytest.fixture
def table(sources: dict[str, Any], tmp_path: Path) -> Any:
    return study("trainings_tables").table_of("bowl", tmp_path, sources)


@pytest.fixture
def main(sources: dict[str, Any], tmp_path: Path) -> Callable[..., pd.DataFrame]:
    def run(*words: str) -> pd.DataFrame:
        folders = ["--tables", str(tmp_path / "tables"), "--results", str(tmp_path)]
        study().main([*folders, *words], sources)
        return pd.read_csv(tmp_path / "trainings.csv")

    return run


# --- tables --------------------------------------------------------------------------------------


def test_a_table_is_read_from_its_file_and_replicates_that_it_lacks_are_added(
    table: Any, sources: dict[str, Any], tmp_path: Path
) -> None:
    asked = []

    def more(settings: list[Setting], number: int) -> Any:
        asked.append(number)
        return bowl(settings, number)

    tables = study("trainings_tables")
    longer = tables.Source(more, 12, EPOCHS, 9, 2)
    read = tables.table_of("bowl", tmp_path, {"bowl": longer})

    assert asked == [10, 11]
    assert read.settings == table.settings
    np.testing.assert_array_equal(read.losses[:10], table.losses.astype("float32"))


def test_a_table_of_another_grid_is_refused(table: Any, tmp_path: Path) -> None:
    tables = study("trainings_tables")
    other = tables.Source(bowl, 10, EPOCHS, 5, 2)

    with pytest.raises(SystemExit, match=r"bowl\.npz is a table of other settings: delete it"):
        tables.table_of("bowl", tmp_path, {"bowl": other})


def test_a_network_trains_in_lockstep_as_alone() -> None:
    tables = study("trainings_tables")
    settings = [Setting(0.5, "constant", 0.05), Setting(1e3, "constant", 0.05)]
    losses, initial, cap = tables.train_networks("iris", settings, 3)
    alone, *_ = tables.train_networks("iris", settings[:1], 3)

    np.testing.assert_array_equal(losses[:1], alone)
    assert losses[0, -1] < 0.5 < initial < cap == pytest.approx(2 * np.log(3))
    assert np.isinf(losses[1, -1])


@pytest.mark.slow
@pytest.mark.torch
def test_a_convolutional_network_trains_in_lockstep_as_alone() -> None:
    pytest.importorskip("torch")
    cnn = study("trainings_cnn")
    settings = [Setting(0.1, "cosine", 0.125), Setting(1e3, "constant", 0.125)]
    losses, initial, cap = cnn.train(settings, 3)
    alone, *_ = cnn.train(settings[:1], 3)

    np.testing.assert_allclose(losses[:1], alone, rtol=1e-3)
    assert losses[0, -1] < 2.1 < initial < cap
    assert np.isinf(losses[1, -1])


# --- games ---------------------------------------------------------------------------------------


def test_a_schedule_trains_as_the_nearest_setting_on_the_replicate_of_its_seed(table: Any) -> None:
    game = study("trainings_game").Game(table, 0)
    schedule = Schedule(learning_rate_init=0.11, decay="linear", decay_rate=2.0)
    index = game.nearest(Setting(0.11, "linear", 2.0))

    first, again, other = (list(game.train(schedule, seed)) for seed in (77, 77, 5))

    assert table.settings[index] == Setting(pytest.approx(0.1), "linear", 2.5)
    assert first == again == table.losses[game.usable[0], index].tolist()
    assert other == table.losses[game.usable[1], index].tolist()
    assert game.trainings == 3


def test_a_negligible_rate_does_not_learn_and_costs_nothing(table: Any) -> None:
    game = study("trainings_game").Game(table, 0)

    assert list(game.train(Schedule(learning_rate_init=1e-6), 0)) == [1.0] * EPOCHS
    assert game.trainings == 0


def test_regret_is_0_for_the_best_setting_and_counts_a_divergence_as_the_cap(table: Any) -> None:
    game = study("trainings_game").Game(table, 0)
    best = table.settings[table.capped().mean(axis=0).argmin()]
    high = Setting(10.0, "constant", 1.0)

    assert set(game.usable) | set(game.fresh) == set(range(10))
    assert len(game.fresh) == 4
    assert (game.regret(best), game.diverging(best)) == (0.0, 0.0)
    assert game.regret(high) == game.regret(None) > 10
    assert game.diverging(high) == game.diverging(None) == 1.0


@pytest.mark.parametrize("over", ["seeds", "epochs"])
def test_halving_trains_what_its_rungs_say(table: Any, over: str) -> None:
    peers = study("trainings_peers")
    game = study("trainings_game").Game(table, 0)
    setting = peers.halving(game, 24, 0, over=over)

    resources, unit = (9, 1) if over == "seeds" else (EPOCHS, 3 / EPOCHS)
    rungs = peers.rungs(peers.candidates_for(24 / unit, resources), resources)

    assert game.trainings == pytest.approx(unit * sum(n * resource for n, resource in rungs))
    assert 12 < game.trainings <= 24 + 1e-9
    assert game.regret(setting) < 1


# --- the study -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_plays_what_is_missing_and_writes_tables_and_a_picture(
    main: Callable[..., pd.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--strategies", "lrtune,TPE,random × 3", "--budgets", "12,24", "--seeds", "2")
    rows = main(*words)
    first = capsys.readouterr().out
    main(*words)
    second = capsys.readouterr().out
    replayed = main("--strategies", "lrtune", "--budgets", "24", "--seeds", "2", "--again")

    assert len(rows) == 3 * 2 * 2
    assert (rows.trainings <= rows.budget).all()
    assert "bowl: TPE, 4 rows" in first
    assert "rows" not in second
    assert "| problem | lrtune | TPE | random × 3 |" in second
    assert "| 24 | median ≤ 12 %, 90th percentile ≤ 40 % |" in second
    assert len(replayed) == len(rows)
    assert (tmp_path / "trainings.md").read_text(encoding="utf-8").startswith("# Regret after few")
    assert 5_000 < (tmp_path / "trainings.png").stat().st_size < LARGEST_PICTURE


@pytest.mark.slow
def test_bounds_are_played_once_and_are_never_better_than_a_perfect_choice(
    main: Callable[..., pd.DataFrame], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main("--strategies", "lrtune", "--budgets", "24", "--seeds", "1")
    main("--bounds", "--seeds", "1")
    capsys.readouterr()
    main("--bounds", "--seeds", "1")
    again = capsys.readouterr().out
    rows = pd.read_csv(tmp_path / "trainings_bounds.csv")

    assert list(rows.budget) == [24, 48, 96, 192]
    assert np.isfinite(rows.filter(like="promise")).to_numpy().all()
    assert "## What bounds it" in again
    assert "rows" not in again


def test_a_perfect_part_chooses_by_the_means_that_the_search_does_not_know(table: Any) -> None:
    own, game = study("trainings_lrtune"), study("trainings_game").Game(table, 0)
    result = own.search(game, 24, 0)
    found = own.bounds(game, result)
    on_all = table.capped().mean(axis=0)
    tried = [game.nearest(result.facts.space.setting(each.params)) for each in result.finished]

    assert found["chosen"] == game.regret(result.best)
    assert found["tried"] == game.regret(table.settings[min(tried, key=lambda i: on_all[i])])
    assert set(found) == set(own.BOUNDS)


def test_a_gain_is_the_fall_of_the_loss_with_twice_the_trainings() -> None:
    gain = study("trainings_gain")
    rows = pd.DataFrame(
        [
            {"problem": problem, "seed": seed, "budget": budget, "chosen": regret}
            for problem in "ab"
            for seed in range(4)
            for budget, regret in ((24, 1.0), (48, 0.5))
        ]
    ).assign(**dict.fromkeys(gain.PROMISES, 0.5))
    both = gain.with_gains(rows)

    assert set(both.budget) == {24}
    np.testing.assert_allclose(both.gain, 0.25)  # from twice the best loss to 1.5 times
    assert gain.errors(both) == pytest.approx(
        {"no gain": 0.25, "mean of the budget": 0, **dict.fromkeys(gain.PROMISES, 0)}
    )


def test_an_unknown_strategy_is_refused(
    main: Callable[..., pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main("--strategies", "guessing")

    assert "--strategies must be some of lrtune, TPE" in capsys.readouterr().err


def test_a_strategy_without_its_package_is_left_out_with_the_cure(
    main: Callable[..., pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(study().importlib.util, "find_spec", lambda _: None)
    rows = main("--strategies", "SMAC3,random", "--budgets", "12", "--seeds", "1")

    assert set(rows.strategy) == {"random"}
    assert "SMAC3 is left out: it needs smac (pip install smac)" in capsys.readouterr().out


def test_the_bars_hold_only_where_nothing_diverges() -> None:
    report = study("trainings_report")
    rows = pd.DataFrame({"regret": [0.01, 0.03], "diverging": [0.0, 0.0]})

    assert report.meets_bar(rows, 48)
    assert not report.meets_bar(rows.assign(diverging=[0.0, 0.1]), 48)
    assert report.meets_bar(rows.assign(diverging=[0.0, 0.1]), 24)
    assert not report.meets_bar(rows.assign(regret=[0.07, 0.07]), 48)


def test_the_error_of_a_median_shrinks_with_the_number_of_repetitions() -> None:
    values = np.random.default_rng(0).normal(size=160)
    report = study("trainings_report")

    assert 0.05 < report.median_error(values) < 0.2 < report.median_error(values[:10])


def test_it_is_listed_with_its_command() -> None:
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert "python studies/trainings.py --tables" in listed
    assert "[trainings.md](results/trainings.md)" in listed
