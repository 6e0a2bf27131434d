"""Colours and type of every figure, in light and dark.

Runs take the colours of Okabe and Ito (2008, "Color Universal Design"), which people with the common forms of colour
blindness tell apart. Where one of them has less than 3:1 contrast with the background (W3C, WCAG 2.1, 1.4.11) it is
moved in lightness until it has. Losses take others, so that a curve is known at a glance as a loss's or a run's: of all
colours with that contrast those that are furthest apart, from each other in the common forms of colour blindness too.
Text and the colours of meanings, which also colour text, have at least 4.5:1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cl_viz.core.errors import InputError
from cl_viz.core.view import Meaning

ThemeName = Literal["light", "dark"]


@dataclass(frozen=True)
class Theme:
    """One set of colours.

    Attributes
    ----------
    name : str
    background, text, muted, grid : str
        Page, text, secondary text (also reference lines), grid lines; hexadecimal.
    runs : tuple of str
        Colours of runs, in the order in which they are given out.
    losses : tuple of str
        Colours of losses, in the same way.
    meanings : Mapping[Meaning, str]
        Colours of meanings, the same in every figure.
    diverging : tuple of str
        Low, centre, high.
    """

    name: ThemeName
    background: str
    text: str
    muted: str
    grid: str
    runs: tuple[str, ...]
    losses: tuple[str, ...]
    meanings: Mapping[Meaning, str]
    diverging: tuple[str, str, str]


LIGHT = Theme(
    name="light",
    background="#ffffff",
    text="#1f2328",
    muted="#565d66",
    grid="#e4e7eb",
    runs=("#0072b2", "#c08400", "#009e73", "#c56fa0", "#d55e00", "#2b98d4", "#000000", "#9c9200"),
    losses=("#cc22aa", "#000055", "#885500", "#aa77ff", "#770000", "#0000ff", "#443377", "#220000"),
    meanings={
        "positive": "#0072b2",
        "negative": "#bd4b00",
        "false_negative": "#8a3c86",
        "reference": "#565d66",
        "other": "#3d4650",
    },
    diverging=("#2166ac", "#f7f7f7", "#b2182b"),
)

DARK = Theme(
    name="dark",
    background="#15181c",
    text="#e8eaed",
    muted="#b3b9c1",
    grid="#2f353c",
    runs=("#3d9bdc", "#e69f00", "#00b383", "#cc79a7", "#e8721c", "#8fd0f5", "#e8eaed", "#f0e442"),
    losses=("#dd44bb", "#aaffbb", "#999955", "#dd99ff", "#9900ff", "#44dd66", "#447777", "#995500"),
    meanings={
        "positive": "#56b4e9",
        "negative": "#f0813a",
        "false_negative": "#d58fd0",
        "reference": "#b3b9c1",
        "other": "#c3c9d0",
    },
    diverging=("#5aa5e0", "#2f353c", "#ef6b6b"),
)

THEMES: Mapping[str, Theme] = {"light": LIGHT, "dark": DARK}
_unless_told: list[ThemeName] = ["light"]


def use_theme(theme: ThemeName) -> None:
    """Draw figures in a theme from now on, where none is asked for: for notebooks on a dark page.

    Parameters
    ----------
    theme : {"light", "dark"}

    Raises
    ------
    InputError
        If the theme is not known.
    """
    _unless_told[:] = [known_theme(theme)]


def known_theme(theme: ThemeName | None) -> ThemeName:
    """Return a theme that is asked for, or the one in use.

    Raises
    ------
    InputError
        If it is not known.
    """
    chosen = theme or _unless_told[0]
    if chosen not in THEMES:
        raise InputError(f"theme = {chosen!r}", where="figures", allowed=", ".join(THEMES))
    return chosen


FONT = "Source Sans, Source Sans Pro, Helvetica, Arial, sans-serif"

# With several runs in one figure colour says which run, and the style of the line what it stands for.
DASHES: Mapping[Meaning, str] = {
    "positive": "solid",
    "negative": "dot",
    "false_negative": "dashdot",
    "reference": "longdash",
    "other": "solid",
}

SEQUENTIAL = "Cividis"

_TEXT_CONTRAST = 4.5


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two hexadecimal colours, 1 to 21 (W3C, WCAG 2.1)."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def readable_on(background: str) -> str:
    """Return black or white, whichever has more contrast with a hexadecimal colour: at least 4.5:1 with any."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, background))


def as_text(colour: str, theme: Theme) -> str:
    """Return a hexadecimal colour moved towards that of text until it has 4.5:1: curves need 3:1, their names more."""
    parts = zip(_channels(colour), _channels(theme.text), strict=True)
    steps = [tuple(own + (ink - own) * step / 20 for step in range(21)) for own, ink in parts]
    moved = ("#" + "".join(f"{round(channel):02x}" for channel in found) for found in zip(*steps, strict=True))
    return next(found for found in moved if contrast(found, theme.background) >= _TEXT_CONTRAST)


def run_colour(index: int, theme: Theme) -> str:
    """Return the colour of the run that was given number `index`; colours repeat after eight runs."""
    return theme.runs[index % len(theme.runs)]


def loss_colour(index: int, theme: Theme) -> str:
    """Return the colour of the loss that was given number `index`; colours repeat after eight losses."""
    return theme.losses[index % len(theme.losses)]


def translucent(colour: str, opacity: float) -> str:
    """Return a hexadecimal colour as ``rgba(...)``."""
    red, green, blue = _channels(colour)
    return f"rgba({red},{green},{blue},{opacity:g})"


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
