"""Whether what lrtune states holds: standard errors, the safe range, the gain over the default.

Many searches of small tables, by every door: what each claims is compared with trainings on fresh
seeds and splits, which no search had. A time series is judged on later stretches of its source.

    python studies/calibration.py [--repetitions 2] [--kinds shuffled,time]

Rows that ``results/calibration.csv`` has already are not searched again.
"""

import argparse
import contextlib
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from calibration_loop import EPOCHS, Loop
from calibration_tables import CV, FIXED, SOURCES, Table, fresh_replicates
from joblib import Parallel, delayed
from matplotlib.figure import Figure
from scipy import stats
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tutorial import RESULTS, header, write
from tutorial import table as markdown

import lrtune
from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor
from lrtune.cli import main as command_line
from lrtune.exceptions import NothingCompletedError
from lrtune.review.plots import COLOURS
from lrtune.training.optimizers import DEFAULT_RATES
from lrtune.tuning.confirm.measurement import SAFE_MARGIN
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.protocol import train_all

Array = npt.NDArray[Any]

OPTIMIZERS = ("sgd", "momentum", "adam")
FRESH = 360
"""Fresh trainings of each setting, so many that the error of their mean hardly adds to the stated
one; a third as many where a search has fewer than `FEW` trainings."""
FEW = 50
N_TRIALS = 32
"""Settings of a search by cross-validation."""
FIRST_SEED = 10_000
"""Beyond those that were looked at while the errors and the safe range were developed."""


@dataclass(frozen=True)
class Claim:
    """What a search states.

    Attributes
    ----------
    setting, default : Setting
    loss, se : float
        Of the recommended setting; the error is None of a single replicate.
    gain, gain_se : float or None
        Of the recommended setting over the default.
    safe : tuple of float or None
        The safe range.
    is_trained : bool
        Whether its ends were trained, or are predicted.
    keeps_default : bool
        Whether the default is recommended.
    """

    setting: Setting
    default: Setting
    loss: float
    se: float | None
    gain: float | None
    gain_se: float | None
    safe: tuple[float, float] | None
    is_trained: bool
    keeps_default: bool

    @classmethod
    def of(cls, result: dict[str, Any], optimizer: str) -> "Claim":
        """Return the claims of a search's JSON object."""
        confirmation, safe = result["confirmation"], result["safe_range"]
        return cls(
            Setting.from_params(result["best"]),
            Setting(DEFAULT_RATES[optimizer], "constant", 0.0),
            result["confirmed_loss"],
            result["confirmed_se"],
            confirmation["gain"],
            confirmation["gain_se"],
            None if safe is None else tuple(safe),
            confirmation["safe_range_is_measured"],
            confirmation["keeps_default"],
        )


Judge = Callable[[list[Setting]], Array]
"""Function of settings that returns their losses on fresh replicates, inf where one diverged."""


# --- the doors ------------------------------------------------------------------------------------


def network(table: Table, optimizer: str, **parameters: Any) -> Any:
    """Return lrtune's network behind a scaler."""
    kind = MLPClassifier if table.task == "classification" else MLPRegressor
    return make_pipeline(StandardScaler(), kind(optimizer=optimizer, **parameters))


def by_command(table: Table, optimizer: str, seed: int) -> tuple[Claim, Judge]:
    """Search by ``lrtune search``."""
    X, y = table.seen
    frame = pd.DataFrame(X, columns=[f"x{index}" for index in range(X.shape[1])])
    words = ["--target", "y", "--optimizer", optimizer, "--seed", str(seed), "--json", "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        frame.assign(y=y if table.task == "regression" else [f"c{each}" for each in y]).to_csv(
            path, index=False
        )
        printed = io.StringIO()
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(printed),
            contextlib.suppress(SystemExit),
        ):
            command_line(["search", str(path), *words])
    estimator = network(table, optimizer, dtype="float32")
    return Claim.of(json.loads(printed.getvalue()), optimizer), judge(table, estimator, "random")


def by_cv(split: str) -> Callable[[Table, str, int], tuple[Claim, Judge]]:
    """Return the search by `LearningRateSearchCV` on a kind of split."""

    def door(table: Table, optimizer: str, seed: int) -> tuple[Claim, Judge]:
        X, y = table.seen
        estimator = network(table, optimizer)
        searching = LearningRateSearchCV(
            estimator, cv=CV[split](table, seed), n_trials=N_TRIALS, random_state=seed, refit=False
        )
        groups = None if table.groups is None else table.groups[: table.n_rows]
        result = searching.fit(X, y, groups=groups).result_
        return Claim.of(result.to_dict(), optimizer), judge(table, estimator, split)

    return door


