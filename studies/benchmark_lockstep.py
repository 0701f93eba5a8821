"""How long a training of a torch module takes in lockstep with others, beside one after the other.

Digits, four modules, K = 1 to 128 settings that differ in their rate. Both ways train K settings
for the same epochs on the same batches; what is recorded of a stacked step is recorded before, as
it is after the first block of a search. One after the other is measured by a few trainings, as all
take the same time; the two ways take turns, and the least time of each counts.

    pip install torch==2.13.0
    python studies/benchmark_lockstep.py [--device cuda] [--models mlp,cnn] [--settings 1,8,32,128]
"""

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from tutorial import RESULTS, header, table

import lrtune
from lrtune import LrtuneWarning
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.loop import Loop
from lrtune.tuning.trainers.protocol import train_all
from lrtune.tuning.trainers.torch import recorded
from lrtune.tuning.trainers.torch.lockstep import LockstepTrainer
from lrtune.tuning.trainers.torch.memory import bytes_of_setting
from lrtune.tuning.trainers.torch.stack import StackedModule

BATCH_SIZE = 64
RATES = (1e-4, 1e-3)
"""Lowest and highest rate: none of them diverges, so that all K stay in the stack."""
ALONE = 3
"""Trainings one after the other that are measured in a round, at most."""
LARGE_PRODUCT = 4096
"""Rows of the matrix product that says what the device can reach; 1024 on a CPU."""


# --- what is trained ------------------------------------------------------------------------------


def mlp() -> nn.Module:
    """Return a network of two hidden layers, 64 and 32."""
    return nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)
    )


def cnn() -> nn.Module:
    """Return a small convolutional network with batch normalisation."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


class Transformer(nn.Module):
    """Two layers over the eight rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(8, 32)
        layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.leave = nn.Linear(32, 10)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the logits of images."""
        return self.leave(self.layers(self.enter(X.view(-1, 8, 8))).mean(1))


class Recurrent(nn.Module):
    """An LSTM over the eight rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(8, 32, batch_first=True)
        self.leave = nn.Linear(32, 10)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the logits of images."""
        return self.leave(self.layer(X.view(-1, 8, 8))[0][:, -1])


MODELS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "mlp": ("MLP 64-32", mlp),
    "cnn": ("CNN with BatchNorm", cnn),
    "transformer": ("transformer", Transformer),
    "lstm": ("LSTM", Recurrent),
}


def trainer(make: Callable[[], nn.Module], device: str, epochs: int, **options: Any) -> Any:
    """Return what trains a module in a search, on all digits, once it is checked."""
    X, y = load_digits(return_X_y=True)
    own = lrtune.TorchTrainer(
        make,
        nn.functional.cross_entropy,
        train=(X / 16, y),
        batch_size=BATCH_SIZE,
        optimizer="momentum",
        device=device,
        dtype=torch.float32,
        **options,
    )
    whole = LockstepTrainer(own, Loop(own, epochs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LrtuneWarning)  # the table says it
        whole.check(Space.of({"learning_rate_init": RATES}, epochs))
    return whole


# --- seconds --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Seconds of a training both ways, and what a stack takes."""

    model: str
    n_settings: int
    alone: float
    together: float
    flops: float
    """Operations of a training."""
    memory: float
    """Bytes of a setting: the peak on a GPU, an estimate on a CPU."""
    choice: str

    @property
    def speedup(self) -> float:
        """How many times as fast a training is in lockstep."""
        return self.alone / self.together


def seconds(run: Callable[[], Any], device: str) -> float:
    """Return how long a call takes."""
    if device != "cpu":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    run()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def settings(n: int) -> list[Setting]:
    """Return settings whose rates lie evenly, on a logarithmic scale, between `RATES`."""
    low, high = RATES
    share = [k / max(1, n - 1) for k in range(n)]
    return [Setting(low * (high / low) ** each, "exponential", 0.1) for each in share]


def operations(whole: LockstepTrainer) -> float:
    """Return the floating-point operations of a training: products and convolutions.

    Those inside a whole recurrent layer are not counted, which torch has no formula for.
    """
    data, own = whole.data, whole.trainer
    module = own.make_module().to(data.train.target.device)
    inputs, target = data.train.inputs[0][:BATCH_SIZE], data.train.target[:BATCH_SIZE]
    with FlopCounterMode(display=False) as counter:
        own.loss(module(inputs), target).backward()
    return counter.get_total_flops() * data.n_train / BATCH_SIZE * whole.epochs


@cache
def is_stacked(name: str, device: str) -> bool:
    """Return whether a search would take lockstep by itself."""
    return trainer(MODELS[name][1], device, 1).choice.lockstep


