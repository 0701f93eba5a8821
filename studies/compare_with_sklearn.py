"""Whether lrtune's classifier learns as well as scikit-learn's, trained alike.

For each data set and seed, both train a network of the same shape with plain SGD at one constant
rate on the same rows, and are scored on the same held-out rows. The difference is taken seed by
seed.

    python studies/compare_with_sklearn.py [--seeds 20]
"""

import argparse
import platform
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import lrtune
from lrtune import MLPClassifier

DATA = ("iris", "wine", "breast_cancer", "digits")
ALIKE: dict[str, Any] = {
    "hidden_layer_sizes": (50, 12),
    "activation": "relu",
    "learning_rate_init": 0.1,
    "alpha": 1e-4,
    "batch_size": 32,
    "max_iter": 50,
}
"""What both call by the same name."""
TO_THE_END: dict[str, Any] = {"solver": "sgd", "momentum": 0, "tol": 0, "n_iter_no_change": 1000}
"""What makes scikit-learn's plain SGD, for all epochs."""
RESULTS = Path(__file__).parent / "results" / "compare_with_sklearn.md"


def accuracies(name: str, seed: int) -> tuple[float, float]:
    """Test accuracy of lrtune's and of scikit-learn's network."""
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=seed
    )
    scaler = StandardScaler().fit(X_train)
    networks = (
        MLPClassifier(**ALIKE, random_state=seed),
        neural_network.MLPClassifier(**ALIKE, **TO_THE_END, random_state=seed),
    )
    ours, theirs = (
        network.fit(scaler.transform(X_train), y_train).score(scaler.transform(X_test), y_test)
        for network in networks
    )
    return ours, theirs


def told(values: Any) -> str:
    """Mean ± standard error, in percent."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{100 * values.mean():.2f} ± {100 * error:.2f}"


def row(name: str, runs: list[tuple[float, float]]) -> str:
    """One line of the table."""
    ours, theirs = np.array(runs).T
    difference = ours - theirs
    error = difference.std(ddof=1) / np.sqrt(len(runs))
    verdict = "yes" if difference.mean() >= -error else "no"
    return f"| {name} | {told(ours)} | {told(theirs)} | {told(difference)} | {verdict} |"


def main() -> None:
    """Print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore", ConvergenceWarning)  # both are to train for a fixed time
    lines = [
        "# lrtune's classifier beside scikit-learn's",
        "",
        f"`python studies/compare_with_sklearn.py --seeds {seeds}`: 50-12 networks, relu, SGD "
        f"without momentum at rate 0.1, alpha 1e-4, batches of 32, 50 epochs, standardised "
        f"columns, stratified 25 % to test on, seeds 0 to {seeds - 1}; lrtune "
        f"{lrtune.__version__}, scikit-learn {sklearn.__version__}, numpy {np.__version__}, "
        f"Python {platform.python_version()}.",
        "",
        "Test accuracy in percent, mean ± standard error. The difference is taken seed by seed; "
        "ours holds up if it is within one standard error of scikit-learn's, or better.",
        "",
        "| data | lrtune | scikit-learn | difference | holds up |",
        "|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    for name in DATA:
        lines.append(row(name, [accuracies(name, seed) for seed in range(seeds)]))
        print(lines[-1], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
