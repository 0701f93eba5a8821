"""The figures of a report: when each is shown, and its caption."""

import matplotlib as mpl
import pytest

from lrtune.review.gallery import GALLERY
from lrtune.review.study import Study
from tests.review.variants import changed


def missing(study: Study) -> set[str]:
    return {name for name, picture in GALLERY.items() if picture.missing(study)}


def test_a_figure_without_data_is_missing(
    interrupted: Study, regression: Study, scored: Study
) -> None:
    assert missing(interrupted) == {"sensitivity"}
    assert missing(regression) == {"importance"}
    assert missing(scored) == {"importance", "range-test"}
    assert missing(changed(interrupted, trials=[], recommended=None)) >= {
        "loss", "sensitivity", "schedule", "learning-curves", "importance", "outcomes",
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name in GALLERY if name != "importance"])
def test_every_figure_has_a_caption_and_a_picture(regression: Study, name: str) -> None:
    picture = GALLERY[name]
    svg, (width, height) = picture.svg(regression)

    assert picture.caption(regression).endswith(".")
    assert b"<svg" in svg
    assert width > 100
    assert height > 100


def test_a_picture_is_the_same_whatever_the_users_settings(regression: Study) -> None:
    picture = GALLERY["schedule"]
    usual = picture.svg(regression)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9}):
        assert picture.svg(regression) == usual
        assert mpl.rcParams["font.size"] == 30


def test_a_caption_mentions_only_what_the_figure_shows(interrupted: Study, scored: Study) -> None:
    caption = GALLERY["loss"].caption

    assert "crosses" in caption(interrupted)
    assert "safe range" not in caption(interrupted)
    assert "crosses" not in caption(scored)
    assert "safe range" in caption(scored)
