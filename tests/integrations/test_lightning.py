"""Callbacks of Lightning: the rate at every step, one report per epoch, a stop in good order."""

import doctest
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lrtune import Schedule
from lrtune.exceptions import InvalidInputError
from lrtune.schedules.schedule import rate_table
from tests.integrations.frameworks import PLATEAU, SCHEDULES, Reports

pytestmark = [
    pytest.mark.lightning,
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated"),
]
torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning.pytorch")
hooks = pytest.importorskip("lrtune.integrations.lightning")
EPOCHS, STEPS = 5, 4


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert list(tmp_path.iterdir()) == []


class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
    """A line, whose validation losses are counted: the n-th validation gives n."""

    def __init__(self, *, scheduled: bool = False) -> None:
        super().__init__()
        self.line, self.shift = torch.nn.Linear(2, 1), torch.nn.Parameter(torch.zeros(1))
        self.scheduled, self.validations = scheduled, 0
        self.rates: list[list[float]] = []
        self.ended = False

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = (self.line(batch[0]) + self.shift).square().mean()
        self.log("train_loss", loss)
        return loss

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.rates.append([group["lr"] for group in optimizer.param_groups])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", float(self.validations))

    def on_validation_epoch_end(self) -> None:
        self.validations += 1

    def on_train_end(self) -> None:
        self.ended = True

    def configure_optimizers(self) -> Any:
        groups = [{"params": self.line.parameters()}, {"params": [self.shift], "lr": 0.001}]
        optimizer = torch.optim.SGD(groups, lr=0.01)
        if not self.scheduled:
            return optimizer
        own = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 7)
        return [optimizer], [{"scheduler": own, "interval": "step"}]


def fit(module: Module, *callbacks: Any, **options: Any) -> Any:
    kinds = ("checkpointing", "progress_bar", "model_summary")
    basics = {"max_epochs": EPOCHS, "accelerator": "cpu", "logger": False}
    basics |= {f"enable_{kind}": False for kind in kinds}
    trainer = lightning.Trainer(callbacks=list(callbacks), **basics | options)
    data = torch.utils.data.TensorDataset(torch.ones(2 * STEPS, 2))
    loader = torch.utils.data.DataLoader(data, batch_size=2)
    trainer.fit(module, loader, loader)
    return trainer


def near(schedule: Schedule, steps: int = STEPS) -> Any:
    return pytest.approx(rate_table([schedule], EPOCHS, steps) * [1, 0.1], rel=1e-12)


def test_the_examples_run() -> None:
    assert doctest.testmod(hooks).failed == 0


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_every_step_has_the_schedules_rates(schedule: Schedule, scheduled: bool) -> None:
    module = Module(scheduled=scheduled)
    fit(module, hooks.FollowSchedule(schedule))

    assert module.rates == near(schedule)


def test_a_step_of_several_batches_has_the_rate_of_its_first() -> None:
    module = Module()
    fit(module, hooks.FollowSchedule(SCHEDULES["all"]), accumulate_grad_batches=2)

    assert module.rates == near(SCHEDULES["all"], STEPS // 2)


def test_a_schedule_that_follows_losses_is_refused_at_once() -> None:
    with pytest.raises(InvalidInputError, match="follows the validation loss"):
        hooks.FollowSchedule(PLATEAU)


@pytest.mark.parametrize("per_epoch", [1, 2])
@pytest.mark.parametrize("sanity", [0, 1])
def test_every_epoch_reports_its_last_validation_once(per_epoch: int, sanity: int) -> None:
    report = Reports()
    fit(
        Module(),
        hooks.ReportLoss(report),
        val_check_interval=1 / per_epoch,
        num_sanity_val_steps=sanity,
    )

    losses = [losses["loss"] for losses in report.losses]
    assert losses == [per_epoch * (epoch + 1) - 1 + sanity for epoch in range(EPOCHS)]
    assert set(report.losses[0]) == {"loss", "train_loss"}


def test_a_halted_training_ends_in_order_and_the_next_is_unaffected() -> None:
    n_threads, module, report = threading.active_count(), Module(), Reports(halt_after=2)
    trainer = fit(module, hooks.ReportLoss(report))
    assert (len(report.losses), len(module.rates), module.ended) == (2, 2 * STEPS, True)
    assert trainer.state.finished
    assert threading.active_count() == n_threads

    module, again = Module(), Reports()
    fit(module, hooks.ReportLoss(again))
    assert (len(again.losses), len(module.rates)) == (EPOCHS, EPOCHS * STEPS)


def test_a_loss_that_is_not_logged_is_refused_with_the_cure() -> None:
    with pytest.raises(InvalidInputError, match=r"train_loss.*but got 'loss': log it in validatio"):
        fit(Module(), hooks.ReportLoss(Reports(), monitor="loss"))


def test_epochs_without_a_validation_are_refused() -> None:
    with pytest.raises(
        InvalidInputError, match=r"`check_val_every_n_epoch` must be 1, .*but got 2"
    ):
        fit(Module(), hooks.ReportLoss(Reports()), check_val_every_n_epoch=2)
