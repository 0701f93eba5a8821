"""The confirmation as a value: estimates by hand, and JSON that reads back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lrtune.tuning.confirm.errors import Sample
from lrtune.tuning.confirm.measurement import FACTORS, Profile
from lrtune.tuning.confirm.result import Confirmation, Contender, Estimate
from lrtune.tuning.setting import Setting

BEST = Setting(0.1, "cosine", 0.05, (("hidden_layer_sizes", (6, 4)), ("alpha", 1e-4)))


def confirmation(baseline: Estimate | None = None) -> Confirmation:
    losses = np.random.default_rng(0).uniform(1, 2, (len(FACTORS), 4))
    losses[-1] = np.inf
    return Confirmation(
        contenders=(
            Contender(3, BEST, 0.9, 1.0, 8, "recommended"),
            Contender(0, Setting(0.2, "constant", 0.0), 0.8, None, 4, "diverged"),
        ),
        recommended=Estimate(1.0, 0.1),
        default=Estimate(None, None, diverged=True),
        gain=Estimate(None, None, diverged=True),
        score=0.9,
        profile=Profile.of([0.1 * factor for factor in FACTORS], losses, 3.0),
        naive_loss=1.1,
        replicates=4,
        tied_decays=("cosine", "linear"),
        epochs=120.5,
        share=1.25,
        baseline=baseline,
    )


def test_an_estimate_is_the_mean_and_its_standard_error() -> None:
    losses = np.array([1.0, 2.0, 3.0, 6.0])

    widened = 3.3068 / 2  # of Student's t with 3 degrees of freedom at two normal deviations

    assert Estimate.of(Sample(losses, range(4))) == Estimate(
        3.0, pytest.approx(widened * np.std(losses, ddof=1) / 2, rel=1e-4)
    )
    assert Estimate.of(Sample(losses[:1], [0])) == Estimate(1.0, None)
    diverged = Sample(np.array([1.0, np.inf]), [0, 1])
    assert Estimate.of(diverged) == Estimate(None, None, diverged=True)


@pytest.mark.parametrize("baseline", [None, Estimate(2.0, None)])
def test_it_reads_back_from_json(baseline: Estimate | None) -> None:
    text = json.dumps(confirmation(baseline).to_json(), allow_nan=False)

    assert Confirmation.from_json(json.loads(text)) == confirmation(baseline)


def test_with_a_metric_the_losses_stand_beside_it_and_read_back() -> None:
    scored = replace(
        confirmation(),
        recommended=Estimate(-0.9, 0.01),
        metric="roc_auc",
        loss=Estimate(0.3, 0.02),
        default_loss=Estimate(0.4, 0.03),
    )
    summary = scored.summary()

    assert Confirmation.from_json(json.loads(json.dumps(scored.to_json()))) == scored
    assert scored.losses == (Estimate(0.3, 0.02), Estimate(0.4, 0.03))
    assert (summary["metric"], summary["default_se"]) == ("roc_auc", 0.03)
    assert summary["sensitivity"] is None  # the metric of the untrained network is not known


def test_a_record_that_names_no_metric_is_of_the_loss() -> None:
    values = confirmation().to_json()
    new = {"metric", "loss", "default_loss"}
    old = {key: value for key, value in values.items() if key not in new}
    read = Confirmation.from_json(json.loads(json.dumps(old)))

    assert read == confirmation()
    assert read.metric is None
    assert read.losses == (read.recommended, read.default)


def test_the_summary_is_json_with_none_for_estimates_that_diverged() -> None:
    summary = confirmation().summary()

    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert (summary["contenders"], summary["replicates"]) == (2, 4)
    assert summary["gain"] is summary["default_se"] is summary["baseline_loss"] is None
    assert summary["tied_decays"] == ["cosine", "linear"]
