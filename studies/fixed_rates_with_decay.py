"""The tutorial's four learning rates with its decay of 0.01, the way its Keras computed that.

The rate at a step is α₀ / (1 + 0.01 · step): it changes with every mini-batch, and has fallen by
almost a half when training ends. In lrtune that is ``decay="inverse_time"`` with ``update="batch"``
and 0.01 times the steps of an epoch as `decay_rate`.

    python studies/fixed_rates_with_decay.py [--seeds 20]
"""

from tutorial import DECAY, keras_decay, study_of_rates


def main() -> None:
    """Print the table, write it down, and draw the figure."""
    title = f"Learning rates with a decay of {DECAY:g} per step"
    study_of_rates("fixed_rates_with_decay", title, __doc__, keras_decay())


if __name__ == "__main__":
    main()
