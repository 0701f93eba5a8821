"""Progress: what a listener gets, and its line for people."""

from lrtune.tuning.progress import Progress, Reporter
from lrtune.tuning.record.trials import TrialCounts

NONE = TrialCounts(0, 0, 0, 0)


def test_a_line_tells_the_trials_where_trainings_are_not_counted() -> None:
    assert str(Progress("s", 3, 64, None, NONE)) == "3 of 64 trials"


def test_a_line_tells_trainings_their_median_and_the_time_left() -> None:
    progress = Progress("s", 3, 16, None, NONE, True, 4, 10, 60.0)

    for words in ("4 of about 10 trainings", "60 s each", "about 6 min left", "confirming"):
        assert words in str(progress)


def test_a_reporter_counts_trainings_and_keeps_their_median() -> None:
    seen: list[Progress] = []
    reporter = Reporter(seen.append, "s", [], total=4, planned=9)
    reporter.report()
    for seconds in (1.0, 5.0, 2.0):
        reporter.count_training(seconds)

    assert [each.trainings for each in seen] == [0, 1, 2, 3]
    assert (seen[-1].planned, seen[-1].median_seconds) == (9, 2.0)
    assert seen[0].median_seconds is None


def test_what_trains_after_the_confirmation_began_is_confirming() -> None:
    seen: list[Progress] = []
    reporter = Reporter(seen.append, None, [], total=4, planned=9)
    reporter.report(confirming=True)
    reporter.count_training(1.0)

    assert [each.confirming for each in seen] == [True, True]


def test_without_a_listener_nothing_happens() -> None:
    Reporter(None, None, [], total=1, planned=1).count_training(1.0)
