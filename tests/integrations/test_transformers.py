"""Callbacks of Transformers: the rate at every step, one report per epoch, a stop in good order."""

import doctest
import threading
from pathlib import Path
from typing import Any

import pytest

from lrtune import Schedule
from lrtune.exceptions import InvalidInputError
from lrtune.schedules.schedule import rate_table
from tests.integrations.frameworks import PLATEAU, SCHEDULES, Reports

pytestmark = pytest.mark.transformers
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")
hooks = pytest.importorskip("lrtune.integrations.transformers")
EPOCHS, STEPS = 4, 3
ROWS = [{"input_ids": [1, 2, 3], "labels": 0}, {"input_ids": [3, 2, 1], "labels": 1}] * STEPS


class Watch(transformers.TrainerCallback):
    """Keeps the rates of every optimizer step, and whether the training ended in order."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []
        self.ended = False

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.rates.append([group["lr"] for group in kwargs["optimizer"].param_groups])

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.ended = True


def make_trainer(folder: Path, *callbacks: Any, own: bool = False, **options: Any) -> Any:
    """Return a Trainer of a tiny network; with `own`, of two parameter groups at 0.01 and 0.001."""
    config = transformers.BertConfig(
        vocab_size=8,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=8,
    )
    model = transformers.BertForSequenceClassification(config)
    arguments = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 2,
        "num_train_epochs": EPOCHS,
        "eval_strategy": "epoch",
        "save_strategy": "no",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
    }
    optimizer = None
    if own:
        groups = [{"params": model.bert.parameters()}]
        groups += [{"params": model.classifier.parameters(), "lr": 0.001}]
        optimizer = torch.optim.SGD(groups, lr=0.01)
    return transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(**arguments | options),
        train_dataset=ROWS,
        eval_dataset=ROWS,
        callbacks=list(callbacks),
        optimizers=(optimizer, None),
    )


def logged(trainer: Any, name: str) -> list[float]:
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def near(schedule: Schedule, *ratios: float, steps: int = STEPS) -> Any:
    return pytest.approx(rate_table([schedule], EPOCHS, steps) * ratios, rel=1e-12)


def test_the_examples_run() -> None:
    assert doctest.testmod(hooks).failed == 0


@pytest.mark.parametrize(
    ("name", "own"), [*((name, True) for name in SCHEDULES), ("all", False), ("per epoch", False)]
)
def test_every_step_has_the_schedules_rates(tmp_path: Path, name: str, own: bool) -> None:
    schedule, watch = SCHEDULES[name], Watch()
    trainer = make_trainer(tmp_path, hooks.FollowSchedule(schedule), watch, own=own)
    trainer.train()

    assert watch.rates == near(schedule, 1, 0.1 if own else 1)
    assert logged(trainer, "learning_rate") == [rates[0] for rates in watch.rates]


@pytest.mark.parametrize("kind", ["constant", "cosine", "reduce_lr_on_plateau"])
def test_the_trainers_own_scheduler_is_overruled(tmp_path: Path, kind: str) -> None:
    watch = Watch()
    options = {"lr_scheduler_type": kind, "warmup_steps": 0 if kind == "constant" else 2}
    trainer = make_trainer(tmp_path, hooks.FollowSchedule(SCHEDULES["all"]), watch, **options)
    trainer.train()

    assert watch.rates == near(SCHEDULES["all"], 1, 1)
    assert logged(trainer, "learning_rate") == [rates[0] for rates in watch.rates]


def test_a_step_of_several_batches_has_the_rate_of_its_first(tmp_path: Path) -> None:
    watch, options = Watch(), {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2}
    make_trainer(tmp_path, hooks.FollowSchedule(SCHEDULES["all"]), watch, **options).train()

    assert watch.rates == near(SCHEDULES["all"], 1, 1)


def test_a_resumed_training_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    schedule = SCHEDULES["all"]
    options = {"save_strategy": "epoch", "own": True}
    first = make_trainer(
        tmp_path, hooks.FollowSchedule(schedule), hooks.ReportLoss(Reports(2)), **options
    )
    first.train()
    watch = Watch()
    second = make_trainer(tmp_path, hooks.FollowSchedule(schedule), watch, **options)
    second.train(resume_from_checkpoint=True)

    table = rate_table([schedule], EPOCHS, STEPS) * [1, 0.1]
    assert watch.rates == pytest.approx(table[2 * STEPS :], rel=1e-12)


def test_a_schedule_that_follows_losses_is_refused_at_once() -> None:
    with pytest.raises(InvalidInputError, match="follows the validation loss"):
        hooks.FollowSchedule(PLATEAU)


def test_every_epoch_reports_its_evaluation_once(tmp_path: Path) -> None:
    report = Reports()
    trainer = make_trainer(tmp_path, hooks.ReportLoss(report), eval_on_start=True)
    trainer.evaluate()
    trainer.train()
    trainer.evaluate()

    entries = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    expected = [entry["eval_loss"] for entry in entries if entry["epoch"] > 0][:EPOCHS]
    assert [losses["loss"] for losses in report.losses] == expected
    assert [losses["epoch"] for losses in report.losses] == [1, 2, 3, 4]


def test_a_halted_training_ends_in_order_and_the_next_is_unaffected(tmp_path: Path) -> None:
    n_threads, report, watch = threading.active_count(), Reports(halt_after=2), Watch()
    trainer = make_trainer(tmp_path, hooks.ReportLoss(report), watch)
    trainer.train()
    assert (len(report.losses), len(watch.rates), watch.ended) == (2, 2 * STEPS, True)
    assert threading.active_count() == n_threads

    report.halt_after, watch.rates = None, []
    trainer.train()
    assert (len(report.losses), len(watch.rates)) == (2 + EPOCHS, EPOCHS * STEPS)


def test_a_loss_that_is_not_logged_is_refused_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"eval_loss.*but got 'loss': have the model retu"):
        make_trainer(tmp_path, hooks.ReportLoss(Reports(), monitor="loss")).train()


@pytest.mark.parametrize("strategy", ["no", "steps"])
def test_epochs_without_an_evaluation_are_refused(tmp_path: Path, strategy: str) -> None:
    trainer = make_trainer(tmp_path, hooks.ReportLoss(Reports()), eval_strategy=strategy)
    with pytest.raises(InvalidInputError, match=f"must be 'epoch', .* but got '{strategy}'"):
        trainer.train()
