"""Studies that release 0.1.0 recorded, in today's schema."""

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.record.record import Record, read_facts
from lrtune.tuning.record.schema import (
    SCHEMA_VERSION,
    DataFacts,
    Ending,
    Environment,
    Plan,
    Request,
    SearchFacts,
    Source,
    Step,
)
from lrtune.tuning.record.upgrade import DEFAULTS, upgrade
from lrtune.tuning.space import DEFAULT_DECAYS, Space

KEY = SearchFacts.KEY
RELEASE = Path(__file__).parents[2] / "release"
STUDIES = {
    "table.journal": "houses",
    "python.journal": "wide",
    "interrupted.journal": "iris",
    "study.db": "iris",
}
"""Records that release 0.1.0 wrote, and the study in each."""


@pytest.fixture
def opened(folder: Path) -> Any:
    """Open a copy of a record of release 0.1.0."""

    def open_copy(name: str) -> tuple[str, Record]:
        copy = shutil.copy(RELEASE / name, folder)
        storage = f"sqlite:///{copy}" if name.endswith(".db") else str(copy)
        return storage, Record.look(storage, STUDIES[name])

    return open_copy


def facts_of(opened: Any, name: str) -> SearchFacts:
    return read_facts(opened(name)[1].study)


def test_a_search_of_a_table_is_read(opened: Any) -> None:
    facts = facts_of(opened, "table.journal")
    trainer = facts.trainer

    assert facts.version == "0.1.0"
    assert facts.data == DataFacts("houses", "price", "sklearn", 120, 4)
    assert (facts.seed, facts.replicates, facts.block_size) == (0, 3, 16)
    assert (facts.metric, facts.scoring, facts.pruner) == ("loss", None, "MedianPruner")
    assert facts.space == Space((0.002, 2.0), DEFAULT_DECAYS, (0.01, 10.0))
    assert (trainer.estimator, trainer.task) == ("MLPRegressor", "regression")
    assert (trainer.loss, trainer.epochs) == ("squared_error", 3)
    assert trainer.changed == ("dtype", "hidden_layer_sizes", "max_iter")
    assert trainer.parameters["hidden_layer_sizes"] == (8,)
    assert "class_weight" not in trainer.parameters
    (step,) = trainer.steps
    assert (step.kind, step.changed) == ("ColumnTransformer", True)
    assert step.source.startswith("ColumnTransformer(transformers=[('number',")
    assert "\n" not in step.source
    assert "('category', OneHot(), ['city', 'rooms'])" in step.source
    assert step.parameters["category"] == "OneHot()"
    assert "category__max_categories" not in step.parameters
    assert step.parameters["number__simpleimputer__strategy"] == "median"


def test_a_search_in_python_is_read(opened: Any) -> None:
    facts = facts_of(opened, "python.journal")
    trainer = facts.trainer
    layers = Dimension.of("hidden_layer_sizes", [(8,), (6, 4)])

    assert facts.data == DataFacts()
    assert (facts.metric, facts.scoring, facts.pruner) == ("score", "accuracy", None)
    assert facts.space == Space(
        (0.05, 0.5),
        ("polynomial", "cosine"),
        (0.01, 10.0),
        (
            ("power", Dimension(FloatDistribution(1.0, 3.0, log=True))),
            ("hidden_layer_sizes", layers),
        ),
    )
    assert dict(facts.space.others)["hidden_layer_sizes"].ends == ((8,), (6, 4))
    assert (trainer.estimator, trainer.task) == ("MLPClassifier", "classification")
    assert (trainer.loss, trainer.epochs) == ("log_loss", 3)
    assert trainer.changed == ("activation", "class_weight", "max_iter")
    assert trainer.parameters["activation"] == "tanh"
    assert trainer.parameters["class_weight"] == {0: 2.0, 1: 1.0, 2: 1.0}
    assert trainer.parameters["hidden_layer_sizes"] == (50, 12)
    assert trainer.parameters["random_state"] is None
    assert trainer.steps == (
        Step(
            "PowerTransformer",
            "PowerTransformer()",
            {"copy": True, "method": "yeo-johnson", "standardize": True},
        ),
    )


