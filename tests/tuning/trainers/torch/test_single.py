"""An ordinary loop is that of a person, and leaves torch's own random numbers alone."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from lrtune.exceptions import InvalidInputError  # noqa: E402
from lrtune.schedules.schedule import Schedule  # noqa: E402
from lrtune.tuning.trainers.torch.single import (  # noqa: E402
    SingleTraining,
    make_module,
    seeded_everywhere,
)
from tests.tuning.trainers.torch.modules import (  # noqa: E402
    EPOCHS,
    OPTIMIZERS,
    by_hand,
    lockstep,
    make_trainer,
    mlp,
    nn,
)

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_it_trains_as_a_person_would(optimizer: str) -> None:
    trainer = make_trainer(optimizer=optimizer, weight_decay=0.1, clip_norm=0.2)
    data = lockstep(trainer).data
    schedule = Schedule(learning_rate_init=0.01, decay="cosine", decay_rate=0.3, update="batch")
    options: dict[str, Any] = {"weight_decay": 0.1, "clip_norm": 0.2}

    assert list(SingleTraining(trainer, data, EPOCHS)(schedule, 5)) == pytest.approx(
        list(by_hand(mlp, data, schedule, 5, optimizer, **options)), rel=1e-12
    )


def test_initial_weights_are_the_seeds() -> None:
    trainer = make_trainer()
    data = lockstep(trainer).data
    before = torch.get_rng_state()
    first, again, other = (make_module(trainer, data, seed, {}) for seed in (1, 1, 2))

    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[0].weight, again[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: 3, "must return a new torch.nn.Module, but got int"),
        (nn.ReLU, "must return a module with parameters to train"),
    ],
)
def test_what_is_no_module_to_train_is_refused(make: Any, message: str) -> None:
    trainer = make_trainer(make)
    with pytest.raises(InvalidInputError, match=message):
        make_module(trainer, lockstep(trainer).data, 0, {})


def test_random_numbers_are_restored() -> None:
    before = torch.get_rng_state()
    with seeded_everywhere(3, torch.device("cpu")):
        drawn = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(2), drawn)
    torch.set_rng_state(before)
