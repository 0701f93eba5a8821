"""scikit-learn's callbacks, where the installed scikit-learn has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lrtune.training.loop import Epoch

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""


__all__ = ["CallbackSupportMixin", "FitCallbacks"]


class FitCallbacks:
    """scikit-learn's callbacks around the epochs of a fit; nothing where it has none."""

    def __init__(self, estimator: Any, n_epochs: int, X: Any, y: Any, sample_weight: Any) -> None:
        self.n_epochs = n_epochs
        self._context: Any = None
        self._epoch: Any = None
        if hasattr(estimator, "_skl_callbacks"):  # else they take 5 % of a fit on iris
            metadata = None if sample_weight is None else {"sample_weight": sample_weight}
            self._facts = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
            self._context = estimator._init_callback_context(max_subtasks=n_epochs)
            self._context.call_on_fit_task_begin(**self._facts)

    def around(self, training: Iterator[Epoch]) -> Iterator[Epoch]:
        """The epochs, each announced before it begins."""
        for _ in range(self.n_epochs):
            if self._context is not None:
                self._epoch = self._context.subcontext(task_name="epoch")
                self._epoch.call_on_fit_task_begin(**self._facts)
            epoch = next(training, None)
            if epoch is None:
                return
            yield epoch

    def end_epoch(self, fitted: Callable[[], dict[str, Any]]) -> bool:
        """Tell the callbacks; whether one of them asks to stop.

        Parameters
        ----------
        fitted : callable
            Gives the attributes that make an estimator a fitted one, as of now.
        """
        if self._epoch is None:
            return False
        return bool(
            self._epoch.call_on_fit_task_end(**self._facts, reconstruction_attributes=fitted)
        )

    def abandon_epoch(self) -> None:
        """Tell the callbacks that the epoch ended without a model, for it diverged."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(**self._facts)

    def end(self) -> None:
        """Tell the callbacks that the fit is over."""
        if self._context is not None:
            self._context.call_on_fit_task_end(**self._facts, reconstruction_attributes={})
