"""The frozen result of a confirmation on fresh replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from lrtune.support.numbers import estimate
from lrtune.tuning.confirm.errors import Sample, stated_error
from lrtune.tuning.confirm.measurement import Profile
from lrtune.tuning.record.schema import decode, encode
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.replicates import Folds

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Contender:
    """A setting that raced on fresh replicates.

    Attributes
    ----------
    trial : int
        Its number in the study.
    setting : Setting
    search_loss : float
        Loss in the search, or minus the user's metric.
    loss : float or None
        Mean over the replicates of the race that it trained on, or minus that of the user's metric;
        None if it diverged on one, or if there was no race.
    replicates : int
        Number of these replicates.
    status : {"recommended", "tied", "contending", "worse", "dead", "diverged"}
        "tied" is within one standard error of the best; "contending" is not significantly worse;
        "dead" did not learn on a replicate.
    """

    trial: int
    setting: Setting
    search_loss: float
    loss: float | None
    replicates: int
    status: str


@dataclass(frozen=True)
class Estimate:
    """A mean loss over replicates and its standard error; `diverged` if it did on one of them.

    Of a metric, the mean is that of minus its values.

    Twice the error covers in 95 %, whatever the number of replicates.
    """

    loss: float | None
    se: float | None
    diverged: bool = False

    @classmethod
    def of(
        cls, measured: Sample, earlier: Sample | None = None, *, folds: Folds | None = None
    ) -> Self:
        """Return the estimate from one setting's losses, inf where it diverged."""
        if not np.isfinite(measured.losses).all():
            return cls(None, None, diverged=True)
        return cls(float(measured.losses.mean()), stated_error(measured, earlier, folds))


@dataclass(frozen=True)
class Confirmation:
    """The outcome of training the best settings on fresh replicates.

    With a `metric`, that is measured in place of the loss: `recommended`, `default`, `gain`,
    `baseline` and `profile` are of minus its values, so that smaller is better as of a loss.

    Attributes
    ----------
    contenders : tuple of Contender
        Settings of the race, the recommended one first.
    recommended : Estimate
        The recommended setting's loss on replicates that were not used to choose it, as for all
        that follows.
    default, baseline : Estimate or None
        Loss of the untuned setting, and of a learning-rate-free optimizer.
    gain : Estimate or None
        Loss of the default minus that of the recommended setting, paired by replicate.
    score : float or None
        Mean accuracy or R² of the recommended setting, where the trainer has one.
    profile : Profile
        Loss at rates around the recommended one.
    naive_loss : float or None
        Loss of predicting the training rows' class shares, or their mean target.
    replicates : int
        Number of these replicates.
    tied_decays : tuple of str
        Decay types with a setting that is tied with the best, the recommended one's first.
    epochs : float
        Epochs trained by the confirmation.
    share : float
        The same as a share of the epochs trained by the search.
    trainings : int or None
        Trainings of the confirmation; None if a release before 0.2 wrote it.
    keeps_default : bool
        Whether the untuned setting is recommended, as no other did better.
    dead : int
        Trainings of the recommended setting, among its measurement's, that did not learn.
    predicted_range : tuple of float or None
        Safe range of α₀ that the model of the losses predicts; `profile` has the one measured.
    fixed_splits : int or None
        Number of the splits that all replicates have, if none are drawn at random.
    metric : str or None
        The user's metric that was measured; None if it is the loss, as it always was before 0.2.
    loss, default_loss : Estimate or None
        Losses of the recommended and of the untuned setting beside the metric; None without one.
    """

    KEY: ClassVar[str] = "confirmation"

    contenders: tuple[Contender, ...]
    recommended: Estimate
    default: Estimate | None
    gain: Estimate | None
    score: float | None
    profile: Profile
    naive_loss: float | None
    replicates: int
    tied_decays: tuple[str, ...]
    epochs: float
    share: float
    baseline: Estimate | None = None
    trainings: int | None = None
    keeps_default: bool = False
    dead: int = 0
    predicted_range: tuple[float, float] | None = None
    fixed_splits: int | None = None
    metric: str | None = None
    loss: Estimate | None = None
    default_loss: Estimate | None = None

    @property
    def losses(self) -> tuple[Estimate, Estimate | None]:
        """Return the recommended and the untuned setting's losses, also beside a metric."""
        if self.loss is None:
            return self.recommended, self.default
        return self.loss, self.default_loss

    @property
    def sensitivity(self) -> float | None:
        """Return the profile's; None of a single rate, and of a metric, whose start is unknown."""
        if self.metric is not None or len(self.profile.rates) == 1:
            return None
        return self.profile.sensitivity

    @property
    def safe_range(self) -> tuple[float, float] | None:
        """Return the safe range: as measured, or as predicted if no other rate was measured."""
        return self.profile.safe_range or self.predicted_range

    @property
    def safe_range_is_measured(self) -> bool:
        """Return whether the ends of the safe range were trained."""
        return self.profile.safe_range is not None

    def __repr__(self) -> str:
        """Return what was measured, in short; `to_json` has all of it."""
        metric = self.metric or "loss"
        sign = -1.0 if self.metric else 1.0
        texts = {"replicates": str(self.replicates), "contenders": str(len(self.contenders))}
        for name, each in (("", self.recommended), ("default_", self.default)):
            if each is not None:
                texts[f"{name}{metric}"] = estimate(each.loss and sign * each.loss, each.se)
        return f"Confirmation({', '.join(f'{name}={text}' for name, text in texts.items())})"

    def summary(self) -> dict[str, Any]:
        """Return the part of the confirmation that ``lrtune search --json`` prints."""
        return {
            "replicates": self.replicates,
            "contenders": len(self.contenders),
            "epochs": self.epochs,
            "share": self.share,
            "metric": self.metric,
            "default_se": self.losses[1] and self.losses[1].se,
            "gain": self.gain and self.gain.loss,
            "gain_se": self.gain and self.gain.se,
            "keeps_default": self.keeps_default,
            "baseline_loss": None if self.baseline is None else self.baseline.loss,
            "naive_loss": self.naive_loss,
            "sensitivity": self.sensitivity,
            "safe_range_is_measured": self.safe_range_is_measured,
            "safe_range_is_bounded": list(self.profile.is_bounded),
            "tied_decays": list(self.tied_decays),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the confirmation as JSON values."""
        values = asdict(self)
        values["contenders"] = [
            {**asdict(each), "setting": _encode(each.setting)} for each in self.contenders
        ]
        values["profile"] = self.profile.to_json()
        values["tied_decays"] = list(self.tied_decays)
        values["predicted_range"] = self.predicted_range and list(self.predicted_range)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the confirmation of the JSON values of `to_json`."""
        estimates = {
            name: None if values.get(name) is None else Estimate(**values[name])
            for name in ("recommended", "default", "gain", "baseline", "loss", "default_loss")
        }
        contenders = tuple(
            Contender(**{**each, "setting": _decode(each["setting"])})
            for each in values["contenders"]
        )
        typed = {
            "contenders": contenders,
            "profile": Profile.from_json(values["profile"]),
            "tied_decays": tuple(values["tied_decays"]),
            "predicted_range": values.get("predicted_range") and tuple(values["predicted_range"]),
        }
        plain = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        return cls(**{**plain, **estimates, **typed})


def _encode(setting: Setting) -> dict[str, Any]:
    return {name: encode(value) for name, value in setting.params.items()}


def _decode(params: Mapping[str, Any]) -> Setting:
    return Setting.from_params({name: decode(value) for name, value in params.items()})
