"""Contrast: text at least 4.5:1, lines at least 3:1 (WCAG 2.1), in both themes and in Streamlit's own colours."""

import tomllib
from pathlib import Path

import pytest

from cl_viz.figures.theme import DARK, LIGHT, Theme, contrast, run_colour, translucent


def test_contrast_is_that_of_the_definition() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)
    assert contrast("#ffffff", "#777777") == contrast("#777777", "#ffffff")


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_can_be_seen(theme: Theme) -> None:
    for colour in (theme.text, theme.muted, *theme.meanings.values()):
        assert contrast(colour, theme.background) >= 4.5
    for colour in theme.runs:
        assert contrast(colour, theme.background) >= 3.0


def test_run_colours_are_distinct_and_repeat_after_eight() -> None:
    assert len({run_colour(index, LIGHT) for index in range(8)}) == 8
    assert run_colour(8, LIGHT) == run_colour(0, LIGHT)


def test_translucent_keeps_the_colour() -> None:
    assert translucent("#0072b2", 0.5) == "rgba(0,114,178,0.5)"


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_page_has_the_background_of_the_figures_and_enough_contrast(theme: Theme, checkout: Path) -> None:
    config = tomllib.loads((checkout / ".streamlit" / "config.toml").read_text())["theme"][theme.name]
    assert config["backgroundColor"] == theme.background
    for name, colour in config.items():
        if name.endswith("TextColor") or name in ("textColor", "linkColor", "primaryColor"):
            assert contrast(colour, theme.background) >= 4.5, name
            assert contrast(colour, config["sidebar"]["backgroundColor"]) >= 4.5, name
