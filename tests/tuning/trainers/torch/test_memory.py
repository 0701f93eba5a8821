"""As many settings are stacked as fit into the memory."""

import pytest

torch = pytest.importorskip("torch")

from lrtune.tuning.trainers.torch import memory  # noqa: E402
from lrtune.tuning.trainers.torch.stack import StackedModule  # noqa: E402
from tests.tuning.trainers.torch.modules import cnn, lockstep, make_trainer  # noqa: E402

pytestmark = pytest.mark.torch


def module() -> StackedModule:
    trainer = make_trainer(cnn)
    return StackedModule(trainer, lockstep(trainer).data, {}, 1)


def test_a_setting_takes_its_parameters_and_what_a_step_keeps_for_each_row() -> None:
    stacked = module()
    parameters = sum(each.nbytes for each in stacked.template.parameters())
    before = {name: each.clone() for name, each in stacked.template.named_buffers()}
    small, large = (memory.bytes_of_setting(stacked, size) for size in (10, 20))
    per_row = (large - small) / 10

    assert 8 * 64 * 3 <= per_row <= 8 * 64 * 16
    assert small > memory.COPIES * parameters + 5 * per_row
    for name, each in stacked.template.named_buffers():
        assert torch.equal(each, before[name])


@pytest.mark.parametrize(("settings", "expected"), [(0.1, 1), (5.5, 5), (1e6, memory.MOST_STACKED)])
def test_half_of_the_free_memory_is_used(
    settings: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacked = module()
    free = int(settings * memory.bytes_of_setting(stacked, 32) / memory.MEMORY_SHARE)
    monkeypatch.setattr(memory, "free_bytes", lambda _: free)

    assert memory.settings_at_once(stacked, 32) == expected


def test_the_free_memory_of_this_machine_is_known() -> None:
    free = memory.free_bytes(torch.device("cpu"))

    assert free is not None
    assert free > 1 << 20


def test_running_out_of_memory_is_told_from_other_errors() -> None:
    assert memory.is_out_of_memory(torch.cuda.OutOfMemoryError("full"))
    assert memory.is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert not memory.is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
