"""One figure for several runs: the same view of each, with a title that says how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import Quantity, Result, format_number
from cl_viz.core.view import Heatmap, Series, SeriesView, Table, View, overlay


def compare(results: Sequence[Result], view: str, quantity: str = "") -> View:
    """Put one view of several results, one a run, into one figure.

    Parameters
    ----------
    results : sequence of Result
        Of one diagnostic. Results without the view are left out.
    view : str
        Key of `Result.views`.
    quantity : str
        Quantity that the title compares; by default the first that every result has.

    Returns
    -------
    View
        With one result its own view. Tables and heatmaps cannot be overlaid: the first is returned.

    Raises
    ------
    MissingInputError
        If no result has the view.
    """
    having = [result for result in results if view in result.views]
    if not having:
        raise MissingInputError(
            f"no run has the figure {view!r}",
            where=", ".join(result.run for result in results),
            remedy="add what the findings above ask for",
        )
    first = having[0].views[view]
    if len(having) == 1 or isinstance(first, (Table, Heatmap)):
        return first
    views = [cast(SeriesView, result.views[view]) for result in having]
    joined = overlay(views, compared_title(having, quantity) or views[0].title)
    return replace(joined, series=_without_repeats(joined.series))


def compared_title(results: Sequence[Result], quantity: str = "") -> str:
    """Say in which run a quantity is lowest and in which highest; empty where no quantity is shared."""
    shared = [name for name in results[0].quantities if all(_value(result, name) is not None for result in results)]
    name = quantity if quantity in shared else next(iter(shared), "")
    if not name:
        return ""
    ordered = sorted(results, key=lambda result: _value(result, name) or 0.0)
    lowest, highest = ordered[0], ordered[-1]
    label = lowest.quantities[name].label
    if _text(lowest[name]) == _text(highest[name]):
        return f"{label}: {_text(lowest[name])} in all {len(results)} runs"
    return f"{label} from {_text(lowest[name])} ({lowest.run}) to {_text(highest[name])} ({highest.run})"


def _value(result: Result, name: str) -> float | None:
    quantity = result.quantities.get(name)
    return None if quantity is None else quantity.value


def _text(quantity: Quantity) -> str:
    value = cast(float, quantity.value)
    return f"{int(value):,}" if float(value).is_integer() and abs(value) >= 2 else format_number(value)


def _without_repeats(series: tuple[Series, ...]) -> tuple[Series, ...]:
    """Keep a reference curve that is the same for all runs once, as nobody's; others stay those of their runs."""
    runs = {entry.run for entry in series if entry.meaning != "reference"}
    kept: list[Series] = []
    for entry in series:
        if entry.meaning == "reference":
            owners = {other.run for other in series if _same(entry, other)}
            if len(owners) > 1 and not runs - owners:
                entry = replace(entry, run="")
            if any(_same(entry, other) and other.run == entry.run for other in kept):
                continue
        kept.append(entry)
    return tuple(kept)


def _same(first: Series, second: Series) -> bool:
    return (
        second.meaning == "reference"
        and first.name == second.name
        and np.array_equal(first.x, second.x)
        and np.array_equal(first.y, second.y)
    )