@pytest.mark.parametrize(
    ("name", "layers", "replicates", "rates"),
    [("interrupted.journal", (8,), 2, (0.015, 15.0)), ("study.db", (4,), 3, (0.011, 11.0))],
)
def test_a_search_of_bundled_data_is_read(
    opened: Any, name: str, layers: tuple[int, ...], replicates: int, rates: tuple[float, float]
) -> None:
    facts = facts_of(opened, name)

    assert facts.data == DataFacts("iris", "target", "sklearn", 150, 4)
    assert facts.replicates == replicates
    assert facts.space == Space(rates, DEFAULT_DECAYS, (0.015, 15.0))
    assert facts.trainer.task == "classification"
    assert facts.trainer.epochs == 2
    assert facts.trainer.changed == ("dtype", "hidden_layer_sizes", "max_iter")
    assert facts.trainer.parameters["hidden_layer_sizes"] == layers
    assert facts.trainer.parameters["class_weight"] is None
    (scaler,) = facts.trainer.steps
    assert (scaler.kind, scaler.source) == ("StandardScaler", "StandardScaler()")
    assert not scaler.changed


@pytest.mark.parametrize("name", STUDIES)
def test_every_other_fact_is_read_as_it_is(opened: Any, name: str) -> None:
    record = opened(name)[1]
    attributes = record.study.user_attrs
    plan, ending = record.read(Plan), record.read(Ending)

    assert plan.n_trials == attributes["plan"]["n_trials"]
    assert plan.edges == tuple(map(tuple, attributes["plan"]["edges"]))
    assert (ending is None) == (name == "interrupted.journal")
    assert (record.read(Environment) is None) == (name == "python.journal")
    assert (record.read(Request) is None) == (name == "python.journal")
    assert (record.read(Confirmation) is None) == ("confirmation" not in attributes)


@pytest.mark.parametrize("name", STUDIES)
def test_a_resumed_study_has_todays_schema_and_the_same_trials(opened: Any, name: str) -> None:
    storage, record = opened(name)
    facts, before = read_facts(record.study), record.study.get_trials()
    others = {key: each for key, each in record.study.user_attrs.items() if key != KEY}
    resumed = Record.resume(storage, record.name, facts)
    attributes = dict(resumed.study.user_attrs)
    values = attributes.pop(KEY)

    assert values["schema"] == SCHEMA_VERSION
    assert values == json.loads(json.dumps(facts.to_json()))
    assert read_facts(resumed.study) == facts
    assert resumed.study.get_trials() == before
    assert attributes == others


@pytest.mark.parametrize("name", STUDIES)
def test_the_defaults_are_those_of_the_release(opened: Any, name: str) -> None:
    """The release's repr of its network names the parameters that differ from its defaults."""
    record = opened(name)[1]
    recorded = record.study.user_attrs[KEY]["estimator"]
    source = recorded["mlpregressor" if name == "table.journal" else "mlpclassifier"]
    keywords = ast.parse(source, mode="eval").body.keywords  # type: ignore[attr-defined]

    assert {keyword.arg for keyword in keywords} == set(read_facts(record.study).trainer.changed)
    # every search had another max_iter; release 0.1.0 prints 20 for MLPClassifier().max_iter
    assert DEFAULTS["max_iter"] == 20


# --- what no file in tests/release holds ----------------------------------------------------------


