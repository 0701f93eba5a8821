"""What the record says of an estimator and its table."""

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune.tuning.trainers.description import describe_estimator, hash_table
from tests.iris import X, Y


def test_an_estimator_is_described_with_its_transformers() -> None:
    model = make_pipeline(StandardScaler(), SGDClassifier(alpha=0.1))
    facts = describe_estimator(model, loss="hinge", epochs=5)

    assert (facts.estimator, facts.task, facts.epochs) == ("SGDClassifier", "classification", 5)
    assert facts.parameters["alpha"] == 0.1
    assert facts.changed == ("alpha",)
    assert [step.kind for step in facts.steps] == ["StandardScaler"]


def test_weights_are_part_of_the_table() -> None:
    assert hash_table(X, Y, None) == hash_table(X.copy(), Y.copy(), None)
    assert hash_table(X, Y, None) != hash_table(X, Y, np.ones(150))
