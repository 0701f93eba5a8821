"""Templates of the exported source, by library."""

from __future__ import annotations

TORCH = '''

def factor({unit}):
    """Learning rate after this many {unit}s, divided by LEARNING_RATE_INIT."""
{body}


def make_scheduler(optimizer):
    """For an optimizer made with lr=LEARNING_RATE_INIT; call step() after every {period}."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
'''

TORCH_ON_PLATEAU = '''

def make_scheduler(optimizer):
    """For an optimizer made with lr=LEARNING_RATE_INIT; call step(validation_loss) every epoch."""
    return torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=math.exp(-{k!r}), patience=0, threshold=0, min_lr={floor!r}, eps=0
    )
'''

TORCH_PLATEAU = '''

class Plateau:
    """Shrink the rates at every epoch beyond {patience} without a better validation loss.

    Not torch's ReduceLROnPlateau, which waits anew each time that it has shrunk them.
    """

    def __init__(self, optimizer):
        self.optimizer, self.best, self.waited = optimizer, math.inf, 0

    def step(self, validation_loss):
        if validation_loss < self.best:
            self.best, self.waited = validation_loss, 0
            return
        self.waited += 1
        if self.waited > {patience}:
            for group in self.optimizer.param_groups:
                group["lr"] = max(group["lr"] * math.exp(-{k!r}), {floor!r})


def make_scheduler(optimizer):
    """For an optimizer made with lr=LEARNING_RATE_INIT; call step(validation_loss) every epoch."""
    return Plateau(optimizer)
'''

KERAS_EPOCHS = '''

def learning_rate(epoch, _=None):
    """Learning rate of an epoch, counted from 0."""
{body}


# Make the optimizer with LEARNING_RATE_INIT, and call model.fit(..., callbacks=[scheduler]).
scheduler = keras.callbacks.LearningRateScheduler(learning_rate)
'''

KERAS_STEPS = '''

@keras.saving.register_keras_serializable("lrtune")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate at a step: make the optimizer with LearningRate() as its learning rate."""

    def __call__(self, step):
        step = ops.cast(step, "int32")
{body}

    def get_config(self):
        return {{}}
'''

KERAS_PLATEAU = '''

class Plateau(keras.callbacks.Callback):
    """Shrink the rate at every epoch beyond {patience} without a better validation loss.

    Not Keras's ReduceLROnPlateau, which waits anew each time that it has shrunk it.
    """

    def __init__(self):
        super().__init__()
        self.best, self.waited, self.shrunk = math.inf, 0, 0

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_loss"] < self.best:
            self.best, self.waited = logs["val_loss"], 0
            return
        self.waited += 1
        if self.waited > {patience}:
            self.shrunk += 1
            rate = LEARNING_RATE_INIT * math.exp(-{k!r} * self.shrunk)
            self.model.optimizer.learning_rate = max(rate, {floor!r})


# Make the optimizer with LEARNING_RATE_INIT, and call
# model.fit(..., validation_data=..., callbacks=[scheduler]).
scheduler = Plateau()
'''

OPTAX = '''

def learning_rate(step):
    """Learning rate at a step, counted from 0; for an optimizer: optax.sgd(learning_rate)."""
{body}
'''

FOLLOWS_TRAINING = """\
# Without early_stopping=True, which holds out rows, its plateau follows the training loss.
"""

SKLEARN = """
# scikit-learn's own MLPs cannot follow such schedules; this estimator can replace them anywhere.
{remark}{imports}

model = {model}
"""

SCALED = """\
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import {estimator}\
"""

TABLE = """\
from sklearn.pipeline import make_pipeline

from lrtune import {estimator}
from lrtune.tables.dataset import load_dataset

DATA = "the path of the table that was searched"
table = {dataset}\
"""
