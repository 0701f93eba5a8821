"""The tutorial's table of a decaying rate, what produces it, and what inverse time gives instead.

The table is 0.198, 0.194, 0.188, 0.180, 0.171 for the epochs 1 to 5, from α₀ = 0.2 and a decay of
0.01. Each rate is the one before it divided by (1 + 0.01 · epoch), cut to three decimals before it
goes on. Plain inverse time, α₀ / (1 + 0.01 · epoch), falls far more slowly.

    python studies/decay_table.py
"""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import numpy as np
from matplotlib.figure import Figure
from tutorial import DECAY, RATES, arguments, header, keras_decay, table, write

from lrtune import Schedule
from lrtune.review.plots import COLOURS

RATE = RATES[0]
TUTORIAL = ("0.198", "0.194", "0.188", "0.180", "0.171")
THOUSANDTH = Decimal("0.001")

SCHEDULES = {
    "inverse time per epoch, α₀/(1 + 0.01·t)": Schedule(
        learning_rate_init=RATE, decay="inverse_time", decay_rate=DECAY
    ),
    "inverse time per step, α₀/(1 + 0.01·step)": Schedule(learning_rate_init=RATE, **keras_decay()),
    "compound, αₜ₋₁/(1 + 0.01·t)": Schedule(
        learning_rate_init=RATE, decay="compound", decay_rate=DECAY
    ),
}


def recursion(rounding: str | None, epochs: int = len(TUTORIAL)) -> list[Decimal]:
    """Rates of αₜ = αₜ₋₁/(1 + 0.01·t), each cut or rounded before the next; None keeps all."""
    rate, rates = Decimal(str(RATE)), []
    for epoch in range(1, epochs + 1):
        rate /= 1 + Decimal(str(DECAY)) * epoch
        if rounding is not None:
            rate = rate.quantize(THOUSANDTH, rounding)
        rates.append(rate)
    return rates


def rows() -> list[tuple[str, ...]]:
    """Return the rates of each formula, to three decimals, and whether they are the tutorial's."""
    exact = recursion(None)
    found = {
        "αₜ₋₁/(1 + 0.01·t), cut to three decimals before the next": recursion(ROUND_DOWN),
        "the same, rounded before the next": recursion(ROUND_HALF_UP),
        "the same, cut only when shown": [each.quantize(THOUSANDTH, ROUND_DOWN) for each in exact],
        "the same, rounded only when shown (lrtune's `compound`)": exact,
    }
    shown = {label: tuple(f"{rate:.3f}" for rate in rates) for label, rates in found.items()}
    for label, schedule in list(SCHEDULES.items())[:2]:
        rates = schedule(np.arange(1, len(TUTORIAL) + 1))
        shown[label] = tuple(f"{rate:.3f}" for rate in rates)
    return [
        ("the tutorial's table", *TUTORIAL, ""),
        *((label, *rates, "yes" if rates == TUTORIAL else "no") for label, rates in shown.items()),
    ]


def draw() -> Figure:
    """Draw the tutorial's five rates beside the schedules."""
    figure = Figure(figsize=(8.4, 3.9), layout="constrained")
    figure.suptitle(f"A decay of {DECAY:g} from α₀ = {RATE:g}, in three meanings")
    near, far = figure.subplots(1, 2)
    for axes, end in ((near, 5), (far, 50)):
        for index, (label, schedule) in enumerate(SCHEDULES.items()):
            style = ("-", ":", "--")[index]
            t = np.arange(0, end + 1, 1 if schedule.update == "epoch" else 0.25)
            axes.step(t, schedule(t), style, color=COLOURS[index], where="post", label=label)
        axes.set(xlabel="time t (epochs)", xlim=(0, end))
        axes.grid(alpha=0.3)
    near.plot(
        range(1, 6), [float(rate) for rate in TUTORIAL], "o", color="black", markersize=5,
        label="the tutorial's table",
    )  # fmt: skip
    near.set(ylabel="learning rate", ylim=(0.15, 0.203), title="the first five epochs")
    far.set(ylabel="learning rate (logarithmic)", title="fifty epochs", yscale="log")
    figure.legend(*near.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def main() -> None:
    """Print the table, write it down, and draw the figure."""
    options = arguments(__doc__)
    after = 20
    left = {label: schedule(after) / RATE for label, schedule in SCHEDULES.items()}
    about = f"rates of the epochs 1 to {len(TUTORIAL)} from α₀ = {RATE:g} with a decay of {DECAY:g}"
    lines = [
        *header("The decay table", "decay_table.py", about),
        *table(("rate", *(str(t) for t in range(1, 6)), "the tutorial's"), rows()),
        "",
        "Only the recursion with each rate cut before the next gives the table. Per step, t epochs "
        "are 4·t steps.",
        "",
        *table(
            ("schedule", f"share of α₀ left after {after} epochs"),
            [(label, f"{share:.1%}") for label, share in left.items()],
        ),
    ]
    write(options.results, "decay_table", lines, draw())


if __name__ == "__main__":
    main()
