"""A small convolutional network on digits, whose settings torch trains in lockstep.

Two convolutions of 2 × 2 with stride 2 and two dense layers, SGD with momentum. All settings of a
replicate share the split, the initial weights and the order of the rows. Torch is imported when it
trains.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from digits_trainings import split

from lrtune.schedules.schedule import Schedule
from lrtune.training.divergence import divergence_threshold, has_diverged
from lrtune.tuning.setting import Setting

Array = npt.NDArray[Any]

EPOCHS, BATCH_SIZE, MOMENTUM = 8, 128, 0.9
GUESS = math.log(10)
CHUNK = 32
"""Settings trained in lockstep: few enough that what they need fits the cache."""
LAYERS = ((4, 8), (32, 16), (64, 32), (32, 10))
"""Inputs and outputs of each layer; the inputs of a convolution are patches of 2 × 2."""


def train(settings: list[Setting], number: int) -> tuple[Array, float, float]:
    """Train all settings on a replicate.

    Returns
    -------
    losses : ndarray of shape (n_settings, EPOCHS)
        Validation losses; inf from a divergence on.
    initial : float
        Loss of the untrained network.
    cap : float
        Twice the loss of a guess.
    """
    import torch

    torch.set_num_threads(1)
    chunks = [settings[first : first + CHUNK] for first in range(0, len(settings), CHUNK)]
    trained = [_train_chunk(chunk, number) for chunk in chunks]
    losses = np.concatenate([losses for losses, _ in trained])
    return losses, trained[0][1], 2 * GUESS


def _train_chunk(settings: list[Setting], number: int) -> tuple[Array, float]:
    import torch

    rates = torch.tensor(np.array([_schedule(setting)(np.arange(EPOCHS)) for setting in settings]))
    generator = torch.Generator().manual_seed(number)
    X, X_validation, y, y_validation = split(number)
    rows, labels = _patches(torch.from_numpy(X).reshape(-1, 8, 8, 1)), torch.from_numpy(y)
    validation = _patches(torch.from_numpy(X_validation).reshape(-1, 8, 8, 1))
    y_validation = torch.from_numpy(y_validation)
    weights = _initial_weights(len(settings), generator)
    velocities = [torch.zeros_like(weight) for weight in weights]
    with torch.no_grad():
        initial = float(_losses(weights, validation, y_validation)[0])
    threshold = divergence_threshold(GUESS, initial)
    curves = np.full((len(settings), EPOCHS), np.inf)
    for epoch in range(EPOCHS):
        rate = rates[:, epoch].float().reshape(-1, 1, 1)
        for batch in torch.randperm(len(rows), generator=generator).split(BATCH_SIZE):
            loss = _losses(weights, rows[batch], labels[batch]).sum()
            gradients = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                for weight, velocity, gradient in zip(weights, velocities, gradients, strict=True):
                    velocity.mul_(MOMENTUM).add_(gradient)
                    weight.sub_(rate * velocity)
        with torch.no_grad():
            curves[:, epoch] = _losses(weights, validation, y_validation)
    is_over = np.logical_or.accumulate(has_diverged(curves, threshold), axis=1)
    return np.where(is_over, np.inf, curves), initial


def _schedule(setting: Setting) -> Schedule:
    return Schedule(**setting.schedule_params)


def _initial_weights(n_settings: int, generator: Any) -> list[Any]:
    """Return weights and biases, the same for each setting, uniform as torch's layers draw them."""
    import torch

    weights = []
    for n_inputs, n_outputs in LAYERS:
        bound = 1 / math.sqrt(n_inputs)
        for shape in ((n_inputs, n_outputs), (1, n_outputs)):
            drawn = bound * (2 * torch.rand(shape, generator=generator) - 1)
            weights.append(drawn.repeat(n_settings, 1, 1).requires_grad_())
    return weights


def _patches(images: Any) -> Any:
    """Return the 2 × 2 patches of images ``(n_images, height, width, channels)``."""
    n_images, height, width, channels = images.shape
    pieces = images.reshape(n_images, height // 2, 2, width // 2, 2, channels)
    return pieces.transpose(2, 3).reshape(n_images, height // 2, width // 2, 4 * channels)


def _losses(weights: list[Any], patches: Any, labels: Any) -> Any:
    """Return the mean loss of each setting, shape (n_settings,)."""
    import torch

    n_settings, n_rows = len(weights[0]), len(patches)
    first, first_bias, second, second_bias, third, third_bias, last, last_bias = weights
    pixels = patches.reshape(1, -1, 4).expand(n_settings, -1, -1)
    hidden = torch.relu(torch.baddbmm(first_bias, pixels, first))
    hidden = _patches(hidden.reshape(-1, 4, 4, 8)).reshape(n_settings, -1, 32)
    hidden = torch.relu(torch.baddbmm(second_bias, hidden, second))
    hidden = hidden.reshape(n_settings, n_rows, 64)
    hidden = torch.relu(torch.baddbmm(third_bias, hidden, third))
    outputs = torch.baddbmm(last_bias, hidden, last)
    losses = torch.nn.functional.cross_entropy(
        outputs.reshape(-1, 10), labels.repeat(n_settings), reduction="none"
    )
    return losses.reshape(n_settings, n_rows).mean(dim=1)
