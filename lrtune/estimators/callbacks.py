"""Support for scikit-learn's callbacks, where the installed version has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lrtune.training.loop import Epoch


class FitCallbacks:
    """Calls scikit-learn's callbacks during a fit; does nothing if there are none."""

    def __init__(self, estimator: Any, n_epochs: int, X: Any, y: Any, sample_weight: Any) -> None:
        self.n_epochs = n_epochs
        self._context: Any = None
        self._epoch: Any = None
        if hasattr(estimator, "_skl_callbacks"):  # otherwise it would cost 5 % of a fit on iris
            metadata = None if sample_weight is None else {"sample_weight": sample_weight}
            self._arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
            self._context = estimator._init_callback_context(max_subtasks=n_epochs)
            self._context.call_on_fit_task_begin(**self._arguments)

    def announce(self, training: Iterator[Epoch]) -> Iterator[Epoch]:
        """Call the callbacks before each epoch, and yield the epoch."""
        for _ in range(self.n_epochs):
            if self._context is not None:
                self._epoch = self._context.subcontext(task_name="epoch")
                self._epoch.call_on_fit_task_begin(**self._arguments)
            epoch = next(training, None)
            if epoch is None:
                return
            yield epoch

    def end_epoch(self, fitted_attributes: Callable[[], dict[str, Any]]) -> bool:
        """Call the callbacks after an epoch; return True if one requests to stop."""
        return self._epoch is not None and bool(
            self._epoch.call_on_fit_task_end(
                **self._arguments, reconstruction_attributes=fitted_attributes
            )
        )

    def end_diverged_epoch(self) -> None:
        """Call the callbacks after an epoch that diverged, without a model."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(**self._arguments)

    def end(self) -> None:
        """Call the callbacks after the fit."""
        if self._context is not None:
            self._context.call_on_fit_task_end(**self._arguments, reconstruction_attributes={})
