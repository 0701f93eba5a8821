"""Values of trials on different replicates, made comparable."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from lrtune.support.blas import one_blas_thread
from lrtune.tuning.confirm.result import Estimate
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import complete_trials
from lrtune.tuning.sampling.curve_features import Encoder
from lrtune.tuning.sampling.loss_model import LossModel, Observation
from lrtune.tuning.sampling.schedule_sampler import observe
from lrtune.tuning.space import Space


def comparable_values(
    trials: Sequence[FrozenTrial], space: Space, epochs: float
) -> dict[int, Estimate]:
    """Return the value of each completed trial, by number, on a replicate of average difficulty.

    The effect of its replicate, as `LossModel` estimates it, is taken out; the standard error is
    that of this effect. Values of trials that share their replicates are as they are.
    """
    complete = complete_trials(trials)
    replicates = {each.number: TrialFacts.of(each).replicates for each in complete}
    if len(set(replicates.values())) < 2:
        return {each.number: Estimate(each.value, None) for each in complete}
    with one_blas_thread():
        model = LossModel.fit(Encoder(space.distributions(), epochs), observe(trials))
    values = {}
    for each in complete:
        value: float = each.value  # type: ignore[assignment]
        own = Observation(each.params, value, replicates[each.number])
        values[each.number] = Estimate(*model.adjust(own))
    return values
