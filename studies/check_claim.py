"""Check what ``lrtune search`` states, by plain trainings on splits and seeds of one's own.

    lrtune search iris --json | python studies/check_claim.py iris

It trains the recommended setting and both ends of the safe range by `MLPClassifier.fit` or
`MLPRegressor.fit`, 200 times each, and prints what was stated beside what came out. The data set is
a bundled one, searched with the default network.
"""

import argparse
import json
import sys
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier, MLPRegressor
from lrtune.exceptions import DivergenceWarning
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import load_dataset

Array = npt.NDArray[Any]

FIRST_SEED = 1_000_000


def final_losses(name: str, parameters: dict[str, Any], n: int) -> Array:
    """Return validation losses on random splits; inf where the training diverged."""
    data = load_dataset(name)
    is_classifier = data.task == "classification"
    kind = MLPClassifier if is_classifier else MLPRegressor
    losses = []
    for seed in range(FIRST_SEED, FIRST_SEED + n):
        X, X_test, y, y_test = train_test_split(
            data.X, data.y, random_state=seed, stratify=data.y if is_classifier else None
        )
        model = make_pipeline(StandardScaler(), kind(random_state=seed, **parameters))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(X, y)
        if any(issubclass(each.category, DivergenceWarning) for each in caught):
            losses.append(np.inf)
        elif is_classifier:
            losses.append(log_loss(y_test, model.predict_proba(X_test)))
        else:
            losses.append(mean_squared_error(y_test, model.predict(X_test)))
    return np.array(losses)


def main() -> None:
    """Read a search's JSON object, train, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=BUNDLED)
    parser.add_argument("--trainings", type=int, default=200, help="of each setting")
    arguments = parser.parse_args()
    result = json.load(sys.stdin)
    best = result["best"]

    def train(**changes: Any) -> Array:
        return final_losses(arguments.dataset, {**best, **changes}, arguments.trainings)

    losses = train()
    mean, error = losses.mean(), losses.std(ddof=1) / len(losses) ** 0.5
    stated, stated_error = result["confirmed_loss"], result["confirmed_se"]
    print(f"stated loss   {stated:.4g} ± {stated_error:.2g}")
    print(
        f"trained       {mean:.4g} ± {error:.2g}, {(stated - mean) / stated_error:+.1f} errors off"
    )
    for side, rate in zip(("low", "high"), result["safe_range"] or (), strict=False):
        ends = train(learning_rate_init=rate)
        finite = ends[np.isfinite(ends)]
        print(
            f"{side:4} end      {rate:.4g}: {finite.mean() / mean - 1:+.1%} loss, "
            f"{len(ends) - len(finite)} of {len(ends)} diverged"
        )


if __name__ == "__main__":
    main()