def by_loop(trainings: int) -> Callable[[Table, str, int], tuple[Claim, Judge]]:
    """Return the search of a training loop that is not lrtune's."""

    def door(table: Table, optimizer: str, seed: int) -> tuple[Claim, Judge]:
        loop = Loop(*table.seen, table.task, optimizer)
        result = lrtune.search(
            loop.train,
            epochs=EPOCHS,
            trainings=trainings,
            default=DEFAULT_RATES[optimizer],
            seed=seed,
        )
        return Claim.of(result.to_dict(), optimizer), loop.judge(
            FRESH if trainings >= FEW else FRESH // 3
        )

    return door


def judge(table: Table, estimator: Any, split: str) -> Judge:
    """Return the judge of an estimator's settings."""
    replicates = fresh_replicates(table, split, FRESH)

    def losses(settings: list[Setting]) -> Array:
        rows = []
        for replicate in replicates:
            trainer = NetworkTrainer(estimator, table.X, table.y, [replicate])
            rows.append([outcome.values(1)[0] for outcome in train_all(trainer, settings, [0])])
        return np.array(rows).T

    return losses


DOORS: dict[str, tuple[str, Callable[[Table, str, int], tuple[Claim, Judge]]]] = {
    "command line": ("random", by_command),
    "shuffled": ("shuffled", by_cv("shuffled")),
    "default": ("default", by_cv("default")),
    "grouped": ("grouped", by_cv("grouped")),
    "time": ("time", by_cv("time")),
    "own loop": ("random", by_loop(96)),
    "own loop 24": ("random", by_loop(24)),
}
"""By kind: how the table is split, and what searches it."""
ONCE = ("own loop 24",)
"""Kinds of a single repetition."""
TITLES = {
    "command line": "`lrtune search`, random splits",
    "shuffled": "`LearningRateSearchCV`, shuffled folds",
    "default": "`LearningRateSearchCV`, `cv=3`",
    "grouped": "`LearningRateSearchCV`, groups",
    "time": "`LearningRateSearchCV`, time series",
    "own loop": "`lrtune.search` of a loop, 96 trainings",
    "own loop 24": "the same, 24 trainings",
}


# --- the study ------------------------------------------------------------------------------------


def check(kind: str, name: str, optimizer: str, seed: int) -> dict[str, Any]:
    """Search once, and return the row of what was claimed and what fresh trainings say."""
    split, door = DOORS[kind]
    table = Table.of(SOURCES[name], seed, split)
    row: dict[str, Any] = {"kind": kind, "table": name, "optimizer": optimizer, "seed": seed}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            claim, losses_of = door(table, optimizer, seed)
    except NothingCompletedError:
        return row
    rate = claim.setting.learning_rate_init
    ends = claim.safe or (rate, rate)
    settings = [
        claim.setting,
        claim.default,
        *(Setting(end, claim.setting.decay, claim.setting.decay_rate) for end in ends),
    ]
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = losses_of(settings)
    is_finite = np.isfinite(losses[0])
    own = losses[0, is_finite].mean()
    row |= {"loss": claim.loss, "se": claim.se, "fresh": own}
    if claim.se is not None:  # it is not known of a single replicate
        row["z"] = (claim.loss - own) / claim.se
    row["diverged"] = float((~is_finite).mean())
    gain = losses[1] - losses[0]
    if claim.gain is not None and claim.gain_se and np.isfinite(gain).all():
        row |= {"gain": claim.gain, "gain_z": (claim.gain - gain.mean()) / claim.gain_se}
    row["keeps_default"] = claim.keeps_default
    if claim.safe is not None:
        row |= {"low": ends[0] / rate, "high": ends[1] / rate, "trained": claim.is_trained}
        for side, end in (("low", losses[2]), ("high", losses[3])):
            finite = np.isfinite(end)
            row[f"{side}_excess"] = end[finite].mean() / own - 1 if finite.any() else np.inf
            row[f"{side}_diverged"] = float((~finite).mean())
    return row


def cases(kinds: list[str], repetitions: int) -> Iterator[tuple[str, str, str, int]]:
    """Yield the kind, table, optimizer and seed of each search."""
    for repetition in range(repetitions):
        for kind in kinds:
            if kind in ONCE and repetition:
                continue
            for place, name in enumerate(SOURCES):
                if DOORS[kind][0] in FIXED and not SOURCES[name].is_endless:
                    continue
                for index, optimizer in enumerate(OPTIMIZERS):
                    seed = FIRST_SEED + 1000 * repetition + 10 * place + index
                    yield kind, name, optimizer, seed


