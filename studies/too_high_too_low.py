"""What a learning rate that is too high or too low does, on a surface that can be drawn, and iris.

The update W ← W − α·∂L/∂W creeps, converges, overshoots or diverges. On the surface
L = ½(w₁² + 10·w₂²) it diverges beyond α = 2/λ_max, with λ_max = 10 its largest curvature. The
tutorial's network has no one curvature: λ_max of its loss (the largest eigenvalue of the Hessian)
changes as it trains, and what lies beyond 2/λ_max here may come to rest there.

    python studies/too_high_too_low.py [--seeds 10]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.sparse.linalg import LinearOperator, eigsh
from tutorial import SEED, arguments, data, header, logarithmic_losses, network, table, write

from lrtune.review.plots import COLOURS
from lrtune.training.divergence import divergence_threshold, has_diverged
from lrtune.training.optimizers import SGD
from lrtune.training.population import Population
from lrtune.training.random_streams import RandomStreams
from lrtune.training.rows import Rows

Array = npt.NDArray[Any]

BEHAVIOURS = ("creeping", "converging", "overshooting", "diverging")
CURVATURES = np.array([1.0, 10.0])
EDGE = 2 / CURVATURES.max()
SURFACE_RATES = (0.05 * EDGE, 0.5 * EDGE, 0.95 * EDGE, 1.05 * EDGE)
START, SURFACE_STEPS = np.array([-9.0, 2.0]), 30
IRIS_RATES, IRIS_STEPS = (0.001, 0.03, 0.2, 1.0), 100
STEP = 1e-7
"""Of the differences of gradients; 1e-5 crossed a kink of a relu in 3 of 40 cases."""
LOSSES = (0.3, 1, 3, 10, 30, 100)
SWEEP = np.geomspace(5e-4, 5, 33)


# --- the surface ---------------------------------------------------------------------------------


def height(w: Array) -> Array:
    """L of points ``(..., 2)``."""
    return 0.5 * (CURVATURES * w**2).sum(axis=-1)


def descend(rate: float) -> Array:
    """Return the points ``(SURFACE_STEPS + 1, 2)`` that the update visits."""
    points = [START]
    for _ in range(SURFACE_STEPS):
        points.append(points[-1] - rate * CURVATURES * points[-1])
    return np.array(points)


# --- the network ---------------------------------------------------------------------------------


class Iris:
    """The tutorial's network on all training rows at once: its loss is one surface."""

    def __init__(self, seed: int) -> None:
        X, _, y, _ = data()
        model = network(1.0, seed=seed)
        self.rows = model.learn_encoding(X, y)
        made = model.make_population(self.rows, 1, RandomStreams(seed).weights)
        self.network, self.start = made.network, made.parameters[0].copy()

    def slope(self, weights: Array) -> tuple[float, Array]:
        """Loss and gradient: a step of SGD at rate 1 takes the gradient off."""
        rows: Rows = self.rows
        stepped = Population(self.network, SGD(), weights, batch_size=len(rows))
        loss, _ = stepped.train_step(rows, np.arange(len(rows)), np.ones(1))
        if not len(stepped):
            return float(loss[0]), np.full_like(weights, np.nan)
        return float(loss[0]), weights - stepped.parameters[0]

    def edge(self, weights: Array) -> float:
        """2/λ_max: gradients to either side give products with the Hessian."""

        def product(direction: Array) -> Array:
            length = np.linalg.norm(direction)
            step = STEP * direction.ravel() / length
            rise = self.slope(weights + step)[1] - self.slope(weights - step)[1]
            return rise * (length / (2 * STEP))

        hessian = LinearOperator((len(weights),) * 2, matvec=product, dtype=np.float64)
        first = np.random.default_rng(0).normal(size=len(weights))
        return 2 / float(eigsh(hessian, k=1, which="LA", v0=first, tol=1e-4)[0][0])


@dataclass(frozen=True)
class Descent:
    """Losses ``(IRIS_STEPS + 1,)`` of an unguarded descent, and 2/λ_max at its end."""

    losses: Array
    diverged: bool
    edge: float | None