def version_1(space: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    """Return facts as release 0.1.0 wrote them, of a network without a pipeline."""
    ranges = {"learning_rate_init": [0.1, 1.0], "decay": ["cosine"], "decay_rate": [0.1, 1.0]}
    network = {**DEFAULTS, "hidden_layer_sizes": "(50, 12)", **parameters}
    return {
        "version": "0.1.0",
        "seed": 0,
        "replicates": 2,
        "estimator": network,
        "metric": "loss",
        "data": "d",
        "splits": "s",
        "space": {**ranges, **(space or {})},
        "block_size": 16,
        "pruner": None,
    }


def trial(**distributions: Any) -> Any:
    params = {
        name: each.choices[0] if isinstance(each, CategoricalDistribution) else each.low
        for name, each in distributions.items()
    }
    return create_trial(
        state=TrialState.COMPLETE, value=1.0, params=params, distributions=distributions
    )


@pytest.mark.parametrize(
    ("name", "recorded", "value"),
    [
        ("hidden_layer_sizes", "(8,)", (8,)),
        ("hidden_layer_sizes", "[50, 12]", (50, 12)),
        ("hidden_layer_sizes", "()", ()),
        ("hidden_layer_sizes", 8, 8),
        ("hidden_layer_sizes", "array([8])", Source("array([8])")),
        ("class_weight", "balanced", "balanced"),
        ("class_weight", "{0: 2.0, 1: 1}", {0: 2.0, 1: 1}),
        ("class_weight", "{-1: 2.0, 'a b': 0.5}", {-1: 2.0, "a b": 0.5}),
        ("class_weight", "{np.int64(0): 2.0}", Source("{np.int64(0): 2.0}")),
        ("class_weight", None, None),
        ("random_state", 7, 7),
        ("random_state", "RandomState(MT19937)", Source("RandomState(MT19937)")),
        ("cycle_epochs", 3.0, 3.0),
    ],
)
def test_a_parameter_is_read_as_its_value_or_its_source(
    name: str, recorded: Any, value: Any
) -> None:
    trainer = upgrade(version_1(**{name: recorded}), "log_loss", [], "study").trainer

    assert trainer.parameters[name] == value
    assert trainer.changed == (() if value == DEFAULTS[name] else (name,))
    assert trainer.steps == ()


@pytest.mark.parametrize(
    ("name", "distribution", "choices"),
    [
        ("batch_size", IntDistribution(8, 64, log=True), (8, 64)),
        ("hidden_layer_sizes", CategoricalDistribution((8, 16)), (8, 16)),
        ("hidden_layer_sizes", CategoricalDistribution(("8", "(6, 4)")), (8, (6, 4))),
        ("activation", CategoricalDistribution(("relu", "tanh")), ("relu", "tanh")),
    ],
)
def test_a_further_range_is_read_from_the_trials(
    name: str, distribution: Any, choices: tuple[Any, ...]
) -> None:
    values = version_1(space={name: repr(distribution)})
    space = upgrade(values, "log_loss", [trial(**{name: distribution})], "study").space
    ((parameter, dimension),) = space.others

    assert (parameter, dimension.distribution, dimension.ends) == (name, distribution, choices)
    if isinstance(distribution, CategoricalDistribution):
        assert dimension == Dimension.of(name, list(choices))


def test_a_step_that_is_left_out_of_a_pipeline_is_none() -> None:
    network = version_1()["estimator"]
    pipeline = {
        "memory": None,
        "steps": "[…]",
        "scaler": "passthrough",
        "pca": "PCA(n_components=2)",
        "net": "MLPRegressor()",
        "pca__n_components": 2,
        **{f"net__{name}": value for name, value in network.items() if name != "class_weight"},
    }
    trainer = upgrade(version_1() | {"estimator": pipeline}, "squared_error", [], "s").trainer

    assert trainer.steps == (Step("PCA", "PCA(n_components=2)", {"n_components": 2}, changed=True),)
    assert trainer.changed == ()
    assert trainer.task == "regression"


@pytest.mark.parametrize(
    ("values", "loss"),
    [(version_1(), None), (version_1({"alpha": "FloatDistribution(…)"}), "log_loss")],
    ids=["killed before its plan", "killed before its first trial"],
)
def test_a_study_without_what_is_needed_is_refused_in_one_line(
    values: dict[str, Any], loss: str | None
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        upgrade(values, loss, [], "study")

    assert "'study'" in str(refused.value)
    assert "start a new study" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_study_killed_before_its_plan_is_refused_when_it_is_read(folder: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{folder}/s.db", study_name="study")
    study.set_user_attr(KEY, version_1())
    with pytest.raises(InvalidInputError, match="start a new study"):
        read_facts(study)
