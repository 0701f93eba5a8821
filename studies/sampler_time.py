"""How long `ScheduleSampler` takes to ask for a block of 8 settings, after so many trials.

A study of synthetic losses over lrtune's default space, each block on a replicate of its own. The
time is the CPU time of this process, which other work on the machine disturbs least, with one BLAS
thread.

    python studies/sampler_time.py [--repetitions 15]
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial
from threadpoolctl import threadpool_limits
from tutorial import RESULTS, header, table

from lrtune.tuning.sampling.asking import BLOCK_SIZE, Sampling, ask_block
from lrtune.tuning.space import Space

TRIALS = (16, 64, 128, 256, 512, 1024, 2048)
BARS = {64: 30, 512: 150}
"""Most milliseconds of a block."""
EPOCHS = 20
DIVERGES_FROM = 1.0


def finished_trials(space: Space, n_trials: int, seed: int) -> list[FrozenTrial]:
    """Return trials of a valley in log α₀ with noise, which diverge beyond a rate."""
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(n_trials):
        params = space.spread(1, int(rng.integers(2**31)))[0]
        rate = params["learning_rate_init"]
        loss = 0.1 + 0.1 * math.log10(rate / 0.1) ** 2 + 0.02 * abs(rng.standard_normal())
        losses = dict(enumerate((loss + np.geomspace(1, 1e-3, EPOCHS)).tolist()))
        diverges = rate > DIVERGES_FROM
        trials.append(
            create_trial(
                params=params,
                distributions=space.distributions(),
                value=None if diverges else losses[EPOCHS - 1],
                state=TrialState.PRUNED if diverges else TrialState.COMPLETE,
                intermediate_values={0: math.inf} if diverges else losses,
                user_attrs={"replicates": (number // BLOCK_SIZE,)},
            )
        )
    return trials


def milliseconds(n_trials: int, repetitions: int) -> np.ndarray:
    """Return the CPU time of each of some blocks."""
    space = Space.default(EPOCHS, learning_rate_init=(1e-3, 10.0))
    taken = []
    for seed in range(repetitions):
        trials = finished_trials(space, n_trials, seed)
        begun = time.process_time()
        ask_block(trials, space, Sampling(seed), epochs=EPOCHS)
        taken.append(1000 * (time.process_time() - begun))
    return np.array(taken)


def main() -> None:
    """Print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with threadpool_limits(1):
        milliseconds(TRIALS[0], 2)  # what is imported and planned once
        taken = {n_trials: milliseconds(n_trials, arguments.repetitions) for n_trials in TRIALS}
    lines = [
        *header(
            "Time to ask for a block",
            "sampler_time.py",
            f"milliseconds of CPU time for a block of {BLOCK_SIZE} settings, "
            f"{arguments.repetitions} repetitions, one BLAS thread",
        ),
        *table(
            ["finished trials", "median", "least", "bar"],
            [
                [str(n), f"{np.median(ms):.0f}", f"{ms.min():.0f}", str(BARS.get(n, "–"))]
                for n, ms in taken.items()
            ],
        ),
    ]
    print("\n".join(lines))
    (arguments.results / "sampler_time.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
