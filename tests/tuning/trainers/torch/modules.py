"""Small modules and rows to train, and the loop that a person would write by hand."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lrtune  # noqa: E402
from lrtune.schedules.schedule import Schedule  # noqa: E402
from lrtune.tuning.setting import Setting  # noqa: E402
from lrtune.tuning.trainers.loop import Loop  # noqa: E402
from lrtune.tuning.trainers.torch.batches import Data  # noqa: E402
from lrtune.tuning.trainers.torch.lockstep import LockstepTrainer  # noqa: E402

nn = torch.nn
cross_entropy = nn.functional.cross_entropy
EPOCHS, BATCH_SIZE = 2, 32
N_FEATURES, N_CLASSES = 16, 3


def rows(n: int = 110, seed: int = 0) -> tuple[Any, Any]:
    """Return rows that a network can learn; the last batch is short."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, N_FEATURES))
    return X, np.argmax(X[:, :N_CLASSES], axis=1)


def mlp(hidden: int = 8) -> Any:
    return nn.Sequential(nn.Linear(N_FEATURES, hidden), nn.Tanh(), nn.Linear(hidden, N_CLASSES))


def cnn() -> Any:
    return nn.Sequential(
        nn.Unflatten(1, (1, 4, 4)),
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, N_CLASSES),
    )


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(4, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.leave = nn.Linear(8, N_CLASSES)

    def forward(self, X: Any) -> Any:
        return self.leave(self.layers(self.enter(X.view(-1, 4, 4))).mean(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(4, 8, batch_first=True)
        self.leave = nn.Linear(8, N_CLASSES)

    def forward(self, X: Any) -> Any:
        return self.leave(self.layer(X.view(-1, 4, 4))[0][:, -1])


class Branching(nn.Module):
    """Its control flow depends on the data, which cannot be batched."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(N_FEATURES, N_CLASSES)

    def forward(self, X: Any) -> Any:
        output = self.layer(X)
        return output if output.sum() > 0 else 2 * output


class Forgetful(nn.Module):
    """It puts another tensor in the place of a buffer, which a stack does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(N_FEATURES, N_CLASSES)
        self.register_buffer("scale", torch.ones(()))

    def forward(self, X: Any) -> Any:
        self.scale = 0.9 * self.scale
        return self.layer(X) * self.scale


def dropping() -> Any:
    return nn.Sequential(nn.Linear(N_FEATURES, 8), nn.Dropout(0.4), nn.Linear(8, N_CLASSES))


MODULES: dict[str, Callable[[], Any]] = {
    "mlp": mlp,
    "cnn": cnn,
    "transformer": Transformer,
    "lstm": Recurrent,
}


def make_trainer(make: Callable[..., Any] = mlp, **options: Any) -> lrtune.TorchTrainer:
    """Return a trainer in double precision."""
    options = {
        "train": rows(), "batch_size": BATCH_SIZE, "dtype": torch.float64, "lockstep": True,
    } | options  # fmt: skip
    return lrtune.TorchTrainer(make, options.pop("loss", cross_entropy), **options)


def lockstep(trainer: lrtune.TorchTrainer, epochs: int = EPOCHS, **loop: Any) -> LockstepTrainer:
    """Return what trains in a search."""
    return LockstepTrainer(trainer, Loop(trainer, epochs, **loop))


def settings(*rates: float, decay: str = "exponential", **others: Any) -> list[Setting]:
    return [Setting(rate, decay, 0.5, tuple(others.items())) for rate in rates]


OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "sgd": lambda p, **k: torch.optim.SGD(p, lr=1.0, **k),
    "momentum": lambda p, **k: torch.optim.SGD(p, lr=1.0, momentum=0.9, **k),
    "nesterov": lambda p, **k: torch.optim.SGD(p, lr=1.0, momentum=0.9, nesterov=True, **k),
    "adam": lambda p, **k: torch.optim.Adam(p, lr=1.0, **k),
    "adamw": lambda p, **k: torch.optim.AdamW(p, lr=1.0, **k),
}


def by_hand(
    make: Callable[..., Any],
    data: Data,
    schedule: Schedule,
    seed: int,
    optimizer: str = "sgd",
    *,
    epochs: int = EPOCHS,
    dtype: Any = torch.float64,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
) -> Iterator[float]:
    """Train as a person would, on a seed's rows; yield the validation loss of each epoch."""
    training, held_out = (torch.from_numpy(index) for index in data.split(seed))
    orders = data.orders(seed)
    torch.manual_seed(seed)
    model = make().to(dtype)
    updates = OPTIMIZERS[optimizer](model.parameters(), weight_decay=weight_decay)
    torch.manual_seed(seed)  # what is drawn while it trains, too
    X, y = data.train.inputs[0], data.train.target
    n_steps = -(-len(training) // BATCH_SIZE)
    for epoch in range(epochs):
        model.train()
        batches = torch.from_numpy(next(orders)).split(BATCH_SIZE)
        for step, batch in enumerate(batches):
            updates.param_groups[0]["lr"] = schedule(epoch + step / n_steps)
            updates.zero_grad()
            cross_entropy(model(X[batch]), y[batch]).backward()
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
            updates.step()
        model.eval()
        with torch.no_grad():
            yield cross_entropy(model(X[held_out]), y[held_out]).item()
