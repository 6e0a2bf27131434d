"""Contrast: text at least 4.5:1, lines at least 3:1 (WCAG 2.1), in both themes and in Streamlit's own colours."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import InputError
from cl_viz.core.lesson import Animation
from cl_viz.core.view import Axis, Lines, Series
from cl_viz.figures.animation import animate
from cl_viz.figures.rendering import render
from cl_viz.figures.theme import DARK, LIGHT, Theme, as_text, contrast, loss_colour, run_colour, translucent


def test_contrast_is_that_of_the_definition() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)
    assert contrast("#ffffff", "#777777") == contrast("#777777", "#ffffff")


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_can_be_seen(theme: Theme) -> None:
    for colour in (theme.text, theme.muted, *theme.meanings.values()):
        assert contrast(colour, theme.background) >= 4.5
    for colour in (*theme.runs, *theme.losses):
        assert contrast(colour, theme.background) >= 3.0


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_name_of_a_curve_can_be_read_and_keeps_a_colour_that_can(theme: Theme) -> None:
    for colour in (*theme.runs, *theme.losses, *theme.meanings.values()):
        moved = as_text(colour, theme)
        assert contrast(moved, theme.background) >= 4.5
        assert (moved == colour) == (contrast(colour, theme.background) >= 4.5)
    axis, points = Axis("Step"), np.arange(3.0)
    series = tuple(Series(name, points, points * place) for place, name in enumerate(("one", "two", "three")))
    drawn = render(Lines("Title", axis, axis, series), theme.name)
    assert len(drawn.layout.annotations) == 3
    assert all(contrast(note.font.color, theme.background) >= 4.5 for note in drawn.layout.annotations)


def test_run_colours_are_distinct_and_repeat_after_eight() -> None:
    assert len({run_colour(index, LIGHT) for index in range(8)}) == 8
    assert run_colour(8, LIGHT) == run_colour(0, LIGHT)


# What is left of linear red, green and blue in full colour blindness (Machado, Oliveira, Fernandes 2009).
_VISION = {
    "all cones": np.eye(3),
    "no red": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "no green": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9690]]),
    "no blue": np.array([[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]]),
}
# To OKLab (Ottosson 2020), whose distances are as large as differences look.
_TO_CONES = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
_TO_LAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])


def _seen(colours: tuple[str, ...], vision: str) -> np.ndarray:
    found = np.array([[int(colour[start : start + 2], 16) for start in (1, 3, 5)] for colour in colours]) / 255
    linear = np.where(found <= 0.04045, found / 12.92, ((found + 0.055) / 1.055) ** 2.4) @ _VISION[vision].T
    return np.cbrt(np.clip(linear, 0, 1) @ _TO_CONES.T) @ _TO_LAB.T


def _apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.linalg.norm(first[:, None] - second[None], axis=-1)


@pytest.mark.parametrize("vision", list(_VISION))
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_losses_are_told_from_each_other_and_from_runs(theme: Theme, vision: str) -> None:
    losses, runs = _seen(theme.losses, vision), _seen((*theme.runs, theme.muted), vision)
    assert len(losses) == len(theme.runs)
    # No two colours of runs are nearer than 0.067 to each other where all cones work.
    assert (_apart(losses, losses) + 9 * np.eye(len(losses))).min() > 0.11
    assert _apart(losses, runs).min() > (0.11 if vision == "all cones" else 0.05)


def test_curves_of_losses_have_the_colours_of_losses() -> None:
    axis, points = Axis("Step"), np.arange(3.0)
    for is_loss, colours in ((True, LIGHT.losses), (False, LIGHT.runs)):
        series = tuple(Series("value", points, points, run=name, is_loss=is_loss) for name in ("one", "two"))
        drawn = render(Lines("Title", axis, axis, series), run_colours={"one": 2, "two": 0})
        assert [trace.line.color for trace in drawn.data] == [colours[2], colours[0]]
    assert loss_colour(8, LIGHT) == LIGHT.losses[0]


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


def test_a_theme_in_use_is_that_of_figures_that_ask_for_none() -> None:
    view = Lines("t", Axis("x"), Axis("y"), (Series("a", np.arange(2.0), np.arange(2.0)),))
    light, dark = render(view, "light"), render(view, "dark")
    assert render(view) == light != dark
    try:
        cl_viz.use_theme("dark")
        assert render(view) == dark
        assert render(view, "light") == light
        moving = Animation((view, view), ("1", "2"), "step")
        assert animate(moving) == animate(moving, "dark") != animate(moving, "light")
    finally:
        cl_viz.use_theme("light")
    with pytest.raises(InputError, match=r"theme = 'grey'.*light, dark"):
        cl_viz.use_theme("grey")  # type: ignore[arg-type]
