"""The tutorial's four fixed learning rates on iris: 0.2, 0.1, 0.03 and 0.01.

Prints the test accuracy that each reaches, as the tutorial does, and draws training and validation
loss. Further seeds say how much of that is chance.

    python studies/fixed_rates.py [--seeds 20]
"""

from tutorial import study_of_rates


def main() -> None:
    """Print the table, write it down, and draw the figure."""
    study_of_rates("fixed_rates", "Fixed learning rates", __doc__, {})


if __name__ == "__main__":
    main()