def descend_on_iris(iris: Iris, rate: float, *, with_edge: bool = False) -> Descent:
    """W ← W − α·∂L/∂W and nothing else, whatever becomes of it."""
    weights, losses = iris.start.copy(), []
    for _ in range(IRIS_STEPS + 1):
        loss, gradient = iris.slope(weights)
        losses.append(loss)
        last, weights = weights, weights - rate * gradient
    threshold = divergence_threshold(np.log(3), losses[0])
    diverged = bool(has_diverged(losses, threshold).any())
    edge = iris.edge(last) if with_edge and not diverged else None
    return Descent(np.array(losses), diverged, edge)


# --- figure and table ----------------------------------------------------------------------------


def draw_surface(axes: Axes, rate: float) -> None:
    """Contours and the path over them."""
    x, y = np.meshgrid(np.linspace(-11, 11, 111), np.linspace(-7, 7, 71))
    levels = np.array([1, 4, 10, 20, 40, 80, 140, 220])
    axes.contour(x, y, height(np.stack([x, y], axis=-1)), levels, colors="0.75", linewidths=0.8)
    path = descend(rate)
    axes.plot(*path.T, "o-", color=COLOURS[0], markersize=2.5, linewidth=0.9)
    axes.plot(*START, "o", color=COLOURS[1], markersize=5)
    axes.plot(0, 0, "+", color="black", markersize=7)
    axes.set(xlim=(-11, 11), ylim=(-7, 7), xlabel="w₁")


def draw_sweep(
    axes: Axes, rates: Array, losses: Array, marked: Sequence[float], title: str
) -> None:
    """Draw the final loss ``(rates, seeds)`` against the rate: median and range of seeds."""
    middle = np.median(losses, axis=1)
    axes.fill_between(
        rates, losses.min(axis=1), losses.max(axis=1), color=COLOURS[0], alpha=0.2, linewidth=0
    )
    axes.plot(rates, middle, color=COLOURS[0])
    places = np.interp(np.log(marked), np.log(rates), np.log(middle))
    axes.plot(marked, np.exp(places), "o", color=COLOURS[0], label="the four above")
    axes.set(xscale="log", xlabel="learning rate α")
    axes.set_title(title, fontsize="medium")
    axes.grid(alpha=0.3)


def draw(first: Sequence[Descent], edges: Array, sweep: Array) -> Figure:
    """Draw the four behaviours on both problems, and the final loss of each rate."""
    figure = Figure(figsize=(9.2, 8.4), layout="constrained")
    grid = figure.add_gridspec(3, 4)
    surface = grid[0, :].subgridspec(1, 4).subplots(sharey=True)
    curves = grid[1, :].subgridspec(1, 4).subplots(sharey=True)
    for axes, rate, behaviour in zip(surface, SURFACE_RATES, BEHAVIOURS, strict=True):
        draw_surface(axes, rate)
        title = f"surface, {behaviour}\nα = {rate:.2g} = {rate / EDGE:.2f} × edge"
        axes.set_title(title, fontsize="medium")
    surface[0].set_ylabel("w₂")
    for axes, rate, behaviour, descent in zip(curves, IRIS_RATES, BEHAVIOURS, first, strict=True):
        axes.axhline(np.log(3), color="0.4", linestyle=":", label="a guess, ln 3")
        axes.plot(descent.losses, color=COLOURS[0], linewidth=1.1)
        axes.set_title(f"iris, {behaviour}\nα = {rate:g}", fontsize="medium")
        axes.set(xlabel="step", ylim=(0.25, 150))
        axes.grid(alpha=0.3)
    logarithmic_losses(curves[0], LOSSES)
    curves[0].set_ylabel(f"loss, seed {SEED} (nats)")
    curves[0].legend(fontsize="small")
    bottom = grid[2, :].subgridspec(1, 2).subplots()
    rates = np.geomspace(0.005, 0.25, 200)
    ends = np.array([[height(descend(rate)[-1])] for rate in rates])
    title = f"surface: loss after {SURFACE_STEPS} steps"
    draw_sweep(bottom[0], rates, ends, SURFACE_RATES, title)
    bottom[0].axvline(EDGE, color=COLOURS[1], label=f"edge 2/λ_max = {EDGE:g}")
    bottom[0].set(yscale="log", ylabel="loss")
    title = f"iris: loss after {IRIS_STEPS} steps, {sweep.shape[1]} seeds"
    draw_sweep(bottom[1], SWEEP, sweep, IRIS_RATES, title)
    label = "edge 2/λ_max at the start, all seeds"
    bottom[1].axvspan(edges.min(), edges.max(), color=COLOURS[1], alpha=0.25, label=label)
    logarithmic_losses(bottom[1])
    bottom[1].set(ylabel="loss (nats)", ylim=(0.25, 5))
    for axes in bottom:
        axes.legend(fontsize="small", loc="upper left")
    return figure


