"""One figure for several runs: the same view of each, with a title that says how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import Quantity, Result, format_number
from cl_viz.core.view import Heatmap, Series, SeriesView, Table, View, counted, overlay, told

_MOST_TITLES = 3
"""Runs whose own titles stand side by side in one."""


def compare(results: Sequence[Result], view: str, quantity: str = "") -> View:
    """Put one view of several results, one a run, into one figure.

    Parameters
    ----------
    results : sequence of Result
        Of one diagnostic. Results without the view are left out.
    view : str
        Key of `Result.views`.
    quantity : str
        Quantity that the title compares, with its N. Without it, and where a run lacks it, the title says what the
        view found on each run, or with more than three what is drawn.

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
    joined = overlay(views, (quantity and compared_title(having, quantity)) or _own_titles(having, view))
    return replace(joined, series=_without_repeats(joined.series))


def compared_title(results: Sequence[Result], quantity: str = "") -> str:
    """Say in which run a quantity is lowest and in which highest, and of how many units.

    Parameters
    ----------
    results : sequence of Result
    quantity : str
        By default the first that every result has.

    Returns
    -------
    str
        Empty where not every result has the quantity. An N that all share stands once.
    """
    shared = [name for name in results[0].quantities if all(_value(result, name) is not None for result in results)]
    name = quantity or next(iter(shared), "")
    if name not in shared:
        return ""
    ordered = sorted(results, key=lambda result: _value(result, name) or 0.0)
    lowest, highest = ordered[0], ordered[-1]
    label, counts = lowest.quantities[name].label, [_count(result, name) for result in results]
    if _text(lowest[name]) == _text(highest[name]):
        return f"{label}: {_text(lowest[name])} in {_all(len(results))}, {_shared_count(counts)}"
    ends = [f"{_text(result[name])} ({result.run})" for result in (lowest, highest)]
    if len(set(counts)) == 1:
        return f"{label} from {' to '.join(ends)}, {counts[0]}"
    ends = [f"{_text(result[name])} ({result.run}, {_count(result, name)})" for result in (lowest, highest)]
    return f"{label} from {' to '.join(ends)}"


def _own_titles(results: Sequence[Result], name: str) -> str:
    views = [result.views[name] for result in results]
    titles, counts = list(dict.fromkeys(view.title for view in views)), [counted(view) for view in views]
    if len(titles) == 1:
        return _ended(f"{titles[0]} in {_all(len(results))}", _shared_count(counts))
    if len(results) > _MOST_TITLES:
        first = cast(SeriesView, views[0])
        return _ended(f"{first.y.label} against {first.x.label} in {_all(len(results))}", _shared_count(counts))
    if len(set(counts)) == 1:
        own = (f"{result.run}: {view.title}" for result, view in zip(results, views, strict=True))
        return _ended("; ".join(own), counts[0], "; ")
    return "; ".join(f"{result.run}: {told(view)}" for result, view in zip(results, views, strict=True))


def _ended(title: str, count: str, between: str = ", ") -> str:
    return between.join(part for part in (title, count) if part)


def _all(count: int) -> str:
    return "both runs" if count == 2 else f"all {count:,} runs"


def _count(result: Result, name: str) -> str:
    quantity = result.quantities[name]
    count = result.caveats.n_used if quantity.n is None else quantity.n
    units = "" if quantity.n is None or quantity.unit_of_n == "samples" else f" {quantity.unit_of_n}"
    return f"N = {count:,}{units}"


def _shared_count(counts: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(counts)) if len(set(counts)) < 3 else "N differs by run"


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
