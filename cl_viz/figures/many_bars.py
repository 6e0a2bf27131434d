"""Bars of many categories: those at both ends, or all of them below each other in a tall figure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.view import Bars, Series, View

MANY = 24
"""Categories that stand side by side at half the width of a page."""
MOST = 400
"""Categories of a tall figure."""
BAR_HEIGHT = 20
"""Pixels of one category in a tall figure."""


def categories(view: View) -> list[str]:
    """Return the categories of bars, in their order; empty for other figures."""
    return (
        list(dict.fromkeys(str(value) for entry in view.series for value in entry.x)) if isinstance(view, Bars) else []
    )


def at_ends(view: View, each: int = 10) -> View:
    """Return bars of the categories that are lowest and highest in the mean over all runs, lowest first.

    Parameters
    ----------
    view : View
        Figures other than bars, and bars of no more categories, are returned as they are.
    each : int
        Categories at each end.

    Returns
    -------
    View
        The axis says how many categories there are.
    """
    names = categories(view)
    if not isinstance(view, Bars) or len(names) <= 2 * each:
        return view
    ordered = _lowest_first(view, names)
    kept = [*ordered[:each], *ordered[-each:]]
    axis = replace(view.x, unit=f"{each:,} lowest and {each:,} highest of {len(names):,}")
    return replace(view, x=axis, series=tuple(_only(entry, kept) for entry in view.series))


def below_each_other(view: View, most: int = MOST) -> View:
    """Return bars that lie on their side, all categories below each other, the lowest on top; at most `most`."""
    if not isinstance(view, Bars):
        return view
    fewer = at_ends(view, most // 2)
    assert isinstance(fewer, Bars)
    ordered = _lowest_first(fewer, categories(fewer))
    return replace(fewer, sideways=True, series=tuple(_only(entry, ordered) for entry in fewer.series))


def tall(view: View) -> int:
    """Return the pixels that bars below each other need."""
    runs = len({entry.run for entry in view.series}) if isinstance(view, Bars) else 1
    return 150 + len(categories(view)) * (BAR_HEIGHT + 5 * (runs - 1))


def _lowest_first(view: Bars, names: list[str]) -> list[str]:
    values: dict[str, list[float]] = {name: [] for name in names}
    for entry in view.series:
        if entry.meaning != "reference":
            for name, value in zip(entry.x, np.asarray(entry.y, dtype=np.float64), strict=True):
                values[str(name)].append(float(value))
    means = {name: float(np.mean(found)) if found else np.nan for name, found in values.items()}
    # A category without a number stands in the middle: it is neither low nor high.
    known = [mean for mean in means.values() if np.isfinite(mean)]
    middle = float(np.median(known)) if known else 0.0
    return sorted(names, key=lambda name: means[name] if np.isfinite(means[name]) else middle)


def _only(entry: Series, kept: list[str]) -> Series:
    places = {str(name): place for place, name in enumerate(entry.x)}
    chosen = np.array([places[name] for name in kept if name in places], dtype=np.int64)

    def of(values: NDArray[np.generic] | None) -> NDArray[np.generic] | None:
        return None if values is None else np.asarray(values)[chosen]

    return replace(
        entry, x=np.asarray(entry.x)[chosen], y=np.asarray(entry.y)[chosen], low=of(entry.low), high=of(entry.high)
    )
