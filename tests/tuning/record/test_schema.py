"""Every fact survives the way through JSON, whatever values it holds."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial

from lrtune.tables.columns import Column
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.record.schema import (
    SCHEMA_VERSION,
    DataFacts,
    DivergedAt,
    Ending,
    Environment,
    FunctionFacts,
    Plan,
    PruningAudit,
    Request,
    SearchFacts,
    Seconds,
    Source,
    Step,
    TableFacts,
    TrainerFacts,
    TrialFacts,
    decode,
    encode,
    stable_repr,
)
from lrtune.tuning.space import DEFAULT_DECAYS, Space

numbers = st.floats(allow_nan=False)
positive = st.floats(1e-12, 1e12)
words = st.text(max_size=8)
naturals = st.integers(0, 10**6)
scalars = st.none() | st.booleans() | st.integers() | numbers | words
sources = st.builds(Source, words)
parameters = st.dictionaries(
    words,
    st.recursive(
        scalars | sources,
        lambda inner: (
            st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(st.integers() | words, inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=4,
)
ranges = st.tuples(positive, positive).map(lambda pair: tuple(sorted(pair)))


def tuples(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, max_size=3).map(tuple)


data = st.builds(DataFacts, words, st.none() | words, words, naturals, naturals)
steps = st.builds(Step, words, words, parameters, st.booleans())
functions = st.builds(FunctionFacts, words, st.none() | words, words, words)
trainers = st.builds(
    TrainerFacts,
    words,
    words,
    words,
    naturals,
    parameters,
    tuples(words),
    tuples(steps),
    st.none() | functions,
    st.booleans(),
    st.booleans(),
)
dimensions = st.sampled_from(
    [
        ("alpha", Dimension.of("alpha", (1e-6, 1e-2))),
        ("batch_size", Dimension.of("batch_size", [16, 32])),
        ("hidden_layer_sizes", Dimension.of("hidden_layer_sizes", [(8,), (6, 4)])),
    ]
)
spaces = st.builds(
    Space,
    st.none() | ranges,
    st.lists(st.sampled_from(DEFAULT_DECAYS), min_size=1, unique=True).map(tuple),
    ranges,
    st.lists(dimensions, max_size=2, unique_by=lambda each: each[0]).map(tuple),
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2)
)
columns = st.builds(Column, words, words, done=tuples(st.tuples(words, naturals)))
FACTS: dict[type[Any], st.SearchStrategy[Any]] = {
    DataFacts: data,
    Step: steps,
    FunctionFacts: functions,
    TrainerFacts: trainers,
    SearchFacts: st.builds(
        SearchFacts,
        words,
        data,
        naturals,
        naturals,
        trainers,
        words,
        json_values,
        words,
        words,
        spaces,
        naturals,
        st.none() | words,
    ),
    Plan: st.builds(
        Plan,
        naturals,
        st.booleans(),
        st.none() | naturals,
        st.none() | numbers,
        st.none() | numbers,
        st.none() | st.dictionaries(words, scalars, max_size=3),
        tuples(tuples(st.none() | positive)),
    ),
    Seconds: st.builds(Seconds, positive, positive, positive),
    PruningAudit: st.builds(PruningAudit, naturals, naturals, naturals, naturals),
    Ending: st.builds(
        Ending,
        naturals,
        st.booleans(),
        tuples(words),
        st.none() | st.builds(Seconds, positive, positive, positive),
        st.none() | words,
        st.none() | st.builds(PruningAudit, naturals, naturals, naturals, naturals),
    ),
    Environment: st.builds(
        Environment,
        words,
        st.dictionaries(words, words, max_size=3),
        st.builds(TableFacts, tuples(words), tuples(columns)),
    ),
    Request: st.builds(
        Request, task=words, alpha0=st.none() | ranges, decay_rate=st.none() | ranges
    ),
    DivergedAt: st.builds(DivergedAt, naturals, naturals, naturals, st.none() | numbers),
    TrialFacts: st.builds(
        TrialFacts,
        positive,
        st.none() | naturals,
        st.none() | st.builds(DivergedAt, naturals, naturals, naturals, st.none() | numbers),
        st.none() | words,
        positive,
        tuples(numbers),
        tuples(tuples(numbers)),
        st.none() | numbers,
        st.none() | tuples(numbers),
        st.none() | st.dictionaries(words, tuples(numbers), max_size=2),
        naturals,
    ),
}
"""A strategy for every dataclass of the schema."""


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
@settings(max_examples=20, deadline=None)
@given(draw=st.data())
def test_a_fact_comes_back_from_json_as_it_was(kind: type[Any], draw: st.DataObject) -> None:
    fact = draw.draw(FACTS[kind])
    values = fact.to_json()

    assert kind.from_json(through_json(values)) == fact
    assert through_json(values) == values  # in memory and in a file alike


@settings(max_examples=50, deadline=None)
@given(parameters)
def test_a_parameter_comes_back_from_json_as_it_was(values: dict[str, Any]) -> None:
    for value in values.values():
        assert decode(through_json(encode(value))) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([50, 12]), (50, 12)),
        ([50, (12, 3)], (50, (12, 3))),
        ({0: np.float64(2.0), 1: 1.0}, {0: 2.0, 1: 1.0}),
        ({("a", 1): 2}, {("a", 1): 2}),
        (math.inf, math.inf),
        (math.nan, Source("nan")),
        (len, Source("<built-in function len>")),
        (np.random.RandomState, Source("<class 'numpy.random.mtrand.RandomState'>")),
        (Source("RandomState(MT19937)"), Source("RandomState(MT19937)")),
    ],
    ids=repr,
)
def test_a_value_that_json_lacks_becomes_its_nearest_kin(value: Any, expected: Any) -> None:
    decoded = decode(through_json(encode(value)))

    assert decoded == expected
    assert type(decoded) is type(expected)
    assert encode(decoded) == encode(value)


def nested() -> Callable[[], None]:
    return lambda: None


def test_a_functions_source_is_the_same_in_every_process() -> None:
    assert stable_repr(nested()) == stable_repr(nested())
    assert "0x" not in stable_repr(nested())
    assert repr({"f": Source("<function f>")}) == "{'f': <function f>}"


def test_numbers_of_numpy_become_pythons_own() -> None:
    facts = TrialFacts(
        epochs=np.float64(3), replicate_losses=(np.float32(0.5),), score=np.float64(1)
    )
    plan = Plan(n_trials=np.int64(3), naive_loss=np.float32(0.25))

    assert TrialFacts.from_json(through_json(facts.to_json())) == facts
    assert Plan.from_json(through_json(plan.to_json())) == plan


def test_a_trial_carries_only_what_it_has() -> None:
    short, full = TrialFacts(), TrialFacts(score=0.0, replicate_scores=(), metrics={}, worker=3)

    assert set(full.to_json()) - set(short.to_json()) == {
        "metrics",
        "replicate_scores",
        "score",
        "worker",
    }
    assert TrialFacts.of(create_trial(value=0.0, user_attrs={**full.to_json(), "note": 1})) == full


def test_a_search_carries_the_version_of_the_schema() -> None:
    space = Space.default(3, learning_rate_init=(0.01, 1.0))
    trainer = TrainerFacts("MLPClassifier", "classification", "log_loss", 3, {"max_iter": 3})
    facts = SearchFacts("1", DataFacts(), 0, 2, trainer, "loss", None, "d", "s", space, 16)

    assert facts.to_json()["schema"] == SCHEMA_VERSION
    assert facts.trainer.epochs == 3


@pytest.mark.parametrize("kind", [Plan, Ending, TrialFacts])
def test_keys_that_are_missing_or_unknown_are_no_error(kind: type[Any]) -> None:
    assert kind.from_json({"of a later release": 1}) == kind()


def test_a_request_takes_its_own_among_a_commands_options() -> None:
    options = dict.fromkeys(Request.__dataclass_fields__) | {"hidden": [50, 12]}
    request = Request.from_json({**options, "quiet": True})

    assert request.hidden == (50, 12)


def test_choices_that_optuna_cannot_hold_come_back_as_values() -> None:
    space = Space.of({"hidden_layer_sizes": [(8,), (6, 4)]}, 20)
    name, dimension = Space.from_json(through_json(space.to_json())).others[0]

    assert name == "hidden_layer_sizes"
    assert dimension.distribution == CategoricalDistribution(("(8,)", "(6, 4)"))
    assert dimension.value("(6, 4)") == (6, 4)
