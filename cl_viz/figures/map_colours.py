"""What gives the points of a map their colours: a few categories, or numbers on a scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.figures.theme import SEQUENTIAL, THEMES, ThemeName

MOST_CATEGORIES = 20
"""Categories with a colour of their own; the rarest are shown together as one more."""
OTHER = "other"
NO_ENTRY = "no entry"

# With the eight colours of runs the most distant ones (in OKLab) that have 3:1 contrast with the background.
_MORE: Mapping[ThemeName, tuple[str, ...]] = {
    "light": (
        "#7f26d8", "#0f0f56", "#821624", "#d826d8", "#61136c", "#2222c3", "#0f560f", "#977ce8", "#d82652", "#422723",
        "#ad1e89", "#825916",
    ),
    "dark": (
        "#9526d8", "#74663e", "#26d826", "#c3224a", "#6c59a5", "#d826ac", "#92ebb4", "#167482", "#88971a", "#a892eb",
        "#5151e0", "#2f7226",
    ),
}  # fmt: skip
_LONGEST_NAME = 80
_STEPS = 64
"""Colours of a scale in a picture."""


@dataclass(frozen=True, eq=False)
class Categories:
    """Points of a few kinds.

    Attributes
    ----------
    label : str
        What the kinds are of.
    names : tuple of str
        At most `MOST_CATEGORIES`, then `OTHER` and `NO_ENTRY` where there are such points.
    codes : NDArray[np.uint8], shape (N,)
        Index into `names`.
    distinct : int
        Different entries before the rarest were put together.
    grey : int
        How many of the last names stand for no single kind.
    """

    label: str
    names: tuple[str, ...]
    codes: NDArray[np.uint8]
    distinct: int
    grey: int = 0

    def colours(self, theme: ThemeName) -> tuple[str, ...]:
        """Return the colour of each name, hexadecimal."""
        chosen = THEMES[theme]
        palette = (*chosen.runs, *_MORE[theme])
        return (*palette[: len(self.names) - self.grey], *(chosen.muted for _ in range(self.grey)))


@dataclass(frozen=True, eq=False)
class Scale:
    """Points with a number each.

    Attributes
    ----------
    label : str
        What the number is, with its unit.
    values : NDArray[np.float32], shape (N,)
        NaN where it is unknown.
    low, high : float
        Ends of the scale; numbers beyond them take the colour of the end.
    """

    label: str
    values: NDArray[np.float32]
    low: float
    high: float

    def steps(self) -> NDArray[np.uint8]:
        """Return the index of each point's colour in `scale_colours`; the last one is for unknown numbers."""
        with np.errstate(invalid="ignore"):
            share = (self.values - self.low) / (self.high - self.low)
        known = np.isfinite(share)
        steps = np.full(len(share), _STEPS, dtype=np.uint8)
        steps[known] = np.clip(share[known] * _STEPS, 0, _STEPS - 1).astype(np.uint8)
        return steps


Colouring = Categories | Scale


def by_entries(label: str, entries: NDArray[Any]) -> Categories:
    """Make categories of a column: all its values where they are few, else the most frequent ones and `OTHER`.

    Parameters
    ----------
    label : str
    entries : NDArray of shape (N,)
        Text, numbers or booleans; None, NaN and empty text are no entry.
    """
    import pandas as pd

    # Empty text is no entry; looking for it among numbers would take longer than numbering them.
    texts = entries.dtype.kind in "OUT"
    codes, values = pd.factorize(pd.Series(entries).replace("", None) if texts else entries, use_na_sentinel=True)
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    frequent = np.sort(np.argsort(-counts, kind="stable")[:MOST_CATEGORIES])
    order = sorted(frequent.tolist(), key=lambda index: _natural(values[index]))
    place = np.full(len(values) + 1, len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    names = [str(values[index])[:_LONGEST_NAME] for index in order]
    grey = 0
    if len(values) > len(order):
        names.append(OTHER)
        grey += 1
    if (codes < 0).any():
        place[-1] = len(names)
        names.append(NO_ENTRY)
        grey += 1
    return Categories(label, tuple(names), place[codes].astype(np.uint8), len(values), grey)


def by_numbers(label: str, values: NDArray[Any], ends: tuple[float, float] | None = None) -> Scale:
    """Make a scale of numbers; without fixed `ends` it spans the middle 98 % of them, so that outliers keep it wide."""
    numbers = np.asarray(values, dtype=np.float32)
    known = numbers[np.isfinite(numbers)]
    if ends is not None:
        low, high = ends
    elif len(known):
        low, high = (float(end) for end in np.quantile(known, (0.01, 0.99)))
    else:
        low, high = 0.0, 1.0
    if not high > low:
        low, high = low - 0.5, low + 0.5
    return Scale(label, numbers, low, high)


def colour_column(label: str, entries: NDArray[Any]) -> Colouring:
    """Make what fits a column: a scale for fractions and for more whole numbers than there are colours."""
    kind = entries.dtype.kind
    if kind == "f" or (kind in "iu" and len(np.unique(entries)) > MOST_CATEGORIES):
        return by_numbers(label, entries)
    return by_entries(label, entries)


def scale_colours(theme: ThemeName) -> tuple[str, ...]:
    """Return the colours of a scale from low to high, and last the one of unknown numbers."""
    from plotly.colors import sample_colorscale, unlabel_rgb

    sampled = sample_colorscale(SEQUENTIAL, np.linspace(0, 1, _STEPS).tolist())
    found = ["#{:02x}{:02x}{:02x}".format(*(round(part) for part in unlabel_rgb(colour))) for colour in sampled]
    return (*found, THEMES[theme].muted)


def channels(colours: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return hexadecimal colours as red, green and blue, shape (C, 3)."""
    found = [[int(colour[start : start + 2], 16) for start in (1, 3, 5)] for colour in colours]
    return np.array(found, dtype=np.uint8).reshape(len(colours), 3)


def _natural(value: Any) -> tuple[int, float, str]:
    """Order numbers by size, also those written as text, and before words."""
    try:
        return 0, float(value), ""
    except (TypeError, ValueError):
        return 1, 0.0, str(value)
