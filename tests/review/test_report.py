"""The report: what it says of studies of every kind, and that it is the same every time."""

import base64
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import pytest
from matplotlib import rc_context
from sklearn.datasets import load_diabetes, load_iris

from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor
from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.review import report
from lrtune.review.gallery import GALLERY
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import DataFacts, Environment, Plan
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.result import read_result
from lrtune.tuning.search import Budget, Recording, Sampling, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.replicates import draw_replicates, make_replicates
from tests.messy_tables import make_table, write_table

NASTY = "<script>alert(1)</script>"
NASTY_DATA = "$x^2$ & <b>\u202e\x01\ud800"


class Text(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.images: list[str] = []
        self.alternatives: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")
            self.alternatives.append(dict(attrs)["alt"] or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def __str__(self) -> str:
        return " ".join(" ".join(self.words).split())


def searched(
    storage: str,
    name: str = "s",
    *,
    n_trials: int = 20,
    epochs: int = 4,
    alpha0: tuple[float, float] | None = (0.01, 40.0),
    confirm: bool = True,
    on_progress: Callable[[Any], None] | None = None,
    **space: Any,
) -> Any:
    """A search of iris, recorded."""
    X, y = load_iris(return_X_y=True)
    kind = "classification"
    trainer = NetworkTrainer(
        MLPClassifier((8,), max_iter=epochs),
        X,
        y,
        make_replicates(y, 2, task=kind),
        fresh=lambda number: next(draw_replicates(y, task=kind, seed=0, first=number)),
    )
    return search(
        trainer,
        Space.default(epochs, learning_rate_init=alpha0, **space),
        budget=Budget(n_trials, 2, confirm=confirm),
        sampling=Sampling(0),
        data=DataFacts("iris", target=NASTY, rows=150, columns=4),
        recording=Recording(partial(Record.create, storage, name)),
        on_progress=on_progress,
    )


def render_report(study: str, storage: str) -> str:
    return report.render_report(read_result(study, storage, purpose="report on"))


def render_figures(study: str, storage: str) -> dict[str, bytes]:
    return report.render_figures(read_result(study, storage))


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return str(tmp_path / "r.journal")


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """A record with a study ``s``, and its result."""
    storage = str(tmp_path_factory.mktemp("r") / "r.journal")
    return storage, searched(storage, n_trials=16, alpha0=None)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """The same of so few trials that no importances are computed, which takes long."""
    storage = str(tmp_path_factory.mktemp("small") / "r.journal")
    return storage, searched(storage, n_trials=6, epochs=2)


@pytest.fixture(scope="module")
def page(confirmed: tuple[str, Any]) -> str:
    """The report of that study."""
    return render_report("s", confirmed[0])


def said(storage: str, study: str = "s") -> str:
    return str(Text(render_report(study, storage)))


def note(storage: str, key: str, value: Any, study: str = "s") -> None:
    """Change an attribute of a study."""
    opened, _ = open_storage(storage)
    optuna.load_study(storage=opened, study_name=study).set_user_attr(key, value)


# --- a whole one ----------------------------------------------------------------------------------


def test_it_says_what_to_set_and_how_sure_that_is(confirmed: tuple[str, Any], page: str) -> None:
    _, result = confirmed
    text = str(Text(page))

    assert "Recommended learning_rate_init" in text
    assert f"learning_rate_init {result.best.learning_rate_init:.4g} " in text
    assert f"Expect a validation loss (log loss) of {result.confirmed_loss:.4g} ± " in text
    assert f"means over {result.confirmation.replicates} fresh replicates" in text
    assert result.confirmation.keeps_default
    assert "The untuned default (learning_rate_init 0.1, constant) is itself the recom" in text
    assert "A guess that ignores the columns has a loss of" in text
    assert f"{result.trials.diverged} diverged" in text
    for warning in result.warnings:
        assert f"{warning[0].upper()}{warning[1:]}." in text
    for word in ("replicate", "diverged", "decay_rate", "safe range"):
        assert word in text.partition("Glossary")[2]


def test_it_is_one_page_that_needs_nothing(page: str) -> None:
    parsed = Text(page)

    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert "<title>Learning rate for iris (lrtune study s)</title>" in page
    assert not {"script", "iframe", "object", "form", "base"} & set(parsed.tags)
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "@import" not in page
    assert "url(" not in page
    assert len(parsed.images) == len(GALLERY)
    assert all(len(text) > 50 for text in parsed.alternatives)


def test_its_figures_are_sound_svg_without_a_script(page: str) -> None:
    for image in Text(page).images:
        source = base64.b64decode(image.removeprefix("data:image/svg+xml;base64,"))
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(source).iter()}  # noqa: S314

        assert "path" in tags
        assert not {"script", "foreignObject", "image"} & tags
        assert b"<dc:date>" not in source


@pytest.mark.slow
def test_the_same_study_gives_the_same_report(small: tuple[str, Any]) -> None:
    page = render_report("s", small[0])
    with rc_context({"font.size": 30, "svg.fonttype": "none", "text.usetex": True}):
        again = render_report("s", small[0])

    assert again == page


@pytest.mark.slow
def test_the_same_study_gives_the_same_figures(confirmed: tuple[str, Any]) -> None:
    figures = render_figures("s", confirmed[0])

    assert render_figures("s", confirmed[0]) == figures
    assert list(figures) == list(GALLERY)
    assert all(content.startswith(b"\x89PNG") for content in figures.values())


def test_it_says_how_to_reproduce_it(small: tuple[str, Any], page: str, storage: str) -> None:
    assert "The command was not recorded." in str(Text(page))
    shutil.copy(small[0], storage)
    environment = Environment("lrtune search iris", {"numpy": "9.9"})
    note(storage, environment.KEY, environment.to_json())
    text = said(storage)
    facts = read_result("s", storage).facts

    assert "gives the same trials. lrtune search iris data iris; 150 rows, 4 columns" in text
    assert f"data fingerprint {facts.data_hash}" in text
    assert f"seed {facts.seed}" in text
    assert f"lrtune {facts.version}, numpy 9.9" in text
    assert f"lrtune report s --storage {storage}" in text


def test_its_code_gives_the_tuned_estimator(confirmed: tuple[str, Any], page: str) -> None:
    _, result = confirmed
    source = next(words for words in Text(page).words if "model = MLPClassifier" in words)
    namespace: dict[str, Any] = {}
    exec(source, namespace)  # noqa: S102

    assert namespace["model"].learning_rate_init == result.best.learning_rate_init
    assert namespace["model"].decay == result.best.decay


# --- what comes from a user -----------------------------------------------------------------------


def test_names_are_text_and_cannot_be_more(storage: str) -> None:
    name = f"a'b\"{NASTY}"
    searched(storage, name, n_trials=2)
    facts = read_result(name, storage).facts
    facts = replace(facts, data=replace(facts.data, dataset=NASTY_DATA))
    note(storage, facts.KEY, facts.to_json(), name)
    environment = Environment(f"lrtune {NASTY_DATA}", {NASTY: "1"})
    note(storage, environment.KEY, environment.to_json(), name)
    page = render_report(name, storage)
    text = str(Text(page))

    assert "script" not in Text(page).tags
    assert "<b>" not in page.partition("<h1>")[2].partition("</h1>")[0]
    assert f"A learning rate for {NASTY_DATA[:11]}\\u202e\\x01\\ud800" in text
    assert f"target column: {NASTY}" in text
    assert f"study {name} in" in text
    assert page.encode("utf-8").isascii() is False  # it can be written
    assert all(c.isprintable() or c == "\n" for c in page)


# --- studies that miss something ------------------------------------------------------------------


@pytest.mark.slow
def test_without_confirmation_it_says_so(storage: str) -> None:
    result = searched(storage, n_trials=6, confirm=False)
    text = said(storage)

    assert "Best of the search, not confirmed" in text
    assert f"log loss) of {result.search_loss:.4g}, the mean of the 2 replicates that chose" in text
    assert "was not tried on fresh replicates" in text
    assert "so expect a higher one on fresh seeds" in text
    assert "sensitivity" not in render_figures("s", storage)


@pytest.mark.slow
def test_if_everything_diverged_there_is_no_recommendation(storage: str) -> None:
    with pytest.raises(NothingCompletedError):
        searched(storage, n_trials=3, alpha0=(1e5, 1e6))
    text = said(storage)

    assert "No recommendation There is no recommendation: none of 3 trials completed" in text
    assert "3 diverged" in text
    assert "nothing to use yet" in text
    assert set(render_figures("s", storage)) == {"loss", "learning-curves", "outcomes"}


@pytest.mark.slow
def test_settings_that_all_diverge_on_fresh_replicates_are_not_called_safe(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise NothingCompletedError("every setting diverged on fresh replicates")

    monkeypatch.setattr("lrtune.tuning.search.confirm", refuse)
    with pytest.raises(NothingCompletedError):
        searched(storage, n_trials=3)
    text = said(storage)

    assert (
        "Best of the search, not safe No setting can be recommended as safe: every setting" in text
    )


@pytest.mark.slow
def test_one_trial_is_enough(storage: str) -> None:
    searched(storage, n_trials=1)
    text = said(storage)

    assert "1 trial was tried: 1 complete." in text
    assert "at least 16 trials" in text


@pytest.mark.slow
def test_an_interrupted_search_says_so_and_how_to_go_on(storage: str) -> None:
    def interrupt(progress: Any) -> None:
        if progress.finished:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(storage, n_trials=20, on_progress=interrupt)
    page = render_report("s", storage)
    text = str(Text(page))

    assert "was interrupted, or is still running: 8 of 20 trials have finished" in text
    assert "Repeat it with resume=True to continue." in text
    assert "<code>resume=True</code>" in page
    assert "Best of the search, not confirmed" in text


def test_a_search_interrupted_before_its_first_trial_says_so(storage: str) -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(storage, on_progress=interrupt)

    assert "No trial has finished yet." in said(storage)
    assert render_figures("s", storage) == {}


@pytest.mark.slow
def test_a_study_without_a_recorded_plan_has_a_report(storage: str) -> None:
    searched(storage, n_trials=4)
    note(storage, Plan.KEY, Plan().to_json())
    text = said(storage)

    assert "Expect a validation loss (log loss) of" in text
    assert "No range test was run: the range of the initial learning rate was given" in text


@pytest.mark.slow
def test_a_study_of_another_program_is_refused(storage: str) -> None:
    optuna.create_study(storage=f"sqlite:///{storage}.db", study_name="foreign")

    with pytest.raises(InvalidInputError, match="to report on must be lrtune's own, but 'foreign'"):
        render_report("foreign", f"sqlite:///{storage}.db")


@pytest.mark.slow
def test_a_search_without_a_record_has_a_report_too(small: tuple[str, Any]) -> None:
    text = report.render_report(replace(small[1], study=None, storage=None))

    assert "which was not recorded" in text
    assert "To write this report again" not in text


# --- other kinds of study -------------------------------------------------------------------------


@pytest.mark.slow
def test_a_regression_is_told_in_its_own_unit(storage: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    model = MLPRegressor((8,), max_iter=3)
    LearningRateSearchCV(
        model, n_trials=6, cv=2, storage=storage, study_name="s", random_state=0
    ).fit(X, y)
    text = said(storage)

    assert "validation loss (squared error) of" in text
    assert "its root, in the target's own unit:" in text
    assert "an R² of" in text


@pytest.mark.slow
def test_further_parameters_fixed_ones_and_scorers_are_told(storage: str) -> None:
    X, y = load_iris(return_X_y=True)
    space = {
        "decay": ["cosine"],
        "learning_rate_init": (0.05, 0.2),
        "hidden_layer_sizes": [(8,), (6, 4)],
        "alpha": (1e-6, 1e-3),
    }
    LearningRateSearchCV(
        MLPClassifier(max_iter=3),
        space=space, n_trials=16, cv=2, scoring="accuracy", storage=storage, study_name="s",
        random_state=0,
    ).fit(X, y)  # fmt: skip
    page = render_report("s", storage)
    text = str(Text(page))

    assert "The search maximised accuracy; losses are the estimator's own." in text
    assert "search accuracy fresh accuracy" in text
    assert "decay: cosine" in text
    assert "hidden_layer_sizes" in text
    assert "importance" in render_figures("s", storage)


@pytest.mark.slow
def test_a_schedule_that_follows_losses_is_not_drawn(storage: str) -> None:
    searched(storage, n_trials=3, alpha0=(0.05, 0.2), decay=("plateau",))

    assert "Its decay follows the validation loss" in said(storage)
    assert "schedule" not in render_figures("s", storage)


@pytest.mark.slow
def test_pruned_trials_are_counted_and_drawn_open(storage: str) -> None:
    X, y = load_iris(return_X_y=True)
    LearningRateSearchCV(
        MLPClassifier((8,), max_iter=6),
        n_trials=15, cv=2, pruner=optuna.pruners.MedianPruner(4, 1), storage=storage,
        study_name="s", random_state=0,
    ).fit(X, y)  # fmt: skip
    text = said(storage)

    assert re.search(r"\d+ complete, \d+ pruned", text)
    assert {"loss", "outcomes"} <= set(render_figures("s", storage))


@pytest.mark.slow
def test_what_was_made_of_the_table_is_told(lrtune: Callable[..., Any], folder: Path) -> None:
    messy = make_table("everything")
    path = write_table(messy, folder)
    options = ("--epochs", "2", "--trials", "4", "--no-confirm", "--hidden", "4", "--name", "s")
    said = lrtune("search", str(path), *messy.options, *options).err
    text = str(Text(render_report("s", "lrtune.journal")))
    notes = [" ".join(line.split()) for line in said.splitlines() if line.startswith("target: ")]

    assert "How the table was read" in text
    assert notes
    assert all(note in text for note in notes)


@pytest.mark.slow
def test_a_table_of_one_column_has_no_columns(lrtune: Callable[..., Any], folder: Path) -> None:
    (folder / "one.csv").write_text("a,y\n" + "".join(f"{i / 7},{i}.5\n" for i in range(30)))
    lrtune("search", "one.csv", "--trials", "2", "--epochs", "1", "--no-confirm", "--quiet")
    text = str(Text(render_report("one", "lrtune.journal")))

    assert "30 rows, 1 column;" in text
    assert "1 columns" not in text
