"""One problem, scikit-learn's digits, as seven trainings: what their authors would write anyway.

Each is a function of a schedule and a seed, which sets everything random: the rows that validate,
the initial weights, and the order of the rows. It yields the validation loss (nats) after every
epoch, or reports it where a framework owns the loop. Frameworks are imported when they train.
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from lrtune import MLPClassifier, Schedule, TorchTrainer
from lrtune.exceptions import DivergenceWarning

Array = npt.NDArray[Any]
Report = Callable[[Any], Any]

EPOCHS, BATCH_SIZE = 10, 64
CLASSES = np.arange(10)


@cache
def images() -> tuple[Array, Array]:
    """Return the pixels, between 0 and 1, and the digits."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype("float32"), y


def split(seed: int) -> tuple[Array, Array, Array, Array]:
    """Return training and validation rows, and the labels of both; a quarter validates."""
    X, y = images()
    return tuple(train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed))


# --- without a framework -------------------------------------------------------------------------


def network() -> MLPClassifier:
    """Return lrtune's network: 64-64-32-10, plain SGD."""
    return MLPClassifier((64, 32), batch_size=BATCH_SIZE, max_iter=EPOCHS)


def train_network(schedule: Schedule, seed: int) -> Iterator[float]:
    """Fit lrtune's network, and yield its last loss alone; inf if it diverged."""
    X, X_validation, y, y_validation = split(seed)
    names = network().get_params().keys() & Schedule.__dataclass_fields__.keys()
    parameters = {name: getattr(schedule, name) for name in names}
    model = network().set_params(**parameters, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DivergenceWarning)  # else it keeps its last good weights
        try:
            model.fit(X, y)
        except DivergenceWarning:
            yield float("inf")
            return
    yield log_loss(y_validation, model.predict_proba(X_validation))


def train_sgd_classifier(schedule: Schedule, seed: int) -> Iterator[float]:
    """Train scikit-learn's logistic regression, row by row."""
    X, X_validation, y, y_validation = split(seed)
    model = SGDClassifier(
        loss="log_loss",
        learning_rate="constant",
        random_state=np.random.RandomState(seed),  # a number would shuffle every epoch alike
    )
    for epoch in range(EPOCHS):
        model.eta0 = schedule(epoch)
        try:
            model.partial_fit(X, y, classes=CLASSES)
        except ValueError as error:
            if "overflow" not in str(error):
                raise
            yield float("inf")
            return
        yield log_loss(y_validation, model.predict_proba(X_validation), labels=CLASSES)


# --- torch, and what stands on it ----------------------------------------------------------------