KEY = ["kind", "table", "optimizer", "seed"]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the coverage of each kind's claims."""
    made = []
    rows = rows.reindex(columns=[*dict.fromkeys([*rows, "gain_z", "trained"])])
    for kind, some in rows.dropna(subset="fresh").groupby("kind", sort=False):
        ranges = some.dropna(subset="low_excess")
        holds = (ranges[["low_excess", "high_excess"]] <= SAFE_MARGIN).all(axis=1)
        gains = some.dropna(subset="gain_z")
        made.append(
            {
                "searches": len(some),
                "within 2 errors": (some.z.dropna().abs() <= 2).mean(),
                "mean of z": some.z.mean(),
                "deviation of z": some.z.std(),
                "diverged": some.diverged.mean(),
                "safe ranges": len(ranges),
                "ends trained": ranges.trained.mean(),
                "low end holds": (ranges.low_excess <= SAFE_MARGIN).mean(),
                "high end holds": (ranges.high_excess <= SAFE_MARGIN).mean(),
                "both hold": holds.mean(),
                "diverged at an end": ranges[["low_diverged", "high_diverged"]].to_numpy().mean(),
                "decades wide": np.log10(ranges.high / ranges.low).median(),
                "gain within 2 errors": (gains.gain_z.abs() <= 2).mean(),
                "kind": kind,
            }
        )
    return pd.DataFrame(made).set_index("kind")


def figure_of(rows: pd.DataFrame) -> Figure:
    """Draw the z values of each kind beside the normal distribution."""
    kinds = list(dict.fromkeys(rows.kind))
    figure = Figure(figsize=(2.6 * len(kinds), 2.8), layout="constrained")
    axes = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    grid = np.linspace(-4, 4, 200)
    for ax, kind in zip(axes, kinds, strict=True):
        z = rows[rows.kind == kind].z.dropna().clip(-4, 4)
        ax.hist(z, bins=np.linspace(-4, 4, 17), density=True, color=COLOURS[0], alpha=0.6)
        ax.plot(grid, stats.norm.pdf(grid), color="black", linewidth=1)
        ax.axvspan(-2, 2, color="black", alpha=0.05)
        ax.set_title(f"{kind}: {(z.abs() <= 2).mean():.0%} within 2", fontsize=10)
        ax.set_xlabel("(stated - fresh loss) / stated error")
    return figure


def report(rows: pd.DataFrame) -> list[str]:
    """Return the page of the study."""
    some = summary(rows)
    percent = [
        name
        for name in some
        if "within" in name or "hold" in name or "diverged" in name or "trained" in name
    ]
    lines = [
        [
            TITLES[kind],
            *(f"{value:.1%}" if name in percent else f"{value:.3g}" for name, value in row.items()),
        ]
        for kind, row in some.iterrows()
    ]
    about = (
        f"{len(rows)} searches of {rows.table.nunique()} small tables with {', '.join(OPTIMIZERS)}"
    )
    return [
        *header("Does what is stated hold?", "calibration.py", about),
        "Each recommended setting, the default and the ends of the safe range are trained on "
        f"{FRESH} fresh replicates ({FRESH // 3} after fewer than {FEW} trainings): other seeds "
        "and other splits of the kind; of a time "
        "series, splits of later rows of the same source. z is the stated loss less the fresh one, "
        "in stated "
        "errors; an end of the safe range holds if its mean loss is at most "
        f"{SAFE_MARGIN:.0%} above that at the recommended rate.",
        "",
        *markdown(["searches by", *some], lines),
    ]


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--kinds", default=",".join(DOORS), help="separated by commas")
    arguments = parser.parse_args()
    path = RESULTS / "calibration.csv"
    rows = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=KEY)
    made = set(rows[KEY].itertuples(index=False, name=None))
    missing = [
        case
        for case in cases(arguments.kinds.split(","), arguments.repetitions)
        if case not in made
    ]
    work = Parallel(n_jobs=-1, return_as="generator_unordered")(
        delayed(check)(*case) for case in missing
    )
    for row in work:
        rows = pd.concat([rows, pd.DataFrame([row])], ignore_index=True)
        rows.to_csv(path, index=False)
    rows = rows.sort_values(KEY, ignore_index=True)
    rows.to_csv(path, index=False)
    write(RESULTS, "calibration", report(rows), figure_of(rows))


if __name__ == "__main__":
    main()