def main() -> None:
    """Print the table, write it down, and draw the figure."""
    options = arguments(__doc__, seeds=10)
    networks = [Iris(seed) for seed in range(SEED, SEED + options.seeds)]
    edges = np.array([iris.edge(iris.start) for iris in networks])
    runs = {
        rate: [descend_on_iris(iris, rate, with_edge=True) for iris in networks]
        for rate in IRIS_RATES
    }
    sweep = np.array([[descend_on_iris(iris, a).losses[-1] for iris in networks] for a in SWEEP])
    surface = [
        (
            behaviour,
            f"{rate:.3g}",
            f"{rate / EDGE:.2f}",
            ", ".join(f"{1 - rate * curvature:.2f}" for curvature in CURVATURES),
            f"{height(descend(rate)[-1]):.3g}",
        )
        for behaviour, rate in zip(BEHAVIOURS, SURFACE_RATES, strict=True)
    ]
    rows = []
    for behaviour, (rate, descents) in zip(BEHAVIOURS, runs.items(), strict=True):
        calm = [each for each in descents if not each.diverged]
        rows.append(
            (
                behaviour,
                f"{rate:g}",
                f"{descents[0].losses.max():.3g}",
                f"{descents[0].losses[-1]:.3g}",
                f"{np.median([each.losses[-1] for each in descents]):.3g}",
                f"{len(descents) - len(calm)} of {len(descents)}",
                f"{np.median([each.edge for each in calm]):.3g}" if calm else "–",
            )
        )
    lines = [
        *header(
            "Too high, too low",
            f"too_high_too_low.py --seeds {options.seeds}",
            "W ← W − α·∂L/∂W on a surface and on iris (unscaled, the tutorial's 50-12-3 network "
            "and training rows, all of them in every step)",
        ),
        f"L = ½(w₁² + 10·w₂²) from ({START[0]:g}, {START[1]:g}), {SURFACE_STEPS} steps; the edge "
        f"2/λ_max is {EDGE:g}. A step multiplies w₁ and w₂ by 1 − α and 1 − 10·α.",
        "",
        *table(("on the surface", "α", "α / edge", "factors", "loss at the end"), surface),
        "",
        f"Iris, {IRIS_STEPS} steps; the edge 2/λ_max is {edges[0]:.3g} at the start of seed "
        f"{SEED}, and {np.median(edges):.3g} ({edges.min():.3g} to {edges.max():.3g}) over seeds "
        f"{SEED} to {SEED + options.seeds - 1}. Diverged: the loss passed ten times the larger of "
        "ln 3 and its start. The last column is the median over those that did not.",
        "",
        *table(
            (
                "on iris",
                "α",
                f"highest loss, seed {SEED}",
                f"last loss, seed {SEED}",
                "last loss, median",
                "diverged",
                "2/λ_max at the end",
            ),
            rows,
        ),
    ]
    figure = draw([descents[0] for descents in runs.values()], edges, sweep)
    write(options.results, "too_high_too_low", lines, figure)


if __name__ == "__main__":
    main()
