"""The console that results are printed on."""

import pytest

from lrtune.cli.console import REDIRECTED_WIDTH, make_console


def test_redirected_output_is_wide_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    console = make_console()
    console.print("x" * (REDIRECTED_WIDTH - 1), style="bold red")

    assert capsys.readouterr().out == "x" * (REDIRECTED_WIDTH - 1) + "\n"
    assert console.width == REDIRECTED_WIDTH


@pytest.mark.parametrize(("value", "plain"), [("1", True), ("0", True), ("", False)])
def test_an_empty_no_color_is_none(
    monkeypatch: pytest.MonkeyPatch, value: str, plain: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", value)

    assert make_console().no_color == make_console(stderr=True).no_color == plain
