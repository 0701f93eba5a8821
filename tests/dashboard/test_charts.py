"""The figures on a study's page."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lrtune.review.study import Study
from tests.dashboard.client import Client

pytest.importorskip("optuna_dashboard")


def charts(record: str = "lrtune.journal") -> list[Any]:
    """Return the figures on the first study's page."""
    return [
        json.loads(chart["graph_object"])
        for chart in Client(record).study()["plotly_graph_objects"]
    ]


def test_the_figures_are_two_and_their_axes_are_finite(client: Client, study: Study) -> None:
    names = [chart["id"] for chart in client.study()["plotly_graph_objects"]]
    losses, curves = charts()

    assert names == ["lrtune-losses", "lrtune-curves"]
    for drawn in (losses, curves):
        heights = [value for trace in drawn["data"] for value in trace["y"]]
        assert np.isfinite(heights).all()
        assert max(heights) <= study.cap * 1.001
    assert "Recommended" in losses["layout"]["title"]["text"]
    assert {label["text"].split()[0] for label in losses["layout"]["annotations"]} == {
        "safe", "α₀", "edge",
    }  # fmt: skip
    assert sum(len(trace["x"]) for trace in losses["data"][:-1]) == len(study.trials)


def test_the_axes_name_the_numbers_at_their_ticks_whatever_the_range(
    lrtune: Callable[..., Any], search_words: tuple[str, ...]
) -> None:
    lrtune(*search_words, "--alpha0", "0.1:0.15", "--no-confirm")
    losses, curves = charts()
    axis = losses["layout"]["xaxis"]
    rates = [rate for trace in losses["data"] for rate in trace["x"]]

    assert axis["type"] == "log"
    assert [float(text) for text in axis["ticktext"]] == axis["tickvals"]
    assert axis["tickvals"][0] <= min(rates)
    assert axis["tickvals"][-1] >= max(rates)
    for label in losses["layout"]["annotations"]:  # which plotly takes as powers of ten there
        assert axis["tickvals"][0] <= 10 ** label["x"] <= axis["tickvals"][-1]
    assert "not confirmed<br>" in losses["layout"]["title"]["text"]
    assert not any("recommended" in trace["name"] for trace in curves["data"])


def test_every_curve_has_a_look_and_a_name_of_its_own(client: Client) -> None:
    _, curves = charts()
    looks = {trace["name"]: str(trace["line"]) for trace in curves["data"]}

    assert len(looks) == len(curves["data"])
    coloured = [look for name, look in looks.items() if "diverged" not in name]
    assert len(set(coloured)) == len(coloured)
    assert {name.split(", ")[1] for name in looks if ", " in name} == {
        "untuned", "recommended", "diverged",
    }  # fmt: skip
