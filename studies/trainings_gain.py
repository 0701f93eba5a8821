"""Whether lrtune's model knows what twice the trainings would bring: promises held against fact.

Three promises from the end of a search, each the share by which the loss of the recommendation
would fall with as many trainings again. Two are expectations over draws of the posterior, of the
best mean that the model would have after further noisy losses where the sampler would ask for them
(the knowledge gradient: Frazier, Powell and Dayanik 2009, "The knowledge-gradient policy for
correlated normal beliefs"): of settings anywhere in the space, or of those already tried. The third
extrapolates: what the model of all trials says of the choice from a random half of them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tutorial import table as markdown

from lrtune.support.blas import one_blas_thread
from lrtune.tuning.confirm.race import ERRORS
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.curve_features import Encoder
from lrtune.tuning.sampling.loss_model import BOLDNESS, LossModel, Observation
from lrtune.tuning.sampling.schedule_sampler import observe

Array = npt.NDArray[Any]

PROMISES = {
    "promise_anywhere": "posterior, any setting",
    "promise_tried": "posterior, tried settings",
    "promise_halves": "halves of the trials",
}
DRAWS, CANDIDATES, HALVES = 128, 128, 8
EXPLORING = 0.8
"""Share of further trainings that the promise counts as noisy losses; the rest measure."""
SURE_TO_TRAIN = 0.05
"""A setting that is more likely to diverge is no candidate."""
JITTER = 1e-6
GROUPS = 4


def promises(result: SearchResult, seed: int) -> dict[str, float]:
    """Return each promise of what as many trainings again would bring, as a share of the loss."""
    rng = np.random.default_rng(seed)
    with one_blas_thread():
        model = _model(result)
        own = {**result.recommended_trial.params, **result.best.params}
        tried = [each.params for each in model.observations if not each.diverged]
        drawn = result.facts.space.spread(CANDIDATES, seed)
        n_more = int(EXPLORING * (result.trainings["total"] or 0))
        return {
            "promise_anywhere": _knowledge_gradient(model, [own, *tried, *drawn], n_more, rng),
            "promise_tried": _knowledge_gradient(model, [own, *tried], n_more, rng),
            "promise_halves": _from_halves(model, result, own, rng),
        }


def _model(result: SearchResult) -> LossModel:
    """Return the model of all that the search knows at its end: its trials, race and measurement.

    A mean over replicates is that of numbers of their own, which the race's settings share.
    """
    params = {trial.number: trial.params for trial in result.finished}
    observations = observe(result.finished)
    confirmation = result.confirmation
    if confirmation is not None:
        means = [(each, each.loss, range(-each.replicates, 0)) for each in confirmation.contenders]
        measured = confirmation.recommended.loss
        last = range(-1000, confirmation.replicates - 1000)
        for racer, loss, replicates in [*means, (confirmation.contenders[0], measured, last)]:
            if loss is not None and replicates:
                setting = {**params[racer.trial], **racer.setting.params}
                observations.append(Observation(setting, loss, tuple(replicates)))
    encoder = Encoder(result.facts.space.distributions(), result.facts.trainer.epochs)
    return LossModel.fit(encoder, observations)


def _share(model: LossModel, worse: float, better: Array) -> float:
    """Return the mean of the shares by which losses fall, from one y to others; at most to 0."""
    before, after = model.scale.back(np.array(worse)), np.maximum(model.scale.back(better), 0.0)
    return float(np.mean(1 - after / before))


def _knowledge_gradient(
    model: LossModel, settings: list[Any], n_more: int, rng: np.random.Generator
) -> float:
    """Return the expected fall of the loss from the first setting to the best after more losses."""
    belief = model.predict(settings)
    kept = belief.divergence() <= SURE_TO_TRAIN
    kept[0] = True
    mean, covariance = belief.loss[0][kept], belief.loss[1][np.ix_(kept, kept)]
    factor = np.linalg.cholesky(covariance + JITTER * np.eye(len(mean)))
    draws = mean[:, np.newaxis] + BOLDNESS * factor @ rng.standard_normal((len(mean), n_more))
    asked = draws.argmin(axis=0)
    noise = model.losses.hyperparameters.noise**2 * np.eye(n_more)
    root = np.linalg.cholesky(covariance[np.ix_(asked, asked)] + noise)
    change = np.linalg.solve(root, covariance[asked]).T @ rng.standard_normal((n_more, DRAWS))
    later = mean[:, np.newaxis] + change
    gain = later[0] - later.min(axis=0)
    return _share(model, mean[0], mean[0] - gain)


def _from_halves(
    model: LossModel, result: SearchResult, own: dict[str, Any], rng: np.random.Generator
) -> float:
    """Return the mean fall of the loss from the choice of half of the blocks to that of all."""
    observations = observe(result.finished)
    blocks = sorted({each.replicates for each in observations})
    falls = []
    for _ in range(HALVES):
        kept = {blocks[index] for index in rng.permutation(len(blocks))[: len(blocks) // 2]}
        half = [each for each in observations if each.replicates in kept]
        params = [each.params for each in half if not each.diverged]
        if params:
            bounds = LossModel.fit(model.encoder, half).predict(params).bound(ERRORS)
            mean = model.predict([params[int(bounds.argmin())], own]).loss[0]
            falls.append(_share(model, mean[0], mean[1]))
    return float(np.mean(falls)) if falls else 0.0


# --- the report ----------------------------------------------------------------------------------


def with_gains(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have one of twice the trainings, with the share by which its loss fell.

    Both losses are those on fresh replicates.
    """
    key = ["problem", "seed", "budget"]
    doubled = rows[[*key, "chosen"]].assign(budget=rows.budget // 2)
    both = rows.merge(doubled.rename(columns={"chosen": "later"}), on=key)
    return both.assign(gain=1 - (1 + both.later) / (1 + both.chosen))


def errors(both: pd.DataFrame) -> dict[str, float]:
    """Return the root mean squared errors of predicted gains.

    Each promise has a factor that is fitted on the other problems. Beside them stand no gain at
    all, and the other problems' mean gain of the budget.
    """
    squares: dict[str, list[pd.Series[float]]] = {}
    for problem in dict.fromkeys(both.problem):
        others, own = both[both.problem != problem], both[both.problem == problem]
        predicted = {
            "no gain": 0.0,
            "mean of the budget": own.budget.map(others.groupby("budget").gain.mean()),
        }
        for name in PROMISES:
            factor = (others[name] * others.gain).sum() / (others[name] ** 2).sum()
            predicted[name] = factor * own[name]
        for name, values in predicted.items():
            squares.setdefault(name, []).append((values - own.gain) ** 2)
    return {name: float(np.sqrt(pd.concat(parts).mean())) for name, parts in squares.items()}


def gain_tables(rows: pd.DataFrame) -> list[str]:
    """Return the lines of the section on what a larger budget would bring."""
    both = with_gains(rows)
    if both.problem.nunique() < 2:
        return []
    found = errors(both)
    lines = [
        "",
        "## What a larger budget would bring",
        "",
        "By how many per cent the loss on fresh replicates fell with twice the trainings, and what "
        "was promised from the end of the shorter search, in three ways: the model's expectation "
        "after as many further losses, of the whole space or of the settings tried, and the choice "
        "from random halves of the trials. Means over problems and repetitions ± standard error.",
        "",
    ]
    body = [
        [f"{budget} to {2 * budget}", *(_mean(some[name]) for name in ("gain", *PROMISES))]
        for budget, some in both.groupby("budget")
    ]
    lines += markdown(["trainings", "obtained", *PROMISES.values()], body)
    lines += [
        "",
        f"The same in {GROUPS} groups by the promise, from low to high, each as promised / "
        "obtained; Spearman's correlation of the two; and the root mean squared error of the "
        "promise times a factor fitted on the other problems. Without any promise, that error is "
        f"{100 * found['no gain']:.2f} (no gain) or {100 * found['mean of the budget']:.2f} (the "
        "mean gain of the budget, on the other problems).",
        "",
    ]
    body = []
    for name, words in PROMISES.items():
        groups = both.groupby(pd.qcut(both[name].rank(method="first"), GROUPS, labels=False))
        shown = [f"{100 * own[name].mean():.0f} / {_mean(own.gain)}" for _, own in groups]
        rank = both[[name, "gain"]].corr(method="spearman").gain[name]
        body.append([words, *shown, f"{rank:.2f}", f"{100 * found[name]:.2f}"])
    columns = [f"group {index + 1}" for index in range(GROUPS)]
    return lines + markdown(["promise", *columns, "correlation", "error"], body)


def _mean(values: "pd.Series[float]") -> str:
    return f"{100 * values.mean():.1f} ± {100 * values.std() / np.sqrt(len(values)):.1f}"