def measure(name: str, n: int, device: str, epochs: int, rounds: int) -> Measured:
    """Time both ways, in turn."""
    title, make = MODELS[name]
    stacked = trainer(make, device, epochs, lockstep=True, max_stacked=n)
    alone = trainer(make, device, epochs, lockstep=False)
    own = settings(n)
    few = own[: min(n, ALONE)]
    if n > 1:
        recorded.RECORD_AFTER = 0  # at once, to measure what a search soon has
        train_all(stacked, own, [0])
    train_all(alone, few[:1], [0])
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    times: dict[str, list[float]] = {"alone": [], "together": []}
    for _ in range(rounds):
        times["alone"].append(seconds(lambda: train_all(alone, few, [0]), device) / len(few))
        if n > 1:
            times["together"].append(seconds(lambda: train_all(stacked, own, [0]), device) / n)
    module = StackedModule(stacked.trainer, stacked.data, {}, 0)
    memory: float = bytes_of_setting(module, BATCH_SIZE)
    if device != "cpu":
        memory = torch.cuda.max_memory_allocated() / n
    return Measured(
        title,
        n,
        min(times["alone"]),
        min(times["together"] or times["alone"]),
        operations(alone),
        memory,
        "lockstep" if n > 1 and is_stacked(name, device) else "one by one",
    )


def peak(device: str) -> float:
    """Return the operations per second of a large product in single precision."""
    n = LARGE_PRODUCT if device != "cpu" else 1024
    a, b = (torch.randn(n, n, device=device) for _ in range(2))
    return 2 * n**3 / min(seconds(lambda: a @ b, device) for _ in range(5))


# --- the table ------------------------------------------------------------------------------------

COLUMNS = (
    "module", "K", "one by one, ms", "lockstep, ms", "times as fast", "taken by itself",
    "MB per setting", "share of peak: one by one", "lockstep",
)  # fmt: skip


def row(each: Measured, reach: float) -> tuple[str, ...]:
    """Return a line of the table."""
    return (
        each.model,
        str(each.n_settings),
        f"{1000 * each.alone:.3g}",
        f"{1000 * each.together:.3g}",
        f"{each.speedup:.2g}",
        each.choice,
        f"{each.memory / 1e6:.2g}",
        f"{each.flops / each.alone / reach:.1%}",
        f"{each.flops / each.together / reach:.1%}",
    )


def bars(found: Sequence[Measured], device: str) -> list[str]:
    """Return the bars, and whether they hold."""
    wanted = {("MLP 64-32", 32): 4.0}
    if device != "cpu":
        wanted = {("MLP 64-32", 64): 15.0, ("CNN with BatchNorm", 64): 5.0}
    lines = []
    for each in found:
        least = wanted.get((each.model, each.n_settings))
        if least is not None:
            holds = "holds" if each.speedup >= least else "**does not hold**"
            lines.append(
                f"- {each.model}, K = {each.n_settings}: at least {least:g} times as fast: {holds} "
                f"({each.speedup:.2g})"
            )
    slow = [e for e in found if e.choice == "lockstep" and e.speedup < 0.9]
    names = ", ".join(f"{each.model} at K = {each.n_settings}" for each in slow)
    lines.append(
        "- Where lockstep is taken by itself, it is nowhere slower by more than 10 %: "
        + (f"**does not hold**: {names}" if slow else "holds")
    )
    return lines


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu", help="such as cuda (%(default)s)")
    parser.add_argument(
        "--models", type=lambda text: text.split(","), default=list(MODELS), help="(all)"
    )
    parser.add_argument(
        "--settings",
        type=lambda text: [int(each) for each in text.split(",")],
        help="values of K (1,8,32,128; with a GPU 1,8,32,64,128)",
    )
    parser.add_argument("--epochs", type=int, default=2, help="of a training (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="of torch on a CPU (its own choice)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder (studies/results)")
    options = parser.parse_args()
    for name in options.models:
        if name not in MODELS:
            parser.error(f"--models must be some of {','.join(MODELS)}, but got {name!r}")
    if options.settings is None:
        options.settings = [1, 8, 32, 128] if options.device == "cpu" else [1, 8, 32, 64, 128]
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"--device {options.device} needs a GPU that torch can use, but it has none")
    return options


def main() -> None:
    """Print the table, and write it down."""
    options = parse()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = options.device
    reach = peak(device)
    found = [
        measure(name, n, device, options.epochs, options.rounds)
        for name in options.models
        for n in options.settings
    ]
    where = f"{torch.get_num_threads()} threads, {os.cpu_count()} cores, {platform.machine()}"
    if device != "cpu":
        where = torch.cuda.get_device_name()
    command = f"benchmark_lockstep.py --epochs {options.epochs} --rounds {options.rounds}"
    command += f" --settings {','.join(map(str, options.settings))}"
    command += "" if device == "cpu" else f" --device {device}"
    command += "" if options.models == list(MODELS) else f" --models {','.join(options.models)}"
    about = (
        f"digits, batches of {BATCH_SIZE}, SGD with momentum, {options.epochs} epochs, single "
        f"precision, on {where}, torch {torch.__version__}; a large matrix product reaches "
        f"{reach / 1e9:.0f} GFLOP/s"
    )
    lines = [
        *header("Lockstep in torch", command, about),
        *table(COLUMNS, [row(each, reach) for each in found]),
        "",
        "A training is one setting's. MB per setting is "
        + ("the peak of a stack" if device != "cpu" else "what a stack's size is reckoned by")
        + ". Shares of the peak count products and convolutions, but none inside an LSTM.",
        "",
        *bars(found, device),
    ]
    options.results.mkdir(exist_ok=True)
    name = "benchmark_lockstep" + ("" if device == "cpu" else f"_{device}")
    (options.results / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
