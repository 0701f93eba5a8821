"""The studies of the tutorial print what it prints, and their numbers hold."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "studies"
NAMES = (
    "fixed_rates",
    "fixed_rates_with_decay",
    "decay_table",
    "too_high_too_low",
    "three_approaches",
    "lrtune_choice",
)
LARGEST_PICTURE = 150_000


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)


def study(name: str) -> Any:
    return importlib.import_module(name)


def run(name: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, *words])
    study(name).main()


# --- what is printed and written ---------------------------------------------------------------


def test_the_line_of_a_rate_is_the_tutorials() -> None:
    line = study("tutorial").accuracy_line(0.2, 97.368421)

    assert line == "Learning Rate: 0.200000 Test Accuracy: 97.37"


@pytest.mark.parametrize(
    "name", ["fixed_rates", pytest.param("fixed_rates_with_decay", marks=pytest.mark.slow)]
)
def test_a_study_of_rates_prints_the_lines_and_writes_them_down(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(name, monkeypatch, "--seeds", "1", "--results", str(tmp_path))

    printed = capsys.readouterr().out
    written = (tmp_path / f"{name}.md").read_text(encoding="utf-8")
    lines = re.findall(r"^Learning Rate: (0\.\d{6}) Test Accuracy: \d+\.\d\d$", printed, re.M)

    assert lines == ["0.200000", "0.100000", "0.030000", "0.010000"]
    assert written.startswith(printed.rstrip("\n"))
    assert f"![{written.splitlines()[0][2:]}]({name}.png)" in written
    assert 10_000 < (tmp_path / f"{name}.png").stat().st_size < LARGEST_PICTURE


def test_the_figure_of_rates_is_titled_as_the_tutorials() -> None:
    tutorial = study("tutorial")
    losses = np.linspace(1.0, 0.5, tutorial.EPOCHS)
    learned = tutorial.Learned(losses, losses, 90.0)
    figure = tutorial.losses_figure("rates", {rate: [learned] for rate in tutorial.RATES})

    titles = [axes.get_title() for axes in figure.axes]

    assert titles == [f"Learning Rate: {rate}" for rate in ("0.20", "0.10", "0.03", "0.01")]


def test_every_study_is_listed_with_its_command_and_picture() -> None:
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"| `python studies/{name}.py` | [{name}.md](results/{name}.md) |" in listed
        assert f"](results/{name}.png)" in listed


@pytest.mark.parametrize("name", NAMES)
def test_a_study_has_written_a_table_with_its_command_and_a_small_picture(name: str) -> None:
    written = (FOLDER / "results" / f"{name}.md").read_text(encoding="utf-8")

    assert written.splitlines()[2].startswith(f"`python studies/{name}.py")
    assert (FOLDER / "results" / f"{name}.png").stat().st_size < LARGEST_PICTURE


@pytest.mark.parametrize("name", NAMES)
def test_a_study_says_what_it_does(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run(name, monkeypatch, "--help")
    told = " ".join(capsys.readouterr().out.split())

    assert stop.value.code == 0
    assert study(name).__doc__.splitlines()[0] in told


# --- training ------------------------------------------------------------------------------------


def test_learning_epoch_by_epoch_is_a_fit() -> None:
    tutorial = study("tutorial")
    X, X_test, y, y_test = tutorial.data()
    fitted = tutorial.network(0.2, **tutorial.keras_decay()).fit(X, y)

    learned = tutorial.learn(tutorial.network(0.2, **tutorial.keras_decay()))

    assert learned.training.tolist() == fitted.loss_curve_
    assert learned.accuracy == 100 * fitted.score(X_test, y_test)
    assert not learned.diverged


def test_a_divergence_leaves_the_rest_of_the_curves_empty() -> None:
    tutorial = study("tutorial")

    learned = tutorial.learn(tutorial.network(1e3))

    assert learned.diverged
    assert np.isnan(learned.validation[-1])


def test_the_decay_is_that_of_legacy_keras_at_every_step() -> None:
    tutorial = study("tutorial")
    schedule = tutorial.network(0.2, **tutorial.keras_decay()).schedule()
    steps = np.arange(80)

    assert schedule(steps / 4) == pytest.approx(0.2 / (1 + 0.01 * steps))


# --- the decay table -----------------------------------------------------------------------------


def test_the_recursion_cut_at_every_epoch_alone_gives_the_tutorials_table() -> None:
    (first, *tutorials, _), *others = study("decay_table").rows()
    verdicts = {label: verdict for label, *_, verdict in others}

    assert first == "the tutorial's table"
    assert tutorials == ["0.198", "0.194", "0.188", "0.180", "0.171"]
    assert list(verdicts.values()).count("yes") == 1
    assert verdicts["αₜ₋₁/(1 + 0.01·t), cut to three decimals before the next"] == "yes"


def test_plain_inverse_time_gives_other_rates() -> None:
    rows = {label: rates for label, *rates, _ in study("decay_table").rows()}

    assert rows["inverse time per epoch, α₀/(1 + 0.01·t)"] == [
        "0.198", "0.196", "0.194", "0.192", "0.190",
    ]  # fmt: skip


# --- too high, too low ---------------------------------------------------------------------------


def test_the_edge_parts_rates_that_converge_from_those_that_diverge() -> None:
    surface = study("too_high_too_low")
    start = surface.height(surface.START)
    ends = [surface.height(surface.descend(rate)[-1]) for rate in surface.SURFACE_RATES]

    assert surface.EDGE == 0.2
    assert max(ends[:3]) < start < ends[3]
    assert surface.height(surface.descend(surface.EDGE)[-1]) == pytest.approx(20.0, rel=0.01)


def test_the_gradient_on_iris_is_that_of_the_loss() -> None:
    iris = study("too_high_too_low").Iris(seed=0)
    _, gradient = iris.slope(iris.start)
    direction = np.random.default_rng(0).normal(size=len(gradient))
    step = 1e-6 * direction

    rise = iris.slope(iris.start + step)[0] - iris.slope(iris.start - step)[0]

    assert rise / 2e-6 == pytest.approx(gradient @ direction, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 100])
def test_the_edge_on_iris_is_that_of_the_whole_hessian(steps: int) -> None:
    iris, step = study("too_high_too_low").Iris(seed=2), 1e-7
    weights = iris.start
    for _ in range(steps):
        weights = weights - 0.001 * iris.slope(weights)[1]
    columns = [
        iris.slope(weights + step * unit)[1] - iris.slope(weights - step * unit)[1]
        for unit in np.eye(len(weights))
    ]
    hessian = np.array(columns) / (2 * step)

    expected = 2 / np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1]

    assert expected == pytest.approx(iris.edge(weights), rel=1e-3)


# --- three approaches, and lrtune's choice -------------------------------------------------------


def test_every_method_trains_at_its_default() -> None:
    approaches = study("three_approaches")
    for method in approaches.METHODS:
        judged = approaches.judge(method.default, range(1, 2))

        assert judged.losses.shape == (1,), method.name
        assert judged.diverged == 0, method.name


def test_a_tuned_rate_is_compared_with_the_default_seed_by_seed() -> None:
    approaches = study("three_approaches")
    tuned, default = (
        approaches.Judged({}, np.array(losses), np.zeros(3), 0)
        for losses in ([0.1, 0.2, 0.3], [0.4, 0.4, 0.4])
    )

    assert approaches.gain(tuned, default) == "-0.200 ± 0.058"


def test_a_choice_is_named_by_what_it_is() -> None:
    describe = study("lrtune_choice").describe
    cosine = {"learning_rate_init": 0.123456, "decay": "cosine", "decay_rate": 0.0512}

    assert describe({**cosine, "decay": "constant"}) == "lrtune: 0.123"
    assert describe(cosine) == "lrtune: 0.123, cosine, 0.051/epoch"
