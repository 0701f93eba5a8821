"""What is optimised is shown in the user's words."""

from lrtune.cli.measure import Measure


def test_a_number_is_shown_as_the_user_gave_it() -> None:
    assert Measure().show(0.12345) == "0.1235"
    assert Measure("accuracy", maximize=True).show(-0.93) == "0.93"


def test_a_tables_search_has_a_loss() -> None:
    assert Measure.of({}) == Measure("loss")
    assert Measure.of({"metric": "f1", "direction": "maximize"}) == Measure("f1", maximize=True)
