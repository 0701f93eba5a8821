"""A recorded step gives the numbers of the step itself, and what cannot be recorded is not."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from lrtune.tuning.trainers.torch import recorded  # noqa: E402
from lrtune.tuning.trainers.torch.recorded import Recorded  # noqa: E402

pytestmark = pytest.mark.torch


def arguments() -> tuple[Any, ...]:
    params = {"w": torch.tensor([2.0, 3.0])}
    return params, {"n": torch.zeros(2)}, (torch.ones(2),), torch.zeros(2)


class Counting:
    """A step that counts its calls, and updates a buffer."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, params: Any, buffers: Any, inputs: Any, target: Any) -> Any:
        self.calls += 1
        buffers["n"].add_(1)
        return {"w": params["w"] * inputs[0] + buffers["n"]}, params["w"] - target


def test_it_is_recorded_after_some_calls_for_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "RECORD_AFTER", 2)
    step = Counting()
    function = Recorded(step)
    params, buffers, inputs, target = arguments()
    for call in range(1, 6):
        grads, losses = function("a", params, buffers, inputs, target)

        assert grads["w"].tolist() == [2 + call, 3 + call]
        assert losses.tolist() == [2, 3]
        assert buffers["n"].tolist() == [call, call]
    n_calls = step.calls
    function("a", params, buffers, inputs, target)
    assert step.calls == n_calls == 2 + 2  # once to record, once to compare
    function("b", params, buffers, inputs, target)
    assert step.calls == n_calls + 1


def test_what_gives_other_numbers_when_recorded_is_not_replayed() -> None:
    step = Counting()

    def changing(params: Any, buffers: Any, inputs: Any, target: Any) -> Any:
        step.calls += 1
        return params["w"] * step.calls

    assert not Recorded(changing).record("a", *arguments())


def test_what_reads_numbers_is_not_recorded() -> None:
    def reading(params: Any, buffers: Any, inputs: Any, target: Any) -> Any:
        raise RuntimeError("no")

    assert not Recorded(reading).record("a", *arguments())