def loaders(seed: int) -> tuple[Any, Any]:
    """Return the batches of the training rows, shuffled, and all validation rows as one."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)  # of a model as small as these, more make a training slower
    torch.manual_seed(seed)
    X, X_validation, y, y_validation = split(seed)
    training, validation = (
        TensorDataset(torch.from_numpy(rows).reshape(-1, 1, 8, 8), torch.from_numpy(labels))
        for rows, labels in ((X, y), (X_validation, y_validation))
    )
    generator = torch.Generator().manual_seed(seed)
    return (
        DataLoader(training, BATCH_SIZE, shuffle=True, generator=generator),
        DataLoader(validation, len(validation)),
    )


def train_torch(schedule: Schedule, seed: int) -> Iterator[float]:
    """Train a small convolutional network of ReLUs by SGD with momentum, in a loop by hand."""
    import torch
    from torch import nn

    batches, validation = loaders(seed)
    ((X_validation, y_validation),) = validation
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    for epoch in range(EPOCHS):
        for step, (X, y) in enumerate(batches):
            optimizer.param_groups[0]["lr"] = schedule(epoch + step / len(batches))
            optimizer.zero_grad()
            loss_of(model(X), y).backward()
            optimizer.step()
        with torch.no_grad():
            yield loss_of(model(X_validation), y_validation).item()


def torch_network() -> Any:
    """Return a network of ReLUs, 64-64-32-10."""
    from torch import nn

    return nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)
    )


def torch_trainer() -> TorchTrainer:
    """Return what lrtune needs to train many settings of that network at once, by AdamW."""
    import torch

    torch.set_num_threads(1)
    return TorchTrainer(
        torch_network,
        torch.nn.functional.cross_entropy,
        train=images(),
        batch_size=BATCH_SIZE,
        optimizer="adamw",
    )


def train_torch_network(schedule: Schedule, seed: int) -> Iterator[float]:
    """Train the same network by a loop by hand."""
    import torch

    batches, validation = loaders(seed)
    ((X_validation, y_validation),) = validation
    model = torch_network()
    loss_of = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters())
    for epoch in range(EPOCHS):
        for step, (X, y) in enumerate(batches):
            optimizer.param_groups[0]["lr"] = schedule(epoch + step / len(batches))
            optimizer.zero_grad()
            loss_of(model(X.flatten(1)), y).backward()
            optimizer.step()
        with torch.no_grad():
            yield loss_of(model(X_validation.flatten(1)), y_validation).item()


def train_keras(schedule: Schedule, seed: int, report: Report) -> None:
    """Fit a Keras network by Adam."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    from lrtune.integrations.keras import FollowSchedule, ReportLoss

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(1)
    keras.utils.set_random_seed(seed)
    X, X_validation, y, y_validation = split(seed)
    layers = [
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(10),
    ]
    model = keras.Sequential([keras.Input((64,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss=loss)
    model.fit(
        X,
        y,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        validation_data=(X_validation, y_validation),
        callbacks=[FollowSchedule(schedule), ReportLoss(report)],
        verbose=0,
    )


def train_lightning(schedule: Schedule, seed: int, report: Report) -> None:
    """Fit a convolutional network with batch normalisation by Lightning's Trainer and Adam."""
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from torch import nn

    from lrtune.integrations.lightning import FollowSchedule, ReportLoss

    class Digits(LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Sequential(
                nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                nn.Flatten(), nn.Linear(64, 10),
            )  # fmt: skip

        def training_step(self, batch: Any, _: int) -> Any:
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def validation_step(self, batch: Any, _: int) -> None:
            self.log("val_loss", nn.functional.cross_entropy(self.model(batch[0]), batch[1]))

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters())

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    batches, validation = loaders(seed)
    trainer = Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[FollowSchedule(schedule), ReportLoss(report)],
    )
    with warnings.catch_warnings():
        for told in (".*does not have many workers", ".*LeafSpec.*is deprecated"):
            warnings.filterwarnings("ignore", told)
        trainer.fit(Digits(), batches, validation)


def train_transformers(schedule: Schedule, seed: int, report: Report) -> None:
    """Train a tiny vision transformer, from random weights, by Transformers' Trainer and AdamW."""
    import torch
    from transformers import (
        PrinterCallback,
        Trainer,
        TrainingArguments,
        ViTConfig,
        ViTForImageClassification,
        set_seed,
    )

    from lrtune.integrations.transformers import FollowSchedule, ReportLoss

    torch.set_num_threads(1)
    set_seed(seed)
    X, X_validation, y, y_validation = split(seed)
    training, validation = (
        [
            {"pixel_values": image, "labels": label}
            for image, label in zip(
                torch.from_numpy(rows).reshape(-1, 1, 8, 8), labels.tolist(), strict=True
            )
        ]
        for rows, labels in ((X, y), (X_validation, y_validation))
    )
    config = ViTConfig(
        image_size=8,
        patch_size=2,
        num_channels=1,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=10,
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH_SIZE,
            per_device_eval_batch_size=len(validation),
            seed=seed,
            eval_strategy="epoch",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(
            model=ViTForImageClassification(config),
            args=arguments,
            train_dataset=training,
            eval_dataset=validation,
            callbacks=[FollowSchedule(schedule), ReportLoss(report)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
