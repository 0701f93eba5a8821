"""The iris flowers, ready for tests: ``from tests.iris import PAIRS, X, Y, scaled``.

The arrays are read-only, so that no test can change what another one reads.
"""

from typing import Any

from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, Y = load_iris(return_X_y=True)
X.setflags(write=False)
Y.setflags(write=False)
PAIRS = list(StratifiedKFold(2).split(X, Y))
"""Training and validation rows of two splits."""


def scaled(network: Any) -> Any:
    """Put a scaler before a network."""
    return make_pipeline(StandardScaler(), network)
