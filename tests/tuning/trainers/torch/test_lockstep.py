"""Settings in lockstep, one by one and by a loop of one's own have the same losses."""

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lrtune  # noqa: E402
from lrtune.cli import main  # noqa: E402
from lrtune.exceptions import (  # noqa: E402
    InvalidInputError,
    LrtuneWarning,
    NothingCompletedError,
)
from lrtune.tuning.space import Space  # noqa: E402
from lrtune.tuning.trainers.protocol import Control, Outcome  # noqa: E402
from tests.tuning.trainers.torch.modules import (  # noqa: E402
    EPOCHS,
    MODULES,
    OPTIMIZERS,
    Branching,
    by_hand,
    cross_entropy,
    dropping,
    lockstep,
    make_trainer,
    mlp,
    nn,
    rows,
    settings,
)

pytestmark = pytest.mark.torch
SPACE = Space.of({"learning_rate_init": (1e-4, 1.0)}, EPOCHS)
RATES = (1e-3, 1e6, 1e-2, 3e-3)
"""The second diverges at once, so that its neighbours go on in a smaller stack."""
OVERFLOWS = {"sgd", "momentum", "nesterov"}
"""Optimizers whose loss is not finite then."""


def train(trainer: Any, space: Space = SPACE, **kwargs: Any) -> list[Outcome]:
    """Train settings on replicates, as a search does."""
    whole = lockstep(trainer)
    whole.check(space)
    whole.scale(space, ())
    own = kwargs.pop("settings", settings(*RATES))
    replicates = kwargs.pop("replicates", [0, 1])
    found = whole.train(own, replicates, Control(**kwargs))
    return [outcome for outcomes in found for outcome in outcomes]


def assert_same(first: list[Outcome], second: list[Outcome], rtol: float = 1e-8) -> None:
    for one, other in zip(first, second, strict=True):
        assert one.setting == other.setting
        np.testing.assert_allclose(one.validation_curves, other.validation_curves, rtol=rtol)
        assert (one.epochs, one.trainings, one.pruned) == (
            other.epochs, other.trainings, other.pruned,
        )  # fmt: skip
        assert (one.diverged is None) == (other.diverged is None)
        if one.diverged is not None and other.diverged is not None:
            assert one.diverged.replicate == other.diverged.replicate
            assert one.diverged.epoch == other.diverged.epoch


def assert_as_by_hand(
    name: str, optimizer: str, dtype: Any, rtol: float, replicates: tuple[int, ...] = (0, 1)
) -> None:
    """Compare lockstep with both ways to train one setting after the other."""
    options = {"weight_decay": 0.01, "clip_norm": 1.0}
    if optimizer in OVERFLOWS:
        options["clip_norm"] = 1e3  # at a norm of 1, nothing overflows within two epochs
    trainer = make_trainer(MODULES[name], optimizer=optimizer, dtype=dtype, **options)
    together = train(trainer, replicates=replicates)

    assert_same(together, train(trainer.alone(), replicates=replicates), rtol)
    assert [outcome.diverged is not None for outcome in together] == [False, True, False, False]
    whole = lockstep(trainer)
    for outcome in together:
        schedule = whole.loop.schedule(outcome.setting)
        for replicate in replicates if outcome.diverged is None else ():
            seed = whole.replicate_seed(replicate)
            losses = list(
                by_hand(
                    MODULES[name], whole.data, schedule, seed, optimizer, dtype=dtype, **options
                )
            )
            assert outcome.validation_curves[replicate].tolist() == pytest.approx(losses, rel=rtol)


@pytest.mark.parametrize(("name", "optimizer"), [("mlp", "adam")])
def test_lockstep_has_the_losses_of_a_loop_by_hand(name: str, optimizer: str) -> None:
    assert_as_by_hand(name, optimizer, torch.float64, 1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_them_with_every_optimizer(name: str, optimizer: str) -> None:
    assert_as_by_hand(name, optimizer, torch.float64, 1e-8, replicates=(0,))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_in_single_precision_they_agree_as_far_as_rounding_allows(name: str) -> None:
    assert_as_by_hand(name, "nesterov", torch.float32, 1e-4, replicates=(0,))


@pytest.mark.slow
def test_a_recorded_step_has_the_same_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtune.tuning.trainers.torch.recorded.RECORD_AFTER", 0)
    monkeypatch.setitem(MODULES, "dropout", dropping)
    for name in MODULES:
        assert_as_by_hand(name, "adamw", torch.float64, 1e-8)


@pytest.mark.slow
def test_dropout_draws_the_same_as_one_by_one_unless_asked_otherwise() -> None:
    trainer = make_trainer(dropping)
    own = {"settings": settings(1e-2, 1e-2), "replicates": [0, 1]}
    together = train(trainer, **own)
    different = train(make_trainer(dropping, randomness="different"), **own)

    assert_same(together, train(trainer.alone(), **own))
    first, second = together
    assert first.validation_curves.tolist() == second.validation_curves.tolist()
    first, second = different
    assert first.validation_curves.tolist() != second.validation_curves.tolist()


@pytest.mark.slow
def test_stacks_of_any_size_have_the_same_losses() -> None:
    trainer = make_trainer()
    whole, parts = (train(make_trainer(max_stacked=n)) for n in (None, 3))

    assert_same(whole, parts)
    assert_same(whole, train(trainer.alone()))


@pytest.mark.slow
def test_a_stack_that_does_not_fit_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrtune.tuning.trainers.torch import lockstep as module

    sizes = []

    class Full(module.Stack):
        def __init__(self, stacked: Any, members: Any) -> None:
            sizes.append(len(members))
            if len(members) > 3:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            super().__init__(stacked, members)

    expected = train(make_trainer())
    monkeypatch.setattr(module, "Stack", Full)

    assert_same(train(make_trainer()), expected)
    assert sizes[:3] == [8, 4, 2]


@pytest.mark.slow
def test_settings_that_differ_in_module_or_batch_size_train_in_stacks_of_their_own() -> None:
    own = [
        setting
        for hidden in (4, 8)
        for size in (16, 32)
        for setting in settings(1e-2, 1e-3, hidden=hidden, batch_size=size)
    ]
    own += settings(1e-2, hidden=5, batch_size=7)
    spec = {"learning_rate_init": (1e-4, 1.0), "hidden": [4, 5, 8], "batch_size": [7, 16, 32]}
    space = Space.of(spec, EPOCHS)
    trainer = make_trainer(mlp)
    together = train(trainer, space, settings=own[::-1])

    assert_same(together, train(trainer.alone(), space, settings=own[::-1]))
    assert len({tuple(each.validation_curves.ravel()) for each in together}) == len(own)


@pytest.mark.slow
def test_options_that_are_searched_hold_for_their_setting_alone() -> None:
    own = [
        *settings(1e-2, weight_decay=0.0, momentum=0.0),
        *settings(1e-2, weight_decay=0.5, momentum=0.9),
    ]
    spec = {"learning_rate_init": (1e-4, 1.0), "weight_decay": (0.0, 1.0), "momentum": [0.0, 0.9]}
    space = Space.of(spec, EPOCHS)
    trainer = make_trainer(optimizer="momentum")
    together = train(trainer, space, settings=own)

    assert_same(together, train(trainer.alone(), space, settings=own))
    assert together[0].validation_curves.tolist() != together[1].validation_curves.tolist()


@pytest.mark.slow
def test_a_plateau_follows_each_settings_own_losses() -> None:
    own = settings(0.1, 1e-5, decay="plateau")
    whole = lockstep(make_trainer(), epochs=6)
    alone = lockstep(make_trainer().alone(), epochs=6)
    for each in (whole, alone):
        each.check(Space.of({"decay": "plateau", "learning_rate_init": (1e-5, 1.0)}, 6))

    assert_same(*([o for os in each.train(own, [0]) for o in os] for each in (whole, alone)))


@pytest.mark.slow
def test_pruned_settings_leave_the_stack_and_are_not_trained_on_further_replicates() -> None:
    asked = []

    def prune(index: int, epoch: int, loss: float) -> bool:
        asked.append((index, epoch))
        return index == 2

    outcomes = train(make_trainer(), prune=prune)

    assert [outcome.pruned for outcome in outcomes] == [False, False, True, False]
    assert outcomes[2].validation_curves.shape == (1, 1)
    assert asked == [(0, 1), (2, 1), (3, 1)]


@pytest.mark.slow
def test_an_error_that_is_let_pass_is_its_settings_alone() -> None:
    def fragile(hidden: int = 8, fails: bool = False) -> Any:
        if fails:
            raise ArithmeticError("too far")
        return mlp(hidden)

    whole = lockstep(make_trainer(fragile), catch=(ArithmeticError,))
    spec = {"learning_rate_init": (1e-4, 1.0), "fails": [False, True]}
    whole.check(Space.of(spec, EPOCHS))
    own = [*settings(1e-2, fails=False), *settings(1e-2, fails=True)]
    first, second = (o for os in whole.train(own, [0]) for o in os)

    assert first.is_complete
    assert second.failure == "ArithmeticError: too far"


def test_no_stack_begins_after_the_deadline() -> None:
    assert train(make_trainer(), deadline=0.0) == []


def test_what_cannot_be_stacked_trains_one_by_one_and_says_why() -> None:
    trainer = make_trainer(Branching, lockstep=None)
    whole = lockstep(trainer)
    with pytest.warns(LrtuneWarning, match="`Branching` train one by one: torch cannot batch it"):
        whole.check(SPACE)

    assert whole.facts().choice.lockstep is False
    assert "cannot batch" in whole.facts().choice.reason
    whole.scale(SPACE, ())
    found = [o for os in whole.train(settings(*RATES), [0]) for o in os]
    assert_same(found, train(trainer.alone(), replicates=[0]))
    with pytest.raises(InvalidInputError, match="`lockstep=True` needs a module whose settings"):
        lockstep(make_trainer(Branching)).check(SPACE)


# --- the search -----------------------------------------------------------------------------------


def search(trainer: Any, **kwargs: Any) -> lrtune.SearchResult:
    return lrtune.search(trainer, epochs=EPOCHS, trainings=12, **{"storage": None} | kwargs)


@pytest.mark.slow
def test_a_search_recommends_and_trains_a_module(folder: Any, capsys: Any) -> None:
    trainer = make_trainer()
    before = torch.get_rng_state()
    result = search(trainer, storage="a.journal", space={"learning_rate_init": (0.01, 1.0)})
    module = result.module()

    assert torch.equal(torch.get_rng_state(), before)
    assert result.facts.trainer.choice.lockstep is True
    fresh = mlp().double()
    fresh.load_state_dict(module.state_dict())
    whole = lockstep(trainer)
    seed = whole.replicate_seed(0)
    _, held_out = whole.data.split(seed)
    X, y = whole.data.train.take(torch.from_numpy(held_out))
    *_, expected = by_hand(mlp, whole.data, result.schedule, seed)
    assert cross_entropy(fresh(*X), y).item() == pytest.approx(expected, rel=1e-8)

    again = search(
        trainer, storage="a.journal", space={"learning_rate_init": (0.01, 1.0)}, resume=True
    )
    assert again.schedule == result.schedule
    read = lrtune.tuning.result.read_result(result.study, "a.journal")
    assert read == again
    with pytest.raises(InvalidInputError, match="one that was read from a record"):
        read.module()
    assert pickle.loads(pickle.dumps(result)).trainer is None  # noqa: S301
    main(["show", str(result.study), "--storage", "a.journal"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "in lockstep the same numbers as one by one" in shown
    assert "Use it: result.module() in Python, or lrtune.Schedule(" in shown
    report = folder / "a.html"
    lrtune.write_report(result, report)
    assert "in lockstep: the same numbers as one by one" in report.read_text()


@pytest.mark.slow
def test_a_resumed_search_trains_as_its_record_says(folder: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LrtuneWarning)  # it may be slower here
        first = search(make_trainer(lockstep=None), storage="a.journal", confirm=False)
        again = search(make_trainer(lockstep=None), storage="a.journal", confirm=False, resume=True)

    assert again.facts == first.facts
    with pytest.raises(InvalidInputError, match="lockstep"):
        search(
            make_trainer(lockstep=not first.facts.trainer.choice.lockstep),
            storage="a.journal", confirm=False, resume=True,
        )  # fmt: skip


@pytest.mark.slow
def test_other_rows_are_another_search(folder: Any) -> None:
    search(make_trainer(), storage="a.journal", confirm=False)
    with pytest.raises(InvalidInputError, match="data"):
        search(make_trainer(train=rows(seed=1)), storage="a.journal", confirm=False, resume=True)


@pytest.mark.slow
def test_both_ways_lead_to_the_same_trials() -> None:
    results = [search(make_trainer(lockstep=each), confirm=False) for each in (True, False)]
    params = [[trial.params for trial in result.finished] for result in results]
    values = [[trial.value for trial in result.finished] for result in results]

    assert params[0] == params[1]
    assert values[0] == pytest.approx(values[1], rel=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_jobs": 2}, "`n_jobs` must be left out with a TorchTrainer"),
        ({"gpus": [0]}, "`gpus` must be left out with a TorchTrainer"),
        ({"per_gpu": 2}, "`per_gpu` must be left out with a TorchTrainer"),
        ({"direction": "maximize"}, "`direction` must be 'minimize' with a TorchTrainer"),
        ({"space": {"hiden": [1, 2]}}, r"`make_module` must take \(hiden\)"),
        ({"space": {"momentum": (0.5, 0.9)}}, "'momentum' with the optimizers momentum and"),
        ({"space": {"weight_decay": (-1.0, 0.1)}}, "`weight_decay` must be a number at least 0"),
        ({"space": {"power": (1.0, 2.0)}}, "'power', which is the schedule's"),
    ],
)
def test_a_search_refuses_what_does_not_go_with_it(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        search(make_trainer(), **arguments)


@pytest.mark.parametrize("device", ["nowhere", "meta:meta", 1.5])
def test_a_device_that_torch_cannot_use_is_refused(device: Any) -> None:
    with pytest.raises(InvalidInputError, match="`device` must be one that torch can use here"):
        lockstep(make_trainer(device=device))


def test_a_module_that_diverges_cannot_be_had() -> None:
    whole = lockstep(make_trainer())
    whole.scale(SPACE, ())
    with pytest.raises(NothingCompletedError, match="diverged on replicate 3"):
        whole.module(settings(1e300)[0], 3)


def test_another_result_has_no_module() -> None:
    def loop(schedule: Any, seed: int) -> Any:
        yield 1.0
        yield schedule(1)

    with pytest.raises(InvalidInputError, match="no trainer, as one of another training"):
        search(loop, confirm=False).module()


@pytest.mark.slow
def test_frozen_parameters_stay_as_they_are() -> None:
    def frozen() -> Any:
        model = mlp()
        model[0].weight.requires_grad_(False)
        return model

    trainer = make_trainer(frozen)
    assert_same(train(trainer), train(trainer.alone()))
    whole = lockstep(trainer)
    module = whole.module(settings(0.1)[0])
    torch.manual_seed(whole.replicate_seed(0))
    assert torch.equal(module[0].weight, frozen().double()[0].weight)


@pytest.mark.slow
def test_lazy_layers_take_their_shapes_from_the_rows() -> None:
    trainer = make_trainer(lambda: nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3)))

    assert_same(train(trainer), train(trainer.alone()))
